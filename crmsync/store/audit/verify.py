"""The whole trail -> proof that no entry was edited, removed, inserted or moved, or the first one that was."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from multiprocessing import get_context
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import VerificationError
from crmsync.store import tables as t
from crmsync.store.canonical import FIRST_PREV, no_text, values_digest
from crmsync.store.database import Database

_ENTRIES_A_PAGE = 500
_ENTRIES_A_WORKER = 60_000  # fewer are verified sooner than another process has started
_COLUMNS = (
    "seq", "at", "kind", "run", "portal", "object", "id", "property", "of", "cause", "definition", "actor",
    "values_digest", "prev", "hash", "before", "after", "reason",
)  # fmt: skip
_NEXT_STEP = "Keep the database as it is, and compare it with an export or a backup from before."


@dataclass(frozen=True, slots=True)
class Verified:
    """
    What was proven.

    Attributes:
        entries: how many entries the chain has.
        head: the newest one's hash: note it outside the database to notice a truncation later.
        erased: entries whose values were erased with their contact.
    """

    entries: int
    head: str
    erased: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """
    Entries that stand next to each other: those behind `after`, up to `until`.

    Attributes:
        after: 0: from the very first row, also one with a number that was never given.
        until: None: to the end, however many are appended meanwhile.
    """

    after: int
    until: int | None


@dataclass(frozen=True, slots=True)
class _Proven:
    """A stretch that holds. `last`: its newest entry's number; `has_head`: the wanted head is in it."""

    last: int
    hash: str
    erased: int
    has_head: bool


def verify(database: Database, head: str | None, *, workers: int) -> Verified:
    """
    Follow the chain in `workers` processes at most: each takes a stretch and looks at the entry before it.

    Whoever falsified that entry is found by the process before, which names it: the first bad entry is the smallest.
    """
    stretches = _stretches(database, workers)
    if len(stretches) == 1:
        with database.read() as conn:
            proven: Sequence[_Proven] = [_prove(conn, stretches[0], head)]
    else:
        proven = _prove_side_by_side(database.url, stretches, head)
    newest = proven[-1]
    if head not in {None, FIRST_PREV} and not any(one.has_head for one in proven):
        raise VerificationError(
            f"The trail is intact up to entry {newest.last}, but lacks the head {head}: later entries were removed.",
            next_step=_NEXT_STEP,
        )
    return Verified(newest.last, newest.hash, sum(one.erased for one in proven))


def _stretches(database: Database, workers: int) -> Sequence[_Stretch]:
    with database.read() as conn:
        entries = conn.scalar(sa.select(sa.func.max(t.audit.c.seq))) or 0
    count = max(1, min(workers, entries // _ENTRIES_A_WORKER))
    starts = [entries * number // count for number in range(count)]
    return [_Stretch(after, until) for after, until in zip(starts, [*starts[1:], None], strict=True)]


def _prove_side_by_side(url: str, stretches: Sequence[_Stretch], head: str | None) -> Sequence[_Proven]:
    # spawned, not forked: this process may have threads that hold locks
    with ProcessPoolExecutor(len(stretches), mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(_prove_alone, url, stretch, head) for stretch in stretches]
        broken = [error for one in asked if (error := one.exception()) is not None]
    if broken:
        raise min(broken, key=_place)
    return [one.result() for one in asked]


def _place(error: BaseException) -> int:
    """Sort errors by the entry they name; one that names none (the database could not be read) comes first."""
    seq = error.seq if isinstance(error, VerificationError) else None
    return 0 if seq is None else seq


def _prove_alone(url: str, stretch: _Stretch, head: str | None) -> _Proven:
    database = Database(url, now=_no_clock)  # reads only
    try:
        with database.read() as conn:
            return _prove(conn, stretch, head)
    finally:
        database.close()


def _no_clock() -> datetime:
    raise AssertionError("a proof needs no time")


def _prove(conn: Connection, stretch: _Stretch, head: str | None) -> _Proven:
    """*Raises* VerificationError naming the first entry of the stretch that does not hold."""
    last, prev, erased_entries, has_head = stretch.after, _hash_of(conn, stretch.after), 0, False
    erased = _erasures(conn)
    with _rows(conn, stretch) as rows:
        for row in rows:
            if problem := _chain_problem(row, last + 1, prev):
                raise _bad(f"Audit entry {last + 1} {problem}.", last + 1)
            last, prev = row[0], row[14]
            if not _are_values_held(row):
                if not _are_values_erased(row, erased):
                    raise _bad(f"The values of audit entry {last} were changed.", last)
                erased_entries += 1
            has_head = has_head or prev == head
    if stretch.until is not None and last < stretch.until:
        raise _bad(f"Audit entry {last + 1} is missing.", last + 1)
    return _Proven(last, prev, erased_entries, has_head)


def _hash_of(conn: Connection, seq: int) -> str:
    """Return what the first entry of a stretch must follow; "" when that entry is gone, which its own stretch says."""
    if seq == 0:
        return FIRST_PREV
    return conn.scalar(sa.select(t.audit.c.hash).where(t.audit.c.seq == seq)) or ""


def _bad(message: str, seq: int) -> VerificationError:
    return VerificationError(message, seq=seq, next_step=_NEXT_STEP)


def _rows(conn: Connection, stretch: _Stretch) -> sa.CursorResult[*tuple[Any, ...]]:
    """Return the columns of each entry and the salt of its contact, of which only a page is held at a time."""
    a, s = t.audit.c, t.salts.c
    salted = t.audit.outerjoin(t.salts, sa.and_(s.contact == a.id, a.object == "contact"))
    query = sa.select(*(a[name] for name in _COLUMNS), s.salt).select_from(salted).order_by(a.seq)
    if stretch.after:
        query = query.where(a.seq > stretch.after)
    if stretch.until is not None:
        query = query.where(a.seq <= stretch.until)
    return conn.execute(query.execution_options(yield_per=_ENTRIES_A_PAGE))


def _chain_problem(row: Sequence[Any], expected: int, prev: str) -> str:
    """Say what is wrong with the place or the hash of an entry; "" when nothing is."""
    if row[0] != expected:
        return "is missing" if row[0] > expected else "has a number that was never given"
    if row[13] != prev:
        return "does not follow the entry before it"
    return "" if _hash(row) == row[14] else "was changed"


def _hash(row: Sequence[Any]) -> str:
    (
        seq,
        at,
        kind,
        run,
        portal,
        object_,
        id_,
        property_,
        of,
        cause,
        definition,
        actor,
        digest,
        prev,
    ) = row[:14]
    entry = {
        "actor": actor,
        "at": at,
        "cause": cause,
        "definition": None if definition is None else orjson.Fragment(definition),
        "id": id_,
        "kind": kind,
        "object": object_,
        "of": of,
        "portal": portal,
        "prev": prev,
        "property": property_,
        "run": run,
        "seq": seq,
        "values_digest": digest,
    }  # the keys stand in canonical order: sorting them again would cost a tenth of the time
    return sha256(orjson.dumps(entry, default=no_text)).hexdigest()


def _are_values_held(row: Sequence[Any]) -> bool:
    digest: str = row[12]
    return values_digest(row[18] or b"", row[15], row[16], row[17]) == digest


def _are_values_erased(row: Sequence[Any], erased: Mapping[str, int]) -> bool:
    """Tell whether the values are gone with their contact; otherwise they were changed."""
    is_blank = row[15] is row[16] is row[17] is None
    return is_blank and row[5] == "contact" and erased.get(row[6], 0) > row[0]


def _erasures(conn: Connection) -> Mapping[str, int]:
    a = t.audit.c
    query = sa.select(a.id, sa.func.max(a.seq).label("last")).where(a.kind == "contact.erased").group_by(a.id)
    return {row.id: row.last for row in conn.execute(query)}
