"""Frames of typed columns + instant + definition -> one frame with everything an evaluation says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import narwhals as nw

from crmsync.definition.evaluation import scoring
from crmsync.definition.evaluation.conditions import Truths
from crmsync.definition.evaluation.layout import CAMPAIGN, ROW, Layout, Lazy
from crmsync.definition.evaluation.stages import Decider
from crmsync.definition.nouns import Campaign, Definition, Range

_RAW = "raw_"


@dataclass(frozen=True, slots=True)
class Frames:
    """
    Contacts and their events as typed columns, of any engine that narwhals plans lazily.

    Attributes:
        contacts: `row`, `stage_key`, `entered_at` (epoch microseconds) and a column per fact (Layout.facts).
        events: `row`, `kind`, `at` (epoch microseconds), `n` and a column per attribute (Layout.attributes).
        given: the events are an example's, known by name.
    """

    contacts: Lazy
    events: Lazy
    given: bool = False


class FrameEvaluator:
    """The semantics of the language, once, for every engine. Built per definition, used per instant."""

    def __init__(self, definition: Definition, layout: Layout) -> None:
        self.definition = definition
        self.layout = layout

    def matched_events(self, frames: Frames, as_of_us: int) -> Lazy:
        """Return the events up to as_of with one Boolean column per event that some rule uses."""
        return scoring.match_events(frames.events, self.layout, as_of_us, given=frames.given)

    def evaluate(self, frames: Frames, as_of_us: int) -> Lazy:
        """Return one row per contact, in any order, with every intermediate column."""
        campaigns = self._running(as_of_us)
        truths = Truths(
            as_of_us, self.layout.column, self.layout.column_of_sum, self.layout.gates.__getitem__
        )
        decider = Decider(self.definition, self.layout, truths, as_of_us)
        frame = self._with_sums(frames, as_of_us)
        frame = self._with_inputs(frame, truths, campaigns, decider)
        frame = self._with_points(frame, truths, campaigns, decider)
        frame = self._with_scores(frame, campaigns)
        frame = self._with_rules(frame, decider, campaigns)
        return _with_decision(frame, decider)

    def _running(self, as_of_us: int) -> Sequence[tuple[int, Campaign]]:
        numbered = enumerate(self.definition.campaigns)
        return [(index, c) for index, c in numbered if c.from_us <= as_of_us < c.until_us]

    def _with_sums(self, frames: Frames, as_of_us: int) -> Lazy:
        layout = self.layout
        if not layout.sums and not layout.needs_latest:
            return frames.contacts
        matched = self.matched_events(frames, as_of_us)
        sums = scoring.sum_events(matched, layout, as_of_us, given=frames.given)
        joined = frames.contacts.join(sums, on=ROW, how="left")
        return _with(joined, [nw.col(*layout.sums.values()).fill_null(0.0)] if layout.sums else [])

    def _with_inputs(
        self, frame: Lazy, truths: Truths, campaigns: Sequence[tuple[int, Campaign]], decider: Decider
    ) -> Lazy:
        """Add everything that follows from facts and events alone, but the points."""
        layout, definition = self.layout, self.definition
        items = definition.evidence.items if definition.evidence else ()
        columns = [
            scoring.campaign_index(campaigns, truths).alias(CAMPAIGN),
            decider.position().alias("position"),
            decider.recycled().alias("recycled"),
            scoring.days_in_stage(truths.as_of_us).alias("days_in_stage"),
            scoring.completeness([layout.facts[name] for name in definition.fit.key_facts]).alias(
                "completeness"
            ),
            *(truths.of(veto.when).alias(layout.vetoes[veto.id]) for veto in definition.disqualify),
            *(truths.of(item.condition).alias(layout.items[item.name]) for item in items),
        ]
        return _with(frame, columns)

    def _with_points(
        self, frame: Lazy, truths: Truths, campaigns: Sequence[tuple[int, Campaign]], decider: Decider
    ) -> Lazy:
        """Add the points, and what is derived from the inputs: vetoes, evidence, the campaign's name."""
        layout, definition = self.layout, self.definition
        points = (
            scoring.points_of(criterion, layout, truths, campaigns).alias(raw(layout.criteria[criterion.id]))
            for criterion in definition.criteria()
        )
        derived = [
            decider.disqualified().alias("disqualified"),
            scoring.evidence_count(layout).alias("evidence_count"),
            scoring.campaign_name(campaigns, is_key=False).alias("campaign"),
            scoring.campaign_name(campaigns, is_key=True).alias("campaign_key"),
        ]
        return _with(frame, [*points, *derived])

    def _with_scores(self, frame: Lazy, campaigns: Sequence[tuple[int, Campaign]]) -> Lazy:
        layout, fit, engagement = self.layout, self.definition.fit, self.definition.engagement
        fit_points = [nw.col(raw(layout.criteria[c.id])) for c in fit.criteria]
        subtotals = [
            scoring.group_subtotal(
                group.name, [raw(layout.criteria[c.id]) for c in group.criteria], group.range, campaigns
            ).alias(raw(layout.groups[group.name]))
            for group in engagement.groups
        ]
        satisfied = scoring.evidence_satisfied(self.definition.evidence, layout).alias("evidence_satisfied")
        frame = _with(frame, [*subtotals, _score(fit_points, fit.range).alias("fit"), satisfied])
        groups = [nw.col(raw(column)) for column in layout.groups.values()]
        unrounded = [raw(column) for column in (*layout.criteria.values(), *layout.groups.values())]
        reported = [scoring.rounded(nw.col(*unrounded)).name.map(_reported)] if unrounded else []
        frame = _with(frame, [*reported, _score(groups, engagement.range).alias("engagement")])
        return self._with_bands(frame)

    def _with_bands(self, frame: Lazy) -> Lazy:
        tiers, levels = self.definition.fit.tiers, self.definition.engagement.levels
        nothing = nw.lit(None, nw.String)
        tier = scoring.band("fit", tiers, scoring.next_letter(tiers)) if tiers else nothing
        level = scoring.band("engagement", levels, scoring.next_level(levels)) if levels else nothing
        frame = _with(frame, [tier.alias("tier"), level.alias("level")])
        grade = nw.concat_str(nw.col("tier"), nw.col("level")) if tiers and levels else nothing
        frame = _with(frame, [grade.alias("grade"), nw.col("tier").str.to_lowercase().alias("tier_key")])
        return _with(frame, [nw.col("grade").str.to_lowercase().alias("grade_key")])

    def _with_rules(self, frame: Lazy, decider: Decider, campaigns: Sequence[tuple[int, Campaign]]) -> Lazy:
        for layer in self.layout.gate_layers:
            gates = (decider.gate(gate, campaigns).alias(self.layout.gates[gate.id]) for gate in layer)
            frame = _with(frame, gates)
        return _with(frame, decider.rule_columns())


def _with_decision(frame: Lazy, decider: Decider) -> Lazy:
    frame = _with(frame, decider.way_in_columns())
    frame = _with(
        frame,
        [
            decider.target().alias("target_at"),
            decider.lower().alias("lower_at"),
            decider.lost().alias("lost"),
        ],
    )
    frame = _with(frame, [decider.code().alias("code"), decider.via().alias("via")])
    frame = _with(frame, [decider.destination().alias("dest_at")])
    frame = _with(
        frame,
        [
            decider.outcome().alias("outcome"),
            decider.stage_name("target_at").alias("target"),
            decider.stage_name("dest_at").alias("dest"),
        ],
    )
    return _with(frame, [decider.track().alias("track"), decider.moved_to().alias("to")])


def _score(parts: Sequence[nw.Expr], limits: Range | None) -> nw.Expr:
    return scoring.rounded(scoring.limited(scoring.total(parts), limits))


def _with(frame: Lazy, columns: Iterable[nw.Expr]) -> Lazy:
    added = list(columns)
    return frame.with_columns(*added) if added else frame


def raw(column: str) -> str:
    """Return the column that holds a score before it is rounded."""
    return f"{_RAW}{column}"


def _reported(column: str) -> str:
    return column.removeprefix(_RAW)
