"""What the pages need to know and may ask for: the seam between web/ and the rest. store_desk.py is the real one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from crmsync.cycle.revert import Conflict, Request
from crmsync.definition.review.comparing import Difference
from crmsync.definition.signing import SignatureStatus
from crmsync.definition.wording.lines import Section
from crmsync.insight.period import Day
from crmsync.insight.plan_view import PlanView
from crmsync.insight.timeline import Moment
from crmsync.model import (
    ContactId,
    DefinitionRef,
    Entry,
    Evaluation,
    Plan,
    PlanId,
    RunId,
    Stage,
)
from crmsync.store.audit.filtering import AuditFilter
from crmsync.store.audit.reading import Count, Head, RunLine
from crmsync.store.audit.verify import Verified


@dataclass(frozen=True, slots=True)
class Funnel:
    """
    Living contacts by stage.

    Attributes:
        order: the stages of the definition, lowest first; stages outside it are in `counts` only.
    """

    order: tuple[Stage, ...]
    counts: Mapping[Stage | None, int]

    @property
    def contacts(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Today:
    """What the trail holds since midnight UTC: counts by kind, cause, property and stages."""

    day: date
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class ContactView:
    """
    One contact as the mirror holds it, with what the definition says about it.

    Attributes:
        id: the living id; differs from the one asked for when contacts were merged.
        also: ids that were merged into it.
        emails: for the page only, never for URLs and logs.
        evaluation: with its explanation; None when the contact is gone or was unknown at that instant.
        known_since: since when the mirror knows it: before that the oldest known values stand in.
        why: one sentence; "" without an evaluation.
        missing: what the next stage still needs; "" when nothing or when there is none.
        held: why a stage change that the definition wants is not made (yet); only of now.
        shown: what the portal shows for the properties crmsync writes.
    """

    id: ContactId
    as_of: datetime
    also: tuple[ContactId, ...] = ()
    emails: tuple[str, ...] = ()
    stage: Stage | None = None
    stage_entered_at: datetime | None = None
    evaluation: Evaluation | None = None
    known_since: datetime | None = None
    why: str = ""
    missing: str = ""
    held: tuple[str, ...] = ()
    shown: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """
    One entry with what became of it.

    Attributes:
        outcome: of an intent: its outcome; None while it has none, and for every other kind of entry.
    """

    entry: Entry
    outcome: Entry | None = None


@dataclass(frozen=True, slots=True)
class PlanReview:
    """A plan's changes, grouped for a person who must decide. `is_whole`: every contact of the plan was looked at."""

    view: PlanView
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Undone:
    """
    A revert that was asked for.

    Attributes:
        plan: to be approved; None: nothing can be restored.
        run: whose entries in the trail say who asked, and what stays as it is.
    """

    plan: PlanId | None
    run: RunId


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """A span in which a definition was in force; it may have several. `until` None: it still is."""

    ref: DefinitionRef
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Newer:
    """
    The definition that the file holds now while another one is in force.

    Attributes:
        plan: the one it waits in, or was approved in; None: no plan was made with it yet, or it was rejected.
    """

    ref: DefinitionRef
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class DefinitionView:
    """A definition as people read it. `source` is the file's text where the store has it."""

    ref: DefinitionRef
    scope: str
    review_by: date | None
    handoff_stage: Stage | None
    sections: tuple[Section, ...]
    signatures: SignatureStatus
    source: str = ""


class Desk(Protocol):
    """
    Everything the pages show and ask for. Called from several threads; may raise StoreError.

    Reading never waits for a cycle. Sequences are newest first unless said otherwise.
    """

    # --- overview ------------------------------------------------------------------------------------------

    def portal(self) -> str | None:
        """Return the portal's id; None before it is known."""

    def funnel(self) -> Funnel: ...

    def today(self) -> Today: ...

    def days(self, since: date) -> tuple[Day, ...]:
        """Return the stage changes of each day (UTC) from `since` to today, oldest first."""

    def health(self) -> Mapping[str, Any]:
        """
        Say how the daemon is, JSON types only.

        `ok`: cycles go well; `problems`: sentences with the next step, also while ok; everything else is shown by its
        name, `budget` (a mapping) in a place of its own.
        """

    def metrics(self) -> str:
        """Return all metrics in Prometheus' text format."""

    # --- contacts ------------------------------------------------------------------------------------------

    def find(self, text: str) -> ContactId | None:
        """Resolve an id or e-mail address; merged ids followed."""

    def contact(self, contact: ContactId, at: datetime | None = None) -> ContactView | None:
        """Return a contact as of now, or as the mirror and the definition were at an instant; None: never seen."""

    def outline(self, contact: ContactId, at: datetime | None = None) -> ContactView | None:
        """Return the same without evaluating: no evaluation, why or missing."""

    def moments(self, contact: ContactId) -> tuple[Moment, ...]:
        """Tell the life of a contact and of those merged into it, oldest first."""

    # --- plans ---------------------------------------------------------------------------------------------

    def plans(self) -> tuple[Plan, ...]: ...

    def waiting(self) -> tuple[Plan, ...]:
        """Return what waits for a person: parked plans, and reverts that were planned."""

    def plan(self, plan: PlanId) -> Plan | None: ...

    def review(self, plan: Plan) -> PlanReview: ...

    def approve(self, plan: PlanId, who: str) -> None:
        """*Raises* OperatorError: it no longer waits."""

    def reject(self, plan: PlanId, who: str) -> None:
        """*Raises* OperatorError: it no longer waits."""

    # --- runs ----------------------------------------------------------------------------------------------

    def runs(self, *, before: int | None = None, limit: int = 20) -> tuple[RunLine, ...]: ...

    def run(self, run: RunId) -> RunLine | None: ...

    def run_steps(
        self, run: RunId, *, of_property: str | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[Step, ...]:
        """Return the changes that a run intended (of one property alone), each with its outcome."""

    def revert(self, request: Request) -> Undone:
        """
        Make the plan that restores what was before a run, or a part of it.

        Raises:
            OperatorError: the run did not change these contacts, or a cycle is at work.
        """

    def conflicts(self, plan: Plan, limit: int) -> tuple[Conflict, ...]:
        """Return what a revert leaves as it is, in plan order."""

    # --- audit ---------------------------------------------------------------------------------------------

    def entries(
        self, where: AuditFilter, *, before: int | None = None, after: int | None = None, limit: int = 100
    ) -> tuple[Entry, ...]: ...

    def step(self, seq: int) -> Step | None: ...

    def choices(self, column: str) -> tuple[str, ...]:
        """Return the values the trail has for `kind`, `cause`, `property`, `actor` or `definition` (its version)."""

    def head(self) -> Head: ...

    def verify(self) -> Verified:
        """*Raises* VerificationError naming the first bad entry. Takes seconds on a long trail."""

    def export(self, where: AuditFilter) -> Iterator[Mapping[str, Any]]:
        """Yield entries as JSON objects, oldest first."""

    # --- definition ----------------------------------------------------------------------------------------

    def definition(self, sha256: str | None = None) -> DefinitionView | None:
        """
        Return the one in force, or any by its hash (or the start of it); None: not known.

        Before any is in force: the one of the file.
        """

    def newer(self) -> Newer | None:
        """Return what the file holds while another definition is in force; None: they are the same."""

    def versions(self) -> tuple[DefinitionVersion, ...]:
        """Return the spans in which definitions were in force, without gaps; none before the first."""

    def difference(self, old: str, new: str) -> tuple[Difference, ...] | None:
        """Say what changed between two definitions, by hash, meaning first; None: one of them is not known."""
