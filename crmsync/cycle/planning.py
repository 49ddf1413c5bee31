"""Due contacts -> evaluations -> decisions -> the plan, slice by slice: same mirror, same instant, same plan."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from crmsync.cycle import record
from crmsync.cycle.foreign import Historian, setter
from crmsync.cycle.plans import Planned, PlanSink, Unreadable
from crmsync.cycle.qualify import Contacts, Qualifier, evaluations
from crmsync.cycle.reconcile import (
    Decision,
    Narrator,
    Policy,
    Withheld,
    reconcile,
    wants_stage_change,
    withheld,
)
from crmsync.cycle.watching import EVALUATE, Nobody, Watcher, stop_if
from crmsync.model import (
    STAGE,
    Action,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Evaluation,
    Json,
    Mirrored,
    Own,
    PlanId,
    Reversal,
    Stage,
    Tally,
    Version,
)

_SLICE = 250  # the reasons of a slice's changes are in memory at once
_UNREADABLE_SHOWN = 100
_HELD_SHOWN = 20  # contacts of each reason
_VOLATILE = frozenset({Own.EVALUATED_AT, Own.REASON, Own.STAGE_CHANGED_AT, Own.SLA_DUE_AT})


class Reversals(Protocol):
    """Who sets back the stage that crmsync had set."""

    def reversals(
        self, contacts: Sequence[ContactId], definition: DefinitionRef
    ) -> Mapping[ContactId, tuple[Reversal, ...]]:
        """Return the reversals under this definition, in order; contacts without any are absent."""


class Findings(record.Findings, Protocol):
    """The trail, as far as planning tells it something. It may raise StoreError."""

    def append(self, drafts: Sequence[Draft]) -> tuple[int, ...]:
        """Append in order, in one transaction; return the sequence numbers."""


@dataclass(slots=True)
class _Count:
    evaluated: int = 0
    changes: int = 0
    promoted: int = 0
    demoted: int = 0
    held: int = 0
    findings: int = 0
    unreadable: int = 0
    unreadable_shown: list[Unreadable] = field(default_factory=list)
    stages: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    held_shown: dict[ContactId, str] = field(default_factory=dict)

    def add(self, decision: Decision) -> None:
        evaluation = decision.evaluation
        self.evaluated += 1
        if decision.withheld is not None or evaluation.action is Action.HOLD:
            self._add_held(evaluation.id, str(decision.withheld or evaluation.code))
        self._add_unreadable(evaluation)
        self.changes += len(decision.changes)
        self.causes.update(change.cause for change in decision.changes)
        if decision.to is not None:
            self.promoted += evaluation.action is Action.PROMOTE
            self.demoted += evaluation.action is Action.DEMOTE
            self.stages[f"{evaluation.stage or 'none'}>{decision.to}"] += 1

    def _add_held(self, contact: ContactId, why: str) -> None:
        self.held += 1
        self.withheld[why] += 1
        if self.withheld[why] <= _HELD_SHOWN:
            self.held_shown[contact] = why

    def _add_unreadable(self, evaluation: Evaluation) -> None:
        self.unreadable += len(evaluation.findings)
        room = _UNREADABLE_SHOWN - len(self.unreadable_shown)
        self.unreadable_shown += [
            Unreadable(evaluation.id, one.path, one.problem) for one in evaluation.findings[:room]
        ]

    def planned(self, contacts: int, digest: str) -> Planned:
        shown = tuple(self.unreadable_shown)
        return Planned(self._tally(contacts), digest, self.findings, self.unreadable, shown)

    def _tally(self, contacts: int) -> Tally:
        return Tally(
            contacts=contacts,
            evaluated=self.evaluated,
            changes=self.changes,
            promoted=self.promoted,
            demoted=self.demoted,
            held=self.held,
            stages=dict(sorted(self.stages.items())),
            causes=dict(sorted(self.causes.items())),
            withheld=dict(sorted(self.withheld.items())),
            held_shown=self.held_shown,
        )


@dataclass(frozen=True, slots=True)
class Planner:
    """
    Attributes:
        stage_order: the portal's own order of stages: against it a move is backward.
        should_stop: looked at before each slice; then Stopped is raised.
    """

    contacts: Contacts
    qualifier: Qualifier
    narrator: Narrator
    historian: Historian
    reversals: Reversals
    findings: Findings
    policy: Policy
    stage_order: tuple[Stage, ...]
    watcher: Watcher = field(default_factory=Nobody)
    should_stop: Callable[[], bool] = lambda: False

    def plan(self, plan: PlanId, sink: PlanSink, as_of: datetime) -> Planned:
        """Evaluate every due contact and store the changes in plan order; those with none are settled at once."""
        count, digest = _Count(), hashlib.sha256()
        self.watcher.begin(EVALUATE, self.contacts.due_count)
        for mirrored in self.contacts.due(_SLICE):
            stop_if(self.should_stop())
            decisions = self.decide(mirrored, as_of)
            changes = [change for decision in decisions for change in decision.changes]
            for decision in decisions:
                count.add(decision)
            self.watcher.advance(EVALUATE, len(decisions))
            update_digest(digest, changes)
            if changes:
                sink.add(plan, changes)
            ping_pong = [one for one in decisions if one.withheld is Withheld.PING_PONG]
            count.findings += self._name_other_writers(ping_pong)
            count.findings += self._tell(_untold(one) for one in decisions if one.withheld is Withheld.UNTOLD)
            self.contacts.settled([one.evaluation.id for one in decisions if not one.changes], as_of)
        return count.planned(self.contacts.size(), digest.hexdigest())

    def decide(self, mirrored: Sequence[Mirrored], as_of: datetime) -> list[Decision]:
        """Decide about a slice; of the evaluations made, those that may change something carry their explanation."""
        by_id = {one.contact.id: one for one in mirrored}

        def may_change(evaluation: Evaluation) -> bool:
            return wants_stage_change(evaluation) or bool(
                self._decide(evaluation, by_id[evaluation.id], {}).changes
            )

        found = evaluations(self.qualifier, mirrored, as_of, explain=may_change)
        asked = self._to_ask_about(mirrored, found, as_of)
        versions = self.historian.history(STAGE, asked) if asked else {}
        known = [_with_setter(one, versions.get(one.contact.id, ())) for one in mirrored]
        untold = frozenset(asked) - versions.keys()
        moving = [one.id for one in found if wants_stage_change(one)]
        reversals = self.reversals.reversals(moving, found[0].definition) if moving else {}
        return [
            self._decide(e, m, reversals, is_told=e.id not in untold)
            for e, m in zip(found, known, strict=True)
        ]

    def _name_other_writers(self, ping_pong: Sequence[Decision]) -> int:
        """Say once who sets the stage of these back, since crmsync no longer does anything about it."""
        if not ping_pong:
            return 0
        ids = [one.evaluation.id for one in ping_pong]
        reversals = self.reversals.reversals(ids, ping_pong[0].evaluation.definition)
        return self._tell(self._ping_pong(one, reversals[one.evaluation.id][-1]) for one in ping_pong)

    def _tell(self, findings: Iterable[Draft]) -> int:
        """Append those that say something new; return how many they are."""
        if fresh := record.untold(self.findings, list(findings)):
            self.findings.append(fresh)
        return len(fresh)

    def _ping_pong(self, decision: Decision, last: Reversal) -> Draft:
        until = last.at + self.policy.respect_manual_for
        problem = (
            f"{last.by} keeps setting back the stage that crmsync sets; crmsync leaves it alone until "
            f"{until:%Y-%m-%d}, or until the definition changes."
        )
        reason = {"problem": problem, "by": last.by, "until": until.isoformat()}
        return _finding(decision, Withheld.PING_PONG, reason)

    def _decide(
        self,
        evaluation: Evaluation,
        mirrored: Mirrored,
        reversals: Mapping[ContactId, Sequence[Reversal]],
        *,
        is_told: bool = True,
    ) -> Decision:
        return reconcile(
            evaluation,
            mirrored,
            self.policy,
            self.narrator,
            backward=self._is_backward(evaluation),
            reversals=reversals.get(evaluation.id, ()),
            is_told=is_told,
        )

    def _is_backward(self, evaluation: Evaluation) -> bool:
        order = self.stage_order
        if evaluation.stage in order and evaluation.to in order:
            return order.index(evaluation.to) < order.index(evaluation.stage)
        return evaluation.action is Action.DEMOTE

    def _to_ask_about(
        self, mirrored: Sequence[Mirrored], found: Sequence[Evaluation], as_of: datetime
    ) -> list[ContactId]:
        """Find those whose stage would change and may be what a person set within `respect_manual_for`."""
        return [
            one.id
            for one, known in zip(found, mirrored, strict=True)
            if withheld(one, known.stage_version, self.policy) is None
            and wants_stage_change(one)
            and self._may_be_a_persons(known, as_of)
        ]

    def _may_be_a_persons(self, known: Mirrored, as_of: datetime) -> bool:
        """Also where there is no stage: a person may have cleared it."""
        version, stage = known.stage_version, known.shown.get(STAGE) or None
        if version is not None and (version.value or None) == stage:
            return False
        entered_at = known.contact.stage_entered_at if stage else None
        return entered_at is None or as_of - entered_at < self.policy.respect_manual_for


def _with_setter(mirrored: Mirrored, versions: Sequence[Version]) -> Mirrored:
    version = setter(versions)
    return replace(mirrored, stage_version=version) if version else mirrored


def _untold(decision: Decision) -> Draft:
    problem = (
        "HubSpot cannot say who set the stage of this contact; a person may have, so crmsync leaves it alone."
    )
    return _finding(decision, Withheld.UNTOLD, {"problem": problem})


def _finding(decision: Decision, why: Withheld, reason: Json) -> Draft:
    return Draft(
        kind="finding",
        object="contact",
        id=decision.evaluation.id,
        property=STAGE,
        cause=why.value,
        definition=decision.evaluation.definition,
        reason=reason,
    )


def update_digest(digest: "hashlib._Hash", changes: Iterable[Change]) -> None:
    """Add changes to a plan's digest, the volatile ones aside."""
    for one in changes:
        if one.property not in _VOLATILE:
            parts = (one.contact, one.property, one.before or "", one.after, one.cause)
            digest.update("\x1f".join(parts).encode() + b"\x1e")
