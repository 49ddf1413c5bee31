"""
The table of contents of a cycle: settle, pull, plan, guard, record, write.

No write without its entry, no progress without its outcome. What each verb does stands in the module of its name.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from crmsync.cycle import pull, write
from crmsync.cycle.agenda import Job, Schedule, is_due
from crmsync.cycle.guard import Circumstances, Limits, guard, ready
from crmsync.cycle.planning import Planned, Planner, Plans
from crmsync.cycle.record import Trail, intend
from crmsync.cycle.revert import Conflict, Past, Request, Reverter
from crmsync.cycle.streams import Pulled, Streams
from crmsync.cycle.write import Sink, Written
from crmsync.model import (
    REVERT_PREFIX,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Json,
    Outcome,
    Plan,
    PlanId,
    PlanStatus,
    Result,
    RunId,
    Tally,
)

_CLOCK_GRAIN = timedelta(seconds=2)  # a Date header has whole seconds, and an answer travels


class Memory(Protocol):
    """Small facts that outlive the process, by name."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run did, as `sync --json` prints it. `status`: applied, parked or nothing."""

    run: RunId
    status: str
    plan: Plan | None = None
    pulled: Pulled = field(default_factory=Pulled)
    tally: Tally = field(default_factory=Tally)
    written: Written = field(default_factory=Written)
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """A planned revert; `conflicts`: what stays, because somebody changed it since."""

    summary: Summary
    conflicts: tuple[Conflict, ...]


class Ledger(Trail, Past, Protocol):
    """The audit trail as a whole cycle needs it."""


