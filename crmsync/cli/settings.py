"""`crmsync settings`: every setting with its sentence, value and origin; secrets masked."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from textwrap import fill

import click
from rich.text import Text

from crmsync.cli.output import console, json_option, plain, print_json
from crmsync.cli.session import Call
from crmsync.errors import SettingsError
from crmsync.settings import Origin, defaults, load


@click.command("settings")
@json_option
@click.pass_obj
def settings(call: Call, *, as_json: bool) -> None:
    """Show every setting: what it means, its value, where that came from."""
    config, overrides = call
    try:
        origins = load(overrides, config=config).origins
    except SettingsError:
        if not as_json:
            _print(defaults())  # whoever has to correct them wants to see what there is
        raise
    if as_json:
        print_json([asdict(origin) for origin in origins])
    else:
        _print(origins)


def _print(origins: Iterable[Origin]) -> None:
    out = console()
    for section, some in groupby(origins, lambda one: one.name.partition(".")[0]):
        out.print(f"[bold]{section}[/]")
        for one in some:
            is_default = one.origin == "default"
            line = Text.assemble(
                f"  {one.name} = ",
                (plain(one.value or "(empty)").plain, "" if is_default else "bold green"),
                ("" if is_default else f"  ({one.origin})", "green"),
            )
            out.print(line)
            out.print(
                fill(one.sentence, 80, initial_indent="      ", subsequent_indent="      "), style="dim"
            )


COMMANDS = (settings,)
