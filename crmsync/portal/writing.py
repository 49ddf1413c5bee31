"""
Intents -> batches -> an outcome for each, read from the answer. The `Sink` Protocol, the writing half of the gateway.

An intent is applied only if an answer or a read-back shows its value. After a lost answer the portal is read first:
what arrived was applied, what did not and still shows the value before is sent once more, and all else stays open. So a
person's change in between is never overwritten by a repetition.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from crmsync.errors import PortalError, Rejected
from crmsync.model import STAGE, ContactId, Fate, Intent, Kind, Outcome, Reading, Result
from crmsync.portal.answering import WriteAnswer
from crmsync.portal.batching import in_batches
from crmsync.portal.client import Client
from crmsync.portal.config import Time
from crmsync.portal.faults import AnswerLost, Refused
from crmsync.portal.freshness import Freshness, Stale
from crmsync.portal.inputs import Input, in_parts, rounds
from crmsync.portal.outcomes import (
    is_as_before,
    judged,
    looked_back,
    of_all,
    of_barred,
    of_each,
    readable,
    systemic,
    told,
    unseen,
)
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
            yield from of_each(
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
        for inputs in rounds(intents):
            for batch in in_batches(inputs, WRITE_AT_ONCE):
                yield from self._batch(batch, barred, contacts)

    def _batch(
        self, inputs: Sequence[Input], barred: dict[str, str], contacts: frozenset[ContactId]
    ) -> Iterator[Outcome]:
        pending = [_Batch(inputs)]
        while pending:
            batch = pending.pop()
            for one in batch.inputs:
                yield from of_barred(one, barred)
            batch.inputs = [kept for one in batch.inputs if (kept := one.without(barred)) is not None]
            if not batch.inputs:
                continue
            try:
                answer = self._client.batch_update(Kind.CONTACT.value, [one.body() for one in batch.inputs])
                written = readable(answer.json)
            except Stale:
                yield from self._compared_again(batch, pending)
            except Refused as error:
                yield from self._refused(batch, error, barred, pending)
            except Rejected as error:
                yield from of_all(batch.inputs, Result.FAILED, error.message)
            except AnswerLost as error:
                yield from self._lost(batch, error, pending)
            else:
                yield from self._answered(batch, written, barred, pending, contacts)

    def _compared_again(self, batch: _Batch, pending: list[_Batch]) -> Iterator[Outcome]:
        """Nothing was sent: it had to wait, and people do not. Set aside what somebody has changed meanwhile."""
        batch.waits += 1
        if batch.waits > _MOST_WAITS:
            yield from of_all(batch.inputs, Result.OPEN, _WAITED)
            return
        try:
            reading = self._read_back(batch.inputs)
        except PortalError as error:
            if batch.losses:  # an earlier try may have arrived
                yield from of_all(batch.inputs, Result.OPEN, error.message)
            raise
        changed = {
            intent.seq
            for one in batch.inputs
            for intent in one.intents
            if not is_as_before(intent, reading.snapshots.get(one.contact))
        }
        for one in batch.inputs:
            yield from of_each(
                (intent for intent in one.intents if intent.seq in changed), Result.ABANDONED, _CHANGED
            )
        seqs = {intent.seq for one in batch.inputs for intent in one.intents} - changed
        kept = [one_kept for one in batch.inputs if (one_kept := one.only(seqs)) is not None]
        parts = 2 if batch.waits == _MOST_WAITS // 2 else 1
        pending += [_Batch(part, batch.losses, batch.waits) for part in in_parts(kept, parts)]

    def _refused(
        self, batch: _Batch, error: Refused, barred: dict[str, str], pending: list[_Batch]
    ) -> Iterator[Outcome]:
        """Nothing of the batch was written: set aside what HubSpot named, else halve it down to the bad contact."""
        sent = {name for one in batch.inputs for name in one.properties}
        if found := systemic(error.problems, sent):
            barred |= found
            pending.append(batch)
            return
        if len(batch.inputs) == 1:
            yield from of_all(batch.inputs, Result.FAILED, error.message)
            return
        named = [one for one in batch.inputs if one.trace in error.traces or one.contact in error.ids]
        if named and len(named) < len(batch.inputs):
            yield from of_all(named, Result.FAILED, error.message)
            pending.append(_Batch([one for one in batch.inputs if one not in named], batch.losses))
            return
        pending += [_Batch(half, batch.losses) for half in in_parts(batch.inputs, 2)]

    def _lost(self, batch: _Batch, error: AnswerLost, pending: list[_Batch]) -> Iterator[Outcome]:
        """Find out what a write did whose answer was lost."""
        try:
            self._time.sleep(_PAUSE_AFTER_LOSS_S)  # it may still be under way over there
            seen = self._back.look_back([intent for one in batch.inputs for intent in one.intents])
        except PortalError as unread:
            yield from of_all(batch.inputs, Result.OPEN, error.message)
            if isinstance(unread, Rejected):
                return  # the portal answers, just not this: go on with the others
            raise
        may_repeat = batch.losses + 1 < _MOST_LOSSES
        unsent = {one.intent.seq for one in seen if may_repeat and one.fate is Fate.AS_BEFORE}
        yield from (looked_back(one, error) for one in seen if one.intent.seq not in unsent)
        again = [kept for one in batch.inputs if (kept := one.only(unsent)) is not None]
        parts = 2 if batch.losses else 1
        pending += [_Batch(part, batch.losses + 1) for part in in_parts(again, parts)]

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
                for intent, shown in told(one, written):
                    if shown is None:
                        untold.append(intent)
                    else:
                        yield judged(intent, shown.id, shown.properties[intent.change.property])
                if untold:
                    silent.append(replace(one, intents=tuple(untold)))
            elif found := systemic(refusal.problems, one.properties):
                barred |= found
                again.append(one)
            else:
                yield from of_all([one], Result.FAILED, refusal.sentence)
        if again:
            pending.append(_Batch(again, batch.losses))
        if silent:
            yield from self._silent(silent, contacts)

    def _silent(self, inputs: Sequence[Input], contacts: frozenset[ContactId]) -> Iterator[Outcome]:
        """HubSpot answered success and said nothing of these: read what it shows."""
        try:
            reading = self._read_back(inputs)
        except PortalError:
            yield from of_all(
                inputs, Result.OPEN, "HubSpot's answer left it out and it could not be read back."
            )
            raise
        written = set(contacts)
        for one in inputs:
            snapshot = reading.snapshots.get(one.contact)
            if snapshot is None:
                yield from unseen(one, reading)
            elif snapshot.id != one.contact:
                yield from self._follow(one, ContactId(snapshot.id), snapshot.properties, written)
                written.add(ContactId(snapshot.id))  # of two that were merged the first one is written
            else:
                for intent in one.intents:
                    yield judged(intent, snapshot.id, snapshot.properties.get(intent.change.property))

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
            yield from of_all([one], Result.FAILED, f"{merged}, which has changes of its own.", into)
            return
        fitting = []
        for intent in one.intents:
            change = intent.change
            if change.property == STAGE and not change.after:
                # the set that follows the clear would be for the contact that is no more
                problem = f"{merged}, whose stage is decided anew."
            elif means_the_same(change.property, shown.get(change.property), change.before):
                fitting.append(intent)
                continue
            else:
                problem = f"{merged}, which shows another value than the decision saw."
            yield Outcome(intent, Result.ABANDONED, problem, into, shown.get(change.property))
        if fitting:
            yield from self._one(replace(one, contact=into, intents=tuple(fitting)))

    def _one(self, one: Input) -> Iterator[Outcome]:
        """Update a single contact."""
        try:
            answer = self._client.update_one(Kind.CONTACT.value, one.contact, one.properties).json
            written = readable({"results": [answer]})
        except Rejected as error:
            yield from of_all([one], Result.FAILED, error.message, one.contact)
            return
        except AnswerLost as error:
            yield from of_all([one], Result.OPEN, error.message, one.contact)
            return
        except Stale:
            yield from of_all([one], Result.ABANDONED, _CHANGED, one.contact)
            return
        for intent, shown in told(one, written):
            if shown is None:
                yield Outcome(intent, Result.OPEN, "HubSpot's answer does not show the value.", one.contact)
            else:
                yield judged(intent, shown.id, shown.properties[intent.change.property])

    def _read_back(self, inputs: Sequence[Input]) -> Reading:
        names = sorted({name for one in inputs for name in one.properties})
        return self._reader.shown([one.contact for one in inputs], names)
