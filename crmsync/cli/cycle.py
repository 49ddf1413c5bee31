"""`plan`, `apply`, `sync`, `plans`, `approve`, `reject`: a cycle by hand, and what people decide about plans."""

import sys
from dataclasses import asdict
from itertools import chain
from textwrap import fill
from typing import TYPE_CHECKING

import click

from crmsync.app import App
from crmsync.cli import plan_render, render
from crmsync.cli.asking import this_user
from crmsync.cli.output import console, json_option, plain, print_json, table
from crmsync.cli.progress import watched
from crmsync.cli.session import Call, past_session, session
from crmsync.cli.stopping import stoppable
from crmsync.errors import OperatorError, PlanParked
from crmsync.model import Entry, Plan, PlanId, PlanStatus, Result
from crmsync.store.audit.reading import AuditFilter

if TYPE_CHECKING:
    from crmsync.cycle.engine import Summary
    from crmsync.cycle.revert import Conflict

_PARTLY = 4
_LISTED = 20
_CONFLICTS_READ = 100_000
_PARKED = PlanParked.exit_status


@click.command("sync")
@json_option
@click.pass_obj
def sync(call: Call, *, as_json: bool) -> None:
    """Pull what changed, plan, guard and write: one cycle."""
    with session(call) as app, stoppable(app):
        app.check_signatures()
        with watched(app), app.engine() as engine:
            summary = engine.sync()
        _report(app, summary, as_json=as_json)
    sys.exit(_status(summary))


@click.command("plan")
@json_option
@click.pass_obj
def plan(call: Call, *, as_json: bool) -> None:
    """Pull and show what would be written; write nothing."""
    with session(call) as app, stoppable(app):
        with watched(app), app.engine(writes=False) as engine:
            summary = engine.plan()
        slices = app.store.plans.changes(summary.plan.id) if summary.plan else iter(())
        if as_json:
            print_json(render.plan_document(summary, chain.from_iterable(slices)))
        else:
            render.print_summary(console(), summary, app.gateway.traffic().requests)
            if summary.plan:
                plan_render.print_plan(console(), slices)
                console().print()
                render.print_guard(console(), summary.plan)
                render.print_next(console(), summary.plan)
    sys.exit(_status(summary))


@click.command("apply")
@click.argument("plan_id", metavar="PLAN")
@json_option
@click.pass_obj
def apply(call: Call, plan_id: str, *, as_json: bool) -> None:
    """Do exactly what PLAN shows, where the portal still shows what it saw."""
    with past_session(call) as app, stoppable(app):
        app.check_signatures()
        with watched(app), app.engine() as engine:
            summary = engine.apply(PlanId(plan_id))
        _report(app, summary, as_json=as_json)
    sys.exit(_status(summary))


@click.command("plans")
@click.argument("plan_id", metavar="[PLAN]", required=False)
@json_option
@click.pass_obj
def plans(call: Call, plan_id: str | None, *, as_json: bool) -> None:
    """List the plans, or show one with its changes."""
    with past_session(call) as app:
        if plan_id:
            _show_plan(app, PlanId(plan_id), as_json=as_json)
            return
        known = app.store.plans.plans()
    if as_json:
        print_json([render.plan_row(one) for one in known])
        return
    if not known:
        click.echo("No plans yet. Next: crmsync plan")
        return
    rows = [
        (one.id, one.status, one.tally.changes, _moves(one), f"{one.as_of:%Y-%m-%d %H:%M}") for one in known
    ]
    console().print(table("", ("plan", "status", "changes", "stages", "as of (UTC)"), rows))


@click.command("approve")
@click.argument("plan_id", metavar="PLAN")
@click.option("--who", default=this_user, help="Who approves [the user of this shell].")
@json_option
@click.pass_obj
def approve(call: Call, plan_id: str, who: str, *, as_json: bool) -> None:
    """Approve a parked plan: the daemon's next cycle, `sync` or `apply` writes it."""
    _decide(call, plan_id, PlanStatus.APPROVED, who, as_json=as_json)


