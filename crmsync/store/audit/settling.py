"""Outcomes -> the mirror: what was applied is what the portal shows now; who is done is no longer due."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import STAGE, ContactId, Outcome, Result, Version
from crmsync.store import tables as t
from crmsync.store.compact import properties_text, version_text
from crmsync.store.database import chunks
from crmsync.store.instants import to_micros
from crmsync.store.mirror.versions import Superseded, contact_value, keep

_WAITING = frozenset({Result.ABANDONED, Result.OPEN})
_REVERTED, _TAKEN_BACK = "reverted", "taken_back"  # causes, see cycle/reconcile.py


def settle_mirror(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    applied: dict[ContactId, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.result is Result.APPLIED:
            applied[outcome.contact or outcome.intent.change.contact].append(outcome)
    for contact, some in applied.items():
        _show(conn, contact, some, to_micros(now))
    _clear_due(conn, outcomes)


def _show(conn: Connection, contact: ContactId, applied: Sequence[Outcome], now: int) -> None:
    """
    Foreign values seen on the way are left to pull, which knows who set them.

    A stage is entered by the portal's clock, which the intent tells; ours may be hours off.
    """
    c = t.contacts.c
    row = conn.execute(sa.select(t.contacts).where(c.id == contact)).mappings().first()
    if row is None:
        return
    properties = orjson.loads(row["properties"])
    after: dict[str, Any] = dict(row)
    for outcome in sorted(applied, key=lambda one: one.intent.seq):
        change = outcome.intent.change
        shown = change.after if outcome.shown is None else outcome.shown
        properties[change.property] = shown or None
        if change.property == STAGE:
            # a person asked for a revert: it is respected like any other stage that a person set
            is_person = change.cause == _REVERTED
            at = outcome.intent.at
            version = Version(shown or None, at, "crmsync", "", is_person=is_person, is_ours=True)
            after |= {"stage_entered_at": to_micros(at), "stage_version": version_text(version)}
    after |= {"properties": properties_text(properties), "stage": properties.get(STAGE)}
    if (was := contact_value(row)) != contact_value(after):
        keep(conn, [Superseded("contact", contact, was)], now)
    changed = {name: value for name, value in after.items() if value != row[name]}
    if changed:
        conn.execute(t.contacts.update().where(c.id == contact).values(changed))


def _clear_due(conn: Connection, outcomes: Sequence[Outcome]) -> None:
    """
    A contact stays due while an intent of it is open, or one of the same run was abandoned or left half-way.

    One that the portal refuses is set aside: trying again each minute changes nothing, the next change of it or the
    daily tick does. A revert was not evaluated: who is due stays due.
    """
    runs = {o.intent.change.contact: o.intent.run for o in outcomes if o.intent.change.cause != _REVERTED}
    done = set(runs) - {o.intent.change.contact for o in outcomes if o.result in _WAITING}
    done -= _half_way(conn, outcomes)
    a, intended = t.audit.c, t.audit.alias("intended")
    for ids in chunks(sorted(done)):
        waiting = set(
            conn.scalars(sa.select(t.open_intents.c.contact).where(t.open_intents.c.contact.in_(ids)))
        )
        not_applied = (
            sa.select(a.id, intended.c.run)
            .join(intended, intended.c.seq == a.of)
            .where(a.id.in_(ids), a.kind == "change.abandoned", a.object == "contact")
        )
        for contact, run in conn.execute(not_applied):
            if runs[contact] == run:
                waiting.add(contact)
        free = [id_ for id_ in ids if id_ not in waiting]
        c = t.contacts.c
        no_later_news = sa.or_(c.planned_at.is_(None), c.due_at.is_(None), c.due_at <= c.planned_at)
        conn.execute(t.contacts.update().where(c.id.in_(free), no_later_news).values(due=False))


def _half_way(conn: Connection, outcomes: Sequence[Outcome]) -> set[ContactId]:
    """Find those whose stage was cleared, and then neither set nor given back."""
    refused = {
        o.intent.change.contact
        for o in outcomes
        if o.result is Result.FAILED and (o.intent.change.step > 0 or o.intent.change.cause == _TAKEN_BACK)
    }
    c = t.contacts.c
    found: set[ContactId] = set()
    for ids in chunks(sorted(refused)):
        found.update(conn.scalars(sa.select(c.id).where(c.id.in_(ids), c.stage.is_(None))))
    return found
