"""An Intake -> rows of the mirror, inside one transaction. Who becomes due is resolved here, by SQL."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import (
    ENGAGEMENTS,
    ENTRY_SLACK,
    STAGE,
    Association,
    Gone,
    Intake,
    Kind,
    Signal,
    Snapshot,
    Submission,
)
from crmsync.store import tables as t
from crmsync.store.canonical import storable
from crmsync.store.compact import deal_text, dumps, event_text, properties_text, version_text
from crmsync.store.database import Database, chunks
from crmsync.store.instants import maybe_to_micros, to_micros
from crmsync.store.mirror.versions import Superseded, contact_value, keep

_ENTRY_SLACK = ENTRY_SLACK // timedelta(microseconds=1)
_MOST_COUNTED = 2**31 - 1  # what PostgreSQL's integer holds
_CONTACT_SIDE = (Kind.COMPANY, Kind.DEAL)  # of these the past associations are kept too


class IntakeRows:
    """One intake on its way into the tables. `now` is when we saw it (microseconds)."""

    def __init__(self, database: Database, conn: Connection, now: int) -> None:
        self._database = database
        self._conn = conn
        self._now = now
        self._superseded: list[Superseded] = []
        self._due: set[str] = set()

    def take(self, intake: Intake) -> None:
        """Everything but the audit entries and the cursor."""
        touched = [(kind, id_) for kind, id_ in intake.due if kind is not Kind.CONTACT]
        self._due.update(id_ for kind, id_ in intake.due if kind is Kind.CONTACT)
        self._due.update(self._associated(touched))
        self._take_contacts([s for s in intake.snapshots if s.kind is Kind.CONTACT], intake.sweep)
        self._take_others([s for s in intake.snapshots if s.kind is not Kind.CONTACT], intake.sweep)
        self._take_associations(intake.snapshots)
        self._take_submissions(intake.submissions)
        self._take_signals(intake.signals)
        self._take_stage_versions(intake)
        self._take_gone(intake.gone)
        self._due.update(self._associated(touched))
        keep(self._conn, self._superseded, self._now)
        self._mark_due()

    # --- contacts ------------------------------------------------------------------------------------------

    def _take_contacts(self, snapshots: Sequence[Snapshot], sweep: int | None) -> None:
        known = self._rows(t.contacts, [snapshot.id for snapshot in snapshots])
        rows = []
        for snapshot in snapshots:
            before = known.get(snapshot.id)
            row = _contact_row(snapshot, before, sweep, self._now)
            if before is not None and (was := contact_value(before)) != contact_value(row):
                self._superseded.append(Superseded("contact", snapshot.id, was))
            rows.append(row)
        self._database.upsert(self._conn, t.contacts, rows, keep=("due", "evaluated_at", "first_seen_at"))
        self._take_emails(snapshots)
        self._take_merges([(merged, s.id) for s in snapshots for merged in s.merged_ids])
        back = [s.id for s in snapshots if not s.archived]
        for ids in chunks(back):
            self._conn.execute(t.merges.delete().where(t.merges.c.contact.in_(ids)))

    def _take_emails(self, snapshots: Sequence[Snapshot]) -> None:
        known: dict[str, set[str]] = defaultdict(set)
        for ids in chunks([s.id for s in snapshots]):
            for email, contact in self._conn.execute(
                sa.select(t.emails.c.email, t.emails.c.contact).where(t.emails.c.contact.in_(ids))
            ):
                known[contact].add(email)
        wanted = {s.id: {storable(email) for email in s.emails} for s in snapshots}
        lost = [(email, id_) for id_, emails in wanted.items() for email in known[id_] - emails]
        gained = [(email, id_) for id_, emails in wanted.items() for email in emails - known[id_]]
        for email, contact in lost:
            self._conn.execute(
                t.emails.delete().where(t.emails.c.email == email, t.emails.c.contact == contact)
            )
        self._database.upsert(
            self._conn, t.emails, [{"email": email, "contact": contact} for email, contact in gained]
        )
        moved: dict[str, set[str]] = defaultdict(set)
        for email, contact in lost + gained:
            moved[email].add(contact)
        for some in chunks(sorted(moved)):
            for email in self._conn.scalars(
                sa.select(t.submissions.c.email).where(t.submissions.c.email.in_(some)).distinct()
            ):
                self._due.update(moved[email])

    def _take_merges(self, merges: Sequence[tuple[str, str]]) -> None:
        """Also of one we never took itself: its engagements may have been read before it, or instead of it."""
        m = t.merges.c
        told: set[tuple[str, str]] = set()
        for ids in chunks([merged for merged, _ in merges]):
            query = sa.select(m.contact, m.into).where(m.contact.in_(ids))
            told.update((merged, into) for merged, into in self._conn.execute(query))
        fresh = [(merged, into) for merged, into in merges if merged != into and (merged, into) not in told]
        for merged, into in fresh:
            self._hand_over(merged, into)
            self._due.add(into)
        rows = [{"contact": merged, "into": into} for merged, into in fresh]
        self._database.upsert(self._conn, t.merges, rows)

    def _take_stage_versions(self, intake: Intake) -> None:
        for contact, version in intake.versions.items():
            self._conn.execute(
                t.contacts.update()
                .where(t.contacts.c.id == contact)
                .values(stage_version=version_text(version))
            )

    # --- companies, deals, engagements ---------------------------------------------------------------------

    def _take_others(self, snapshots: Sequence[Snapshot], sweep: int | None) -> None:
        for kind in dict.fromkeys(snapshot.kind for snapshot in snapshots):
            some = [snapshot for snapshot in snapshots if snapshot.kind is kind]
            known = self._rows(t.snapshots, [s.id for s in some], t.snapshots.c.kind == kind.value)
            rows = [_other_row(snapshot, known.get(snapshot.id), sweep) for snapshot in some]
            if kind in _CONTACT_SIDE:
                for row in rows:
                    before = known.get(row["id"])
                    if before is not None and _other_value(before) != _other_value(row):
                        self._superseded.append(Superseded(kind.value, row["id"], _other_value(before)))
            self._database.upsert(self._conn, t.snapshots, rows)

    # --- associations --------------------------------------------------------------------------------------

    def _take_associations(self, snapshots: Sequence[Snapshot]) -> None:
        mine: dict[tuple[str, Kind], tuple[Association, ...]] = {}
        theirs: dict[tuple[Kind, str], tuple[Association, ...]] = {}
        for snapshot in snapshots:
            for kind, others in snapshot.associations.items():
                if snapshot.kind is Kind.CONTACT:
                    mine[snapshot.id, kind] = others
                elif kind is Kind.CONTACT:
                    theirs[snapshot.kind, snapshot.id] = others
        self._replace_by_contact(mine)
        self._replace_by_other(theirs)

    def _replace_by_contact(self, wanted: Mapping[tuple[str, Kind], tuple[Association, ...]]) -> None:
        if not wanted:
            return
        a = t.associations.c
        known: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
        for ids in chunks(list(dict.fromkeys(contact for contact, _ in wanted))):
            kinds = sorted({kind.value for _, kind in wanted})
            query = sa.select(a.contact, a.kind, a.other, a.is_primary)
            for contact, kind, other, primary in self._conn.execute(
                query.where(a.contact.in_(ids), a.kind.in_(kinds))
            ):
                known[contact, kind][other] = bool(primary)
        lost, gained = [], []
        first_seen = self._first_seen_now([contact for contact, _ in wanted])
        for (contact, kind), others in wanted.items():
            had = known[contact, kind.value]
            has = {other.id: other.is_primary for other in others}
            if had == has:
                continue
            if kind in _CONTACT_SIDE and contact not in first_seen:
                self._superseded.append(_associations_before(contact, kind, had))
            lost += [(contact, kind.value, other) for other in had.keys() - has.keys()]
            gained += [
                _association_row(contact, kind.value, other, primary=primary)
                for other, primary in has.items()
                if had.get(other) is not primary
            ]
        self._drop_associations(lost)
        self._database.upsert(self._conn, t.associations, gained)

    def _replace_by_other(self, wanted: Mapping[tuple[Kind, str], tuple[Association, ...]]) -> None:
        lost, gained = [], []
        for kind in dict.fromkeys(kind for kind, _ in wanted):
            some = {id_: others for (of, id_), others in wanted.items() if of is kind}
            known: dict[str, dict[str, bool]] = defaultdict(dict)
            a = t.associations.c
            for ids in chunks(list(some)):
                for contact, other, primary in self._conn.execute(
                    sa.select(a.contact, a.other, a.is_primary).where(a.other.in_(ids), a.kind == kind.value)
                ):
                    known[other][contact] = bool(primary)
            for id_, others in some.items():
                had = known[id_]
                # the other side need not know which company is the primary one: a known mark stays
                has = {other.id: other.is_primary or had.get(other.id, False) for other in others}
                lost += [(contact, kind.value, id_) for contact in had.keys() - has.keys()]
                gained += [
                    _association_row(contact, kind.value, id_, primary=primary)
                    for contact, primary in has.items()
                    if had.get(contact) is not primary
                ]
        self._keep_associations(lost, gained)
        self._drop_associations(lost)
        self._database.upsert(self._conn, t.associations, gained)

    def _keep_associations(
        self, lost: Sequence[tuple[str, str, str]], gained: Sequence[dict[str, Any]]
    ) -> None:
        """Keep what the contacts' associations were, where the change came from the other side."""
        moved = {(contact, kind) for contact, kind, _ in lost} | {(g["contact"], g["kind"]) for g in gained}
        a = t.associations.c
        for kind in _CONTACT_SIDE:
            contacts = sorted(contact for contact, of in moved if of == kind.value)
            first_seen = self._first_seen_now(contacts)
            for ids in chunks([contact for contact in contacts if contact not in first_seen]):
                had: dict[str, dict[str, bool]] = {contact: {} for contact in ids}
                for contact, other, primary in self._conn.execute(
                    sa.select(a.contact, a.other, a.is_primary).where(
                        a.contact.in_(ids), a.kind == kind.value
                    )
                ):
                    had[contact][other] = bool(primary)
                self._superseded += [_associations_before(id_, kind, others) for id_, others in had.items()]

    def _first_seen_now(self, contacts: Sequence[str]) -> frozenset[str]:
        """Of these, the contacts of which we know no past: new in this intake, or not known at all."""
        c = t.contacts.c
        old: set[str] = set()
        for ids in chunks(list(dict.fromkeys(contacts))):
            old.update(self._conn.scalars(sa.select(c.id).where(c.id.in_(ids), c.first_seen_at < self._now)))
        return frozenset(contacts) - old

    def _drop_associations(self, lost: Sequence[tuple[str, str, str]]) -> None:
        a = t.associations.c
        if lost:
            self._conn.execute(
                t.associations.delete().where(
                    a.contact == sa.bindparam("c"), a.kind == sa.bindparam("k"), a.other == sa.bindparam("o")
                ),
                [{"c": contact, "k": kind, "o": other} for contact, kind, other in lost],
            )

    # --- submissions, signals, what is gone ----------------------------------------------------------------

    def _take_submissions(self, submissions: Sequence[Submission]) -> None:
        rows = {(s.form_id, s.id): _submission_row(s) for s in submissions}
        for form_id in dict.fromkeys(form for form, _ in rows):
            ids = [id_ for form, id_ in rows if form == form_id]
            for known in known_submissions(self._conn, form_id, ids):
                del rows[form_id, known]
        if not rows:
            return
        self._conn.execute(t.submissions.insert(), list(rows.values()))
        e = t.emails.c
        for some in chunks(sorted({row["email"] for row in rows.values()})):
            self._due.update(self._conn.scalars(sa.select(e.contact).where(e.email.in_(some))))

    def _take_signals(self, signals: Sequence[Signal]) -> None:
        if signals:
            self._conn.execute(
                t.signals.insert(),
                [
                    {
                        "contact": s.contact,
                        "property": s.property,
                        "at": to_micros(s.at),
                        "count": min(s.count, _MOST_COUNTED),
                    }
                    for s in signals
                ],
            )

    def _take_gone(self, gone: Sequence[Gone]) -> None:
        for kind in dict.fromkeys(one.kind for one in gone):
            ids = [one.id for one in gone if one.kind is kind]
            table, of_kind = (
                (t.contacts, [])
                if kind is Kind.CONTACT
                else (t.snapshots, [t.snapshots.c.kind == kind.value])
            )
            c = table.c
            for row in self._rows(table, ids, sa.not_(c.gone), *of_kind).values():
                if kind is Kind.CONTACT:
                    self._superseded.append(Superseded("contact", row["id"], contact_value(row)))
                elif kind in _CONTACT_SIDE:
                    self._superseded.append(Superseded(kind.value, row["id"], _other_value(row)))
            for some in chunks(ids):
                self._conn.execute(table.update().where(c.id.in_(some), *of_kind).values(gone=True))
        merged = [(g.id, g.into) for g in gone if g.kind is Kind.CONTACT and g.into is not None]
        self._take_merges(merged)

    def _hand_over(self, contact: str, into: str) -> None:
        """What a merged contact did counts for the one it became: the portal moves it, and no engagement tells."""
        self._conn.execute(t.signals.update().where(t.signals.c.contact == contact).values(contact=into))
        a = t.associations.c
        engagements = [kind.value for kind in ENGAGEMENTS]
        query = sa.select(a.kind, a.other).where(a.contact == contact, a.kind.in_(engagements))
        rows = [
            _association_row(into, kind, other, primary=False) for kind, other in self._conn.execute(query)
        ]
        self._database.upsert(self._conn, t.associations, rows, keep=("is_primary",))

    # --- who is due ----------------------------------------------------------------------------------------

    def _associated(self, touched: Iterable[tuple[Kind, str]]) -> Iterator[str]:
        by_kind: dict[Kind, list[str]] = defaultdict(list)
        for kind, id_ in touched:
            by_kind[kind].append(id_)
        a = t.associations.c
        for kind, all_ids in by_kind.items():
            for ids in chunks(all_ids):
                yield from self._conn.scalars(
                    sa.select(a.contact).where(a.other.in_(ids), a.kind == kind.value).distinct()
                )

    def _mark_due(self) -> None:
        c = t.contacts.c
        for ids in chunks(sorted(self._due)):
            living = c.id.in_(ids), sa.not_(c.gone)
            self._conn.execute(t.contacts.update().where(*living).values(due=True, due_at=self._now))

    def _rows(self, table: sa.Table, ids: Sequence[str], *where: sa.ColumnElement[bool]) -> dict[str, t.Row]:
        known: dict[str, t.Row] = {}
        for some in chunks(ids):
            for row in self._conn.execute(sa.select(table).where(table.c.id.in_(some), *where)).mappings():
                known[row["id"]] = row
        return known


