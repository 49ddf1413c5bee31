"""Which entries of the trail a person asks for -> their numbers, quickly whatever is asked of a million entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import ContactId, RunId
from crmsync.store import tables as t
from crmsync.store.compact import definition_from
from crmsync.store.instants import to_text
from crmsync.store.mirror.contacts import family
from crmsync.store.writer import CLOCK_WENT_BACK

_FEW = 5_000  # so many numbers are sorted at once in a few milliseconds
_FEW_SORTS = 60
_COUNTABLE = timedelta(days=40)  # the hours of a longer window are too many to add up
_Condition = sa.ColumnElement[bool]


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

    def of_kind(self, column: sa.ColumnElement[str]) -> _Condition:
        """Let pass what is of this kind, or of this family. There must be one."""
        kind = self.kind or ""
        return column.startswith(kind, autoescape=True) if kind.endswith(".") else column == kind


EVERYTHING = AuditFilter()


def oldest(conn: Connection, where: AuditFilter, *, after: int, limit: int) -> Sequence[int]:
    """Return the numbers of the entries behind `after`, ascending."""
    return _found(conn, where, [t.audit.c.seq > after], t.audit.c.seq.asc(), limit)


def newest(conn: Connection, where: AuditFilter, *, before: int | None, limit: int) -> Sequence[int]:
    """Return the numbers of the newest entries before `before`, descending."""
    bounds = [] if before is None else [t.audit.c.seq < before]
    return _found(conn, where, bounds, t.audit.c.seq.desc(), limit)


def _found(
    conn: Connection,
    where: AuditFilter,
    bounds: Sequence[_Condition],
    order: sa.ColumnElement[int],
    limit: int,
) -> Sequence[int]:
    """
    Choose what leads to the entries: one index, or walking along the numbers where most entries fit.

    A database cannot know which: it would sort a million entries of a frequent kind, or walk past a million to find
    one of a rare cause. All other conditions stand where no index can serve them.
    """
    a = t.audit.c
    leading = _leading(conn, where)
    if leading is None:
        return ()
    rest = [_plain(column) == value for column, value in _equalities(where)]
    if where.kind is not None:
        rest.append(where.of_kind(_plain(a.kind)))
    rest = rest if leading else _walked(rest)
    if where.definition is not None:
        rest.append(_of_definition(conn, where.definition))
    query = sa.select(a.seq).where(*leading, *rest, *bounds, *between(conn, where.since, where.until))
    return conn.scalars(query.order_by(order).limit(limit)).all()


def _leading(conn: Connection, where: AuditFilter) -> Sequence[_Condition] | None:
    """Return the conditions that an index serves; none of them: walk. None: no entry can fit."""
    a = t.audit.c
    if where.contact is not None:
        return [a.id.in_(family(conn, where.contact)), a.object == "contact"]
    if where.kind is not None or where.cause is not None or where.property is not None:
        sorts = _sorts(conn, where)
        if not sorts:
            return None
        if sum(sort.count_ for sort in sorts) <= _FEW and len(sorts) <= _FEW_SORTS:
            return [sa.or_(*(_of_sort(sort) for sort in sorts))]
    if where.actor is not None and where.actor != "crmsync":
        return [a.actor == where.actor, sa.literal_column(t.OTHERS, sa.Boolean)]
    return [] if where.run is None else [a.run == where.run]


def _plain(column: sa.Column[str]) -> sa.ColumnElement[str]:
    """Name the column so that no index serves it."""
    return sa.func.coalesce(column, "")


def _walked(conditions: list[_Condition]) -> list[_Condition]:
    """Let half of the entries seem to fit: PostgreSQL reads and sorts all of them where it expects fewer than asked."""
    return [sa.case((sa.and_(*conditions), sa.true()), else_=sa.false())] if conditions else []


def _equalities(where: AuditFilter) -> list[tuple[sa.Column[str], str]]:
    a = t.audit.c
    asked = (
        (a.cause, where.cause),
        (a.property, where.property),
        (a.actor, where.actor),
        (a.run, where.run),
    )
    return [(column, value) for column, value in asked if value is not None]


def _sorts(conn: Connection, where: AuditFilter) -> Sequence[sa.Row[Any, Any, Any, Any]]:
    """Return the sorts of entries that fit, each with how many there are (in the window, where that is short)."""
    totals: sa.Table = t.audit_totals
    window = []
    if where.since is not None and where.until is not None and where.until - where.since <= _COUNTABLE:
        totals = t.audit_tallies
        window = [totals.c.hour >= to_text(where.since)[:13], totals.c.hour <= to_text(where.until)[:13]]
    c = totals.c
    if where.kind is not None:
        window.append(where.of_kind(c.kind))
    window += [c.cause == where.cause] if where.cause is not None else []
    window += [c.property == where.property] if where.property is not None else []
    query = sa.select(c.kind, c.cause, c.property, sa.func.sum(c["count"]).label("count_")).where(*window)
    return conn.execute(query.group_by(c.kind, c.cause, c.property)).all()


def _of_sort(sort: sa.Row[Any, Any, Any, Any]) -> _Condition:
    a = t.audit.c
    cause, name = sort.cause, sort.property
    return sa.and_(
        a.kind == sort.kind,
        a.cause.is_(None) if cause == "" else a.cause == cause,
        a.property.is_(None) if name == "" else a.property == name,
    )


def _of_definition(conn: Connection, wanted: str) -> _Condition:
    a = t.audit.c
    spans = []
    for text, first, last in conn.execute(sa.select(t.definition_spans)):
        ref = definition_from(text)
        if wanted in {ref.version, ref.sha256, ref.id, f"{ref.id} {ref.version}"}:
            spans.append(sa.and_(a.definition == text, a.seq >= first, a.seq <= last))
    return sa.or_(sa.false(), *spans)


def between(conn: Connection, since: datetime | None, until: datetime | None) -> list[_Condition]:
    """
    Turn instants into bounds of seq, so that the newest entries are found without sorting all of them.

    Entries are in the order of their instants unless the clock once went back: then the instants themselves count.
    """
    a = t.audit.c
    disorder = conn.scalar(sa.select(t.meta.c.key).where(t.meta.c.key == CLOCK_WENT_BACK)) is not None
    found: list[_Condition] = []
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
