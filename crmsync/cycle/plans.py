"""Changes as they are decided -> a plan that is kept: open, or parked until a person has looked. apply.py writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from crmsync.cycle.qualify import Contacts
from crmsync.cycle.record import Trail
from crmsync.model import (
    REVERT_PREFIX,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Json,
    Plan,
    PlanId,
    PlanStatus,
    RunId,
    Tally,
)


class PlanSink(Protocol):
    """Where the changes of a plan go, a slice of contacts at a time. It may raise StoreError."""

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:
        """Append changes; the caller gives them in plan order, all changes of a contact in one call."""


class Plans(PlanSink, Protocol):
    """Where plans are kept. Every method may raise StoreError."""

    def begin(self, plan: Plan) -> None:
        """Store a new plan without changes."""

    def finish(self, plan: Plan) -> None:
        """Replace the header: tally, status, reasons, digest. Every other open or parked plan is superseded."""

    def drop(self, plan: PlanId) -> None:
        """Forget a plan that nobody was shown."""

    def plan(self, plan: PlanId) -> Plan | None:
        """Return its header; None: there is no such plan."""

    def plans(self, *, status: PlanStatus | None = None, limit: int = 50) -> tuple[Plan, ...]:
        """Return the newest first."""

    def changes(self, plan: PlanId, *, slice_contacts: int = 100) -> Iterator[tuple[Change, ...]]:
        """Yield the changes in plan order, slices of whole contacts."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value of a contact that evaluating could not use: it counts as unknown, and is told each time it is met."""

    contact: ContactId
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Planned:
    """
    What planning brought.

    Attributes:
        digest: of the changes that matter, the instants they were evaluated at aside.
        findings: how many the trail was told.
        unreadable: how many values were; `unreadable_shown` has the first of them. They are not in the trail.
    """

    tally: Tally
    digest: str
    findings: int = 0
    unreadable: int = 0
    unreadable_shown: tuple[Unreadable, ...] = ()


@dataclass(slots=True)
class DraftPlan:
    """A plan that comes into being with its first change; without any there is none."""

    plans: Plans
    run: RunId
    as_of: datetime
    definition: DefinitionRef
    prefix: str = "p-"
    begun: bool = False

    @property
    def id(self) -> PlanId:
        return PlanId(self.prefix + self.run.removeprefix("r-"))

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:
        if not self.begun:
            self.begun = True
            self.plans.begin(Plan(plan, self.run, self.as_of, self.definition, PlanStatus.OPEN, Tally()))
        self.plans.add(plan, changes)

    def keep(self, trail: Trail, planned: Planned, reasons: tuple[str, ...]) -> Plan:
        """Keep it open, or parked for these reasons; the trail says so once, however often the same is planned."""
        status = PlanStatus.PARKED if reasons else PlanStatus.OPEN
        if same := self._same(status, planned.digest):
            self.plans.drop(self.id)  # the same surprise: keep the plan that people already look at
            return same
        plan = self._finished(status, planned, reasons)
        self.plans.finish(plan)
        if reasons:
            parked: Json = {"plan": plan.id, "reasons": list(reasons)}
            trail.append([Draft("plan.parked", run=self.run, definition=self.definition, reason=parked)])
        return plan

    def _same(self, status: PlanStatus, digest: str) -> Plan | None:
        is_revert = self.prefix == REVERT_PREFIX
        waiting = self.plans.plans(status=status) if status is PlanStatus.PARKED or is_revert else ()
        return next((one for one in waiting if one.digest == digest), None)

    def _finished(self, status: PlanStatus, planned: Planned, reasons: tuple[str, ...]) -> Plan:
        return Plan(
            self.id, self.run, self.as_of, self.definition, status, planned.tally, reasons, planned.digest
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """In observe mode nothing waits to be written: what was seen is settled."""

    contacts: Contacts
    as_of: datetime

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:  # noqa: ARG002 - there is no plan to add to
        seen = dict.fromkeys(ContactId(change.contact) for change in changes)
        self.contacts.settled(list(seen), self.as_of)
