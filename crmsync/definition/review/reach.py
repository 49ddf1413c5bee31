"""
Condition + the events that could have happened -> whether it can be true. For lint: what is enough, what is not.

Facts are free: each may have any value. The answer errs towards yes, never towards no.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from crmsync.definition.evaluation.scoring import next_letter, next_level
from crmsync.definition.nouns import (
    ANY_SOURCES,
    All,
    AnyOf,
    Band,
    Condition,
    Conditional,
    Count,
    Counted,
    Criterion,
    Definition,
    EvidenceSatisfied,
    FactType,
    Gate,
    Not,
    Operator,
    Range,
    Recency,
    Table,
    Test,
    walk,
)
from crmsync.definition.text import fold

_OPPOSITE = {
    Operator.AT_LEAST: Operator.LESS_THAN,
    Operator.LESS_THAN: Operator.AT_LEAST,
    Operator.MORE_THAN: Operator.AT_MOST,
    Operator.AT_MOST: Operator.MORE_THAN,
    Operator.IS: Operator.IS_NOT,
    Operator.IS_NOT: Operator.IS,
    Operator.IN: Operator.NOT_IN,
    Operator.NOT_IN: Operator.IN,
}


@dataclass(frozen=True)
class Reach:
    """
    What can come true when only certain events happened.

    Attributes:
        events: the names that may have happened; `any` among them stands for an event no name matches.
        most: how often in all, 1 or infinity.
    """

    definition: Definition
    events: frozenset[str]
    most: float = math.inf

    def can(self, condition: Condition, *, fail: bool = False) -> bool:
        """Return whether the condition can be true (or, with `fail`, false)."""
        match condition:
            case Test():
                return self._test(condition, fail=fail)
            case Count():
                return self._count(condition, fail=fail)
            case EvidenceSatisfied():
                return fail or self._evidence()
            case Not(part):
                return self.can(part, fail=not fail)
            case Gate(condition=part):
                return self.can(part, fail=fail)
            case All(parts):
                return (any if fail else all)(self.can(part, fail=fail) for part in parts)
            case AnyOf(parts):
                return (all if fail else any)(self.can(part, fail=fail) for part in parts)

    def needs(self, condition: Condition, idle: "Reach") -> bool:
        """Return whether the condition can come true in a way that `idle`, with fewer events, does not allow."""
        return self._ways(condition, idle, fail=False)[1]

    def _ways(self, condition: Condition, idle: "Reach", *, fail: bool) -> tuple[bool, bool]:
        """Return whether there is a way that `idle` has, too, and whether there is one it has not."""
        match condition:
            case Not(part):
                return self._ways(part, idle, fail=not fail)
            case Gate(condition=part):
                return self._ways(part, idle, fail=fail)
            case All(parts) | AnyOf(parts):
                ways = [self._ways(part, idle, fail=fail) for part in parts]
                if isinstance(condition, All) is not fail:
                    is_possible = all(shared or own for shared, own in ways)
                    return all(shared for shared, _ in ways), is_possible and any(own for _, own in ways)
                return any(shared for shared, _ in ways), any(own for _, own in ways)
            case _:
                can, could = self.can(condition, fail=fail), idle.can(condition, fail=fail)
                return can and could, can and not could

    def happens(self, names: Iterable[str]) -> bool:
        """Return whether an event of one of these names can have happened."""
        return any(name in self.events for name in names) or ("any" in names and self._is_any_possible)

    @cached_property
    def _is_any_possible(self) -> bool:
        kinds = self.definition.events
        return any(name not in kinds or kinds[name].source in ANY_SOURCES for name in self.events)

    def _test(self, test: Test, *, fail: bool) -> bool:
        if test.fact in self.definition.facts:
            return True
        if test.type is FactType.NUMBER and (bounds := self._scores.get(test.fact)):
            return _number_can(test, bounds, fail=fail)
        if (names := self._names(test.fact)) is not None:
            return any(_text_holds(test, name) is not fail for name in names)
        return True

    def _count(self, count: Count, *, fail: bool) -> bool:
        bounds = Range(0, self.most if self.happens(count.events) else 0)
        held = (_number_can(test, bounds, fail=fail) for test in count.tests)
        return any(held) if fail else all(held)

    def _evidence(self) -> bool:
        rule = self.definition.evidence
        if rule is None:
            return False
        found = {item.name for item in rule.items if self.can(item.condition)}
        return len(found) >= rule.require and found.issuperset(rule.must_include)

    @cached_property
    def _scores(self) -> dict[str, Range]:
        definition = self.definition
        points = {criterion.id: self._points(criterion) for criterion in definition.criteria()}
        groups = {
            group.name: _limited((points[criterion.id] for criterion in group.criteria), group.range)
            for group in definition.engagement.groups
        }
        fit = definition.fit
        items = definition.evidence.items if definition.evidence else ()
        return {
            "fit": _limited((points[criterion.id] for criterion in fit.criteria), fit.range),
            "engagement": _limited(groups.values(), definition.engagement.range),
            "completeness": Range(0 if fit.key_facts else 1, 1),
            "evidence.count": Range(0, sum(self.can(item.condition) for item in items)),
            **{f"engagement.{name}": bounds for name, bounds in groups.items()},
            **{f"points.{name}": bounds for name, bounds in points.items()},
        }

    def _points(self, criterion: Criterion) -> Range:
        values = list(self._values(criterion))
        is_always = isinstance(criterion, Conditional) or criterion.when is None
        if not is_always or not values:
            values.append(0)
        return Range(min(values), max(values))

    def _values(self, criterion: Criterion) -> Iterator[float]:
        match criterion:
            case Recency():
                yield 0
                if self.happens(criterion.events) and (criterion.when is None or self.can(criterion.when)):
                    yield _capped(criterion, self.most)
            case Counted():
                if self.can(criterion.count):
                    yield criterion.points
                if self.can(criterion.count, fail=True):
                    yield 0
            case Conditional():
                if self.can(criterion.when):
                    yield criterion.points
                if self.can(criterion.when, fail=True):
                    yield criterion.else_points or 0
                if any(isinstance(part, Test) for part in walk(criterion.when)):
                    yield 0  # unknown
            case Table():
                yield 0
                yield from (row.points for row in criterion.rows)

    def _names(self, fact: str) -> list[str] | None:
        if fact not in {"tier", "level", "grade"}:
            return None
        definition = self.definition
        tiers = _reachable(definition.fit.tiers, self._scores["fit"], next_letter)
        levels = _reachable(definition.engagement.levels, self._scores["engagement"], next_level)
        match fact:
            case "tier":
                return tiers
            case "level":
                return levels
            case "grade":
                return [tier + level for tier in tiers for level in levels]
            case _:
                return None


def _capped(criterion: Recency, most: float) -> float:
    total = criterion.points * most if criterion.points else 0
    if criterion.cap is None:
        return total
    return min(total, criterion.cap) if total > 0 else max(total, -criterion.cap)


def _limited(parts: Iterable[Range], limits: Range | None) -> Range:
    parts = list(parts)
    low, high = sum(part.low for part in parts), sum(part.high for part in parts)
    if limits is None:
        return Range(low, high)
    return Range(*(min(max(value, limits.low), limits.high) for value in (low, high)))


def _reachable(
    bands: tuple[Band, ...], bounds: Range, below_last: Callable[[Sequence[Band]], str]
) -> list[str]:
    if not bands:
        return []
    ceilings = (math.inf, *(band.least for band in bands))
    reached = [
        band.name
        for band, ceiling in zip(bands, ceilings, strict=False)
        if bounds.high >= band.least and bounds.low < ceiling
    ]
    return [*reached, below_last(bands)] if bounds.low < bands[-1].least else reached


def _number_can(test: Test, bounds: Range, *, fail: bool) -> bool:
    low, high = bounds.low, bounds.high
    operator = _OPPOSITE.get(test.operator, test.operator) if fail else test.operator
    match operator, test.value:
        case Operator.AT_LEAST, float(least):
            return high >= least
        case Operator.MORE_THAN, float(limit):
            return high > limit
        case Operator.AT_MOST, float(most):
            return low <= most
        case Operator.LESS_THAN, float(limit):
            return low < limit
        case Operator.IS, float(value):
            return low <= value <= high
        case Operator.IS_NOT, float(value):
            return not low == high == value
        case Operator.IN, tuple(values):
            return any(isinstance(value, float) and low <= value <= high for value in values)
        case Operator.NOT_IN, tuple(values):
            return low != high or low not in values
        case Operator.BETWEEN, (float(least), float(most)):
            return (low < least or high > most) if fail else (high >= least and low <= most)
        case Operator.KNOWN, bool(known):
            return known is not fail
        case _:
            return True


def _text_holds(test: Test, text: str) -> bool:
    folded = fold(text)
    choices = [fold(str(v)) for v in (test.value if isinstance(test.value, tuple) else (test.value,))]
    match test.operator:
        case Operator.IS | Operator.IN:
            return folded in choices
        case Operator.IS_NOT | Operator.NOT_IN:
            return folded not in choices
        case Operator.CONTAINS | Operator.CONTAINS_ANY:
            return any(choice in folded for choice in choices)
        case Operator.STARTS_WITH:
            return folded.startswith(choices[0])
        case Operator.ENDS_WITH:
            return folded.endswith(choices[0])
        case Operator.KNOWN:
            return test.value is True
        case _:
            return True
