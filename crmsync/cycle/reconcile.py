"""Evaluation + what the portal shows + who owns what -> changes -> the plan, and the guard over it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from crmsync.model import Change, Plan, PlanId, PlanStatus


class Plans(Protocol):
    """Where plans are kept. Every method may raise StoreError."""

    def begin(self, plan: Plan) -> None:
        """Store a new plan without changes; it supersedes every older one that is open or parked."""

    def add(self, plan: PlanId, changes: Sequence[Change]) -> None:
        """Append changes; the caller gives them in plan order, all changes of a contact in one call."""

    def finish(self, plan: Plan) -> None:
        """Replace the header: tally, status, reasons, digest."""

    def plan(self, plan: PlanId) -> Plan | None: ...

    def plans(self, *, status: PlanStatus | None = None, limit: int = 50) -> tuple[Plan, ...]:
        """Return the newest first."""

    def changes(self, plan: PlanId, *, slice_contacts: int = 100) -> Iterator[tuple[Change, ...]]:
        """Yield the changes in plan order, slices of whole contacts."""
