"""The audit trail as people ask for it: filtered pages, runs, counts. Made for a million entries."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import Draft, Entry, RunId, Sent
from crmsync.store import tables as t
from crmsync.store.audit import filtering
from crmsync.store.audit.filtering import EVERYTHING, AuditFilter
from crmsync.store.canonical import FIRST_PREV, storable
from crmsync.store.compact import definition_from
from crmsync.store.database import chunks
from crmsync.store.instants import from_text, to_text
from crmsync.store.writer import INTENDED, OUTCOMES

__all__ = [
    "EVERYTHING",
    "AuditFilter",
    "Count",
    "ForeignCount",
    "Head",
    "RunLine",
]  # what pages and commands ask with


_GRAIN = timedelta(milliseconds=1)  # of the instants of entries


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of the trail; seq 0 and 64 zeros before the first."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: its first and last entry and how many entries of each kind it has. `finished`: None when it crashed."""

    id: RunId
    started: Entry
    finished: Entry | None
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Count:
    """
    How many entries of one sort a day has.

    Attributes:
        day: a date in the zone asked for.
        before, after: of the lifecycle stage only; None for all other properties.
    """

    day: date
    kind: str
    cause: str | None
    property: str | None
    before: str | None
    after: str | None
    count: int


@dataclass(frozen=True, slots=True)
class ForeignCount:
    """How many times `actor` (HubSpot's `<sourceType> <sourceId>`) changed the property `name`."""

    actor: str
    name: str
    count: int


def entries(
    conn: Connection, where: AuditFilter, *, before: int | None, after: int | None, limit: int
) -> tuple[Entry, ...]:
    if after is None:
        seqs = filtering.newest(conn, where, before=before, limit=limit)
    else:
        seqs = filtering.oldest(conn, where, after=after, limit=limit)
        seqs = [seq for seq in reversed(seqs) if before is None or seq < before]
    return tuple(entry_from(row) for row in rows_of(conn, sorted(seqs, reverse=True)))


def rows_of(conn: Connection, seqs: Sequence[int]) -> Iterator[t.Row]:
    """Yield whole rows in the order of their numbers as given."""
    a = t.audit.c
    for some in chunks(seqs):
        found = {
            row["seq"]: row for row in conn.execute(sa.select(t.audit).where(a.seq.in_(some))).mappings()
        }
        yield from (found[seq] for seq in some)


def sent(conn: Connection, contact: str, property_name: str, value: str) -> Sent | None:
    a = t.audit.c
    query = sa.select(t.audit).where(
        a.id == contact, a.property == property_name, a.kind == INTENDED, a.after == storable(value)
    )
    row = conn.execute(query.order_by(a.seq.desc()).limit(1)).mappings().first()
    return None if row is None else Sent(entry_from(row), outcome_of(conn, row["seq"]))


def outcome_of(conn: Connection, seq: int) -> Entry | None:
    """Return the newest: one that was told too early is corrected by a later one."""
    a = t.audit.c
    intent = conn.execute(sa.select(a.id).where(a.seq == seq)).first()
    if intent is None:
        return None
    # by contact: `of` has no index of its own
    query = sa.select(t.audit).where(a.id == intent.id, a.seq > seq, a.of == seq, a.kind.in_(OUTCOMES))
    row = conn.execute(query.order_by(a.seq.desc()).limit(1)).mappings().first()
    return None if row is None else entry_from(row)


def outcomes_of(conn: Connection, intents: Sequence[Entry]) -> Mapping[int, Entry]:
    """Return the outcomes of some intents, by the intent's seq; those without one are absent."""
    a = t.audit.c
    contacts = {entry.draft.id for entry in intents}
    query = sa.select(t.audit).where(
        a.id.in_(contacts),  # by contact: `of` has no index of its own; by kind would read half of the trail
        a.seq > min((entry.seq for entry in intents), default=0),
        a.of.in_([entry.seq for entry in intents]),
    )
    found = [entry_from(row) for row in conn.execute(query.order_by(a.seq)).mappings()]
    return {entry.draft.of: entry for entry in found if entry.draft.of is not None}


def runs(conn: Connection, *, before: int | None, limit: int) -> tuple[RunLine, ...]:
    r = t.run_tallies.c
    query = sa.select(r.last_seq).where(r.kind == "run.started").order_by(r.last_seq.desc()).limit(limit)
    if before is not None:
        query = query.where(r.last_seq < before)
    return _run_lines(conn, [entry_from(row) for row in rows_of(conn, conn.scalars(query).all())])


