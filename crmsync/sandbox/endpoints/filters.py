"""One filter of a search: its JSON -> a test of a record, and what it narrows a scan to."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from crmsync.sandbox.state.kinds import BY_NAME, Kind
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.schema import Property
from crmsync.sandbox.state.world import World
from crmsync.sandbox.times import DAY, SECOND, read_day, read_instant
from crmsync.sandbox.wire import ApiError, Body, an_id, an_object

Test = Callable[[Record], bool]
Span = tuple[int | None, int | None]
MOST_ID = 1 << 62
OPERATORS = frozenset({
    "LT", "LTE", "GT", "GTE", "EQ", "NEQ", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Attributes:
        span: for an instant, the closed interval in milliseconds outside of which nothing matches.
        ids: the only ids that can match; None when any can.
    """

    name: str
    holds: Test
    span: Span | None = None
    ids: tuple[int, ...] | None = None


def read_filter(world: World, kind: Kind, given: Any) -> Filter:
    """*Raises* ApiError 400."""
    given = an_object(given, "filters[]")
    name, operator = str(given.get("propertyName", "")), str(given.get("operator", ""))
    if operator not in OPERATORS:
        raise ApiError(
            400, f"Invalid input JSON on line 1, column 1: operator {operator[:40]!r} is not supported"
        )
    if name.startswith("associations."):
        if operator not in {"EQ", "IN"}:
            raise ApiError(400, f"operator {operator} is not supported for {name[:80]}")
        return _associated(world, kind, name, _wanted(given, operator))
    if _is_dead(kind, name):
        return Filter(name, lambda _: False, ids=())
    one = world.schemas[kind.name].get(name)
    if one is None:
        raise ApiError(400, f"There was a problem with the request: property {name[:80]} does not exist")
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        wanted = operator == "HAS_PROPERTY"
        return Filter(name, lambda record: bool(record.text(name)) is wanted)
    return _comparing(kind, one, operator, given)


def _is_dead(kind: Kind, name: str) -> bool:
    """Each kind is searched by one date of change only; the other one matches nothing."""
    return name in {"lastmodifieddate", "hs_lastmodifieddate"} and name != kind.cursor


def _wanted(given: Body, operator: str) -> list[str]:
    """The values of a filter as texts. *Raises* ApiError 400."""
    if operator in {"IN", "NOT_IN"}:
        values = given.get("values")
        if not isinstance(values, list) or not values:
            raise ApiError(400, f"operator {operator} requires a list of values")
        return [str(value) for value in values]
    found = [given.get("value")] + ([given.get("highValue")] if operator == "BETWEEN" else [])
    if any(value is None or value == "" for value in found):
        raise ApiError(400, f"operator {operator} requires a value")
    return [str(value) for value in found]


def _comparing(kind: Kind, one: Property, operator: str, given: Body) -> Filter:
    wanted = _wanted(given, operator)
    if one.type in {"datetime", "date"}:
        return _instants(kind, one, operator, wanted)
    if one.name == "hs_object_id" or one.type == "number":
        return _numbers(one, operator, wanted)
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        return _tokens(one, operator, wanted[0])
    return _texts(one, operator, wanted)


def _instants(kind: Kind, one: Property, operator: str, wanted: list[str]) -> Filter:
    """Lower bounds lose their milliseconds, so a search returns a little of what was before. *Source*: section 3."""
    found = [_instant(one, text) for text in wanted]
    if operator in {"GTE", "GT", "BETWEEN"} and one.type == "datetime":
        found[0] -= found[0] % SECOND
    at = _instant_of(kind, one)
    span: Span | None = {
        "GTE": (found[0], None), "GT": (found[0], None), "LTE": (None, found[0]), "LT": (None, found[0]),
        "EQ": (found[0], found[0]), "BETWEEN": (found[0], found[-1]),
    }.get(operator)  # fmt: skip
    test = _compared(operator, found)
    return Filter(one.name, lambda record: (ms := at(record)) is not None and test(ms), span)


def _instant(one: Property, text: str) -> int:
    ms = read_instant(text)
    if ms is None and one.type == "date" and (day := read_day(text)):
        ms = read_instant(day)
    if ms is None:
        raise ApiError(400, f"{text[:40]!r} is not a valid date for {one.name}")
    return ms - ms % DAY if one.type == "date" else ms


