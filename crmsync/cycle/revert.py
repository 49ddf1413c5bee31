"""
A run of the past -> the changes that restore what was before it, where the portal still shows ours. No I/O but reading.

What somebody changed since is a conflict and stays. The changes are a plan like any other: guarded, kept, recorded
before they are sent, and compared with the portal once more before they are written.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from crmsync.cycle.planning import update_digest
from crmsync.cycle.plans import Planned, PlanSink
from crmsync.cycle.reconcile import Cause, same_value
from crmsync.errors import OperatorError
from crmsync.model import (
    BOUND_TO_STAGE,
    STAGE,
    WRITTEN,
    Change,
    ContactId,
    Intent,
    Json,
    Kind,
    Own,
    PlanId,
    RunId,
    Snapshot,
    Stage,
    Tally,
)

_SLICE = 500
_SCORES = frozenset({Own.FIT, Own.ENGAGEMENT, Own.GRADE})
_ALONG = frozenset(
    {Own.REASON, Own.EVALUATED_AT, Own.STAGE_CHANGED_AT}
)  # never a reason to write by themselves

REMAINS: tuple[str, ...] = (
    "Workflows that the changes set off in the portal have run; what they sent, created or assigned stays.",
    "HubSpot keeps its own dates of when a stage was entered, and the history of each property.",
    "Scores are evaluated again at the next tick; a restored stage is left alone for writes.respect_manual_for.",
)
"""What a revert cannot undo, in sentences."""


NO_OUTCOME = "whether the portal took it is not known yet: revert again once it is"


class Only(StrEnum):
    """The part of a run that is restored."""

    PROMOTIONS = "promotions"
    DEMOTIONS = "demotions"
    SCORES = "scores"


class Past(Protocol):
    """What the trail knows of a run. Every method may raise StoreError."""

    def contacts_of(self, run: RunId) -> tuple[ContactId, ...]:
        """Return the contacts a run intended to change, in the order of plans."""

    def applied(self, run: RunId, contacts: Sequence[ContactId]) -> Mapping[ContactId, Sequence[Intent]]:
        """Return what a run changed of these contacts (its intents without their reasons), oldest first."""

    def open_intents(self) -> Iterator[Intent]:
        """Yield every `change.intended` without an outcome, oldest first."""


class Mirror(Protocol):
    """What the portal shows now, as far as it was pulled. It may raise StoreError."""

    def snapshots(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Return those that are known; gone ones have `archived` true."""

    def size(self) -> int:
        """Count the living contacts."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    What to restore.

    Attributes:
        who: the person who asks, for the trail.
        only: None: everything the run changed.
        contacts: empty: all of the run's.
    """

    run: RunId
    who: str
    only: Only | None = None
    contacts: tuple[ContactId, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """
    A change of the run that stays, because the portal no longer shows it.

    Attributes:
        seq: the entry of the change.
        why: a sentence without personal data.
    """

    contact: ContactId
    property: str
    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """`conflicts` in plan order."""

    planned: Planned
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """What a run did to one property of a contact: its first change's `before`, its last one's `after`."""

    first: Intent
    last: Intent

    @property
    def cause(self) -> str:
        return self.last.change.cause


@dataclass(slots=True)
class _Count:
    contacts: int = 0
    changes: int = 0
    promoted: int = 0
    demoted: int = 0
    stages: Counter[str] = field(default_factory=Counter)

    def tally(self, size: int) -> Tally:
        return Tally(
            contacts=size,
            evaluated=self.contacts,
            changes=self.changes,
            promoted=self.promoted,
            demoted=self.demoted,
            stages=dict(sorted(self.stages.items())),
            causes={Cause.REVERTED.value: self.changes} if self.changes else {},
        )


@dataclass(frozen=True, slots=True)
class Reverter:
    """
    Attributes:
        stage_order: the portal's own order of stages: against it a move is backward.
    """

    past: Past
    mirror: Mirror
    stage_order: tuple[Stage, ...]

    def plan(self, plan: PlanId, sink: PlanSink, request: Request) -> Reverted:
        """
        Store the changes that restore the run, in plan order.

        Raises:
            OperatorError: the run changed nothing, or not the contacts that were named.
        """
        count, digest = _Count(), hashlib.sha256(request.run.encode())
        contacts = self._contacts(request)
        conflicts: list[Conflict] = []
        unsettled = self._unsettled(request.run)
        for start in range(0, len(contacts), _SLICE):
            some = contacts[start : start + _SLICE]
            done = self.past.applied(request.run, some)
            shown = self.mirror.snapshots(Kind.CONTACT, some)
            changes: list[Change] = []
            for contact in some:
                restoring = _Restoring(request, shown.get(contact), self.stage_order)
                mine = restoring.changes(done.get(contact, ()), unsettled.get(contact, ()))
                self._count(count, mine)
                changes += mine
                conflicts += restoring.conflicts
            update_digest(digest, changes)
            if changes:
                sink.add(plan, changes)
        planned = Planned(count.tally(self.mirror.size()), digest.hexdigest())
        return Reverted(planned, tuple(conflicts))

    def _contacts(self, request: Request) -> tuple[ContactId, ...]:
        known = self.past.contacts_of(request.run)
        if not known:
            raise OperatorError(
                f"No run {request.run} that changed contacts is in the trail.",
                next_step="See `crmsync audit list --kind run.finished` for the runs.",
            )
        strangers = [contact for contact in request.contacts if contact not in known]
        if strangers:
            raise OperatorError(
                f"Run {request.run} did not change {', '.join(strangers)}.",
                next_step=f"See `crmsync audit list --run {request.run} --kind change.intended`.",
            )
        return tuple(contact for contact in known if not request.contacts or contact in request.contacts)

    def _unsettled(self, run: RunId) -> Mapping[ContactId, Sequence[Intent]]:
        found: dict[ContactId, list[Intent]] = {}
        for one in self.past.open_intents():
            if one.run == run:
                found.setdefault(one.change.contact, []).append(one)
        return found

    def _count(self, count: _Count, changes: Sequence[Change]) -> None:
        count.contacts += 1
        count.changes += len(changes)
        moves = [change for change in changes if change.property == STAGE]
        if not moves:
            return
        before, after = moves[0].before, moves[-1].after
        count.stages[f"{before or 'none'}>{after or 'none'}"] += 1
        if is_backward(before, after, self.stage_order):
            count.demoted += 1
        else:
            count.promoted += 1


class _Restoring:
    """One contact's way back. `conflicts` is filled by `changes`."""

    def __init__(self, request: Request, snapshot: Snapshot | None, stage_order: tuple[Stage, ...]) -> None:
        self._request = request
        self._snapshot = snapshot
        self._order = stage_order
        self.conflicts: list[Conflict] = []

    def changes(self, applied: Sequence[Intent], unsettled: Sequence[Intent]) -> list[Change]:
        steps, waiting = self._chosen(_steps(applied)), self._chosen(_steps(unsettled))
        self.conflicts += [_conflict(step, NO_OUTCOME) for step in waiting.values()]
        found = [
            change for name, step in steps.items() if name not in waiting for change in self._restore(step)
        ]
        if STAGE in {*steps, *waiting} and not any(change.property == STAGE for change in found):
            found = [change for change in found if change.property not in BOUND_TO_STAGE]
        if all(change.property in _ALONG for change in found):
            return []
        return sorted(found, key=lambda change: (change.step, WRITTEN.index(change.property)))

    def _chosen(self, steps: Mapping[str, _Step]) -> Mapping[str, _Step]:
        """Keep what `only` asks for; a stage brings along what was written because of it."""
        if self._request.only is None:
            return steps
        if self._request.only is Only.SCORES:
            return {name: step for name, step in steps.items() if name in _SCORES}
        wanted = Cause.PROMOTED if self._request.only is Only.PROMOTIONS else Cause.DEMOTED
        if STAGE not in steps or steps[STAGE].cause != wanted:
            return {}
        return {name: step for name, step in steps.items() if name == STAGE or name in BOUND_TO_STAGE}

    def _restore(self, step: _Step) -> Iterator[Change]:
        name, ours, before = (
            step.last.change.property,
            step.last.change.after,
            step.first.change.before or "",
        )
        if same_value(before or None, ours):
            return
        shown = self._shown(name)
        if why := self._why_not(shown, ours):
            self.conflicts.append(_conflict(step, why))
            return
        change = Change(
            step.last.change.contact, name, shown, before, Cause.REVERTED.value, self._reason(step)
        )
        if name == STAGE and shown and before and is_backward(shown, before, self._order):
            yield replace(change, after="")  # HubSpot ignores a move backward: clear first, then set
            yield replace(change, before=None, step=1)
        else:
            yield change

    def _shown(self, name: str) -> str | None:
        return (self._snapshot.properties.get(name) or None) if self._snapshot else None

    def _why_not(self, shown: str | None, ours: str) -> str:
        if self._snapshot is None or self._snapshot.archived:
            return "the contact is no longer in the portal"
        if not same_value(shown, ours):
            return "the portal shows another value: somebody changed it since"
        return ""

    def _reason(self, step: _Step) -> Json:
        seq, run = step.first.seq, self._request.run
        return {
            "reverts": {"seq": seq, "run": run, "cause": step.cause},
            "why": f"Restores what run {run} changed (entry {seq}, {step.cause}).",
        }


def is_backward(before: Stage | None, after: Stage | None, order: Sequence[Stage]) -> bool:
    """Tell whether the portal would ignore the move; one to no stage is backward too."""
    if not before or not after:
        return bool(before)
    if before in order and after in order:
        return order.index(after) < order.index(before)
    return True  # the portal's order is not known: clearing first always works


def _conflict(step: _Step, why: str) -> Conflict:
    return Conflict(step.last.change.contact, step.last.change.property, step.last.seq, why)


def _steps(applied: Sequence[Intent]) -> Mapping[str, _Step]:
    steps: dict[str, _Step] = {}
    for intent in applied:
        name = intent.change.property
        if name in WRITTEN:  # what an older crmsync owned is not ours to write any more
            steps[name] = _Step(steps[name].first if name in steps else intent, intent)
    return steps
