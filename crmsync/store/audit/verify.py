"""The whole trail -> proof that no entry was edited, removed, inserted or moved, or the first one that was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import VerificationError
from crmsync.store import tables as t
from crmsync.store.canonical import FIRST_PREV, values_digest
from crmsync.store.database import Database
from crmsync.store.writer import read_salts

_ENTRIES_A_PAGE = 5_000
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


def verify(database: Database, head: str | None) -> Verified:
    checked, prev, erased_entries = 0, FIRST_PREV, 0
    found = head in {None, FIRST_PREV}
    with database.read() as conn:
        erased = _erasures(conn)
        for page in _pages(conn):
            salts = _salts(conn, page)
            for row in page:
                if problem := _chain_problem(row, checked + 1, prev):
                    raise VerificationError(
                        f"Audit entry {checked + 1} {problem}.", seq=checked + 1, next_step=_NEXT_STEP
                    )
                checked, prev = row[0], row[14]
                state = _values_state(row, salts, erased)
                if state == "changed":
                    raise VerificationError(
                        f"The values of audit entry {checked} were changed.",
                        seq=checked,
                        next_step=_NEXT_STEP,
                    )
                erased_entries += state == "erased"
                found = found or prev == head
    if not found:
        raise VerificationError(
            f"The trail is intact up to entry {checked}, but lacks the head {head}: later entries were removed.",
            next_step=_NEXT_STEP,
        )
    return Verified(checked, prev, erased_entries)


def _pages(conn: Connection) -> Iterator[Sequence[Sequence[Any]]]:
    a = t.audit.c
    last = None
    while True:
        query = sa.select(*(a[name] for name in _COLUMNS)).order_by(a.seq).limit(_ENTRIES_A_PAGE)
        page = conn.execute(query if last is None else query.where(a.seq > last)).all()
        if not page:
            return
        yield page
        last = page[-1][0]


def _chain_problem(row: Sequence[Any], expected: int, prev: str) -> str:
    """Say what is wrong with the place or the hash of an entry; "" when nothing is."""
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
        its_prev,
        its,
    ) = row[:15]
    if seq != expected:
        return "is missing" if seq > expected else "has a number that was never given"
    if its_prev != prev:
        return "does not follow the entry before it"
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
        "prev": its_prev,
        "property": property_,
        "run": run,
        "seq": seq,
        "values_digest": digest,
    }  # the keys stand in canonical order: sorting them again would cost a tenth of the time
    return "" if sha256(orjson.dumps(entry)).hexdigest() == its else "was changed"


def _values_state(row: Sequence[Any], salts: Mapping[str, bytes], erased: Mapping[str, int]) -> str:
    """Tell whether an entry's values are held, erased with their contact, or changed."""
    before, after, reason = row[15:18]
    is_contact = row[5] == "contact"
    salt = salts.get(row[6], b"") if is_contact else b""
    if values_digest(salt, before, after, reason) == row[12]:
        return "held"
    was_erased = is_contact and before is after is reason is None and erased.get(row[6], 0) > row[0]
    return "erased" if was_erased else "changed"


def _erasures(conn: Connection) -> Mapping[str, int]:
    a = t.audit.c
    query = sa.select(a.id, sa.func.max(a.seq).label("last")).where(a.kind == "contact.erased").group_by(a.id)
    return {row.id: row.last for row in conn.execute(query)}


def _salts(conn: Connection, page: Sequence[Sequence[Any]]) -> Mapping[str, bytes]:
    return read_salts(conn, list({row[6] for row in page if row[5] == "contact" and row[6] is not None}))