def _instant_of(kind: Kind, one: Property) -> Callable[[Record], int | None]:
    if one.name == kind.cursor:
        return lambda record: record.updated_ms
    if one.name == kind.created:
        return lambda record: record.created_ms
    return lambda record: read_instant(text) if (text := record.text(one.name)) else None


def _compared(operator: str, wanted: list[Any]) -> Callable[[Any], bool]:
    first, last, several = wanted[0], wanted[-1], frozenset(wanted)
    tests: dict[str, Callable[[Any], bool]] = {
        "LT": lambda held: held < first,
        "LTE": lambda held: held <= first,
        "GT": lambda held: held > first,
        "GTE": lambda held: held >= first,
        "EQ": lambda held: held == first,
        "NEQ": lambda held: held != first,
        "BETWEEN": lambda held: first <= held <= last,
        "IN": lambda held: held in several,
        "NOT_IN": lambda held: held not in several,
    }
    if operator not in tests:
        raise ApiError(400, f"operator {operator} is not supported for this property")
    return tests[operator]


def _numbers(one: Property, operator: str, wanted: list[str]) -> Filter:
    if one.name == "hs_object_id":
        ids = _read_numbers(one, wanted)
        test = _compared(operator, ids)
        narrow = tuple(int(id_) for id_ in ids if abs(id_) < MOST_ID) if operator in {"EQ", "IN"} else None
        return Filter(one.name, lambda record: test(record.id), ids=narrow)
    test = _compared(operator, _read_numbers(one, wanted))

    def holds(record: Record) -> bool:
        try:
            return test(float(record.text(one.name)))
        except ValueError:
            return False

    return Filter(one.name, holds)


def _read_numbers(one: Property, wanted: Iterable[str]) -> list[float]:
    try:
        return [float(text) if "." in text else int(text) for text in wanted]
    except ValueError as error:
        raise ApiError(400, f"a value is not a valid number for {one.name}") from error


def _texts(one: Property, operator: str, wanted: list[str]) -> Filter:
    """Case counts for enumerations; other texts ignore it, but IN wants its values in lower case."""
    name = one.name
    if one.type == "enumeration":
        if one.field_type == "checkbox" and operator in {"EQ", "NEQ", "IN", "NOT_IN"}:
            return _checked(name, operator, frozenset(wanted))
        test = _compared(operator, wanted)
        return Filter(name, lambda record: bool(text := record.text(name)) and test(text))
    folded = wanted if operator in {"IN", "NOT_IN"} else [text.lower() for text in wanted]
    test = _compared(operator, folded)
    return Filter(name, lambda record: bool(text := record.text(name)) and test(text.lower()))


def _checked(name: str, operator: str, wanted: frozenset[str]) -> Filter:
    is_in = operator in {"EQ", "IN"}
    return Filter(
        name,
        lambda record: bool(text := record.text(name)) and (not wanted.isdisjoint(text.split(";"))) is is_in,
    )


def _tokens(one: Property, operator: str, wanted: str) -> Filter:
    """Whole words in any case; `*` stands for the rest of a word."""
    parts = [re.escape(part).replace(r"\*", r"\S*") for part in wanted.lower().split()]
    patterns = [re.compile(rf"(?<!\w){part}(?!\w)") for part in parts]
    is_in = operator == "CONTAINS_TOKEN"

    def holds(record: Record) -> bool:
        text = record.text(one.name).lower()
        return bool(text) and all(pattern.search(text) for pattern in patterns) is is_in

    return Filter(one.name, holds)


def _associated(world: World, kind: Kind, name: str, wanted: list[str]) -> Filter:
    """`associations.contact` EQ or IN: objects associated with one of these."""
    other = BY_NAME.get(name.removeprefix("associations."))
    if other is None:
        raise ApiError(400, f"There was a problem with the request: {name[:80]} is not searchable")
    ids = {linked for text in wanted for linked in world.graph.to(other.name, an_id(text), kind.name)}
    return Filter(name, lambda record: record.id in ids, ids=tuple(sorted(ids)))
