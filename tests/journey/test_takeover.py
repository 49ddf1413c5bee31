"""Two processes on one portal, and a store that goes away in the middle: one writes, the other is fenced off (G11)."""

import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import psycopg
import pytest

from crmsync.model import STAGE
from crmsync.sandbox import Sandbox
from tests.conftest import Postgres
from tests.journey.command import crmsync
from tests.journey.test_crash import (
    assert_the_trail_tells_what_happened,
    our_effects,
    requests_of,
    syncing,
    trail,
)
from tests.journey.test_main_job import environment
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=250, engagements=500, limits=False, latency_s=0.02) as running:
        running.settle()
        yield running


@pytest.fixture
def env(sandbox: Sandbox, store_url: str) -> Mapping[str, str]:
    made = environment(sandbox, store_url.replace("postgresql://", "postgresql+psycopg://"))
    crmsync("setup", env=made)
    return made


def lease_is_over(store_url: str) -> bool:
    """Let a minute pass for the lease; False while its holder is in a transaction, which would hold the lock."""
    try:
        if store_url.startswith("sqlite"):
            with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"), timeout=0.2)) as conn, conn:
                conn.execute("update lease set expires_at = 1")
        else:
            with psycopg.connect(store_url.replace("+psycopg", ""), options="-c lock_timeout=200") as pg:
                pg.execute("update lease set expires_at = 1")
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return False
    return True


def asleep(process: "subprocess.Popen[str]", store_url: str) -> bool:
    """Stop it between two transactions and past its lease."""
    process.send_signal(signal.SIGSTOP)
    if lease_is_over(store_url):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def seen(sandbox: Sandbox, part: str) -> Callable[[], bool]:
    return lambda: any(part in one.target for one in list(sandbox.portal.log))


def test_g11_one_that_slept_past_its_lease_writes_nothing_when_it_wakes(
    sandbox: Sandbox, env: Mapping[str, str], store_url: str
) -> None:
    before = requests_of(sandbox)
    with syncing(env) as sleeper:
        wait_for(lambda: requests_of(sandbox) - before >= 12)
        wait_for(lambda: asleep(sleeper, store_url))
        crmsync("sync", env=env)
        effects = our_effects(sandbox)
        sleeper.send_signal(signal.SIGCONT)
        status = sleeper.wait(timeout=240)

    assert status in {0, 6}
    assert our_effects(sandbox) == effects
    assert_the_trail_tells_what_happened(sandbox, trail(env))
    crmsync("audit", "verify", env=env)


def test_g11_one_that_slept_between_comparing_and_writing_overwrites_nobody(
    sandbox: Sandbox, env: Mapping[str, str], store_url: str
) -> None:
    sandbox.portal.reset_log()
    sandbox.arm("hang", path="*/contacts/batch/read", hang_s=3.0)
    with syncing(env) as sleeper:
        wait_for(seen(sandbox, "/contacts/batch/read"))  # it compares; the answer is on its way
        sleeper.send_signal(signal.SIGSTOP)
        assert lease_is_over(store_url), "it holds no transaction while it waits for the portal"
        crmsync("sync", env=env)
        effects = our_effects(sandbox)
        moved = next(contact for contact, name, _ in effects if name == STAGE)
        sandbox.edits.human(moved, {STAGE: "salesqualifiedlead"})
        sleeper.send_signal(signal.SIGCONT)
        status = sleeper.wait(timeout=240)

    assert status == 6
    assert our_effects(sandbox) == effects
    assert sandbox.edits.record(moved).text(STAGE) == "salesqualifiedlead"
    assert_the_trail_tells_what_happened(sandbox, trail(env))


@pytest.mark.postgres
@pytest.mark.parametrize("part", ["/contacts?", "/contacts/batch/read", "/contacts/batch/update"])
def test_g12_postgresql_restarted_in_the_middle_stops_the_cycle_and_the_next_one_goes_on(
    sandbox: Sandbox, postgres: Postgres, postgres_url: str, part: str
) -> None:
    env = environment(sandbox, postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    crmsync("setup", env=env)
    sandbox.portal.reset_log()
    sandbox.arm("hang", path="*" + part.rstrip("?"), hang_s=2.0)
    with syncing(env, stderr=subprocess.PIPE) as process:
        wait_for(seen(sandbox, part))
        postgres.restart()
        _, said = process.communicate(timeout=240)

    assert process.returncode in {0, 6}, said
    assert "Traceback" not in said
    assert process.returncode == 0 or "PostgreSQL" in said or "does not answer" in said
    crmsync("sync", env=env)
    effects = our_effects(sandbox)
    crmsync("sync", env=env)
    assert our_effects(sandbox) == effects, "a quiet sync wrote"
    assert set(effects.values()) == {1}, "something was written twice"
    assert_the_trail_tells_what_happened(sandbox, trail(env))
    crmsync("audit", "verify", env=env)
