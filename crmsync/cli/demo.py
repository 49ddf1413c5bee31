"""`demo`: the main job on a portal in this process: plan with reasons, writes, an idle cycle, a contact explained."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from crmsync import logs
from crmsync.cli import render
from crmsync.cli.output import console, table
from crmsync.model import STAGE, Own
from crmsync.settings import load

if TYPE_CHECKING:
    from crmsync.app import App
    from crmsync.cycle.engine import Summary
    from crmsync.model import PlanId
    from crmsync.sandbox import Sandbox

_FOLDER = Path("var/demo")
_FORM = "Book a demo"
_CARDS = 2


@click.command("demo")
@click.option("--contacts", type=click.IntRange(20, 5_000), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same company.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The page's port [any free one].")
def demo(*, contacts: int, seed: int, port: int) -> None:
    """See it work, without token and network: portal, plan, writes, why."""
    from crmsync.sandbox import Lag, Sandbox

    out = console()
    with (
        Sandbox(contacts, seed=seed, limits=False, lag=Lag(0, 0, 0.0)) as sandbox,
        _app(sandbox, port) as app,
    ):
        sandbox.settle()
        _tell(out, app, sandbox)
        _offer_pages(out, app)


def _tell(out: Console, app: "App", sandbox: "Sandbox") -> None:
    _title(out, 1, "A HubSpot portal on this machine", sandbox.url)
    made = app.gateway.schema.setup()
    out.print(f"An invented B2B company; crmsync added its {len(made.created)} properties to it.")

    _title(out, 2, "A plan: what would change, and why", "crmsync plan")
    with app.engine() as engine:
        planned = engine.plan()
    _show_plan(out, app, planned)

    _title(out, 3, "The writes: each with its intent in the audit trail first", "crmsync sync")
    _sync(out, app)

    _title(out, 4, "A second cycle: nothing changed, so nothing is written", "crmsync sync")
    _sync(out, app)

    contact, email = _somebody(app, sandbox)
    _title(out, 5, f"Contact {contact} submits the form “{_FORM}”", "crmsync sync")
    sandbox.edits.submit(_FORM, email)
    sandbox.settle()
    _sync(out, app)

    _title(out, 6, "Why?", f"crmsync explain {contact}")
    _explain(out, app, contact)


def _sync(out: Console, app: "App") -> None:
    before = app.gateway.traffic().requests
    with app.engine() as engine:
        summary = engine.sync()
    render.print_summary(out, summary, app.gateway.traffic().requests - before)


def _show_plan(out: Console, app: "App", summary: "Summary") -> None:
    if summary.plan is None:
        out.print("Nothing to change.")
        return
    tally = summary.plan.tally
    rows = [(move.replace(">", " → "), count) for move, count in tally.stages.items()]
    out.print(table("", ("stage", "contacts"), rows))
    for contact, card in islice(_cards(app, summary.plan.id), _CARDS):
        out.print(f"\n[bold]Contact {contact}[/]")
        out.print(card, style="dim", markup=False)
    out.print(f"\n{tally.changes} changes of {tally.evaluated} contacts; nothing is written yet.")


def _cards(app: "App", plan: "PlanId") -> Iterator[tuple[str, str]]:
    """Yield the contacts that would become an MQL with the card that sales would read."""
    for changes in app.store.plans.changes(plan):
        by_property = {(change.contact, change.property): change.after for change in changes}
        for (contact, name), after in by_property.items():
            if name == STAGE and after == "marketingqualifiedlead":
                yield contact, by_property.get((contact, Own.REASON), "")


def _somebody(app: "App", sandbox: "Sandbox") -> tuple[str, str]:
    """Find a lead who fits well and would become an MQL by asking for a demo."""
    for mirrored in chain.from_iterable(app.store.mirror.all(500)):
        grade, stage = mirrored.shown.get("crmsync_grade") or "", mirrored.shown.get("lifecyclestage")
        if stage == "lead" and grade[:1] in ("A", "B") and mirrored.shown.get("crmsync_outcome") == "nurture":
            email = sandbox.edits.record(mirrored.contact.id).text("email")
            if email:
                return mirrored.contact.id, email
    raise click.ClickException("This seed has no lead who fits; try another --seed.")


def _explain(out: Console, app: "App", contact: str) -> None:
    from crmsync.cli.contact_render import print_arithmetic
    from crmsync.cli.knowledge import known_now

    known = known_now(app, contact)
    shown = app.store.mirror.contact(known.contact.id)
    out.print((shown.shown.get(Own.REASON) if shown else None) or "", markup=False)
    out.print("\n[bold]The arithmetic[/]")
    print_arithmetic(out, known, known.evaluation())


def _offer_pages(out: Console, app: "App") -> None:
    from crmsync.service import Service

    running = Service(app).pages()
    try:
        out.print(f"\nThe same on a page: [bold]{running.address}[/]")
        if sys.stdout.isatty():
            out.print("Ctrl-C ends the demo.")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        else:
            out.print("(ends now: this is not a terminal)")
    finally:
        running.stop()


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
