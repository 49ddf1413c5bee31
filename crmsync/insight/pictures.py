"""What the pictures of a contact show: the stages it was in, the scores that were written. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crmsync.insight.timeline import Moment, is_change
from crmsync.model import STAGE, Own, Stage

_SCORES = {Own.FIT: "Fit", Own.ENGAGEMENT: "Engagement"}


@dataclass(frozen=True, slots=True)
class Segment:
    """A contact was in `stage` from `begins_at` to `ends_at`; `by` says who moved it there, "" when nobody knows."""

    stage: Stage | None
    begins_at: datetime
    ends_at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A score (`Fit` or `Engagement`) that was written at an instant; it holds until the next one."""

    score: str
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Since:
    """
    What the mirror knows of a contact's stage, for the time before anybody moved it.

    Attributes:
        entered_at: when the portal says it entered the stage it is in.
        known_at: when the mirror saw the contact first.
    """

    stage: Stage | None
    entered_at: datetime | None
    known_at: datetime | None


def segments(moments: Sequence[Moment], since: Since, now: datetime) -> tuple[Segment, ...]:
    """Return the stages a contact was in, oldest first; the first begins where knowledge begins."""
    moves = [one for one in moments if one.property == STAGE and is_change(one)]
    if not moves:
        begun = since.entered_at or since.known_at
        return (Segment(since.stage, begun, now, ""),) if begun else ()
    known_at = min(since.known_at or moves[0].at, moves[0].at)
    found = [Segment(moves[0].before, known_at, moves[0].at, "")] if known_at < moves[0].at else []
    for move, ends in zip(moves, [*(one.at for one in moves[1:]), now], strict=True):
        found.append(Segment(move.after, move.at, max(ends, move.at), move.actor.words))
    return tuple(found)


def readings(moments: Sequence[Moment]) -> tuple[Reading, ...]:
    """Return the scores that were written, oldest first."""
    found = []
    for one in moments:
        name = _SCORES.get(one.property or "")
        if name and is_change(one) and one.after:
            try:
                found.append(Reading(name, one.at, float(one.after)))
            except ValueError:
                continue  # a foreign text in our property is no score
    return tuple(found)
