"""
The whole command beside a portal: first pull and evaluation, the writes, an idle cycle and a small one.

    python tests/benchmarks/bench_first_pull.py                                       # two small portals
    python tests/benchmarks/bench_first_pull.py --sizes 20000 --latency 0.2 --limits  # the share of the budget
    python tests/benchmarks/bench_first_pull.py --sizes 1000,10000,100000             # an hour or two, 5 GB of disk
    ... --observe                                             # a third of it: nothing is written

Each command runs in a process of its own; the portal is the sandbox, in this process, on loopback, with five
engagements a contact. What is printed, with the target or the peer beside it:

- requests, against the fewest possible: a page for 100 contacts, companies, deals or engagements and for 50 form
  submissions, and 8 for account, properties, stages and pipelines. Target: 1.1 x.
- refused: answers of 429. Target: none. Without --limits the portal refuses nothing.
- share of the burst budget, 190 requests in 10 s, used between the first list page and the last. Target: 90 % with
  200 ms an answer. It takes --limits and a portal whose first pull lasts longer than a window or two.
- peak memory of the process. Target: 250 MB.
- time, against a bare loop of `requests` over the same pages in the same run, one kind a thread, reading JSON alone.
- requests of an idle cycle and of one with 10 changed contacts. Target: the same for portals of any size.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from pathlib import Path
from time import perf_counter

import orjson
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script it knows its own folder only

from crmsync.model import ENGAGEMENTS
from crmsync.sandbox import Lag, Sandbox
from tests.benchmarks.measured import Measured, measured

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
KINDS = ("contacts", "companies", "deals", *(kind.value for kind in ENGAGEMENTS))
SETUP_REQUESTS = 8
CHANGED = 10
BURST, WINDOW_S = 190, 10.0
APART = ("/search", "/associations/")  # they have limits of their own, beside the burst
PARKED = 5


@dataclass(slots=True)
class Clock:
    """The portal's: the real one, and ahead of it when time is to pass."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True)
class Sent:
    """What the portal was sent by one command."""

    targets: Sequence[str]
    refused: int
    to_first_page_s: float
    pages_s: float

    @property
    def requests(self) -> int:
        return len(self.targets)

    @property
    def searches(self) -> int:
        return sum(one.endswith("/search") for one in self.targets)

    def budget_share(self) -> float:
        """Compare with the most that fits: a window's worth at once, and again whenever one has passed."""
        counted = sum(not any(part in one for part in APART) for one in self.targets)
        return counted / (BURST * (1 + floor(self.pages_s / WINDOW_S)))


@dataclass(frozen=True, slots=True)
class Scene:
    """A portal, and commands beside it."""

    sandbox: Sandbox
    clock: Clock
    folder: Path
    observe: bool

    def run(self, *arguments: str, parks: bool = False) -> tuple[Measured, Sent]:
        self.sandbox.settle()
        self.sandbox.portal.reset_log()
        began_ms = self.clock().timestamp() * 1000
        cost = measured(arguments, self._environment())
        if cost.status != (PARKED if parks else 0):
            raise SystemExit(f"crmsync {' '.join(arguments)} ended with {cost.status}")
        return cost, self._sent(began_ms)

    def settled(self) -> None:
        """Let the overlap of the last window pass: its echoes are not found again."""
        self.clock.ahead += timedelta(minutes=11)

    def _sent(self, began_ms: float) -> Sent:
        log = list(self.sandbox.portal.log)
        pages = [one.at_ms for one in log if one.method == "GET" and "/objects/" in one.target]
        first, last = (pages[0], pages[-1]) if pages else (began_ms, began_ms)
        refused = sum(one.status == 429 for one in log)
        return Sent([one.target for one in log], refused, (first - began_ms) / 1000, (last - first) / 1000)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRMSYNC_")}
        is_limited = self.sandbox.portal.limits.enforced
        return (
            inherited
            | {
                "CRMSYNC_PORTAL__BASE_URL": self.sandbox.url,
                "CRMSYNC_PORTAL__ACCESS_TOKEN": self.sandbox.token,
                "CRMSYNC_PORTAL__LAG_S": "0",
                "CRMSYNC_STORE__URL": f"sqlite:///{self.folder}/crmsync.db",
                "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
                "CRMSYNC_SCHEDULE__RESCAN_EVERY": "1d",
                "CRMSYNC_GUARD__MAX_STAGE_CHANGES": "10",
            }
            | ({} if is_limited else {"CRMSYNC_PORTAL__BURST_PER_10S": "1000000"})
            | ({"CRMSYNC_WRITES__MODE": "observe"} if self.observe else {})
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="500,2000", help="contacts of each portal")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--limits", action="store_true", help="refuse what is over the Professional tier's limits"
    )
    parser.add_argument("--observe", action="store_true", help="write nothing")
    asked = parser.parse_args()
    flat = [measure(int(size), asked) for size in asked.sizes.split(",")]
    print(
        f"\n{'contacts':>10} {'idle cycle':>12} {'searches':>10} {f'{CHANGED} changed':>12}   requests; target: flat"
    )
    for contacts, idle, small in flat:
        print(f"{contacts:>10,} {idle.requests:>12} {idle.searches:>10} {small.requests:>12}")


