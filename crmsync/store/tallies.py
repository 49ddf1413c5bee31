"""New entries -> counts by hour, run and definition, kept beside the trail so that no page counts a million rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from crmsync.model import STAGE
from crmsync.store import tables as t
from crmsync.store.database import Database

_HOUR = 13  # characters of an instant up to its hour
_SORT = ("kind", "cause", "property", "before", "after")
_Sort: TypeAlias = tuple[str, str, str, str, str]


def tally(database: Database, conn: Connection, rows: Sequence[t.Row]) -> None:
    """Count one append; all its rows have the same instant."""
    sorts = Counter(_sort(row) for row in rows)
    _add(database, conn, t.audit_tallies, _of_an_hour(rows[0]["at"][:_HOUR], sorts))
    _add(database, conn, t.audit_totals, _in_all(sorts))
    _add(database, conn, t.run_tallies, _of_runs(rows))
    database.upsert(conn, t.definition_spans, _spans(rows), keep=("first_seq",))


def _of_an_hour(hour: str, sorts: Mapping[_Sort, int]) -> list[dict[str, Any]]:
    return [
        {"hour": hour, **dict(zip(_SORT, sort, strict=True)), "count": n} for sort, n in sorted(sorts.items())
    ]


def _in_all(sorts: Mapping[_Sort, int]) -> list[dict[str, Any]]:
    totals: Counter[tuple[str, ...]] = Counter()
    for sort, n in sorts.items():
        totals[sort[:3]] += n
    return [
        dict(zip(_SORT[:3], kind_cause_property, strict=True)) | {"count": n}
        for kind_cause_property, n in sorted(totals.items())
    ]


def _of_runs(rows: Sequence[t.Row]) -> list[dict[str, Any]]:
    counts = Counter((row["run"], row["kind"]) for row in rows if row["run"] is not None)
    last = {(row["run"], row["kind"]): row["seq"] for row in rows}
    return [
        {"run": run, "kind": kind, "count": n, "last_seq": last[run, kind]}
        for (run, kind), n in sorted(counts.items())
    ]


def _spans(rows: Sequence[t.Row]) -> list[dict[str, Any]]:
    first, last = rows[0]["seq"], {row["definition"]: row["seq"] for row in rows}
    return [
        {"definition": text, "first_seq": first, "last_seq": seq}
        for text, seq in sorted((text, seq) for text, seq in last.items() if text is not None)
    ]


def _sort(row: t.Row) -> _Sort:
    is_stage = row["property"] == STAGE
    return (
        row["kind"],
        row["cause"] or "",
        row["property"] or "",
        (row["before"] or "") if is_stage else "",
        (row["after"] or "") if is_stage else "",
    )


def _add(database: Database, conn: Connection, table: sa.Table, rows: Sequence[t.Row]) -> None:
    if rows:
        conn.execute(_addition(table, tuple(rows[0]), is_sqlite=database.is_sqlite), rows)


@lru_cache(maxsize=16)
def _addition(
    table: sa.Table, names: tuple[str, ...], *, is_sqlite: bool
) -> sqlite.Insert | postgresql.Insert:
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    replaced: dict[str, sa.ColumnElement[Any]] = {
        name: insert.excluded[name] for name in names if name not in keys
    }
    replaced["count"] = table.c.count + insert.excluded.count
    return insert.on_conflict_do_update(index_elements=keys, set_=replaced)
