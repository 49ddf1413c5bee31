"""What an answer, a refusal or silence says of inputs -> an outcome for each intent."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from crmsync.errors import Unavailable
from crmsync.model import STAGE, ContactId, Fate, Intent, Outcome, Reading, Result, Seen, Snapshot
from crmsync.portal.answering import Shown, WriteAnswer, read_written
from crmsync.portal.faults import AnswerLost
from crmsync.portal.inputs import Input
from crmsync.portal.owned import means_the_same

_SYSTEMIC = {
    "PROPERTY_DOESNT_EXIST": "HubSpot has no such property; run `crmsync setup`",
    "READ_ONLY_VALUE": "HubSpot made this property read-only",
}


def readable(answer: Mapping[str, Any]) -> WriteAnswer:
    """Read the answer to a write; one that cannot be read is as good as lost. *Raises* AnswerLost."""
    try:
        return read_written(answer)
    except Unavailable as error:
        raise AnswerLost(error.message) from error


def told(one: Input, written: WriteAnswer) -> Iterator[tuple[Intent, Shown | None]]:
    """Pair each intent with what the answer shows of it; None: nothing."""
    shown = written.shown(one.trace, one.contact)
    for intent in one.intents:
        is_told = shown is not None and intent.change.property in shown.properties
        yield intent, shown if is_told else None


def judged(intent: Intent, contact: str, shown: str | None) -> Outcome:
    """Compare what the portal shows with what we sent."""
    change = intent.change
    if means_the_same(change.property, shown, change.after):
        return Outcome(intent, Result.APPLIED, "", ContactId(contact), shown)
    if change.property == STAGE and shown is not None:
        problem = (
            "HubSpot answered success and kept another stage: it ignores moves backward unless cleared first."
        )
    else:
        problem = f"HubSpot answered success and shows another value of {change.property} than was sent."
    return Outcome(intent, Result.FAILED, problem, ContactId(contact), shown)


def looked_back(seen: Seen, error: AnswerLost) -> Outcome:
    """Say that it arrived; anything else waits for the next cycle, when what is still under way has arrived."""
    if seen.fate is Fate.ARRIVED:
        return Outcome(seen.intent, Result.APPLIED, "", seen.contact, seen.intent.change.after or None)
    return Outcome(seen.intent, Result.OPEN, error.message, seen.contact, seen.shown)


def unseen(one: Input, reading: Reading) -> Iterator[Outcome]:
    if one.contact in reading.missing:
        yield from of_all([one], Result.FAILED, "HubSpot has no such contact: it was deleted or archived.")
    else:
        yield from of_all([one], Result.OPEN, "HubSpot's answer left it out and the contact cannot be read.")


def of_barred(one: Input, barred: Mapping[str, str]) -> Iterator[Outcome]:
    for intent in one.intents:
        if intent.change.property in barred:
            problem = f"Property {intent.change.property}: {barred[intent.change.property]}."
            yield Outcome(intent, Result.FAILED, problem)


def systemic(problems: Iterable[tuple[str, str]], sent: Container[str]) -> dict[str, str]:
    """Find the properties that no contact can be given: they are not worth a try each."""
    return {name: _SYSTEMIC[code] for code, name in problems if code in _SYSTEMIC and name in sent}


def is_as_before(intent: Intent, snapshot: Snapshot | None) -> bool:
    change = intent.change
    if snapshot is None or snapshot.id != change.contact:
        return False
    return means_the_same(change.property, snapshot.properties.get(change.property), change.before)


def of_all(
    inputs: Iterable[Input], result: Result, problem: str, contact: ContactId | None = None
) -> Iterator[Outcome]:
    for one in inputs:
        yield from of_each(one.intents, result, problem, contact)


def of_each(
    intents: Iterable[Intent], result: Result, problem: str, contact: ContactId | None = None
) -> Iterator[Outcome]:
    for intent in intents:
        yield Outcome(intent, result, problem, contact)
