"""Plans, their changes in order, and what people decided about them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import OperatorError
from crmsync.model import REVERT_PREFIX, Change, ContactId, Draft, Plan, PlanId, PlanStatus, RunId, Tally
from crmsync.store import tables as t
from crmsync.store.canonical import canonical
from crmsync.store.compact import definition_from, definition_text, dumps
from crmsync.store.database import Database, chunks
from crmsync.store.instants import from_micros, to_micros
from crmsync.store.writer import Writer

_WAITING = (PlanStatus.OPEN.value, PlanStatus.PARKED.value)
_DECISIONS = {PlanStatus.APPROVED: "plan.approved", PlanStatus.REJECTED: "plan.rejected"}


class Plans:
    """Where plans are kept. Every method may raise StoreError."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def begin(self, plan: Plan) -> None:
        with self._database.write() as conn:
            conn.execute(t.plans.insert().values(**_row(plan)))

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:
        c = t.plan_changes.c
        with self._database.write() as conn:
            last = conn.scalar(sa.select(sa.func.max(c.position)).where(c.plan == plan))
            position = -1 if last is None else last
            rows = []
            for contact, some in groupby(changes, key=lambda change: change.contact):
                position += 1
                text = _changes_text(tuple(some))
                rows.append({"plan": plan, "position": position, "contact": contact, "changes": text})
            if rows:
                conn.execute(t.plan_changes.insert(), rows)
            self._note_planned(conn, plan, [row["contact"] for row in rows])

    def _note_planned(self, conn: Connection, plan: PlanId, contacts: Sequence[str]) -> None:
        """News that comes after this keeps a contact due when the plan is applied; a revert evaluates nothing."""
        c = t.contacts.c
        is_revert = plan.startswith(REVERT_PREFIX)
        planned_at = sa.func.coalesce(c.planned_at, 0) if is_revert else to_micros(self._database.now())
        for ids in chunks(contacts):
            conn.execute(t.contacts.update().where(c.id.in_(ids)).values(planned_at=planned_at))

    def finish(self, plan: Plan) -> None:
        p = t.plans.c
        with self._database.write() as conn:
            row = _row(plan)
            conn.execute(t.plans.update().where(p.id == row.pop("id")).values(**row))
            if not plan.is_revert:  # a revert says nothing about what the other plans say, nor they about it
                others = p.id != plan.id, p.status.in_(_WAITING), sa.not_(p.id.startswith(REVERT_PREFIX))
                conn.execute(t.plans.update().where(*others).values(status=PlanStatus.SUPERSEDED.value))

    def drop(self, plan: PlanId) -> None:
        with self._database.write() as conn:
            conn.execute(t.plan_changes.delete().where(t.plan_changes.c.plan == plan))
            conn.execute(t.plans.delete().where(t.plans.c.id == plan))

    def plan(self, plan: PlanId) -> Plan | None:
        with self._database.read() as conn:
            return _plan(conn, plan)

    def plans(self, *, status: PlanStatus | None = None, limit: int = 50) -> tuple[Plan, ...]:
        query = sa.select(t.plans).order_by(t.plans.c.number.desc()).limit(limit)
        if status is not None:
            query = query.where(t.plans.c.status == status.value)
        with self._database.read() as conn:
            return tuple(_plan_from(row) for row in conn.execute(query).mappings())

    def changes(self, plan: PlanId, *, slice_contacts: int = 100) -> Iterator[tuple[Change, ...]]:
        c = t.plan_changes.c
        last = -1
        while True:
            query = sa.select(c.position, c.contact, c.changes).where(c.plan == plan, c.position > last)
            with self._database.read() as conn:
                rows = conn.execute(query.order_by(c.position).limit(slice_contacts)).all()
            if not rows:
                return
            last = rows[-1].position
            yield tuple(change for row in rows for change in _changes_from(row.contact, row.changes))

    def of_contacts(self, contacts: Sequence[ContactId]) -> tuple[tuple[Plan, tuple[Change, ...]], ...]:
        """Return the plans that hold changes of any of these contacts, with those changes; the oldest first."""
        c, p = t.plan_changes.c, t.plans.c
        query = sa.select(t.plans, c.contact, c.changes).join(t.plan_changes, c.plan == p.id)
        found: dict[PlanId, tuple[Plan, tuple[Change, ...]]] = {}
        with self._database.read() as conn:
            for row in conn.execute(
                query.where(c.contact.in_(contacts)).order_by(p.number, c.position)
            ).mappings():
                plan, changes = found.get(PlanId(row["id"])) or (_plan_from(row), ())
                found[plan.id] = (plan, (*changes, *_changes_from(row["contact"], row["changes"])))
        return tuple(found.values())

    def decide(self, plan: PlanId, status: PlanStatus, who: str) -> Plan:
        """
        Approve or reject a plan that waits, with the entry that says who did.

        Raises:
            OperatorError: there is no such plan, or it no longer waits.
        """
        kind = _DECISIONS[status]
        with self._database.write() as conn:
            changed = conn.execute(
                t.plans.update()
                .where(t.plans.c.id == plan, t.plans.c.status.in_(_WAITING))
                .values(status=status.value)
            ).rowcount
            known = _plan(conn, plan)
            if known is None:
                raise OperatorError(f"There is no plan {plan}.", next_step="See `crmsync plans`.")
            if changed != 1:
                raise OperatorError(
                    f"Plan {plan} is {known.status.value} and no longer waits.",
                    next_step="See `crmsync plans`.",
                )
            about = {"plan": plan, "digest": known.digest, "changes": known.tally.changes}
            draft = Draft(kind, known.run, definition=known.definition, reason=about, actor=who)
            self._writer.append(conn, [draft])
            return known


def _row(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "run": plan.run,
        "as_of": to_micros(plan.as_of),
        "definition": definition_text(plan.definition),
        "status": plan.status.value,
        "tally": canonical(plan.tally),
        "reasons": dumps(plan.reasons),
        "digest": plan.digest,
    }


def _plan(conn: Connection, plan: PlanId) -> Plan | None:
    row = conn.execute(sa.select(t.plans).where(t.plans.c.id == plan)).mappings().one_or_none()
    return None if row is None else _plan_from(row)


def _plan_from(row: t.Row) -> Plan:
    return Plan(
        PlanId(row["id"]),
        RunId(row["run"]),
        from_micros(row["as_of"]),
        definition_from(row["definition"]),
        PlanStatus(row["status"]),
        Tally(**orjson.loads(row["tally"])),
        tuple(orjson.loads(row["reasons"])),
        row["digest"],
    )


def _changes_text(changes: Sequence[Change]) -> str:
    """Write a contact's changes; equal reasons once."""
    reasons: dict[str, int] = {}
    parts = [
        [
            ch.property,
            ch.before,
            ch.after,
            ch.cause,
            reasons.setdefault(canonical(ch.reason), len(reasons)),
            ch.step,
        ]
        for ch in changes
    ]
    return dumps([parts, [orjson.Fragment(reason) for reason in reasons]])


def _changes_from(contact: str, text: str) -> Iterator[Change]:
    parts, reasons = orjson.loads(text)
    for name, before, after, cause, reason, step in parts:
        yield Change(ContactId(contact), name, before, after, cause, reasons[reason], step)
