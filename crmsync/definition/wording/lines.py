"""Sentences as values: lines with parts, tables of points, sections; and how they read in 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Line:
    """
    A sentence, or a part of one with its own parts below.

    Attributes:
        note: the id behind it, e.g. of a gate; "" for none.
        tail: what follows the note: punctuation, or the word that joins it to the next line.
    """

    text: str
    parts: "tuple[Line, ...]" = ()
    note: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """A table of points: (points, what for, why, id) rows."""

    rows: tuple[tuple[str, str, str, str], ...]


Block: TypeAlias = Line | Points


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


def line_text(line: Line, depth: int = 0) -> Iterator[str]:
    note = f" [{line.note}]" if line.note else ""
    bullet = "  " * depth + ("- " if depth else "")
    yield from _wrapped(line.text + note + line.tail, bullet)
    for part in line.parts:
        yield from line_text(part, depth + 1)


def points_text(points: Points) -> Iterator[str]:
    width = max((len(row[0]) for row in points.rows), default=0)
    for amount, what, why, criterion in points.rows:
        head = f"  {amount:>{width}}  " if amount else "  "
        yield from _wrapped(f"{what} [{criterion}]", head)
        if why:
            yield from _wrapped(f"why: {why}", " " * (width + 4) if amount else "      ")


def _wrapped(text: str, first: str) -> Iterable[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )
