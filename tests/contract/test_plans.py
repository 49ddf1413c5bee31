"""Where plans are kept, on SQLite and on PostgreSQL: G6, G9."""

from dataclasses import replace

import pytest

from crmsync.errors import OperatorError
from crmsync.model import STAGE, ContactId, PlanId, PlanStatus, Tally
from crmsync.store import Store
from crmsync.store import tables as t
from crmsync.store.audit.reading import AuditFilter
from tests.stores import a_change, a_plan

REASON = {"score": 71.5, "sentences": ["a", "b"], "why": {"née": None}}


def test_a_plan_comes_back_as_it_was_finished(store: Store) -> None:
    plan = a_plan()
    store.plans.begin(plan)
    held = {"person": 4}, {ContactId("9"): "person"}
    tally = Tally(9, 8, 7, 6, 5, 4, {"lead>customer": 6}, {"promoted": 6, "demoted": 5}, *held)
    finished = replace(
        plan, status=PlanStatus.PARKED, tally=tally, reasons=("57 demotions, 50 allowed",), digest="ab" * 32
    )
    store.plans.finish(finished)

    assert store.plans.plan(PlanId("p-1")) == finished
    assert store.plans.plan(PlanId("p-2")) is None


def test_a_finished_plan_supersedes_those_that_wait_and_no_other(store: Store) -> None:
    for number, status in enumerate(PlanStatus):
        plan = a_plan(f"p-{number}")
        store.plans.begin(plan)
        with store.database.write() as conn:
            conn.execute(t.plans.update().where(t.plans.c.id == plan.id).values(status=status.value))
    store.plans.begin(a_plan("p-new"))
    before = [plan.status for plan in store.plans.plans()]
    store.plans.finish(a_plan("p-new"))

    assert before == [PlanStatus.OPEN, *reversed(PlanStatus)]
    assert [plan.status for plan in store.plans.plans()] == [
        PlanStatus.OPEN,
        PlanStatus.SUPERSEDED,
        PlanStatus.APPLIED,
        PlanStatus.REJECTED,
        PlanStatus.APPROVED,
        PlanStatus.SUPERSEDED,
        PlanStatus.SUPERSEDED,
    ]


def test_a_dropped_plan_leaves_nothing(store: Store) -> None:
    store.plans.begin(a_plan())
    store.plans.add(PlanId("p-1"), [a_change()])
    store.plans.drop(PlanId("p-1"))

    assert store.plans.plans() == ()
    assert list(store.plans.changes(PlanId("p-1"))) == []


def test_plans_are_listed_newest_first(store: Store) -> None:
    for number in range(12):
        store.plans.begin(a_plan(f"p-{number}"))
        store.plans.finish(a_plan(f"p-{number}"))

    assert [plan.id for plan in store.plans.plans(limit=2)] == ["p-11", "p-10"]
    assert [plan.id for plan in store.plans.plans(status=PlanStatus.OPEN)] == ["p-11"]


def test_g6_changes_come_back_in_order_and_alike(store: Store) -> None:
    changes = [
        change
        for contact in ("9", "101", "20")
        for change in (
            a_change(contact, STAGE, "", reason=REASON),
            a_change(contact, STAGE, "customer", before=None, reason=REASON, step=1),
            a_change(contact, "crmsync_fit", "40", before="", reason={"other": 1}),
        )
    ]
    store.plans.begin(a_plan())
    store.plans.add(PlanId("p-1"), changes[:3])
    store.plans.add(PlanId("p-1"), changes[3:])
    store.plans.add(PlanId("p-1"), [])

    slices = list(store.plans.changes(PlanId("p-1"), slice_contacts=2))
    assert [change for some in slices for change in some] == changes
    assert [len(some) for some in slices] == [6, 3]


def test_the_changes_of_a_plan_are_its_own(store: Store) -> None:
    for plan_id, contact in (("p-1", "101"), ("p-2", "102")):
        store.plans.begin(a_plan(plan_id))
        store.plans.add(PlanId(plan_id), [a_change(contact)])

    assert list(store.plans.changes(PlanId("p-2"))) == [(a_change("102"),)]
    assert list(store.plans.changes(PlanId("p-3"))) == []


@pytest.mark.parametrize(
    ("status", "kind"), [(PlanStatus.APPROVED, "plan.approved"), (PlanStatus.REJECTED, "plan.rejected")]
)
def test_g9_a_decision_is_an_entry_with_who_made_it(store: Store, status: PlanStatus, kind: str) -> None:
    store.plans.begin(a_plan())
    store.plans.finish(a_plan(status=PlanStatus.PARKED))
    decided = store.plans.decide(PlanId("p-1"), status, "ann@example.com")

    (entry,) = store.trail.entries(AuditFilter(kind="plan."))
    assert decided.status is status
    assert store.plans.plan(PlanId("p-1")) == decided
    assert (entry.draft.kind, entry.draft.actor, entry.draft.run) == (kind, "ann@example.com", decided.run)
    assert entry.draft.reason is not None
    assert entry.draft.reason["plan"] == "p-1"


@pytest.mark.parametrize(
    "status", [PlanStatus.APPLIED, PlanStatus.REJECTED, PlanStatus.SUPERSEDED, PlanStatus.APPROVED]
)
def test_a_plan_that_no_longer_waits_cannot_be_decided(store: Store, status: PlanStatus) -> None:
    store.plans.begin(a_plan())
    store.plans.finish(a_plan(status=status))

    with pytest.raises(OperatorError, match=status.value):
        store.plans.decide(PlanId("p-1"), PlanStatus.APPROVED, "ann")
    assert store.trail.head().seq == 0


def test_an_unknown_plan_cannot_be_decided(store: Store) -> None:
    with pytest.raises(OperatorError, match="There is no plan p-9"):
        store.plans.decide(PlanId("p-9"), PlanStatus.APPROVED, "ann")
