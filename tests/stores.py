"""Builders for everything a store is given; each names only what matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from crmsync.model import (
    STAGE,
    Association,
    Change,
    ContactId,
    Deal,
    DefinitionRef,
    Draft,
    Event,
    Intake,
    Intent,
    Kind,
    Mirrored,
    Outcome,
    Plan,
    PlanId,
    PlanStatus,
    Result,
    RunId,
    Snapshot,
    Submission,
    Tally,
)
from crmsync.store import Store, triggers

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN = RunId("r-1")
DEFINITION = DefinitionRef("b2b", "1", "ab" * 32)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@dataclass(slots=True)
class Salts:
    """Salts that differ and can be foretold."""

    given: list[bytes] = field(default_factory=list)

    def __call__(self) -> bytes:
        self.given.append(len(self.given).to_bytes(16, "big"))
        return self.given[-1]


def a_contact(
    id_: str = "101",
    *,
    stage: str | None = "lead",
    emails: Sequence[str] = (),
    modified_at: datetime = NOON,
    stage_entered_at: datetime | None = None,
    merged_ids: Sequence[str] = (),
    archived: bool = False,
    companies: Sequence[Association | str] | None = None,
    deals: Sequence[Association | str] | None = None,
    **properties: str | None,
) -> Snapshot:
    given = {Kind.COMPANY: companies, Kind.DEAL: deals}
    return Snapshot(
        Kind.CONTACT,
        id_,
        modified_at,
        {STAGE: stage, **properties},
        archived=archived,
        emails=tuple(emails),
        stage_entered_at=stage_entered_at,
        merged_ids=tuple(merged_ids),
        associations={kind: _ends(ends) for kind, ends in given.items() if ends is not None},
    )


def a_company(id_: str, **properties: str | None) -> Snapshot:
    return Snapshot(Kind.COMPANY, id_, NOON, properties)


def a_deal(id_: str, state: str = "open", *, contacts: Sequence[str] | None = None) -> Snapshot:
    associations = {} if contacts is None else {Kind.CONTACT: _ends(contacts)}
    return Snapshot(Kind.DEAL, id_, NOON, {}, deal=Deal(state, "100"), associations=associations)


def a_call(
    id_: str, contacts: Sequence[str] | None = None, *, at: datetime | None = NOON, archived: bool = False
) -> Snapshot:
    associations = {} if contacts is None else {Kind.CONTACT: _ends(contacts)}
    event = Event("calls", at, {"direction": "INBOUND", "duration": 61.5})
    return Snapshot(Kind.CALL, id_, NOON, {}, archived=archived, event=event, associations=associations)


def a_submission(id_: str, email: str, *, form_id: str = "f-1", at: datetime | None = NOON) -> Submission:
    return Submission(id_, form_id, "Book a demo", at, email, "https://example.com/demo")


def _ends(ends: Sequence[Association | str]) -> tuple[Association, ...]:
    return tuple(end if isinstance(end, Association) else Association(end) for end in ends)


def an_intent_draft(
    contact: str = "101",
    after: str = "marketingqualifiedlead",
    *,
    property_name: str = STAGE,
    before: str | None = "lead",
    run: RunId = RUN,
    reason: Mapping[str, object] | None = None,
) -> Draft:
    return Draft(
        "change.intended",
        run,
        "contact",
        contact,
        property_name,
        before,
        after,
        cause="promoted",
        definition=DEFINITION,
        reason=reason or {"score": 71.5},
    )


def intend(store: Store, *drafts: Draft) -> list[Intent]:
    seqs = store.trail.append(drafts)
    return [intent for intent in store.trail.open_intents() if intent.seq in seqs]


def applied(intent: Intent, *, shown: str | None = None, contact: str | None = None) -> Outcome:
    return Outcome(
        intent, Result.APPLIED, contact=None if contact is None else ContactId(contact), shown=shown
    )


def failed(intent: Intent, problem: str = "refused") -> Outcome:
    return Outcome(intent, Result.FAILED, problem)


def a_change(
    contact: str = "101",
    property_name: str = STAGE,
    after: str = "marketingqualifiedlead",
    *,
    before: str | None = "lead",
    reason: Mapping[str, object] | None = None,
    step: int = 0,
) -> Change:
    return Change(
        ContactId(contact), property_name, before, after, "promoted", reason or {"score": 71.5}, step
    )


def a_plan(id_: str = "p-1", status: PlanStatus = PlanStatus.OPEN, tally: Tally | None = None) -> Plan:
    return Plan(PlanId(id_), RUN, NOON, DEFINITION, status, tally or Tally())


def due_ids(store: Store) -> list[str]:
    return [mirrored.contact.id for some in store.mirror.due(100) for mirrored in some]


def known(store: Store, contact: str = "101") -> Mirrored:
    found = store.mirror.contact(ContactId(contact))
    assert found is not None
    return found


def take(store: Store, *snapshots: Snapshot, due: Sequence[tuple[Kind, str]] = ()) -> None:
    store.mirror.take(Intake(snapshots=snapshots, due=tuple(due)))


def tamper(store: Store, statement: str, **values: object) -> None:
    """Do to the tables what only somebody with the database's password can: the triggers are dropped first."""
    with store.database.write_unfenced() as conn:
        triggers.drop(conn)
        conn.execute(sa.text(statement), values)