@dataclass(frozen=True, slots=True)
class Config:
    """
    How a cycle runs.

    Attributes:
        mode: writes.mode: apply, plan or observe.
        workers: streams that are pulled side by side.
    """

    definition: DefinitionRef
    limits: Limits
    schedule: Schedule
    mode: str = "apply"
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Engine:
    streams: Streams
    planner: Planner
    trail: Ledger
    plans: Plans
    sink: Sink
    memory: Memory
    config: Config
    new_suffix: Callable[[datetime], str]
    should_stop: Callable[[], bool] = lambda: False

    def sync(self, *, also: Sequence[Job] = ()) -> Summary:
        """Plan, guard, apply; and before it whatever is unfinished, approved or due."""
        run, now = self._start()
        written = self._settle_unfinished(run)
        written = self._apply_approved(run, written)
        pulled = self.pull(now, also=also)
        plan, planned = self._plan(run, pulled)
        if plan is None or plan.status is PlanStatus.PARKED:
            status = "parked" if plan else ("applied" if written.results else "nothing")
            return _summary(run, status, plan, pulled, planned, written=written)
        written = self._write(plan, run, written)
        return _summary(run, "applied", plan, pulled, planned, written=written)

    def plan(self) -> Summary:
        """Pull and plan; write nothing. The plan is kept for `apply`."""
        run, now = self._start()
        pulled = self.pull(now)
        plan, planned = self._plan(run, pulled)
        status = "nothing" if plan is None else plan.status.value
        return _summary(run, status, plan, pulled, planned)

    def apply(self, plan_id: PlanId) -> Summary:
        """
        Do exactly what the plan shows, change by change, where the portal still shows what it saw.

        Raises:
            OperatorError: there is no such plan, it was rejected or never finished, or nothing may be written.
            PlanParked: it waits for approval.
        """
        run, _ = self._start()
        plan = ready(self.plans.plan(plan_id), plan_id, mode=self.config.mode)
        written = self._settle_unfinished(run)
        if plan.status is not PlanStatus.APPLIED:
            written = self._write(plan, run, written)
        done = Planned(plan.tally, plan.digest, 0)
        return _summary(
            run, "applied" if written.results else "nothing", plan, Pulled(), done, written=written
        )

    def revert(self, request: Request) -> Undo:
        """Plan to restore what a run changed, where the portal still shows it; `apply` writes it."""
        run, now = self._start()
        written = self._settle_unfinished(run)
        pulled = self.pull(now)
        decided_by = self._active_definition() or self.config.definition  # a revert activates no other one
        draft = _DraftPlan(self.plans, run, self.streams.portal.now(), decided_by, REVERT_PREFIX)
        reverter = Reverter(self.trail, self.streams.mirror, self.planner.stage_order)
        found = reverter.plan(draft.id, draft, request)
        around = Circumstances(decided_by, decided_by, pulled.shrunk, self.config.mode)
        reasons = guard(found.planned.tally, self.config.limits, around)
        plan = self._keep(draft, found.planned, reasons) if found.planned.tally.changes else None
        status = "nothing" if plan is None else plan.status.value
        return Undo(_summary(run, status, plan, pulled, found.planned, written=written), found.conflicts)

    def pull(self, now: datetime, *, also: Sequence[Job] = ()) -> Pulled:
        """Catch up, and do the rescan, reconcile and tick that are due (or asked for)."""
        due = {job for job in Job if job in also or self._is_due(job, now)}
        workers = self.config.workers
        if Job.RECONCILE in due:
            pulled = pull.reconcile_lists(self.streams, workers=workers)
        else:
            pulled = pull.catch_up(self.streams, workers=workers)
        if Job.RESCAN in due:
            pulled += pull.rescan(self.streams, self._rescan_back(now), workers=workers)
        if Job.TICK in due or self._definition_is_new():
            self.streams.mirror.mark_all_due()
            self.memory.put("evaluated_definition", self.config.definition.sha256)
        for job in Job:
            if job in due or self.memory.get(f"last_{job}") is None:
                self.memory.put(f"last_{job}", now.isoformat())
        return pulled

    def _start(self) -> tuple[RunId, datetime]:
        now = self.streams.portal.now()
        return RunId(f"r-{now:%Y%m%d-%H%M}-{self.new_suffix(now)}"), now

    def _is_due(self, job: Job, now: datetime) -> bool:
        last = self.memory.get(f"last_{job}")
        return is_due(job, datetime.fromisoformat(last) if last else None, now, self.config.schedule)

    def _rescan_back(self, now: datetime) -> timedelta:
        """Reach back beyond the last rescan, however long ago it was."""
        last = self.memory.get(f"last_{Job.RESCAN}")
        since = now - datetime.fromisoformat(last) if last else timedelta(0)
        return max(since, self.config.schedule.rescan_every) + self.config.schedule.rescan_every

    def _definition_is_new(self) -> bool:
        return self.memory.get("evaluated_definition") != self.config.definition.sha256

    def _settle_unfinished(self, run: RunId) -> Written:
        may_send = self.config.mode == "apply"
        return self._noted(Written(), write.settle_open(self.sink, self.trail, run, may_send=may_send))

    def _noted(self, written: Written, outcomes: Sequence[Outcome]) -> Written:
        """Count them; who was other than the mirror had it is read again, else the same would be tried again."""
        written.note(outcomes)
        self.streams.look_again(
            one.intent.change.contact for one in outcomes if one.result is Result.ABANDONED
        )
        return written

    def _apply_approved(self, run: RunId, written: Written) -> Written:
        for plan in reversed(self.plans.plans(status=PlanStatus.APPROVED)):
            if plan.is_revert or plan.definition.sha256 == self.config.definition.sha256:
                written = self._write(plan, run, written)
            else:  # the definition changed after the approval: its contacts are due and planned again
                self.plans.finish(replace(plan, status=PlanStatus.SUPERSEDED))
        return written

    def _plan(self, run: RunId, pulled: Pulled) -> tuple[Plan | None, Planned]:
        """Evaluate what is due; keep the plan if it has changes; park it if the guard says so."""
        as_of = _instant_of(self.streams.portal.now(), pulled)
        if self.config.mode == "observe":
            observed = _Observed(self.planner, as_of)
            return None, self.planner.plan(PlanId(""), observed, as_of)
        draft = _DraftPlan(self.plans, run, as_of, self.config.definition)
        planned = self.planner.plan(draft.id, draft, as_of)
        if not planned.tally.changes:
            self._activate(self.config.definition, run)
            return None, planned
        reasons = guard(planned.tally, self.config.limits, self._circumstances(pulled))
        return self._keep(draft, planned, reasons), planned

    def _circumstances(self, pulled: Pulled) -> Circumstances:
        return Circumstances(
            self.config.definition, self._active_definition(), pulled.shrunk, self.config.mode
        )

    def _active_definition(self) -> DefinitionRef | None:
        """Return the definition that the last applied plan was made with."""
        known = self.memory.get("active_definition")
        return DefinitionRef(**json.loads(known)) if known else None

    def _activate(self, definition: DefinitionRef, run: RunId) -> None:
        if self._active_definition() != definition:
            self.trail.append([Draft(kind="definition.activated", run=run, definition=definition)])
            self.memory.put("active_definition", json.dumps(asdict(definition)))

    def _keep(self, draft: "_DraftPlan", planned: Planned, reasons: tuple[str, ...]) -> Plan:
        status = PlanStatus.PARKED if reasons else PlanStatus.OPEN
        waiting = self.plans.plans(status=status) if reasons or draft.is_revert else ()
        if same := next((one for one in waiting if one.digest == planned.digest), None):
            self.plans.drop(draft.id)  # the same surprise: keep the plan that people already look at
            return same
        plan = draft.plan(status, planned, reasons)
        self.plans.finish(plan)
        if reasons:
            parked: Json = {"plan": plan.id, "reasons": list(reasons)}
            self.trail.append([self._entry("plan.parked", plan.run, parked)])
        return plan

    def _write(self, plan: Plan, run: RunId, written: Written) -> Written:
        """Record and write, a hundred contacts at a time; stops between two of them when asked to."""
        self.trail.append([self._entry("run.started", run, {"plan": plan.id})])
        self._activate(
            plan.definition, run
        )  # before its first change: whoever asks later finds it active then
        before = Counter(written.results)
        for changes in self.plans.changes(plan.id):
            if self.should_stop():
                return written  # the rest stays in the plan, its contacts stay due
            now = self.streams.portal.now()
            intents = intend(self.trail, changes, run=run, definition=plan.definition, at=now)
            written.intended += len(intents)
            written = self._noted(written, write.write(self.sink, self.trail, intents, run))
        self.plans.finish(replace(plan, status=PlanStatus.APPLIED))
        results = {result.value: n - before[result] for result, n in sorted(written.results.items())}
        self.trail.append([self._entry("run.finished", run, {"plan": plan.id, **results})])
        return written

    def _entry(self, kind: str, run: RunId, reason: Json) -> Draft:
        return Draft(kind=kind, run=run, definition=self.config.definition, reason=reason)


