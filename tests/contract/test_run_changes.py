"""What a revert and a history read from the store, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from crmsync.model import (
    STAGE,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Intake,
    Kind,
    Outcome,
    Plan,
    PlanId,
    PlanStatus,
    Result,
    RunId,
    Snapshot,
    Tally,
)
from crmsync.store import Store, open_store
from crmsync.store.life import life

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN, NEXT = RunId("r-1"), RunId("r-2")
MQL = "marketingqualifiedlead"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url, portal="1", now=lambda: NOW)
    contacts = tuple(Snapshot(Kind.CONTACT, one, NOW, {STAGE: "lead"}) for one in ("9", "10", "101"))
    opened.mirror.take(Intake(snapshots=contacts))
    yield opened
    opened.close()


def _intend(
    store: Store, *contacts: str, run: RunId = RUN, before: str | None = "lead", after: str = MQL
) -> None:
    store.trail.append(
        [
            Draft(
                "change.intended",
                run,
                "contact",
                one,
                STAGE,
                before,
                after,
                cause="promoted",
                reason={"a": 1},
            )
            for one in contacts
        ]
    )


def _settle(store: Store, result: Result, run: RunId = RUN) -> None:
    intents = list(store.trail.open_intents())
    store.trail.settle([Outcome(one, result, shown=one.change.after) for one in intents], run)


def _changes(store: Store, run: RunId, *contacts: str) -> list[tuple[str, str | None, str]]:
    found = store.trail.applied(run, [ContactId(one) for one in contacts])
    return [
        (one.change.contact, one.change.before, one.change.after) for some in found.values() for one in some
    ]


def _plan(store: Store, id_: str, status: PlanStatus, *contacts: str) -> Plan:
    plan = Plan(PlanId(id_), RUN, NOW, DefinitionRef("a", "1", "ab"), PlanStatus.OPEN, Tally(changes=1))
    store.plans.begin(plan)
    store.plans.add(plan.id, [Change(ContactId(one), STAGE, "lead", MQL, "promoted", {}) for one in contacts])
    store.plans.finish(Plan(plan.id, RUN, NOW, plan.definition, status, plan.tally))
    return plan


def test_contacts_of_a_run_come_in_the_order_of_plans(store: Store) -> None:
    _intend(store, "101", "9", "10")
    _intend(store, "7", run=NEXT)

    assert store.trail.contacts_of(RUN) == ("9", "10", "101")
    assert store.trail.contacts_of(RunId("r-none")) == ()


def test_only_what_was_applied_counts(store: Store) -> None:
    _intend(store, "9")
    _settle(store, Result.APPLIED)
    _intend(store, "10")
    _settle(store, Result.FAILED)
    _intend(store, "101")  # no outcome yet

    assert _changes(store, RUN, "9", "10", "101") == [("9", "lead", MQL)]


def test_an_outcome_that_a_later_run_noted_counts(store: Store) -> None:
    _intend(store, "9")
    _settle(store, Result.APPLIED, run=NEXT)

    assert _changes(store, RUN, "9") == [("9", "lead", MQL)]
    assert _changes(store, NEXT, "9") == []


def test_changes_of_a_contact_come_oldest_first_and_only_of_those_asked_for(store: Store) -> None:
    _intend(store, "9", "10", before="subscriber", after="lead")
    _intend(store, "9")
    _settle(store, Result.APPLIED)

    assert _changes(store, RUN, "9") == [("9", "subscriber", "lead"), ("9", "lead", MQL)]


def test_an_erased_persons_changes_cannot_be_restored(store: Store) -> None:
    _intend(store, "9")
    _settle(store, Result.APPLIED)

    store.erase(ContactId("9"), "anna")

    assert _changes(store, RUN, "9") == []


def test_a_stage_that_a_revert_set_is_respected_like_a_persons(store: Store) -> None:
    _intend(store, "9")
    _settle(store, Result.APPLIED)
    store.trail.append([Draft("change.intended", NEXT, "contact", "9", STAGE, MQL, "", cause="reverted")])
    _settle(store, Result.APPLIED, run=NEXT)

    version = store.mirror.contact(ContactId("9"))

    assert version is not None
    assert version.stage_version is not None
    assert (version.stage_version.is_person, version.stage_version.value) == (True, None)


def test_a_revert_leaves_who_is_due_due(store: Store) -> None:
    store.mirror.mark_all_due()
    store.trail.append([Draft("change.intended", RUN, "contact", "9", STAGE, "lead", MQL, cause="reverted")])
    _intend(store, "10")

    _settle(store, Result.APPLIED)

    due = [one.contact.id for some in store.mirror.due(10) for one in some]
    assert due == ["9", "101"]


def test_plans_of_a_contact_come_with_its_changes_only(store: Store) -> None:
    _plan(store, "p-1", PlanStatus.PARKED, "9", "10")
    _plan(store, "p-2", PlanStatus.PARKED, "10", "101")

    found = store.plans.of_contacts([ContactId("9"), ContactId("101")])

    assert [(plan.id, [one.contact for one in changes]) for plan, changes in found] == [
        ("p-1", ["9"]),
        ("p-2", ["101"]),
    ]
    assert store.plans.of_contacts([ContactId("7")]) == ()


def test_reverts_and_other_plans_leave_each_other_waiting(store: Store) -> None:
    _plan(store, "p-1", PlanStatus.PARKED, "9")
    _plan(store, "revert-1", PlanStatus.PARKED, "9")
    _plan(store, "p-2", PlanStatus.OPEN, "9")

    statuses = {plan.id: plan.status for plan in store.plans.plans()}

    assert statuses == {
        "p-1": PlanStatus.SUPERSEDED,
        "revert-1": PlanStatus.PARKED,
        "p-2": PlanStatus.OPEN,
    }


def test_a_life_has_the_decisions_about_the_plans_a_contact_was_in(store: Store) -> None:
    mine = _plan(store, "p-1", PlanStatus.PARKED, "9")
    store.plans.decide(mine.id, PlanStatus.APPROVED, "anna")
    _intend(store, "9", "10")

    remembered = life(store.trail, store.plans, (ContactId("9"),))

    kinds = sorted((one.draft.kind, one.draft.id) for one in remembered.entries)
    assert kinds == [("change.intended", "9"), ("plan.approved", None)]
    assert list(remembered.plans) == ["p-1"]
