"""What is asked of the mirror at every page and cycle is found by an index, however many contacts there are."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from crmsync.model import ContactId, Intake, Kind
from crmsync.store import Store, open_store
from tests.stores import NOON, RUN, Clock, a_call, a_contact, an_intent_draft, applied, intend, take

IDS = [str(number) for number in range(1, 301)]
INTAKE = Intake(
    snapshots=tuple(a_contact(id_, emails=(f"{id_}@example.com",), companies=["9"]) for id_ in IDS),
    due=tuple((Kind.CONTACT, id_) for id_ in IDS),
    sweep=2,
)


@pytest.fixture
def filled(sqlite_url: str, clock: Clock) -> Store:
    store = open_store(sqlite_url, portal="1", now=clock)
    store.mirror.take(INTAKE)
    take(store, *(a_call(id_, [id_]) for id_ in IDS))
    return store


def plans_of(store: Store, act: Callable[[Store], object]) -> list[str]:
    """Run it; return how SQLite does each statement of it that could read a whole table."""
    statements: list[tuple[str, Any]] = []
    engines = (store.database._writer, store.database._reader)

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        is_head = "ORDER BY audit.seq DESC" in statement  # a scan that ends after one entry
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and not is_head:
            statements.append((statement, values[0] if many else values))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    act(store)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    with store.database.read() as conn:
        return [
            str(row[3])
            for statement, values in statements
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


def settle(store: Store) -> None:
    intents = intend(store, *(an_intent_draft(id_) for id_ in IDS))
    store.trail.settle([applied(intent) for intent in intents], RUN)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda store: store.mirror.take(INTAKE), id="take contacts"),
        pytest.param(
            lambda store: take(store, a_call("55", ["1"]), due=[(Kind.CALL, "55")]), id="take a call"
        ),
        pytest.param(lambda store: list(store.mirror.due(100)), id="due"),
        pytest.param(lambda store: store.mirror.modified(Kind.CONTACT, IDS), id="modified"),
        pytest.param(lambda store: store.mirror.snapshots(Kind.CONTACT, IDS), id="snapshots"),
        pytest.param(lambda store: store.mirror.settled([ContactId(id_) for id_ in IDS], NOON), id="settled"),
        pytest.param(settle, id="settle"),
        pytest.param(lambda store: store.mirror.find("7@example.com"), id="find"),
    ],
)
def test_nothing_reads_a_whole_table(filled: Store, act: Callable[[Store], object]) -> None:
    steps = plans_of(filled, act)
    filled.close()

    whole = [
        step
        for step in steps
        if re.match(r"SCAN (?!definition_spans|CONSTANT)", step) and "USING INDEX contacts_due" not in step
    ]
    by_weak_index = [step for step in steps if "contacts_by_stage" in step]
    assert (whole, by_weak_index) == ([], [])
