"""Rows of the mirror -> contacts as an evaluation knows them, a slice at a time and in the order of their ids."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import WRITTEN, Contact, ContactId, Deal, Event, Kind, Mirrored
from crmsync.store import tables as t
from crmsync.store.compact import deal_from, event_from, version_from
from crmsync.store.database import Database, chunks
from crmsync.store.instants import from_micros, maybe_from_micros, to_micros
from crmsync.store.mirror.intake import number_of
from crmsync.store.mirror.versions import value_at

_CONTACTS_A_QUERY = 1_000  # far below SQLite's 32,766 parameters


@dataclass(slots=True)
class Surroundings:
    """What belongs to one contact besides its own properties. `company` is the best one seen so far."""

    company: Mapping[str, str | None] | None = None
    company_rank: tuple[bool, int, str] | None = None
    deals: list[Deal] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def add_company(self, id_: str, properties: str, *, is_primary: bool) -> None:
        """The company marked primary counts, else the one with the lowest id."""
        rank = (not is_primary, number_of(id_), id_)
        if self.company_rank is None or rank < self.company_rank:
            self.company_rank = rank
            self.company = orjson.loads(properties)


def slices(
    database: Database, slice_size: int, *where: sa.ColumnElement[bool]
) -> Iterator[tuple[Mirrored, ...]]:
    """Yield the living contacts that satisfy `where`; each slice is a transaction of its own."""
    c = t.contacts.c
    last: tuple[int, str] | None = None
    while True:
        query = sa.select(t.contacts).where(sa.not_(c.gone), *where)
        if last is not None:
            # the second half of the condition alone would not use the index
            query = query.where(
                c.number >= last[0], sa.or_(c.number > last[0], sa.and_(c.number == last[0], c.id > last[1]))
            )
        with database.read() as conn:
            rows = conn.execute(query.order_by(c.number, c.id).limit(slice_size)).mappings().all()
            mirrored = tuple(_mirrored(conn, rows))
        if not rows:
            return
        last = (rows[-1]["number"], rows[-1]["id"])
        yield mirrored
        if len(rows) < slice_size:
            return


def living(conn: Connection, contact: str) -> Mirrored | None:
    c = t.contacts.c
    rows = conn.execute(sa.select(t.contacts).where(c.id == contact, sa.not_(c.gone))).mappings().all()
    return next(_mirrored(conn, rows), None)


def survivor(conn: Connection, contact: str) -> str:
    """Follow merges to the contact that lives on; an id never merged is its own."""
    seen = {contact}
    while True:
        into = conn.scalar(sa.select(t.merges.c.into).where(t.merges.c.contact == contact))
        if into is None or into in seen:
            return contact
        seen.add(into)
        contact = into


def family(conn: Connection, contact: str) -> tuple[str, ...]:
    """Return all ids that were merged into one contact, its own first; `contact` may be any of them."""
    ids = [survivor(conn, contact)]
    for id_ in ids:  # grows while it is walked
        merged = conn.scalars(sa.select(t.merges.c.contact).where(t.merges.c.into == id_))
        ids.extend(sorted(set(merged) - set(ids)))
    return tuple(ids)


def find(conn: Connection, text: str) -> ContactId | None:
    """Resolve an id (also a gone or merged one) or an e-mail address; of several owners the lowest living id."""
    wanted = text.strip()
    c, e = t.contacts.c, t.emails.c
    known = conn.scalar(sa.select(c.id).where(c.id == wanted))
    merged = conn.scalar(sa.select(t.merges.c.contact).where(t.merges.c.contact == wanted))
    if known is not None or merged is not None:
        return ContactId(survivor(conn, wanted))
    owner = conn.scalar(
        sa.select(c.id)
        .join(t.emails, e.contact == c.id)
        .where(e.email == wanted.casefold())
        .order_by(c.gone, c.number, c.id)
        .limit(1)
    )
    return None if owner is None else ContactId(survivor(conn, owner))


def stages(conn: Connection) -> Mapping[str | None, int]:
    """Count the living contacts by lifecycle stage."""
    c = t.contacts.c
    query = sa.select(c.stage, sa.func.count().label("n")).where(sa.not_(c.gone)).group_by(c.stage)
    return {row.stage: row.n for row in conn.execute(query)}


def contact_at(conn: Connection, contact: str, instant: datetime) -> tuple[Mirrored, datetime] | None:
    """
    Return a contact as the mirror held it at an instant, and since when the mirror knows it.

    Before that second instant the oldest known values stand in. None: it is unknown, or was gone at that instant.
    """
    row = conn.execute(sa.select(t.contacts).where(t.contacts.c.id == contact)).mappings().one_or_none()
    if row is None:
        return None
    at = to_micros(instant)
    past = value_at(conn, "contact", contact, at)
    properties, entered, gone = (
        (orjson.loads(row["properties"]), row["stage_entered_at"], row["gone"])
        if past is None
        else orjson.loads(past)
    )
    if gone:
        return None
    around = _surroundings_at(conn, contact, at)
    then = Contact(
        ContactId(contact),
        properties,
        around.company,
        tuple(around.deals),
        tuple(around.events),
        maybe_from_micros(entered),
    )
    return Mirrored(then, _shown(properties)), from_micros(row["first_seen_at"])


def _mirrored(conn: Connection, rows: Sequence[t.Row]) -> Iterator[Mirrored]:
    around: dict[str, Surroundings] = defaultdict(Surroundings)
    for ids in chunks([row["id"] for row in rows], _CONTACTS_A_QUERY):
        _add_associated(conn, ids, around)
        _add_submissions(conn, ids, around)
        _add_signals(conn, ids, around)
    for row in rows:
        properties = orjson.loads(row["properties"])
        near = around[row["id"]]
        contact = Contact(
            ContactId(row["id"]),
            properties,
            near.company,
            tuple(near.deals),
            tuple(near.events),
            maybe_from_micros(row["stage_entered_at"]),
        )
        version = row["stage_version"]
        yield Mirrored(contact, _shown(properties), None if version is None else version_from(version))


def _shown(properties: Mapping[str, str | None]) -> Mapping[str, str | None]:
    return {name: properties[name] for name in WRITTEN if name in properties}


def _add_associated(conn: Connection, ids: Sequence[str], around: dict[str, Surroundings]) -> None:
    a, s = t.associations.c, t.snapshots.c
    content = sa.case(
        (s.kind == Kind.COMPANY.value, s.properties), (s.kind == Kind.DEAL.value, s.deal), else_=s.event
    )
    query = (
        sa.select(a.contact, a.kind, a.other, a.is_primary, content)
        .join(t.snapshots, sa.and_(s.kind == a.kind, s.id == a.other))
        .where(a.contact.in_(ids), sa.not_(s.gone))
        .order_by(a.contact, a.kind, a.other)
    )
    for contact, kind, other, is_primary, text in conn.execute(query):
        if text is None:
            continue
        near = around[contact]
        if kind == Kind.COMPANY.value:
            near.add_company(other, text, is_primary=is_primary)
        elif kind == Kind.DEAL.value:
            near.deals.append(deal_from(text))
        else:
            near.events.append(event_from(text))


def _add_submissions(conn: Connection, ids: Sequence[str], around: dict[str, Surroundings]) -> None:
    e, s = t.emails.c, t.submissions.c
    query = (
        sa.select(e.contact, s.form_id, s.form, s.at, s.page)
        .join(t.submissions, s.email == e.email)
        .where(e.contact.in_(ids), e.email != "")
        .order_by(e.contact, s.form_id, s.id)
    )
    for contact, form_id, form, at, page in conn.execute(query):
        attributes = {"form": form, "form_id": form_id, "page": page}
        around[contact].events.append(Event("forms", maybe_from_micros(at), attributes))


def _add_signals(conn: Connection, ids: Sequence[str], around: dict[str, Surroundings]) -> None:
    s = t.signals.c
    query = sa.select(s.contact, s.property, s.at, s.count).where(s.contact.in_(ids)).order_by(s.number)
    for contact, name, at, count in conn.execute(query):
        event = Event("counter", from_micros(at), of=f"contact.{name}", count=count)
        around[contact].events.append(event)


def _surroundings_at(conn: Connection, contact: str, at: int) -> Surroundings:
    around: dict[str, Surroundings] = defaultdict(Surroundings)
    _add_associated(conn, [contact], around)
    _add_submissions(conn, [contact], around)
    _add_signals(conn, [contact], around)
    then = Surroundings(events=around[contact].events)
    for id_, is_primary in _associated_at(conn, contact, Kind.COMPANY, at):
        properties, _, gone = _other_at(conn, Kind.COMPANY, id_, at)
        if not gone:
            then.add_company(id_, properties, is_primary=is_primary)
    for id_, _ in _associated_at(conn, contact, Kind.DEAL, at):
        _, deal, gone = _other_at(conn, Kind.DEAL, id_, at)
        if not gone and deal is not None:
            then.deals.append(deal)
    return then


def _associated_at(conn: Connection, contact: str, kind: Kind, at: int) -> Sequence[tuple[str, bool]]:
    past = value_at(conn, f"contact:{kind.value}", contact, at)
    if past is not None:
        return [(id_, is_primary) for id_, is_primary in orjson.loads(past)]
    a = t.associations.c
    query = sa.select(a.other, a.is_primary).where(a.contact == contact, a.kind == kind.value)
    return [(other, bool(primary)) for other, primary in conn.execute(query.order_by(a.other))]


def _other_at(conn: Connection, kind: Kind, id_: str, at: int) -> tuple[str, Deal | None, bool]:
    """Return properties (JSON text), deal and whether it was gone or unknown."""
    past = value_at(conn, kind.value, id_, at)
    if past is not None:
        properties, deal, gone = orjson.loads(past)
        return orjson.dumps(properties).decode(), None if deal is None else Deal(*deal), gone
    s = t.snapshots.c
    row = conn.execute(
        sa.select(s.properties, s.deal, s.gone).where(s.kind == kind.value, s.id == id_)
    ).first()
    if row is None:
        return "{}", None, True
    return row.properties, None if row.deal is None else deal_from(row.deal), row.gone
