"""
A first pull, and the cycle after a bulk job, while another program uses half of HubSpot's limits. On the real clock.

    python tests/benchmarks/bench_shared_budget.py                              # every shape, a quarter of an hour
    python tests/benchmarks/bench_shared_budget.py --shapes alone,steady --contacts 20000

`crmsync sandbox` runs in a process of its own with the Professional tier's limits and 200 ms an answer, the commands
run in theirs, and the other program sends real requests from here: with crmsync's own token, for the burst is counted
by app, and searches, which all apps of an account share. Its shapes:

- alone: there is none.
- steady: 9.5 requests a second, half of 190 in 10 s, and 2.5 searches a second, half of 5.
- bursts: 95 requests at once every 10 s, and 3 searches at once every second.
- arrives: steady, from a third of a minute after the first page on.
- visits: in bursts, for half a minute of every minute.

What is printed, for both commands: our requests, how many were refused (target: none alone, else under 1 %), answers
that were no success, the share we used of the burst that the other program left (target: 90 % of a first pull), our
searches a second, and how many requests of the other program were refused.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from math import floor
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script it knows its own folder only

from tests.benchmarks.measured import Measured, measured
from tests.waiting import running

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
BURST, WINDOW_S = 190, 10.0
STAMPED = ("contacts", "notes", "calls", "emails", "meetings", "tasks")
ITS_READ = "/crm/objects/2026-09/tickets"  # crmsync reads no tickets: so the log tells the two apart
ITS_SEARCH = f"{ITS_READ}/search"
_SEARCHED = orjson.dumps({"limit": 1, "properties": ["subject"], "filterGroups": []})


@dataclass(frozen=True, slots=True)
class Shape:
    """When the other program sends: so many requests and searches at once, so often, in a part of the time."""

    reads: int
    reads_every_s: float
    searches: int
    searches_every_s: float
    is_there: Callable[[float], bool]


def always(_: float) -> bool:
    return True


SHAPES = {
    "alone": Shape(0, 1.0, 0, 1.0, always),
    "steady": Shape(1, 1 / 9.5, 1, 0.4, always),
    "bursts": Shape(95, 10.0, 3, 1.0, always),
    "arrives": Shape(1, 1 / 9.5, 1, 0.4, lambda at_s: at_s > 20),
    "visits": Shape(95, 10.0, 3, 1.0, lambda at_s: at_s % 60 < 30),
}


class Portal:
    """`crmsync sandbox` in a process of its own."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session = requests.Session()

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._session.get(f"{self.url}/_sandbox/log", timeout=60).json()[
            "results"
        ]
        return found

    def forget(self) -> None:
        self._session.delete(f"{self.url}/_sandbox/log", timeout=60)

    def do(self, what: str, **body: object) -> None:
        self._session.post(f"{self.url}/_sandbox/{what}", json=body, timeout=60).raise_for_status()


