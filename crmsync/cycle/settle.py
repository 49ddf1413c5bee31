"""Intents without an outcome -> an outcome for each, from what the portal shows and remembers of them (G3)."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from crmsync.cycle.record import Trail
from crmsync.cycle.write import Sink, abandoned, batches, compare_and_send, part_blocked, settled
from crmsync.model import ContactId, Fate, Intent, Outcome, Result, RunId, Seen

CANNOT_BE_TOLD = "whether it arrived cannot be told"
GONE = f"{CANNOT_BE_TOLD}: the contact is no longer in the portal"
OFF = "it did not arrive, and writes.mode is observe by now"
_WHY = {
    Fate.OVERTAKEN: "it did not arrive, and the value has been set otherwise since",
    Fate.UNTOLD: f"{CANNOT_BE_TOLD}: the portal shows neither the value before nor ours",
    Fate.GONE: GONE,
}


def settle_open(sink: Sink, trail: Trail, run: RunId, *, may_send: bool) -> list[Outcome]:
    """
    Look back at every intent that a dead process or a lost answer left without an outcome.

    Applied when it arrived, whatever was done to the value since; sent (again) when it did not, the portal still shows
    the value before and `may_send`; abandoned otherwise. One that cannot be read now waits for the next cycle.
    """
    outcomes: list[Outcome] = []
    for some in _in_order(list(trail.open_intents())):
        ready, blocked = part_blocked(some, outcomes)
        outcomes += settled(trail, run, blocked)
        for batch in batches(ready):
            outcomes += _settle(sink, trail, batch, run, may_send=may_send)
    return outcomes


def _settle(
    sink: Sink, trail: Trail, batch: Sequence[Intent], run: RunId, *, may_send: bool
) -> list[Outcome]:
    seen = sink.look_back(batch)
    known = [outcome for one in seen if (outcome := _outcome(one)) is not None]
    outcomes = settled(trail, run, known)
    unsent = [one.intent for one in seen if one.fate is Fate.AS_BEFORE]
    if may_send:
        return outcomes + compare_and_send(sink, trail, unsent, run)
    return outcomes + settled(trail, run, [abandoned(one, OFF) for one in unsent])


def _outcome(seen: Seen) -> Outcome | None:
    """Say what the portal has told; None: nothing was written yet, so it can be."""
    match seen.fate:
        case Fate.ARRIVED:
            after = seen.intent.change.after or None
            return Outcome(seen.intent, Result.APPLIED, contact=seen.contact, shown=after)
        case Fate.UNREAD:
            return Outcome(seen.intent, Result.OPEN, "the contact cannot be read now")
        case Fate.AS_BEFORE:
            return None
        case _:
            return Outcome(seen.intent, Result.ABANDONED, _why(seen), seen.contact, seen.shown)


def _why(seen: Seen) -> str:
    if seen.contact not in {None, seen.intent.change.contact}:
        return f"{CANNOT_BE_TOLD}: the contact was merged into {seen.contact}"
    return _WHY[seen.fate]


def _in_order(intents: Sequence[Intent]) -> Iterator[list[Intent]]:
    """Settle a clear before the set that needs it: intents on one property of a contact come one after the other."""
    rounds: dict[tuple[ContactId, str], int] = {}
    numbered: list[tuple[int, Intent]] = []
    for one in sorted(intents, key=lambda intent: intent.seq):
        key = one.change.contact, one.change.property
        rounds[key] = rounds.get(key, -1) + 1
        numbered.append((rounds[key], one))
    for _, group in groupby(sorted(numbered, key=lambda pair: (pair[0], pair[1].seq)), key=lambda p: p[0]):
        yield [one for _, one in group]
