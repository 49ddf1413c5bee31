"""Who keeps setting back the stage that crmsync set: read from the trail, for a few contacts at a time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import STAGE, ContactId
from crmsync.store import tables as t
from crmsync.store.database import chunks


def reversals(conn: Connection, contacts: Sequence[ContactId]) -> Mapping[ContactId, int]:
    """
    Count, by contact, how often somebody set the stage back to what it was before our change.

    A foreign move anywhere else (HubSpot's own moves forward, a person's other choice) is no reversal.
    """
    return {contact: n for contact, moves in _moves(conn, contacts) if (n := len(_reversers(moves)))}


def rivals(conn: Connection, contacts: Sequence[ContactId]) -> Mapping[ContactId, str]:
    """Name, by contact, who set the stage back last; contacts whose stage nobody set back are absent."""
    found = {contact: _reversers(moves) for contact, moves in _moves(conn, contacts)}
    return {contact: actors[-1] for contact, actors in found.items() if actors}


def _moves(conn: Connection, contacts: Sequence[ContactId]) -> Iterator[tuple[ContactId, list[Any]]]:
    a, intended = t.audit.c, t.audit.alias("intended")
    for ids in chunks(sorted(contacts)):
        query = (
            sa.select(a.id, a.kind, a.actor, a.before, a.after, intended.c.before.label("ours_before"))
            .select_from(t.audit.outerjoin(intended, intended.c.seq == a.of))
            .where(
                a.id.in_(ids),
                a.object == "contact",
                a.property == STAGE,
                a.kind.in_(("change.applied", "change.foreign")),
            )
            .order_by(a.id, a.seq)
        )
        for contact, rows in groupby(conn.execute(query), key=lambda row: row.id):
            yield ContactId(contact), list(rows)


def _reversers(moves: Sequence[Any]) -> list[str]:
    """Name the actor of each reversal, in order."""
    actors, left = list[str](), set[str]()
    for move in moves:
        if move.kind == "change.applied":
            left.add(move.ours_before or "")
        else:
            if (move.after or "") in left:
                actors.append(move.actor)
            left.clear()
    return actors
