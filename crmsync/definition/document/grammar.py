"""Nodes -> conditions: section 4. Every test is checked against the type of its fact while it is read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from crmsync.definition.document.place import DOTTED, Place
from crmsync.definition.document.tree import TextNode
from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    EvidenceSatisfied,
    FactType,
    Gate,
    Not,
    Operator,
    Position,
    Scalar,
    Test,
    Wanted,
)

_NUMBER_OPERATORS = (
    Operator.IS,
    Operator.IS_NOT,
    Operator.IN,
    Operator.NOT_IN,
    Operator.AT_LEAST,
    Operator.MORE_THAN,
    Operator.AT_MOST,
    Operator.LESS_THAN,
    Operator.BETWEEN,
    Operator.KNOWN,
)
OPERATORS: Mapping[FactType, tuple[Operator, ...]] = {
    FactType.TEXT: (
        Operator.IS,
        Operator.IS_NOT,
        Operator.IN,
        Operator.NOT_IN,
        Operator.CONTAINS,
        Operator.CONTAINS_ANY,
        Operator.STARTS_WITH,
        Operator.ENDS_WITH,
        Operator.KNOWN,
    ),
    FactType.NUMBER: _NUMBER_OPERATORS,
    FactType.DATE: (Operator.WITHIN, Operator.BEFORE, Operator.KNOWN),
    FactType.BOOL: (Operator.IS, Operator.IS_NOT, Operator.KNOWN),
    FactType.LIST: (Operator.IN, Operator.NOT_IN, Operator.CONTAINS, Operator.KNOWN),
}
_SEVERAL = {Operator.IN, Operator.NOT_IN, Operator.CONTAINS_ANY}
_SPANS = {Operator.WITHIN, Operator.BEFORE}
_OPERATOR_NAMES = frozenset(operator.value for operator in Operator)
RESERVED_WORDS = ("all", "any", "not", "id")


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What a condition may speak of where it stands.

    Attributes:
        facts: name -> type of everything that may be tested here.
        refused: name -> why it may not be tested here, for names that exist elsewhere.
        events: the declared names, for `event.<name>`; None: events may not be counted here.
        evidence: `evidence: satisfied` may stand here.
        gates: gate ids seen so far and where; None: gates may not stand here.
        noun: what messages call the names in `facts`.
    """

    facts: Mapping[str, FactType]
    refused: Mapping[str, str] = field(default_factory=dict)
    events: Collection[str] | None = None
    evidence: bool = False
    gates: dict[str, Position] | None = None
    noun: str = "fact"


def read_condition(place: Place, scope: Scope) -> Condition | None:
    """Return the condition; None when any part of it has a problem, which was reported."""
    entries = place.entries()
    if not place.is_mapping:
        return None
    gate_id = _gate_id(entries.pop("id", None), scope)
    read = [_part(key, child, place, scope) for key, child in entries.items()]
    parts = tuple(part for part in read if part is not None)
    if len(parts) < len(read):
        return None
    condition = parts[0] if len(parts) == 1 else All(parts)
    return condition if gate_id is None else Gate(gate_id, condition)


def _gate_id(place: Place | None, scope: Scope) -> str | None:
    if place is None:
        return None
    gate_id = place.name(DOTTED)
    if scope.gates is None:
        place.problem("a gate (`id` inside a condition) may stand in `stages.rules` only")
        return None
    if gate_id is not None:
        first = scope.gates.setdefault(gate_id, place.node.at)
        if first != place.node.at:
            place.problem(f"gate id `{gate_id}` is already used on line {first.line}; gate ids are unique")
    return gate_id


def _part(key: str, child: Place, parent: Place, scope: Scope) -> Condition | None:
    match key:
        case "all" | "any":
            return _several(key, child, scope)
        case "not":
            part = read_condition(child, scope)
            return None if part is None else Not(part)
        case "evidence" if scope.evidence:
            return _evidence(child)
        case _ if key.startswith("event.") and scope.events is not None:
            return _event_count(key.removeprefix("event."), child, parent, scope.events)
        case _ if key in scope.facts:
            return conjunction(read_tests(child, key, scope.facts[key]))
        case _:
            _report_unknown_fact(key, parent, scope)
            return None


def _several(key: str, child: Place, scope: Scope) -> Condition | None:
    if not child.is_list:
        child.problem(f"`{key}` takes a list of conditions, not {child.kind}")
        return None
    read = [read_condition(item, scope) for item in child.items()]
    parts = tuple(part for part in read if part is not None)
    if len(parts) < len(read):
        return None
    return All(parts) if key == "all" else AnyOf(parts)


def _evidence(child: Place) -> Condition | None:
    if isinstance(child.node, TextNode) and child.node.value == "satisfied":
        return EvidenceSatisfied()
    child.problem(f"must be `satisfied`, not {child.kind}; test `evidence.count` for a number")
    return None


