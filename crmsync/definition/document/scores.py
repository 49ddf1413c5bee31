"""Fit, engagement, evidence and disqualify -> nouns: everything that looks at facts and events only."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from crmsync.definition.document.grammar import Scope, read_condition, read_count, read_operators
from crmsync.definition.document.place import DOTTED, NAME, Place
from crmsync.definition.nouns import (
    Band,
    Condition,
    Conditional,
    Count,
    Counted,
    Criterion,
    Duration,
    Engagement,
    EvidenceItem,
    EvidenceRule,
    Fact,
    FactType,
    Fit,
    Group,
    Position,
    Recency,
    Row,
    Table,
    Veto,
)

_INTEGER = re.compile(r"-?[0-9]{1,9}")
VETO_CLASSES = ("fit", "data", "timing")
_KINDS = {
    "event": ("id", "event", "points", "within", "half_life", "cap", "when", "name", "why"),
    "count": ("id", "count", "points", "when", "name", "why"),
    "table": ("id", "table", "rows", "when", "name", "why"),
    "when": ("id", "when", "points", "else_points", "name", "why"),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What criteria may speak of: facts by name, event names, and the scope of their conditions."""

    facts: Mapping[str, Fact]
    events: Collection[str]
    scope: Scope
    criteria: dict[str, Position] = field(default_factory=dict)


def read_fit(place: Place, inputs: Inputs) -> Fit:
    keys = place.keys("range", "key_facts", "criteria", "tiers")
    return Fit(
        range=keys["range"].range() if "range" in keys else None,
        key_facts=_key_facts(keys["key_facts"], inputs) if "key_facts" in keys else (),
        criteria=read_criteria(keys["criteria"], inputs) if "criteria" in keys else (),
        tiers=_bands(keys["tiers"], is_tier=True) if "tiers" in keys else (),
    )


def _key_facts(place: Place, inputs: Inputs) -> tuple[str, ...]:
    names = place.names_of("fact", inputs.facts)
    if len(set(names)) < len(names):
        place.problem("a key fact stands twice")
    return names


def read_engagement(place: Place, inputs: Inputs) -> Engagement:
    keys = place.keys("range", "groups", "levels")
    return Engagement(
        range=keys["range"].range() if "range" in keys else None,
        groups=_groups(keys["groups"], inputs) if "groups" in keys else (),
        levels=_bands(keys["levels"], is_tier=False) if "levels" in keys else (),
    )


def _groups(place: Place, inputs: Inputs) -> tuple[Group, ...]:
    groups = []
    for name, child in place.entries().items():
        if not NAME.fullmatch(name):
            place.key_problem(name, f"`{name}` is not a name; allowed: letters, digits, _ and -")
        keys = child.keys("range", "criteria", required=("criteria",))
        criteria = read_criteria(keys["criteria"], inputs) if "criteria" in keys else ()
        groups.append(Group(name, criteria, keys["range"].range() if "range" in keys else None))
    return tuple(groups)


def _bands(place: Place, *, is_tier: bool) -> tuple[Band, ...]:
    """Read `{A: 70, B: 45}`; names are letters or integers, limits strictly falling."""
    bands: list[Band] = []
    for name, child in place.entries().items():
        _check_band_name(name, place, is_tier=is_tier)
        least = child.number()
        if least is None:
            continue
        if bands and least >= bands[-1].least:
            child.problem(f"limits must fall: {least:g} is not below {bands[-1].least:g} of {bands[-1].name}")
        bands.append(Band(name, least))
    if place.is_mapping and not place.entries():
        place.problem("needs at least one limit")
    if is_tier and bands and bands[-1].name == "Z":
        place.problem("no letter is left for what is below the last tier; Z cannot be the last")
    return tuple(bands)


