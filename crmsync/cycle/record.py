"""Changes -> intents, committed in the audit trail before the portal is touched."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from crmsync.model import Change, Draft, Intent, Outcome, Plan, RunId


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


def intend(trail: Trail, plan: Plan, changes: Sequence[Change], at: datetime) -> tuple[Intent, ...]:
    """Commit one intent per change; a move backward commits both of its steps before the first is sent."""
    seqs = trail.append([_draft(plan, change) for change in changes])
    return tuple(
        Intent(seq, plan.run, change, at, plan.definition) for seq, change in zip(seqs, changes, strict=True)
    )


def _draft(plan: Plan, change: Change) -> Draft:
    return Draft(
        kind="change.intended",
        run=plan.run,
        object="contact",
        id=change.contact,
        property=change.property,
        before=change.before,
        after=change.after,
        cause=change.cause,
        definition=plan.definition,
        reason=change.reason,
    )
