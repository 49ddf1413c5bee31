"""Facts, events and points of two definitions -> what changed in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crmsync.definition.nouns import (
    Conditional,
    Counted,
    Criterion,
    Definition,
    EventKind,
    Fact,
    Recency,
    Table,
)
from crmsync.definition.review.comparing import (
    Difference,
    Part,
    Parts,
    changed,
    in_conditions,
    meaning,
    part_of,
    parts_of,
    range_words,
    things,
)
from crmsync.definition.text import fold
from crmsync.definition.wording.sentences import worth
from crmsync.definition.wording.words import both, event_label, number, phrase, signed, spaced, span


def input_differences(old: Definition, new: Definition) -> Iterator[Difference]:
    """Yield what changed in what is read: facts, then events."""
    yield from _facts(old, new)
    yield from _events(old, new)


def _facts(old: Definition, new: Definition) -> Iterator[Difference]:
    yield from things(
        "facts",
        "fact",
        {name: _fact_parts(fact) for name, fact in old.facts.items()},
        {name: _fact_parts(fact) for name, fact in new.facts.items()},
        lambda name, is_new: _paths((new if is_new else old).facts[name]),
    )


def _fact_parts(fact: Fact) -> Parts:
    mapped = {fold(key): value for key, value in fact.map.items()} if fact.map is not None else None
    return (
        Part("from", fact.paths, _paths(fact)),
        Part("type", fact.type, fact.type.value),
        Part("map", mapped, None if fact.map is None else _map(fact.map)),
        part_of("else", fact.otherwise, str),
    )


def _paths(fact: Fact) -> str:
    return ", else ".join(map(str, fact.paths))


def _map(mapped: Mapping[str, str]) -> str:
    return "; ".join(f"{key} = {value}" for key, value in mapped.items())


def _events(old: Definition, new: Definition) -> Iterator[Difference]:
    for name, kind in new.events.items():
        if name in old.events:
            yield from parts_of(
                "events", f"event {name}", name, _event_parts(old.events[name]), _event_parts(kind)
            )
            where = (old.events[name].where, old), (kind.where, new)
            yield from in_conditions("events", f"event {name}", f"{name}.where", *where)
    yield from things(
        "events",
        "event",
        dict.fromkeys(old.events, ()),
        dict.fromkeys(new.events, ()),
        lambda name, is_new: _event_words(name, new if is_new else old),
    )


def _event_parts(kind: EventKind) -> Parts:
    return (
        Part("from", kind.source, kind.source),
        part_of("of", kind.of, str),
        part_of("intent", kind.intent, str),
        part_of("phase", kind.phase, str),
    )


def _event_words(name: str, definition: Definition) -> str:
    kind = definition.events[name]
    where = f" where {phrase(kind.where, definition)}" if kind.where is not None else ""
    return f"{kind.source}{f' of {kind.of}' if kind.of else ''}{where}"


def score_differences(old: Definition, new: Definition) -> Iterator[Difference]:
    yield from parts_of("fit", "fit", "fit", _fit_parts(old), _fit_parts(new))
    yield from _criteria("fit", old, new, old.fit.criteria, new.fit.criteria)
    yield from parts_of(
        "engagement", "engagement", "engagement", _engagement_parts(old), _engagement_parts(new)
    )
    groups = [{group.name: group for group in side.engagement.groups} for side in (old, new)]
    yield from things(
        "engagement",
        "group",
        {name: (part_of("range", group.range, range_words),) for name, group in groups[0].items()},
        {name: (part_of("range", group.range, range_words),) for name, group in groups[1].items()},
        lambda name, is_new: both(criterion.id for criterion in groups[is_new][name].criteria),
    )
    was, now = ([c for g in side.engagement.groups for c in g.criteria] for side in (old, new))
    yield from _criteria("engagement", old, new, was, now)
    yield from _moved(old, new)


def _fit_parts(definition: Definition) -> Parts:
    fit = definition.fit
    return (
        part_of("range", fit.range, range_words),
        Part(
            "key_facts", frozenset(fit.key_facts), both(map(spaced, fit.key_facts)) if fit.key_facts else None
        ),
        *(Part(f"tier_{band.name}", band.least, f"from {number(band.least)}") for band in fit.tiers),
    )


def _engagement_parts(definition: Definition) -> Parts:
    engagement = definition.engagement
    return (
        part_of("range", engagement.range, range_words),
        *(Part(f"level_{band.name}", band.least, f"from {number(band.least)}") for band in engagement.levels),
    )


def _criteria(
    section: str, old: Definition, new: Definition, was: Sequence[Criterion], now: Sequence[Criterion]
) -> Iterator[Difference]:
    before, after = {c.id: c for c in was}, {c.id: c for c in now}
    same = {name for name in before if name in after and type(before[name]) is type(after[name])}
    yield from things(
        section,
        "criterion",
        {
            name: _criterion_parts(c, old) if name in same else (_kind_of(c, old),)
            for name, c in before.items()
        },
        {
            name: _criterion_parts(c, new) if name in same else (_kind_of(c, new),)
            for name, c in after.items()
        },
        lambda name, is_new: _criterion_words((after if is_new else before)[name], new if is_new else old),
    )
    for name in (name for name in after if name in same):
        left, right = before[name], after[name]
        yield from in_conditions(
            section, f"criterion {name}", f"{name}.when", (left.when, old), (right.when, new)
        )
        if isinstance(left, Counted) and isinstance(right, Counted):
            counts = (left.count, old), (right.count, new)
            yield from in_conditions(section, f"criterion {name}", f"{name}.count", *counts)


def _kind_of(criterion: Criterion, definition: Definition) -> Part:
    return Part("kind", type(criterion), _criterion_words(criterion, definition))


def _criterion_words(criterion: Criterion, definition: Definition) -> str:
    points = "" if isinstance(criterion, Table) else f"{signed(criterion.points)} for "
    return points + worth(criterion, definition)


def _criterion_parts(criterion: Criterion, definition: Definition) -> Parts:
    match criterion:
        case Recency():
            return (
                part_of("points", criterion.points, signed),
                Part("event", frozenset(criterion.events), both(map(event_label, criterion.events))),
                part_of("within", criterion.within, span),
                part_of("half_life", criterion.half_life, span),
                part_of("cap", criterion.cap, number),
            )
        case Counted():
            return (part_of("points", criterion.points, signed),)
        case Conditional():
            return (
                part_of("points", criterion.points, signed),
                part_of("else_points", criterion.else_points or None, signed),
            )
        case Table():
            rows = tuple((tuple(meaning(test) for test in row.tests), row.points) for row in criterion.rows)
            return (
                Part("table", criterion.fact, spaced(criterion.fact)),
                Part("rows", rows, worth(replace(criterion, when=None), definition)),
            )


def _moved(old: Definition, new: Definition) -> Iterator[Difference]:
    homes = [
        {c.id: group.name for group in side.engagement.groups for c in group.criteria} for side in (old, new)
    ]
    for name, group in homes[1].items():
        if homes[0].get(name, group) != group:
            yield changed("engagement", f"criterion {name}: group", f"{name}.group", homes[0][name], group)
