"""Evaluation + what the portal shows + who owns what -> decision: the changes of one contact. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import Protocol

from crmsync.model import (
    STAGE,
    WRITTEN,
    Action,
    Change,
    DefinitionRef,
    Evaluation,
    Json,
    Mirrored,
    Own,
    Reversal,
    Stage,
    StageMode,
    Version,
)

_ENOUGH = 2  # reversals


class Cause(StrEnum):
    """Why a property should change: the machine words of the trail."""

    PROMOTED = "promoted"
    DEMOTED = "demoted"
    SCORE_MOVED = "score_moved"
    GRADE_MOVED = "grade_moved"
    OUTCOME_MOVED = "outcome_moved"
    TRACK_MOVED = "track_moved"
    DEFINITION_CHANGED = "definition_changed"
    SLA_MOVED = "sla_moved"
    ALONG = "along"  # written because something else of the contact is: reason, evaluated_at
    REVERTED = "reverted"
    TAKEN_BACK = "taken_back"  # the portal refused the second step of a move: its first one is undone


class Withheld(StrEnum):
    """Why a stage change that the definition wants is not made."""

    OBSERVING = "observing"  # writes.lifecyclestage = observe
    DEMOTION_OFF = "demotion_off"  # writes.lifecyclestage = promote_only
    PERSON = "person"  # a person set the stage less than respect_manual_for ago
    PING_PONG = "ping_pong"  # somebody set it back twice, the last time less than respect_manual_for ago
    PAUSED = "paused"  # the definition is past its review date
    UNTOLD = "untold"  # the portal cannot say who set the stage: it may have been a person


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What crmsync may write.

    Attributes:
        min_score_change: points a score must be away from the number in the portal.
        promotions_paused: the definition is past its review date and the settings say so.
    """

    stages: StageMode = "promote_only"
    respect_manual_for: timedelta = timedelta(days=30)
    min_score_change: float = 1.0
    promotions_paused: bool = False


