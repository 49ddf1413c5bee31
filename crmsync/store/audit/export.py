"""Entries of the trail -> JSON objects, JSON Lines and CSV, oldest first, in constant memory."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from crmsync.store.audit import filtering
from crmsync.store.audit.filtering import AuditFilter
from crmsync.store.audit.reading import rows_of
from crmsync.store.canonical import canonical
from crmsync.store.database import Database
from crmsync.store.writer import COLUMNS

_ENTRIES_A_PAGE = 2_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what follows


def objects(database: Database, where: AuditFilter) -> Iterator[dict[str, Any]]:
    """Yield entries with the keys in the order of docs/audit.md."""
    last = 0
    while True:
        with database.read() as conn:
            seqs = filtering.oldest(conn, where, after=last, limit=_ENTRIES_A_PAGE)
            rows = list(rows_of(conn, seqs))
        if not rows:
            return
        for row in rows:
            entry = {name: row[name] for name in COLUMNS}
            for name in ("definition", "reason"):
                entry[name] = None if entry[name] is None else orjson.loads(entry[name])
            yield entry
        last = seqs[-1]


def json_lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Write each entry on a line of its own, with a line break at its end."""
    for entry in entries:
        yield orjson.dumps(entry) + b"\n"


def csv_lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write a header and each entry; definition and reason as JSON, texts that look like formulas quoted."""
    yield _csv_line(COLUMNS)
    for entry in entries:
        yield _csv_line([_cell(entry[name]) for name in COLUMNS])


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return canonical(value)
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return "" if value is None else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
