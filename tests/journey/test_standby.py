"""Two daemons on one portal, and one stands still in the middle of its work, for real: SIGSTOP, SIGCONT (G11)."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crmsync.errors import StoreLocked
from crmsync.sandbox import Sandbox
from crmsync.sandbox.portal import APP_ID
from crmsync.store import Store, open_store
from tests.journey.command import crmsync, environment_of
from tests.journey.test_crash import assert_the_trail_tells_what_happened, our_effects, trail
from tests.journey.test_daemon import get
from tests.journey.test_hammer import overwritten, people
from tests.journey.test_main_job import environment
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

ORDINARY = ("-m", "crmsync", "run")
HOST = socket.gethostname()
SHORT_LEASE = (str(Path(__file__).with_name("short_lease.py")), "2")


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process, and what it has logged."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def address(self) -> str:
        return next(line.split()[1] for line in self._lines() if line.startswith("pages: "))

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(get(f"{self.address}healthz")[1])
        return found

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self._lines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def is_idle_since(self, cycles: int) -> bool:
        """Whether its last cycle, after so many, found nothing to do."""
        ended = self.told("cycle.finished")[cycles:]
        return bool(ended) and ended[-1]["status"] == "nothing"

    def wait_for_cycles(self, more: int) -> None:
        before = len(self.told("cycle.finished"))
        wait_for(lambda: len(self.told("cycle.finished")) >= before + more)

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def stops_at_work(self, store: Store) -> bool:
        """Stop it while the right to write is with it, and no lock; False: that was not so, and it goes on."""
        self.stop()
        row_lock = "" if store.database.is_sqlite else " FOR UPDATE"  # every write of a holder begins with it
        try:
            with store.database.write() as conn:
                conn.exec_driver_sql(f"SELECT 1 FROM lease{row_lock}")
                held = store.lease.held()
        except StoreLocked:
            held = None
        if held is not None and held.holder.pid == self.process.pid:
            return True
        self.go_on()
        return False

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two daemons that have nothing to do, on one store, beside one portal."""

    sandbox: Sandbox
    env: Mapping[str, str]
    store: Store
    daemons: tuple[Daemon, Daemon]

    def caught_at(self, part: str, hang_s: float) -> tuple[Daemon, Daemon]:
        """Give them something to write; return who is at that request of its writes, and the other."""
        self.sandbox.arm("hang", path=f"*{part}", nth=2 if part.endswith("read") else 1, hang_s=hang_s)
        for contact in list(self.sandbox.portal.world.shelf("contacts").ids)[:20]:
            self.sandbox.edits.human(contact, {"jobtitle": "Chief Technology Officer", "country": "Belgium"})
        wait_for(lambda: self.sandbox.portal.faults.struck)
        held = self.store.lease.held()
        assert held is not None
        one, other = self.daemons
        return (one, other) if one.process.pid == held.holder.pid else (other, one)


