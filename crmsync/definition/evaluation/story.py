"""One row of a collected evaluation -> its explanation as JSON, criterion by criterion, gate by gate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from crmsync.definition.evaluation.frames import raw
from crmsync.definition.evaluation.layout import ANY_KINDS, AT, ENTERED, KIND, WEIGHT, Layout, Sum, sum_of
from crmsync.definition.evaluation.reading import Seen
from crmsync.definition.evaluation.stages import rule_column
from crmsync.definition.nouns import (
    DAY_US,
    All,
    AnyOf,
    Campaign,
    Condition,
    Conditional,
    Count,
    Counted,
    Criterion,
    Definition,
    Duration,
    EvidenceSatisfied,
    Gate,
    Group,
    Not,
    Range,
    Recency,
    Rule,
    Table,
    Test,
    Wanted,
)
from crmsync.definition.text import iso
from crmsync.model import Json

Cells: TypeAlias = Mapping[str, Any]
"""One row: column name -> value."""


@dataclass(frozen=True, slots=True)
class Story:
    """
    One contact's explanation, told from its cells.

    Attributes:
        truths: condition -> the column that holds its truth.
        cells: the contact's row.
        events: the rows of its events, oldest first, with what each adds to every sum.
        seen: every declared fact as people write it.
    """

    layout: Layout
    truths: Mapping[Condition, str]
    cells: Cells
    events: Sequence[Cells]
    seen: Mapping[str, Seen]
    as_of_us: int

    @property
    def definition(self) -> Definition:
        return self.layout.definition

    @property
    def campaign(self) -> Campaign | None:
        return next((c for c in self.definition.campaigns if c.id == self.cells["campaign"]), None)

    def told(self) -> Json:
        fit = [self.criterion(criterion) for criterion in self.definition.fit.criteria]
        return {
            "stage": self.stage(),
            "campaign": _campaign(self.campaign),
            "facts": {name: {"value": fact.value, "path": fact.path} for name, fact in self.seen.items()},
            "fit": self.score("fit", fit, self.definition.fit.range),
            "groups": {group.name: self.group(group) for group in self.definition.engagement.groups},
            "engagement": self.engagement(),
            "completeness": self.completeness(),
            "disqualify": [
                {"id": veto.id, "class": veto.kind, "why": veto.why, **self.truth(veto.when)}
                for veto in self.definition.disqualify
            ],
            "evidence": [
                {"name": item.name, **self.truth(item.condition)}
                for item in (self.definition.evidence.items if self.definition.evidence else ())
            ],
            "recycled": self.cells["recycled"],
            "gates": [self.gate(gate) for gate in self.definition.gates()],
            "rules": {rule.stage: self.rule(rule) for rule in self.definition.stages.rules},
            "via": self.cells["via"],
            "missing": self.missing(),
        }

    # --- scores

    def score(self, column: str, criteria: Sequence[Json], limits: Range | None) -> Json:
        return {
            "criteria": criteria,
            "sum": _digits(sum(criterion["points"] for criterion in criteria)),
            "range": _range(limits),
            "value": self.cells[column],
        }

    def group(self, group: Group) -> Json:
        limits = group.range
        if self.campaign is not None and group.name in self.campaign.groups:
            limits = self.campaign.groups[group.name]
        criteria = [self.criterion(criterion) for criterion in group.criteria]
        return self.score(self.layout.groups[group.name], criteria, limits)

    def engagement(self) -> Json:
        subtotals = {name: _digits(self.cells[raw(column)]) for name, column in self.layout.groups.items()}
        return {
            "groups": subtotals,
            "sum": _digits(sum(subtotals.values())),
            "range": _range(self.definition.engagement.range),
            "value": self.cells["engagement"],
        }

    def completeness(self) -> Json:
        facts = self.definition.fit.key_facts
        known = [name for name in facts if self.cells[self.layout.facts[name]] is not None]
        unknown = [name for name in facts if name not in known]
        return {"value": self.cells["completeness"], "known": known, "unknown": unknown}

    def criterion(self, criterion: Criterion) -> Json:
        common = {
            "id": criterion.id,
            "name": criterion.name,
            "why": criterion.why,
            "points": _digits(self.cells[raw(self.layout.criteria[criterion.id])]),
        }
        match criterion:
            case Recency():
                return {**common, **self.recency(criterion), **self.condition_beside(criterion.when)}
            case Counted():
                counted = {
                    "kind": "count",
                    "points_if_true": self.points(criterion),
                    **self.truth(criterion.count),
                }
                return {
                    **common,
                    **counted,
                    "events": self.counted(criterion.count),
                    **self.condition_beside(criterion.when),
                }
            case Conditional():
                return {
                    **common,
                    "kind": "condition",
                    "points_if_true": self.points(criterion),
                    "points_if_false": criterion.else_points or 0.0,
                    **self.truth(criterion.when),
                }
            case Table():
                return {**common, **self.table(criterion), **self.condition_beside(criterion.when)}
            case _:
                assert_never(criterion)

    def points(self, criterion: Recency | Counted | Conditional) -> float:
        """Return the points as the contact's campaign has them."""
        if self.campaign is None:
            return criterion.points
        return self.campaign.points.get(criterion.id, criterion.points)

    def condition_beside(self, when: Condition | None) -> Json:
        """Return the extra condition of a criterion of another kind."""
        return {} if when is None else {"when": self.truth(when)}

    def recency(self, criterion: Recency) -> Json:
        key = sum_of(criterion.events, criterion.within, criterion.half_life)
        points = self.points(criterion)
        return {
            "kind": "recency",
            "points_per_event": points,
            "within": _span(criterion.within),
            "half_life": _span(criterion.half_life),
            "cap": criterion.cap,
            "uncapped": _digits(self.cells[self.layout.sums[key]] * points),
            "events": [self.event(event, key, points) for event in self.of_sum(key)],
        }

    def counted(self, count: Count) -> list[Json]:
        key = sum_of(count.events, count.within)
        return [self.event(event, key, None) for event in self.of_sum(key)]

    def of_sum(self, key: Sum) -> list[Cells]:
        column = f"in_{self.layout.sums[key]}"
        return [event for event in self.events if event[column]]

    def event(self, event: Cells, key: Sum, points: float | None) -> Json:
        told: dict[str, Any] = {
            "names": [name for name, column in self.layout.matches.items() if event[column]],
            "source": self.source(event[KIND]),
            "at": iso(event[AT]),
            "age_days": _digits((self.as_of_us - event[AT]) / DAY_US),
            "count": int(event[WEIGHT]),
        }
        if points is None:
            return told
        factor = event[f"decay_{self.layout.sums[key]}"] if key.half_life_us is not None else 1.0
        return {**told, "factor": _digits(factor), "points": _digits(points * factor * event[WEIGHT])}

    def source(self, kind: int) -> str:
        for source, index in ANY_KINDS.items():
            if index == kind:
                return source
        for (source, of), index in self.layout.watched.items():
            if index == kind:
                return f"{source} contact.{of}"
        return "example"

    def table(self, table: Table) -> Json:
        index = self.cells[f"row_{self.layout.criteria[table.id]}"]
        row = table.rows[index] if index >= 0 else None
        tests = [_wants(test) for test in row.tests] if row else []
        return {
            "kind": "table",
            "fact": table.fact,
            "saw": self.value(table.fact),
            "row": None if row is None else {"index": index, "tests": tests, "points": row.points},
        }

    # --- truths

    def truth(self, part: Condition) -> Json:
        """Return a condition with its truth (None: unknown), and what it saw."""
        truth = self.cells[self.truths[part]]
        match part:
            case Test():
                return {"truth": truth, **_wants(part), "saw": self.value(part.fact)}
            case Count():
                return {"truth": truth, **_counts(part), "saw": self.cells[self.layout.column_of_sum(part)]}
            case EvidenceSatisfied():
                return {
                    "truth": truth,
                    "fact": "evidence",
                    "operator": "is",
                    "wants": "satisfied",
                    "saw": self.evidence(),
                }
            case Gate():
                return {"truth": truth, "gate": part.id, "condition": self.truth(self.resolved(part))}
            case All(parts):
                return {"truth": truth, "all": [self.truth(inner) for inner in parts]}
            case AnyOf(parts):
                return {"truth": truth, "any": [self.truth(inner) for inner in parts]}
            case Not(inner):
                return {"truth": truth, "not": self.truth(inner)}
            case _:
                assert_never(part)

    def resolved(self, gate: Gate) -> Condition:
        """Return the gate's condition under the contact's campaign."""
        if self.campaign is None:
            return gate.condition
        return self.campaign.gates.get(gate.id, gate.condition)

    def value(self, fact: str) -> Any:
        if fact in self.seen:
            return self.seen[fact].value
        shown = {"tier": "tier", "grade": "grade", "stage": "stage_shown", "campaign": "campaign"}
        return self.cells[shown.get(fact) or self.layout.derived[fact]]

    def evidence(self) -> Json:
        missing = [name for name, column in self.layout.items.items() if self.cells[column] is not True]
        return {"count": int(self.cells["evidence_count"]), "missing": missing}

    def gate(self, gate: Gate) -> Json:
        is_replaced = self.campaign is not None and gate.id in self.campaign.gates
        truth = self.cells[self.layout.gates[gate.id]]
        return {
            "id": gate.id,
            "truth": truth,
            "overridden": is_replaced,
            "condition": self.truth(self.resolved(gate)),
        }

    # --- stages

    def stage(self) -> Json:
        cells = self.cells
        return {
            "current": cells["stage_shown"],
            "entered_at": None if cells[ENTERED] is None else iso(cells[ENTERED]),
            "days": cells["days_in_stage"],
        }

    def rule(self, rule: Rule) -> Json:
        index = self.definition.stages.order.index(rule.stage)
        return {
            key: {**self.truth(condition), "truth": self.cells[rule_column(key, index)]}
            for key, condition in rule.conditions()
        }

    def missing(self) -> Json | None:
        """Return what the next stage above that has a way in still wants; None when there is none above."""
        order = self.definition.stages.order
        for rule in self.definition.stages.rules:
            ways = {key: part for key, part in rule.conditions() if key in ("enter", "fast_track")}
            if ways and order.index(rule.stage) > self.cells["dest_at"]:
                return {"stage": rule.stage, **{key: list(self.lacking(part)) for key, part in ways.items()}}
        return None

    def lacking(self, part: Condition, gate: str | None = None) -> Iterator[Json]:
        """Yield the parts that keep a condition from being true, each under the gate it belongs to."""
        if self.cells[self.truths[part]] is True:
            return
        match part:
            case Gate():
                yield from self.lacking(self.resolved(part), part.id)
            case All(parts):
                for inner in parts:
                    yield from self.lacking(inner, gate)
            case _:
                yield {"gate": gate, **self.truth(part)}


def _digits(number: float) -> float:
    """
    Return nine decimals: more than any score shows.

    The last bits of a sum depend on the order of addition, and the same evaluation must give the same trail.
    """
    return round(number, 9) + 0.0


def _wants(test: Test) -> Json:
    return {"fact": test.fact, "operator": test.operator.value, "wants": _plain(test.value)}


def _counts(count: Count) -> Json:
    tests = [{"operator": test.operator.value, "wants": _plain(test.value)} for test in count.tests]
    return {"counts": list(count.events), "within": _span(count.within), "tests": tests}


def _plain(value: Wanted) -> Any:
    if isinstance(value, Duration):
        return value.text
    return list(value) if isinstance(value, tuple) else value


def _span(duration: Duration | None) -> str | None:
    return None if duration is None else duration.text


def _range(limits: Range | None) -> list[float] | None:
    return None if limits is None else [limits.low, limits.high]


def _campaign(campaign: Campaign | None) -> Json | None:
    if campaign is None:
        return None
    overrides = {
        "gates": list(campaign.gates),
        "groups": list(campaign.groups),
        "points": dict(campaign.points),
    }
    return {"id": campaign.id, "until": campaign.ends_on.isoformat(), "overrides": overrides}
