"""`setup`, `doctor`, `init`: making a portal and a folder ready."""

import shlex
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from crmsync.app import App
from crmsync.cli.output import console, json_option, many, print_json
from crmsync.cli.session import Call, session
from crmsync.cycle.news import wanted
from crmsync.definition.review.lint import Circumstances, lint
from crmsync.errors import CrmsyncError, OperatorError
from crmsync.model import OWN, Kind

_NOT_READY = 3
_STARTER = ("crmsync.toml", "definition.yaml")


@click.command("setup")
@json_option
@click.pass_obj
def setup(call: Call, *, as_json: bool) -> None:
    """Create crmsync's own properties in the portal; never alters anything else."""
    with session(call) as app:
        app.bind()
        done = app.gateway.schema.setup()
    if as_json:
        print_json({"created": done.created, "existing": done.existing, "group_created": done.group_created})
        return
    there = f"; {len(done.existing)} were there already" if done.existing else ""
    click.echo(f"created {many(len(done.created), 'property', 'properties')}{there}")
    for name in done.created:
        click.echo(f"  + {name}")
    click.echo("Next: crmsync plan")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`. `problem` is "" when it is well."""

    what: str
    found: str
    problem: str = ""


@click.command("doctor")
@json_option
@click.pass_obj
def doctor(call: Call, *, as_json: bool) -> None:
    """Look at token, scopes, limits, properties, stages and who else writes the stage."""
    with session(call) as app:
        checks = _checks(app)
    if as_json:
        print_json([{"what": one.what, "found": one.found, "problem": one.problem} for one in checks])
    else:
        out = console()
        for one in checks:
            mark = "[red]✗[/]" if one.problem else "[green]✓[/]"
            out.print(f"{mark} [bold]{one.what}[/] {one.found}")
            if one.problem:
                out.print(f"    {one.problem}")
    sys.exit(_NOT_READY if any(one.problem for one in checks) else 0)


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@json_option
def init(folder: Path, *, as_json: bool) -> None:
    """Write commented settings and a starter definition into FOLDER/config."""
    written = {place: _write_starter(place) for place in (folder / "config" / name for name in _STARTER)}
    if as_json:
        print_json(
            {
                "written": [str(p) for p, new in written.items() if new],
                "kept": [str(p) for p, new in written.items() if not new],
            }
        )
        return
    for place, is_new in written.items():
        click.echo(f"{place}: {'written' if is_new else 'is there already, left as it is'}")
    away = "" if folder == Path() else f"cd {shlex.quote(str(folder))}, then "
    click.echo(f"Next: {away}crmsync check; then CRMSYNC_PORTAL__ACCESS_TOKEN=... crmsync doctor")


def _write_starter(place: Path) -> bool:
    """Write it unless it is there. *Raises* OperatorError: the folder cannot be written."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(files("crmsync").joinpath("starter", place.name).read_bytes())
    except FileExistsError:
        if place.exists():
            return False
        raise OperatorError(f"{place.parent}: is no folder.", next_step="Name another folder.") from None
    except OSError as error:
        raise OperatorError(
            f"{place}: cannot be written ({error.strerror}).", next_step="Name another folder."
        ) from None
    return True


def _checks(app: App) -> list[Check]:
    account = app.bind()
    where = f"{account.portal_id} ({account.account_type}), time zone {account.zone.key}"
    return [
        Check("portal", where),
        _scopes(app),
        Check(
            "limits", f"{app.gateway.burst_limit} requests per 10 s, {app.gateway.daily_limit or '?'} a day"
        ),
        _own_properties(app),
        *_definition(app),
    ]


def _scopes(app: App) -> Check:
    missing = app.gateway.schema.missing_scopes(forms=True, deals=True, companies=True)
    problem = "Add them to the service key in HubSpot, then run doctor again." if missing else ""
    return Check("scopes", f"missing: {', '.join(missing)}" if missing else "all there", problem)


def _own_properties(app: App) -> Check:
    """Missing ones are the next step, not a problem; one that cannot be written is."""
    problems = app.gateway.schema.problems()
    there = app.gateway.schema.definitions(Kind.CONTACT)
    blocked = [f"{name}: {why}" for name, why in problems.items() if name in there]
    missing = [name for name in problems if name not in there]
    found = f"{len(OWN) - len(problems)} of {len(OWN)} there and writable"
    return Check("own properties", found + ("; next: crmsync setup" if missing else ""), "; ".join(blocked))


def _definition(app: App) -> list[Check]:
    try:
        needs = app.definition.needs
    except CrmsyncError as error:
        return [Check("definition", "cannot be used", error.message)]
    asked = wanted(needs)
    needed: dict[Kind, list[str]] = {
        kind: [name for name in names if name not in OWN]
        for kind, names in asked.properties.items()
        if kind in (Kind.CONTACT, Kind.COMPANY)
    }
    lacking = app.gateway.schema.missing(needed)
    order, known = app.definition.stages.order, app.gateway.schema.stages()
    strange = [stage for stage in order if stage not in known]
    delivers = needs.sources - {
        "pages"
    }  # page views come one contact a request, from Enterprise portals only
    around = Circumstances(app.now().date(), delivers)
    unsupported = [one for one in lint(app.definition, around) if one.rule == "unsupported-here"]
    return [
        Check(
            "definition",
            f"{app.definition.ref.id} {app.definition.ref.version}",
            "; ".join(f"the portal has no {kind.value} property {name}" for kind, name in lacking),
        ),
        Check(
            "stages", f"{len(order)} in order", f"not in the portal: {', '.join(strange)}" if strange else ""
        ),
        Check("events", "; ".join(str(one) for one in unsupported) or "all can be pulled"),
        _other_writers(app),
    ]


def _other_writers(app: App) -> Check:
    """Look at the last changes of the stage of some contacts: who made them."""
    page = app.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None)
    ids = [one.id for one in page.snapshots][:50]
    versions = app.gateway.history("lifecyclestage", ids) if ids else {}  # type: ignore[arg-type]  # ids of contacts
    sources = sorted({one.source for some in versions.values() for one in some if not one.is_ours})
    return Check("who else writes the stage", ", ".join(sources) or "nobody, in the first 50 contacts")


COMMANDS = (setup, doctor, init)
