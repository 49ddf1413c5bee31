"""A run -> the changes of it that the portal took: what a revert starts from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Change, ContactId, Intent, RunId
from crmsync.store import tables as t
from crmsync.store.database import chunks
from crmsync.store.instants import from_text
from crmsync.store.intake import number_of


def contacts_of(conn: Connection, run: RunId) -> tuple[ContactId, ...]:
    """Return the contacts a run intended to change, in the order of plans."""
    a = t.audit.c
    query = sa.select(a.id).where(a.run == run, a.kind == "change.intended", a.object == "contact").distinct()
    ids = [ContactId(id_) for id_ in conn.scalars(query)]
    return tuple(sorted(ids, key=lambda id_: (number_of(id_), id_)))


def applied(
    conn: Connection, run: RunId, contacts: Sequence[ContactId]
) -> Mapping[ContactId, Sequence[Intent]]:
    """
    Return what a run changed of these contacts, oldest first; the reasons are left where they are.

    The outcome counts wherever it was noted: a crashed run's intents are settled by the next one.
    """
    intended, outcome = t.audit.alias("intended"), t.audit.alias("outcome")
    i, o = intended.c, outcome.c
    query = (
        sa.select(i.seq, i.id, i.property, i.before, i.after, i.cause, i.at)
        .join(outcome, sa.and_(o.id == i.id, o.of == i.seq, o.kind == "change.applied"))
        .where(
            i.run == run,
            i.kind == "change.intended",
            i.object == "contact",
            i.after.is_not(None),  # erased with the person otherwise
        )
        .order_by(i.seq)
    )
    found: dict[ContactId, list[Intent]] = defaultdict(list)
    for ids in chunks(contacts):
        for seq, id_, name, before, after, cause, at in conn.execute(query.where(i.id.in_(ids))):
            change = Change(ContactId(id_), name, before, after, cause, {})
            found[change.contact].append(Intent(seq, run, change, from_text(at)))
    return found
