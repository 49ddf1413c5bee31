"""Drafts and outcomes -> entries of the audit trail, chained by hash, and the mirror showing what was applied."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Change, ContactId, Draft, Intent, Outcome, Result, RunId
from crmsync.store import tables as t
from crmsync.store.canonical import FIRST_PREV, canonical, entry_hash, storable, values_digest
from crmsync.store.compact import definition_from, definition_text
from crmsync.store.database import Database, chunks
from crmsync.store.instants import from_text, to_text
from crmsync.store.meta import Meta
from crmsync.store.settling import settle_mirror

_OUTCOMES = {
    Result.APPLIED: "change.applied",
    Result.FAILED: "change.failed",
    Result.ABANDONED: "change.abandoned",
}
_INTENTS_A_PAGE = 500


class Writer:
    """Appends inside somebody else's transaction; the only code that inserts into `audit`."""

    def __init__(self, database: Database, meta: Meta, salt: Callable[[], bytes]) -> None:
        self._database = database
        self._meta = meta
        self._salt = salt

    def append(self, conn: Connection, drafts: Sequence[Draft]) -> tuple[int, ...]:
        if not drafts:
            return ()
        seq, prev = head_to_extend(conn)
        salts = self._salts(conn, drafts)
        at, portal = to_text(self._database.now()), self._meta.portal(conn)
        rows = []
        for draft in drafts:
            seq += 1
            row = _row(draft, seq, at, portal, prev, salts)
            prev = row["hash"]
            rows.append(row)
        conn.execute(t.audit.insert(), rows)
        self._note_intents(conn, rows)
        return tuple(row["seq"] for row in rows)

    def _salts(self, conn: Connection, drafts: Sequence[Draft]) -> Mapping[str, bytes]:
        """Read the salts of the contacts, making those that are not there yet."""
        contacts = dict.fromkeys(d.id for d in drafts if d.object == "contact" and d.id is not None)
        salts = dict(read_salts(conn, list(contacts)))
        made = {contact: self._salt() for contact in contacts if contact not in salts}
        if made:
            conn.execute(t.salts.insert(), [{"contact": c, "salt": salt} for c, salt in made.items()])
        return salts | made

    def _note_intents(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        intended = [
            {"seq": row["seq"], "contact": row["id"]} for row in rows if row["kind"] == "change.intended"
        ]
        ended = [{"ended": row["of"]} for row in rows if row["kind"] in _OUTCOMES.values()]
        if intended:
            conn.execute(t.open_intents.insert(), intended)
        if ended:
            conn.execute(t.open_intents.delete().where(t.open_intents.c.seq == sa.bindparam("ended")), ended)


class Trail:
    """The audit trail as the cycle writes it. When a method returns, what it was given is committed."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def append(self, drafts: Sequence[Draft]) -> tuple[int, ...]:
        if not drafts:
            return ()
        with self._database.write() as conn:
            return self._writer.append(conn, drafts)

    def open_intents(self) -> Iterator[Intent]:
        last = 0
        while True:
            with self._database.read() as conn:
                rows = conn.execute(
                    sa.select(t.audit)
                    .join(t.open_intents, t.open_intents.c.seq == t.audit.c.seq)
                    .where(t.open_intents.c.seq > last)
                    .order_by(t.open_intents.c.seq)
                    .limit(_INTENTS_A_PAGE)
                ).mappings()
                intents = [_intent(row) for row in rows]
            if not intents:
                return
            yield from intents
            last = intents[-1].seq

    def settle(self, outcomes: Sequence[Outcome], run: RunId) -> None:
        """Append an outcome for each intent still open and let the mirror show what was applied."""
        ended = [outcome for outcome in outcomes if outcome.result is not Result.OPEN]
        if not ended:
            return
        with self._database.write() as conn:
            still_open = _still_open(conn, [outcome.intent.seq for outcome in ended])
            news = [outcome for outcome in ended if outcome.intent.seq in still_open]
            self._writer.append(conn, [_outcome_draft(outcome, run) for outcome in news])
            settle_mirror(conn, news, self._database.now())


def head_to_extend(conn: Connection) -> tuple[int, str]:
    """Return seq and hash of the newest entry, and keep every other appender out until the transaction ends."""
    if conn.dialect.name != "sqlite":  # SQLite's BEGIN IMMEDIATE has done it
        conn.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
    return head(conn)


def head(conn: Connection) -> tuple[int, str]:
    row = conn.execute(
        sa.select(t.audit.c.seq, t.audit.c.hash).order_by(t.audit.c.seq.desc()).limit(1)
    ).first()
    return (0, FIRST_PREV) if row is None else (row.seq, row.hash)


def read_salts(conn: Connection, contacts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for some in chunks(contacts):
        for contact, salt in conn.execute(
            sa.select(t.salts.c.contact, t.salts.c.salt).where(t.salts.c.contact.in_(some))
        ):
            yield contact, salt


def _row(
    draft: Draft, seq: int, at: str, portal: str, prev: str, salts: Mapping[str, bytes]
) -> dict[str, Any]:
    before = None if draft.before is None else storable(draft.before)
    after = None if draft.after is None else storable(draft.after)
    reason = None if draft.reason is None else canonical(draft.reason)
    definition = definition_text(draft.definition)
    salt = salts.get(draft.id or "", b"") if draft.object == "contact" else b""
    row: dict[str, Any] = {
        "actor": storable(draft.actor),
        "at": at,
        "cause": draft.cause,
        "definition": None if definition is None else orjson.Fragment(definition),
        "id": draft.id,
        "kind": draft.kind,
        "object": draft.object,
        "of": draft.of,
        "portal": portal,
        "prev": prev,
        "property": draft.property,
        "run": draft.run,
        "seq": seq,
        "values_digest": values_digest(salt, before, after, reason),
    }
    row["hash"] = entry_hash(row)
    row["definition"] = definition
    return row | {"before": before, "after": after, "reason": reason}


def _intent(row: Mapping[str, Any]) -> Intent:
    reason = {} if row["reason"] is None else orjson.loads(row["reason"])
    step = reason.get("step", 0)
    change = Change(
        ContactId(row["id"]),
        row["property"],
        row["before"],
        row["after"] or "",
        row["cause"],
        reason,
        step if isinstance(step, int) else 0,
    )
    definition = None if row["definition"] is None else definition_from(row["definition"])
    return Intent(row["seq"], RunId(row["run"]), change, from_text(row["at"]), definition)


def _still_open(conn: Connection, seqs: Sequence[int]) -> frozenset[int]:
    found: set[int] = set()
    for start in range(0, len(seqs), 500):
        some = seqs[start : start + 500]
        found.update(conn.scalars(sa.select(t.open_intents.c.seq).where(t.open_intents.c.seq.in_(some))))
    return frozenset(found)


def _outcome_draft(outcome: Outcome, run: RunId) -> Draft:
    change = outcome.intent.change
    merged = outcome.contact if outcome.contact not in {None, change.contact} else None
    given = {"problem": outcome.problem or None, "shown": outcome.shown, "contact": merged}
    if outcome.result is Result.APPLIED and outcome.shown == change.after:
        del given["shown"]
    reason = {name: value for name, value in given.items() if value is not None}
    return Draft(
        kind=_OUTCOMES[outcome.result],
        run=run,
        object="contact",
        id=change.contact,
        property=change.property,
        before=change.before,
        after=change.after,
        of=outcome.intent.seq,
        cause=change.cause,
        definition=outcome.intent.definition,
        reason=reason or None,
    )