@contextmanager
def portal(contacts: int, latency_ms: float) -> Iterator[Portal]:
    options = [f"--contacts={contacts}", f"--engagements={5 * contacts}", f"--latency-ms={latency_ms}"]
    command = [
        sys.executable,
        "-m",
        "crmsync",
        "sandbox",
        "--port=0",
        "--lag-ms=0",
        "--api-timezone=UTC",
        "--json",
        *options,
    ]
    with running(command, seconds=3_600, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = orjson.loads(process.stdout.readline())
        yield Portal(said["url"], said["token"])


class Neighbour:
    """The other program. It sends on time, whatever became of what it sent before."""

    def __init__(self, shape: Shape, url: str, token: str) -> None:
        self._shape = shape
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._sessions = threading.local()
        self._leaving = threading.Event()

    @contextmanager
    def beside(self) -> Iterator[None]:
        shape, began = self._shape, monotonic()
        with ThreadPoolExecutor(32) as pool, ThreadPoolExecutor(2) as clocks:
            clocks.submit(self._keep_sending, pool, began, (shape.reads, shape.reads_every_s), self._read)
            clocks.submit(
                self._keep_sending, pool, began, (shape.searches, shape.searches_every_s), self._search
            )
            try:
                yield
            finally:
                self._leaving.set()

    def _keep_sending(
        self,
        pool: ThreadPoolExecutor,
        began: float,
        heap: tuple[int, float],
        send: Callable[[], None],
    ) -> None:
        at_once, every_s = heap
        for n in count():
            if self._leaving.wait(max(0.0, began + n * every_s - monotonic())):
                return
            if self._shape.is_there(monotonic() - began):
                for _ in range(at_once):
                    pool.submit(send)

    def _read(self) -> None:
        self._session().get(self._url + ITS_READ, params={"limit": 1}, timeout=30)

    def _search(self) -> None:
        self._session().post(self._url + ITS_SEARCH, data=_SEARCHED, timeout=30)

    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
            self._sessions.session.headers.update(self._headers)
        session: requests.Session = self._sessions.session
        return session


@dataclass(frozen=True, slots=True)
class Sent:
    """What the portal got while one command ran."""

    log: Sequence[Mapping[str, Any]]

    def ours(self) -> list[Mapping[str, Any]]:
        return [one for one in self.log if not one["path"].startswith(ITS_READ)]

    def theirs(self) -> list[Mapping[str, Any]]:
        return [one for one in self.log if one["path"].startswith(ITS_READ)]

    def searches(self) -> list[Mapping[str, Any]]:
        return [one for one in self.ours() if one["path"].endswith("/search")]

    def budget_share(self) -> float:
        """Compare with the most that fits beside theirs: a window's worth at once, again whenever one has passed."""
        pages = [at_s(one) for one in self.ours() if one["method"] == "GET" and "/objects/" in one["path"]]
        if not pages:
            return 0.0
        first, last = pages[0], pages[-1]
        ours = sum(first <= at_s(one) <= last for one in self.ours() if counts_on_the_burst(one))
        theirs = sum(
            first - WINDOW_S < at_s(one) <= last for one in self.theirs() if counts_on_the_burst(one)
        )
        return ours / (BURST * (1 + floor((last - first) / WINDOW_S)) - theirs)


def counts_on_the_burst(one: Mapping[str, Any]) -> bool:
    return (
        one["status"] != 429 and not one["path"].endswith("/search") and "/associations/" not in one["path"]
    )


def at_s(one: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(one["at"]).timestamp()


def refused(some: Sequence[Mapping[str, Any]]) -> int:
    return sum(one["status"] == 429 for one in some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shapes", default=",".join(SHAPES), help="of the other program")
    parser.add_argument("--contacts", type=int, default=10_000, help="with five engagements each")
    parser.add_argument("--stamped", type=int, default=6_000, help="by the bulk job, of six kinds each")
    parser.add_argument("--latency-ms", type=float, default=200.0)
    asked = parser.parse_args()
    print(
        f"{'':<9} {'':<16} {'seconds':>8} {'requests':>9} {'refused':>8} {'share':>7} {'other':>6} "
        f"{'of the rest':>11} {'searches':>9} {'a second':>8} {'its':>6} {'refused':>8}"
    )
    for name in asked.shapes.split(","):
        measure(name, asked)


def measure(name: str, asked: argparse.Namespace) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        beside = stack.enter_context(portal(asked.contacts, asked.latency_ms))
        env = environment(beside, folder)
        run(beside, env, "setup")
        stack.enter_context(Neighbour(SHAPES[name], beside.url, beside.token).beside())
        tell(name, "first pull", *run(beside, env, "sync"))
        if asked.stamped:
            for kind in STAMPED:
                beside.do("edits/stamp", count=asked.stamped, kind=kind)
            tell(name, "after a bulk job", *run(beside, env, "sync"))


def environment(beside: Portal, folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRMSYNC_")}
    just_over = f"{datetime.now(UTC) - timedelta(minutes=5):%H:%M}"
    return inherited | {
        "CRMSYNC_PORTAL__BASE_URL": beside.url,
        "CRMSYNC_PORTAL__ACCESS_TOKEN": beside.token,
        "CRMSYNC_PORTAL__LAG_S": "0",
        "CRMSYNC_SCHEDULE__RESCAN_EVERY": "1d",
        "CRMSYNC_SCHEDULE__RECONCILE_AT": just_over,  # not in the middle of a measurement
        "CRMSYNC_SCHEDULE__TICK_AT": just_over,
        "CRMSYNC_STORE__URL": f"sqlite:///{folder}/crmsync.db",
        "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
        "CRMSYNC_WRITES__MODE": "observe",
    }


def run(beside: Portal, env: Mapping[str, str], *arguments: str) -> tuple[Measured, Sent]:
    beside.forget()
    cost, sent = measured(arguments, env), Sent(beside.log())
    if cost.status:
        raise SystemExit(f"crmsync {' '.join(arguments)} ended with {cost.status}")
    return cost, sent


def tell(name: str, command: str, cost: Measured, sent: Sent) -> None:
    ours, theirs, searches = sent.ours(), sent.theirs(), sent.searches()
    others = sum(one["status"] not in {200, 201, 207, 429} for one in ours)
    share = f"{sent.budget_share():.0%}" if command == "first pull" else ""
    print(
        f"{name:<9} {command:<16} {cost.seconds:>8.1f} {len(ours):>9,} {refused(ours):>8} "
        f"{refused(ours) / len(ours):>7.2%} {others:>6} {share:>11} {len(searches):>9,} "
        f"{pace(searches):>8.2f} {len(theirs):>6,} {refused(theirs):>8}",
        flush=True,
    )


def pace(searches: Sequence[Mapping[str, Any]]) -> float:
    if len(searches) < 2:
        return 0.0
    return (len(searches) - 1) / max(0.001, at_s(searches[-1]) - at_s(searches[0]))


if __name__ == "__main__":
    main()
