"""
Offline lines on a Spark cluster -> frames of typed columns, read on the workers by the code of reading.py.

Needs the extra `spark`. What comes out goes into Evaluator.evaluate_frames like any other frames.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from crmsync.definition.evaluation.frames import Frames
from crmsync.definition.evaluation.layout import ROW, Layout
from crmsync.definition.evaluation.offline import BadContact, parse_contact
from crmsync.definition.evaluation.reading import Reader, Reading, contact_schema, event_schema
from crmsync.definition.nouns import Definition
from crmsync.model import Contact

Batches: TypeAlias = Iterable[Any]
"""Arrow record batches with `row` and `line`."""

_SPARK_TYPES: Mapping[pl.DataType, str] = {
    pl.String(): "string",
    pl.Float64(): "double",
    pl.Int64(): "bigint",
    pl.Int32(): "int",
    pl.Boolean(): "boolean",
}


def read_lines(lines: Any, definition: Definition) -> Frames:
    """
    Return lazy Spark frames for contacts of section 11, one per line.

    Args:
        lines: a Spark data frame with `row` (bigint, unique: results carry it) and `line` (string).

    Lines that are not a contact are in neither frame; `bad_lines` tells which and why.
    """
    layout = Layout(definition)
    contacts = _mapped(lines, partial(_contacts, definition), contact_schema(layout))
    events = _mapped(lines, partial(_events, definition), event_schema(layout))
    return Frames(nw.from_native(contacts), nw.from_native(events))


def bad_lines(lines: Any) -> Any:
    """Return a Spark data frame with `row` and `problem` of every line that is not a contact."""
    return _mapped(lines, _problems, {ROW: pl.Int64(), "problem": pl.String()})


def _mapped(lines: Any, made: Callable[[Batches], Iterator[Any]], schema: Mapping[str, pl.DataType]) -> Any:
    ddl = ", ".join(f"{name} {_SPARK_TYPES[dtype]}" for name, dtype in schema.items())
    return lines.select(ROW, "line").mapInArrow(made, ddl)


def _contacts(definition: Definition, batches: Batches) -> Iterator[Any]:
    layout = Layout(definition)
    for rows, reading in _readings(layout, batches):
        yield from _batches(_native(reading.frames.contacts), rows, contact_schema(layout))


def _events(definition: Definition, batches: Batches) -> Iterator[Any]:
    layout = Layout(definition)
    for rows, reading in _readings(layout, batches):
        yield from _batches(_native(reading.frames.events), rows, event_schema(layout))


def _readings(layout: Layout, batches: Batches) -> Iterator[tuple[Sequence[int], Reading]]:
    reader = Reader(layout)
    for batch in batches:
        parsed = [(row, contact) for row, contact in _parsed(batch) if isinstance(contact, Contact)]
        yield [row for row, _ in parsed], reader.read(contact for _, contact in parsed)


def _parsed(batch: Any) -> Iterator[tuple[int, Contact | BadContact]]:
    for row, line in zip(batch[ROW].to_pylist(), batch["line"].to_pylist(), strict=True):
        try:
            yield row, parse_contact(line)
        except BadContact as error:
            yield row, error


def _problems(batches: Batches) -> Iterator[Any]:
    for batch in batches:
        bad = [(row, str(problem)) for row, problem in _parsed(batch) if isinstance(problem, BadContact)]
        schema = {ROW: pl.Int64(), "problem": pl.String()}
        frame = pl.DataFrame(bad, schema=schema, orient="row")
        yield from _arrow(frame, schema)


def _native(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    native: pl.LazyFrame = frame.to_native()
    return native.collect()


def _batches(frame: pl.DataFrame, rows: Sequence[int], schema: Mapping[str, pl.DataType]) -> Iterator[Any]:
    """Yield the frame with the rows' numbers in the cluster in place of those in the slice."""
    numbers = pl.Series(ROW, [rows[index] for index in frame[ROW]], dtype=pl.Int64)
    yield from _arrow(frame.with_columns(numbers), schema)


def _arrow(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> Iterator[Any]:
    table = frame.select(list(schema)).to_arrow(compat_level=pl.CompatLevel.oldest())
    yield from table.to_batches()