def _check_band_name(name: str, place: Place, *, is_tier: bool) -> None:
    if is_tier and not (len(name) == 1 and name.isascii() and name.isupper()):
        place.key_problem(name, f"tier `{name}` must be a single capital letter")
    if not is_tier and not _INTEGER.fullmatch(name):
        place.key_problem(name, f"level `{name}` must be an integer")


# --- criteria


def read_criteria(place: Place, inputs: Inputs) -> tuple[Criterion, ...]:
    return tuple(c for item in place.items() if (c := _criterion(item, inputs)) is not None)


def _criterion(place: Place, inputs: Inputs) -> Criterion | None:
    entries = place.entries()
    if not place.is_mapping:
        return None
    kinds = [kind for kind in _KINDS if kind in entries]
    if not kinds:
        place.problem("a criterion needs one of `event`, `count`, `table` or `when`")
        return None
    kind, *others = kinds  # `when` is last: beside another kind it is an extra condition
    if others not in ([], ["when"]):
        place.problem(f"a criterion is of one kind, not of several: {', '.join(kinds)}")
        return None
    keys = place.keys(*_KINDS[kind], required=("id", "rows" if kind == "table" else "points"))
    criterion_id = _criterion_id(keys.get("id"), inputs)
    built = _BUILDERS[kind](keys, inputs)
    if built is None or criterion_id is None:
        return None
    return replace(built, id=criterion_id, name=_words(keys, "name"), why=_words(keys, "why"))


def _words(keys: Mapping[str, Place], key: str) -> str | None:
    return keys[key].words() if key in keys else None


def _criterion_id(place: Place | None, inputs: Inputs) -> str | None:
    criterion_id = place.name(DOTTED) if place else None
    if place is None or criterion_id is None:
        return None
    first = inputs.criteria.setdefault(criterion_id, place.node.at)
    if first != place.node.at:
        place.problem(
            f"criterion id `{criterion_id}` is already used on line {first.line}; criterion ids are unique"
        )
    return criterion_id


def _when(keys: Mapping[str, Place], inputs: Inputs) -> Condition | None:
    return read_condition(keys["when"], inputs.scope) if "when" in keys else None


def _points(keys: Mapping[str, Place], key: str) -> float | None:
    return keys[key].points() if key in keys else None


def _span(keys: Mapping[str, Place], key: str) -> Duration | None:
    return keys[key].duration() if key in keys else None


def _recency(keys: Mapping[str, Place], inputs: Inputs) -> Recency | None:
    events = read_event_names(keys["event"], inputs.events)
    points = _points(keys, "points")
    within, half_life = _span(keys, "within"), _span(keys, "half_life")
    cap = keys["cap"].positive() if "cap" in keys else None
    when = _when(keys, inputs)
    if not events or points is None:
        return None
    return Recency("", events, points, within, half_life, cap, when)


def _counted(keys: Mapping[str, Place], inputs: Inputs) -> Counted | None:
    count = _count(keys["count"], inputs)
    points = _points(keys, "points")
    when = _when(keys, inputs)
    return None if count is None or points is None else Counted("", count, points, when)


def _count(place: Place, inputs: Inputs) -> Count | None:
    entries = place.entries()
    if not place.is_mapping:
        return None
    if "event" not in entries:
        place.problem("`event` is missing")
        return None
    events = read_event_names(entries["event"], inputs.events)
    count = read_count(place, events)
    return count if events else None


def _conditional(keys: Mapping[str, Place], inputs: Inputs) -> Conditional | None:
    when = _when(keys, inputs)
    points, else_points = _points(keys, "points"), _points(keys, "else_points")
    return None if when is None or points is None else Conditional("", when, points, else_points)


def _table(keys: Mapping[str, Place], inputs: Inputs) -> Table | None:
    fact_name = keys["table"].choice("fact", inputs.facts)
    when = _when(keys, inputs)
    if fact_name is None or "rows" not in keys:
        return None
    fact_type = inputs.facts[fact_name].type
    rows = tuple(
        row for item in keys["rows"].items() if (row := _row(item, fact_name, fact_type)) is not None
    )
    return Table("", fact_name, fact_type, rows, when)


