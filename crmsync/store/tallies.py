"""New entries -> counts by hour, run and definition, kept beside the trail so that no page counts a million rows."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from crmsync.model import STAGE
from crmsync.store import tables as t
from crmsync.store.database import Database

_HOUR = 13  # characters of an instant up to its hour


def tally(database: Database, conn: Connection, rows: Sequence[t.Row]) -> None:
    """Count one append; all its rows have the same instant."""
    hour = rows[0]["at"][:_HOUR]
    kinds = Counter(_key(row) for row in rows)
    runs = Counter((row["run"], row["kind"]) for row in rows if row["run"] is not None)
    spans = {row["definition"]: row["seq"] for row in rows if row["definition"] is not None}
    names = ("kind", "cause", "property", "before", "after")
    _add(
        database,
        conn,
        t.audit_tallies,
        [
            {"hour": hour, **dict(zip(names, key, strict=True)), "count": n}
            for key, n in sorted(kinds.items())
        ],
    )
    totals: Counter[tuple[str, str, str]] = Counter()
    for (kind, cause, name, _, _), n in kinds.items():
        totals[kind, cause, name] += n
    _add(
        database,
        conn,
        t.audit_totals,
        [dict(zip(names[:3], key, strict=True)) | {"count": n} for key, n in sorted(totals.items())],
    )
    last = {(row["run"], row["kind"]): row["seq"] for row in rows}
    _add(
        database,
        conn,
        t.run_tallies,
        [
            {"run": run, "kind": kind, "count": n, "last_seq": last[run, kind]}
            for (run, kind), n in sorted(runs.items())
        ],
    )
    first = rows[0]["seq"]
    database.upsert(
        conn,
        t.definition_spans,
        [{"definition": text, "first_seq": first, "last_seq": last} for text, last in sorted(spans.items())],
        keep=("first_seq",),
    )


def _key(row: t.Row) -> tuple[str, str, str, str, str]:
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
