"""`revert`: plan to restore what a run changed."""

import sys
from dataclasses import asdict
from itertools import chain
from typing import Any

import click

from crmsync.app import App
from crmsync.cli import render
from crmsync.cli.asking import contact_of
from crmsync.cli.output import console, json_option, plain, print_json, table
from crmsync.cli.session import Call, session
from crmsync.cycle.engine import Undo
from crmsync.cycle.revert import REMAINS, Only, Request
from crmsync.errors import PlanParked
from crmsync.model import Change, PlanStatus, RunId

_PARTLY = 4
_SHOWN = 40


@click.command("revert")
@click.argument("run", metavar="RUN")
@click.option("--only", type=click.Choice([one.value for one in Only]), help="Restore this part of it.")
@click.option(
    "--contact", "contacts", metavar="CONTACT", multiple=True, help="Of these contacts only; repeat it."
)
@json_option
@click.pass_obj
def revert(call: Call, run: str, *, only: str | None, contacts: tuple[str, ...], as_json: bool) -> None:
    """
    Plan to restore the values before RUN, where the portal still shows ours; `apply` writes them.

    What somebody changed since is a conflict and stays.
    """
    with session(call) as app:
        wanted = tuple(contact_of(app.store, one) for one in contacts)
        with app.engine(writes=False) as engine:
            undo = engine.revert(Request(RunId(run.strip()), Only(only) if only else None, wanted))
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
        contacts = len({change.contact for change in changes})
        out.print(plain(f"Plan {plan.id} restores {len(changes)} values of {contacts} contacts."))
        render.print_changes(out, changes, len(changes))
        render.print_parked(out, plan)
        if plan.status is PlanStatus.OPEN:
            out.print(f"Nothing is written yet. Write it: crmsync apply {plan.id}")
    if undo.conflicts:
        out.print(f"\n[yellow]{len(undo.conflicts)} values stay as they are:[/]")
        rows = [(one.contact, one.property, one.seq, one.why) for one in undo.conflicts[:_SHOWN]]
        out.print(table("", ("contact", "property", "entry", "why"), rows))
        if len(undo.conflicts) > _SHOWN:
            out.print(f"... and {len(undo.conflicts) - _SHOWN} more (all of them: --json)")
    if plan is not None:
        out.print("\nWhat a revert cannot undo:")
        for sentence in REMAINS:
            out.print(plain(f"- {sentence}"))


def _status(undo: Undo) -> int:
    if undo.summary.status == PlanStatus.PARKED:
        return PlanParked.exit_status
    return _PARTLY if undo.conflicts else 0


COMMANDS = (revert,)
