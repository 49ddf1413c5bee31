"""An approved plan that no longer fits the portal: what does not fit is abandoned and planned again, never forced."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from crmsync.cycle.apply import CHOSEN_SINCE, UNTOLD
from crmsync.cycle.guard import Limits
from crmsync.errors import OperatorError
from crmsync.model import STAGE, ContactId, Kind, Plan, PlanId, PlanStatus, Result
from tests.cycle.conftest import DEFINITION, WIDE, World, a_contact, a_meeting
from tests.fakes import NOW

MQL = "marketingqualifiedlead"
CAREFUL = Limits(max_stage_changes=0, max_stage_change_share=1.0, max_shrink=1.0)


@pytest.fixture
def careful(world: World) -> World:
    """Two leads that a plan wants to promote."""
    made = world.with_(limits=CAREFUL)
    for one in ("101", "102"):
        made.portal.put(a_contact(one, "lead", jobtitle="VP Sales"))
        made.portal.put(a_meeting(f"9{one}", one))
    return made


@pytest.fixture
def approved(careful: World) -> Plan:
    plan = careful.sync().plan
    assert plan is not None
    assert plan.status is PlanStatus.PARKED
    return careful.store.plans.decide(plan.id, PlanStatus.APPROVED, "anna")


def _problems(world: World, contact: str) -> set[str]:
    abandoned = world.entries("change.abandoned")
    return {one["reason"]["problem"] for one in abandoned if one["id"] == contact}  # type: ignore[index]  # JSON


def test_a_stage_that_a_person_set_since_is_not_overwritten(careful: World, approved: Plan) -> None:
    careful.portal.edit("101", STAGE, "customer")

    summary = careful.sync()

    assert careful.portal.shows("101", STAGE) == "customer"
    assert careful.portal.shows("102", STAGE) == MQL
    assert _problems(careful, "101") == {CHOSEN_SINCE}
    assert summary.written.results[Result.ABANDONED] == 1
    assert _status(careful, approved) is PlanStatus.APPLIED


@pytest.fixture
def half_applied(world: World) -> World:
    """A hundred and ten leads and an approved plan to promote them; the process ended after the first hundred."""
    for one in range(101, 211):
        world.portal.put(a_contact(str(one), "lead", jobtitle="VP Sales"))
        world.portal.put(a_meeting(f"9{one}", str(one)))
    plan = world.with_(limits=CAREFUL).sync().plan
    assert plan is not None
    world.store.plans.decide(plan.id, PlanStatus.APPROVED, "anna")
    asked = iter([False, True])
    with pytest.raises(StopIteration):
        world.with_(should_stop=lambda: next(asked)).sync()
    assert world.portal.shows("101", STAGE) == MQL
    return world


def test_g3_a_half_applied_plan_is_taken_up_where_it_stopped(half_applied: World) -> None:
    half_applied.sync()

    intended = Counter((one["id"], one["property"]) for one in half_applied.entries("change.intended"))
    assert half_applied.portal.shows("210", STAGE) == MQL
    assert len({contact for contact, _ in intended}) == 110
    assert set(intended.values()) == {1}
    assert half_applied.entries("change.abandoned") == []


def test_g4_a_person_who_set_the_stage_back_behind_a_half_applied_plan_is_not_overwritten(
    half_applied: World,
) -> None:
    world = half_applied
    world.portal.edit("101", STAGE, "lead")

    world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
    assert world.portal.shows("210", STAGE) == MQL


def test_g4_a_person_who_chose_the_same_stage_again_is_not_overwritten(
    careful: World, approved: Plan
) -> None:
    careful.portal.edit("101", STAGE, "salesqualifiedlead")
    careful.portal.edit("101", STAGE, "lead")

    careful.sync()

    assert careful.portal.shows("101", STAGE) == "lead"
    assert _problems(careful, "101") == {CHOSEN_SINCE}
    assert careful.portal.shows("102", STAGE) == MQL


def test_g4_a_stage_of_which_the_portal_cannot_say_who_set_it_since_is_not_overwritten(
    careful: World, approved: Plan
) -> None:
    careful.portal.silent_about.add("101")

    careful.engine().apply(approved.id)

    assert careful.portal.shows("101", STAGE) == "lead"
    assert careful.portal.shows("102", STAGE) == MQL
    assert _problems(careful, "101") == {UNTOLD}


def test_what_was_abandoned_is_planned_again_from_what_the_portal_shows(
    careful: World, approved: Plan
) -> None:
    careful.portal.edit("101", "crmsync_fit", "7")

    careful.sync()

    fits = [
        one
        for one in careful.entries("change.intended")
        if one["property"] == "crmsync_fit" and one["id"] == "101"
    ]
    assert [(one["before"], one["after"]) for one in fits] == [(None, "40"), ("7", "40")]
    assert careful.portal.shows("101", "crmsync_fit") == "40"


def test_the_new_plan_passes_the_guard_again(careful: World, approved: Plan) -> None:
    careful.portal.edit("101", STAGE, "subscriber", "AUTOMATION_PLATFORM", "enrollmentId:1")

    summary = careful.sync()

    assert summary.status == "parked"
    assert summary.plan is not None
    assert summary.plan.id != approved.id
    assert careful.portal.shows("101", STAGE) == "subscriber"
    changes = [one for page in careful.store.plans.changes(summary.plan.id) for one in page]
    assert [(one.contact, one.before, one.after) for one in changes if one.property == STAGE] == [
        ("101", "subscriber", MQL)
    ]


def test_a_contact_that_was_merged_away_is_abandoned_with_the_reason(careful: World, approved: Plan) -> None:
    survivor = careful.portal.snapshots[Kind.CONTACT]["101"]
    careful.portal.put(replace(survivor, merged_ids=("102",)))
    careful.portal.merged["102"] = "101"
    careful.portal.remove(Kind.CONTACT, "102")

    careful.sync()

    assert _problems(careful, "102") == {"the contact was merged into 101"}
    assert careful.portal.shows("101", STAGE) == MQL


def test_a_contact_that_was_deleted_is_abandoned_with_the_reason(careful: World, approved: Plan) -> None:
    careful.portal.remove(Kind.CONTACT, "102")

    careful.sync()

    assert _problems(careful, "102") == {"the contact is no longer in the portal"}


def test_apply_and_sync_treat_it_the_same(careful: World, approved: Plan) -> None:
    careful.portal.edit("101", STAGE, "customer")

    applied = careful.engine().apply(approved.id)
    again = careful.engine().apply(approved.id)

    assert applied.written.results[Result.ABANDONED] == 1
    assert careful.portal.shows("101", STAGE) == "customer"
    assert again.written.results == {}
    careful.sync()
    assert careful.portal.shows("101", STAGE) == "customer"  # a person's: respected


def test_days_later_it_still_writes_only_what_fits(careful: World, approved: Plan) -> None:
    careful.portal.edit("101", STAGE, "customer")
    careful.portal.put(a_contact("103", "lead"))
    careful.portal.clock += timedelta(days=3)

    careful.with_(limits=WIDE).sync()

    assert careful.portal.clock > NOW + timedelta(days=3)
    assert careful.portal.shows("101", STAGE) == "customer"
    assert careful.portal.shows("102", STAGE) == MQL
    assert careful.store.mirror.contact(ContactId("103")) is not None


def test_a_rejected_plan_is_never_written(careful: World) -> None:
    plan = careful.sync().plan
    assert plan is not None
    careful.store.plans.decide(plan.id, PlanStatus.REJECTED, "anna")

    again = careful.sync()

    assert careful.portal.writes == []
    assert again.status == "parked"  # the surprise is still there, and a person must look again


def _status(world: World, plan: Plan) -> PlanStatus | None:
    known = world.store.plans.plan(plan.id)
    return known.status if known else None


def test_a_plan_approved_under_a_former_definition_is_planned_again(world: World) -> None:
    small = world.with_(limits=replace(WIDE, max_stage_changes=0))
    small.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    small.portal.put(a_meeting("9", "101"))
    parked = small.sync().plan
    assert parked is not None
    small.store.plans.decide(parked.id, PlanStatus.APPROVED, "anna")
    changed = small.with_(definition=DEFINITION.replace('version: "1"', 'version: "2"'))

    summary = changed.sync()

    former = changed.store.plans.plan(parked.id)
    assert former is not None
    assert former.status is PlanStatus.SUPERSEDED
    assert [one["reason"] for one in changed.entries("plan.superseded")] == [
        {"plan": parked.id, "problem": "the definition was changed after it was approved"}
    ]
    assert changed.portal.writes == []
    assert summary.status == "parked"


def test_a_plan_made_under_another_definition_than_the_last_is_not_applied_any_more(careful: World) -> None:
    changed = careful.with_(definition=DEFINITION.replace('version: "1"', 'version: "2"'))
    planned = changed.engine().plan().plan
    assert planned is not None
    careful.sync()

    with pytest.raises(OperatorError, match="superseded"):
        careful.engine().apply(planned.id)

    assert careful.portal.writes == []


def test_in_observe_mode_nothing_is_applied(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    planned = world.engine().plan().plan
    assert planned is not None

    with pytest.raises(OperatorError, match="observe"):
        world.with_(mode="observe").engine().apply(planned.id)


def test_in_observe_mode_a_cycle_leaves_an_approved_plan_where_it_is(careful: World, approved: Plan) -> None:
    observing = careful.with_(mode="observe")

    observing.sync()

    assert observing.portal.writes == []
    assert _status(observing, approved) is PlanStatus.APPROVED


def test_a_plan_that_was_never_finished_is_not_applied(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    planned = world.engine().plan().plan
    assert planned is not None
    world.store.plans.begin(replace(planned, id=PlanId("p-half"), digest=""))

    with pytest.raises(OperatorError, match="never finished"):
        world.engine().apply(PlanId("p-half"))
