"""SLA and agreed examples -> nouns: what is promised and what both teams checked."""

import re
import zoneinfo
from collections.abc import Mapping

from crmsync.definition.document.grammar import read_tests
from crmsync.definition.document.place import MAX_DAYS, Place, listed
from crmsync.definition.document.reports import MAX_NAME
from crmsync.definition.document.rules import Scores
from crmsync.definition.document.tree import TextNode
from crmsync.definition.nouns import (
    ENGAGEMENT_SOURCES,
    Calendar,
    Duration,
    Example,
    Fact,
    FactType,
    Given,
    Sla,
    Test,
)
from crmsync.definition.sla import has_holidays
from crmsync.definition.text import read_date

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
ACTIONS = ("promote", "demote", "keep", "hold")
OUTCOMES = ("disqualified", "recycled", "needs_data", "triage", "borderline", "qualified", "nurture")
_EXPECTED_TEXTS = ("stage", "tier", "level", "grade", "outcome", "action", "track")


def read_sla(place: Place) -> Sla:
    keys = place.keys("calendar", "first_touch", "fast_track_first_touch", "touch", "verdict")
    spans = {
        key: keys[key].duration() if key in keys else None
        for key in ("first_touch", "fast_track_first_touch", "verdict")
    }
    touch = keys["touch"].names_of("engagement", ENGAGEMENT_SOURCES) if "touch" in keys else ()
    calendar = _calendar(keys["calendar"]) if "calendar" in keys else Calendar()
    return Sla(calendar, touch=touch, **spans)


def _calendar(place: Place) -> Calendar:
    keys = place.keys("timezone", "days", "hours", "holidays")
    timezone = (keys["timezone"].text() if "timezone" in keys else None) or "UTC"
    if not _is_zone(timezone):
        meant = place.reports.nearest(timezone, zoneinfo.available_timezones())
        keys["timezone"].problem(
            f"unknown time zone `{timezone}`{meant}; allowed: a name like Europe/Copenhagen"
        )
    names = keys["days"].names_of("day", _DAYS) if "days" in keys else _DAYS[:5]
    if "days" in keys and keys["days"].is_list and not keys["days"].items():
        keys["days"].problem(f"no working day; name at least one of {listed(_DAYS)}")
    opens, closes = _hours(keys["hours"]) if "hours" in keys else (0, 24 * 60)
    holidays = keys["holidays"].words() if "holidays" in keys else None
    if holidays is not None and not has_holidays(holidays):
        allowed = "a country like DK or a part of one like DE-BY"
        keys["holidays"].problem(f"no holidays are known for `{holidays}`; allowed: {allowed}")
    return Calendar(timezone, tuple(sorted({_DAYS.index(name) for name in names})), opens, closes, holidays)


def _is_zone(name: str) -> bool:
    if len(name) > MAX_NAME:  # a name is a path, and a long one more than the file system can take
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        return False
    return True


def _hours(place: Place) -> tuple[int, int]:
    texts = [item.words() or "" for item in place.items()]
    minutes = [_minutes(text) for text in texts]
    if len(minutes) == 2 and None not in minutes and (minutes[0] or 0) < (minutes[1] or 0):
        return minutes[0] or 0, minutes[1] or 0
    place.problem('must be [opens, closes] like ["08:30", "17:00"], the first before the second')
    return 0, 24 * 60


def _minutes(text: str) -> int | None:
    if not _CLOCK.fullmatch(text):
        return None
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


# --- examples


def read_examples(place: Place, scores: Scores) -> tuple[Example, ...]:
    read = [_example(item, scores) for item in place.items()]
    return tuple(example for example in read if example is not None)


def _example(place: Place, scores: Scores) -> Example | None:
    keys = place.keys("name", "given", "expect", required=("name", "given", "expect"))
    name = keys["name"].words() if "name" in keys else None
    if name is None or "given" not in keys or "expect" not in keys:
        return None
    given = keys["given"].keys("stage", "days_in_stage", "facts", "events")
    expect = keys["expect"].keys(*_EXPECTED_TEXTS, "fit", "engagement", "gates")
    return Example(
        name=name,
        facts=_given_facts(given["facts"], scores.inputs.facts) if "facts" in given else {},
        events=_given_events(given["events"], scores) if "events" in given else (),
        stage=_maybe_text(given["stage"]) if "stage" in given else None,
        days_in_stage=_days(given["days_in_stage"]) if "days_in_stage" in given else None,
        expect={key: _expected(key, expect[key]) for key in _EXPECTED_TEXTS if key in expect},
        scores=_expected_scores(expect),
        gates=_expected_gates(expect["gates"], scores) if "gates" in expect else {},
    )


def _maybe_text(place: Place) -> str | None:
    return None if place.is_null else place.words()


def _days(place: Place) -> float | None:
    days = None if place.is_null else place.number()
    if days is not None and abs(days) > MAX_DAYS:
        place.problem(f"must be within {MAX_DAYS} days")
        return None
    return days


def _expected(key: str, place: Place) -> str | None:
    if key == "action":
        return place.choice("action", ACTIONS)
    if key == "outcome":
        return place.choice("outcome", OUTCOMES)
    return _maybe_text(place)


def _expected_scores(expect: Mapping[str, Place]) -> Mapping[str, tuple[Test, ...]]:
    read = {
        key: read_tests(expect[key], key, FactType.NUMBER) for key in ("fit", "engagement") if key in expect
    }
    return {key: tests for key, tests in read.items() if tests is not None}


def _expected_gates(place: Place, scores: Scores) -> Mapping[str, bool | None]:
    gates: dict[str, bool | None] = {}
    for gate, child in place.entries().items():
        if gate not in scores.gates:
            place.unknown_key("gate", gate, scores.gates)
        gates[gate] = None if child.is_null else child.boolean()
    return gates


def _given_facts(place: Place, facts: Mapping[str, Fact]) -> Mapping[str, Given]:
    given = {}
    for name, child in place.entries().items():
        if name not in facts:
            place.unknown_key("fact", name, facts)
        else:
            given[name] = None if child.is_null else _given_fact(child, facts[name].type)
    return given


def _given_fact(place: Place, fact_type: FactType) -> Given:
    match fact_type:
        case FactType.NUMBER:
            return place.number()
        case FactType.BOOL:
            return place.boolean()
        case FactType.LIST:
            return place.texts() if place.is_list else place.words()
        case FactType.DATE:
            return _given_date(place)
        case FactType.TEXT:
            return place.words()


def _given_date(place: Place) -> str | None:
    text = place.node.text if isinstance(place.node, TextNode) else ""
    if read_date(text) is None:
        place.problem(f"must be a date like 2026-11-24 or 2026-11-24T10:02:00Z, not {place.kind}")
        return None
    return text


def _given_events(place: Place, scores: Scores) -> tuple[tuple[str, Duration], ...]:
    events: list[tuple[str, Duration]] = []
    for item in place.items():
        for name, child in item.entries().items():
            if name not in scores.inputs.events:
                item.unknown_key("event", name, scores.inputs.events)
            age = child.duration(zero=True)
            if age is not None:
                events.append((name, age))
    return tuple(events)
