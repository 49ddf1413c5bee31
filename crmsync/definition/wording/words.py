"""Conditions, spans, numbers and names -> the words that both teams use. No sentence is built anywhere else."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    Definition,
    Duration,
    EventKind,
    EvidenceSatisfied,
    Fact,
    FactType,
    Gate,
    Not,
    Operator,
    Scalar,
    Test,
    Wanted,
)

_STAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "marketingqualifiedlead": ("MQL", "marketing qualified lead"),
        "salesqualifiedlead": ("SQL", "sales qualified lead"),
    }
)
TIMES = "\N{MULTIPLICATION SIGN}"
_UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week"}
_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "calls": "a call",
        "emails": "a one-to-one sales e-mail",
        "meetings": "a meeting",
        "notes": "a note",
        "tasks": "a task",
        "communications": "a message (SMS, WhatsApp, LinkedIn)",
        "forms": "a form submission",
        "pages": "a page view",
        "counter": "each increase of",
        "date": "each new date in",
    }
)
CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "fit": "it does not fit",
        "data": "its facts are wrong or missing",
        "timing": "the time is not right",
    }
)
_NUMBERS: Mapping[Operator, str] = MappingProxyType(
    {
        Operator.AT_LEAST: "at least",
        Operator.MORE_THAN: "more than",
        Operator.AT_MOST: "at most",
        Operator.LESS_THAN: "less than",
    }
)
_SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "tier": "fit",
        "fit": "the fit score",
        "engagement": "engagement",
        "level": "the engagement level",
        "stage": "the stage",
        "campaign": "the campaign",
        "outcome": "the outcome",
        "evidence.count": "the number of facts in evidence",
    }
)
_DEALS: Mapping[str, str] = MappingProxyType(
    {
        "open": "the number of open deals",
        "won": "the number of won deals",
        "lost": "the number of lost deals",
        "open_amount": "the amount of open deals",
        "won_amount": "the amount of won deals",
    }
)


def stage_label(stage: str | None) -> str:
    """Return what people call a stage: MQL, lead; a custom one is called as the portal does."""
    if stage is None:
        return "no stage"
    return _STAGES[stage][0] if stage in _STAGES else stage


def stage_name(stage: str) -> str:
    """Return the name in full: `MQL (marketing qualified lead)`."""
    return "{} ({})".format(*_STAGES[stage]) if stage in _STAGES else stage


def source_label(kind: EventKind) -> str:
    """Return what an event is, e.g. `a form submission`."""
    return f"{_SOURCES[kind.source]} {kind.of}" if kind.of else _SOURCES[kind.source]


def event_label(name: str) -> str:
    return "event of any kind" if name == "any" else spaced(name)


def spaced(name: str) -> str:
    """Return a name as words: `demo_request` is `demo request`."""
    return name.replace("_", " ")


def number(value: float) -> str:
    """Return at most six decimals, and none where there are none; thousands apart."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def short(value: float, limits: Collection[object] = ()) -> str:
    """Return at most two decimals; all of them of a limit, and where two would seem to reach one that is missed."""
    near = round(value, 2)
    return number(value if near in limits or value in limits else near)


def signed(value: float) -> str:
    """Return the number with its sign, as points are written."""
    return f"+{number(value)}" if value > 0 else number(value)


def percent(share: float) -> str:
    return f"{number(share * 100)} %"


def span(duration: Duration) -> str:
    """Return `90d` as `90 days`."""
    match = re.fullmatch(r"([0-9]+)([mhdw])", duration.text)
    if match is None:
        return duration.text
    return counted(int(match[1]), _UNITS[match[2]])


def lately(duration: Duration) -> str:
    """Return `in the last 90 days`, `in the last day`."""
    return f"in the last {span(duration).removeprefix('1 ')}"


def counted(count: float, noun: str) -> str:
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def either(names: Iterable[str]) -> str:
    """Return `a, b or c`."""
    return _joined(list(names), "or")


def both(names: Iterable[str]) -> str:
    """Return `a, b and c`."""
    return _joined(list(names), "and")


def _joined(names: Sequence[str], last: str) -> str:
    if len(names) < 2:
        return "".join(names) or "nothing"
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


# --- conditions


def phrase(condition: Condition, definition: Definition) -> str:
    """Return the condition as one clause, e.g. `fit is A or B`."""
    match condition:
        case Test():
            return _test(condition, definition)
        case Count():
            return f"there {_was(condition)} {count_phrase(condition)}"
        case EvidenceSatisfied():
            return _evidence(definition)
        case Gate(condition=part):
            return phrase(part, definition)
        case Not(part):
            return f"it is not so that {phrase(part, definition)}"
        case All(parts):
            return ", and ".join(_part(part, definition) for part in parts) or "always"
        case AnyOf(parts):
            return ", or ".join(_part(part, definition) for part in parts) or "never"


def _part(condition: Condition, definition: Definition) -> str:
    inner = condition.condition if isinstance(condition, Gate) else condition
    text = phrase(inner, definition)
    return f"({text})" if isinstance(inner, All | AnyOf) and len(inner.parts) > 1 else text


def count_phrase(count: Count) -> str:
    """Return e.g. `a demo request in the last 7 days`, `no meeting held at any time`."""
    when = lately(count.within) if count.within else "at any time"
    return " and ".join(f"{_times(test, count.events)} {when}" for test in count.tests)


