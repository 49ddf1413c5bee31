"""
The table of contents of a cycle: settle, pull, plan, guard, record, write.

No write without its entry, no progress without its outcome. What each verb does stands in the module of its name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crmsync.cycle import pull, shrinkage
from crmsync.cycle.activation import Activation
from crmsync.cycle.agenda import Agenda, Job, Memory, Schedule
from crmsync.cycle.apply import Applier, Ledger
from crmsync.cycle.asked import begin_again
from crmsync.cycle.guard import Circumstances, Limits, guard, ready
from crmsync.cycle.planning import Planner
from crmsync.cycle.plans import DraftPlan, Observed, Planned, Plans, Unreadable
from crmsync.cycle.revert import Conflict, Request, Reverter
from crmsync.cycle.revert_entries import asked, kept
from crmsync.cycle.streams import Streams
from crmsync.cycle.taking import Pulled
from crmsync.cycle.write import Sink, Written
from crmsync.model import REVERT_PREFIX, DefinitionRef, Mode, Plan, PlanId, PlanStatus, RunId, Tally

_CLOCK_GRAIN = timedelta(seconds=2)  # a Date header has whole seconds, and an answer travels


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What one run did, as `sync --json` prints it.

    Attributes:
        status: applied, parked, open (planned only) or nothing.
        findings: what the trail was told; `unreadable` values are not in it.
    """

    run: RunId
    status: str
    plan: Plan | None = None
    pulled: Pulled = field(default_factory=Pulled)
    tally: Tally = field(default_factory=Tally)
    written: Written = field(default_factory=Written)
    findings: int = 0
    unreadable: int = 0
    unreadable_shown: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """A planned revert; `conflicts`: what stays, because somebody changed it since."""

    summary: Summary
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """
    How a cycle runs.

    Attributes:
        workers: streams that are pulled side by side.
    """

    definition: DefinitionRef
    limits: Limits
    schedule: Schedule
    mode: Mode = "apply"
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Engine:
    """
    A cycle, put together. `sync`, `plan`, `apply` and `revert` are a run each.

    Each may raise PortalError, StoreError or Stopped.

    Attributes:
        sink: where changes are written; `streams` has the portal that is read.
        memory: what must outlive the process: when jobs were done, which definition is active.
        new_suffix: the random end of a run's id.
        should_stop: looked at between two pages of a pull and two batches of writes.
    """

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
        applier = self._applier(run)
        applier.settle_unfinished(may_send=self._may_send)
        if self.config.mode != "observe":
            applier.apply_approved(self.config.definition)
        pulled = self.pull(now, also=also)
        plan, planned = self._plan(run, pulled)
        if plan is not None and plan.status is not PlanStatus.PARKED:
            applier.apply(plan)
        status = "parked" if plan and plan.status is PlanStatus.PARKED else _done(applier.written, plan)
        return _summary(run, status, plan, pulled, planned, applier.written)

    def plan(self) -> Summary:
        """Pull and plan; write nothing. The plan is kept for `apply`."""
        run, now = self._start()
        pulled = self.pull(now)
        plan, planned = self._plan(run, pulled)
        status = "nothing" if plan is None else plan.status.value
        return _summary(run, status, plan, pulled, planned, Written())

    def apply(self, plan_id: PlanId) -> Summary:
        """
        Do exactly what the plan shows, change by change, where the portal still shows what it saw.

        Raises:
            OperatorError: there is no such plan, it was rejected or never finished, or nothing may be written.
            PlanParked: it waits for approval.
        """
        run, _ = self._start()
        plan = ready(self.plans.plan(plan_id), plan_id, mode=self.config.mode)
        applier = self._applier(run)
        applier.settle_unfinished(may_send=self._may_send)
        if plan.status is not PlanStatus.APPLIED:
            applier.apply(plan)
        planned = Planned(plan.tally, plan.digest)
        return _summary(run, _done(applier.written), plan, Pulled(), planned, applier.written)

    def revert(self, request: Request) -> Undo:
        """Plan to restore what a run changed, where the portal still shows it; `apply` writes it."""
        run, now = self._start()
        applier = self._applier(run)
        applier.settle_unfinished(may_send=self._may_send)
        pulled = self.pull(now)
        decided_by = self._activation.active() or self.config.definition  # a revert activates no other one
        draft = DraftPlan(self.plans, run, self.streams.portal.now(), decided_by, REVERT_PREFIX)
        reverter = Reverter(self.trail, self.streams.mirror, self.planner.stage_order)
        found = reverter.plan(draft.id, draft, request)
        around = Circumstances(decided_by, decided_by, self._shrunk, self.config.mode)
        plan = self._kept(draft, found.planned, around)
        self.trail.append([asked(request, plan, run, decided_by), *kept(request, found.conflicts, run)])
        status = "nothing" if plan is None else plan.status.value
        return Undo(_summary(run, status, plan, pulled, found.planned, applier.written), found.conflicts)

    def pull(self, now: datetime, *, also: Sequence[Job] = ()) -> Pulled:
        """Catch up, and do the rescan, reconcile and tick that are due (or asked for)."""
        agenda, activation, definition = self._agenda, self._activation, self.config.definition
        due = agenda.due(now, also)
        back = agenda.rescan_back(now)
        begin_again(self.memory, self.streams)
        pulled = pull.pull(self.streams, due, rescan_back=back, workers=self.config.workers)
        if Job.TICK in due or activation.is_new(definition):
            self.streams.mirror.mark_all_due()
            activation.note_all_due(definition)
        shrinkage.note(self.memory, pulled, is_listed=Job.RECONCILE in due)
        agenda.note_done(due, now)
        return pulled

    def _plan(self, run: RunId, pulled: Pulled) -> tuple[Plan | None, Planned]:
        """Evaluate what is due; keep the plan if it has changes; park it if the guard says so."""
        definition, activation = self.config.definition, self._activation
        as_of = _instant_of(self.streams.portal.now(), pulled)
        if self.config.mode == "observe":
            return None, self.planner.plan(PlanId(""), Observed(self.planner.contacts, as_of), as_of)
        draft = DraftPlan(self.plans, run, as_of, definition)
        planned = self.planner.plan(draft.id, draft, as_of)
        if not planned.tally.changes:
            activation.activate(definition, run)
        around = Circumstances(definition, activation.active(), self._shrunk, self.config.mode)
        return self._kept(draft, planned, around), planned

    def _kept(self, draft: DraftPlan, planned: Planned, around: Circumstances) -> Plan | None:
        if not planned.tally.changes:
            return None
        return draft.keep(self.trail, planned, guard(planned.tally, self.config.limits, around))

    def _start(self) -> tuple[RunId, datetime]:
        now = self.streams.portal.now()
        return RunId(f"r-{now:%Y%m%d-%H%M}-{self.new_suffix(now)}"), now

    def _applier(self, run: RunId) -> Applier:
        return Applier(
            run, self.trail, self.plans, self.sink, self.streams, self._activation, self.should_stop
        )

    @property
    def _may_send(self) -> bool:
        """What is intended already was allowed: by the settings of then, or by the person who applied its plan."""
        return self.config.mode != "observe"

    @property
    def _shrunk(self) -> tuple[int, int] | None:
        return shrinkage.shrunk(self.memory, self.config.limits.max_shrink)

    @property
    def _agenda(self) -> Agenda:
        return Agenda(self.memory, self.config.schedule)

    @property
    def _activation(self) -> Activation:
        return Activation(self.memory, self.trail)


def _instant_of(now: datetime, pulled: Pulled) -> datetime:
    """Evaluate late enough for what was submitted this second: the portal tells its clock in whole seconds."""
    latest_at = pulled.latest_at
    return latest_at if latest_at is not None and now < latest_at <= now + _CLOCK_GRAIN else now


def _done(written: Written, plan: Plan | None = None) -> str:
    return "applied" if plan or written.results else "nothing"


def _summary(  # noqa: PLR0917 - the parts of a summary, in its order
    run: RunId, status: str, plan: Plan | None, pulled: Pulled, planned: Planned, written: Written
) -> Summary:
    findings, unreadable = planned.findings + pulled.unreadable, planned.unreadable
    return Summary(
        run, status, plan, pulled, planned.tally, written, findings, unreadable, planned.unreadable_shown
    )
