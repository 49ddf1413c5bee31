"""
How fast the audit trail is appended to, verified and read, on SQLite (and PostgreSQL when a URL is given).

    python tests/benchmarks/bench_audit.py [--entries 100000] [--url postgresql://...]
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

from crmsync.model import ContactId, DefinitionRef, Draft, RunId
from crmsync.store import Store, open_store
from crmsync.store.audit.reading import AuditFilter

BATCH = 1_000
DEFINITION = DefinitionRef("b2b-saas", "2026.4", "ab" * 32)
REASON = {
    "score": 71.25,
    "gates": {"consent": True, "company": True, "size": None},
    "points": {f"eng.criterion_{n}": n * 1.5 for n in range(20)},
    "facts": {"industry": "SOFTWARE", "employees": "200", "country": "BE", "title": "CTO"},
    "events": [{"source": "forms", "at": "2026-11-20T09:00:00Z", "form": "Book a demo"}] * 3,
}
CAUSES = ("promoted", "demoted", "score_moved", "grade_changed")
PROPERTIES = ("lifecyclestage", "crmsync_fit", "crmsync_engagement", "crmsync_grade")


def drafts(entries: int) -> Iterator[list[Draft]]:
    for start in range(0, entries, BATCH):
        run = RunId(f"r-{start // 20_000}")
        yield [
            Draft(
                kind="change.foreign" if n % 7 == 0 else "change.applied",
                run=run,
                object="contact",
                id=str(n // 8 * 7919 % 100_000),
                property=PROPERTIES[n % 4],
                before="lead",
                after="marketingqualifiedlead",
                cause=CAUSES[n % 3],
                definition=DEFINITION,
                reason=REASON,
            )
            for n in range(start, min(start + BATCH, entries))
        ]


def timed(name: str, amount: int, act: Callable[[], object]) -> None:
    start, busy = perf_counter(), process_time()
    act()
    took, busy = perf_counter() - start, process_time() - busy
    rate = f"{amount / took:>10,.0f}/s" if amount > 1 else ""
    print(f"{name:<34} {took * 1000:>10,.1f} ms (processor {busy * 1000:>9,.1f} ms) {rate}")


def append(store: Store, entries: int) -> None:
    for batch in drafts(entries):
        store.trail.append(batch)


def measure(url: str, entries: int) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    ticks = iter(range(10**9))
    span = timedelta(days=30) / (entries / BATCH + 1)
    store = open_store(url, portal="1", now=lambda: start + next(ticks) * span)
    trail, until = store.trail, start + timedelta(days=60)
    print(f"{entries:,} entries in batches of {BATCH} on {url.split(':', maxsplit=1)[0]}")
    timed("append", entries, lambda: append(store, entries))
    timed("verify", entries, trail.verify)
    workers = os.cpu_count() or 1
    timed(f"verify, {workers} processes", entries, lambda: trail.verify(workers=workers))
    pages = {
        "newest": AuditFilter(),
        "one contact": AuditFilter(contact=ContactId("7919")),
        "kind and property": AuditFilter(kind="change.foreign", property="crmsync_grade"),
        "nothing found": AuditFilter(kind="change.foreign", cause="grade_changed"),
        "family of kinds": AuditFilter(kind="change."),
        "definition": AuditFilter(definition="2026.4", cause="demoted"),
        "a day": AuditFilter(since=start + timedelta(days=9), until=start + timedelta(days=10)),
        "actor, old days": AuditFilter(actor="crmsync", until=start + timedelta(days=2)),
    }
    for name, where in pages.items():
        timed(f"page: {name}", 1, lambda where=where: trail.entries(where))  # type: ignore[misc]  # bound now
    timed("counts of a day", 1, lambda: trail.counts(until - timedelta(days=31), until))
    timed("counts of 30 days", 1, lambda: trail.counts(start, until))
    timed("choices of the filters", 1, lambda: [trail.choices(field) for field in ("kind", "actor", "cause")])
    timed("runs", 1, trail.runs)
    timed("a run", 1, lambda: trail.run(RunId("r-1")))
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(asked.url or f"sqlite:///{Path(directory) / 'bench.db'}", asked.entries)


if __name__ == "__main__":
    main()
