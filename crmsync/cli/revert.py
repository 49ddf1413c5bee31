"""`revert`: plan to restore what a run changed."""

import sys
from dataclasses import asdict
from itertools import chain
from typing import Any

import click

from crmsync.app import App
from crmsync.cli import render
from crmsync.cli.asking import contact_of, this_user
from crmsync.cli.output import console, json_option, plain, print_json
from crmsync.cli.plan_render import print_conflicts, print_plan, print_remains
from crmsync.cli.progress import watched
from crmsync.cli.session import Call, past_session
from crmsync.cli.stopping import stoppable
from crmsync.cycle.engine import Undo
from crmsync.cycle.revert import REMAINS, Only, Request
from crmsync.errors import PlanParked
from crmsync.model import Change, PlanStatus, RunId

_PARTLY = 4


@click.command("revert")
@click.argument("run", metavar="RUN")
@click.option("--only", type=click.Choice([one.value for one in Only]), help="Restore this part of it.")
@click.option(
    "--contact", "contacts", metavar="CONTACT", multiple=True, help="Of these contacts only; repeat it."
)
@click.option("--who", default=this_user, help="Who asks, for the trail [the user of this shell].")
@json_option
@click.pass_obj
def revert(
    call: Call, run: str, *, only: str | None, contacts: tuple[str, ...], who: str, as_json: bool
) -> None:
    """
    Plan to restore the values before RUN, where the portal still shows ours; `apply` writes them.

    What somebody changed since is a conflict and stays.
    """
    with past_session(call) as app, stoppable(app):
        wanted = tuple(contact_of(app.store, one) for one in contacts)
        with watched(app), app.engine(writes=False) as engine:
            undo = engine.revert(Request(RunId(run.strip()), who, Only(only) if only else None, wanted))
        changes = _changes(app, undo)
    if as_json:
        print_json(_document(run, undo, changes))
    else:
        _print(run, undo, changes)
    sys.exit(_status(undo))


def _changes(app: App, undo: Undo) -> list[Change]:
    plan = undo.summary.plan
    return list(chain.from_iterable(app.store.plans.changes(plan.id))) if plan else []


def _document(run: str, undo: Undo, changes: list[Change]) -> dict[str, Any]:
    planned = render.plan_document(undo.summary, changes)
    return {
        **planned,
        "reverts": run,
        "status": undo.summary.status,
        "conflicts": [asdict(one) for one in undo.conflicts],
        "remains": list(REMAINS),
    }


def _print(run: str, undo: Undo, changes: list[Change]) -> None:
    out, plan = console(), undo.summary.plan
    if plan is None:
        out.print(plain(f"Nothing of run {run} is left to restore."))
    else:
        out.print(plain(f"Plan {plan.id} restores:"))
        print_plan(out, [changes])
    print_conflicts(out, undo.conflicts, undo.summary.run)
    if plan is not None:
        print_remains(out)
        out.print()
        render.print_guard(out, plan)
        render.print_next(out, plan)


def _status(undo: Undo) -> int:
    if undo.summary.status == PlanStatus.PARKED:
        return PlanParked.exit_status
    return _PARTLY if undo.conflicts else 0


COMMANDS = (revert,)
