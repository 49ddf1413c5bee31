"""The real command dies at any moment, and is started again: nothing lost, nothing twice, and it says what happened."""

import json
import random
import resource
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from crmsync.sandbox import Sandbox
from crmsync.sandbox.portal import APP_ID
from tests.journey.command import CRMSYNC, crmsync, environment_of
from tests.journey.test_daemon import daemon, get, settings_for
from tests.journey.test_main_job import environment
from tests.waiting import running, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=250, engagements=500, limits=False, latency_s=0.02) as running:
        running.settle()
        yield running


def syncing(
    env: Mapping[str, str], *, stderr: int = subprocess.DEVNULL
) -> AbstractContextManager["subprocess.Popen[str]"]:
    """Start a sync in a process that ends with the block."""
    how = {"stdout": subprocess.DEVNULL, "stderr": stderr, "text": True}
    return running([*CRMSYNC, "sync"], env=environment_of(env), seconds=480, **how)


def requests_of(sandbox: Sandbox) -> int:
    return len(sandbox.portal.log)


def killed_after(sandbox: Sandbox, env: Mapping[str, str], requests: int) -> bool:
    """Kill it once it has sent so many requests; say whether it was still running."""
    before = requests_of(sandbox)
    with syncing(env) as process:
        wait_for(lambda: process.poll() is not None or requests_of(sandbox) - before >= requests)
    return process.returncode == -signal.SIGKILL


def our_effects(sandbox: Sandbox) -> Counter[tuple[str, str, str]]:
    return Counter(
        (one.id, one.property, one.after)
        for one in sandbox.portal.effects
        if one.request
        and one.act.source.id == APP_ID
        and one.property.startswith(("crmsync_", "lifecyclestage"))
    )


def trail(env: Mapping[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in crmsync("audit", "export", env=env).splitlines()]


def assert_the_trail_tells_what_happened(sandbox: Sandbox, entries: list[dict[str, Any]]) -> None:
    intended = {one["seq"]: one for one in entries if one["kind"] == "change.intended"}
    ends = Counter(
        one["of"] for one in entries if one["kind"] in {"change.applied", "change.failed", "change.abandoned"}
    )
    applied = Counter(
        (one["id"], one["property"], one["after"] or "") for one in entries if one["kind"] == "change.applied"
    )
    assert set(ends) == set(intended)
    assert set(ends.values()) == {1}
    assert our_effects(sandbox) == applied


def test_g3_killed_at_any_moment_it_goes_on_where_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db")
    crmsync("setup", env=env)
    rng = random.Random(4)
    kills = sum(killed_after(sandbox, env, requests) for requests in (9, rng.randint(14, 24), 12, 10, 10))

    crmsync("sync", env=env)
    effects = our_effects(sandbox)
    crmsync("sync", env=env)

    assert kills >= 3
    assert our_effects(sandbox) == effects, "a quiet sync wrote"
    assert_the_trail_tells_what_happened(sandbox, trail(env))
    crmsync("audit", "verify", env=env)
    assert {
        one.text("crmsync_outcome") != "" for one in sandbox.portal.world.shelf("contacts").live.values()
    } == {True}


def test_a_first_pull_that_was_killed_goes_on_from_its_last_page(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db")
    crmsync("setup", env=env)
    sandbox.latency_s = 0.15
    database = tmp_path / "crmsync.db"

    def pages_taken() -> int:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
            return int(conn.execute("select count(*) from contacts").fetchone()[0])

    with syncing(env):  # killed at the end of the block
        wait_for(lambda: pages_taken() >= 100)
    taken = pages_taken()
    sandbox.portal.reset_log()
    sandbox.latency_s = 0.0
    crmsync("sync", env=env)

    pages = [
        one.target
        for one in sandbox.portal.log
        if "/crm/objects/" in one.target and "/contacts?" in one.target
    ]
    firsts = [target for target in pages if "after=" not in target]
    assert taken >= 100
    assert not firsts, "it began again at the first page"
    assert pages_taken() == len(sandbox.portal.world.shelf("contacts").live)


def test_two_commands_at_once_write_everything_once(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db")
    crmsync("setup", env=env)

    with syncing(env) as one, syncing(env) as other:
        statuses = [one.wait(timeout=240), other.wait(timeout=240)]

    assert statuses == [0, 0]
    assert set(our_effects(sandbox).values()) == {1}
    assert_the_trail_tells_what_happened(sandbox, trail(env))


def test_a_full_disk_stops_the_cycle_not_the_daemon_and_health_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = settings_for(sandbox, tmp_path)
    crmsync("setup", env=env)
    sizes = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, sizes[1]))
    signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with daemon(env) as (process, address):
            resource.setrlimit(resource.RLIMIT_FSIZE, sizes)
            status, health = wait_for(lambda: (found := get(f"{address}healthz"))[0] == 503 and found)
            assert process.poll() is None
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, sizes)  # somebody freed space
            wait_for(lambda: get(f"{address}healthz")[0] == 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, sizes)
        signal.signal(signal.SIGXFSZ, signal_before)

    assert status == 503
    assert "store" in json.loads(health)["problems"][0]
    assert_the_trail_tells_what_happened(sandbox, trail(env))


def test_a_locked_store_is_said_and_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    env = settings_for(sandbox, tmp_path)
    crmsync("setup", env=env)
    with (
        closing(sqlite3.connect(tmp_path / "crmsync.db", isolation_level=None)) as other,
        daemon(env) as (process, address),
    ):
        wait_for(lambda: json.loads(get(f"{address}healthz")[1]).get("cycles", 0) >= 1)
        wait_for(lambda: begun(other))
        _, health = wait_for(lambda: (found := get(f"{address}healthz"))[0] == 503 and found)
        other.execute("rollback")
        wait_for(lambda: get(f"{address}healthz")[0] == 200)
        assert process.poll() is None

    assert "locked" in json.loads(health)["problems"][0]


def begun(conn: sqlite3.Connection) -> bool:
    try:
        conn.execute("begin immediate")
    except sqlite3.OperationalError:
        return False
    return True
