"""
Times the evaluation on one thread: a million contacts, a batch of 100, growth to ten million, ratios against others.

Run: python tests/benchmarks/bench_evaluate.py [--quick]
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # before Polars is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script it knows its own folder only

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import psutil

from crmsync.definition.evaluation.evaluator import Evaluator, collected
from crmsync.model import Contact, ContactId, Event
from tests.benchmarks import rivals
from tests.benchmarks.evaluate_scene import AS_OF, AS_OF_US, EVENTS_EACH, definition, frames

SOURCES = ("calls", "emails", "meetings", "notes", "tasks", "communications", "forms", "pages")
MILLION = 1_000_000
SLICE = 250_000


def evaluated(evaluator: Evaluator, contacts: int) -> tuple[float, pl.DataFrame]:
    """
    Return the seconds for this many contacts from columns to columns, without making the columns.

    Seconds of the processor, so that neighbours on the machine do not count; with one thread they are wall time.
    """
    made = frames(evaluator, contacts)
    layout = evaluator.layout
    said = ["row", "fit", "engagement", "tier", "level", "grade", "code", "target", "to", "outcome"]
    columns = [*said, *layout.criteria.values(), *layout.groups.values(), *layout.gates.values()]
    started = time.process_time()
    rows = collected(evaluator.evaluate_frames(made, AS_OF).select(*columns), is_large=contacts > 10_000)
    return time.process_time() - started, rows


def memory_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def a_million(evaluator: Evaluator) -> None:
    seconds = min(evaluated(evaluator, MILLION)[0] for _ in range(3))
    criteria = len(list(evaluator.definition.criteria()))
    print(
        f"1,000,000 contacts x {EVENTS_EACH} events x {criteria} criteria, one thread: {seconds:.2f} s (target 4 s)"
    )


def a_batch(evaluator: Evaluator) -> None:
    columns = [evaluated(evaluator, 100)[0] for _ in range(20)]
    contacts = [a_contact(number) for number in range(100)]
    nouns = []
    for _ in range(20):
        started = time.process_time()
        made = list(evaluator.evaluate(contacts, AS_OF))
        nouns.append(time.process_time() - started)
        assert len(made) == 100
    print(
        f"100 contacts, columns to columns: median {statistics.median(columns) * 1000:.0f} ms (target 50 ms)"
    )
    print(f"100 contacts, raw texts to evaluations: median {statistics.median(nouns) * 1000:.0f} ms")


def a_contact(number: int) -> Contact:
    events = tuple(
        Event("pages", AS_OF - timedelta(days=age), {"path": "/pricing"}) for age in range(EVENTS_EACH)
    )
    properties = {"country": "BE", "jobtitle": "VP Sales", "lifecyclestage": "lead"}
    return Contact(
        ContactId(str(number)), properties, {"industry": "SOFTWARE", "numberofemployees": "200"}, (), events
    )


def growth(evaluator: Evaluator, sizes: tuple[int, ...]) -> None:
    print("contacts      seconds   us/contact   memory after, MB (slices of 250,000)")
    for size in sizes:
        seconds = sum(evaluated(evaluator, SLICE)[0] for _ in range(size // SLICE))
        print(f"{size:>10,}   {seconds:8.2f}   {seconds / size * 1e6:10.2f}   {memory_mb():8.0f}")


def ratios(evaluator: Evaluator, contacts: int) -> None:
    rows = plain_rows(evaluator, contacts)
    seconds, ours = evaluated(evaluator, MILLION)
    us = {"crmsync (from 1,000,000 at once)": seconds / MILLION * 1e6}
    expected = [
        (fit, engagement, grade)
        for fit, engagement, grade in ours.sort("row")
        .head(contacts)
        .select("fit", "engagement", "grade")
        .iter_rows()
    ]
    others: dict[str, Callable[[rivals.Row], rivals.Scores]] = {
        "Python by hand": lambda row: rivals.by_hand(row, AS_OF_US),
        "zen-engine": rivals.zen_engine(evaluator.definition),
        "rule-engine": rivals.rule_engine(evaluator.definition),
    }
    for name, scores in others.items():
        started = time.process_time()
        made = [scores(row) for row in rows[name]]
        us[name] = (time.process_time() - started) / contacts * 1e6
        wrong = sum(not rivals.agree(one, other) for one, other in zip(made, expected, strict=True))
        assert wrong == 0, f"{name} differs on {wrong} of {contacts} contacts"
    ours_us = us["crmsync (from 1,000,000 at once)"]
    print(f"same scores on {contacts:,} contacts by all; us per contact and how many times ours:")
    for name, each in us.items():
        print(f"  {name:<34} {each:10.2f}   {each / ours_us:8.1f} x")


def plain_rows(evaluator: Evaluator, contacts: int) -> dict[str, list[rivals.Row]]:
    """Return the contacts as each rival likes them best; making them is not timed."""
    made = frames(evaluator, contacts)
    names, attributes = evaluator.layout.facts, evaluator.layout.attributes
    facts: pl.DataFrame = made.contacts.to_native().collect()
    events: pl.DataFrame = made.events.to_native().collect()
    happened: dict[int, list[dict[str, Any]]] = {}
    for event in events.iter_rows(named=True):
        form, path = event[attributes["form"]] or "", event[attributes["path"]] or ""
        told = {"kind": SOURCES[event["kind"]], "at": event["at"], "form": form, "path": path}
        happened.setdefault(event["row"], []).append(told)
    rows = [
        {
            **{name: row[column] for name, column in names.items()},
            "now": AS_OF_US,
            "events": happened.get(row["row"], []),
        }
        for row in facts.iter_rows(named=True)
    ]
    tuples = [
        {**row, "events": [(e["kind"], e["at"], e["form"], e["path"]) for e in row["events"]]} for row in rows
    ]
    return {"Python by hand": tuples, "zen-engine": rows, "rule-engine": rows}


def main(*, quick: bool) -> None:
    evaluator = Evaluator(definition())
    print(f"Polars {pl.__version__}, {pl.thread_pool_size()} thread")
    a_million(evaluator)
    a_batch(evaluator)
    growth(evaluator, (MILLION, 2 * MILLION) if quick else (MILLION, 2 * MILLION, 5 * MILLION, 10 * MILLION))
    ratios(evaluator, 200 if quick else 1000)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
