"""Parts of an explanation (JSON) -> the conditions they tell of, with what they saw, in words."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    Definition,
    Duration,
    EvidenceSatisfied,
    FactType,
    Not,
    Operator,
    Test,
)
from crmsync.definition.wording.words import both, count_phrase, number, percent, phrase, spaced, stage_label
from crmsync.model import Json

_UPWARD = {"at_least", "more_than"}
_SHOWN = ("tier", "level", "grade", "stage")


def condition_of(part: Json, definition: Definition) -> Condition:
    """Return the condition that a part of an explanation tells of, as the contact's campaign had it."""
    if "condition" in part:
        return condition_of(part["condition"], definition)
    if "all" in part:
        return All(tuple(condition_of(inner, definition) for inner in part["all"]))
    if "any" in part:
        return AnyOf(tuple(condition_of(inner, definition) for inner in part["any"]))
    if "not" in part:
        return Not(condition_of(part["not"], definition))
    if "counts" in part:
        return _count(part)
    if part["fact"] == "evidence":
        return EvidenceSatisfied()
    return _test(part["fact"], part, definition)


def leaves(part: Json, *, truth: bool) -> Iterator[Json]:
    """Yield the tests and counts below that are what they should be; an `any` or `not` counts as one."""
    if (part["truth"] is True) is not truth:
        return
    if "condition" in part:
        yield from leaves(part["condition"], truth=truth)
    elif "all" in part:
        for inner in part["all"]:
            yield from leaves(inner, truth=truth)
    elif "any" in part and truth:
        first = next((inner for inner in part["any"] if inner["truth"] is True), None)
        yield from leaves(first, truth=True) if first else ()
    else:
        yield part


def told(part: Json, definition: Definition) -> str:
    """Return the condition and, where it is missing something, what is there now; never a text from the portal."""
    condition = condition_of(part, definition)
    text = count_phrase(condition) if isinstance(condition, Count) else phrase(condition, definition)
    now = "" if part["truth"] is True else _now(part, definition)
    return f"{text} ({now})" if now else text


def is_about_scores(part: Json) -> bool:
    fact = part.get("fact", "")
    return fact in {"tier", "level", "grade", "completeness"} or fact.split(".")[0] in {
        "fit",
        "engagement",
        "points",
    }


def _count(part: Json) -> Count:
    tests = tuple(
        Test("count", FactType.NUMBER, Operator(test["operator"]), _wanted(test)) for test in part["tests"]
    )
    within = None if part["within"] is None else Duration(0, part["within"])
    return Count(tuple(part["counts"]), within, tests)


def _test(fact: str, part: Json, definition: Definition) -> Test:
    declared = definition.facts.get(fact)
    kind = declared.type if declared else FactType.NUMBER if _is_number(part["wants"]) else FactType.TEXT
    return Test(fact, kind, Operator(part["operator"]), _wanted(part))


def _wanted(part: Mapping[str, Any]) -> Any:
    wants = part["wants"]
    if part["operator"] in {"within", "before"}:
        return Duration(0, wants)
    return tuple(wants) if isinstance(wants, list) else wants


def _is_number(wants: object) -> bool:
    first = wants[0] if isinstance(wants, list) and wants else wants
    return isinstance(first, float) and not isinstance(first, bool)


def _now(part: Json, definition: Definition) -> str:
    fact: str = part.get("fact", "")
    saw: Any = part.get("saw")
    if "counts" in part:
        return f"so far {number(saw)}" if saw else ""
    if fact == "evidence":
        return f"still open: {both(map(spaced, saw['missing']))}"
    if saw is None:
        return "not known" if fact and part.get("operator") != "known" else ""
    if fact == "completeness":
        return f"now {percent(saw)}"
    if fact in _SHOWN:
        return f"now {stage_label(saw) if fact == 'stage' else saw}"
    return _number_now(part, definition) if isinstance(saw, float) and fact else ""


def _number_now(part: Json, definition: Definition) -> str:
    """Return a score or a number of the company or its deals, rounded away from the limit it does not reach."""
    declared = definition.facts.get(part["fact"])
    if declared and any(path.of == "contact" for path in declared.paths):
        return ""
    whole = math.floor(part["saw"]) if part["operator"] in _UPWARD else math.ceil(part["saw"])
    return f"now {number(whole)}"