@contextmanager
def started(env: Mapping[str, str], log: Path, arguments: tuple[str, ...]) -> Iterator[Daemon]:
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, *arguments], env=environment_of(env), stderr=said)
    try:
        yield Daemon(process, log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def pair(store_url: str, logs: Path, arguments: tuple[str, ...]) -> Iterator[Pair]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(contacts=60, engagements=120, limits=False))
        sandbox.settle()
        url = store_url.replace("postgresql://", "postgresql+psycopg://")
        env = environment(sandbox, url) | {
            "CRMSYNC_WEB__PORT": "0",
            "CRMSYNC_SCHEDULE__CYCLE_EVERY": "1s",
            "CRMSYNC_PORTAL__LAG_S": "0",
            "CRMSYNC_WRITES__RESPECT_MANUAL_FOR": "30d",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        crmsync("setup", env=env)
        store = open_store(url, portal=None, now=lambda: datetime.now(UTC), busy_timeout_s=0.1)
        stack.callback(store.close)
        one, other = (
            stack.enter_context(started(env, logs / f"{name}.log", arguments)) for name in ("one", "other")
        )
        wait_for(lambda: one.is_idle_since(0) and other.is_idle_since(0))
        yield Pair(sandbox, env, store, (one, other))


@pytest.mark.parametrize("part", ["/contacts/batch/read", "/contacts/batch/update"])
def test_g11_a_daemon_that_slept_past_its_lease_sends_nothing_more_and_takes_its_turn_again(
    store_url: str, tmp_path: Path, part: str
) -> None:
    with pair(store_url, tmp_path, SHORT_LEASE) as two:
        sleeper, other = two.caught_at(part, hang_s=3.0)
        wait_for(lambda: sleeper.stops_at_work(two.store))
        cycles, failures = len(other.told("cycle.finished")), len(sleeper.told("cycle.failed"))
        takeovers = len(other.told("lease.taken_over"))
        left_open = {one.seq for one in two.store.trail.open_intents()}
        wait_for(lambda: len(other.told("lease.taken_over")) > takeovers)
        wait_for(lambda: other.is_idle_since(cycles))
        other.end()
        sent = len(two.sandbox.portal.log)
        effects, entries = our_effects(two.sandbox), two.store.trail.head()
        sleeper.go_on()
        failure = wait_for(lambda: sleeper.told("cycle.failed")[failures:])[0]
        healthy = wait_for(lambda: (said := sleeper.health())["ok"] and said)

        assert left_open
        assert failure["error"] == "LeaseLost"
        assert (healthy["failures"], healthy["waits_for"]) == (failures + 1, None)
        since = [one.target for one in list(two.sandbox.portal.log)[sent:]]
        assert not [one for one in since if one.endswith("/batch/update")]
        assert two.store.trail.head() == entries
        assert our_effects(two.sandbox) == effects
        assert_the_trail_tells_what_happened(two.sandbox, trail(two.env))
        crmsync("audit", "verify", env=two.env)


def test_g11_a_daemon_that_goes_on_before_its_lease_is_over_ends_its_work_while_the_other_waits(
    store_url: str, tmp_path: Path
) -> None:
    with pair(store_url, tmp_path, ORDINARY) as two:
        sleeper, other = two.caught_at("/contacts/batch/update", hang_s=0.5)
        wait_for(lambda: sleeper.stops_at_work(two.store))
        cycles, ended = len(sleeper.told("cycle.finished")), len(other.told("cycle.finished"))
        waiting = wait_for(lambda: (said := other.health())["waits_for"] and said)
        silence = says_nothing(sleeper)
        sleeper.go_on()
        wait_for(lambda: other.is_idle_since(ended))
        wait_for(lambda: sleeper.is_idle_since(cycles))

        assert (waiting["ok"], waiting["waits_for"]) == (True, f"process {sleeper.process.pid} on {HOST}")
        assert silence
        for one in two.daemons:
            assert (one.health()["failures"], one.told("cycle.failed")) == (0, [])
            assert one.told("lease.taken_over") == []
        assert set(our_effects(two.sandbox).values()) == {1}
        assert_the_trail_tells_what_happened(two.sandbox, trail(two.env))


def says_nothing(stopped: Daemon) -> bool:
    """Whether its health page, which a watchdog would ask, does not answer."""
    try:
        urllib.request.urlopen(f"{stopped.address}healthz", timeout=0.5)
    except TimeoutError:
        return True
    return False


def test_g11_two_daemons_stopped_and_continued_in_turn_while_people_edit_write_everything_once(
    store_url: str, tmp_path: Path
) -> None:
    with pair(store_url, tmp_path, SHORT_LEASE) as two:
        two.sandbox.arm("hang", path="*/contacts/batch/*", probability=0.3, count=None, hang_s=0.5)
        with people(two.sandbox):
            for sleeper, other in (two.daemons, two.daemons[::-1]) * 2:
                wait_for(partial(sleeper.stops_at_work, two.store))
                other.wait_for_cycles(1)
                sleeper.go_on()
        for one in two.daemons:
            one.end()
        crmsync("sync", env=two.env)
        crmsync("sync", env=two.env)

        entries = trail(two.env)
        assert overwritten(two.sandbox, entries) == []
        assert_the_trail_tells_what_happened(two.sandbox, entries)
        assert not [one for one in entries if one["kind"] == "change.foreign" and APP_ID in one["actor"]]
        assert sum(len(one.told("lease.taken_over")) for one in two.daemons) >= 4
        problems = [one["problem"] for each in two.daemons for one in each.told("cycle.failed")]
        told = ("taken over by", "had stood still", "does not answer")  # PostgreSQL has ended its connection
        assert all(any(one in problem for one in told) for problem in problems), problems
        crmsync("audit", "verify", env=two.env)
