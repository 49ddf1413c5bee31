"""The command line: a module per group of commands; each parses, calls the app and prints."""

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from crmsync import __version__
from crmsync.errors import CrmsyncError

_MODULES = {  # command -> module that holds it, imported when it is called: the command line starts fast
    "apply": "cycle",
    "approve": "cycle",
    "audit": "audit",
    "check": "definition",
    "definition": "definition",
    "demo": "demo",
    "doctor": "portal",
    "erase": "contact",
    "evaluate": "evaluate",
    "explain": "contact",
    "history": "contact",
    "init": "portal",
    "new-definition": "definition",
    "plan": "cycle",
    "plans": "cycle",
    "reject": "cycle",
    "revert": "cycle",
    "run": "run",
    "sandbox": "sandbox",
    "serve": "run",
    "settings": "settings",
    "setup": "portal",
    "sign": "definition",
    "sync": "cycle",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"crmsync.cli.{_MODULES[cmd_name]}")
        return next(command for command in module.COMMANDS if command.name == cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="crmsync")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [config/crmsync.toml].")
@click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Override a setting, e.g. web.port=9000."
)
@click.pass_context
def root(ctx: click.Context, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Decide lifecycle stages beside HubSpot by one shared definition, and say why."""
    ctx.obj = (config, dict(_override(one) for one in overrides))


def _override(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or "." not in name:
        raise click.BadParameter(f"{text!r}: write it as section.setting=value.", param_hint="--set")
    return name, value


def main(run: Callable[..., Any] = root) -> None:
    """Run the command line; every known error ends as one message on standard error and its exit status."""
    try:
        run(prog_name="crmsync")
    except CrmsyncError as error:
        click.echo(f"crmsync: {error.message}", err=True)
        if error.next_step:
            click.echo(f"Next: {error.next_step}", err=True)
        sys.exit(error.exit_status)
    except Exception:  # the last resort of the process: a bug, shown with its traceback
        traceback.print_exc()
        click.echo("crmsync: this is a bug; please report it with the lines above.", err=True)
        sys.exit(1)