def _instant_of(now: datetime, pulled: Pulled) -> datetime:
    """Evaluate late enough for what was submitted this second: the portal tells its clock in whole seconds."""
    latest_at = pulled.latest_at
    return latest_at if latest_at is not None and now < latest_at <= now + _CLOCK_GRAIN else now


def _summary(
    run: RunId,
    status: str,
    plan: Plan | None,
    pulled: Pulled,
    planned: Planned,
    *,
    written: Written | None = None,
) -> Summary:
    findings = planned.findings + pulled.unreadable
    return Summary(run, status, plan, pulled, planned.tally, written or Written(), findings)


@dataclass(slots=True)
class _DraftPlan:
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

    @property
    def is_revert(self) -> bool:
        return self.prefix == REVERT_PREFIX

    def plan(self, status: PlanStatus, planned: Planned, reasons: tuple[str, ...]) -> Plan:
        return Plan(
            self.id, self.run, self.as_of, self.definition, status, planned.tally, reasons, planned.digest
        )

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:
        if not self.begun:
            self.begun = True
            self.plans.begin(Plan(plan, self.run, self.as_of, self.definition, PlanStatus.OPEN, Tally()))
        self.plans.add(plan, changes)


@dataclass(frozen=True, slots=True)
class _Observed:
    """In observe mode nothing waits to be written: what was seen is settled."""

    planner: Planner
    as_of: datetime

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:  # noqa: ARG002 - there is no plan to add to
        contacts = dict.fromkeys(ContactId(change.contact) for change in changes)
        self.planner.contacts.settled(list(contacts), self.as_of)