class Narrator(Protocol):
    """The definition, as far as reconcile needs its words and its clock. definition/wording/narrator.py is one."""

    def label(self, ref: DefinitionRef) -> str:
        """Return the text of `crmsync_definition`."""

    def card(self, evaluation: Evaluation, *, stage_changed: bool, shown: str | None) -> str | None:
        """Return the text of `crmsync_reason`: the why of the last stage change and what the next one needs."""

    def reason(self, evaluation: Evaluation, property_name: str) -> Json:
        """Return what the trail keeps so that this property's value can be recomputed by hand."""

    def due_at(
        self, stage: Stage | None, entered_at: datetime | None, *, fast_track: bool
    ) -> datetime | None:
        """Return when sales must have touched the lead; None outside the handoff stage or without an SLA."""


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What to do with one contact: change, keep (no changes) or hold (a stage change is withheld).

    Attributes:
        to: the stage that will be written; None when the stage stays.
        withheld: why a stage change that the definition wants is not made.
    """

    evaluation: Evaluation
    changes: tuple[Change, ...] = ()
    to: Stage | None = None
    withheld: Withheld | None = None


def wants_stage_change(evaluation: Evaluation) -> bool:
    return evaluation.action in (Action.PROMOTE, Action.DEMOTE)


def withheld(
    evaluation: Evaluation,
    version: Version | None,
    policy: Policy,
    *,
    reversals: Sequence[Reversal] = (),
    is_told: bool = True,
) -> Withheld | None:
    """Say why the stage change that the definition wants is not made; None: it is made, or there is none."""
    if not wants_stage_change(evaluation):
        return None
    if policy.stages == "observe":
        return Withheld.OBSERVING
    if evaluation.action is Action.DEMOTE and policy.stages == "promote_only":
        return Withheld.DEMOTION_OFF
    if evaluation.action is Action.PROMOTE and policy.promotions_paused:
        return Withheld.PAUSED
    if is_ping_pong(reversals, evaluation.as_of, policy):
        return Withheld.PING_PONG
    if (
        version is not None
        and version.is_person
        and evaluation.as_of - version.at < policy.respect_manual_for
    ):
        return Withheld.PERSON
    return None if is_told else Withheld.UNTOLD


def is_ping_pong(reversals: Sequence[Reversal], as_of: datetime, policy: Policy) -> bool:
    """Tell whether another writer wants the stage otherwise, and has said so lately: two reversals, then quiet."""
    since = as_of - policy.respect_manual_for
    return len([one for one in reversals if one.at > since]) >= _ENOUGH


def reconcile(
    evaluation: Evaluation,
    mirrored: Mirrored,
    policy: Policy,
    narrator: Narrator,
    *,
    backward: bool,
    reversals: Sequence[Reversal] = (),
    is_told: bool = True,
) -> Decision:
    """
    Decide about one contact.

    Args:
        evaluation: with its explanation: reasons are made from it.
        backward: the stage change goes against the portal's own order of stages: clear, then set.
        reversals: when somebody set our stage back, in order.
        is_told: False where it had to be asked who set the stage, and the portal could not say.
    """
    block = withheld(evaluation, mirrored.stage_version, policy, reversals=reversals, is_told=is_told)
    to = evaluation.to if wants_stage_change(evaluation) and block is None else None
    writer = _Writer(evaluation, mirrored, narrator)
    leading = [*writer.stage(to, backward=backward), *writer.scores(policy), *writer.words(block)]
    leading += writer.sla(to)
    if not leading:
        return Decision(evaluation, (), None, block)
    changes = [*leading, *writer.along(to)]
    return Decision(evaluation, tuple(sorted(changes, key=_plan_order)), to, block)


_ORDER = {name: position for position, name in enumerate(WRITTEN)}


def _plan_order(change: Change) -> tuple[int, int]:
    return change.step, _ORDER[change.property]


@dataclass(frozen=True, slots=True)
class _Writer:
    """The changes of one contact, a method a group of properties."""

    evaluation: Evaluation
    mirrored: Mirrored
    narrator: Narrator

    def stage(self, to: Stage | None, *, backward: bool) -> Iterator[Change]:
        if to is None:
            return
        cause = Cause.PROMOTED if self.evaluation.action is Action.PROMOTE else Cause.DEMOTED
        if backward and self._shown(
            STAGE
        ):  # HubSpot ignores a move backward: clear first, in its own request
            yield self._change(STAGE, "", cause)
            yield replace(self._change(STAGE, to, cause), before=None, step=1)
        else:
            yield self._change(STAGE, to, cause)

    def scores(self, policy: Policy) -> Iterator[Change]:
        for name, score in ((Own.FIT, self.evaluation.fit), (Own.ENGAGEMENT, self.evaluation.engagement)):
            shown = _number(self._shown(name))
            if shown is None or abs(score - shown) >= policy.min_score_change:
                yield from self._if_other(name, whole(score), Cause.SCORE_MOVED)

    def words(self, block: Withheld | None) -> Iterator[Change]:
        promotion_waits = block is not None and self.evaluation.action is Action.PROMOTE
        outcome = "ready" if promotion_waits else self.evaluation.outcome
        yield from self._if_other(Own.GRADE, self.evaluation.grade or "", Cause.GRADE_MOVED)
        yield from self._if_other(Own.OUTCOME, outcome, Cause.OUTCOME_MOVED)
        yield from self._if_other(Own.TRACK, self.evaluation.track or "", Cause.TRACK_MOVED)
        label = self.narrator.label(self.evaluation.definition)
        yield from self._if_other(Own.DEFINITION, label, Cause.DEFINITION_CHANGED)

    def sla(self, to: Stage | None) -> Iterator[Change]:
        """Set the due instant once per entry into the handoff stage, and clear it after."""
        stage = to or self.evaluation.stage
        entered_at = self.evaluation.as_of if to else self.mirrored.contact.stage_entered_at
        fast = to is not None and self.evaluation.via == "fast_track"
        due_at = self.narrator.due_at(stage, entered_at, fast_track=fast)
        shown = _instant(self._shown(Own.SLA_DUE_AT))
        if (
            due_at is not None
            and shown is not None
            and entered_at is not None
            and shown >= entered_at
            and not to
        ):
            return  # still the one of this entry: an echo's later instant must not move it
        yield from self._if_other(Own.SLA_DUE_AT, instant_text(due_at) if due_at else "", Cause.SLA_MOVED)

    def along(self, to: Stage | None) -> Iterator[Change]:
        card = self.narrator.card(
            self.evaluation, stage_changed=to is not None, shown=self._shown(Own.REASON)
        )
        yield from self._if_other(Own.REASON, card or "", Cause.ALONG)
        as_of = instant_text(self.evaluation.as_of)
        yield from self._if_other(Own.EVALUATED_AT, as_of, Cause.ALONG)
        if to is not None:
            yield from self._if_other(Own.STAGE_CHANGED_AT, as_of, Cause.ALONG)

    def _shown(self, name: str) -> str | None:
        return self.mirrored.shown.get(name) or None  # HubSpot sends "" after a clear: no value

    def _if_other(self, name: str, after: str, cause: Cause) -> Iterator[Change]:
        if not same_value(self._shown(name), after):
            yield self._change(name, after, cause)

    def _change(self, name: str, after: str, cause: Cause) -> Change:
        reason = self.narrator.reason(self.evaluation, name)
        return Change(self.evaluation.id, name, self._shown(name), after, cause.value, reason)


def whole(score: float) -> str:
    """Write a score as the whole number nearest to it; halves go away from zero."""
    return str(int(Decimal(repr(score)).quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def instant_text(at: datetime) -> str:
    """Write an instant as HubSpot reads and shows it: ISO, milliseconds, Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def same_value(shown: str | None, after: str) -> bool:
    """Tell whether the portal shows what was sent: "" and None are no value, instants may be written otherwise."""
    if (shown or "") == after:
        return True
    ours, theirs = _instant(after), _instant(shown)
    return ours is not None and ours == theirs


def _number(text: str | None) -> float | None:
    try:
        return float(Decimal(text)) if text is not None else None
    except InvalidOperation:
        return None


def _instant(text: str | None) -> datetime | None:
    if text is None or len(text) < 20:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
