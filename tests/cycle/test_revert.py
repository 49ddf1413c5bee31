"""Undoing a run on a portal in memory and a real store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crmsync.cycle.apply import AWAITED
from crmsync.cycle.engine import Undo
from crmsync.cycle.guard import Limits
from crmsync.cycle.reconcile import Policy
from crmsync.cycle.revert import NO_OUTCOME, Only, Request, is_backward
from crmsync.cycle.revert_entries import ASKED, KEPT, conflict_of
from crmsync.errors import OperatorError, PlanParked
from crmsync.insight.timeline import What, stage_life, timeline
from crmsync.model import STAGE, ContactId, Kind, PlanStatus, Result, RunId
from crmsync.store.audit.filtering import AuditFilter
from crmsync.store.life import life
from tests.cycle.conftest import DEFINITION, WIDE, World, a_contact, a_meeting
from tests.fakes import STAGES

MQL = "marketingqualifiedlead"
WHO = "anna"


def _promote(world: World, one: str = "101") -> RunId:
    world.portal.put(a_contact(one, "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting(f"9{one}", one))
    return world.sync().run


def _values(world: World, one: str) -> dict[str, str]:
    properties = world.portal.snapshots[Kind.CONTACT][one].properties
    return {name: value for name, value in properties.items() if value}


def _revert(world: World, run: RunId, only: Only | None = None, *contacts: str) -> Undo:
    world.portal.clock += timedelta(seconds=1)
    return world.engine().revert(Request(run, WHO, only, tuple(ContactId(one) for one in contacts)))


def _apply(world: World, undo: Undo) -> dict[Result, int]:
    assert undo.summary.plan is not None
    return dict(world.engine().apply(undo.summary.plan.id).written.results)


def test_a_revert_is_a_plan_and_writes_nothing_by_itself(world: World) -> None:
    run = _promote(world)
    sent = len(world.portal.writes)

    undo = _revert(world, run)

    assert len(world.portal.writes) == sent
    assert undo.summary.plan is not None
    assert undo.summary.plan.status is PlanStatus.OPEN
    assert (undo.summary.tally.demoted, undo.summary.tally.promoted) == (1, 0)
    assert undo.summary.tally.stages == {f"{MQL}>lead": 1}
    assert undo.conflicts == ()


def test_applied_it_restores_every_value_before_the_run(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    before = _values(world, "101")
    world.portal.put(a_meeting("9", "101"))
    run = world.sync().run
    assert world.portal.shows("101", STAGE) == MQL

    results = _apply(world, _revert(world, run))

    assert set(results) == {Result.APPLIED}
    assert _values(world, "101") == before


def test_a_promotion_is_taken_back_by_clear_then_set(world: World) -> None:
    run = _promote(world)
    undo = _revert(world, run, Only.PROMOTIONS)
    assert undo.summary.plan is not None

    changes = [change for page in world.store.plans.changes(undo.summary.plan.id) for change in page]
    moves = [(one.step, one.before, one.after) for one in changes if one.property == STAGE]

    assert moves == [(0, MQL, ""), (1, None, "lead")]
    assert _apply(world, undo)[Result.APPLIED] == len(changes)
    assert world.portal.shows("101", STAGE) == "lead"
    assert world.portal.shows("101", "crmsync_fit") == "40"  # only the promotion was taken back


def test_each_change_names_the_entry_it_reverts(world: World) -> None:
    run = _promote(world)
    stage_entry = next(one for one in world.entries("change.intended") if one["property"] == STAGE)

    _apply(world, _revert(world, run))

    restored = [one for one in world.entries("change.intended") if one["cause"] == "reverted"]
    reverts = {one["reason"]["reverts"]["seq"] for one in restored if one["property"] == STAGE}  # type: ignore[index]  # JSON
    assert reverts == {stage_entry["seq"]}
    assert {one["run"] for one in restored}.isdisjoint({run})


def test_what_somebody_changed_since_is_a_conflict_and_stays(world: World) -> None:
    run = _promote(world)
    world.portal.edit("101", STAGE, "customer")

    undo = _revert(world, run)
    _apply(world, undo)

    assert [(one.contact, one.property) for one in undo.conflicts] == [("101", STAGE)]
    (kept,) = world.store.trail.entries(AuditFilter(run=undo.summary.run, kind=KEPT))
    assert conflict_of(kept) == undo.conflicts[0]
    assert world.portal.shows("101", STAGE) == "customer"
    assert world.portal.shows("101", "crmsync_stage_changed_at")  # it speaks of the stage that stays
    assert world.portal.shows("101", "crmsync_fit") is None


def test_of_a_run_that_is_half_settled_the_revert_says_what_it_cannot_know_yet(world: World) -> None:
    world.portal.loses_answers = True
    run = _promote(world)
    world.portal.loses_answers = False
    world.portal.unreadable.add("101")

    undo = _revert(world, run)

    assert {(one.contact, one.why) for one in undo.conflicts} == {("101", NO_OUTCOME)}
    assert STAGE in {one.property for one in undo.conflicts}
    assert {one["id"] for one in world.entries(KEPT)} == {"101"}


def test_what_a_revert_does_not_write_because_an_outcome_is_awaited_is_told(world: World) -> None:
    run = _promote(world)
    undo = _revert(world, run)
    world.portal.loses_requests = True
    world.portal.edit("101", "jobtitle", "Intern")
    world.sync()  # what it decided has no outcome yet
    world.portal.loses_requests = False
    world.portal.unreadable.add("101")

    done = _apply(world, undo)

    told = [one["reason"] for one in world.entries("change.abandoned")]
    assert done[Result.ABANDONED] == len(told) > 0
    assert all(AWAITED in str(one) for one in told)


def test_who_asked_for_a_revert_is_in_the_trail_before_anybody_decides(world: World) -> None:
    run = _promote(world)

    undo = _revert(world, run, Only.PROMOTIONS, "101")

    (asked,) = world.store.trail.entries(AuditFilter(kind=ASKED))
    assert undo.summary.plan is not None
    assert (asked.draft.actor, asked.draft.run) == (WHO, undo.summary.run)
    assert asked.draft.reason == {
        "reverts": run,
        "only": "promotions",
        "contacts": ["101"],
        "plan": undo.summary.plan.id,
        "changes": undo.summary.plan.tally.changes,
    }


def test_a_revert_that_finds_nothing_is_in_the_trail_with_what_stays(world: World) -> None:
    run = _promote(world)
    world.portal.edit("101", STAGE, "customer")

    undo = _revert(world, run, Only.PROMOTIONS)

    assert undo.summary.plan is None
    entries = world.store.trail.entries(AuditFilter(run=undo.summary.run))
    assert {one.draft.kind for one in entries} == {ASKED, KEPT}


def test_the_timeline_tells_what_a_revert_left(world: World) -> None:
    run = _promote(world)
    world.portal.edit("101", STAGE, "customer")
    _revert(world, run)

    told = life(world.store.trail, world.store.plans, (ContactId("101"),))
    (kept,) = [one for one in timeline(told.entries, told.plans) if one.what is What.KEPT]

    assert kept.property == STAGE
    assert kept.why == (
        f"The revert of run {run} left it as it was: the portal shows another value: somebody changed it since."
    )


def test_what_changes_between_plan_and_apply_is_abandoned(world: World) -> None:
    run = _promote(world)
    undo = _revert(world, run, Only.PROMOTIONS)
    world.portal.edit("101", STAGE, "customer")

    results = _apply(world, undo)

    assert results[Result.ABANDONED] == 2
    assert world.portal.shows("101", STAGE) == "customer"


def test_only_scores_leaves_the_stage_alone(world: World) -> None:
    run = _promote(world)

    _apply(world, _revert(world, run, Only.SCORES))

    assert world.portal.shows("101", STAGE) == MQL
    assert [world.portal.shows("101", f"crmsync_{name}") for name in ("fit", "engagement", "grade")] == [
        None
    ] * 3
    assert world.portal.shows("101", "crmsync_outcome") == "qualified"


def test_only_demotions_takes_back_no_promotion(world: World) -> None:
    run = _promote(world)

    undo = _revert(world, run, Only.DEMOTIONS)

    assert undo.summary.status == "nothing"
    assert undo.summary.plan is None


def test_a_demotion_is_taken_back_in_one_step(world: World) -> None:
    _promote(world)
    world.portal.remove(Kind.MEETING, "9101")
    world.portal.edit("101", "jobtitle", "intern")
    world.portal.clock += timedelta(days=100)
    run = world.sync().run
    assert world.portal.shows("101", STAGE) == "lead"

    undo = _revert(world, run, Only.DEMOTIONS)
    _apply(world, undo)

    assert undo.summary.tally.promoted == 1
    assert world.portal.shows("101", STAGE) == MQL


def test_only_the_named_contacts_are_restored(world: World) -> None:
    world.portal.put(a_contact("102", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9102", "102"))
    run = _promote(world)

    _apply(world, _revert(world, run, None, "102"))

    assert (world.portal.shows("101", STAGE), world.portal.shows("102", STAGE)) == (MQL, "lead")


def test_a_revert_is_not_undone_by_the_next_tick(world: World) -> None:
    run = _promote(world)
    _apply(world, _revert(world, run))
    world.portal.clock += timedelta(days=1)

    summary = world.sync()

    assert summary.tally.evaluated == 1
    assert world.portal.shows("101", STAGE) == "lead"  # respected like a stage that a person set
    assert world.portal.shows("101", "crmsync_fit") == "40"  # a score is what it is


def test_a_revert_can_be_reverted(world: World) -> None:
    run = _promote(world)
    after = _values(world, "101")
    undo = _revert(world, run)
    assert undo.summary.plan is not None
    second = world.engine().apply(undo.summary.plan.id).run

    _apply(world, _revert(world, second))

    assert _values(world, "101") == after


def test_an_applied_revert_leaves_nothing_to_revert(world: World) -> None:
    run = _promote(world)
    _apply(world, _revert(world, run))

    again = _revert(world, run)

    assert again.summary.plan is None
    assert {one.why for one in again.conflicts} == {
        "the portal shows another value: somebody changed it since"
    }


def test_g9_a_large_revert_is_parked_and_survives_the_next_cycles(world: World) -> None:
    run = _promote(world)
    careful = world.with_(limits=Limits(max_stage_changes=10, max_stage_change_share=1.0, max_demotions=0))

    undo = _revert(careful, run)
    world.portal.put(a_contact("102", "lead"))
    world.sync()

    plan = undo.summary.plan
    assert plan is not None
    assert "guard.max_demotions allows 0" in plan.reasons[0]
    with pytest.raises(PlanParked):
        careful.engine().apply(plan.id)
    world.store.plans.decide(plan.id, PlanStatus.APPROVED, "anna")
    careful.sync()
    assert world.portal.shows("101", STAGE) == "lead"


def test_a_revert_activates_no_definition(world: World) -> None:
    run = _promote(world)
    changed = world.with_(definition=DEFINITION.replace("points: 40", "points: 41"))

    undo = _revert(changed, run, Only.SCORES)
    _apply(changed, undo)

    assert undo.summary.plan is not None
    assert undo.summary.plan.reasons == ()
    assert changed.sync().status == "parked"  # the first real plan under it is


def test_contacts_that_are_gone_or_merged_away_are_conflicts(world: World) -> None:
    world = world.with_(limits=replace(WIDE, max_shrink=1.0))
    world.portal.put(a_contact("102", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9102", "102"))
    run = _promote(world)
    world.portal.merged["102"] = "101"
    world.portal.remove(Kind.CONTACT, "102")
    world.portal.clock += timedelta(days=1)
    world.sync()

    undo = _revert(world, run, Only.PROMOTIONS)

    assert {(one.contact, one.why) for one in undo.conflicts if one.property == STAGE} == {
        ("102", "the contact is no longer in the portal")
    }


def test_a_run_of_two_plans_goes_back_to_before_the_first(world: World) -> None:
    small = world.with_(limits=Limits(max_stage_changes=0, max_stage_change_share=1.0))
    small.portal.put(a_contact("101", "subscriber", jobtitle="VP Sales"))
    parked = small.sync().plan
    assert parked is not None
    small.portal.put(a_meeting("9", "101"))
    world.store.plans.decide(parked.id, PlanStatus.APPROVED, "anna")
    both = world.sync()
    assert world.portal.shows("101", STAGE) == MQL

    _apply(world, _revert(world, both.run, Only.PROMOTIONS))

    assert world.portal.shows("101", STAGE) == "subscriber"


def test_a_contact_without_a_stage_gets_none_back(world: World) -> None:
    world.portal.put(a_contact("101", None))
    run = world.sync().run
    assert world.portal.shows("101", STAGE) == "lead"

    _apply(world, _revert(world, run))

    assert world.portal.shows("101", STAGE) is None


def test_an_unknown_run_is_refused_with_the_next_step(world: World) -> None:
    _promote(world)

    for run in ("r-20200101-0000-beef", "", "p-1", "' OR 1=1 --"):
        with pytest.raises(OperatorError, match="audit list"):
            _revert(world, RunId(run))


def test_a_contact_that_the_run_did_not_change_is_refused(world: World) -> None:
    run = _promote(world)

    with pytest.raises(OperatorError, match="did not change 777"):
        _revert(world, run, None, "777")


def test_the_timeline_tells_the_revert_as_one_move(world: World) -> None:
    run = _promote(world)
    _apply(world, _revert(world, run))

    family = world.store.mirror.family(ContactId("101"))
    remembered = life(world.store.trail, world.store.plans, family)
    moves = stage_life(timeline(remembered.entries, remembered.plans))

    assert [(one.what, one.before, one.after) for one in moves] == [
        (What.CHANGED, "lead", MQL),
        (What.REVERTED, MQL, "lead"),
    ]
    assert run in moves[-1].why


def test_the_same_revert_twice_is_the_same_plan(world: World) -> None:
    for one in ("1101", "205", "33"):
        world.portal.put(a_contact(one, "lead", jobtitle="VP Sales"))
    run = _promote(world)

    first, second = _revert(world, run), _revert(world, run)

    assert first.summary.plan is not None
    assert second.summary.plan is not None
    assert first.summary.plan == second.summary.plan
    changes = [change for page in world.store.plans.changes(first.summary.plan.id) for change in page]
    assert list(dict.fromkeys(change.contact for change in changes)) == ["33", "101", "205", "1101"]


def test_promote_only_does_not_keep_a_person_from_reverting(world: World) -> None:
    run = _promote(world)
    careful = world.with_(policy=Policy(stages="promote_only"))

    _apply(careful, _revert(careful, run, Only.PROMOTIONS))

    assert world.portal.shows("101", STAGE) == "lead"


@pytest.mark.parametrize(
    ("before", "after", "backward"),
    [
        ("lead", MQL, False),
        (MQL, "lead", True),
        (None, "lead", False),
        ("lead", None, True),
        ("4711", "lead", True),
        ("lead", "4711", True),
    ],
)
def test_backward_is_what_goes_against_the_order_of_the_portal(
    before: str | None, after: str | None, backward: bool
) -> None:
    assert is_backward(before, after, STAGES) is backward
