"""Intents -> the portal -> an outcome for each, read from the answer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crmsync.cycle.reconcile import same_value
from crmsync.cycle.record import Trail
from crmsync.model import ContactId, Intent, Outcome, Reading, Result, RunId

CANNOT_BE_TOLD = (
    "the portal shows neither the contact's value before nor ours: whether ours arrived cannot be told"
)
_BATCH = 100


class Sink(Protocol):
    """Where changes are written. The portal's gateway is one; so is the fake in tests/fakes.py."""

    def shown(self, contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        """Batch read what the portal shows now, to compare before writing and to read back lost answers."""

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """
        Send them, all properties of a contact in one input, at most 100 contacts a request; yield one outcome
        per intent, in any order, as answers return. Bisects a refused batch down to the bad contact. Never raises
        for one bad change; a lost answer is Result.OPEN. Raises Unauthorized, RateLimited or Unavailable when
        nothing more can be sent: intents not yet yielded then were not sent.
        """


@dataclass(slots=True)
class Written:
    """How many intents had which outcome; `intended` counts those committed in this run."""

    intended: int = 0
    results: Counter[Result] = field(default_factory=Counter)

    def note(self, outcomes: Iterable[Outcome]) -> None:
        self.results.update(outcome.result for outcome in outcomes)


def write(sink: Sink, trail: Trail, intents: Sequence[Intent], run: RunId) -> list[Outcome]:
    """
    Compare, send, settle. What the portal no longer shows as the decision saw it is abandoned, not sent.

    Intents of step 1 are sent only for contacts whose step 0 was applied.
    """
    outcomes: list[Outcome] = []
    for step in (0, 1):
        of_step = [one for one in intents if one.change.step == step]
        ready, blocked = _split(of_step, outcomes)
        outcomes += _settled(trail, run, blocked)
        outcomes += _compare_and_send(sink, trail, ready, run)
    return outcomes


def settle_open(sink: Sink, trail: Trail, run: RunId, *, may_send: bool) -> list[Outcome]:
    """
    Give every intent without an outcome its outcome, by reading the portal (G3).

    Applied when the portal shows the value; sent again when it still shows the value before (and `may_send`);
    abandoned otherwise.
    """
    outcomes: list[Outcome] = []
    queue = list(trail.open_intents())
    while queue:
        first = _first_of_each_property(queue)
        chosen = {one.seq for one in first}
        queue = [one for one in queue if one.seq not in chosen]
        for batch in _batches(first):
            outcomes += _settle_batch(sink, trail, batch, run, may_send=may_send)
    return outcomes


def _settle_batch(
    sink: Sink, trail: Trail, batch: Sequence[Intent], run: RunId, *, may_send: bool
) -> list[Outcome]:
    reading = _shown(sink, batch)
    applied = [one for one in batch if same_value(_value(reading, one), one.change.after)]
    rest = [one for one in batch if one not in applied]
    done = [
        Outcome(one, Result.APPLIED, contact=one.change.contact, shown=one.change.after or None)
        for one in applied
        if one.change.contact in reading.snapshots
    ]
    absent = [one for one in applied if one.change.contact not in reading.snapshots]
    outcomes = _settled(trail, run, done)
    remaining = [*rest, *absent]
    lost = [one for one in remaining if _is_lost(one, reading)]
    outcomes += _settled(trail, run, [_abandoned(one, CANNOT_BE_TOLD) for one in lost])
    remaining = [one for one in remaining if one not in lost]
    if may_send:
        return outcomes + _send_if_unchanged(sink, trail, remaining, reading, run)
    stopped = [_abandoned(one, "writing was switched off before it was sent") for one in remaining]
    return outcomes + _settled(trail, run, stopped)


def _is_lost(intent: Intent, reading: Reading) -> bool:
    """Tell whether an intent that may have been sent can no longer be seen: gone, merged, or changed since."""
    snapshot = reading.snapshots.get(intent.change.contact)
    if intent.change.contact in reading.unreadable:
        return False
    if snapshot is None or snapshot.id != intent.change.contact:
        return True
    return (_value(reading, intent) or None) != (intent.change.before or None)


def _compare_and_send(sink: Sink, trail: Trail, intents: Sequence[Intent], run: RunId) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for batch in _batches(intents):
        outcomes += _send_if_unchanged(sink, trail, batch, _shown(sink, batch), run)
    return outcomes


def _send_if_unchanged(
    sink: Sink, trail: Trail, intents: Sequence[Intent], reading: Reading, run: RunId
) -> list[Outcome]:
    stopped = [outcome for one in intents if (outcome := _not_to_be_sent(one, reading)) is not None]
    outcomes = _settled(trail, run, stopped)
    unsent = {one.intent.seq for one in stopped}
    sent = [one for one in intents if one.seq not in unsent]
    arrived: list[Outcome] = []
    try:
        for outcome in sink.update(sent) if sent else ():
            arrived.append(outcome)  # noqa: PERF402 - what arrived before an error must be kept
    finally:
        outcomes += _settled(trail, run, arrived)  # also what had its answer before the road broke
    return outcomes


def _not_to_be_sent(intent: Intent, reading: Reading) -> Outcome | None:
    contact = intent.change.contact
    if contact in reading.unreadable:  # failed, not abandoned: it is set aside until it changes
        problem = f"the portal's answer was unreadable: {reading.unreadable[contact]}"
        return Outcome(intent, Result.FAILED, problem)
    snapshot = reading.snapshots.get(contact)
    if snapshot is None:
        return _abandoned(intent, "the contact is no longer in the portal")
    if snapshot.id != contact:
        return _abandoned(intent, f"the contact was merged into {snapshot.id}")
    if (snapshot.properties.get(intent.change.property) or None) != (intent.change.before or None):
        return _abandoned(intent, "the portal shows another value than the decision saw")
    return None


def _value(reading: Reading, intent: Intent) -> str | None:
    snapshot = reading.snapshots.get(intent.change.contact)
    return (snapshot.properties.get(intent.change.property) or None) if snapshot else None


def _abandoned(intent: Intent, why: str) -> Outcome:
    return Outcome(intent, Result.ABANDONED, why)


def _split(intents: Sequence[Intent], outcomes: Sequence[Outcome]) -> tuple[list[Intent], list[Outcome]]:
    """Part those that may be sent from those whose first step did not happen."""
    missed = {
        (one.intent.change.contact, one.intent.change.property): one.result
        for one in outcomes
        if one.result is not Result.APPLIED
    }
    ready = [one for one in intents if (one.change.contact, one.change.property) not in missed]
    blocked = [
        _abandoned(one, "the step before it was not applied")
        for one in intents
        if missed.get((one.change.contact, one.change.property), Result.OPEN) is not Result.OPEN
    ]
    return ready, blocked


def _settled(trail: Trail, run: RunId, outcomes: list[Outcome]) -> list[Outcome]:
    if outcomes:
        trail.settle(outcomes, run)
    return outcomes


def _shown(sink: Sink, intents: Sequence[Intent]) -> Reading:
    contacts = list(dict.fromkeys(one.change.contact for one in intents))
    return sink.shown(contacts, sorted({one.change.property for one in intents}))


def _first_of_each_property(intents: Sequence[Intent]) -> list[Intent]:
    """Settle a clear before the set that needs it: they are two intents on one property."""
    first: dict[tuple[ContactId, str], Intent] = {}
    for one in intents:
        first.setdefault((one.change.contact, one.change.property), one)
    return sorted(first.values(), key=lambda one: one.seq)


def _batches(intents: Sequence[Intent]) -> Iterator[list[Intent]]:
    """Cut into batches of at most 100 contacts, each contact whole."""
    by_contact: dict[ContactId, list[Intent]] = {}
    for one in intents:
        by_contact.setdefault(one.change.contact, []).append(one)
    contacts = list(by_contact.values())
    for start in range(0, len(contacts), _BATCH):
        yield [one for group in contacts[start : start + _BATCH] for one in group]
