"""What the commands about plans tell a person: what waits and why, what to do next, what became of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crmsync.sandbox import Lag, Sandbox
from tests.journey.command import crmsync
from tests.journey.scene import DEFINITION, assert_fits_80_columns

MACHINE_WORDS = ("score_moved", "grade_moved", "definition_changed", "  along ")


@contextmanager
def ready(folder: Path) -> Iterator[dict[str, str]]:
    """A portal that is set up, under the guard's own limits: its first plan is parked."""
    with Sandbox(60, engagements=240, limits=False, lag=Lag(0, 0, 0.0)) as sandbox:
        sandbox.settle()
        made = {
            "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
            "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
            "CRMSYNC_STORE__URL": f"sqlite:///{folder}/crmsync.db",
            "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
        }
        crmsync("setup", env=made)
        yield made


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    with ready(tmp_path) as made:
        yield made


@dataclass(frozen=True)
class Parked:
    """A parked plan that nobody decides about: as people see it, and as its document."""

    env: dict[str, str]
    document: dict[str, Any]
    told: str


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parked]:
    with ready(tmp_path_factory.mktemp("parked")) as env:
        told = crmsync("plan", env=env, status=5)
        yield Parked(env, a_plan(env), told)


def a_plan(env: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(crmsync("plan", "--json", env=env, status=5))
    return told


def test_a_plan_is_called_parked_only_while_it_waits(env: dict[str, str]) -> None:
    plan = a_plan(env)["plan"]

    waiting = crmsync("plans", plan, env=env)
    approved = crmsync("approve", plan, env=env)
    ready = crmsync("plans", plan, env=env)
    applied = crmsync("apply", plan, env=env)
    again = crmsync("apply", plan, env=env)
    past = crmsync("plans", plan, env=env)

    assert f"Plan {plan} is parked: a person must look first." in waiting
    assert waiting.endswith(f"Look: crmsync plans {plan}\nThen: crmsync approve {plan} (or reject)\n")
    assert f"Next: crmsync apply {plan}\n" in approved
    assert f"Plan {plan} was parked, because:" in ready
    assert "parked" not in applied + again
    assert f"Plan {plan} was parked, because:" in past
    for told in (approved, ready, applied, again, past):
        assert "must look" not in told
        assert "crmsync approve" not in told
    assert_fits_80_columns(waiting + ready + applied + past)


def test_a_rejected_plan_says_that_the_same_comes_again_and_what_to_change(env: dict[str, str]) -> None:
    plan = a_plan(env)["plan"]

    told = crmsync("reject", plan, env=env)

    assert "plans the same again" in told
    assert "the definition, or the settings" in told
    assert a_plan(env)["plan"] != plan


def test_a_plan_ends_with_what_to_do_in_the_words_of_the_pages(parked: Parked) -> None:
    assert parked.told.splitlines()[-1].startswith("Then: crmsync approve p-")
    assert "written along" in parked.told
    assert [word for word in MACHINE_WORDS if word in parked.told] == []
    assert "applied" not in parked.told
    assert_fits_80_columns(parked.told)


def test_who_is_held_is_counted_by_reason(parked: Parked) -> None:
    told = crmsync("--set", "writes.lifecyclestage=observe", "plan", env=parked.env)
    kept = json.loads(crmsync("plans", "--json", env=parked.env))[0]
    shown = crmsync("plans", kept["plan"], env=parked.env)

    count = kept["held"]["observing"]
    assert sum(kept["held"].values()) == kept["stages"]["held"] >= count > 0
    assert f"{count}: writes.lifecyclestage is observe" in told
    assert f"{count}: writes.lifecyclestage is observe" in shown


def test_values_that_cannot_be_read_are_named_where_the_plan_is_told(parked: Parked) -> None:
    unreadable = parked.document["unreadable"]

    explained = crmsync("explain", unreadable["first"][0]["contact"], env=parked.env)
    findings = json.loads(crmsync("audit", "list", "--kind", "finding", "--json", env=parked.env))

    assert unreadable["count"] == len(unreadable["first"]) > 0
    first = unreadable["first"][0]
    assert f"contact {first['contact']}: {first['path']}: {first['problem']}" in parked.told
    assert f"{unreadable['count']} unreadable value" in parked.told
    assert first["path"] in explained
    assert f"{len(findings)} findings" in parked.told
