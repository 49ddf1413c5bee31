"""The command line: a module per group of commands; each parses, calls the app and prints."""

import sys
from importlib import import_module
from pathlib import Path

import click

from crmsync import __version__
from crmsync.cli.ending import run_to_the_end

_COMMANDS = {  # name -> (module that holds it, imported when it is called: the command line starts fast; help)
    "apply": ("cycle", "Do exactly what a plan shows."),
    "approve": ("cycle", "Approve a parked plan."),
    "audit": ("audit", "List, export and verify the audit trail."),
    "check": ("definition", "Check the definition: errors, lint, examples."),
    "definition": ("definition", "Show the definition in sentences, or compare two."),
    "demo": ("demo", "See it work: a portal, a plan, the writes, the why."),
    "doctor": ("doctor", "Look at token, scopes, limits, properties, stages."),
    "erase": ("contact", "Erase a person; the trail still verifies."),
    "evaluate": ("evaluate", "Evaluate contacts offline, from a file."),
    "explain": ("contact", "Show the arithmetic of one contact."),
    "history": ("contact", "Show the life of one contact's stage."),
    "init": ("portal", "Write commented settings and a definition here."),
    "new-definition": ("definition", "Write a commented starter definition."),
    "plan": ("cycle", "Show what would be written; write nothing."),
    "plans": ("cycle", "List the plans, or show one."),
    "reject": ("cycle", "Reject a plan."),
    "report": ("report", "Tell what changed in a period, as text or one page."),
    "revert": ("revert", "Plan to restore what a run changed."),
    "run": ("run", "Run the daemon with its web page."),
    "sandbox": ("sandbox", "Run a HubSpot portal on this machine to try things on."),
    "serve": ("run", "Serve the web page only."),
    "settings": ("settings", "Show every setting, its value and origin."),
    "setup": ("portal", "Create crmsync's properties in the portal."),
    "sign": ("definition", "Sign the definition for marketing or sales."),
    "sync": ("cycle", "Pull, plan, guard, write: one cycle."),
}
_SECTIONS = {
    "Try it": "demo sandbox",
    "Make ready": "init check doctor setup settings",
    "A cycle by hand": "plan plans approve reject apply sync revert",
    "Let it run": "run serve",
    "Ask why": "explain history report audit erase",
    "The agreement": "definition new-definition sign evaluate",
}
_WIDEST = max(map(len, _COMMANDS))


class _Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # click knows only commands that are imported
            raise click.NoSuchCommand(error.command_name, possibilities=_COMMANDS, ctx=ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"crmsync.cli.{_COMMANDS[cmd_name][0]}")
        commands: tuple[click.Command, ...] = module.COMMANDS
        return next(command for command in commands if command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(_WIDEST), _COMMANDS[name][1]) for name in names.split()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="crmsync")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file [$CRMSYNC_CONFIG, else config/crmsync.toml].",
)
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


def main() -> None:
    """Run the command line of this process and leave with its exit status."""
    sys.exit(run_to_the_end(root, sys.argv[1:]))
