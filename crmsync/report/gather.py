"""The store and a period -> everything a report says, ids only; reads counts and a few entries, not the trail."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crmsync.insight import decisions
from crmsync.insight.period import ByOthers, Day, Flow, Why, by_others, days, flows, totals, whys
from crmsync.model import Entry, Plan, PlanStatus, Stage
from crmsync.store import Store
from crmsync.store.audit.reading import AuditFilter, Head, RunLine

_RUNS_SHOWN = 20
_DECISIONS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Report:
    """
    What happened in [since, until), whole hours UTC.

    Attributes:
        flows, days, whys, others: see insight/period.py.
        totals: entries by kind.
        runs: the newest that began in the period; `runs_in_all` counts those that are not shown too.
        decisions: of people, and definitions that came into use, oldest first.
        waiting: plans that wait for a person now.
        head: of the trail when this was made: whoever verifies the trail later can name it.
    """

    portal: str
    since: datetime
    until: datetime
    made_at: datetime
    contacts: int
    flows: tuple[Flow, ...]
    days: tuple[Day, ...]
    whys: tuple[Why, ...]
    others: tuple[ByOthers, ...]
    totals: Counter[str]
    runs: tuple[RunLine, ...]
    decisions: tuple[Entry, ...]
    waiting: tuple[Plan, ...]
    head: Head

    @property
    def runs_in_all(self) -> int:
        return self.totals["run.started"]


def gather(
    store: Store, order: Sequence[Stage], *, since: datetime, until: datetime, now: datetime
) -> Report:
    """
    Read what a report says.

    Args:
        order: the stages of the definition, lowest first.
    """
    trail = store.trail
    since = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    head, counts, funnel = trail.head(), trail.counts(since, until), store.mirror.stages()
    return Report(
        portal=store.meta.portal_id or "",
        since=since,
        until=until,
        made_at=now,
        contacts=sum(funnel.values()),
        flows=flows(funnel, order, counts),
        days=days(counts, since.date(), min(until, now).date()),
        whys=whys(counts),
        others=by_others(trail.foreign(since, until)),
        totals=totals(counts),
        runs=_runs(store, since, until),
        decisions=_decisions(store, since, until),
        waiting=_waiting(store),
        head=head,
    )


def _runs(store: Store, since: datetime, until: datetime) -> tuple[RunLine, ...]:
    where = AuditFilter(kind="run.started", since=since, until=until)
    newest = store.trail.entries(where, limit=1)
    if not newest:
        return ()
    found = store.trail.runs(before=newest[0].seq + 1, limit=_RUNS_SHOWN)
    return tuple(run for run in found if run.started.at >= since)


def _decisions(store: Store, since: datetime, until: datetime) -> tuple[Entry, ...]:
    filters = [AuditFilter(kind=kind, since=since, until=until) for kind in decisions.KINDS]
    found = [one for where in filters for one in store.trail.entries(where, limit=_DECISIONS_SHOWN)]
    return tuple(sorted(found, key=lambda one: one.seq)[-_DECISIONS_SHOWN:])


def _waiting(store: Store) -> tuple[Plan, ...]:
    open_ = store.plans.plans(status=PlanStatus.OPEN)
    return (*store.plans.plans(status=PlanStatus.PARKED), *(plan for plan in open_ if plan.is_revert))
