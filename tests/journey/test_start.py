"""What a command imports before it does its work: start-up time and an idle daemon's memory are made of it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from crmsync.clock import utcnow
from crmsync.sandbox import Sandbox
from crmsync.store import open_store
from tests.journey.command import crmsync, environment_of

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
HEAVY = {"polars", "altair", "holidays.countries", "starlette", "crmsync.sandbox"}
PORTAL = {"hubspot", "requests", "crmsync.definition", "crmsync.cycle.planning"}


def imported(*arguments: str, env: Mapping[str, str], status: int = 0) -> set[str]:
    """Run the command; return which modules it imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "crmsync", *arguments],
        env=environment_of(env),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "CRMSYNC_STORE__URL": f"sqlite:///{tmp_path}/crmsync.db",
        "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
        "CRMSYNC_WRITES__MODE": "observe",
    }


def test_a_command_that_reads_the_store_imports_nothing_of_the_portal_or_the_definition(
    env: dict[str, str],
) -> None:
    open_store(env["CRMSYNC_STORE__URL"], portal=None, now=utcnow).close()

    modules = imported("plans", env=env)

    assert modules.isdisjoint(HEAVY | PORTAL)


def test_a_cycle_with_nobody_due_imports_no_data_frames(env: dict[str, str]) -> None:
    with Sandbox(contacts=3, engagements=3, limits=False) as sandbox:
        sandbox.settle()
        env |= {"CRMSYNC_PORTAL__BASE_URL": sandbox.url, "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token}
        first = crmsync("sync", env=env)

        modules = imported("sync", env=env)

    assert "evaluated  3" in first
    assert "hubspot" in modules
    assert modules.isdisjoint(HEAVY)
