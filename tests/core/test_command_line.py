"""What `--help` says of every command, without running one."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from crmsync.cli import root


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, *path, name)


@pytest.mark.parametrize("path", list(commands(root)), ids=" ".join)
def test_every_command_has_help_of_80_columns_and_json(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(root, [*path, "--help"])

    assert done.exit_code == 0
    assert "--json" in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_the_help_of_all_names_each_command_once() -> None:
    told = CliRunner().invoke(root, ["--help"]).output

    assert max(map(len, told.splitlines())) <= 80
    for name in root.list_commands(click.Context(root)):
        assert [line.split()[0] for line in told.splitlines() if line.startswith("  ")].count(name) == 1, name
