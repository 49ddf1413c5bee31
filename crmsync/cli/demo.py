"""`demo`: the main job on a portal in this process: plan with reasons, writes, an idle cycle, a contact explained."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from crmsync import logs
from crmsync.cli import render
from crmsync.cli.output import console, json_option, many, plain, print_json
from crmsync.errors import OperatorError
from crmsync.hearing import until_told
from crmsync.model import STAGE, Own
from crmsync.settings import load

if TYPE_CHECKING:
    from crmsync.app import App
    from crmsync.cycle.engine import Summary
    from crmsync.model import PlanId
    from crmsync.sandbox import Sandbox

_FOLDER = Path("var/demo")
_FORM = "Book a demo"
_MQL = "marketingqualifiedlead"
_WIDTH = 78


@click.command("demo")
@click.option("--contacts", type=click.IntRange(20, 5_000), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same company.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The page's port [any free one].")
@json_option
def demo(*, contacts: int, seed: int, port: int, as_json: bool) -> None:
    """See it work, without token and network: portal, plan, writes, why."""
    from crmsync.sandbox import Lag, Sandbox

    out = console(quiet=as_json)
    with (
        Sandbox(contacts, seed=seed, limits=False, lag=Lag(0, 0, 0.0)) as sandbox,
        _app(sandbox, port) as app,
    ):
        sandbox.settle()
        if as_json:
            print_json(_tell(out, app, sandbox))
            return
        with _pages(app) as address:  # a port in use is told before anything else
            told = _tell(out, app, sandbox)
            _offer_pages(out, address, told["contact"])


def _tell(out: Console, app: "App", sandbox: "Sandbox") -> dict[str, Any]:
    """Tell the story; return it as the document of --json."""
    _title(out, 1, "A HubSpot portal on this machine", "crmsync setup")
    made = app.gateway.schema.setup()
    out.print(f"An invented B2B company at {sandbox.url}.")
    out.print(f"crmsync added {many(len(made.created), 'property', 'properties')} of its own to it.")

    _title(out, 2, "A plan: what would change, and why", "crmsync plan")
    with app.engine() as engine:
        planned = engine.plan()
    _show_plan(out, app, planned)

    _title(out, 3, "The writes, each committed to the audit trail first", "crmsync sync")
    written = _sync(out, app)
    proven = app.store.trail.verify()
    out.print(f"  audit      {many(proven.entries, 'entry', 'entries')}, the chain of hashes holds")

    _title(out, 4, "A second cycle: nothing to do, so nothing is written", "crmsync sync")
    idle = _sync(out, app)

    contact, email = _somebody(app, sandbox)
    _title(out, 5, f"Contact {contact} submits the form “{_FORM}”", "crmsync sync")
    sandbox.edits.submit(_FORM, email)
    sandbox.settle()
    moved = _sync(out, app)

    _title(out, 6, "Why?", f"crmsync explain {contact}")
    explanation = _explain(out, app, contact)
    return {
        "portal": {"url": sandbox.url, "created": made.created},
        "plan": render.plan_row(planned.plan) if planned.plan else None,
        "syncs": [written, idle, moved],
        "contact": contact,
        "explanation": explanation,
    }


def _sync(out: Console, app: "App") -> dict[str, Any]:
    before = app.gateway.traffic().requests
    with app.engine() as engine:
        summary = engine.sync()
    requests = app.gateway.traffic().requests - before
    render.print_summary(out, summary, requests)
    return render.summary_document(summary, requests)


def _show_plan(out: Console, app: "App", summary: "Summary") -> None:
    if summary.plan is None:
        out.print("Nothing to change.")
        return
    tally = summary.plan.tally
    for move, count in sorted(tally.stages.items(), key=lambda one: -one[1]):
        out.print(f"  {count:>4}  {move.replace('>', ' → ')}")
    for contact, card in _cards(app, summary.plan.id):
        out.print(f"\n[bold]Contact {contact}[/]")
        _print_card(out, card)
    changes, contacts = many(tally.changes, "change"), many(tally.evaluated, "contact")
    out.print(f"\nIn all {changes} of {contacts}; nothing is written yet.")


def _cards(app: "App", plan: "PlanId") -> Iterator[tuple[str, str]]:
    """Yield a contact that would become an MQL and one that would lose that, with the card that sales would read."""
    awaited = ["promoted", "demoted"]
    for changes in app.store.plans.changes(plan):
        reasons = {change.contact: change.after for change in changes if change.property == Own.REASON}
        for change in changes:
            if change.property == STAGE and _MQL in (change.before, change.after) and change.cause in awaited:
                awaited.remove(change.cause)
                yield change.contact, reasons.get(change.contact, "")


def _print_card(out: Console, card: str) -> None:
    """Print a card in lines that fit: what is long is cut in a reason, and wrapped in what is missing."""
    for line in card.splitlines():
        if line.startswith("- "):
            out.print(plain(_cut(line)), style="dim")
        else:
            out.print(plain("\n".join(wrap(line, _WIDTH, subsequent_indent="  "))), style="dim")


def _cut(reason: str) -> str:
    """Shorten a reason in its middle: its points, at the end, count."""
    if len(reason) <= _WIDTH:
        return reason
    what, colon, points = reason.rpartition(": ")
    return f"{what[: _WIDTH - len(colon + points) - 1]}…{colon}{points}"


def _somebody(app: "App", sandbox: "Sandbox") -> tuple[str, str]:
    """Find a lead who fits well and would become an MQL by asking for a demo."""
    for mirrored in chain.from_iterable(app.store.mirror.all(500)):
        grade, stage = mirrored.shown.get(Own.GRADE) or "", mirrored.shown.get(STAGE)
        if stage == "lead" and grade[:1] in ("A", "B") and mirrored.shown.get(Own.OUTCOME) == "nurture":
            email = sandbox.edits.record(mirrored.contact.id).text("email")
            if email:
                return mirrored.contact.id, email
    raise OperatorError(
        "This seed has no lead who fits.", next_step="Try another --seed, or more --contacts."
    )


def _explain(out: Console, app: "App", contact: str) -> dict[str, Any]:
    from crmsync.cli.contact_render import explanation_document
    from crmsync.cli.knowledge import known_now
    from crmsync.definition.wording.arithmetic import engagement_lines, fit_lines

    known = known_now(app, contact)
    evaluation = known.evaluation()
    shown = app.store.mirror.contact(known.contact.id)
    _print_card(out, (shown.shown.get(Own.REASON) if shown else None) or "")
    out.print()
    for line in (*fit_lines(known.definition, evaluation), *engagement_lines(known.definition, evaluation)):
        out.print(plain(line), soft_wrap=True)
    return explanation_document(known, evaluation)


@contextmanager
def _pages(app: "App") -> Iterator[str]:
    from crmsync.service import Service

    running = Service(app).pages()
    try:
        yield running.address
    finally:
        running.stop()


def _offer_pages(out: Console, address: str, contact: str) -> None:
    out.print(f"\nThe same on pages: [bold]{address}[/]")
    out.print(f"Its gates, stages and life: {address}contacts/{contact}")
    if sys.stdout.isatty():
        with until_told():
            out.print("Ctrl-C ends the demo.")
    else:
        out.print("(ends now: this is not a terminal)")


def _title(out: Console, number: int, text: str, command: str) -> None:
    out.print(f"\n[bold cyan]{number}. {text}[/]  [dim]{command}[/]")


@contextmanager
def _app(sandbox: "Sandbox", port: int) -> Iterator["App"]:
    """An app whose every setting is the demo's own: nothing of the user's environment leaks in."""
    from crmsync.app import App

    shutil.rmtree(_FOLDER, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("CRMSYNC_")]:
        del os.environ[name]
    source = files("crmsync").joinpath("starter", "definition.yaml")
    with as_file(source) as definition:
        settings = load(_settings(sandbox, port, definition), config=None).settings
        logs.configure(level="error", log_format=None)
        with App(settings) as app:
            yield app


def _settings(sandbox: "Sandbox", port: int, definition: Path) -> Mapping[str, object]:
    return {
        "portal.base_url": sandbox.url,
        "portal.access_token": sandbox.token,
        "portal.lag_s": 0,
        "portal.search_per_s": 5,
        "store.url": f"sqlite:///{_FOLDER}/crmsync.db",
        "definition.path": definition,
        "writes.lifecyclestage": "own",
        "guard.max_stage_changes": 10_000,
        "guard.max_stage_change_share": 1.0,
        "guard.max_demotions": 10_000,
        "web.port": port,
    }


COMMANDS = (demo,)
