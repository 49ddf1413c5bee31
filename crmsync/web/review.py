"""A plan's changes -> groups and the contacts it moves most, for a person who must decide. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import groupby
from typing import Any

from crmsync.model import STAGE, Change, Json, Own, Plan
from crmsync.web.desk import Affected, PlanReview

_LOOKED_AT = 2_000
_SHOWN = 25
_WEIGHTS = {"demoted": 2_000.0, "promoted": 1_000.0, "reverted": 500.0}


def reviewed(plan: Plan, slices: Iterable[Sequence[Change]]) -> PlanReview:
    """Read the changes in plan order, at most those of the first 2,000 contacts; counts of all are in the tally."""
    criteria: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    affected: list[Affected] = []
    for contact, some in groupby(_changes(slices), key=lambda change: change.contact):
        if len(affected) >= _LOOKED_AT:
            break
        changes = tuple(some)
        affected.append(Affected(contact, changes, sum(map(_weight, changes))))
        causes.update(change.cause for change in changes)
        criteria.update({id_ for change in changes for id_ in _criteria(change)})
    contacts = len(affected)
    return PlanReview(
        contacts=contacts,
        is_whole=contacts < _LOOKED_AT,
        causes=dict(plan.tally.causes or causes),
        moves=dict(plan.tally.stages),
        criteria=dict(criteria.most_common()),
        affected=tuple(nlargest(_SHOWN, affected, key=lambda one: one.weight)),
    )


def _changes(slices: Iterable[Sequence[Change]]) -> Iterator[Change]:
    for slice_ in slices:
        yield from slice_


def _weight(change: Change) -> float:
    """Weigh a stage change above any score, a demotion above a promotion, and scores by how far they move."""
    if change.property == STAGE:
        return _WEIGHTS.get(change.cause, 1_000.0)
    if change.property in {Own.FIT, Own.ENGAGEMENT}:
        return abs(_number(change.after) - _number(change.before))
    return 0.0


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _criteria(change: Change) -> Iterator[str]:
    """Yield the criteria that gave points to a score that moves, or to the scores of a stage that changes."""
    reason = change.reason
    told: Json = reason.get("evaluation") or reason
    scores: list[Any] = [told.get("fit"), *(told.get("groups") or {}).values()]
    if change.property != STAGE and change.property not in {Own.FIT, Own.ENGAGEMENT}:
        return
    for score in scores:
        if isinstance(score, dict):
            yield from (one["id"] for one in score.get("criteria") or () if one.get("points"))
