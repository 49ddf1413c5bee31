"""
A person with an exported entry and a pocket calculator: scores and truths from what the entry says was seen.

Shares no code with crmsync; section 6 of docs/definition.md is what it follows.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

Told = Mapping[str, Any]
_DAY_S = 86_400.0


def _same(saw: Any, wants: Any) -> bool:
    return bool(saw == wants) or str(saw).casefold() == str(wants).casefold()


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": _same,
    "is_not": lambda saw, wants: not _same(saw, wants),
    "in": lambda saw, wants: any(_same(saw, one) for one in wants),
    "not_in": lambda saw, wants: not any(_same(saw, one) for one in wants),
    "contains": lambda saw, wants: str(wants).casefold() in str(saw).casefold(),
    "contains_any": lambda saw, wants: any(str(one).casefold() in str(saw).casefold() for one in wants),
    "starts_with": lambda saw, wants: str(saw).casefold().startswith(str(wants).casefold()),
    "at_least": lambda saw, wants: saw >= wants,
    "more_than": lambda saw, wants: saw > wants,
    "at_most": lambda saw, wants: saw <= wants,
    "less_than": lambda saw, wants: saw < wants,
    "between": lambda saw, wants: wants[0] <= saw <= wants[1],
}


def score(part: Told, as_of: datetime) -> float:
    """Add up the criteria of a score or group, and keep the sum inside its range."""
    return limited(sum(points(one, as_of) for one in part["criteria"]), part["range"])


def engagement(told: Told, as_of: datetime) -> float:
    return limited(sum(score(one, as_of) for one in told["groups"].values()), told["engagement"]["range"])


def points(criterion: Told, as_of: datetime) -> float:
    if "when" in criterion and truth(criterion["when"]) is not True:
        return 0.0
    match criterion["kind"]:
        case "recency":
            return _recency(criterion, as_of)
        case "table":
            return _row(criterion)
        case "count":
            holds: bool | None = all(
                OPERATORS[one["operator"]](_counted(criterion, as_of), one["wants"])
                for one in criterion["tests"]
            )
        case _:
            holds = truth(criterion)
    if holds is None:
        return 0.0
    return float(criterion["points_if_true"] if holds else criterion.get("points_if_false", 0.0))


def truth(test: Told) -> bool | None:
    """Work out a test of one fact from what it saw; None: the fact was unknown."""
    if test["operator"] == "known":
        return bool((test["saw"] is not None) == test["wants"])
    return None if test["saw"] is None else OPERATORS[test["operator"]](test["saw"], test["wants"])


def tests_of(told: Any) -> Iterator[Told]:
    """Find every test of one plain value, however deep it stands."""
    if isinstance(told, Mapping):
        is_plain = isinstance(told.get("saw"), str | int | float | None)
        if {"fact", "operator", "saw", "wants", "truth"} <= told.keys() and is_plain:
            yield told
        for value in told.values():
            yield from tests_of(value)
    elif isinstance(told, list):
        for value in told:
            yield from tests_of(value)


def limited(value: float, limits: list[float] | None) -> float:
    return value if limits is None else float(max(limits[0], min(limits[1], value)))


def _recency(criterion: Told, as_of: datetime) -> float:
    found = sum(_event(one, criterion, as_of) for one in criterion["events"])
    cap = criterion["cap"]
    return found if cap is None else max(-cap, min(cap, found))


def _event(event: Told, criterion: Told, as_of: datetime) -> float:
    age = (as_of - datetime.fromisoformat(event["at"])).total_seconds() / _DAY_S
    half_life = criterion["half_life"]
    left = 0.5 ** (age / float(half_life.removesuffix("d"))) if half_life else 1.0
    return float(criterion["points_per_event"] * event["count"] * left)


def _counted(criterion: Told, as_of: datetime) -> int:
    within = criterion.get("within")
    since = as_of - timedelta(days=float(within.removesuffix("d"))) if within else None
    events = [
        one for one in criterion["events"] if since is None or datetime.fromisoformat(one["at"]) >= since
    ]
    return sum(one["count"] for one in events)


def _row(criterion: Told) -> float:
    row = criterion["row"]
    if row is None:
        return 0.0
    assert all(OPERATORS[one["operator"]](criterion["saw"], one["wants"]) for one in row["tests"])
    return float(row["points"])
