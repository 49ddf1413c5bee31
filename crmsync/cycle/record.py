"""Changes -> intents, committed in the audit trail before the portal is touched."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from crmsync.model import Draft, Intent, Outcome, RunId


class Trail(Protocol):
    """
    The audit trail, append-only. Every method may raise StoreError (LeaseLost when fenced off).

    When a method returns, what it was given is committed.
    """

    def append(self, drafts: Sequence[Draft]) -> tuple[int, ...]:
        """Append in order, in one transaction; return the sequence numbers."""

    def open_intents(self) -> Iterator[Intent]:
        """Yield every `change.intended` without an outcome, oldest first."""

    def settle(self, outcomes: Sequence[Outcome], run: RunId) -> None:
        """
        Append one outcome entry an intent (none for Result.OPEN) and let the mirror show what was applied, in one
        transaction. A contact whose every intent has been settled as applied is no longer due.
        """
