"""
How fast the mirror takes a first pull and gives its contacts back, and how much memory that needs.

    python tests/benchmarks/bench_mirror.py [--contacts 100000] [--url postgresql://...]
"""

import argparse
import resource
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

from crmsync.model import STAGE, Association, Event, Intake, Kind, Snapshot
from crmsync.store import Store, open_store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PAGE = 100
ENGAGEMENTS_A_CONTACT = 5


def contacts(amount: int) -> Iterator[Snapshot]:
    for number in range(1, amount + 1):
        properties: dict[str, str | None] = {f"property_{n}": f"value {number % 97} {n}" for n in range(12)}
        company = Association(str(number % 20_000 + 1), is_primary=True)
        yield Snapshot(
            Kind.CONTACT,
            str(number),
            NOW,
            properties | {STAGE: "lead"},
            emails=(f"contact{number}@example.com",),
            stage_entered_at=NOW,
            associations={Kind.COMPANY: (company,), Kind.DEAL: ()},
        )


def companies(amount: int) -> Iterator[Snapshot]:
    for number in range(1, min(amount, 20_000) + 1):
        yield Snapshot(Kind.COMPANY, str(number), NOW, {"industry": "SOFTWARE", "numberofemployees": "200"})


def engagements(contacts: int) -> Iterator[Snapshot]:
    for number in range(contacts * ENGAGEMENTS_A_CONTACT):
        event = Event(
            "calls", NOW - timedelta(hours=number % 2_000), {"direction": "INBOUND", "duration": 61.0}
        )
        owner = Association(str(number * 7_919 % contacts + 1))
        yield Snapshot(Kind.CALL, str(number), NOW, event=event, associations={Kind.CONTACT: (owner,)})


def take(store: Store, snapshots: Iterator[Snapshot]) -> None:
    while page := tuple(snapshot for _, snapshot in zip(range(PAGE), snapshots, strict=False)):
        store.mirror.take(Intake(snapshots=page, due=tuple((one.kind, one.id) for one in page), sweep=1))


def timed(name: str, amount: int, act: Callable[[], object]) -> None:
    start, busy = perf_counter(), process_time()
    act()
    took, busy = perf_counter() - start, process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name:<34} {took:>8.2f} s (processor {busy:>7.2f} s) {amount / took:>10,.0f}/s, peak memory {peak} MB"
    )


def measure(url: str, amount: int) -> None:
    store = open_store(url, portal="1", now=lambda: NOW)
    print(
        f"{amount:,} contacts, {amount * ENGAGEMENTS_A_CONTACT:,} engagements on {url.split(':', maxsplit=1)[0]}"
    )
    timed("take companies", min(amount, 20_000), lambda: take(store, companies(amount)))
    timed("take contacts", amount, lambda: take(store, contacts(amount)))
    timed("take engagements", amount * ENGAGEMENTS_A_CONTACT, lambda: take(store, engagements(amount)))
    timed("take the same contacts again", amount, lambda: take(store, contacts(amount)))
    timed("read all contacts, 1,000 a slice", amount, lambda: [len(some) for some in store.mirror.all(1_000)])
    timed("mark all due", amount, store.mirror.mark_all_due)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(asked.url or f"sqlite:///{Path(directory) / 'bench.db'}", asked.contacts)


if __name__ == "__main__":
    main()
