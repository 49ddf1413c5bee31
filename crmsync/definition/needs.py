"""Sections -> what they read from a portal."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from crmsync.definition.nouns import (
    ANY_SOURCES,
    Campaign,
    Condition,
    Count,
    Counted,
    Criterion,
    Engagement,
    EventKind,
    EvidenceRule,
    Fact,
    Fit,
    Needs,
    Recency,
    Stages,
    Track,
    Veto,
    walk,
)

STAGE_PROPERTY = "lifecyclestage"


class Agreement(Protocol):
    """The sections that look at something."""

    @property
    def facts(self) -> Mapping[str, Fact]: ...
    @property
    def events(self) -> Mapping[str, EventKind]: ...
    @property
    def fit(self) -> Fit: ...
    @property
    def engagement(self) -> Engagement: ...
    @property
    def disqualify(self) -> tuple[Veto, ...]: ...
    @property
    def evidence(self) -> EvidenceRule | None: ...
    @property
    def stages(self) -> Stages: ...
    @property
    def campaigns(self) -> tuple[Campaign, ...]: ...
    @property
    def tracks(self) -> tuple[Track, ...]: ...


def needs_of(agreement: Agreement) -> Needs:
    """Every declared fact and event is read, used or not: declaring is asking."""
    paths = [path for fact in agreement.facts.values() for path in fact.paths]
    kinds = agreement.events.values()
    counters = frozenset(kind.of for kind in kinds if kind.source == "counter" and kind.of)
    dates = frozenset(kind.of for kind in kinds if kind.source == "date" and kind.of)
    any_event = any("any" in count_events for count_events in _event_sets(agreement))
    sources = frozenset(kind.source for kind in kinds) | (
        frozenset(ANY_SOURCES) if any_event else frozenset()
    )
    return Needs(
        contact=frozenset(p.name for p in paths if p.of == "contact") | counters | dates | {STAGE_PROPERTY},
        company=frozenset(p.name for p in paths if p.of == "company"),
        deals=any(p.of == "deals" for p in paths),
        sources=sources,
        counters=counters,
        dates=dates,
        any_event=any_event,
    )


def _event_sets(agreement: Agreement) -> Iterator[tuple[str, ...]]:
    for criterion in _criteria(agreement):
        if isinstance(criterion, Recency):
            yield criterion.events
        elif isinstance(criterion, Counted):
            yield criterion.count.events
    for condition in conditions_of(agreement):
        yield from (part.events for part in walk(condition) if isinstance(part, Count))


def _criteria(agreement: Agreement) -> Iterator[Criterion]:
    yield from agreement.fit.criteria
    for group in agreement.engagement.groups:
        yield from group.criteria


def conditions_of(agreement: Agreement) -> Iterator[Condition]:
    """Yield every condition of the agreement but those of events' `where`."""
    for criterion in _criteria(agreement):
        if criterion.when is not None:
            yield criterion.when
    yield from (veto.when for veto in agreement.disqualify)
    if agreement.evidence:
        yield from (item.condition for item in agreement.evidence.items)
    for rule in agreement.stages.rules:
        yield from (condition for _, condition in rule.conditions())
    for campaign in agreement.campaigns:
        yield campaign.applies_when
        yield from campaign.gates.values()
    yield from (track.when for track in agreement.tracks)
