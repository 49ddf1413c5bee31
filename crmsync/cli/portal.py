"""`setup`, `init`: making a portal and a folder ready."""

import shlex
from importlib.resources import files
from pathlib import Path

import click

from crmsync.cli.output import json_option, many, print_json
from crmsync.cli.session import Call, session
from crmsync.errors import OperatorError

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


COMMANDS = (setup, init)
