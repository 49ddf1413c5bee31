"""Counts of the trail over a period -> what changed, why, and by whom, as pages and reports tell it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from crmsync.insight.actors import Source, foreign_actor
from crmsync.model import STAGE, Stage

_PROMOTED = "promoted"
_ALONG = "along"  # written along with what changed: never a reason of its own


class Counted(Protocol):
    """How many entries of one sort a day has; `before` and `after` of the lifecycle stage only."""

    @property
    def day(self) -> date: ...
    @property
    def kind(self) -> str: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def before(self) -> str | None: ...
    @property
    def after(self) -> str | None: ...
    @property
    def count(self) -> int: ...
    @property
    def property(self) -> str | None: ...  # last: below it the name means this


class CountedActor(Protocol):
    """How many foreign changes of a property somebody made; `actor` as the trail has it."""

    @property
    def actor(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """
    A stage over the period.

    Attributes:
        contacts: how many are in it now.
        arrived, left: moves into and out of it, by whomever.
        by_others: of those that arrived, how many somebody else put there.
    """

    stage: Stage | None
    contacts: int
    arrived: int
    left: int
    by_others: int


@dataclass(frozen=True, slots=True)
class Day:
    """Stage changes of a day: ours upward, ours backward, everybody else's."""

    day: date
    promoted: int
    demoted: int
    by_others: int

    @property
    def count(self) -> int:
        return self.promoted + self.demoted + self.by_others

    @property
    def is_quiet(self) -> bool:
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Why:
    cause: str
    property: str
    count: int


@dataclass(frozen=True, slots=True)
class Moved:
    """How many contacts went from one stage to another; `kind` is change.applied (ours) or change.foreign."""

    kind: str
    cause: str
    before: Stage | None
    after: Stage | None
    count: int


@dataclass(frozen=True, slots=True)
class ByOthers:
    """`names`: by property, the most frequent first."""

    source: Source
    count: int
    names: Mapping[str, int]


def totals(counts: Iterable[Counted]) -> Counter[str]:
    """Count entries by kind."""
    found: Counter[str] = Counter()
    for one in counts:
        found[one.kind] += one.count
    return found


def whys(counts: Iterable[Counted]) -> tuple[Why, ...]:
    """Say what was applied and why, stage changes first, then the most frequent."""
    applied: Counter[tuple[str, str]] = Counter()
    for one in counts:
        is_why = one.cause not in {None, "", _ALONG} and not _is_second_half(one)
        if one.kind == "change.applied" and is_why:
            applied[one.cause or "", one.property or ""] += one.count
    ranked = sorted(applied.items(), key=lambda item: (item[0][1] != STAGE, -item[1], item[0]))
    return tuple(Why(cause, name, count) for (cause, name), count in ranked)


def flows(
    funnel: Mapping[Stage | None, int], order: Sequence[Stage], counts: Iterable[Counted]
) -> tuple[Flow, ...]:
    """Follow every stage: those of the definition in order, then others, then none at all."""
    arrived, left, by_others = Counter[str | None](), Counter[str | None](), Counter[str | None]()
    for one in counts:
        if not _is_stage_change(one):
            continue
        arrived[one.after] += one.count
        left[one.before] += one.count
        by_others[one.after] += one.count if one.kind == "change.foreign" else 0
    seen = {stage for stage in (*funnel, *arrived, *left) if stage} - set(order)
    return tuple(_flow(stage, funnel, arrived, left, by_others) for stage in (*order, *sorted(seen), None))


def _flow(
    stage: Stage | None,
    funnel: Mapping[Stage | None, int],
    arrived: Counter[str | None],
    left: Counter[str | None],
    by_others: Counter[str | None],
) -> Flow:
    """Of no stage at all, the moves cancel out: a move backward clears first, then sets."""
    passed = min(arrived[stage], left[stage]) if stage is None else 0
    return Flow(
        stage, funnel.get(stage, 0), arrived[stage] - passed, left[stage] - passed, by_others[stage] or 0
    )


def days(counts: Iterable[Counted], first: date, last: date) -> tuple[Day, ...]:
    """Count stage changes for every day from `first` to `last`, also those without any."""
    promoted, demoted, by_others = Counter[date](), Counter[date](), Counter[date]()
    for one in counts:
        if not _is_stage_change(one):
            continue
        if one.kind == "change.foreign":
            by_others[one.day] += one.count
        elif one.cause == _PROMOTED:
            promoted[one.day] += one.count
        elif not _is_second_half(one):
            demoted[one.day] += one.count
    span = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(Day(day, promoted[day], demoted[day], by_others[day]) for day in span)


def by_others(counts: Iterable[CountedActor]) -> tuple[ByOthers, ...]:
    """Group foreign changes by who made them, the most first."""
    found: dict[Source, Counter[str]] = {}
    for one in counts:
        found.setdefault(foreign_actor(one.actor).source, Counter())[one.name] += one.count
    grouped = [ByOthers(source, names.total(), dict(names.most_common())) for source, names in found.items()]
    return tuple(sorted(grouped, key=lambda one: (-one.count, one.source)))


def moves(counts: Iterable[Counted]) -> tuple[Moved, ...]:
    """
    Say how many contacts went from where to where, most first.

    A move backward is two changes, clear and set; counts alone tell which belong together when all came from one stage
    or all went to one. Otherwise both halves are told.
    """
    found: Counter[tuple[str, str, Stage | None, Stage | None]] = Counter()
    for one in counts:
        if _is_stage_change(one):
            found[one.kind, one.cause or "", one.before, one.after] += one.count
    for kind, cause in {key[:2] for key in found if key[0] == "change.applied" and key[1] != _PROMOTED}:
        _join(found, kind, cause)
    told = (Moved(*key, count) for key, count in found.items() if count)
    return tuple(sorted(told, key=lambda one: (-one.count, str(one))))


def _join(found: Counter[tuple[str, str, Stage | None, Stage | None]], kind: str, cause: str) -> None:
    """Make one move of its halves, in place, where it is clear which belong together."""
    cleared = {key: found[key] for key in found if key[:2] == (kind, cause) and key[2] and not key[3]}
    is_set = {key: found[key] for key in found if key[:2] == (kind, cause) and not key[2] and key[3]}
    if min(len(cleared), len(is_set)) != 1 or sum(cleared.values()) != sum(is_set.values()):
        return
    for first, out in cleared.items():
        for second, into in is_set.items():
            found[kind, cause, first[2], second[3]] += min(out, into)
    for half in (*cleared, *is_set):
        del found[half]


def _is_second_half(one: Counted) -> bool:
    """Whether a stage was set after it had been cleared: the second half of a move backward."""
    is_ours = one.property == STAGE and one.kind == "change.applied"
    return is_ours and one.before is None and one.cause != _PROMOTED


def _is_stage_change(one: Counted) -> bool:
    return one.property == STAGE and one.kind in {"change.applied", "change.foreign"}
