"""Plans and unsettled intents -> recorded, written, settled: everything of a run that touches the portal."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from crmsync.cycle.activation import Activation
from crmsync.cycle.plans import Plans
from crmsync.cycle.reconcile import same_value
from crmsync.cycle.record import Trail, intend, untold
from crmsync.cycle.revert import Past
from crmsync.cycle.settle import settle_open
from crmsync.cycle.streams import Streams
from crmsync.cycle.takeback import cut_short, taken_back
from crmsync.cycle.watching import WRITE
from crmsync.cycle.write import Sink, Written, abandoned, settled, write
from crmsync.model import (
    STAGE,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Intent,
    Json,
    Kind,
    Outcome,
    Plan,
    PlanStatus,
    Result,
    RunId,
)

CHOSEN_SINCE = "a person has chosen the stage since the plan was made"
AWAITED = "an earlier write of the contact has no outcome yet"
UNTOLD = "HubSpot cannot say who has set the stage since the plan was made"


class Ledger(Trail, Past, Protocol):
    """The audit trail as a whole cycle needs it."""


@dataclass(frozen=True, slots=True)
class Applier:
    """
    Writes to the portal for one run: what earlier ones left open, what people approved, its own plan.

    Attributes:
        written: what became of all it did so far.
        waiting: contacts of which an intent is still open: what else is planned for them waits for its outcome.
    """

    run: RunId
    trail: Ledger
    plans: Plans
    sink: Sink
    streams: Streams
    activation: Activation
    should_stop: Callable[[], bool]
    written: Written = field(default_factory=Written)
    waiting: set[ContactId] = field(default_factory=set)

    def settle_unfinished(self, *, may_send: bool) -> None:
        """Give every intent that a dead process or a lost answer left open its outcome."""
        outcomes = settle_open(self.sink, self.trail, self.run, may_send=may_send)
        self._note(outcomes)
        self._take_back(outcomes)
        unanswered = {one.intent.change.contact: one for one in outcomes if one.result is Result.OPEN}
        if fresh := untold(self.streams.told, [_unanswered(one) for one in unanswered.values()]):
            self.trail.append(fresh)

    def apply_approved(self, definition: DefinitionRef) -> None:
        """Apply what people approved, the oldest first, unless the definition has changed since."""
        for plan in reversed(self.plans.plans(status=PlanStatus.APPROVED)):
            if plan.is_revert or plan.definition.sha256 == definition.sha256:
                self.apply(plan)
            else:  # its contacts are due and planned again
                self.plans.finish(replace(plan, status=PlanStatus.SUPERSEDED))
                self._tell(
                    "plan.superseded", plan, {"problem": "the definition was changed after it was approved"}
                )

    def apply(self, plan: Plan) -> None:
        """Record and write, a hundred contacts at a time; stops between two of them when asked to."""
        self._tell("run.started", plan, {})
        self.activation.activate(plan.definition, self.run)
        before, watcher = Counter(self.written.results), self.streams.watcher
        watcher.begin(WRITE, lambda: plan.tally.changes)
        for changes in self.plans.changes(plan.id):
            if self.should_stop():
                return  # the rest stays in the plan, its contacts stay due
            at = self.streams.portal.now()
            ready = [one for one in self._undone(plan, changes) if plan.is_revert or not self._waits(one)]
            intents = intend(self.trail, ready, run=self.run, definition=plan.definition, at=at)
            self.written.intended += len(intents)
            outcomes = self._write(plan, intents)
            self._note(outcomes)
            self._take_back(outcomes)
            watcher.advance(WRITE, len(changes))
        self.plans.finish(replace(plan, status=PlanStatus.APPLIED))
        results = {result.value: n - before[result] for result, n in sorted(self.written.results.items())}
        self._tell("run.finished", plan, results)

    def _undone(self, plan: Plan, changes: Sequence[Change]) -> Sequence[Change]:
        """Leave out what an earlier try of this plan has done: the mirror shows it, and no intent is due for it."""
        if plan.run == self.run:
            return changes
        mirror = self.streams.mirror.snapshots(Kind.CONTACT, [*{change.contact for change in changes}])
        wanted = {(one.contact, one.property): one.after for one in changes}  # of two steps the last
        done = {
            (contact, name)
            for (contact, name), after in wanted.items()
            if contact in mirror and same_value(mirror[contact].properties.get(name), after)
        }
        return [one for one in changes if (one.contact, one.property) not in done]

    def _write(self, plan: Plan, intents: Sequence[Intent]) -> list[Outcome]:
        """
        Leave out the stages that a person has chosen since the plan was made, whatever they show now.

        Who waits for an outcome stays due and is planned again, unless this is a revert, which nobody plans again.
        """
        left_out = [abandoned(one, AWAITED) for one in intents if self._waits(one.change)]
        if plan.run != self.run:
            left_out += self._chosen_since(plan, [one for one in intents if not self._waits(one.change)])
        unfit = {one.intent.seq for one in left_out}
        fitting = [one for one in intents if one.seq not in unfit]
        return settled(self.trail, self.run, left_out) + write(self.sink, self.trail, fitting, self.run)

    def _waits(self, change: Change) -> bool:
        return change.contact in self.waiting

    def _chosen_since(self, plan: Plan, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """Ask who set these stages: an older plan may meet a stage that was set elsewhere and set back on purpose."""
        moves = [one for one in intents if one.change.property == STAGE]
        ids = list(dict.fromkeys(one.change.contact for one in moves))
        versions = self.streams.portal.history(STAGE, ids) if ids else {}
        for one in moves:
            if one.change.contact not in versions:
                yield abandoned(one, UNTOLD)
            elif any(v.is_person and v.at > plan.as_of for v in versions[one.change.contact]):
                yield abandoned(one, CHOSEN_SINCE)

    def _take_back(self, outcomes: Sequence[Outcome]) -> None:
        """Leave nobody without a stage because the portal refused the second step of a move."""
        by_run: dict[RunId, list[Intent]] = {}
        for one in cut_short(outcomes):
            by_run.setdefault(one.run, []).append(one)
        for run, refused in by_run.items():
            applied = self.trail.applied(run, [one.change.contact for one in refused])
            changes = [back for one in refused for back in taken_back(applied.get(one.change.contact, ()))]
            at, definition = self.streams.portal.now(), refused[0].definition
            intents = intend(self.trail, changes, run=self.run, definition=definition, at=at)
            self.written.intended += len(intents)
            self._note(write(self.sink, self.trail, intents, self.run))

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        """Count them; who was other than the mirror had it is read again, else the same would be tried again."""
        self.written.note(outcomes)
        self.waiting.update(one.intent.change.contact for one in outcomes if one.result is Result.OPEN)
        self.streams.look_again(
            one.intent.change.contact for one in outcomes if one.result is Result.ABANDONED
        )

    def _tell(self, kind: str, plan: Plan, facts: Json) -> None:
        reason: Json = {"plan": plan.id, **facts}
        self.trail.append([Draft(kind, run=self.run, definition=plan.definition, reason=reason)])


def _unanswered(outcome: Outcome) -> Draft:
    """Say of a contact that nobody can tell for more than a cycle whether it was written."""
    return Draft(
        kind="finding",
        object="contact",
        id=outcome.intent.change.contact,
        cause="unanswered",
        reason={"problem": f"A write has had no outcome for more than a cycle: {outcome.problem}"},
    )