def _was(count: Count) -> str:
    return "was" if count_phrase(count).startswith(("a ", "an ", "no ")) else "were"


def tests_phrase(tests: Sequence[Test]) -> str:
    """Return what tests on one fact ask, without naming it: `is at least 35`."""
    return " and ".join(_predicate(test) for test in tests)


def _times(test: Test, events: Sequence[str]) -> str:
    what = either(event_label(name) for name in events)
    many = f" {TIMES} {what}" if "any" not in events else " events of any kind"
    match test.operator, test.value:
        case (Operator.AT_LEAST, 1.0) | (Operator.MORE_THAN, 0.0):
            return article(what)
        case (Operator.IS | Operator.AT_MOST, 0.0) | (Operator.LESS_THAN, 1.0):
            return f"no {what}"
        case operator, float(value) if operator in _NUMBERS:
            return f"{_NUMBERS[operator]} {number(value)}{many}"
        case Operator.IS, float(value):
            return f"exactly {number(value)}{many}"
        case Operator.BETWEEN, (float(low), float(high)):
            return f"{number(low)} to {number(high)}{many}"
        case _:
            return f"a number of {what} that {_predicate(test)}"


def _evidence(definition: Definition) -> str:
    rule = definition.evidence
    if rule is None:
        return "the evidence is complete"
    if rule.require == len(rule.items):
        return f"the evidence is complete ({both(spaced(item.name) for item in rule.items)})"
    text = f"at least {rule.require} of the {counted(len(rule.items), 'fact')} in evidence are known"
    return f"{text}, among them {both(map(spaced, rule.must_include))}" if rule.must_include else text


def _test(test: Test, definition: Definition) -> str:
    if test.fact == "completeness":
        return _completeness(test, definition)
    if test.fact == "disqualified":
        is_so = test.value is (test.operator is Operator.IS)
        return "the contact is disqualified" if is_so else "the contact is not disqualified"
    if test.fact == "days_in_stage":
        return f"the number of days in the stage {_predicate(test)}"
    return f"{subject(test.fact, definition)} {_predicate(test)}"


def subject(fact: str, definition: Definition) -> str:
    """Return what a fact is called in a sentence."""
    head, _, tail = fact.partition(".")
    if fact in _SUBJECTS:
        return _SUBJECTS[fact]
    if head == "engagement":
        return f"{spaced(tail)} engagement"
    if head == "points":
        return f"the score of {tail}"
    if fact in definition.facts:
        return _fact_label(definition.facts[fact])
    return "the duration in seconds" if fact == "duration" else spaced(fact)


def _fact_label(fact: Fact) -> str:
    if len(fact.paths) == 1 and fact.paths[0].of == "deals":
        return _DEALS[fact.paths[0].name]
    return spaced(fact.name)


def _completeness(test: Test, definition: Definition) -> str:
    facts = both(spaced(name) for name in definition.fit.key_facts)
    match test.operator, test.value:
        case operator, float(share) if operator in _NUMBERS:
            return f"{_NUMBERS[operator]} {percent(share)} of the key facts ({facts}) are known"
        case Operator.IS, float(share):
            return f"exactly {percent(share)} of the key facts ({facts}) are known"
        case Operator.BETWEEN, (float(low), float(high)):
            return f"{percent(low)} to {percent(high)} of the key facts ({facts}) are known"
        case _:
            return f"the share of key facts that are known {_predicate(test)}"


def _predicate(test: Test) -> str:
    if test.type is FactType.LIST and test.operator is not Operator.KNOWN:
        return _list_predicate(test)
    value = test.value
    match test.operator:
        case Operator.KNOWN:
            return "is known" if value is True else "is not known"
        case Operator.IS:
            return f"is {_literal(test, value)}"
        case Operator.IS_NOT:
            return f"is not {_literal(test, value)}"
        case Operator.IN:
            return f"is {either(_literals(test))}"
        case Operator.NOT_IN:
            return f"is not {either(_literals(test))}"
        case Operator.BETWEEN:
            return "is between {} and {}".format(*_literals(test))
        case Operator.WITHIN if isinstance(value, Duration):
            return f"was {lately(value)}"
        case Operator.BEFORE if isinstance(value, Duration):
            return f"was more than {span(value)} ago"
        case Operator.CONTAINS:
            return f"contains “{_literal(test, value)}”"
        case Operator.CONTAINS_ANY:
            return f"contains {either(f'“{literal}”' for literal in _literals(test))}"
        case Operator.STARTS_WITH:
            return f"starts with “{_literal(test, value)}”"
        case Operator.ENDS_WITH:
            return f"ends with “{_literal(test, value)}”"
        case operator:
            return f"is {_NUMBERS[operator]} {_literal(test, value)}"


def _list_predicate(test: Test) -> str:
    literals = _literals(test)
    if test.operator is Operator.NOT_IN:
        return f"includes none of {both(literals)}"
    return f"includes {either(literals)}"


def _literals(test: Test) -> list[str]:
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    return [_literal(test, value) for value in values]


def _literal(test: Test, value: Wanted | Scalar) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return number(value)
        case str() if test.fact == "stage":
            return stage_label(value)
        case _:
            return str(value)
