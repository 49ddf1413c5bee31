"""Intents -> the portal -> an outcome for each, read from the answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from crmsync.model import ContactId, Intent, Outcome, Reading


class Sink(Protocol):
    """Where changes are written. The portal's gateway is one; so is the fake in tests/fakes.py."""

    def shown(self, contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        """Batch read what the portal shows now, to compare before writing and to read back lost answers."""

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """
        Send them, all properties of a contact in one input, at most 100 contacts a request; yield one outcome
        per intent, in any order, as answers return. Bisects a refused batch down to the bad contact. Never raises
        for one bad change; a lost answer is Result.OPEN. Raises Unauthorized, RateLimited or Unavailable when nothing more can be sent:
        intents not yet yielded then were not sent.
        """


Shown = Mapping[ContactId, Mapping[str, str | None]]
