"""
Definition -> the names of the columns an evaluation works with.

Names are generated (`f_0`, `p_1`): a user's names may hold dots, or differ in case only, which engines read otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals as nw

from crmsync.definition.needs import conditions_of
from crmsync.definition.nouns import (
    ANY_SOURCES,
    ATTRIBUTES,
    All,
    AnyOf,
    Condition,
    Count,
    Counted,
    Definition,
    Duration,
    EventKind,
    FactType,
    Gate,
    Not,
    Recency,
    Test,
    walk,
)

Lazy: TypeAlias = nw.LazyFrame[Any]

ROW = "row"
STAGE = "stage_key"
ENTERED = "entered_at"
KIND = "kind"
AT = "at"
WEIGHT = "n"
LATEST = "latest_decision"
CAMPAIGN = "variant"
_WATCHED = 100  # kinds from here on are counter and date events by property
_GIVEN = 10_000  # kinds from here on are an example's events, known by name

ANY_KINDS: Mapping[str, int] = {source: index for index, source in enumerate(ANY_SOURCES)}


@dataclass(frozen=True, slots=True)
class Sum:
    """
    A sum over a contact's events: of their number, or decayed when there is a half-life.

    `events` holds names of declared events and `any`; an occurrence that matches several counts once.
    """

    events: frozenset[str]
    within_us: int | None
    half_life_us: int | None = None


class Layout:
    """Which column holds what. Built once for a definition; the same for every engine."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.facts = {name: f"f_{i}" for i, name in enumerate(definition.facts)}
        self.criteria = {criterion.id: f"p_{i}" for i, criterion in enumerate(definition.criteria())}
        self.groups = {group.name: f"g_{i}" for i, group in enumerate(definition.engagement.groups)}
        self.vetoes = {veto.id: f"veto_{i}" for i, veto in enumerate(definition.disqualify)}
        items = definition.evidence.items if definition.evidence else ()
        self.items = {item.name: f"item_{i}" for i, item in enumerate(items)}
        self.gates = {gate.id: f"gate_{i}" for i, gate in enumerate(definition.gates())}
        self.gate_layers = tuple(_gate_layers(definition))
        self.watched = {key: _WATCHED + i for i, key in enumerate(_watched(definition))}
        self.given = {name: _GIVEN + i * 2 for i, name in enumerate(definition.events)}
        self.sums = {key: f"s_{i}" for i, key in enumerate(dict.fromkeys(_sums(definition)))}
        self.decisive = tuple(kind.name for kind in definition.events.values() if kind.phase == "decision")
        self.needs_latest = bool(definition.recycle and definition.recycle.returned_at and self.decisive)
        self.used_events = self._used_events()
        self.matches = {name: f"m_{i}" for i, name in enumerate(self.used_events)}
        self.attributes = {name: f"x_{i}" for i, name in enumerate(self._attribute_names())}
        self.derived = self._derived()

    def _used_events(self) -> tuple[str, ...]:
        used = {name for key in self.sums for name in key.events if name != "any"}
        used.update(self.decisive if self.needs_latest else ())
        return tuple(name for name in self.definition.events if name in used)

    def _attribute_names(self) -> tuple[str, ...]:
        wheres = (self.definition.events[name].where for name in self.used_events)
        parts = (part for where in wheres if where is not None for part in walk(where))
        return tuple(dict.fromkeys(part.fact for part in parts if isinstance(part, Test)))

    def _derived(self) -> dict[str, str]:
        return {
            **{f"engagement.{name}": column for name, column in self.groups.items()},
            **{f"points.{name}": column for name, column in self.criteria.items()},
            "fit": "fit",
            "engagement": "engagement",
            "completeness": "completeness",
            "evidence.count": "evidence_count",
            "tier": "tier_key",
            "level": "level",
            "grade": "grade_key",
            "stage": STAGE,
            "campaign": "campaign_key",
            "outcome": "outcome",
            "disqualified": "disqualified",
            "days_in_stage": "days_in_stage",
        }

    def column(self, fact: str) -> str:
        """Return the column of a declared or derived fact."""
        return self.facts[fact] if fact in self.facts else self.derived[fact]

    def column_of_sum(self, count: Count) -> str:
        return self.sums[sum_of(count.events, count.within)]

    def kind_of(self, event: EventKind) -> int:
        """Return the number that events of this source (and property) carry in KIND."""
        if event.of is None:
            return ANY_KINDS[event.source]
        return self.watched[event.source, event.of]

    @property
    def wanted_kinds(self) -> frozenset[int]:
        """Kinds that can matter at all; events of others need not be in the frame."""
        kinds = {self.kind_of(self.definition.events[name]) for name in self.used_events}
        if any("any" in key.events for key in self.sums):
            kinds.update(ANY_KINDS.values())
        return frozenset(kinds)

    def attribute_type(self, name: str) -> FactType:
        """Return the type of an attribute; sources that share a name share the type."""
        return next(attributes[name] for attributes in ATTRIBUTES.values() if name in attributes)


def sum_of(events: Iterable[str], within: Duration | None, half_life: Duration | None = None) -> Sum:
    return Sum(frozenset(events), within.us if within else None, half_life.us if half_life else None)


def _sums(definition: Definition) -> Iterator[Sum]:
    for criterion in definition.criteria():
        if isinstance(criterion, Recency):
            yield sum_of(criterion.events, criterion.within, criterion.half_life)
        elif isinstance(criterion, Counted):
            yield sum_of(criterion.count.events, criterion.count.within)
    for condition in conditions_of(definition):
        yield from (sum_of(part.events, part.within) for part in walk(condition) if isinstance(part, Count))


def _watched(definition: Definition) -> Iterator[tuple[str, str]]:
    """Yield (source, property) of counter and date events, each once."""
    pairs = ((event.source, event.of) for event in definition.events.values() if event.of is not None)
    yield from dict.fromkeys(pairs)


def _gate_layers(definition: Definition) -> Iterator[tuple[Gate, ...]]:
    """Yield gates so that a gate inside another comes in an earlier layer."""
    depths: dict[int, list[Gate]] = {}
    for gate in definition.gates():
        depths.setdefault(_gates_deep(gate.condition), []).append(gate)
    for depth in sorted(depths):
        yield tuple(depths[depth])


def _gates_deep(condition: Condition) -> int:
    """Return how many gates stand inside each other, at most."""
    match condition:
        case Gate(condition=part):
            return 1 + _gates_deep(part)
        case Not(part):
            return _gates_deep(part)
        case All(parts) | AnyOf(parts):
            return max(map(_gates_deep, parts), default=0)
        case _:
            return 0
