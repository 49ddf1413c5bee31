"""`crmsync settings`: every setting with its sentence, value and origin; secrets masked."""

from dataclasses import asdict

import click

from crmsync.cli.output import console, json_option, print_json
from crmsync.settings import load


@click.command("settings")
@json_option
@click.pass_obj
def settings(obj: tuple[object, dict[str, str]], *, as_json: bool) -> None:
    """Show every setting: what it means, its value, where that came from."""
    config, overrides = obj
    loaded = load(overrides, config=config)  # type: ignore[arg-type]  # click gives a Path
    if as_json:
        print_json([asdict(origin) for origin in loaded.origins])
        return
    out = console()
    for origin in loaded.origins:
        out.print(f"[bold]{origin.name}[/] = {origin.value or '(empty)'}  [dim]{origin.origin}[/]")
        out.print(f"    {origin.sentence}")


COMMANDS = (settings,)
