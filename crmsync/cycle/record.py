"""Changes -> intents, committed in the audit trail before the portal is touched."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from crmsync.model import Change, DefinitionRef, Draft, Intent, Json, Outcome, RunId

PORTAL_AT = "portal_at"  # in an intent's reason: the portal's clock, which its history of values tells; ours may be off


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


class Findings(Protocol):
    """What the trail has already said of somebody."""

    def told(self, subject: str, cause: str, ids: Sequence[str]) -> Mapping[str, Json | None]:
        """Return the reasons of the newest findings of that cause, by id; ids without one are absent."""


def untold(findings: Findings, drafts: Sequence[Draft]) -> tuple[Draft, ...]:
    """Keep the findings that say something new: one that is repeated every cycle hides the others."""
    by_cause: dict[tuple[str, str], list[str]] = {}
    for one in drafts:
        by_cause.setdefault((one.object or "", one.cause or ""), []).append(one.id or "")
    told = {key: findings.told(*key, ids) for key, ids in by_cause.items()}
    fresh: list[Draft] = []
    for one in drafts:
        known = told[one.object or "", one.cause or ""]
        if (one.id or "") not in known or known[one.id or ""] != one.reason:
            fresh.append(one)
    return tuple(fresh)


def intend(
    trail: Trail, changes: Sequence[Change], *, run: RunId, definition: DefinitionRef | None, at: datetime
) -> tuple[Intent, ...]:
    """Commit one intent per change; a move backward commits both of its steps before the first is sent."""
    seqs = trail.append([_draft(change, run, definition, at) for change in changes])
    return tuple(Intent(seq, run, change, at, definition) for seq, change in zip(seqs, changes, strict=True))


def _draft(change: Change, run: RunId, definition: DefinitionRef | None, at: datetime) -> Draft:
    return Draft(
        kind="change.intended",
        run=run,
        object="contact",
        id=change.contact,
        property=change.property,
        before=change.before,
        after=change.after,
        cause=change.cause,
        definition=definition,
        reason={**change.reason, PORTAL_AT: at.isoformat(), **({"step": change.step} if change.step else {})},
    )
