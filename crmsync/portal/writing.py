"""
Intents -> batches -> an outcome for each, read from the answer. The `Sink` Protocol, the writing half of the gateway.

An intent is applied only if an answer or a read-back shows its value. After a lost answer the portal is read first:
what arrived was applied, what did not and still shows the value before is sent once more, and all else stays open. So a
person's change in between is never overwritten by a repetition.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crmsync.errors import PortalError, Rejected, Unavailable
from crmsync.model import STAGE, ContactId, Fate, Intent, Kind, Outcome, Reading, Result, Seen, Snapshot
from crmsync.portal.answering import Shown, WriteAnswer, read_written
from crmsync.portal.batching import in_batches
from crmsync.portal.client import Client
from crmsync.portal.config import Time
from crmsync.portal.faults import AnswerLost, Refused
from crmsync.portal.freshness import Freshness, Stale
from crmsync.portal.owned import means_the_same
from crmsync.portal.readback import ReadBack
from crmsync.portal.reading import Reader
from crmsync.portal.schema import Schema

WRITE_AT_ONCE = 100
_PAUSE_AFTER_LOSS_S = 2.0
_MOST_LOSSES = 3
_MOST_WAITS = 10
_WAITED = f"The write had to wait {_MOST_WAITS} times; it is tried again in the next cycle."
_CHANGED = "It changed, or could no longer be read, while the write had to wait."
_SYSTEMIC = {
    "PROPERTY_DOESNT_EXIST": "HubSpot has no such property; run `crmsync setup`",
    "READ_ONLY_VALUE": "HubSpot made this property read-only",
}


@dataclass(frozen=True, slots=True)
class Input:
    """
    What one contact should get in one request.

    Attributes:
        trace: unique in its request: HubSpot then judges inputs one by one.
    """

    contact: ContactId
    intents: tuple[Intent, ...]

    @property
    def trace(self) -> str:
        return f"crmsync-{self.intents[0].seq}"

    @property
    def properties(self) -> Mapping[str, str]:
        return {one.change.property: one.change.after for one in self.intents}

    def body(self) -> Mapping[str, Any]:
        return {"id": self.contact, "properties": self.properties, "objectWriteTraceId": self.trace}


@dataclass(slots=True)
class _Batch:
    """Inputs to send together. `losses`: how often their answer was lost; `waits`: how often they were held back."""

    inputs: Sequence[Input]
    losses: int = 0
    waits: int = 0


class Writer:
    """Writes to one portal."""

    def __init__(  # noqa: PLR0917 - the parts of an edge, wired once in gateway.py
        self,
        client: Client,
        reader: Reader,
        read_back: ReadBack,
        freshness: Freshness,
        schema: Schema,
        time: Time,
    ) -> None:
        self._client = client
        self._reader = reader
        self._back = read_back
        self._freshness = freshness
        self._schema = schema
        self._time = time

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """Send them, see `Sink.update`."""
        if not intents:
            return
        self._freshness.begin()
        barred = self._known_problems()
        contacts = frozenset(one.change.contact for one in intents)
        unfinished: set[ContactId] = set()
        for step in sorted({one.change.step for one in intents}):
            held = frozenset(unfinished)
            due = [one for one in intents if one.change.step == step]
            yield from _each(
                (one for one in due if one.change.contact in held),
                Result.ABANDONED,
                "The step before it was not applied, so it was not sent.",
            )
            for outcome in self._step(
                [one for one in due if one.change.contact not in held], barred, contacts
            ):
                if outcome.result is not Result.APPLIED:
                    unfinished.add(outcome.intent.change.contact)
                yield outcome

    def _known_problems(self) -> dict[str, str]:
        try:
            return dict(self._schema.problems())
        except Rejected:
            return {}  # not allowed to look: the writes themselves will tell

    def _step(
        self, intents: Sequence[Intent], barred: dict[str, str], contacts: frozenset[ContactId]
    ) -> Iterator[Outcome]:
        for inputs in _inputs(intents):
            for batch in in_batches(inputs, WRITE_AT_ONCE):
                yield from self._batch(batch, barred, contacts)

    def _batch(
        self, inputs: Sequence[Input], barred: dict[str, str], contacts: frozenset[ContactId]
    ) -> Iterator[Outcome]:
        pending = [_Batch(inputs)]
        while pending:
            batch = pending.pop()
            for one in batch.inputs:
                yield from _barred(one, barred)
            batch.inputs = [kept for one in batch.inputs if (kept := _without(one, barred)) is not None]
            if not batch.inputs:
                continue
            try:
                answer = self._client.batch_update(Kind.CONTACT.value, [one.body() for one in batch.inputs])
                written = _readable(answer.json)
            except Stale:
                yield from self._compared_again(batch, pending)
            except Refused as error:
                yield from self._refused(batch, error, barred, pending)
            except Rejected as error:
                yield from _all(batch.inputs, Result.FAILED, error.message)
            except AnswerLost as error:
                yield from self._lost(batch, error, pending)
            else:
                yield from self._answered(batch, written, barred, pending, contacts)

    def _compared_again(self, batch: _Batch, pending: list[_Batch]) -> Iterator[Outcome]:
        """Nothing was sent: it had to wait, and people do not. Set aside what somebody has changed meanwhile."""
        batch.waits += 1
        if batch.waits > _MOST_WAITS:
            yield from _all(batch.inputs, Result.OPEN, _WAITED)
            return
        try:
            reading = self._read_back(batch.inputs)
        except PortalError as error:
            if batch.losses:  # an earlier try may have arrived
                yield from _all(batch.inputs, Result.OPEN, error.message)
            raise
        changed = {
            intent.seq
            for one in batch.inputs
            for intent in one.intents
            if not _is_as_before(intent, reading.snapshots.get(one.contact))
        }
        for one in batch.inputs:
            yield from _each(
                (intent for intent in one.intents if intent.seq in changed), Result.ABANDONED, _CHANGED
            )
        seqs = {intent.seq for one in batch.inputs for intent in one.intents} - changed
        kept = [one_kept for one in batch.inputs if (one_kept := _only(one, seqs)) is not None]
        parts = 2 if batch.waits == _MOST_WAITS // 2 else 1
        pending += [_Batch(part, batch.losses, batch.waits) for part in _parts(kept, parts)]

    def _refused(
        self, batch: _Batch, error: Refused, barred: dict[str, str], pending: list[_Batch]
    ) -> Iterator[Outcome]:
        """Nothing of the batch was written: set aside what HubSpot named, else halve it down to the bad contact."""
        sent = {name for one in batch.inputs for name in one.properties}
        if systemic := _systemic(error.problems, sent):
            barred |= systemic
            pending.append(batch)
            return
        if len(batch.inputs) == 1:
            yield from _all(batch.inputs, Result.FAILED, error.message)
            return
        named = [one for one in batch.inputs if one.trace in error.traces or one.contact in error.ids]
        if named and len(named) < len(batch.inputs):
            yield from _all(named, Result.FAILED, error.message)
            pending.append(_Batch([one for one in batch.inputs if one not in named], batch.losses))
            return
        pending += [_Batch(half, batch.losses) for half in _parts(batch.inputs, 2)]

    def _lost(self, batch: _Batch, error: AnswerLost, pending: list[_Batch]) -> Iterator[Outcome]:
        """Find out what a write did whose answer was lost."""
        try:
            self._time.sleep(_PAUSE_AFTER_LOSS_S)  # it may still be under way over there
            seen = self._back.look_back([intent for one in batch.inputs for intent in one.intents])
        except PortalError as unread:
            yield from _all(batch.inputs, Result.OPEN, error.message)
            if isinstance(unread, Rejected):
                return  # the portal answers, just not this: go on with the others
            raise
        may_repeat = batch.losses + 1 < _MOST_LOSSES
        unsent = {one.intent.seq for one in seen if may_repeat and one.fate is Fate.AS_BEFORE}
        yield from (_looked_back(one, error) for one in seen if one.intent.seq not in unsent)
        again = [kept for one in batch.inputs if (kept := _only(one, unsent)) is not None]
        parts = 2 if batch.losses else 1
        pending += [_Batch(part, batch.losses + 1) for part in _parts(again, parts)]

    def _answered(
        self,
        batch: _Batch,
        written: WriteAnswer,
        barred: dict[str, str],
        pending: list[_Batch],
        contacts: frozenset[ContactId],
    ) -> Iterator[Outcome]:
        silent, again = [], []
        for one in batch.inputs:
            refusal = written.refusal(one.trace, one.contact)
            if refusal is None:
                untold = []
                for intent, shown in _told(one, written):
                    if shown is None:
                        untold.append(intent)
                    else:
                        yield _judged(intent, shown.id, shown.properties[intent.change.property])
                if untold:
                    silent.append(replace(one, intents=tuple(untold)))
            elif systemic := _systemic(refusal.problems, one.properties):
                barred |= systemic
                again.append(one)
            else:
                yield from _all([one], Result.FAILED, refusal.sentence)
        if again:
            pending.append(_Batch(again, batch.losses))
        if silent:
            yield from self._silent(silent, contacts)

    def _silent(self, inputs: Sequence[Input], contacts: frozenset[ContactId]) -> Iterator[Outcome]:
        """HubSpot answered success and said nothing of these: read what it shows."""
        try:
            reading = self._read_back(inputs)
        except PortalError:
            yield from _all(
                inputs, Result.OPEN, "HubSpot's answer left it out and it could not be read back."
            )
            raise
        written = set(contacts)
        for one in inputs:
            snapshot = reading.snapshots.get(one.contact)
            if snapshot is None:
                yield from _unseen(one, reading)
            elif snapshot.id != one.contact:
                yield from self._follow(one, ContactId(snapshot.id), snapshot.properties, written)
                written.add(ContactId(snapshot.id))  # of two that were merged the first one is written
            else:
                for intent in one.intents:
                    yield _judged(intent, snapshot.id, snapshot.properties.get(intent.change.property))

    def _follow(
        self,
        one: Input,
        into: ContactId,
        shown: Mapping[str, str | None],
        written: Container[ContactId],
    ) -> Iterator[Outcome]:
        """Write to the contact it was merged into, once, where that still shows what the decision saw."""
        merged = f"The contact was merged into {into}"
        if into in written:
            yield from _all([one], Result.FAILED, f"{merged}, which has changes of its own.", into)
            return
        fitting = []
        for intent in one.intents:
            change = intent.change
            if means_the_same(change.property, shown.get(change.property), change.before):
                fitting.append(intent)
            else:
                problem = f"{merged}, which shows another value than the decision saw."
                yield Outcome(intent, Result.ABANDONED, problem, into, shown.get(change.property))
        if fitting:
            yield from self._one(replace(one, contact=into, intents=tuple(fitting)))

    def _one(self, one: Input) -> Iterator[Outcome]:
        """Update a single contact."""
        try:
            answer = self._client.update_one(Kind.CONTACT.value, one.contact, one.properties).json
            written = _readable({"results": [answer]})
        except Rejected as error:
            yield from _all([one], Result.FAILED, error.message, one.contact)
            return
        except AnswerLost as error:
            yield from _all([one], Result.OPEN, error.message, one.contact)
            return
        except Stale:
            yield from _all([one], Result.ABANDONED, _CHANGED, one.contact)
            return
        for intent, shown in _told(one, written):
            if shown is None:
                yield Outcome(intent, Result.OPEN, "HubSpot's answer does not show the value.", one.contact)
            else:
                yield _judged(intent, shown.id, shown.properties[intent.change.property])

    def _read_back(self, inputs: Sequence[Input]) -> Reading:
        names = sorted({name for one in inputs for name in one.properties})
        return self._reader.shown([one.contact for one in inputs], names)


def _parts(inputs: Sequence[Input], number: int) -> Iterator[Sequence[Input]]:
    """
    Cut into so many parts of about the same size, the last one first; none of them is empty.

    One that costs every batch its answer, or its turn, holds up half of the others only, and each cycle fewer.
    """
    size = -(-len(inputs) // number)
    return reversed([*in_batches(inputs, size)]) if inputs else iter(())


def _inputs(intents: Sequence[Intent]) -> Iterator[list[Input]]:
    """Group by contact; a property that is named twice for a contact waits for the next round."""
    remaining = list(intents)
    while remaining:
        grouped: dict[ContactId, dict[str, Intent]] = {}
        later = []
        for one in remaining:
            by_property = grouped.setdefault(one.change.contact, {})
            if one.change.property in by_property:
                later.append(one)
            else:
                by_property[one.change.property] = one
        yield [Input(contact, tuple(named.values())) for contact, named in grouped.items()]
        remaining = later


def _systemic(problems: Iterable[tuple[str, str]], sent: Container[str]) -> dict[str, str]:
    """Find the properties that no contact can be given: they are not worth a try each."""
    return {name: _SYSTEMIC[code] for code, name in problems if code in _SYSTEMIC and name in sent}


def _told(one: Input, written: WriteAnswer) -> Iterator[tuple[Intent, Shown | None]]:
    """Pair each intent with what the answer shows of it; None: nothing."""
    shown = written.shown(one.trace, one.contact)
    for intent in one.intents:
        is_told = shown is not None and intent.change.property in shown.properties
        yield intent, shown if is_told else None


def _barred(one: Input, barred: Mapping[str, str]) -> Iterator[Outcome]:
    for intent in one.intents:
        if intent.change.property in barred:
            problem = f"Property {intent.change.property}: {barred[intent.change.property]}."
            yield Outcome(intent, Result.FAILED, problem)


def _without(one: Input, barred: Mapping[str, str]) -> Input | None:
    kept = tuple(intent for intent in one.intents if intent.change.property not in barred)
    return replace(one, intents=kept) if kept else None


def _is_as_before(intent: Intent, snapshot: Snapshot | None) -> bool:
    change = intent.change
    if snapshot is None or snapshot.id != change.contact:
        return False
    return means_the_same(change.property, snapshot.properties.get(change.property), change.before)


def _only(one: Input, seqs: Container[int]) -> Input | None:
    kept = tuple(intent for intent in one.intents if intent.seq in seqs)
    return replace(one, intents=kept) if kept else None


def _looked_back(seen: Seen, error: AnswerLost) -> Outcome:
    """Say that it arrived; anything else waits for the next cycle, when what is still under way has arrived."""
    if seen.fate is Fate.ARRIVED:
        return Outcome(seen.intent, Result.APPLIED, "", seen.contact, seen.intent.change.after or None)
    return Outcome(seen.intent, Result.OPEN, error.message, seen.contact, seen.shown)


def _readable(answer: Mapping[str, Any]) -> WriteAnswer:
    """Read the answer to a write; one that cannot be read is as good as lost. *Raises* AnswerLost."""
    try:
        return read_written(answer)
    except Unavailable as error:
        raise AnswerLost(error.message) from error


def _judged(intent: Intent, contact: str, shown: str | None) -> Outcome:
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


def _unseen(one: Input, reading: Reading) -> Iterator[Outcome]:
    if one.contact in reading.missing:
        yield from _all([one], Result.FAILED, "HubSpot has no such contact: it was deleted or archived.")
    else:
        yield from _all([one], Result.OPEN, "HubSpot's answer left it out and the contact cannot be read.")


def _all(
    inputs: Iterable[Input], result: Result, problem: str, contact: ContactId | None = None
) -> Iterator[Outcome]:
    for one in inputs:
        yield from _each(one.intents, result, problem, contact)


def _each(
    intents: Iterable[Intent], result: Result, problem: str, contact: ContactId | None = None
) -> Iterator[Outcome]:
    for intent in intents:
        yield Outcome(intent, result, problem, contact)
