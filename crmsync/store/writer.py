"""Drafts -> entries of the audit trail, chained by hash."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Draft
from crmsync.store import tables as t
from crmsync.store.canonical import FIRST_PREV, canonical, entry_hash, storable, values_digest
from crmsync.store.compact import definition_text
from crmsync.store.database import Database, chunks
from crmsync.store.instants import to_text
from crmsync.store.meta import Meta
from crmsync.store.tallies import tally

COLUMNS = (
    "seq", "at", "kind", "run", "portal", "object", "id", "property", "before", "after", "of", "cause",
    "definition", "reason", "actor", "values_digest", "prev", "hash",
)  # fmt: skip
_CELLS = itemgetter(*COLUMNS)
INTENDED = "change.intended"
OUTCOMES = frozenset({"change.applied", "change.failed", "change.abandoned"})
_LOCK = 0x61756469  # PostgreSQL's advisory lock of appenders: "audi"
CLOCK_WENT_BACK = "clock_went_back"  # in meta: entries are not in the order of their instants everywhere


class Writer:
    """Appends inside somebody else's transaction; the only code that inserts into `audit`."""

    def __init__(self, database: Database, meta: Meta, salt: Callable[[], bytes]) -> None:
        self._database = database
        self._meta = meta
        self._salt = salt

    def append(self, conn: Connection, drafts: Sequence[Draft]) -> tuple[int, ...]:
        if not drafts:
            return ()
        seq, prev, last_at = _head_to_extend(conn)
        at = to_text(self._database.now())
        page = _Page(at, self._meta.portal(conn), self._salts(conn, drafts))
        if at < last_at:
            self._database.upsert(conn, t.meta, [{"key": CLOCK_WENT_BACK, "value": at}])
        rows = []
        for draft in drafts:
            seq += 1
            row = _row(draft, page, seq, prev)
            prev = row["hash"]
            rows.append(row)
        conn.exec_driver_sql(*_insertion(conn, rows))
        self._note_intents(conn, rows)
        tally(self._database, conn, rows)
        return tuple(row["seq"] for row in rows)

    def _salts(self, conn: Connection, drafts: Sequence[Draft]) -> Mapping[str, bytes]:
        """Read the salts of the contacts, making those that are not there yet."""
        contacts = dict.fromkeys(d.id for d in drafts if d.object == "contact" and d.id is not None)
        salts = read_salts(conn, list(contacts))
        made = {contact: self._salt() for contact in contacts if contact not in salts}
        if made:
            conn.execute(t.salts.insert(), [{"contact": c, "salt": salt} for c, salt in made.items()])
        return {**salts, **made}

    def _note_intents(self, conn: Connection, rows: Sequence[t.Row]) -> None:
        intended = [{"seq": row["seq"], "contact": row["id"]} for row in rows if row["kind"] == INTENDED]
        ended = [{"ended": row["of"]} for row in rows if row["kind"] in OUTCOMES]
        if intended:
            conn.execute(t.open_intents.insert(), intended)
        if ended:
            conn.execute(t.open_intents.delete().where(t.open_intents.c.seq == sa.bindparam("ended")), ended)


def _head_to_extend(conn: Connection) -> tuple[int, str, str]:
    """Return seq, hash and instant of the newest entry, and keep every other appender out until the end."""
    if conn.dialect.name != "sqlite":  # SQLite's BEGIN IMMEDIATE has done it
        # not the table's lock: autovacuum needs that one too, and either would make the other wait or give up
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    a = t.audit.c
    row = conn.execute(sa.select(a.seq, a.hash, a.at).order_by(a.seq.desc()).limit(1)).first()
    return (0, FIRST_PREV, "") if row is None else (row.seq, row.hash, row.at)


def read_salts(conn: Connection, contacts: Sequence[str]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    s = t.salts.c
    for ids in chunks(contacts, 5_000):
        for contact, salt in conn.execute(sa.select(s.contact, s.salt).where(s.contact.in_(ids))):
            found[contact] = bytes(salt)
    return found


def _insertion(conn: Connection, rows: Sequence[t.Row]) -> tuple[str, list[tuple[Any, ...]]]:
    """
    Write the INSERT by hand: the driver's own executemany appends twice as fast.

    (Tried on PostgreSQL: one statement over unnest() of arrays; writing the arrays as texts takes three times as long.)
    """
    mark = "?" if conn.dialect.name == "sqlite" else "%s"
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    marks = ", ".join([mark] * len(COLUMNS))
    statement = f"INSERT INTO audit ({names}) VALUES ({marks})"  # noqa: S608 - made of constants
    return statement, [_CELLS(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Page:
    """What the entries of one append share."""

    at: str
    portal: str
    salts: Mapping[str, bytes]


def _row(draft: Draft, page: _Page, seq: int, prev: str) -> dict[str, Any]:
    before = None if draft.before is None else storable(draft.before)
    after = None if draft.after is None else storable(draft.after)
    reason = None if draft.reason is None else canonical(draft.reason)
    definition = definition_text(draft.definition)
    salt = page.salts.get(draft.id or "", b"") if draft.object == "contact" else b""
    row: dict[str, Any] = {
        "actor": storable(draft.actor),
        "at": page.at,
        "cause": draft.cause,
        "definition": None if definition is None else orjson.Fragment(definition),
        "id": draft.id,
        "kind": draft.kind,
        "object": draft.object,
        "of": draft.of,
        "portal": page.portal,
        "prev": prev,
        "property": draft.property,
        "run": draft.run,
        "seq": seq,
        "values_digest": values_digest(salt, before, after, reason),
    }
    row["hash"] = entry_hash(row)
    row["definition"] = definition
    return row | {"before": before, "after": after, "reason": reason}
