"""The store's copy of the portal: taken in pages of news, read in slices of contacts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Association, ContactId, Cursor, Intake, Kind, Mirrored, Snapshot
from crmsync.store import tables as t
from crmsync.store.compact import deal_from, event_from
from crmsync.store.database import Database, chunks
from crmsync.store.instants import from_micros, maybe_from_micros, maybe_to_micros, to_micros
from crmsync.store.mirror import contacts
from crmsync.store.mirror.intake import IntakeRows, known_submissions
from crmsync.store.writer import Writer

_UNSEEN_A_PAGE = 500
_MARKED_AT_ONCE = 2_000


class Mirror:
    """The mirror as `pull` (Mirror) and `qualify` (Contacts) know it. Every method may raise StoreError."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    # --- what pull needs -----------------------------------------------------------------------------------

    def cursor(self, stream: str) -> Cursor:
        with self._database.read() as conn:
            row = conn.execute(sa.select(t.cursors).where(t.cursors.c.stream == stream)).one_or_none()
        if row is None:
            return Cursor(stream)
        return Cursor(
            stream,
            maybe_from_micros(row.until),
            row.after,
            row.sweep,
            maybe_from_micros(row.sweep_started_at),
        )

    def cursors(self) -> tuple[Cursor, ...]:
        """Return every stream's position, by name: for health."""
        with self._database.read() as conn:
            streams = conn.scalars(sa.select(t.cursors.c.stream).order_by(t.cursors.c.stream)).all()
        return tuple(self.cursor(stream) for stream in streams)

    def modified(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, datetime]:
        table, of_kind = _table(kind)
        found: dict[str, datetime] = {}
        with self._database.read() as conn:
            for some in chunks(ids):
                query = sa.select(table.c.id, table.c.modified_at)
                for id_, at in conn.execute(
                    query.where(table.c.id.in_(some), sa.not_(table.c.gone), *of_kind)
                ):
                    found[id_] = from_micros(at)
        return found

    def snapshots(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        table, of_kind = _table(kind)
        found: dict[str, Snapshot] = {}
        with self._database.read() as conn:
            for some in chunks(ids):
                rows = conn.execute(sa.select(table).where(table.c.id.in_(some), *of_kind)).mappings().all()
                found.update(_snapshots(conn, kind, rows))
        return found

    def known_submissions(self, form_id: str, ids: Sequence[str]) -> frozenset[str]:
        with self._database.read() as conn:
            return known_submissions(conn, form_id, ids)

    def take(self, intake: Intake) -> None:
        now = to_micros(self._database.now())
        with self._database.write() as conn:
            IntakeRows(self._database, conn, now).take(intake)
            self._writer.append(conn, intake.entries)
            if intake.cursor is not None:
                self._database.upsert(conn, t.cursors, [_cursor_row(intake.cursor)])

    def unseen(self, kind: Kind, sweep: int) -> Iterator[tuple[str, ...]]:
        table, of_kind = _table(kind)
        c = table.c
        missed = sa.or_(c.sweep.is_(None), c.sweep != sweep)
        last = ""
        while True:
            query = sa.select(c.id).where(c.id > last, sa.not_(c.gone), missed, *of_kind)
            with self._database.read() as conn:
                ids = tuple(conn.scalars(query.order_by(c.id).limit(_UNSEEN_A_PAGE)))
            if not ids:
                return
            yield ids
            last = ids[-1]

    def mark_all_due(self) -> int:
        c = t.contacts.c
        with self._database.write() as conn:
            now = to_micros(self._database.now())
            for ids in _spans(
                conn, _MARKED_AT_ONCE
            ):  # one statement for all would keep every page it changes in memory
                some = c.id.between(*ids), sa.not_(c.gone)
                conn.execute(t.contacts.update().where(*some).values(due=True, due_at=now))
            return _count(conn, sa.not_(c.gone))

    # --- what qualify needs --------------------------------------------------------------------------------

    def due(self, slice_size: int) -> Iterator[tuple[Mirrored, ...]]:
        return contacts.slices(self._database, slice_size, t.contacts.c.due)

    def all(self, slice_size: int) -> Iterator[tuple[Mirrored, ...]]:
        return contacts.slices(self._database, slice_size)

    def contact(self, contact: ContactId) -> Mirrored | None:
        with self._database.read() as conn:
            return contacts.living(conn, contacts.survivor(conn, contact))

    def find(self, text: str) -> ContactId | None:
        with self._database.read() as conn:
            return contacts.find(conn, text)

    def size(self) -> int:
        with self._database.read() as conn:
            return _count(conn, sa.not_(t.contacts.c.gone))

    def settled(self, contacts: Sequence[ContactId], evaluated_at: datetime) -> None:
        with self._database.write() as conn:
            for ids in chunks(contacts):
                conn.execute(
                    t.contacts.update()
                    .where(t.contacts.c.id.in_(ids))
                    .values(due=False, evaluated_at=to_micros(evaluated_at))
                )

    # --- what people ask -----------------------------------------------------------------------------------

    def due_count(self) -> int:
        with self._database.read() as conn:
            return _count(conn, t.contacts.c.due, sa.not_(t.contacts.c.gone))

    def contact_at(self, contact: ContactId, instant: datetime) -> tuple[Mirrored, datetime] | None:
        """
        Return a contact as the mirror held it at an instant, and since when the mirror knows it.

        Before that second instant the oldest known values stand in. None: unknown, or gone at that instant.
        """
        with self._database.read() as conn:
            return contacts.contact_at(conn, contact, instant)

    def family(self, contact: ContactId) -> tuple[ContactId, ...]:
        """Return all ids merged into one contact, the living one first."""
        with self._database.read() as conn:
            return tuple(ContactId(id_) for id_ in contacts.family(conn, contact))

    def stages(self) -> Mapping[str | None, int]:
        """Count the living contacts by lifecycle stage: the funnel of now."""
        with self._database.read() as conn:
            return contacts.stages(conn)


def _table(kind: Kind) -> tuple[sa.Table, tuple[sa.ColumnElement[bool], ...]]:
    if kind is Kind.CONTACT:
        return t.contacts, ()
    return t.snapshots, (t.snapshots.c.kind == kind.value,)


def _spans(conn: Connection, size: int) -> Iterator[tuple[str, str]]:
    """Yield the first and the last id of every so many contacts, in the order of their texts."""
    c = t.contacts.c
    last = ""
    while ids := conn.scalars(sa.select(c.id).where(c.id > last).order_by(c.id).limit(size)).all():
        last = ids[-1]
        yield ids[0], last


def _count(conn: Connection, *where: sa.ColumnElement[bool]) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(t.contacts).where(*where)) or 0


