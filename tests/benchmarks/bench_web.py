"""
How fast each page answers over HTTP on a trail of many entries, beside nothing and beside a writing cycle.

    python tests/benchmarks/bench_web.py [--entries 1000000] [--url postgresql://...] [--contacts 100000]

The trail is like one of a year: runs of 8,000 entries, intents with their outcomes, 4 % changes by others.
"""

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import perf_counter, process_time

import httpx

from crmsync.cycle.reconcile import Policy
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.load import load
from crmsync.model import (
    STAGE,
    Contact,
    ContactId,
    DefinitionRef,
    Draft,
    Event,
    Intake,
    Json,
    Kind,
    Own,
    Plan,
    PlanId,
    PlanStatus,
    RunId,
    Snapshot,
    Tally,
)
from crmsync.store import Store, open_store
from crmsync.web import WebConfig, make_app, serve
from crmsync.web.desk import Undone
from crmsync.web.store_desk import Actions, Daemon, StoreDesk

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
END = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
CHANGES_A_RUN = 4_000
PROPERTIES = (
    STAGE,
    Own.FIT,
    Own.ENGAGEMENT,
    Own.GRADE,
    Own.OUTCOME,
    Own.REASON,
    Own.EVALUATED_AT,
    Own.DEFINITION,
)
CAUSES = ("promoted", "score_moved", "score_moved", "grade_moved", "outcome_moved", "along", "along", "along")
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
ROUNDS = 20


class Clock:
    """Goes through a year while the trail is filled."""

    def __init__(self) -> None:
        self.now = END - YEAR

    def __call__(self) -> datetime:
        return self.now


