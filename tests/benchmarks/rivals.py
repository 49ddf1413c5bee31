"""The same 30 criteria in Python by hand, zen-engine and rule-engine: a row -> fit, engagement, grade."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Conditional,
    Count,
    Counted,
    Criterion,
    Definition,
    Not,
    Operator,
    Recency,
    Table,
    Test,
)
from crmsync.definition.text import fold

DAY_US = 86_400_000_000
Scores = tuple[float, float, str]
Row = dict[str, Any]


def by_hand(row: Row, now: int) -> Scores:
    """What a careful engineer would write for this one agreement."""
    industry, country, title = row["industry"], row["country"], row["title"]
    employees, opted_out = row["employees"], row["opted_out"]
    fit = 25.0 if industry in ("software", "finance") else 0.0
    fit += 10.0 if country in ("be", "nl") else -20.0
    if employees is not None:
        fit += -20.0 if employees < 20 else 30.0 if employees < 1000 else 10.0
        fit += 4.0 if 50 <= employees <= 500 else 0.0
        fit += 6.0 if employees > 200 and country == "be" else 0.0
    fit += 12.0 if "vp" in title else 0.0
    fit += 5.0 if title.startswith("head") else 0.0
    fit += -15.0 if industry == "hospital" else 0.0
    fit += -5.0 if opted_out else 0.0
    fit += 3.0 if country != "de" else 0.0
    fit += 2.0 if title == "cto" or industry == "retail" else 0.0
    fit += 1.0
    demo = pricing = met3 = touched = recent = pricing_ever = ebook = visit = read = 0.0
    demos = pricing7 = met30 = visits7 = ebooks365 = any90 = any30 = 0
    for kind, at, form, path in row["events"]:
        age = (now - at) / DAY_US
        any90 += age <= 90
        any30 += age <= 30
        if kind == "forms" and form in ("book a demo", "contact sales"):
            demos += 1
            demo += 0.5 ** (age / 45) if age <= 90 else 0
            touched += age <= 365
            recent += age <= 7
        elif kind == "forms" and form.startswith("ebook"):
            ebook += 0.5 ** (age / 30) if age <= 90 else 0
            ebooks365 += age <= 365
            read += age <= 180
        elif kind == "meetings":
            met3 += 0.5 ** (age / 30) if age <= 60 else 0
            met30 += age <= 30
            touched += age <= 365
        elif kind == "pages":
            visit += 0.5 ** (age / 15) if age <= 30 else 0
            visits7 += age <= 7
            read += age <= 180
            if path.startswith("/pricing"):
                pricing += 0.5 ** (age / 10) if age <= 30 else 0
                pricing7 += age <= 7
                pricing_ever += 0.5 ** (age / 60)
    product = min(50 * demo, 50) + min(12 * pricing, 36) + (10 if pricing7 >= 2 else 0) + 20 * met3
    product += (5 if met30 >= 1 else 0) + 3 * touched + (4 * recent if country in ("be", "nl") else 0)
    product += (6 if demos >= 2 else 0) + min(2 * pricing_ever, 8)
    content = min(5 * ebook, 10) + min(visit, 10) + (4 if visits7 >= 3 else 0) + min(read, 5)
    content += 2 if ebooks365 >= 1 else 0
    negative = (-25 if any90 == 0 else 0) + (-10 if opted_out else 0) + (-5 if any30 == 0 else 0)
    negative += -3 if "student" in title or "intern" in title else 0
    engagement = min(max(product, 0), 80) + min(max(content, 0), 25) + negative
    return _banded(fit, engagement)


def _banded(fit: float, engagement: float) -> Scores:
    fit, engagement = round(min(max(fit, 0), 100), 6), round(min(max(engagement, -40), 100), 6)
    tier = next((name for name, least in (("A", 60), ("B", 40), ("C", 20)) if fit >= least), "D")
    level = next((name for name, least in (("1", 60), ("2", 30)) if engagement >= least), "3")
    return fit, engagement, tier + level


# --- the two engines, from the definition's nouns


class Dialect:
    """How an engine writes what differs."""

    def __init__(self, *, starts: str, contains: str, count: str, decayed: str) -> None:
        self.starts = starts
        self.contains = contains
        self.count = count
        self.decayed = decayed


ZEN = Dialect(
    starts="startsWith({fact}, {text})",
    contains="contains({fact}, {text})",
    count="len(filter(events, {match}))",
    decayed="sum(map(filter(events, {match}), 0.5 ^ ((now - #.at) / {half})))",
)
RULE = Dialect(
    starts="{fact}.starts_with({text})",
    contains="{text} in {fact}",
    count="([e for e in events if {match}]).length",
    decayed="$sum([0.5 ** ((now - e.at) / {half}) for e in events if {match}])",
)


class Translator:
    """Condition or criterion -> expression text of one engine."""

    def __init__(self, definition: Definition, dialect: Dialect, event: str) -> None:
        self.definition = definition
        self.dialect = dialect
        self.event = event

    def test(self, test: Test, fact: str) -> str:
        guard = f"{fact} != null and " if test.fact == "employees" else ""  # the one that may be unknown
        match test.operator:
            case Operator.KNOWN:
                return f"({fact} != null)"
            case Operator.STARTS_WITH:
                return self.dialect.starts.format(fact=fact, text=_literal(test.value))
            case Operator.CONTAINS:
                return self.dialect.contains.format(fact=fact, text=_literal(test.value))
            case Operator.CONTAINS_ANY | Operator.IN:
                assert isinstance(test.value, tuple)
                one = Operator.CONTAINS if test.operator is Operator.CONTAINS_ANY else Operator.IS
                parts = (self.test(Test(test.fact, test.type, one, value), fact) for value in test.value)
                return f"({' or '.join(parts)})"
            case Operator.BETWEEN:
                assert isinstance(test.value, tuple)
                low, high = test.value
                return f"({guard}{fact} >= {low} and {fact} <= {high})"
            case _:
                sign = {"is": "==", "at_least": ">=", "more_than": ">", "less_than": "<"}[test.operator.value]
                return f"({guard}{fact} {sign} {_literal(test.value)})"

    def condition(self, condition: Condition) -> str:
        match condition:
            case Test():
                return self.test(condition, condition.fact)
            case Count():
                return " and ".join(self.test(test, self.count(condition)) for test in condition.tests)
            case All(parts):
                return f"({' and '.join(self.condition(part) for part in parts)})"
            case AnyOf(parts):
                return f"({' or '.join(self.condition(part) for part in parts)})"
            case Not(part):
                return f"(not {self.condition(part)})"
        raise AssertionError(condition)

    def match(self, names: Iterable[str], within_us: int | None) -> str:
        sets = " or ".join("true" if name == "any" else self.is_event(name) for name in names)
        window = "" if within_us is None else f" and {self.event}.at >= now - {within_us}"
        return f"({sets}){window}"

    def is_event(self, name: str) -> str:
        kind = self.definition.events[name]
        where = "" if kind.where is None else f" and {self.attribute(kind.where)}"
        return f'({self.event}.kind == "{kind.source}"{where})'

    def attribute(self, where: Condition) -> str:
        assert isinstance(where, Test)
        return self.test(where, f"{self.event}.{where.fact}")

    def count(self, count: Count) -> str:
        within_us = count.within.us if count.within else None
        return self.dialect.count.format(match=self.match(count.events, within_us))

    def criterion(self, criterion: Criterion) -> list[tuple[str, float]]:
        """Return pairs of truth and points, the first true one counts; a sum is one pair with points."""
        match criterion:
            case Recency():
                within_us = criterion.within.us if criterion.within else None
                match = self.match(criterion.events, within_us)
                if criterion.half_life is None:
                    return [(self.dialect.count.format(match=match), criterion.points)]
                return [
                    (self.dialect.decayed.format(match=match, half=criterion.half_life.us), criterion.points)
                ]
            case Counted():
                return [(self.condition(criterion.count), criterion.points)]
            case Conditional():
                otherwise = [("true", criterion.else_points)] if criterion.else_points is not None else []
                return [(self.condition(criterion.when), criterion.points), *otherwise]
            case Table():
                return [(self.row(row.tests, criterion.fact), row.points) for row in criterion.rows]

    def row(self, tests: tuple[Test, ...], fact: str) -> str:
        return " and ".join(self.test(test, fact) for test in tests) or f"({fact} != null)"


def _literal(value: object) -> str:
    return f'"{fold(value)}"' if isinstance(value, str) else str(value).lower()


Evaluate = Callable[[Row], Any]


class Engine:
    """Scores with one expression per truth, compiled once; sums and limits in Python for both engines alike."""

    def __init__(
        self, definition: Definition, translator: Translator, compiled: Callable[[str], Evaluate]
    ) -> None:
        self.definition = definition
        self.criteria = {
            criterion.id: [(compiled(text), points) for text, points in translator.criterion(criterion)]
            for criterion in definition.criteria()
        }
        self.whens = {
            criterion.id: compiled(translator.condition(criterion.when))
            for criterion in definition.criteria()
            if criterion.when is not None and not isinstance(criterion, Conditional)
        }

    def points(self, criterion: Criterion, row: Row) -> float:
        if criterion.id in self.whens and not self.whens[criterion.id](row):
            return 0.0
        for evaluate, points in self.criteria[criterion.id]:
            value = evaluate(row)
            if isinstance(criterion, Recency):
                score = float(value or 0) * points
                return min(score, criterion.cap) if criterion.cap is not None else score
            if value:
                return points
        return 0.0

    def scores(self, row: Row) -> Scores:
        fit = sum(self.points(criterion, row) for criterion in self.definition.fit.criteria)
        engagement = 0.0
        for group in self.definition.engagement.groups:
            subtotal = sum(self.points(criterion, row) for criterion in group.criteria)
            limits = group.range
            engagement += subtotal if limits is None else min(max(subtotal, limits.low), limits.high)
        return _banded(fit, engagement)


def zen_engine(definition: Definition) -> Callable[[Row], Scores]:
    import zen

    def compiled(text: str) -> Evaluate:
        return zen.compile_expression(text).evaluate

    return Engine(definition, Translator(definition, ZEN, "#"), compiled).scores


def rule_engine(definition: Definition) -> Callable[[Row], Scores]:
    import rule_engine as engine  # type: ignore[import-untyped]  # it ships no types

    context = engine.Context(default_value=None)

    def compiled(text: str) -> Evaluate:
        evaluate: Evaluate = engine.Rule(text, context=context).evaluate
        return evaluate

    return Engine(definition, Translator(definition, RULE, "e"), compiled).scores


def agree(one: Scores, other: Scores) -> bool:
    return (
        one[2] == other[2]
        and math.isclose(one[0], other[0], abs_tol=1e-5)
        and math.isclose(one[1], other[1], abs_tol=1e-5)
    )
