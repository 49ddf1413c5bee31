"""Who keeps setting back the stage that crmsync set: read from the trail, for a few contacts at a time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import STAGE, ContactId, DefinitionRef, Reversal
from crmsync.store import tables as t
from crmsync.store.compact import definition_from
from crmsync.store.database import chunks
from crmsync.store.instants import from_text


def reversals(
    conn: Connection, contacts: Sequence[ContactId], definition: DefinitionRef
) -> Mapping[ContactId, tuple[Reversal, ...]]:
    """
    Return, by contact and in order, when somebody set the stage back to what it was before our change.

    A foreign move anywhere else (HubSpot's own moves forward, a person's other choice) is no reversal. Only changes
    under this very definition count: another one is another try.
    """
    found = {contact: tuple(_reversals(moves, definition)) for contact, moves in _moves(conn, contacts)}
    return {contact: some for contact, some in found.items() if some}


def _moves(conn: Connection, contacts: Sequence[ContactId]) -> Iterator[tuple[ContactId, list[Any]]]:
    a, intended = t.audit.c, t.audit.alias("intended")
    for ids in chunks(sorted(contacts)):
        query = (
            sa.select(
                a.id,
                a.at,
                a.kind,
                a.actor,
                a.after,
                a.definition,
                a.reason,
                intended.c.before.label("ours_before"),
            )
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


def _reversals(moves: Sequence[Any], definition: DefinitionRef) -> Iterator[Reversal]:
    left = set[str]()
    for move in moves:
        if move.kind == "change.foreign":
            if (move.after or "") in left:
                yield Reversal(_set_at(move), move.actor)
            left.clear()
        elif move.definition is not None and definition_from(move.definition).sha256 == definition.sha256:
            left.add(move.ours_before or "")


def _set_at(move: Any) -> datetime:
    """Tell when it was set by the portal's clock, as evaluations are; ours may be hours off."""
    reason = orjson.loads(move.reason) if move.reason else {}
    told = reason.get("changed_at")
    return datetime.fromisoformat(told) if told else from_text(move.at)
