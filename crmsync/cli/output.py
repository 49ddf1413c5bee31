"""How commands print: exactly one JSON document with --json, tables of at most 80 columns without."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 80


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Open a console for people: colour only on a terminal, 80 columns elsewhere."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH, highlight=False, quiet=quiet)


def print_json(document: object) -> None:
    """Print one document on standard output. An iterator in a mapping becomes a list, item by item, however long."""
    if isinstance(document, dict) and any(isinstance(one, Iterator) for one in document.values()):
        for piece in _pieces(document):
            click.echo(piece, nl=False)
        click.echo()
    else:
        click.echo(_json(document))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table; None shows as a dash. Cells are shown as they are: markup in them means nothing."""
    made = Table(
        *columns, title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for row in rows:
        made.add_row(*(plain("-" if cell is None else cell) for cell in row))
    return made


def many(count: int, noun: str, plural: str = "") -> str:
    """Count something in words: `1 contact`, `2,910 contacts`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def plain(value: object) -> Text:
    """Show a value from outside as it is: no markup, and nothing that a terminal would obey."""
    return Text("".join(_shown(one) for one in str(value)))


def _shown(one: str) -> str:
    if one.isprintable() or one == "\n":
        return one
    return " " if one.isspace() else "\ufffd"


def _json(value: object, *, indent: int = 0) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=_plain).decode()
    return text.replace("\n", "\n" + " " * indent)


def _pieces(document: Mapping[str, object]) -> Iterator[str]:
    opening = "{\n  "
    for name, value in document.items():
        yield f"{opening}{_json(name)}: "
        if isinstance(value, Iterator):
            yield from _listed(value)
        else:
            yield _json(value, indent=2)
        opening = ",\n  "
    yield "\n}"


def _listed(items: Iterator[object]) -> Iterator[str]:
    first = next(items, None)
    if first is None:
        yield "[]"
        return
    yield f"[\n    {_json(first, indent=4)}"
    for item in items:
        yield f",\n    {_json(item, indent=4)}"
    yield "\n  ]"


def _plain(value: object) -> object:
    if isinstance(value, frozenset | set):
        return sorted(value)
    if hasattr(value, "items"):
        return dict(value.items())
    return str(value)