def _cursor_row(cursor: Cursor) -> dict[str, Any]:
    return {
        "stream": cursor.stream,
        "until": maybe_to_micros(cursor.until),
        "after": cursor.after,
        "sweep": cursor.sweep,
        "sweep_started_at": maybe_to_micros(cursor.sweep_started_at),
    }


def _snapshots(conn: Connection, kind: Kind, rows: Sequence[t.Row]) -> Iterator[tuple[str, Snapshot]]:
    ids = [row["id"] for row in rows]
    associations = _associations(conn, kind, ids)
    e, m = t.emails.c, t.merges.c
    of_contacts = ids if kind is Kind.CONTACT else []
    emails, merged = (
        _lists(conn, e.contact, e.email, of_contacts),
        _lists(conn, m.into, m.contact, of_contacts),
    )
    for row in rows:
        asked = [Kind(name) for name in row["asked"].split(",") if name]
        is_contact = kind is Kind.CONTACT
        event, deal = (None, None) if is_contact else (row["event"], row["deal"])
        yield (
            row["id"],
            Snapshot(
                kind,
                row["id"],
                from_micros(row["modified_at"]),
                orjson.loads(row["properties"]),
                archived=bool(row["gone"]),
                emails=tuple(emails[row["id"]]),
                stage_entered_at=maybe_from_micros(row["stage_entered_at"]) if is_contact else None,
                merged_ids=tuple(merged[row["id"]]),
                event=None if event is None else event_from(event),
                deal=None if deal is None else deal_from(deal),
                associations={to: tuple(associations[row["id"], to.value]) for to in asked},
            ),
        )


def _associations(
    conn: Connection, kind: Kind, ids: Sequence[str]
) -> Mapping[tuple[str, str], Sequence[Association]]:
    a = t.associations.c
    found: dict[tuple[str, str], list[Association]] = defaultdict(list)
    if kind is Kind.CONTACT:
        query = sa.select(a.contact, a.kind, a.other, a.is_primary).where(a.contact.in_(ids))
        for contact, to, other, primary in conn.execute(query.order_by(a.contact, a.kind, a.other)):
            found[contact, to].append(Association(other, bool(primary)))
    else:
        query = sa.select(a.other, a.contact).where(a.other.in_(ids), a.kind == kind.value)
        for other, contact in conn.execute(query.order_by(a.other, a.contact)):
            found[other, Kind.CONTACT.value].append(Association(contact))
    return found


def _lists(
    conn: Connection, key: sa.Column[str], value: sa.Column[str], ids: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    query = sa.select(key, value).where(key.in_(ids)).order_by(key, value)
    for row in conn.execute(query):
        found[row[0]].append(row[1])
    return found