@click.command("reject")
@click.argument("plan_id", metavar="PLAN")
@click.option("--who", default=this_user, help="Who rejects [the user of this shell].")
@json_option
@click.pass_obj
def reject(call: Call, plan_id: str, who: str, *, as_json: bool) -> None:
    """Reject a plan: it is never written."""
    _decide(call, plan_id, PlanStatus.REJECTED, who, as_json=as_json)


def _decide(call: Call, plan_id: str, status: PlanStatus, who: str, *, as_json: bool) -> None:
    with past_session(call) as app:
        decided = app.store.plans.decide(PlanId(plan_id), status, who)
    if as_json:
        print_json({"plan": decided.id, "status": decided.status.value, "who": who})
    else:
        click.echo(f"{decided.id} is {decided.status.value}.")
        render.print_next(console(), decided)


def _report(app: App, summary: "Summary", *, as_json: bool) -> None:
    if as_json:
        print_json(render.summary_document(summary, app.gateway.traffic().requests))
        return
    out = console()
    render.print_summary(out, summary, app.gateway.traffic().requests)
    plan_render.print_not_applied(out, _not_applied(app, summary))
    if summary.plan and summary.status == PlanStatus.PARKED:
        render.print_guard(out, summary.plan)
        render.print_next(out, summary.plan)


def _not_applied(app: App, summary: "Summary") -> list[Entry]:
    """Read what this run did not write, and why: a few of each, the trail has all."""
    missed = [kind for kind in (Result.ABANDONED, Result.FAILED) if summary.written.results[kind]]
    filters = [AuditFilter(run=summary.run, kind=f"change.{kind.value}") for kind in missed]
    return [entry for where in filters for entry in app.store.trail.entries(where, limit=_LISTED)]


def _status(summary: "Summary") -> int:
    if summary.status == "parked":
        return _PARKED
    results = summary.written.results
    return _PARTLY if results[Result.FAILED] or results[Result.ABANDONED] or results[Result.OPEN] else 0


def _show_plan(app: App, plan_id: PlanId, *, as_json: bool) -> None:
    found = app.store.plans.plan(plan_id)
    if found is None:
        raise OperatorError(f"There is no plan {plan_id}.", next_step="See `crmsync plans`.")
    conflicts = _conflicts(app, found)
    if as_json:
        changes = chain.from_iterable(app.store.plans.changes(plan_id))
        document = {**render.plan_row(found), "changes": map(render.change_document, changes)}
        if found.is_revert:
            from crmsync.cycle.revert import REMAINS

            document |= {"conflicts": [asdict(one) for one in conflicts], "remains": list(REMAINS)}
        print_json(document)
        return
    out = console()
    out.print(f"[bold]{found.id}[/] {found.status}, as of {found.as_of:%Y-%m-%d %H:%M} UTC, run {found.run}")
    if found.tally.withheld:
        out.print(plain(fill(f"held: {render.held(found.tally)}", 80)))
    plan_render.print_plan(out, app.store.plans.changes(plan_id))
    plan_render.print_conflicts(out, conflicts, found.run)
    if found.is_revert:
        plan_render.print_remains(out)
    out.print()
    render.print_guard(out, found)
    render.print_next(out, found)


def _conflicts(app: App, plan: Plan) -> tuple["Conflict", ...]:
    """Read from the trail what a revert leaves as it is, in plan order."""
    if not plan.is_revert:
        return ()
    from crmsync.cycle.revert_entries import KEPT, conflict_of

    where = AuditFilter(run=plan.run, kind=KEPT)
    return tuple(conflict_of(one) for one in reversed(app.store.trail.entries(where, limit=_CONFLICTS_READ)))


def _moves(plan: Plan) -> str:
    return f"{plan.tally.promoted} up, {plan.tally.demoted} down"


COMMANDS = (sync, plan, apply, plans, approve, reject)
