"""The audit trail as people ask for it: filtered pages, runs, counts. Made for a million entries."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import STAGE, ContactId, Draft, Entry, RunId
from crmsync.store import tables as t
from crmsync.store.audit import CLOCK_WENT_BACK, OUTCOMES
from crmsync.store.canonical import FIRST_PREV
from crmsync.store.compact import definition_from
from crmsync.store.contacts import family
from crmsync.store.instants import from_text, to_text


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """
    Which entries; None lets everything pass.

    Attributes:
        contact: an id; the entries of contacts merged with it belong to it.
        kind: `change.applied`, or a family of kinds with a dot at its end: `change.`.
        definition: the version, id or sha256 of a definition.
        since, until: appended in [since, until).
    """

    contact: ContactId | None = None
    kind: str | None = None
    cause: str | None = None
    property: str | None = None
    actor: str | None = None
    definition: str | None = None
    run: RunId | None = None
    since: datetime | None = None
    until: datetime | None = None


_STAGE_CHANGES = ("change.applied", "change.foreign")
EVERYTHING = AuditFilter()


@dataclass(frozen=True, slots=True)
class Head:
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
class StageMove:
    """How many contacts moved between two stages. `kind` is change.applied (ours) or change.foreign."""

    kind: str
    before: str | None
    after: str | None
    cause: str | None
    count: int


def entries(
    conn: Connection, where: AuditFilter, *, before: int | None, after: int | None, limit: int
) -> tuple[Entry, ...]:
    a = t.audit.c
    query = sa.select(t.audit).where(*conditions(conn, where)).limit(limit)
    if before is not None:
        query = query.where(a.seq < before)
    if after is None:
        return tuple(entry_from(row) for row in conn.execute(query.order_by(a.seq.desc())).mappings())
    rows = conn.execute(query.where(a.seq > after).order_by(a.seq)).mappings().all()
    return tuple(entry_from(row) for row in reversed(rows))


def conditions(conn: Connection, where: AuditFilter) -> list[sa.ColumnElement[bool]]:
    a = t.audit.c
    found: list[sa.ColumnElement[bool]] = []
    if where.contact is not None:
        found += [a.id.in_(family(conn, where.contact)), a.object == "contact"]
    if where.kind is not None:
        found += _of_kind(conn, where.kind)
    if where.definition is not None:
        found.append(_of_definition(conn, where.definition))
    if where.actor is not None:
        found.append(a.actor == where.actor)
        found += [sa.literal_column(t.OTHERS)] if where.actor != "crmsync" else []
    for column, value in (
        (a.cause, where.cause),
        (a.property, where.property),
        (a.run, where.run),
    ):
        if value is not None:
            found.append(column == value)
    return [*found, *_between(conn, where.since, where.until)]


def _between(
    conn: Connection, since: datetime | None, until: datetime | None
) -> list[sa.ColumnElement[bool]]:
    """
    Turn instants into bounds of seq, so that the newest entries are found without sorting all of them.

    Entries are in the order of their instants unless the clock once went back: then the instants themselves count.
    """
    a = t.audit.c
    disorder = conn.scalar(sa.select(t.meta.c.key).where(t.meta.c.key == CLOCK_WENT_BACK)) is not None
    found: list[sa.ColumnElement[bool]] = []
    for instant, is_since in ((since, True), (until, False)):
        if instant is None:
            continue
        text = to_text(instant)
        if disorder:
            found.append(a.at >= text if is_since else a.at < text)
            continue
        first = conn.scalar(sa.select(a.seq).where(a.at >= text).order_by(a.at, a.seq).limit(1))
        if is_since:
            found.append(sa.false() if first is None else a.seq >= first)
        elif first is not None:
            found.append(a.seq < first)
    return found


def outcome_of(conn: Connection, seq: int) -> Entry | None:
    a = t.audit.c
    intent = conn.execute(sa.select(a.id).where(a.seq == seq)).first()
    if intent is None:
        return None
    # by contact: `of` has no index of its own
    query = sa.select(t.audit).where(a.id == intent.id, a.seq > seq, a.of == seq, a.kind.in_(OUTCOMES))
    row = conn.execute(query.order_by(a.seq).limit(1)).mappings().first()
    return None if row is None else entry_from(row)


def outcomes_of(conn: Connection, intents: Sequence[Entry]) -> Mapping[int, Entry]:
    """Return the outcomes of some intents, by the intent's seq; those without one are absent."""
    a = t.audit.c
    contacts = {entry.draft.id for entry in intents}
    query = sa.select(t.audit).where(
        a.id.in_(contacts),  # by contact: `of` has no index of its own
        a.seq > min((entry.seq for entry in intents), default=0),
        a.of.in_([entry.seq for entry in intents]),
        a.kind.in_(OUTCOMES),
    )
    found = [entry_from(row) for row in conn.execute(query.order_by(a.seq)).mappings()]
    return {entry.draft.of: entry for entry in found if entry.draft.of is not None}