def measure(contacts: int, asked: argparse.Namespace) -> tuple[int, Sent, Sent]:
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(
            contacts,
            engagements=5 * contacts,
            limits=asked.limits,
            lag=Lag(0, 0, 0.0),
            latency_s=asked.latency,
            clock=clock,
        ) as sandbox,
    ):
        scene = Scene(sandbox, clock, Path(folder), asked.observe)
        tell_portal(sandbox)
        scene.run("setup")
        tell_first_pull(scene, *scene.run("sync", "--json", parks=not asked.observe))
        if not asked.observe:
            tell_writes(scene)
        scene.settled()
        scene.run("sync")
        scene.settled()
        return contacts, scene.run("sync")[1], small_cycle(scene)


def tell_portal(sandbox: Sandbox) -> None:
    held = {kind: len(sandbox.portal.world.shelf(kind).live) for kind in KINDS}
    engagements = sum(held[kind.value] for kind in ENGAGEMENTS)
    print(f"\n{held['contacts']:,} contacts, {engagements:,} engagements, {held['companies']:,} companies")


def tell_first_pull(scene: Scene, cost: Measured, sent: Sent) -> None:
    fewest = fewest_requests(scene.sandbox)
    tell("first pull", cost, sent)
    print(
        f"  {'requests, x the fewest':<28}{sent.requests / fewest:>10.3f}   of {fewest:,}; target 1.1 at most"
    )
    print(f"  {'peak memory':<28}{cost.peak_mb:>10} MB target 250 at most")
    print(f"  {'start to the first page':<28}{sent.to_first_page_s:>10.2f} s  target 2 at most")
    if scene.sandbox.portal.limits.enforced:
        print(f"  {'refused':<28}{sent.refused:>10}    target none")
        print(
            f"  {'share of the burst budget':<28}{sent.budget_share():>10.0%}    target 90 %, 200 ms an answer"
        )
    bare_s = bare_loop(scene.sandbox, sent.targets)
    print(f"  {'list pages':<28}{sent.pages_s:>10.1f} s  bare loop of requests {bare_s:.1f} s")


def tell_writes(scene: Scene) -> None:
    parked = orjson.loads(scene.run("plans", "--json")[0].said)[0]
    scene.run("approve", parked["plan"], "--who", "benchmark")
    tell(f"{parked['changes_count']:,} changes written", *scene.run("sync"))
    tell("the cycle after them", *scene.run("sync"))


def small_cycle(scene: Scene) -> Sent:
    for id_ in scene.sandbox.portal.world.shelf("contacts").ids[:CHANGED]:
        scene.sandbox.edits.human(id_, {"jobtitle": "Chief Technology Officer"})
    return scene.run("sync")[1]


def tell(what: str, cost: Measured, sent: Sent) -> None:
    print(
        f"{what:<30}{sent.requests:>10,} requests {cost.seconds:>8.1f} s, processor {cost.processor_s:.1f} s, "
        f"peak {cost.peak_mb} MB"
    )


def fewest_requests(sandbox: Sandbox) -> int:
    pages = sum(ceil(len(sandbox.portal.world.shelf(kind).live) / 100) for kind in KINDS)
    forms = [form for form in sandbox.portal.world.marketing.forms.values() if form.type != "blog_comment"]
    return pages + sum(max(1, ceil(len(form.submissions) / 50)) for form in forms) + SETUP_REQUESTS


def bare_loop(sandbox: Sandbox, targets: Sequence[str]) -> float:
    """Fetch the same list pages, one kind a thread; without limits."""
    enforced, sandbox.portal.limits.enforced = sandbox.portal.limits.enforced, False
    by_kind: dict[str, list[str]] = {}
    for target in targets:
        path, _, query = target.partition("?")
        if "/objects/" in path and query:
            by_kind.setdefault(path, []).append(target)
    began = perf_counter()
    with ThreadPoolExecutor(len(KINDS)) as pool:
        list(pool.map(lambda some: fetch(sandbox, some), by_kind.values()))
    sandbox.portal.limits.enforced = enforced
    return perf_counter() - began


def fetch(sandbox: Sandbox, targets: Sequence[str]) -> int:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.token}"
        return sum(len(session.get(sandbox.url + one, timeout=60).json()["results"]) for one in targets)


if __name__ == "__main__":
    main()
