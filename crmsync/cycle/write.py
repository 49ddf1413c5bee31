"""Intents -> the portal -> an outcome for each, read from the answer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crmsync.cycle.record import Trail
from crmsync.model import ContactId, Intent, Outcome, Reading, Result, RunId, Seen

_BATCH = 100


class Sink(Protocol):
    """Where changes are written. The portal's gateway is one; so is the fake in tests/fakes.py."""

    def shown(self, contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        """Batch read what the portal shows now, to compare before writing."""

    def look_back(self, intents: Sequence[Intent]) -> Sequence[Seen]:
        """
        Read what became of intents whose answer is unknown, one answer each in the same order.

        The history of a property tells our own writes from everybody else's, as soon as our app's id is known.
        """

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """
        Send them, all properties of a contact in one input, at most 100 contacts a request; yield one outcome
        per intent, in any order, as answers return. Bisects a refused batch down to the bad contact. Never raises
        for one bad change; a lost answer, and what had to wait again and again, is Result.OPEN. Raises
        Unauthorized, RateLimited or Unavailable when nothing more can be sent: intents not yet yielded then were
        not sent.
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
        ready, blocked = part_blocked(of_step, outcomes)
        outcomes += settled(trail, run, blocked)
        outcomes += compare_and_send(sink, trail, ready, run)
    return outcomes


def compare_and_send(sink: Sink, trail: Trail, intents: Sequence[Intent], run: RunId) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for batch in batches(intents):
        outcomes += _send_if_unchanged(sink, trail, batch, _shown(sink, batch), run)
    return outcomes


def _send_if_unchanged(
    sink: Sink, trail: Trail, intents: Sequence[Intent], reading: Reading, run: RunId
) -> list[Outcome]:
    stopped = [outcome for one in intents if (outcome := _not_to_be_sent(one, reading)) is not None]
    outcomes = settled(trail, run, stopped)
    unsent = {one.intent.seq for one in stopped}
    sent = [one for one in intents if one.seq not in unsent]
    arrived: list[Outcome] = []
    try:
        for outcome in sink.update(sent) if sent else ():
            arrived.append(outcome)  # noqa: PERF402 - what arrived before an error must be kept
    finally:
        outcomes += settled(trail, run, arrived)  # also what had its answer before the road broke
    return outcomes


def _not_to_be_sent(intent: Intent, reading: Reading) -> Outcome | None:
    contact = intent.change.contact
    if contact in reading.unreadable:  # failed, not abandoned: it is set aside until it changes
        problem = f"the portal's answer was unreadable: {reading.unreadable[contact]}"
        return Outcome(intent, Result.FAILED, problem)
    snapshot = reading.snapshots.get(contact)
    if snapshot is None:
        return abandoned(intent, "the contact is no longer in the portal")
    if snapshot.id != contact:
        return abandoned(intent, f"the contact was merged into {snapshot.id}")
    if (snapshot.properties.get(intent.change.property) or None) != (intent.change.before or None):
        return abandoned(intent, "the portal shows another value than the decision saw")
    return None


def abandoned(intent: Intent, why: str) -> Outcome:
    return Outcome(intent, Result.ABANDONED, why)


def part_blocked(
    intents: Sequence[Intent], outcomes: Sequence[Outcome]
) -> tuple[list[Intent], list[Outcome]]:
    """Part those that may be sent from those whose first step did not happen."""
    missed = {_steps_of(one.intent): one.result for one in outcomes if one.result is not Result.APPLIED}
    ready = [one for one in intents if _steps_of(one) not in missed]
    blocked = [
        _blocked(one, by)
        for one in intents
        if (by := missed.get(_steps_of(one), Result.OPEN)) is not Result.OPEN
    ]
    return ready, blocked


def _blocked(intent: Intent, by: Result) -> Outcome:
    """A move whose first step was refused is refused whole: called abandoned, it would be tried again each cycle."""
    result = Result.FAILED if by is Result.FAILED else Result.ABANDONED
    return Outcome(intent, result, "the step before it was not applied")


def _steps_of(intent: Intent) -> tuple[RunId, ContactId, str]:
    """Return what the steps of one move have in common."""
    return intent.run, intent.change.contact, intent.change.property


def settled(trail: Trail, run: RunId, outcomes: list[Outcome]) -> list[Outcome]:
    if outcomes:
        trail.settle(outcomes, run)
    return outcomes


def _shown(sink: Sink, intents: Sequence[Intent]) -> Reading:
    contacts = list(dict.fromkeys(one.change.contact for one in intents))
    return sink.shown(contacts, sorted({one.change.property for one in intents}))


def batches(intents: Sequence[Intent]) -> Iterator[list[Intent]]:
    """Cut into batches of at most 100 contacts, each contact whole."""
    by_contact: dict[ContactId, list[Intent]] = {}
    for one in intents:
        by_contact.setdefault(one.change.contact, []).append(one)
    contacts = list(by_contact.values())
    for start in range(0, len(contacts), _BATCH):
        yield [one for group in contacts[start : start + _BATCH] for one in group]
