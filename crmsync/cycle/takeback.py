"""A move backward that was refused after its clear -> the changes that leave the contact as it was before. Pure."""

from collections.abc import Iterator, Sequence

from crmsync.cycle.reconcile import Cause
from crmsync.cycle.write import part_blocked
from crmsync.model import BOUND_TO_STAGE, STAGE, Change, Intent, Outcome, Result

WHY = "The portal refused the second step of this move; what the first one had written is taken back."


def cut_short(outcomes: Sequence[Outcome]) -> list[Intent]:
    """Return the second steps that were refused and have left no stage behind."""
    refused = [one.intent for one in outcomes if _is_refused(one)]
    sent, _ = part_blocked(refused, [one for one in outcomes if not one.intent.change.step])
    return sent


def taken_back(applied: Sequence[Intent]) -> Iterator[Change]:
    """
    Undo a move, as far as it came: the clear and what was written because of the move.

    Args:
        applied: what its run changed of the contact, oldest first.
    """
    clears = [n for n, one in enumerate(applied) if one.change.property == STAGE and not one.change.after]
    for one in applied[clears[-1] :] if clears else ():
        change, reason = one.change, {"takes_back": {"seq": one.seq, "run": one.run}, "why": WHY}
        if change.property == STAGE or change.property in BOUND_TO_STAGE:
            shown, before = change.after or None, change.before or ""
            yield Change(change.contact, change.property, shown, before, Cause.TAKEN_BACK.value, reason)


def _is_refused(outcome: Outcome) -> bool:
    change = outcome.intent.change
    is_second = change.step > 0 and change.property == STAGE
    return is_second and outcome.result is Result.FAILED and not outcome.shown
