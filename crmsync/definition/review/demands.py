"""Conditions -> what they ask for without an alternative, and whether one asks more than another. For lint."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    Definition,
    Duration,
    EvidenceSatisfied,
    FactType,
    Gate,
    Not,
    Operator,
    Test,
)
from crmsync.definition.text import fold


def required_facts(condition: Condition, definition: Definition) -> set[str]:
    """Return the facts that must be known for the condition to hold, whichever way it comes true."""
    match condition:
        case Test(fact=fact, operator=operator, value=value):
            return set() if operator is Operator.KNOWN and value is False else {fact}
        case All(parts):
            return set[str]().union(*(required_facts(part, definition) for part in parts))
        case AnyOf(parts):
            each = [required_facts(part, definition) for part in parts]
            return set.intersection(*each) if each else set()
        case Gate(condition=part) | Not(part):
            return required_facts(part, definition)
        case EvidenceSatisfied():
            return _must_be_known(definition)
        case Count():
            return set()


def _must_be_known(definition: Definition) -> set[str]:
    rule = definition.evidence
    if rule is None:
        return set()
    needs_all = rule.require >= len(rule.items)
    items = [item for item in rule.items if needs_all or item.name in rule.must_include]
    return set[str]().union(*(required_facts(item.condition, definition) for item in items))


def asks_more(stay: Condition, enter: Condition) -> tuple[str, ...]:
    """
    Return what `stay` asks more of than `enter` does: a higher limit, fewer choices, a shorter window.

    Only facts and events that both ask for, without an alternative, are compared.
    """
    entering, staying = _demands(enter), _demands(stay)
    return tuple(what for what in staying if what in entering and staying[what].exceeds(entering[what]))


@dataclass(frozen=True)
class _Demand:
    """What is asked of one fact or event: at least and at most a number, one of some texts, within a span."""

    least: float = -math.inf
    most: float = math.inf
    choices: frozenset[str] | None = None
    within_us: float = math.inf

    def and_(self, other: "_Demand") -> "_Demand":
        choices = [demand.choices for demand in (self, other) if demand.choices is not None]
        return _Demand(
            max(self.least, other.least),
            min(self.most, other.most),
            frozenset.intersection(*choices) if choices else None,
            min(self.within_us, other.within_us),
        )

    def exceeds(self, other: "_Demand") -> bool:
        fewer = self.choices is not None and not (other.choices is not None and other.choices <= self.choices)
        return (
            self.least > other.least
            or self.most < other.most
            or fewer
            or (self.within_us < other.within_us and self.least > 0)
        )


def _demands(condition: Condition) -> dict[str, _Demand]:
    demands: dict[str, _Demand] = {}
    for what, demand in _each(condition):
        demands[what] = demands[what].and_(demand) if what in demands else demand
    return demands


def _each(condition: Condition) -> Iterator[tuple[str, _Demand]]:
    match condition:
        case All(parts):
            for part in parts:
                yield from _each(part)
        case Gate(condition=part):
            yield from _each(part)
        case Test():
            yield condition.fact, _demand(condition)
        case Count(events, within, tests):
            demand = _Demand(within_us=within.us if within else math.inf)
            for test in tests:
                demand = demand.and_(_demand(test))
            yield "event." + "+".join(sorted(events)), demand
        case _:
            return


def _demand(test: Test) -> _Demand:
    match test.operator, test.value:
        case Operator.AT_LEAST | Operator.MORE_THAN, float(limit):
            return _Demand(least=limit)
        case Operator.AT_MOST | Operator.LESS_THAN, float(limit):
            return _Demand(most=limit)
        case Operator.BETWEEN, (float(low), float(high)):
            return _Demand(least=low, most=high)
        case Operator.IS, float(value) if test.type is FactType.NUMBER:
            return _Demand(least=value, most=value)
        case Operator.IS, bool() | str() as value:
            return _Demand(choices=frozenset({fold(str(value))}))
        case Operator.IN, tuple(values):
            return _Demand(choices=_folded(values))
        case Operator.WITHIN, Duration(us=us):
            return _Demand(least=1, within_us=us)
        case _:
            return _Demand()


def _folded(values: Iterable[object]) -> frozenset[str]:
    return frozenset(fold(str(value)) for value in values)
