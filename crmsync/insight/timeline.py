"""
Audit entries -> the life of one contact: what happened, when, who did it, from what to what, and why. Pure.

`timeline(entries, plans)` takes the trail's entries of one contact (those of contacts merged into it are among them)
and of the plans it was in, in any order, and returns `Moment`s, oldest first. A change of ours is one moment although
it is several entries: its intents (a move backward has two: clear, then set) and their outcomes. `seq` is the entry to
link to. What the page shows: `at`, `what`, `actor.words`, `before` -> `after`, `why`, `state` where it is not `done`,
`definition`, `run`. `stage_life` keeps what concerns the lifecycle stage, which is the default view of both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from crmsync.insight.actors import Actor, foreign_actor, our_actor
from crmsync.model import STAGE, Change, DefinitionRef, Entry, Json, Own, PlanId, RunId

_NEXT = "\nNext: "  # where the text of crmsync_reason goes on to what the next stage needs
_OUTCOMES = frozenset({"change.applied", "change.failed", "change.abandoned"})


class What(StrEnum):
    CHANGED = "changed"  # we wrote a property
    REVERTED = "reverted"  # we restored what a run had changed
    KEPT = "kept"  # a revert left a value as it was
    FOREIGN = "foreign"  # somebody else changed a property that we own, or the stage
    MERGED = "merged"
    DELETED = "deleted"
    ERASED = "erased"
    PLANNED = "planned"  # a plan with this contact was parked, approved or rejected
    FINDING = "finding"


class State(StrEnum):
    """What became of a change of ours; `done` for everything else."""

    DONE = "done"
    OPEN = "open"  # its answer was lost, or it is being sent
    FAILED = "failed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One thing that happened to a contact.

    Attributes:
        at: when it happened: a foreign change's own instant, else when the entry was appended.
        noted_at: when the trail learnt of it.
        seq: the entry that says so; of a change of ours its (first) intent.
        contact: whose entry: after a merge, an id merged into the contact is possible.
        property: None for what is not about one.
        before, after: the property's values, None: no value; of a merge, `after` is the contact it was merged into.
        why: sentences; the why of a stage change may have several lines.
        problem: why it failed or was abandoned; "" when it did not.
        is_erased: the values were erased with the person and are not known any more.
    """

    at: datetime
    noted_at: datetime
    seq: int
    what: What
    contact: str
    actor: Actor
    property: str | None = None
    before: str | None = None
    after: str | None = None
    why: str = ""
    state: State = State.DONE
    problem: str = ""
    cause: str | None = None
    definition: DefinitionRef | None = None
    run: RunId | None = None
    is_erased: bool = False


def timeline(
    entries: Iterable[Entry], plans: Mapping[PlanId, Sequence[Change]] | None = None
) -> tuple[Moment, ...]:
    """
    Tell the life of a contact, oldest first.

    Args:
        entries: of the contact, and the `plan.` entries of `plans`; any order.
        plans: what was planned for this contact, by plan.
    """
    ordered = sorted(entries, key=lambda entry: entry.seq)
    told = _Telling(ordered, plans or {})
    return tuple(sorted(told.moments(), key=lambda moment: (moment.at, moment.seq)))


def is_change(moment: Moment) -> bool:
    """Tell whether a property got another value, by whomever: a plan or a revert's conflict only speaks of one."""
    return moment.state is State.DONE and moment.what in {What.CHANGED, What.REVERTED, What.FOREIGN}