_BUILDERS: Mapping[str, Callable[[Mapping[str, Place], Inputs], Criterion | None]] = {
    "event": _recency,
    "count": _counted,
    "table": _table,
    "when": _conditional,
}


def _row(place: Place, fact: str, fact_type: FactType) -> Row | None:
    entries = place.entries()
    if not place.is_mapping:
        return None
    if "points" not in entries:
        place.problem("`points` is missing")
        return None
    points = entries["points"].points()
    tests = {key: child for key, child in entries.items() if key != "points"}
    if "else" in tests:
        return _else_row(place, tests, points)
    if not tests:
        place.problem("a row needs a test on the fact or `else: true`")
        return None
    read = read_operators(tests, place, fact, fact_type)
    return None if read is None or points is None else Row(read, points)


def _else_row(place: Place, tests: Mapping[str, Place], points: float | None) -> Row | None:
    if len(tests) > 1:
        place.problem("`else: true` stands alone in its row")
    if tests["else"].boolean() is False:
        tests["else"].problem("must be true")
    return None if points is None else Row((), points)


def read_event_names(place: Place, events: Collection[str]) -> tuple[str, ...]:
    """Read one event name or a list of them; `any` is always known."""
    if place.is_mapping:
        place.problem(f"must be the name of an event or a list of them, not {place.kind}")
        return ()
    names = tuple(name for item in place.scalars() if (name := _event_name(item, events)) is not None)
    if place.is_list and not place.items():
        place.problem("needs at least one event")
    return names


def _event_name(place: Place, events: Collection[str]) -> str | None:
    name = place.words()
    if name is None or name == "any" or name in events:
        return name
    place.unknown("event", name, [*events, "any"], lead="declared")
    return None


# --- vetoes and evidence


def read_vetoes(place: Place, inputs: Inputs) -> tuple[Veto, ...]:
    seen: dict[str, Position] = {}
    return tuple(veto for item in place.items() if (veto := _veto(item, inputs, seen)) is not None)


def _veto(place: Place, inputs: Inputs, seen: dict[str, Position]) -> Veto | None:
    keys = place.keys("id", "when", "class", "why", required=("id", "when", "class"))
    veto_id = keys["id"].name(DOTTED) if "id" in keys else None
    kind = keys["class"].choice("class", VETO_CLASSES) if "class" in keys else None
    when = _when(keys, inputs)
    if veto_id is not None and seen.setdefault(veto_id, place.node.at) != place.node.at:
        keys["id"].problem(f"`{veto_id}` is already used; the ids of `disqualify` are unique")
    if veto_id is None or kind is None or when is None:
        return None
    return Veto(veto_id, when, kind, _words(keys, "why"))


def read_evidence(place: Place, inputs: Inputs) -> EvidenceRule:
    keys = place.keys("require", "must_include", "items", required=("items",))
    items = _evidence_items(keys["items"], inputs) if "items" in keys else ()
    names = list(keys["items"].entries()) if "items" in keys else []
    require = keys["require"].whole() if "require" in keys else None
    if require is not None and require > len(names):
        keys["require"].problem(f"{require} cannot be reached: of `items` there are {len(names)}")
    must_include = keys["must_include"].names_of("evidence item", names) if "must_include" in keys else ()
    return EvidenceRule(items, len(names) if require is None else require, must_include)


def _evidence_items(place: Place, inputs: Inputs) -> tuple[EvidenceItem, ...]:
    items = []
    for name, child in place.entries().items():
        if not NAME.fullmatch(name):
            place.key_problem(name, f"`{name}` is not a name; allowed: letters, digits, _ and -")
        condition = read_condition(child, inputs.scope)
        if condition is not None:
            items.append(EvidenceItem(name, condition))
    return tuple(items)