def _event_count(name: str, child: Place, parent: Place, events: Collection[str]) -> Count | None:
    if name != "any" and name not in events:
        parent.unknown_key("event", name, events, prefix="event.")
        return None
    return read_count(child, (name,), default=(_at_least_one(),))


def _at_least_one() -> Test:
    return Test("count", FactType.NUMBER, Operator.AT_LEAST, 1.0)


def read_count(place: Place, events: tuple[str, ...], *, default: tuple[Test, ...] = ()) -> Count | None:
    """Read `{within, <number test>}` beside any `event` key; without a test the default holds."""
    if not place.is_mapping:
        tests = read_tests(place, "count", FactType.NUMBER)
        return None if tests is None else Count(events, None, tests)
    entries = place.entries()
    entries.pop("event", None)
    within_place = entries.pop("within", None)
    within = within_place.duration() if within_place else None
    tests = read_operators(entries, place, "count", FactType.NUMBER)
    if tests is None or (within_place and within is None):
        return None
    if not tests and not default:
        place.problem(f"a count needs a number test: {', '.join(_NUMBER_OPERATORS[:-1])}")
        return None
    return Count(events, within, tests or default)


def conjunction(tests: tuple[Test, ...] | None) -> Condition | None:
    """Return one condition for tests which must all hold."""
    if tests is None:
        return None
    return tests[0] if len(tests) == 1 else All(tests)


def read_tests(place: Place, fact: str, fact_type: FactType) -> tuple[Test, ...] | None:
    """Read what stands behind a fact: a scalar means `is`, a list `in`, a mapping holds operators."""
    if not place.is_mapping:
        operator = Operator.IN if place.is_list else Operator.IS
        test = _test(operator, place, fact, fact_type)
        return None if test is None else (test,)
    entries = place.entries()
    if not entries:
        place.problem(f"no test; allowed for {fact_type}: {', '.join(OPERATORS[fact_type])}")
        return None
    return read_operators(entries, place, fact, fact_type)


def read_operators(
    entries: Mapping[str, Place], parent: Place, fact: str, fact_type: FactType
) -> tuple[Test, ...] | None:
    tests: list[Test | None] = []
    for key, child in entries.items():
        if key in _OPERATOR_NAMES:
            tests.append(_test(Operator(key), child, fact, fact_type))
        else:
            parent.unknown_key("operator", key, OPERATORS[fact_type], lead="allowed")
            tests.append(None)
    known = tuple(test for test in tests if test is not None)
    return known if len(known) == len(tests) else None


def _test(operator: Operator, place: Place, fact: str, fact_type: FactType) -> Test | None:
    if operator not in OPERATORS[fact_type]:
        allowed = ", ".join(OPERATORS[fact_type])
        place.problem(f"`{operator}` does not suit `{fact}`, which is {_a(fact_type)}; allowed: {allowed}")
        return None
    value = _wanted(operator, place, fact_type)
    return None if value is None else Test(fact, fact_type, operator, value)


def _a(fact_type: FactType) -> str:
    return "text" if fact_type is FactType.TEXT else f"a {fact_type}"


def _wanted(operator: Operator, place: Place, fact_type: FactType) -> Wanted | None:
    if operator is Operator.KNOWN:
        return place.boolean()
    if operator in _SPANS:
        return place.duration(zero=operator is Operator.BEFORE)
    if operator is Operator.BETWEEN:
        return place.pair()
    if operator in _SEVERAL:
        return _choices(place, fact_type)
    return _literal(place, fact_type)


def _choices(place: Place, fact_type: FactType) -> tuple[Scalar, ...] | None:
    if not place.is_list:
        place.problem(f"must be a list, not {place.kind}")
        return None
    read = [_literal(item, fact_type) for item in place.items()]
    choices = tuple(value for value in read if value is not None)
    return choices if len(choices) == len(read) else None


def _literal(place: Place, fact_type: FactType) -> Scalar | None:
    match fact_type:
        case FactType.NUMBER:
            return place.number()
        case FactType.BOOL:
            return place.boolean()
        case _:
            return _text_literal(place)


def _text_literal(place: Place) -> str | None:
    match place.node:
        case TextNode(value=str(value)):
            return value
        case TextNode(value=float(), text=text):
            return text  # a number tested against text is its text
        case TextNode(value=None):
            place.problem("must be text, not nothing; `known: false` asks for a value that is not there")
        case TextNode(text=text):
            place.problem(f'must be text, not {place.kind}; write "{text}" in quotes')
        case _:
            place.problem(f"must be text, not {place.kind}")
    return None


def _report_unknown_fact(key: str, parent: Place, scope: Scope) -> None:
    if key in scope.refused:
        parent.key_problem(key, scope.refused[key])
    elif key.startswith("event.") and scope.events is None:
        parent.key_problem(key, "events cannot be counted here")
    elif not parent.reports.is_full:
        known = [*scope.facts, *(f"event.{name}" for name in scope.events or ())]
        parent.unknown_key(scope.noun, key, known, lead="allowed")
