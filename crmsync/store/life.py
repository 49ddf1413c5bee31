"""A contact -> everything the store remembers of its life: what insight/timeline.py tells it from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crmsync.model import Change, ContactId, Entry, PlanId
from crmsync.store.audit.reading import AuditFilter
from crmsync.store.audit.trail import Trail
from crmsync.store.plans import Plans

_ENTRIES_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class Life:
    """
    What is remembered of one contact and those merged into it.

    Attributes:
        entries: its own, and the `plan.` entries of the plans it was in; no order.
        plans: what was planned for it, by plan.
    """

    entries: tuple[Entry, ...]
    plans: Mapping[PlanId, tuple[Change, ...]]


def life(trail: Trail, plans: Plans, family: tuple[ContactId, ...]) -> Life:
    """Read the life of a contact. `family`: all ids that were merged into it, see Mirror.family."""
    planned = plans.of_contacts(family)
    entries = list(_entries(trail, AuditFilter(contact=family[0])))
    for plan, _ in planned:
        entries += _entries(trail, AuditFilter(run=plan.run, kind="plan."))
    return Life(tuple(entries), {plan.id: changes for plan, changes in planned})


def _entries(trail: Trail, where: AuditFilter) -> Iterator[Entry]:
    before = None
    while page := trail.entries(where, before=before, limit=_ENTRIES_A_PAGE):
        yield from page
        before = page[-1].seq