def fill(
    store: Store, clock: Clock, *, entries: int, contacts: int, explained: Json, ref: DefinitionRef
) -> None:
    """Take the contacts, then append run after run, each with its intents and outcomes."""
    _take(store, contacts)
    runs = max(1, entries // (2 * CHANGES_A_RUN))
    changes = min(CHANGES_A_RUN, entries // 2)
    store.trail.append([Draft("definition.activated", definition=ref)])
    for number in range(runs):
        clock.now = END - YEAR + (number + 1) * YEAR / (runs + 1)
        _run(store, number, changes, contacts, explained=explained, ref=ref)
    clock.now = END
    plan = Plan(
        PlanId("p-bench"),
        RunId("r-bench"),
        END,
        ref,
        PlanStatus.PARKED,
        Tally(contacts),
        ("Too many.",),
        "d",
    )
    store.plans.begin(plan)
    store.plans.finish(plan)


def _run(
    store: Store, number: int, changes: int, contacts: int, *, explained: Json, ref: DefinitionRef
) -> None:
    run = RunId(f"r-{number:05d}")
    store.trail.append([Draft("run.started", run, definition=ref, reason={"plan": "p-bench"})])
    for start in range(0, changes, 800):
        drafts = [
            _intent(run, number * changes + n, contacts, explained, ref)
            for n in range(start, min(start + 800, changes))
        ]
        seqs = store.trail.append(drafts)
        store.trail.append([_outcome(draft, of) for draft, of in zip(drafts, seqs, strict=True)])
    store.trail.append(
        [Draft("run.finished", run, definition=ref, reason={"plan": "p-bench", "applied": changes})]
    )


def _intent(run: RunId, n: int, contacts: int, explained: Json, ref: DefinitionRef) -> Draft:
    which = n % len(PROPERTIES)
    reason: Json = {"code": "promoted", "evaluation": explained} if which == 0 else {"code": "kept", "n": n}
    contact = str(1 + n // len(PROPERTIES) * 7_919 % contacts)
    return Draft(
        "change.intended", run, "contact", contact, PROPERTIES[which], "lead" if which == 0 else str(n % 90),
        STAGES[n // 8 % 6] if which == 0 else str(n % 90 + 1), None, CAUSES[which], ref, reason,
    )  # fmt: skip


def _outcome(draft: Draft, of: int) -> Draft:
    kind = "change.failed" if of % 50 == 0 else "change.applied"
    return Draft(
        kind,
        draft.run,
        "contact",
        draft.id,
        draft.property,
        draft.before,
        draft.after,
        of,
        draft.cause,
        draft.definition,
    )


def _take(store: Store, contacts: int) -> None:
    for start in range(1, contacts + 1, 1_000):
        store.mirror.take(
            Intake(snapshots=tuple(_snapshot(n) for n in range(start, min(start + 1_000, contacts + 1))))
        )


def _snapshot(number: int) -> Snapshot:
    shown = {STAGE: STAGES[number % 6], "jobtitle": "CTO", "country": "BE", Own.FIT: "35"}
    return Snapshot(Kind.CONTACT, str(number), END - YEAR, shown, emails=(f"c{number}@bench.example",))


def explanation(evaluator: Evaluator) -> Json:
    """Return what an intent on a stage really keeps."""
    event = Event("forms", END - timedelta(days=3), {"form": "Book a demo"})
    contact = Contact(
        ContactId("1"),
        {STAGE: "lead", "jobtitle": "CTO", "country": "BE"},
        {"industry": "SOFTWARE"},
        (),
        (event,),
    )
    return next(iter(evaluator.evaluate([contact], END, explain=True))).explanation or {}


@contextmanager
def writing(store: Store, ref: DefinitionRef, explained: Json) -> Iterator[None]:
    """A cycle that appends all the time, as fast as it can."""
    stopping = threading.Event()

    def work() -> None:
        for number in count(90_000):
            if stopping.is_set():
                return
            _run(store, number, 800, 1_000, explained=explained, ref=ref)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(timeout=60)


def measure(http: httpx.Client, pages: dict[str, str], title: str) -> None:
    print(
        f"{title:<32} {'first':>9} {'median':>9} {'worst':>9} {'processor':>10}   ms; of {ROUNDS} after the first"
    )
    for name, path in pages.items():
        first, *rest = [_took(http, path.format(n=100 + n)) for n in range(ROUNDS + 1)]
        walls = [wall for wall, _ in rest]
        busy = statistics.median(busy for _, busy in rest)
        print(
            f"  {name:<30} {first[0]:>9.1f} {statistics.median(walls):>9.1f} {max(walls):>9.1f} {busy:>10.1f}"
        )


def _took(http: httpx.Client, path: str) -> tuple[float, float]:
    """Return the milliseconds until the answer, and those of processor time that the whole process took."""
    start, busy = perf_counter(), process_time()
    answer = http.get(path)
    took = (perf_counter() - start) * 1_000, (process_time() - busy) * 1_000
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return took


def pages_of(store: Store) -> dict[str, str]:
    entries, run = store.trail.head().seq, store.trail.runs(limit=1)[0].id
    middle = f"{END - timedelta(days=180):%Y-%m-%d}"
    return {
        "overview": "/",
        "contact": "/contacts/1",
        "contact, each time another": "/contacts/{n}",
        "contact, then": f"/contacts/1?at={middle}T12:00",
        "plans": "/plans",
        "plan": "/plans/p-bench",
        "runs": "/runs",
        "run": f"/runs/{run}",
        "audit": "/audit",
        "audit: a page in the middle": f"/audit?before={entries // 2}",
        "audit: a day": f"/audit?day={middle}",
        "audit: cause and property": f"/audit?cause=promoted&property={STAGE}",
        "audit: kind": "/audit?kind=change.failed",
        "audit: nothing found": "/audit?kind=change.failed&cause=grade_moved&contact=7",
        "audit: definition": "/audit?definition=2026.4",
        "audit: run": "/audit?run=r-00001",
        "entry": f"/audit/{entries // 2}",
        "definition": "/definition",
        "healthz": "/healthz",
    }


def _prepare(
    store: Store, clock: Clock, entries: int, contacts: int, *, explained: Json, ref: DefinitionRef
) -> None:
    """Fill the store, unless it is one that was filled before."""
    start = perf_counter()
    if store.trail.head().seq < entries:
        fill(store, clock, entries=entries, contacts=contacts, explained=explained, ref=ref)
    clock.now = END
    took = perf_counter() - start
    print(f"{store.trail.head().seq:,} entries, {store.mirror.size():,} contacts, filled in {took:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        clock, definition = Clock(), load(DEFINITION)
        store = open_store(asked.url or f"sqlite:///{Path(directory) / 'bench.db'}", portal="1", now=clock)
        evaluator = Evaluator(definition)
        explained = explanation(evaluator)
        _prepare(store, clock, asked.entries, asked.contacts, explained=explained, ref=definition.ref)
        actions = Actions(lambda *_: None, lambda *_: None, lambda _: Undone(None, RunId("r")))
        desk = StoreDesk(
            store, definition, evaluator, actions, Daemon(lambda: {"ok": True}, lambda: ""), Policy, clock
        )
        running = serve(make_app(desk, WebConfig("127.0.0.1", clock)), "127.0.0.1", 0)
        try:
            with httpx.Client(base_url=running.address, timeout=60) as http:
                measure(http, pages_of(store), "alone")
                with writing(store, definition.ref, explained):
                    measure(http, pages_of(store), "beside a cycle that writes")
        finally:
            running.stop()
            store.close()


if __name__ == "__main__":
    main()
