"""
Condition -> narwhals expression of three values: true, false and null for unknown.

Comparisons and Boolean operators of Polars and Spark are Kleene's, so the logic of section 4 needs no special case.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never, cast

import narwhals as nw

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    Duration,
    EvidenceSatisfied,
    FactType,
    Gate,
    Not,
    Operator,
    Test,
)
from crmsync.definition.text import fold


def all_of(parts: Iterable[nw.Expr]) -> nw.Expr:
    """Return Kleene's and; true when there are no parts."""
    exprs = list(parts)
    if len(exprs) == 1:
        return exprs[0]  # every expression saved is a tenth of a millisecond per plan
    return nw.all_horizontal(*exprs, ignore_nulls=False) if exprs else nw.lit(value=True)


def any_of(parts: Iterable[nw.Expr]) -> nw.Expr:
    """Return Kleene's or; false when there are no parts."""
    exprs = list(parts)
    if len(exprs) == 1:
        return exprs[0]
    return nw.any_horizontal(*exprs, ignore_nulls=False) if exprs else nw.lit(value=False)


class Truths:
    """
    Builds the expressions of conditions.

    Args:
        column: name of the column that holds a fact.
        count: name of the column that holds the number of events of a count.
        gate: name of the column that holds a gate, already resolved for the contact's campaign.
    """

    def __init__(
        self,
        as_of_us: int,
        column: Callable[[str], str],
        count: Callable[[Count], str],
        gate: Callable[[str], str],
    ) -> None:
        self.as_of_us = as_of_us
        self.column = column
        self._count = count
        self._gate = gate

    def of(self, condition: Condition) -> nw.Expr:
        match condition:
            case Test():
                return holds(nw.col(self.column(condition.fact)), condition, self.as_of_us)
            case Count():
                number = nw.col(self._count(condition))
                return all_of(holds(number, test, self.as_of_us) for test in condition.tests)
            case EvidenceSatisfied():
                return nw.col("evidence_satisfied")
            case Gate(gate_id):
                return nw.col(self._gate(gate_id))
            case All(parts):
                return all_of(self.of(part) for part in parts)
            case AnyOf(parts):
                return any_of(self.of(part) for part in parts)
            case Not(part):
                return ~self.of(part)
            case _:
                assert_never(condition)


def holds(fact: nw.Expr, test: Test, as_of_us: int) -> nw.Expr:
    """Return the truth of one test on a typed column; null where the fact is null, but for `known`."""
    if test.operator is Operator.KNOWN:
        return ~fact.is_null() if test.value else fact.is_null()
    match test.type:
        case FactType.TEXT:
            return _text(fact, test)
        case FactType.NUMBER:
            return _number(fact, test)
        case FactType.DATE:
            return _date(fact, test, as_of_us)
        case FactType.BOOL:
            return fact if bool(test.value) is (test.operator is Operator.IS) else ~fact
        case FactType.LIST:
            return _list(fact, test)
        case _:
            assert_never(test.type)


def _never(fact: nw.Expr) -> nw.Expr:
    """Return false for what is known and null for the rest."""
    return fact != fact  # noqa: PLR0124 - keeps null null


def _text(fact: nw.Expr, test: Test) -> nw.Expr:
    choices = [fold(str(value)) for value in _choices(test)]
    match test.operator:
        case Operator.IS:
            return fact == choices[0]
        case Operator.IS_NOT:
            return fact != choices[0]
        case Operator.IN:
            return _is_in(fact, choices)
        case Operator.NOT_IN:
            return ~_is_in(fact, choices)
        case Operator.STARTS_WITH:
            return fact.str.starts_with(choices[0])
        case Operator.ENDS_WITH:
            return fact.str.ends_with(choices[0])
        case _:  # contains, contains_any
            return any_of(_contains(fact, choices)) if choices else _never(fact)


def _list(fact: nw.Expr, test: Test) -> nw.Expr:
    """Test a list, which is text with `;` around every part, so that no part holds one."""
    folded = [fold(str(value)) for value in _choices(test)]
    parts = [f";{value};" for value in folded if value and ";" not in value]
    common = any_of(_contains(fact, parts)) if parts else _never(fact)
    return ~common if test.operator is Operator.NOT_IN else common


def _contains(fact: nw.Expr, choices: Iterable[str]) -> list[nw.Expr]:
    return [fact.str.contains(choice, literal=True) for choice in choices]


def _is_in(fact: nw.Expr, choices: Sequence[str] | Sequence[float]) -> nw.Expr:
    if len(choices) == 1:
        return fact == choices[0]
    return fact.is_in(choices) if choices else _never(fact)


def _choices(test: Test) -> tuple[object, ...]:
    return test.value if isinstance(test.value, tuple) else (test.value,)


def _number(fact: nw.Expr, test: Test) -> nw.Expr:
    numbers = [float(cast("float", value)) for value in _choices(test)]
    match test.operator:
        case Operator.IS:
            return fact == numbers[0]
        case Operator.IS_NOT:
            return fact != numbers[0]
        case Operator.IN:
            return _is_in(fact, numbers)
        case Operator.NOT_IN:
            return ~_is_in(fact, numbers)
        case Operator.AT_LEAST:
            return fact >= numbers[0]
        case Operator.MORE_THAN:
            return fact > numbers[0]
        case Operator.AT_MOST:
            return fact <= numbers[0]
        case Operator.LESS_THAN:
            return fact < numbers[0]
        case _:  # between, inclusive
            return (fact >= numbers[0]) & (fact <= numbers[1])


def _date(fact: nw.Expr, test: Test, as_of_us: int) -> nw.Expr:
    span_us = cast("Duration", test.value).us
    if test.operator is Operator.WITHIN:
        return (fact <= as_of_us) & (fact >= as_of_us - span_us)
    return fact < as_of_us - span_us