def known_submissions(conn: Connection, form_id: str, ids: Sequence[str]) -> frozenset[str]:
    s = t.submissions.c
    known: set[str] = set()
    for some in chunks(ids):
        known.update(conn.scalars(sa.select(s.id).where(s.form_id == form_id, s.id.in_(some))))
    return frozenset(known)


def number_of(id_: str) -> int:
    """Give the place of an id in the order of slices: numeric ids by number, all others behind."""
    return int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 19 else t.NUMBER_OF_OTHER_IDS


def _contact_row(snapshot: Snapshot, before: t.Row | None, sweep: int | None, now: int) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "number": number_of(snapshot.id),
        "modified_at": to_micros(snapshot.modified_at),
        "properties": properties_text(snapshot.properties),
        "asked": _asked(snapshot, before),
        "stage": snapshot.properties.get(STAGE),
        "stage_entered_at": _stage_entered_at(snapshot, before, now),
        "stage_version": _stage_version(snapshot, before),
        "gone": snapshot.archived,
        "due": False,
        "sweep": _sweep(before, sweep),
        "evaluated_at": None,
        "first_seen_at": now,
    }


def _stage_entered_at(snapshot: Snapshot, before: t.Row | None, now: int) -> int | None:
    """The portal's instant; where it has none, the instant we saw the stage change, if we saw it."""
    if snapshot.stage_entered_at is not None or before is None:
        return maybe_to_micros(snapshot.stage_entered_at)
    if orjson.loads(before["properties"]).get(STAGE) == snapshot.properties.get(STAGE):
        return None if before["stage_entered_at"] is None else int(before["stage_entered_at"])
    return now


