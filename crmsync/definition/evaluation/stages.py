"""Scores and truths -> gates, target, decision, outcome, track: sections 8 and 9, as layers of expressions."""

from collections.abc import Iterator, Sequence

import narwhals as nw

from crmsync.definition.evaluation.conditions import Truths, all_of, any_of
from crmsync.definition.evaluation.layout import CAMPAIGN, ENTERED, LATEST, STAGE, Layout
from crmsync.definition.evaluation.scoring import first_true
from crmsync.definition.nouns import Campaign, Definition, Gate, Reason, Recycle, Stages
from crmsync.definition.text import fold

NOWHERE = -1  # before the funnel: no stage yet, or one that is not in order
_NO = nw.lit(value=False)


class Decider:
    """Builds the layers that decide. Stages are their index in order; NOWHERE ranks below all."""

    def __init__(self, definition: Definition, layout: Layout, truths: Truths, as_of_us: int) -> None:
        self.definition = definition
        self.stages: Stages = definition.stages
        self.layout = layout
        self.truths = truths
        self.as_of_us = as_of_us
        self.index = {stage: index for index, stage in enumerate(self.stages.order)}
        self.ruled = [self.index[rule.stage] for rule in self.stages.rules]  # rising

    # --- before the rules

    def position(self) -> nw.Expr:
        """Return the index of the current stage."""
        choices = [(nw.col(STAGE) == fold(stage), nw.lit(index)) for stage, index in self.index.items()]
        return first_true(choices, nw.lit(NOWHERE))

    def disqualified(self) -> nw.Expr:
        """Return whether any veto is true; an unknown veto is no veto."""
        return any_of(nw.col(column).fill_null(value=False) for column in self.layout.vetoes.values())

    def recycled(self) -> nw.Expr:
        recycle = self.definition.recycle
        if recycle is None or not recycle.reasons:
            return _NO
        handed_back = any_of(self._stands(reason, recycle) for reason in recycle.reasons).fill_null(
            value=False
        )
        if not self.layout.needs_latest or recycle.returned_at is None:
            return handed_back
        returned_at = nw.col(self.layout.column(recycle.returned_at))
        decided_since = (nw.col(LATEST) > returned_at).fill_null(value=False)
        return handed_back & ~decided_since

    def _stands(self, reason: Reason, recycle: Recycle) -> nw.Expr:
        given = nw.col(self.layout.column(recycle.reason)) == fold(reason.text)
        if reason.revisit is None or recycle.returned_at is None:
            return given
        returned_at = nw.col(self.layout.column(recycle.returned_at))
        return given & (returned_at > self.as_of_us - reason.revisit.us).fill_null(value=True)

    # --- rules

    def gate(self, gate: Gate, campaigns: Sequence[tuple[int, Campaign]]) -> nw.Expr:
        """Return the truth of a gate under the contact's campaign."""
        own = self.truths.of(gate.condition)
        replaced = [
            (index, campaign.gates[gate.id]) for index, campaign in campaigns if gate.id in campaign.gates
        ]
        if not replaced:
            return own
        variant = nw.col(CAMPAIGN)
        parts = [(variant == index) & self.truths.of(condition) for index, condition in replaced]
        elsewhere = ~variant.is_in([index for index, _ in replaced])
        return any_of([*parts, elsewhere & own])

    def rule_columns(self) -> Iterator[nw.Expr]:
        """Yield the truth of every condition of every rule, as `enter_3` for the stage with index 3."""
        for rule in self.stages.rules:
            for key, condition in rule.conditions():
                yield self.truths.of(condition).alias(rule_column(key, self.index[rule.stage]))

    def way_in_columns(self) -> Iterator[nw.Expr]:
        """Yield whether a rule lets in, as `in_3`: `enter` or `fast_track` is true; unknown is not."""
        for index in self.ruled:
            ways = [*self._truth("enter", index), *self._truth("fast_track", index)]
            yield any_of(ways).alias(rule_column("in", index))

    def _truth(self, key: str, index: int) -> list[nw.Expr]:
        """Return a condition of a rule as true or not; nothing where the rule has none."""
        rule = self.stages.rule(self.stages.order[index])
        has_one = rule is not None and getattr(rule, key) is not None
        return [nw.col(rule_column(key, index)).fill_null(value=False)] if has_one else []

    def _lets_in(self, index: int) -> nw.Expr:
        return nw.col(rule_column("in", index))

    # --- the decision

    def target(self) -> nw.Expr:
        barred = nw.col("disqualified") | nw.col("recycled")
        choices = [(self._lets_in(index), nw.lit(index)) for index in reversed(self.ruled)]
        return first_true([(barred, nw.lit(NOWHERE)), *choices], nw.lit(NOWHERE))

    def via(self) -> nw.Expr:
        """Return what let the contact into the target; the fast track where both did: it has the shorter SLA."""
        at = nw.col("target_at")
        fast = [(at == index) & truth for index in self.ruled for truth in self._truth("fast_track", index)]
        return first_true(
            [(any_of(fast), nw.lit("fast_track")), (at != NOWHERE, nw.lit("enter"))], nw.lit(None, nw.String)
        )

    def lower(self) -> nw.Expr:
        """Return where a demotion leads to; NOWHERE when there is no stage below that has a rule."""
        at = nw.col("position")
        fitting = [
            (all_of([at > index, any_of([self._lets_in(index), *self._truth("stay", index)])]), nw.lit(index))
            for index in reversed(self.ruled)
        ]
        lowest = [(at > index, nw.lit(index)) for index in self.ruled[:1]]
        return first_true([*fitting, *lowest], nw.lit(NOWHERE))

    def lost(self) -> nw.Expr:
        """Return whether the current stage's rule no longer holds the contact (line 6 of the table)."""
        parts = []
        protected = {fold(stage) for stage in self.stages.never_demote_from}
        for rule in self.stages.rules:
            if rule.stay is None or fold(rule.stage) in protected:
                continue
            index = self.index[rule.stage]
            fails = ~nw.col(rule_column("stay", index)).fill_null(value=True)
            stayed_us = self.as_of_us - nw.col(ENTERED)
            least_us = rule.min_stay.us if rule.min_stay else 0
            long_enough = (stayed_us >= least_us).fill_null(value=False)
            parts.append(all_of([nw.col("position") == index, fails, ~self._lets_in(index), long_enough]))
        return any_of(parts)

    def code(self) -> nw.Expr:
        position = nw.col("position")
        stage = nw.col(STAGE)
        human = [fold(name) for name in self.stages.human_only]
        is_human = stage.is_in(human).fill_null(value=False) if human else _NO
        lines = [
            (is_human, "human_only"),
            (~stage.is_null() & (position == NOWHERE), "unknown_stage"),
            (nw.col("disqualified"), "disqualified"),
            (nw.col("recycled"), "recycled"),
            (nw.col("target_at") > position, "promoted"),
            (nw.col("lost") & (nw.col("lower_at") != NOWHERE), "demoted"),
        ]
        return first_true([(line, nw.lit(code)) for line, code in lines], nw.lit("kept"))

    def destination(self) -> nw.Expr:
        """Return the index of the stage the decision leads to."""
        code = nw.col("code")
        moves = [(code == "promoted", nw.col("target_at")), (code == "demoted", nw.col("lower_at"))]
        return first_true(moves, nw.col("position"))

    def outcome(self) -> nw.Expr:
        choices = [
            (nw.col("disqualified"), "disqualified"),
            (nw.col("recycled"), "recycled"),
            (self._needs_data(), "needs_data"),
            (self._above("triage"), "triage"),
            (self._above("borderline"), "borderline"),
            (self._qualified(), "qualified"),
        ]
        return first_true([(truth, nw.lit(outcome)) for truth, outcome in choices], nw.lit("nurture"))

    def _needs_data(self) -> nw.Expr:
        """Return whether the next rule above has an `enter` that is unknown."""
        parts = []
        below = NOWHERE
        for rule in self.stages.rules:
            index = self.index[rule.stage]
            if rule.enter is not None:
                is_next = (nw.col("dest_at") >= below) & (nw.col("dest_at") < index)
                parts.append(is_next & nw.col(rule_column("enter", index)).is_null())
            below = index
        return any_of(parts)

    def _above(self, key: str) -> nw.Expr:
        dest = nw.col("dest_at")
        return any_of((dest < index) & truth for index in self.ruled for truth in self._truth(key, index))

    def _qualified(self) -> nw.Expr:
        handoff = self.definition.terms.handoff_stage
        return _NO if handoff is None else nw.col("dest_at") >= self.index[handoff]

    def stage_name(self, column: str) -> nw.Expr:
        choices = [(nw.col(column) == index, nw.lit(stage)) for stage, index in self.index.items()]
        return first_true(choices, nw.lit(None, nw.String))

    def moved_to(self) -> nw.Expr:
        moves = nw.col("code").is_in(["promoted", "demoted"])
        return nw.when(moves).then(nw.col("dest")).otherwise(nw.lit(None, nw.String))

    def track(self) -> nw.Expr:
        choices = [(self.truths.of(track.when), nw.lit(track.id)) for track in self.definition.tracks]
        return first_true(choices, nw.lit(None, nw.String))


def rule_column(key: str, index: int) -> str:
    return f"{key}_{index}"
