"""Typed columns -> points, subtotals, scores, bands: sections 6 and 7, as layers of expressions."""

import math
from collections.abc import Iterable, Sequence
from typing import assert_never

import narwhals as nw

from crmsync.definition.evaluation.conditions import Truths, all_of, any_of
from crmsync.definition.evaluation.layout import (
    ANY_KINDS,
    AT,
    CAMPAIGN,
    ENTERED,
    KIND,
    LATEST,
    ROW,
    WEIGHT,
    Layout,
    Lazy,
    Sum,
    sum_of,
)
from crmsync.definition.nouns import (
    DAY_US,
    Band,
    Campaign,
    Conditional,
    Counted,
    Criterion,
    EventKind,
    EvidenceRule,
    Range,
    Recency,
    Row,
    Table,
)
from crmsync.definition.text import fold

NO_CAMPAIGN = -1
ZERO = nw.lit(0.0)
_A_ZERO = nw.col(ROW) * 0.0  # added to -0 it gives 0; Polars would skip the addition of a literal


def first_true(choices: Iterable[tuple[nw.Expr, nw.Expr]], otherwise: nw.Expr) -> nw.Expr:
    """Return the value of the first condition that is true. Flat: nesting would meet Python's recursion limit."""
    picked = [nw.when(condition).then(value) for condition, value in choices]
    return nw.coalesce(*picked, otherwise) if picked else otherwise


def total(parts: Sequence[nw.Expr]) -> nw.Expr:
    return nw.sum_horizontal(*parts) if parts else ZERO


def limited(score: nw.Expr, limits: Range | None) -> nw.Expr:
    return score.clip(limits.low, limits.high) if limits else score


def rounded(score: nw.Expr) -> nw.Expr:
    """Return what is tested and reported, of one column or of many at once."""
    return score.round(6) + _A_ZERO


# --- events


def match_events(events: Lazy, layout: Layout, as_of_us: int, *, given: bool) -> Lazy:
    """Add one Boolean column per event that some rule uses; null and false both mean: does not match."""
    truths = Truths(as_of_us, layout.attributes.__getitem__, _no_count, _no_gate)
    happened = events.filter(nw.col(AT) <= as_of_us)
    columns = [
        _matches(layout.definition.events[name], layout, truths, given=given).alias(column)
        for name, column in layout.matches.items()
    ]
    return happened.with_columns(*columns) if columns else happened


def _no_count(_: object) -> str:
    raise AssertionError("events are not counted inside `where`")


def _no_gate(_: object) -> str:
    raise AssertionError("gates do not stand inside `where`")


def _matches(event: EventKind, layout: Layout, truths: Truths, *, given: bool) -> nw.Expr:
    is_kind = nw.col(KIND) == layout.kind_of(event)
    match = is_kind & truths.of(event.where) if event.where is not None else is_kind
    if not given:
        return match
    code = layout.given[event.name]
    return match | nw.col(KIND).is_in([code, code + 1])


def sum_events(matched: Lazy, layout: Layout, as_of_us: int, *, given: bool) -> Lazy:
    """Return one row per contact that has events, with every sum and the last decision-phase event."""
    columns = [
        contribution(key, layout, as_of_us, given=given).alias(column) for key, column in layout.sums.items()
    ]
    if layout.needs_latest:
        decisive = any_of(nw.col(layout.matches[name]) for name in layout.decisive)
        columns.append(nw.when(decisive).then(nw.col(AT)).alias(LATEST))
    sums = [nw.col(*layout.sums.values()).sum()] if layout.sums else []
    latest = [nw.col(LATEST).max()] if layout.needs_latest else []
    return matched.select(ROW, *columns).group_by(ROW).agg(*sums, *latest)


def contribution(key: Sum, layout: Layout, as_of_us: int, *, given: bool) -> nw.Expr:
    """Return what one event adds to a sum: its weight times its decay, or null for nothing."""
    counts = in_window(key, layout, as_of_us, given=given)
    amount = nw.col(WEIGHT)
    if key.half_life_us is not None:
        amount = amount * decay(key.half_life_us, as_of_us)
    return nw.when(counts).then(amount)


def in_window(key: Sum, layout: Layout, as_of_us: int, *, given: bool) -> nw.Expr:
    """Return whether an event belongs to a sum."""
    sets = [nw.col(layout.matches[name]) for name in sorted(key.events - {"any"})]
    if "any" in key.events:
        sets.append(nw.col(KIND) < len(ANY_KINDS))
        if given:
            sets.append((nw.col(KIND) >= min(layout.given.values(), default=0)) & (nw.col(KIND) % 2 == 1))
    belongs = any_of(sets)
    if key.within_us is None:
        return belongs
    return belongs & (nw.col(AT) >= as_of_us - key.within_us)


def decay(half_life_us: int, as_of_us: int) -> nw.Expr:
    """Return 0.5 ** (age / half_life)."""
    age_us = (as_of_us - nw.col(AT)).cast(nw.Float64)
    return (age_us * (-math.log(2.0) / half_life_us)).exp()


# --- points