def _stage_version(snapshot: Snapshot, before: t.Row | None) -> str | None:
    """What we know of who set the stage holds while nobody entered it anew, also by way of another one."""
    known = None if before is None else before["stage_version"]
    if before is None or known is None:
        return None
    of_stage = orjson.loads(known)[0] or None  # a clear is a choice too
    if of_stage != (snapshot.properties.get(STAGE) or None):
        return None
    entered, again = before["stage_entered_at"], maybe_to_micros(snapshot.stage_entered_at)
    if entered is not None and again is not None and abs(again - entered) > _ENTRY_SLACK:
        return None
    return str(known)


def _other_row(snapshot: Snapshot, before: t.Row | None, sweep: int | None) -> dict[str, Any]:
    return {
        "kind": snapshot.kind.value,
        "id": snapshot.id,
        "modified_at": to_micros(snapshot.modified_at),
        "properties": properties_text(snapshot.properties),
        "asked": _asked(snapshot, before),
        "event": event_text(snapshot.event),
        "deal": deal_text(snapshot.deal),
        "gone": snapshot.archived,
        "sweep": _sweep(before, sweep),
    }


def _other_value(row: t.Row) -> str:
    deal = None if row["deal"] is None else orjson.Fragment(row["deal"])
    return dumps([orjson.Fragment(row["properties"]), deal, bool(row["gone"])])


def _associations_before(contact: str, kind: Kind, others: Mapping[str, bool]) -> Superseded:
    return Superseded(f"contact:{kind.value}", contact, dumps(sorted(others.items())))


def _association_row(contact: str, kind: str, other: str, *, primary: bool) -> dict[str, Any]:
    return {"contact": contact, "kind": kind, "other": other, "is_primary": primary}


def _submission_row(submission: Submission) -> dict[str, Any]:
    return {
        "form_id": submission.form_id,
        "id": submission.id,
        "form": storable(submission.form),
        "at": maybe_to_micros(submission.at),
        "email": storable(submission.email),
        "page": None if submission.page is None else storable(submission.page),
    }


def _asked(snapshot: Snapshot, before: t.Row | None) -> str:
    known = set() if before is None else set(filter(None, before["asked"].split(",")))
    return ",".join(sorted(known | {kind.value for kind in snapshot.associations}))


def _sweep(before: t.Row | None, sweep: int | None) -> int | None:
    return sweep if sweep is not None or before is None else before["sweep"]
