"""The audit trail as one part of the store: written by the cycle, read by people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import (
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Entry,
    Intent,
    Outcome,
    Result,
    Reversal,
    RunId,
    Sent,
)
from crmsync.store import tables as t
from crmsync.store.audit import applied, export, reading, verify
from crmsync.store.audit.reading import EVERYTHING, AuditFilter, Count, ForeignCount, Head, RunLine
from crmsync.store.audit.reversals import reversals
from crmsync.store.audit.settling import settle_mirror
from crmsync.store.audit.verify import Verified
from crmsync.store.compact import definition_from
from crmsync.store.database import Database, chunks
from crmsync.store.instants import from_text
from crmsync.store.writer import Writer

_OUTCOMES = {
    Result.APPLIED: "change.applied",
    Result.FAILED: "change.failed",
    Result.ABANDONED: "change.abandoned",
}
_INTENTS_A_PAGE = 500


class Trail:
    """
    The audit trail, append-only. Every method may raise StoreError (LeaseLost when fenced off).

    When a writing method returns, what it was given is committed.
    """

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    # --- what the cycle writes -----------------------------------------------------------------------------

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

    def reversals(
        self, contacts: Sequence[ContactId], definition: DefinitionRef
    ) -> Mapping[ContactId, tuple[Reversal, ...]]:
        """Tell when somebody set back the stage that crmsync had set under this definition; others are absent."""
        with self._database.read() as conn:
            return reversals(conn, contacts, definition)

    def told(self, subject: str, cause: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any] | None]:
        """Return the reasons of the newest findings of that cause, by id; None: erased."""
        a, found = t.audit.c, dict[str, Mapping[str, Any] | None]()
        with self._database.read() as conn:
            for some in chunks(sorted(set(ids))):
                query = sa.select(a.id, a.reason).where(
                    a.id.in_(some), a.kind == "finding", a.object == subject, a.cause == cause
                )
                for id_, reason in conn.execute(query.order_by(a.seq)):
                    found[id_] = None if reason is None else orjson.loads(reason)
        return found

    def sent(self, contact: ContactId, property_name: str, value: str) -> Sent | None:
        """Return the newest intent to give this property this value, and its outcome; None: there was none."""
        with self._database.read() as conn:
            return reading.sent(conn, contact, property_name, value)

    def settle(self, outcomes: Sequence[Outcome], run: RunId) -> None:
        """Append an outcome for each intent that still has none, and let the mirror show what was applied."""
        ended = {o.intent.seq: o for o in outcomes if o.result is not Result.OPEN}
        if not ended:
            return
        with self._database.write() as conn:
            still_open = _still_open(conn, list(ended))
            news = [outcome for seq, outcome in ended.items() if seq in still_open]
            self._writer.append(conn, [_outcome_draft(outcome, run) for outcome in news])
            settle_mirror(conn, news, self._database.now())

    def contacts_of(self, run: RunId) -> tuple[ContactId, ...]:
        """Return the contacts a run intended to change, in the order of plans."""
        with self._database.read() as conn:
            return applied.contacts_of(conn, run)

    def applied(self, run: RunId, contacts: Sequence[ContactId]) -> Mapping[ContactId, Sequence[Intent]]:
        """Return what a run changed of these contacts (its intents without their reasons), oldest first."""
        with self._database.read() as conn:
            return applied.applied(conn, run, contacts)

    # --- what people read ----------------------------------------------------------------------------------

    def entries(
        self,
        where: AuditFilter = EVERYTHING,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> tuple[Entry, ...]:
        """
        Return entries, newest first.

        Args:
            before: only entries with a smaller seq: the page that follows.
            after: only entries with a greater seq, the nearest ones: the page before.
        """
        with self._database.read() as conn:
            return reading.entries(conn, where, before=before, after=after, limit=limit)

    def entry(self, seq: int) -> Entry | None:
        found = self.entries(before=seq + 1, after=seq - 1, limit=1)
        return found[0] if found else None

    def outcome_of(self, seq: int) -> Entry | None:
        """Return the outcome of an intent; None: it has none yet."""
        with self._database.read() as conn:
            return reading.outcome_of(conn, seq)

    def outcomes_of(self, intents: Sequence[Entry]) -> Mapping[int, Entry]:
        """Return the outcomes of some intents (a page of them), by the intent's seq; those without are absent."""
        with self._database.read() as conn:
            return reading.outcomes_of(conn, intents)

    def runs(self, *, before: int | None = None, limit: int = 20) -> tuple[RunLine, ...]:
        """Return the newest runs first; `before`: the seq of a `run.started` to go on from."""
        with self._database.read() as conn:
            return reading.runs(conn, before=before, limit=limit)

    def run(self, run: RunId) -> RunLine | None:
        with self._database.read() as conn:
            return reading.run(conn, run)

    def counts(
        self, since: datetime, until: datetime, zone: tzinfo = UTC, *, only: str | None = None
    ) -> tuple[Count, ...]:
        """
        Count entries by day in `zone`, kind, cause, property and stages: of every hour that [since, until) touches.

        Args:
            only: a property: entries about it alone.
        """
        with self._database.read() as conn:
            return reading.counts(conn, since, until, zone, only)

    def foreign(self, since: datetime, until: datetime) -> tuple[ForeignCount, ...]:
        """Count what others changed, appended in [since, until), by who and which property; most first."""
        with self._database.read() as conn:
            return reading.foreign(conn, since, until)

    def choices(self, field: str) -> tuple[str, ...]:
        """Return the values a filter can take: field is kind, cause, property, actor or definition (JSON texts)."""
        with self._database.read() as conn:
            return reading.choices(conn, field)

    def head(self) -> Head:
        """Return seq and hash of the newest entry; seq 0 and 64 zeros before the first."""
        with self._database.read() as conn:
            return reading.head(conn)

    def hashes(self, seqs: Sequence[int]) -> Mapping[int, str]:
        """Return the hashes of these entries, as far as they exist."""
        a = t.audit.c
        found: dict[int, str] = {}
        with self._database.read() as conn:
            for some in chunks(seqs):
                rows = conn.execute(sa.select(a.seq, a.hash).where(a.seq.in_(some)))
                found |= {row.seq: row.hash for row in rows}
        return found

    def export(self, where: AuditFilter = EVERYTHING) -> Iterator[dict[str, Any]]:
        """Yield entries as the JSON objects of docs/audit.md, oldest first."""
        return export.objects(self._database, where)

    def verify(self, head: str | None = None, *, workers: int = 1) -> Verified:
        """
        Check every entry: numbering, chain, hash and values.

        Args:
            head: a hash exported earlier; the chain must still contain it.
            workers: how many processes may share a long trail.

        Raises:
            VerificationError: the chain does not hold; its `seq` is the first bad entry.
        """
        return verify.verify(self._database, head, workers=workers)


def _intent(row: t.Row) -> Intent:
    reason: Mapping[str, Any] = {} if row["reason"] is None else orjson.loads(row["reason"])
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
    at = from_text(str(reason.get("portal_at") or row["at"]))  # see cycle/record.py; erased, or older than it
    return Intent(row["seq"], RunId(row["run"]), change, at, definition)


def _still_open(conn: Connection, seqs: Sequence[int]) -> frozenset[int]:
    found: set[int] = set()
    for some in chunks(seqs):
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
