"""A run -> the changes of it that the portal took: what a revert starts from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Change, ContactId, Intent, RunId
from crmsync.store import tables as t
from crmsync.store.database import chunks
from crmsync.store.instants import from_text
from crmsync.store.mirror.intake import number_of


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
    found: dict[ContactId, list[Intent]] = defaultdict(list)
    for ids in chunks(contacts):
        taken = frozenset(conn.scalars(_of_contacts(ids, "change.applied").with_only_columns(t.audit.c.of)))
        for seq, id_, name, before, after, cause, at in conn.execute(_intents(ids, run)):
            if seq in taken:
                change = Change(ContactId(id_), name, before, after, cause, {})
                found[change.contact].append(Intent(seq, run, change, from_text(at)))
    return found


def _intents(ids: Sequence[str], run: RunId) -> sa.Select[Any]:
    a = t.audit.c
    made = _of_contacts(ids, "change.intended").where(
        sa.func.coalesce(a.run, "") == run,
        a.after.is_not(None),  # erased with the person otherwise
    )
    return made.with_only_columns(a.seq, a.id, a.property, a.before, a.after, a.cause, a.at).order_by(a.seq)


def _of_contacts(ids: Sequence[str], kind: str) -> sa.Select[Any]:
    """Select through the contacts' index: by its kind or run a whole trail would be walked for each slice."""
    a = t.audit.c
    return sa.select(t.audit).where(
        a.id.in_(ids), a.object == "contact", sa.func.coalesce(a.kind, "") == kind
    )