def points_of(
    criterion: Criterion, layout: Layout, truths: Truths, campaigns: Sequence[tuple[int, Campaign]]
) -> nw.Expr:
    """Return the unrounded points of a criterion, with the points of the contact's campaign where it has others."""
    if isinstance(criterion, Table):
        return _only_when(criterion, _table(criterion, truths), truths)
    choices = [
        (nw.col(CAMPAIGN) == index, _points(criterion, campaign.points[criterion.id], layout, truths))
        for index, campaign in campaigns
        if criterion.id in campaign.points
    ]
    return first_true(choices, _points(criterion, criterion.points, layout, truths))


def _points(
    criterion: Recency | Counted | Conditional, points: float, layout: Layout, truths: Truths
) -> nw.Expr:
    match criterion:
        case Recency():
            amount = (
                nw.col(layout.sums[sum_of(criterion.events, criterion.within, criterion.half_life)]) * points
            )
            return _only_when(criterion, _capped(amount, points, criterion.cap), truths)
        case Counted():
            passed = nw.when(truths.of(criterion.count)).then(nw.lit(points)).otherwise(ZERO)
            return _only_when(criterion, passed, truths)
        case Conditional(when=when, else_points=else_points):
            truth = truths.of(when)
            if else_points is None:
                return nw.when(truth).then(nw.lit(points)).otherwise(ZERO)
            return first_true([(truth, nw.lit(points)), (~truth, nw.lit(else_points))], ZERO)
        case _:
            assert_never(criterion)


def _capped(amount: nw.Expr, points: float, cap: float | None) -> nw.Expr:
    if cap is None:
        return amount
    return amount.clip(upper_bound=cap) if points > 0 else amount.clip(lower_bound=-cap)


def _only_when(criterion: Recency | Counted | Table, points: nw.Expr, truths: Truths) -> nw.Expr:
    if criterion.when is None:
        return points
    return nw.when(truths.of(criterion.when)).then(points).otherwise(ZERO)


def _table(table: Table, truths: Truths) -> nw.Expr:
    return first_true([(row_truth(row, table, truths), nw.lit(row.points)) for row in table.rows], ZERO)


def row_truth(row: Row, table: Table, truths: Truths) -> nw.Expr:
    if row.tests:
        return all_of(truths.of(test) for test in row.tests)
    return ~nw.col(truths.column(table.fact)).is_null()


# --- scores and bands


def group_subtotal(
    name: str, criteria: Sequence[str], limits: Range | None, campaigns: Sequence[tuple[int, Campaign]]
) -> nw.Expr:
    """Return the unrounded subtotal of a group from the columns of its criteria, limited as its campaign says."""
    raw = total([nw.col(column) for column in criteria])
    choices = [
        (nw.col(CAMPAIGN) == index, limited(raw, campaign.groups[name]))
        for index, campaign in campaigns
        if name in campaign.groups
    ]
    return first_true(choices, limited(raw, limits))


def band(score: str, bands: Sequence[Band], below: str) -> nw.Expr:
    """Return the name of the first band that the score reaches."""
    choices = [(nw.col(score) >= item.least, nw.lit(item.name)) for item in bands]
    return first_true(choices, nw.lit(below))


def next_letter(bands: Sequence[Band]) -> str:
    return chr(ord(bands[-1].name) + 1)


def next_level(bands: Sequence[Band]) -> str:
    return str(int(bands[-1].name) + 1)


def completeness(columns: Sequence[str]) -> nw.Expr:
    if not columns:
        return nw.lit(1.0)
    known = [nw.when(~nw.col(column).is_null()).then(nw.lit(1.0)).otherwise(ZERO) for column in columns]
    return rounded(total(known) / float(len(columns)))


# --- derived from facts and events


def campaign_index(campaigns: Sequence[tuple[int, Campaign]], truths: Truths) -> nw.Expr:
    choices = [(truths.of(campaign.applies_when), nw.lit(index)) for index, campaign in campaigns]
    return first_true(choices, nw.lit(NO_CAMPAIGN))


def campaign_name(campaigns: Sequence[tuple[int, Campaign]], *, is_key: bool) -> nw.Expr:
    choices = [
        (nw.col(CAMPAIGN) == index, nw.lit(fold(campaign.id) if is_key else campaign.id))
        for index, campaign in campaigns
    ]
    return first_true(choices, nw.lit(None, nw.String))


def evidence_count(layout: Layout) -> nw.Expr:
    return total(
        [nw.when(nw.col(column)).then(nw.lit(1.0)).otherwise(ZERO) for column in layout.items.values()]
    )


def evidence_satisfied(rule: EvidenceRule | None, layout: Layout) -> nw.Expr:
    if rule is None:
        return nw.lit(value=False)
    musts = [nw.col(layout.items[name]).fill_null(value=False) for name in rule.must_include]
    return all_of([nw.col("evidence_count") >= float(rule.require), *musts])


def days_in_stage(as_of_us: int) -> nw.Expr:
    return (as_of_us - nw.col(ENTERED)).cast(nw.Float64) / float(DAY_US)