def runs(conn: Connection, *, before: int | None, limit: int) -> tuple[RunLine, ...]:
    a = t.audit.c
    query = sa.select(t.audit).where(*_of_kind(conn, "run.started")).order_by(a.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(a.seq < before)
    return _run_lines(conn, [entry_from(row) for row in conn.execute(query).mappings()])


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


def counts(conn: Connection, since: datetime, until: datetime, zone: tzinfo) -> tuple[Count, ...]:
    """Count the whole hours of [since, until)."""
    c = t.audit_tallies.c
    query = (
        sa.select(c.hour, c.kind, c.cause, c.property, c.before, c.after, c.count)
        .where(c.hour >= to_text(since)[:13], c.hour < to_text(until)[:13])
        .order_by(c.hour, c.kind, c.cause, c.property, c.before, c.after)
    )
    found: Counter[tuple[date, str, str, str, str, str]] = Counter()
    for hour, kind, cause, name, before, after, count in conn.execute(query):
        day = from_text(f"{hour}:00:00Z").astimezone(zone).date()
        found[day, kind, cause, name, before, after] += count
    return tuple(
        Count(day, kind, cause or None, name or None, before or None, after or None, count)
        for (day, kind, cause, name, before, after), count in found.items()
    )


def stage_moves(conn: Connection, since: datetime, until: datetime) -> tuple[StageMove, ...]:
    """Count applied and foreign stage changes in the whole hours of [since, until)."""
    found: Counter[tuple[str, str | None, str | None, str | None]] = Counter()
    for one in counts(conn, since, until, UTC):
        if one.property == STAGE and one.kind in _STAGE_CHANGES:
            found[one.kind, one.before, one.after, one.cause] += one.count
    return tuple(StageMove(*key, count) for key, count in found.items())


def choices(conn: Connection, field: str) -> tuple[str, ...]:
    """Return the values a filter can take, from what was counted while appending."""
    c = t.audit_tallies.c
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


def _of_kind(conn: Connection, kind: str) -> list[sa.ColumnElement[bool]]:
    a = t.audit.c
    if kind.endswith("."):
        return [a.kind.in_([known for known in choices(conn, "kind") if known.startswith(kind)])]
    if kind in t.FREQUENT_KINDS:
        return [a.kind == kind]
    return [a.kind == kind, sa.literal_column(t.RARE_KIND)]  # said as the partial index says it


def _of_definition(conn: Connection, wanted: str) -> sa.ColumnElement[bool]:
    a = t.audit.c
    spans = []
    for text, first, last in conn.execute(sa.select(t.definition_spans)):
        ref = definition_from(text)
        if wanted in {ref.version, ref.sha256, ref.id, f"{ref.id} {ref.version}"}:
            spans.append(sa.and_(a.definition == text, a.seq >= first, a.seq <= last))
    return sa.or_(sa.false(), *spans)


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
