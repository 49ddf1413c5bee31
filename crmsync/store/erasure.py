"""A person's wish to be forgotten -> no personal value of theirs left in the store, and a chain that still verifies."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import OperatorError
from crmsync.model import ENGAGEMENTS, ContactId, Draft, RunId
from crmsync.store import tables as t
from crmsync.store.database import Database
from crmsync.store.mirror.contacts import family
from crmsync.store.writer import Writer

_EMPTY_ROW = {
    "properties": "{}",
    "asked": "",
    "stage": None,
    "stage_entered_at": None,
    "stage_version": None,
    "gone": True,
    "due": False,
}


@dataclass(frozen=True, slots=True)
class Erased:
    """
    What was erased.

    Attributes:
        contacts: the contact and those merged with it.
        entries: audit entries that lost their values.
    """

    contacts: tuple[ContactId, ...]
    entries: int


def erase(database: Database, writer: Writer, contact: ContactId, who: str) -> Erased:
    """
    Forget a contact and all that were merged with it; ids and the fact of every entry stay.

    Raises:
        OperatorError: nothing is known of it.
        StoreError: nothing was erased.
    """
    with database.write() as conn:
        if database.is_sqlite:
            conn.exec_driver_sql("PRAGMA secure_delete = ON")  # freed pages are overwritten
        ids = family(conn, contact)
        if not _is_known(conn, ids):
            raise OperatorError(
                f"The store knows no contact {contact}.", next_step="Check the id in HubSpot."
            )
        writer.append(conn, _abandoned(conn, ids, who))
        _forget_mirror(conn, ids)
        conn.execute(t.plan_changes.delete().where(t.plan_changes.c.contact.in_(ids)))
        conn.execute(t.salts.delete().where(t.salts.c.contact.in_(ids)))
        entries = _blank_entries(conn, ids)
        writer.append(conn, [Draft("contact.erased", object="contact", id=id_, actor=who) for id_ in ids])
    database.forget_freed_pages()
    return Erased(tuple(ContactId(id_) for id_ in ids), entries)


def _is_known(conn: Connection, ids: Sequence[str]) -> bool:
    return any(
        conn.scalar(sa.select(column).where(column.in_(ids)).limit(1)) is not None
        for column in (t.contacts.c.id, t.salts.c.contact, t.audit.c.id)
    )


def _abandoned(conn: Connection, ids: Sequence[str], who: str) -> list[Draft]:
    """Without its value an intent could be sent as a blank: end those still open."""
    a = t.audit.c
    query = (
        sa.select(a.seq, a.run, a.id, a.property)
        .join(t.open_intents, t.open_intents.c.seq == a.seq)
        .where(t.open_intents.c.contact.in_(ids))
        .order_by(a.seq)
    )
    return [
        Draft(
            "change.abandoned",
            None if row.run is None else RunId(row.run),
            "contact",
            row.id,
            row.property,
            of=row.seq,
            cause="erased",
            actor=who,
        )
        for row in conn.execute(query)
    ]


def _forget_mirror(conn: Connection, ids: Sequence[str]) -> None:
    e, s = t.emails.c, t.submissions.c
    addresses = conn.scalars(sa.select(e.email).where(e.contact.in_(ids))).all()
    # the ids stay known: else the next reading would bring the submissions back
    conn.execute(t.submissions.update().where(s.email.in_(addresses)).values(email="", page=None))
    conn.execute(t.emails.delete().where(e.contact.in_(ids)))
    _forget_engagements(conn, ids)
    conn.execute(t.associations.delete().where(t.associations.c.contact.in_(ids)))
    conn.execute(t.signals.delete().where(t.signals.c.contact.in_(ids)))
    v = t.versions.c
    conn.execute(
        t.versions.delete().where(
            v.id.in_(ids), v.subject.in_(("contact", "contact:companies", "contact:deals"))
        )
    )
    conn.execute(t.contacts.update().where(t.contacts.c.id.in_(ids)).values(_EMPTY_ROW))


def _forget_engagements(conn: Connection, ids: Sequence[str]) -> None:
    """Forget the engagements that were with nobody else."""
    a, s = t.associations.c, t.snapshots.c
    kinds = [kind.value for kind in ENGAGEMENTS]
    others = t.associations.alias("others").c
    with_others = (
        sa.exists()
        .where(others.kind == a.kind, others.other == a.other, others.contact.not_in(ids))
        .correlate(t.associations)
    )
    theirs = conn.execute(
        sa.select(a.kind, a.other)
        .where(a.contact.in_(ids), a.kind.in_(kinds), sa.not_(with_others))
        .distinct()
    ).all()
    if theirs:
        conn.execute(
            t.snapshots.delete().where(s.kind == sa.bindparam("k"), s.id == sa.bindparam("o")),
            [{"k": row.kind, "o": row.other} for row in theirs],
        )


def _blank_entries(conn: Connection, ids: Sequence[str]) -> int:
    a = t.audit.c
    held = sa.or_(a.before.is_not(None), a.after.is_not(None), a.reason.is_not(None))
    blanked = t.audit.update().where(a.object == "contact", a.id.in_(ids), held)
    return conn.execute(blanked.values(before=None, after=None, reason=None)).rowcount
