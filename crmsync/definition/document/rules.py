"""Stages, recycle, campaigns and tracks -> nouns: everything that decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from crmsync.definition.document.grammar import Scope, read_condition
from crmsync.definition.document.place import NAME, Place
from crmsync.definition.document.scores import VETO_CLASSES, Inputs
from crmsync.definition.nouns import (
    Campaign,
    Condition,
    Engagement,
    EvidenceRule,
    Fact,
    FactType,
    Fit,
    Position,
    Range,
    Reason,
    Recycle,
    Rule,
    Stages,
    Table,
    Track,
)
from crmsync.definition.text import fold, micros

_CONDITIONS = ("enter", "fast_track", "stay", "triage", "borderline")


@dataclass(frozen=True, slots=True)
class Scores:
    """What rules may speak of, beyond the inputs."""

    inputs: Inputs
    fit: Fit
    engagement: Engagement
    evidence: EvidenceRule | None
    gates: dict[str, Position] = field(default_factory=dict)

    def scope(self, *, gates: bool = False, outcome: bool = False) -> Scope:
        """Return what a rule's (or a track's) condition may test."""
        facts = {name: fact.type for name, fact in self.inputs.facts.items()}
        refused = {} if outcome else {"outcome": "`outcome` may be tested in `tracks` only"}
        return Scope(
            facts={**facts, **self._derived(), **({"outcome": FactType.TEXT} if outcome else {})},
            refused={**self._absent(), **refused},
            events=self.inputs.events,
            evidence=self.evidence is not None,
            gates=self.gates if gates else None,
        )

    def _derived(self) -> dict[str, FactType]:
        numbers = ["fit", "engagement", "completeness", "days_in_stage"]
        numbers += [f"engagement.{group.name}" for group in self.engagement.groups]
        numbers += [f"points.{criterion}" for criterion in self.inputs.criteria]
        numbers += ["evidence.count"] if self.evidence else []
        texts = ["stage", "campaign"]
        texts += ["tier"] if self.fit.tiers else []
        texts += ["level"] if self.engagement.levels else []
        texts += ["grade"] if self.fit.tiers and self.engagement.levels else []
        return {
            **dict.fromkeys(numbers, FactType.NUMBER),
            **dict.fromkeys(texts, FactType.TEXT),
            "disqualified": FactType.BOOL,
        }

    def _absent(self) -> dict[str, str]:
        no_evidence = "there is no `evidence` section to test"
        return {
            "tier": "there are no `fit.tiers`, so the tier is always null",
            "level": "there are no `engagement.levels`, so the level is always null",
            "grade": "a grade needs `fit.tiers` and `engagement.levels`",
            "evidence": no_evidence,
            "evidence.count": no_evidence,
        }


# --- stages


def read_stages(place: Place, scores: Scores) -> Stages:
    keys = place.keys("order", "human_only", "never_demote_from", "rules", required=("order", "rules"))
    order = _stage_names(keys["order"]) if "order" in keys else ()
    if "order" in keys and keys["order"].is_list and not order:
        keys["order"].problem("needs at least one stage")
    human_only = _stage_names(keys["human_only"]) if "human_only" in keys else ()
    never = (
        _stage_names(keys["never_demote_from"], near=dict.fromkeys(order))
        if "never_demote_from" in keys
        else ()
    )
    rules = _rules(keys["rules"], order, human_only, scores) if "rules" in keys else {}
    return Stages(order, tuple(rules[stage] for stage in order if stage in rules), human_only, never)


def _stage_names(place: Place, *, near: Collection[str] = ()) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for item in place.items():
        name = item.words()
        if name is None:
            continue
        if fold(name) in names:
            item.problem(f"`{name}` stands twice; case does not count")
        if near and name not in near and item.reports.nearest(name, near):
            item.unknown("stage", name, near, lead="in order")
        names[fold(name)] = name
    return tuple(names.values())


def _rules(
    place: Place, order: tuple[str, ...], human_only: tuple[str, ...], scores: Scores
) -> dict[str, Rule]:
    rules = {}
    scope = scores.scope(gates=True)
    ruled = dict.fromkeys(order)
    people = {fold(stage) for stage in human_only}
    for stage, child in place.entries().items():
        if fold(stage) in people:
            place.key_problem(stage, f"`{stage}` is in `human_only`; such a stage has no rule")
        elif stage not in ruled:
            place.unknown_key("stage", stage, order, lead="in order")
        rules[stage] = _rule(stage, child, scope)
    return rules


def _rule(stage: str, place: Place, scope: Scope) -> Rule:
    keys = place.keys("enter", "fast_track", "stay", "min_stay", "triage", "borderline")
    conditions = {key: read_condition(keys[key], scope) if key in keys else None for key in _CONDITIONS}
    min_stay = keys["min_stay"].duration(zero=True) if "min_stay" in keys else None
    return Rule(stage, min_stay=min_stay, **conditions)


def stage_known(place: Place | None, stage: str | None, order: Collection[str]) -> None:
    """Report a stage that must be in order and is not."""
    if place is not None and stage is not None and stage not in order:
        place.unknown("stage", stage, order, lead="in order")


# --- recycle


def read_recycle(place: Place, facts: Mapping[str, Fact]) -> Recycle | None:
    keys = place.keys("reason", "returned_at", "reasons", required=("reason", "reasons"))
    reason = _fact_of(keys["reason"], facts, FactType.TEXT) if "reason" in keys else None
    returned_at = _fact_of(keys["returned_at"], facts, FactType.DATE) if "returned_at" in keys else None
    reasons = _reasons(keys["reasons"]) if "reasons" in keys else ()
    return Recycle(reason, reasons, returned_at) if reason else None


def _fact_of(place: Place, facts: Mapping[str, Fact], wanted: FactType) -> str | None:
    name = place.choice("fact", facts)
    if name is not None and facts[name].type is not wanted:
        place.problem(f"fact `{name}` must be of type {wanted}, not {facts[name].type}")
        return None
    return name


def _reasons(place: Place) -> tuple[Reason, ...]:
    reasons: dict[str, Reason] = {}
    for text, child in place.entries().items():
        keys = child.keys("class", "revisit", required=("class",))
        kind = keys["class"].choice("class", VETO_CLASSES) if "class" in keys else None
        revisit = keys["revisit"].duration(zero=True) if "revisit" in keys else None
        if fold(text) in reasons:
            place.key_problem(text, f"`{text}` stands twice; case does not count")
        reasons[fold(text)] = Reason(text, kind or "", revisit)
    return tuple(reasons.values())


# --- campaigns


def read_campaigns(place: Place, scores: Scores) -> tuple[Campaign, ...]:
    seen: dict[str, Position] = {}
    read = (_campaign(item, scores, seen) for item in place.items())
    return tuple(campaign for campaign in read if campaign is not None)


def _campaign(place: Place, scores: Scores, seen: dict[str, Position]) -> Campaign | None:
    required = ("id", "applies_when", "from", "until", "owner")
    keys = place.keys(*required, "hypothesis", "override", required=required)
    campaign_id = keys["id"].name() if "id" in keys else None
    owner = keys["owner"].words() if "owner" in keys else None
    applies = read_condition(keys["applies_when"], scores.inputs.scope) if "applies_when" in keys else None
    first, last = (keys[key].day() if key in keys else None for key in ("from", "until"))
    if first and last and last <= first:
        keys["until"].problem(f"must be after `from` ({first}); it is exclusive")
    hypothesis = keys["hypothesis"].words() if "hypothesis" in keys else None
    gates, groups, points = _overrides(keys["override"], scores) if "override" in keys else ({}, {}, {})
    if campaign_id is not None and seen.setdefault(campaign_id, place.node.at) != place.node.at:
        keys["id"].problem(f"campaign `{campaign_id}` stands twice; names of campaigns are unique")
    if campaign_id is None or owner is None or applies is None or first is None or last is None:
        return None
    from_us, until_us = (micros(datetime.combine(day, time(), UTC)) for day in (first, last))
    return Campaign(
        campaign_id, owner, applies, first, last, from_us, until_us, hypothesis, gates, groups, points
    )


def _overrides(
    place: Place, scores: Scores
) -> tuple[Mapping[str, Condition], Mapping[str, Range | None], Mapping[str, float]]:
    keys = place.keys("gates", "groups", "points")
    gates = _gate_overrides(keys["gates"], scores) if "gates" in keys else {}
    groups = _group_overrides(keys["groups"], scores.engagement) if "groups" in keys else {}
    points = _point_overrides(keys["points"], scores) if "points" in keys else {}
    return gates, groups, points


def _gate_overrides(place: Place, scores: Scores) -> Mapping[str, Condition]:
    gates = {}
    scope = scores.scope()
    for gate, child in place.entries().items():
        if gate not in scores.gates:
            place.unknown_key("gate", gate, scores.gates)
        condition = read_condition(child, scope)
        if condition is not None:
            gates[gate] = condition
    return gates


def _group_overrides(place: Place, engagement: Engagement) -> Mapping[str, Range | None]:
    known = {group.name for group in engagement.groups}
    groups = {}
    for name, child in place.entries().items():
        if name not in known:
            place.unknown_key("group", name, known)
        keys = child.keys("range", required=("range",))
        if "range" in keys:
            groups[name] = keys["range"].range()
    return groups


def _point_overrides(place: Place, scores: Scores) -> Mapping[str, float]:
    criteria = [*scores.fit.criteria, *(c for group in scores.engagement.groups for c in group.criteria)]
    tables = {criterion.id for criterion in criteria if isinstance(criterion, Table)}
    points = {}
    for criterion, child in place.entries().items():
        if criterion in tables:
            place.key_problem(criterion, f"`{criterion}` is a table; its points cannot be overridden")
        elif criterion not in scores.inputs.criteria:
            place.unknown_key("criterion", criterion, scores.inputs.criteria)
        number = child.points()
        if number is not None:
            points[criterion] = number
    return points


# --- tracks


def read_tracks(place: Place, scores: Scores) -> tuple[Track, ...]:
    scope = scores.scope(outcome=True)
    tracks: dict[str, Track] = {}
    for item in place.items():
        keys = item.keys("id", "when", required=("id", "when"))
        track_id = keys["id"].name(NAME) if "id" in keys else None
        when = read_condition(keys["when"], scope) if "when" in keys else None
        if track_id in tracks:
            keys["id"].problem(f"track `{track_id}` stands twice; names of tracks are unique")
        if track_id is not None and when is not None:
            tracks[track_id] = Track(track_id, when)
    return tuple(tracks.values())
