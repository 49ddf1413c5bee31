"""The daemon's tick, clock and health, without a process of its own."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client.parser import text_string_to_metric_families

from crmsync import logs
from crmsync.app import App
from crmsync.daemon import Daemon
from crmsync.errors import RateLimited, Stopped, StoreError, Unauthorized
from crmsync.metrics import metrics_text
from crmsync.sandbox import Sandbox
from crmsync.service import Service
from crmsync.settings import load

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "tests" / "core" / "definitions" / "b2b-saas.yaml"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Cycles:
    """Cycles that end as told: with an error, or well when there is none left."""

    errors: list[Exception] = field(default_factory=list)
    ran: int = 0

    def __call__(self) -> str:
        self.ran += 1
        if self.errors:
            raise self.errors.pop(0)
        return "nothing"


def a_daemon(*errors: Exception, clock: Callable[[], datetime] = Clock()) -> Daemon:  # noqa: B008 - never changed
    return Daemon(Cycles(list(errors)), timedelta(seconds=60), clock)


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("The access token lacks the scope forms."),
        StoreError("The disk is full."),
        ZeroDivisionError("a bug"),
    ],
)
def test_a_cycle_that_fails_is_told_and_the_next_one_runs(error: Exception) -> None:
    daemon = a_daemon(error)

    daemon.run_cycle()
    assert (daemon.health.failures, daemon.health.last_status) == (1, "failed")
    assert daemon.health.problem
    assert daemon.health.last_success_at is None
    daemon.run_cycle()

    assert (daemon.health.problem, daemon.health.last_status) == ("", "nothing")
    assert daemon.health.last_success_at == NOON


def test_g13_a_bug_is_logged_with_its_place_and_without_the_value_it_may_quote() -> None:
    daemon = a_daemon(ValueError("cannot read 'ann@example.com'"))

    with structlog.testing.capture_logs() as told:
        daemon.run_cycle()

    assert [(one["event"], one["error"]) for one in told] == [("cycle.crashed", "ValueError")]
    assert any(place.startswith("daemon.py:") for place in told[0]["at"])
    assert "ann@example.com" not in repr(told)


def test_only_a_refused_token_says_that_nothing_may_be_written() -> None:
    daemon = a_daemon(Unauthorized("HubSpot refused the access token."), StoreError("The disk is full."))

    daemon.run_cycle()
    assert daemon.health.may_write is False
    daemon.run_cycle()
    daemon.run_cycle()

    assert daemon.health.may_write is True


def test_a_used_up_daily_limit_pauses_until_it_is_there_again() -> None:
    clock = Clock()
    daemon = a_daemon(
        RateLimited("The portal's daily limit is used up.", policy="DAILY", retry_after_s=3_600), clock=clock
    )

    daemon.run_cycle()
    clock.at += timedelta(minutes=59)
    daemon.run_cycle()
    assert daemon.health.cycles == 1
    clock.at += timedelta(minutes=2)
    daemon.run_cycle()

    assert daemon.health.cycles == 2
    assert "Paused until 2026-11-22 13:00 UTC" not in daemon.health.problem


def test_a_cycle_that_was_asked_to_stop_is_no_failure() -> None:
    daemon = a_daemon(Stopped("Stopped."))

    daemon.run_cycle()

    assert (daemon.health.failures, daemon.health.problem) == (0, "")


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    made = BackgroundScheduler(timezone="UTC")
    made.start(paused=True)
    yield made
    made.shutdown(wait=False)


def test_a_clock_that_went_back_does_not_hold_the_next_cycle_up(scheduler: BackgroundScheduler) -> None:
    clock = Clock()
    daemon = a_daemon(clock=clock)
    job = scheduler.add_job(
        daemon.run_cycle, "interval", seconds=60, next_run_time=clock.at + timedelta(seconds=60)
    )

    daemon.heed_clock(job)
    assert job.next_run_time == NOON + timedelta(seconds=60)
    clock.at -= timedelta(hours=2)
    daemon.health.paused_until = NOON + timedelta(hours=1)
    daemon.heed_clock(job)

    assert job.next_run_time == clock.at
    assert daemon.health.paused_until is None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    definition = tmp_path / "definition.yaml"
    definition.write_bytes(DEFINITION.read_bytes())
    with Sandbox(contacts=5, engagements=5, limits=False) as sandbox:
        settings = {
            "portal.base_url": sandbox.url,
            "portal.access_token": sandbox.token,
            "store.url": f"sqlite:///{tmp_path}/crmsync.db",
            "definition.path": definition,
        }
        with App(load(settings).settings) as app:
            app.gateway.schema.setup()
            yield Service(app)


def test_a_definition_broken_while_running_leaves_the_one_before_in_force_and_kept(service: Service) -> None:
    path, app = service.app.settings.definition.path, service.app
    good = path.read_text()
    service.cycle()
    before = app.definition.ref
    path.write_text(good.replace("cap: 36", "cap: many"))

    service.cycle()
    assert app.definition.ref == before
    health = service.desk().health()
    assert (health["ok"], len(health["problems"])) == (True, 1)  # told, not dead
    assert f"has 1 problem; cycles go on with b2b-saas 2026.4 ({before.short_hash})" in health["problems"][0]
    kept = app.store.definitions.get(before.sha256)
    assert kept is not None
    assert kept.text == good
    path.write_text(good.replace("cap: 36", "cap: 35"))
    service.cycle()

    assert app.definition.ref != before
    assert service.desk().health()["problems"] == []


def test_a_definition_that_changed_between_the_start_and_the_first_cycle_is_taken_up(
    service: Service,
) -> None:
    path, app = service.app.settings.definition.path, service.app
    service.desk()
    before = app.definition.ref
    path.write_text(path.read_text().replace("cap: 36", "cap: 35"))

    service.cycle()

    assert app.definition.ref != before


def test_a_definition_file_taken_away_while_running_is_no_bug(service: Service) -> None:
    service.cycle()
    service.app.settings.definition.path.unlink()

    service.cycle()

    assert "cycles go on with" in service.health.definition_problem


def test_a_definition_file_that_comes_back_changed_is_taken_up(service: Service) -> None:
    path, app = service.app.settings.definition.path, service.app
    good = path.read_text()
    service.cycle()
    before = app.definition.ref
    path.unlink()
    service.cycle()
    path.write_text(good.replace("cap: 36", "cap: 35"))

    service.cycle()

    assert app.definition.ref != before
    assert service.health.definition_problem == ""


def test_the_metrics_are_prometheus_text_and_each_is_explained_in_the_documentation(service: Service) -> None:
    service.cycle()
    told = metrics_text(service.health, service.app.gateway, service.app.store)
    documented = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")

    names = {
        sample.name for family in text_string_to_metric_families(told) for sample in family.samples
    }  # the parser refuses what is no Prometheus text

    assert {"crmsync_cycles_total", "crmsync_parked_plans", "crmsync_build_info"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in documented] == []


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Give the process's logging back as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("own_logging")
def test_what_libraries_log_is_json_like_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", log_format="json")
    logging.getLogger("somebody.else").warning("the pool is full")
    said = capsys.readouterr().err

    document = json.loads(said)
    assert (document["event"], document["level"]) == ("the pool is full", "warning")