def run(conn: Connection, run_id: RunId) -> RunLine | None:
    a = t.audit.c
    query = sa.select(t.audit).where(a.run == run_id).order_by(a.seq).limit(1)
    first = [entry_from(row) for row in conn.execute(query).mappings()]
    return next(iter(_run_lines(conn, first)), None)


def _run_lines(conn: Connection, started: Sequence[Entry]) -> tuple[RunLine, ...]:
    a, r = t.audit.c, t.run_tallies.c
    ids = [entry.draft.run for entry in started if entry.draft.run is not None]
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    ends: list[int] = []
    tallies = sa.select(r.run, r.kind, r.count, r.last_seq).where(r.run.in_(ids)).order_by(r.kind)
    for run_id, kind, count, last_seq in conn.execute(tallies):
        kinds[run_id][kind] = count
        ends += [last_seq] if kind == "run.finished" else []
    ended = conn.execute(sa.select(t.audit).where(a.seq.in_(ends))).mappings()
    finished = {row["run"]: entry_from(row) for row in ended}
    return tuple(
        RunLine(run_id, entry, finished.get(run_id), kinds[run_id])
        for entry in started
        if (run_id := entry.draft.run) is not None
    )


def counts(
    conn: Connection, since: datetime, until: datetime, zone: tzinfo, only: str | None
) -> tuple[Count, ...]:
    """Count every hour that [since, until) touches, also one that has just begun."""
    c = t.audit_tallies.c
    query = (
        sa.select(c.hour, c.kind, c.cause, c.property, c.before, c.after, c.count)
        .where(c.hour >= to_text(since)[:13], c.hour <= to_text(until - _GRAIN)[:13])
        .order_by(c.hour, c.kind, c.cause, c.property, c.before, c.after)
    )
    if only is not None:
        query = query.where(c.property == only)
    found: Counter[tuple[date, str, str, str, str, str]] = Counter()
    for hour, kind, cause, name, before, after, count in conn.execute(query):
        day = from_text(f"{hour}:00:00Z").astimezone(zone).date()
        found[day, kind, cause, name, before, after] += count
    return tuple(
        Count(day, kind, cause or None, name or None, before or None, after or None, count)
        for (day, kind, cause, name, before, after), count in found.items()
    )


def foreign(conn: Connection, since: datetime, until: datetime) -> tuple[ForeignCount, ...]:
    """Count what others changed, appended in [since, until), by who and which property."""
    a = t.audit.c
    name = sa.func.coalesce(a.property, "")
    query = (
        sa.select(a.actor, name, sa.func.count())
        .where(a.kind == "change.foreign", *filtering.between(conn, since, until))
        .group_by(a.actor, name)
        .order_by(sa.func.count().desc(), a.actor, name)
    )
    return tuple(ForeignCount(*row) for row in conn.execute(query))


def choices(conn: Connection, field: str) -> tuple[str, ...]:
    """Return the values a filter can take, from what was counted while appending."""
    c = t.audit_totals.c
    match field:
        case "kind" | "cause" | "property":
            query = sa.select(c[field]).where(c[field] != "").distinct().order_by(c[field])
        case "actor":
            return tuple(_walk(conn, t.audit.c.actor, sa.literal_column(t.OTHERS)))
        case _:
            query = sa.select(t.definition_spans.c.definition).order_by(t.definition_spans.c.first_seq)
    return tuple(conn.scalars(query))


def _walk(conn: Connection, column: sa.Column[str], where: sa.ColumnElement[bool]) -> Iterator[str]:
    """Go through an index from value to value: a few look-ups instead of all its rows."""
    value = conn.scalar(sa.select(sa.func.min(column)).where(where))
    while value is not None:
        yield value
        value = conn.scalar(sa.select(sa.func.min(column)).where(where, column > value))


def head(conn: Connection) -> Head:
    a = t.audit.c
    row = conn.execute(sa.select(a.seq, a.hash).order_by(a.seq.desc()).limit(1)).first()
    return Head(0, FIRST_PREV) if row is None else Head(row.seq, row.hash)


def entry_from(row: t.Row) -> Entry:
    definition, reason = row["definition"], row["reason"]
    draft = Draft(
        kind=row["kind"],
        run=row["run"],
        object=row["object"],
        id=row["id"],
        property=row["property"],
        before=row["before"],
        after=row["after"],
        of=row["of"],
        cause=row["cause"],
        definition=None if definition is None else definition_from(definition),
        reason=None if reason is None else orjson.loads(reason),
        actor=row["actor"],
    )
    at = from_text(row["at"])
    return Entry(row["seq"], at, row["portal"], draft, row["values_digest"], row["prev"], row["hash"])