def stage_life(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """Keep what concerns the stage: its changes, and what happened to the contact as a whole."""
    return tuple(one for one in moments if one.property in (None, STAGE))


class _Telling:
    """The entries of one contact, indexed by what belongs together."""

    def __init__(self, entries: Sequence[Entry], plans: Mapping[PlanId, Sequence[Change]]) -> None:
        self._entries = entries
        self._plans = plans
        self._outcomes = {one.draft.of: one for one in entries if one.draft.kind in _OUTCOMES}
        self._erased_up_to: dict[str | None, int] = {}
        self._cards: dict[tuple[RunId | None, str | None], str] = {}
        for entry in entries:
            draft = entry.draft
            if draft.kind == "contact.erased":
                self._erased_up_to[draft.id] = entry.seq
            if draft.kind == "change.intended" and draft.property == Own.REASON and draft.after:
                self._cards[draft.run, draft.id] = draft.after.partition(_NEXT)[0]

    def moments(self) -> Iterator[Moment]:
        intents: dict[tuple[RunId | None, str | None, str | None], list[Entry]] = defaultdict(list)
        for entry in self._entries:
            draft = entry.draft
            if draft.kind == "change.intended":
                intents[draft.run, draft.id, draft.property].append(entry)
            elif (moment := self._moment(entry)) is not None:
                yield moment
        for same in intents.values():
            yield from self._changes(same)

    def _moment(self, entry: Entry) -> Moment | None:
        match entry.draft.kind:
            case "change.foreign":
                return self._foreign(entry)
            case "contact.merged":
                into = f" into contact {entry.draft.after}" if entry.draft.after else ""
                return self._plain(entry, What.MERGED, f"Merged{into} in the portal.")
            case "contact.deleted":
                return self._plain(entry, What.DELETED, "Deleted or archived in the portal.")
            case "contact.erased":
                return self._plain(entry, What.ERASED, "Erased: personal values were removed everywhere.")
            case "finding":
                problem = (entry.draft.reason or {}).get("problem", "")
                return self._plain(entry, What.FINDING, f"Set aside: {problem or entry.draft.cause}.")
            case "revert.kept":
                return self._kept(entry)
            case "plan.parked" | "plan.approved" | "plan.rejected":
                return self._plan(entry)
            case _:
                return None

    def _plain(self, entry: Entry, what: What, why: str) -> Moment:
        draft = entry.draft
        actor = our_actor(draft.actor)
        return Moment(
            entry.at, entry.at, entry.seq, what, draft.id or "", actor, None, draft.before, draft.after, why,
            cause=draft.cause, definition=draft.definition, run=draft.run,
        )  # fmt: skip

    def _foreign(self, entry: Entry) -> Moment:
        draft = entry.draft
        actor = foreign_actor(draft.actor)
        changed_at = (draft.reason or {}).get("changed_at")
        at = datetime.fromisoformat(changed_at) if changed_at else entry.at
        return Moment(
            at, entry.at, entry.seq, What.FOREIGN, draft.id or "", actor, draft.property, draft.before,
            draft.after, f"Set by {actor.words}, not by crmsync.", cause=draft.cause,
            is_erased=self._is_erased(entry),
        )  # fmt: skip

    def _kept(self, entry: Entry) -> Moment:
        reason = entry.draft.reason or {}
        why = f"The revert of run {reason.get('reverts')} left it as it was: {reason.get('why')}."
        told = self._plain(entry, What.KEPT, why if reason else "A revert left it as it was.")
        return replace(told, property=entry.draft.property, is_erased=self._is_erased(entry))

    def _plan(self, entry: Entry) -> Moment | None:
        reason = entry.draft.reason or {}
        plan = PlanId(str(reason.get("plan", "")))
        if plan not in self._plans:
            return None
        moves = [change for change in self._plans[plan] if change.property == STAGE]
        because = " ".join(reason.get("reasons", ()))
        verb = entry.draft.kind.removeprefix("plan.")
        what = f"Plan {plan} was {verb}" + (f": {because}" if because else ".")
        moment = self._plain(entry, What.PLANNED, what)
        contact = self._plans[plan][0].contact if self._plans[plan] else ""
        moment = replace(moment, contact=contact, run=entry.draft.run)
        return replace(moment, before=moves[0].before, after=moves[-1].after or None) if moves else moment

    def _changes(self, intents: Sequence[Entry]) -> Iterator[Moment]:
        """Tell the intents on one property in one run, a move backward (clear, then set) as one."""
        position = 0
        while position < len(intents):
            first = intents[position]
            second = intents[position + 1] if position + 1 < len(intents) else None
            if second is not None and self._are_steps(first, second):
                yield self._backward(first, second)
                position += 2
            else:
                yield self._change(first)
                position += 1

    def _are_steps(self, first: Entry, second: Entry) -> bool:
        is_cleared = not first.draft.after and second.draft.before is None
        return is_cleared and self._is_erased(first) is self._is_erased(second)

    def _change(self, intent: Entry) -> Moment:
        draft = intent.draft
        outcome = self._outcomes.get(intent.seq)
        what = What.REVERTED if draft.cause == "reverted" else What.CHANGED
        return Moment(
            intent.at, intent.at, intent.seq, what, draft.id or "", our_actor(draft.actor), draft.property,
            draft.before, draft.after or None, self._why(intent), _state(outcome), _problem(outcome),
            draft.cause, draft.definition, draft.run, self._is_erased(intent),
        )  # fmt: skip

    def _backward(self, clear: Entry, set_: Entry) -> Moment:
        first, second = self._change(clear), self._change(set_)
        if first.state is not State.DONE:
            return replace(first, after=second.after)
        if second.state is not State.DONE:
            problem = f"cleared, but not set: {second.problem or 'no answer yet'}"
            return replace(first, after=second.after, state=second.state, problem=problem)
        return replace(first, after=second.after)

    def _why(self, intent: Entry) -> str:
        draft = intent.draft
        if self._is_erased(intent):
            return "The values and the reason were erased."
        reason = draft.reason or {}
        if draft.cause == "reverted":
            return str(reason.get("why", "Restores what a run had changed."))
        card = self._cards.get((draft.run, draft.id), "") if draft.property == STAGE else ""
        return card or _sentence(draft.cause, reason)

    def _is_erased(self, entry: Entry) -> bool:
        return self._erased_up_to.get(entry.draft.id, 0) > entry.seq


def _state(outcome: Entry | None) -> State:
    if outcome is None:
        return State.OPEN
    match outcome.draft.kind:
        case "change.applied":
            return State.DONE
        case "change.failed":
            return State.FAILED
        case _:
            return State.ABANDONED


def _problem(outcome: Entry | None) -> str:
    if outcome is None or outcome.draft.kind == "change.applied":
        return ""
    return str((outcome.draft.reason or {}).get("problem", ""))


_SENTENCES = {
    "promoted": "Meets what the definition asks for this stage.",
    "demoted": "No longer meets what the definition asks to stay.",
    "score_moved": "The score moved.",
    "grade_moved": "The grade moved.",
    "outcome_moved": "The outcome moved.",
    "track_moved": "Another nurture track fits.",
    "definition_changed": "Evaluated under another definition.",
    "sla_moved": "The instant sales must react by moved.",
    "along": "Written along with the changes beside it.",
    "taken_back": "The portal refused the move after the stage was cleared, so the stage is what it was.",
}


def _sentence(cause: str | None, reason: Json) -> str:
    score = reason.get("score")
    if cause == "score_moved" and isinstance(score, int | float):
        return f"The score is {score:g}."
    return _SENTENCES.get(cause or "", f"Cause: {cause}.")
