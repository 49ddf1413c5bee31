"""`evaluate`: contacts in, evaluations out, line by line; no portal, no database."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import orjson

from crmsync.cli.definition import definition_option, load_from, path_of
from crmsync.cli.outlet import streamed
from crmsync.cli.output import json_option
from crmsync.cli.progress import counted
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import BadLine, evaluate_lines, evaluation_json
from crmsync.definition.text import instant, read_date
from crmsync.errors import OperatorError
from crmsync.model import Evaluation

if TYPE_CHECKING:
    from crmsync.cli.session import Call

_STDIN = "-"
_PARTLY = 4
_BLOCK = 1 << 20


@click.command("evaluate")
@definition_option
@click.option("--records", default=_STDIN, metavar="FILE", help="One contact per line (JSON) [-].")
@click.option("--as-of", "as_of", required=True, metavar="INSTANT", help="E.g. 2026-11-22T00:00:00Z.")
@click.option("--explain", is_flag=True, help="Add the arithmetic to each evaluation.")
@json_option
@click.pass_obj
def evaluate(
    call: "Call", file: str | None, records: str, as_of: str, *, explain: bool, as_json: bool
) -> None:
    """Evaluate contacts offline: one evaluation per line, in input order."""
    at = _instant(as_of)
    evaluator = Evaluator(load_from(_definition(file or path_of(call), records)))
    with _opened(records) as lines:
        made = evaluate_lines(
            counted(lines, "contacts", lambda: _line_count(records)), evaluator, at, explain=explain
        )
        with streamed() as out:
            bad = _write(made, out, records, as_json=as_json)
    sys.exit(_PARTLY if bad else 0)


COMMANDS = (evaluate,)


def _instant(text: str) -> datetime:
    us = read_date(text)
    try:
        if us is not None:
            return instant(us)
    except OverflowError:
        pass
    raise OperatorError(
        f"--as-of {text!r} is not an instant.", next_step="Write it like 2026-11-22T00:00:00Z."
    )


def _definition(file: str, records: str) -> str:
    if file == records == _STDIN:
        raise OperatorError(
            "--definition and --records cannot both be standard input.", next_step="Name a file for one."
        )
    return file


@contextmanager
def _opened(records: str) -> Iterator[BinaryIO]:
    if records == _STDIN:
        yield sys.stdin.buffer
        return
    try:
        lines = Path(records).open("rb")  # noqa: SIM115 - closed below; only opening may fail as an error of usage
    except OSError as error:
        raise OperatorError(
            f"{records}: cannot be read ({error.strerror}).", next_step="Name a readable file."
        ) from None
    with lines:
        yield lines


def _line_count(records: str) -> int | None:
    """Count the lines of a file; None for what can be read only once."""
    path = Path(records)
    if records == _STDIN or not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))


def _write(made: Iterable[Evaluation | BadLine], out: BinaryIO, records: str, *, as_json: bool) -> int:
    """Write what was made, complain about what could not be; return how many lines were bad."""
    bad, before = 0, b"[\n" if as_json else b""
    for one in made:
        if isinstance(one, BadLine):
            bad += 1
            click.echo(f"crmsync: {_name(records)}: {one}", err=True)
            continue
        out.write(before + _line(one))
        before = b",\n" if as_json else b"\n"
    out.write(_end(before, as_json=as_json))
    return bad


def _end(before: bytes, *, as_json: bool) -> bytes:
    if as_json:
        return b"[]\n" if before == b"[\n" else b"\n]\n"
    return before


def _line(evaluation: Evaluation) -> bytes:
    document = evaluation_json(evaluation)
    if evaluation.explanation is not None:
        document["explanation"] = evaluation.explanation
    return orjson.dumps(document)


def _name(records: str) -> str:
    return "<stdin>" if records == _STDIN else records
