"""
A plan's changes -> groups by cause and criterion, and the contacts it moves most: what a person decides by. Pure.

`plan_view(slices)` reads the slices of `plans.changes(plan)` once, in any number, and keeps counts and the few contacts
that are shown, never the plan. A stage change weighs more than any score, a demotion more than a promotion.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import chain, groupby

from crmsync.model import STAGE, Change, ContactId, Json, Own

SHOWN = 20
_CRITERIA_SHOWN = 5
_BOOKKEEPING = frozenset({"along", "definition_changed"})  # of nearly every contact, and nobody decides by it
_SCORES: tuple[str, ...] = (Own.FIT, Own.ENGAGEMENT)
_STAGE_WEIGHT = 1_000.0
_BACK_WEIGHT = 2_000.0  # a demotion, or a stage that is cleared


@dataclass(frozen=True, slots=True)
class Move:
    """A property from one value to another; None: no value."""

    property: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """
    What a criterion has to do with a group's stage and score changes.

    Attributes:
        contacts: of how many it bears on.
        points: it gives them, on average.
    """

    criterion: str
    contacts: int
    points: float


@dataclass(frozen=True, slots=True)
class Group:
    """
    The changes of one cause.

    Attributes:
        moves: (stage before, stage after) -> contacts; most first. None: no stage.
        criteria: those that bear on most contacts, first.
    """

    cause: str
    contacts: int
    changes: int
    moves: Mapping[tuple[str | None, str | None], int]
    criteria: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """
    A contact that the plan moves.

    Attributes:
        stage: its stage change; None: the stage stays.
        scores: how fit and engagement move.
        cause: of the stage change, else of the first change.
        why: the first line of what sales will read; "" when the plan does not write it.
        weight: larger: shown earlier.
    """

    contact: ContactId
    stage: Move | None
    scores: tuple[Move, ...]
    cause: str
    why: str
    weight: float
    changes: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """`groups`: stage changes first, then by size, bookkeeping last. `affected`: moved most, first."""

    contacts: int
    changes: int
    groups: tuple[Group, ...]
    affected: tuple[Affected, ...]


def plan_view(slices: Iterable[Sequence[Change]], *, shown: int = SHOWN) -> PlanView:
    """Read a plan's changes, all changes of a contact next to each other as plans hold them."""
    tally = _Tally(shown)
    for contact, some in groupby(chain.from_iterable(slices), key=lambda change: change.contact):
        tally.add(contact, tuple(some))
    return tally.view()


@dataclass(slots=True)
class _Cause:
    contacts: int = 0
    changes: int = 0
    has_stages: bool = False
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    bearing: Counter[str] = field(default_factory=Counter)
    points: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class _Tally:
    """Counts while contacts pass by; a heap keeps the few that are shown."""

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._contacts = 0
        self._changes = 0
        self._causes: defaultdict[str, _Cause] = defaultdict(_Cause)
        self._heap: list[tuple[float, int, Affected]] = []

    def add(self, contact: ContactId, changes: Sequence[Change]) -> None:
        self._contacts += 1
        self._changes += len(changes)
        stage = _stage_move(changes)
        for cause in dict.fromkeys(change.cause for change in changes):
            self._add_cause(self._causes[cause], [one for one in changes if one.cause == cause], stage)
        affected = _affected(contact, changes, stage)
        ranked = (affected.weight, -self._contacts, affected)  # of equal ones the first stays
        if len(self._heap) < self._shown:
            heappush(self._heap, ranked)
        elif self._shown:
            heappushpop(self._heap, ranked)

    def _add_cause(self, cause: _Cause, changes: Sequence[Change], stage: Move | None) -> None:
        cause.contacts += 1
        cause.changes += len(changes)
        if stage is not None and any(change.property == STAGE for change in changes):
            cause.has_stages = True
            cause.moves[stage.before, stage.after] += 1
        points: dict[str, float] = {}
        for change in changes:
            points.update(_criteria(change))
        for criterion, given in points.items():
            cause.bearing[criterion] += 1
            cause.points[criterion] += given

    def view(self) -> PlanView:
        ordered = sorted(self._causes.items(), key=_rank)
        affected = sorted(self._heap, key=lambda ranked: ranked[:2], reverse=True)
        return PlanView(
            self._contacts,
            self._changes,
            tuple(_group(name, cause) for name, cause in ordered),
            tuple(one for _, _, one in affected),
        )


def _rank(named: tuple[str, _Cause]) -> tuple[bool, bool, int, str]:
    name, cause = named
    return not cause.has_stages, name in _BOOKKEEPING, -cause.contacts, name


def _group(name: str, cause: _Cause) -> Group:
    shares = [
        Share(criterion, contacts, cause.points[criterion] / contacts)
        for criterion, contacts in cause.bearing.items()
    ]
    shares.sort(key=lambda share: (-share.contacts, -abs(share.points), share.criterion))
    moves = dict(sorted(cause.moves.items(), key=lambda move: (-move[1], str(move[0]))))
    return Group(name, cause.contacts, cause.changes, moves, tuple(shares[:_CRITERIA_SHOWN]))


def _affected(contact: ContactId, changes: Sequence[Change], stage: Move | None) -> Affected:
    moved = [Move(one.property, one.before, one.after or None) for one in changes if one.property in _SCORES]
    leading = next((one for one in changes if one.property == STAGE), changes[0])
    card = next((one.after for one in changes if one.property == Own.REASON), "")
    weight = sum(abs(_number(move.after) - _number(move.before)) for move in moved)
    if stage is not None:
        is_back = leading.cause == "demoted" or not leading.after
        weight += _BACK_WEIGHT if is_back else _STAGE_WEIGHT
    why = card.partition("\n")[0]
    return Affected(contact, stage, tuple(moved), leading.cause, why, weight, len(changes))


def _stage_move(changes: Sequence[Change]) -> Move | None:
    """Return the stage change; of a move backward (clear, then set) the whole way."""
    steps = [change for change in changes if change.property == STAGE]
    return Move(STAGE, steps[0].before, steps[-1].after or None) if steps else None


def _criteria(change: Change) -> Iterator[tuple[str, float]]:
    """Yield the criteria that give points to the score that moves, or to the scores of a stage that changes."""
    if change.property != STAGE and change.property not in _SCORES:
        return
    told: Json = change.reason.get("evaluation") or change.reason
    for score in (told.get("fit"), *(told.get("groups") or {}).values()):
        for criterion in (score or {}).get("criteria") or ():
            if criterion.get("points"):
                yield criterion["id"], criterion["points"]


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # somebody wrote a text there; the plan is about to replace it
        return 0.0
