"""Whose contact it is: people, other programs, HubSpot itself; and who is set aside."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crmsync.cycle.agenda import Job
from crmsync.definition.load import load
from crmsync.model import STAGE, Association, ContactId, Deal, Kind, Own, Result, Snapshot, StageMode
from tests.cycle.conftest import DEFINITION, WIDE, World, a_contact, a_meeting


def qualified(world: World, one: str = "101", stage: str = "lead") -> None:
    world.portal.put(a_contact(one, stage, jobtitle="VP Sales"))
    world.portal.put(a_meeting(f"9{one}", one))


def set_back(world: World, one: str = "101", by: str = "5550123") -> None:
    world.portal.edit(one, STAGE, "lead", "INTEGRATION", by)


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("lead", id="one step"),
        pytest.param("marketingqualifiedlead", id="a move backward, in two steps"),
    ],
)
def test_a_refused_contact_is_not_tried_again_until_it_changes(world: World, stage: str) -> None:
    world.portal.put(a_contact("101", stage, jobtitle="VP Sales"))
    world.portal.refuses.add("101")
    first = world.sync()
    sent = len(world.portal.writes)

    again = [world.sync() for _ in range(3)]

    assert first.written.results[Result.FAILED] > 0
    assert [one.written.intended for one in again] == [0, 0, 0]
    assert len(world.portal.writes) == sent
    world.portal.edit("101", "jobtitle", "CTO")
    assert world.sync().written.intended > 0


def test_the_daily_tick_tries_a_refused_contact_again(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.refuses.add("101")
    world.sync()
    world.portal.refuses.clear()

    summary = world.engine().sync(also=(Job.TICK,))

    assert summary.written.results[Result.APPLIED] > 0
    assert world.portal.shows("101", "crmsync_fit") == "40"


def test_an_abandoned_change_is_read_again_at_once_and_stays_due(world: World) -> None:
    qualified(world)
    engine = world.engine()
    planned = engine.plan()
    assert planned.plan is not None
    world.portal.edit("101", "crmsync_fit", "7")

    engine.apply(planned.plan.id)

    foreign = [one for one in world.entries("change.foreign") if one["property"] == "crmsync_fit"]
    assert [(one["after"], one["actor"]) for one in foreign] == [("7", "CRM_UI userId:7")]
    assert [one.contact.id for some in world.store.mirror.due(10) for one in some] == ["101"]
    world.sync()
    assert world.portal.shows("101", "crmsync_fit") == "40"


def test_a_contact_that_left_before_it_was_written_is_gone_not_tried_for_ever(world: World) -> None:
    qualified(world)
    engine = world.engine()
    planned = engine.plan()
    assert planned.plan is not None
    world.portal.remove(Kind.CONTACT, "101")

    engine.apply(planned.plan.id)
    summary = world.sync()

    assert summary.written.intended == 0
    assert [one["id"] for one in world.entries("contact.deleted")] == ["101"]


@pytest.mark.parametrize(
    ("stages", "stage", "why"),
    [
        pytest.param("observe", "lead", "Would become MQL", id="a promotion that is not ours to make"),
        pytest.param("promote_only", "marketingqualifiedlead", "Would go back to lead", id="a demotion"),
    ],
)
def test_a_change_that_is_not_made_is_not_told_as_made(
    world: World, stages: StageMode, stage: str, why: str
) -> None:
    world = world.with_(policy=replace(world.policy, stages=stages))
    world.portal.put(a_contact("101", stage, jobtitle="VP Sales"))
    if stage == "lead":
        world.portal.put(a_meeting("9", "101"))

    world.sync()

    assert world.portal.shows("101", STAGE) == stage
    assert (world.portal.shows("101", Own.REASON) or "").startswith(why)


def test_the_why_of_a_change_that_somebody_has_undone_is_not_kept(world: World) -> None:
    qualified(world)
    world.sync()
    assert (world.portal.shows("101", Own.REASON) or "").startswith("Became MQL")
    world.portal.edit("101", STAGE, "lead")

    world.sync()

    assert (world.portal.shows("101", Own.REASON) or "").startswith("Would become MQL")


def test_two_reversals_stop_the_writing_and_name_the_other_once(world: World) -> None:
    qualified(world)
    for _ in range(4):
        world.sync()
        set_back(world)
    summaries = [world.sync() for _ in range(3)]

    assert world.portal.shows("101", STAGE) == "lead"
    stages = [one for one in world.entries("change.applied") if one["property"] == STAGE]
    assert len(stages) == 2
    findings = [one for one in world.entries("finding") if one["cause"] == "ping_pong"]
    assert [one["id"] for one in findings] == ["101"]
    assert "INTEGRATION 5550123" in str(findings[0]["reason"])
    assert summaries[-1].written.intended == 0


def test_a_ping_pong_is_told_by_the_portals_clock_when_ours_is_hours_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world.with_(policy=replace(world.policy, respect_manual_for=timedelta(hours=3)))
    monkeypatch.setattr(world.store.database, "now", lambda: world.portal.clock - timedelta(hours=7))

    ping_pong(world)

    assert world.portal.shows("101", STAGE) == "lead"


def test_who_moves_a_stage_on_and_then_back_again_has_not_set_ours_back(world: World) -> None:
    qualified(world)
    for _ in range(3):
        world.sync()
        assert world.portal.shows("101", STAGE) == "marketingqualifiedlead"
        world.portal.edit("101", STAGE, "salesqualifiedlead", "AUTOMATION_PLATFORM", "enrollment")
        world.sync()
        world.portal.edit("101", STAGE, "lead", "AUTOMATION_PLATFORM", "enrollment")


def ping_pong(world: World) -> None:
    """Let another app set the stage back twice."""
    qualified(world)
    for _ in range(2):
        world.sync()
        set_back(world)
    assert world.sync().tally.held == 1


def test_a_ping_pong_ends_when_nobody_set_the_stage_back_for_as_long_as_a_persons_choice_counts(
    world: World,
) -> None:
    ping_pong(world)
    world.portal.clock += timedelta(days=29)
    world.portal.put(a_meeting("8", "101", at=world.portal.clock))
    world.sync()
    before = world.portal.shows("101", STAGE)

    world.portal.clock += timedelta(days=2)
    world.sync()

    assert before == "lead"
    assert world.portal.shows("101", STAGE) == "marketingqualifiedlead"


def test_a_ping_pong_that_goes_on_is_told_again_after_two_more_reversals(world: World) -> None:
    ping_pong(world)
    world.portal.clock += timedelta(days=31)
    ping_pong(world)
    world.sync()

    findings = [one for one in world.entries("finding") if one["cause"] == "ping_pong"]
    assert len(findings) == 2
    assert world.portal.shows("101", STAGE) == "lead"
    assert len([one for one in world.entries("change.applied") if one["property"] == STAGE]) == 4


def test_a_ping_pong_ends_under_another_definition(world: World) -> None:
    ping_pong(world)
    changed = world.with_(
        definition=DEFINITION.replace('version: "1"', 'version: "2"'),
        limits=replace(WIDE, park_on_new_definition=False),
    )

    changed.sync()

    assert changed.portal.shows("101", STAGE) == "marketingqualifiedlead"


def test_scores_go_on_during_a_ping_pong_about_the_stage(world: World) -> None:
    qualified(world)
    for _ in range(3):
        world.sync()
        set_back(world)
    world.sync()

    world.portal.edit("101", "jobtitle", "Assistant")
    world.sync()

    assert world.portal.shows("101", "crmsync_fit") == "0"
    assert world.portal.shows("101", STAGE) == "lead"


def test_a_withheld_promotion_shows_as_ready(world: World) -> None:
    qualified(world)
    world.portal.edit("101", STAGE, "lead")

    world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
    assert world.portal.shows("101", "crmsync_outcome") == "ready"


def test_a_stage_a_person_set_is_left_alone_until_the_time_is_over(world: World) -> None:
    qualified(world)
    world.sync()
    world.portal.edit("101", STAGE, "lead")
    world.sync()
    world.portal.clock += timedelta(days=29)
    world.portal.put(a_meeting("7", "101", at=world.portal.clock - timedelta(hours=1)))
    world.sync()
    before = world.portal.shows("101", STAGE)

    world.portal.clock += timedelta(days=2)
    world.sync()

    assert before == "lead"
    assert world.portal.shows("101", STAGE) == "marketingqualifiedlead"


def test_g4_a_stage_that_a_person_cleared_stays_cleared(world: World) -> None:
    qualified(world)
    world.sync()
    world.portal.edit("101", STAGE, "")
    world.sync()

    for title in ("VP Sales EMEA", "VP Marketing"):  # more news of the contact changes nothing about it
        world.portal.edit("101", "jobtitle", title)
        assert world.sync().tally.held == 1

    assert world.portal.shows("101", STAGE) is None


def test_g4_a_stage_that_a_person_cleared_before_crmsync_came_stays_cleared(world: World) -> None:
    qualified(world)
    world.portal.edit("101", STAGE, "")

    assert world.sync().tally.held == 1
    assert world.portal.shows("101", STAGE) is None


def test_g4_a_stage_of_which_the_portal_cannot_say_who_set_it_is_left_alone_and_told_once(
    world: World,
) -> None:
    qualified(world)
    world.portal.edit("101", STAGE, "subscriber")
    world.portal.silent_about.add("101")

    for title in ("VP Sales EMEA", "VP Marketing"):
        world.portal.edit("101", "jobtitle", title)
        assert world.sync().tally.held == 1

    assert world.portal.shows("101", STAGE) == "subscriber"
    assert world.portal.shows("101", "crmsync_outcome") == "ready"
    assert [(one["id"], one["cause"]) for one in world.entries("finding")] == [("101", "untold")]


def test_hubspots_own_move_forward_is_taken_as_it_is(world: World) -> None:
    qualified(world)
    world.sync()
    deal = Snapshot(
        Kind.DEAL,
        "5",
        world.portal.clock,
        deal=Deal("open", "9"),
        associations={Kind.CONTACT: (Association("101"),)},
    )
    world.portal.put(deal)
    world.portal.edit("101", STAGE, "opportunity", "DEALS", "deal:5")

    world.sync()
    quiet = world.sync()

    assert world.portal.shows("101", STAGE) == "opportunity"
    foreign = [one for one in world.entries("change.foreign") if one["property"] == STAGE]
    assert [(one["after"], one["actor"]) for one in foreign] == [("opportunity", "DEALS deal:5")]
    assert quiet.written.intended == 0
    assert not world.store.trail.reversals([ContactId("101")], load(DEFINITION).ref)


def test_g4_whoever_changed_what_is_ours_is_named(world: World) -> None:
    sources = {"101": "CRM_UI", "102": "MOBILE_IOS", "103": "AUTOMATION_PLATFORM", "104": "SALESFORCE"}
    for one in sources:
        qualified(world, one)
    world.sync()
    for one, source in sources.items():
        world.portal.edit(one, "crmsync_grade", "mine", source, "x")

    world.sync()

    foreign = world.entries("change.foreign")
    assert {(one["id"], one["property"], one["after"], one["actor"]) for one in foreign} == {
        (one, "crmsync_grade", "mine", f"{source} x") for one, source in sources.items()
    }
    assert len(foreign) == len(sources)
    assert {world.portal.shows(one, "crmsync_grade") for one in sources} == {"A1"}


def test_g4_a_person_who_repeats_what_a_workflow_set_has_chosen_it(world: World) -> None:
    qualified(world)
    world.portal.edit("101", STAGE, "lead", "AUTOMATION_PLATFORM", "enrollment")
    world.portal.edit("101", STAGE, "lead")

    world.sync()

    assert world.portal.shows("101", STAGE) == "lead"


def test_a_workflow_that_repeats_what_a_person_set_does_not_take_it_over(world: World) -> None:
    qualified(world)
    world.portal.edit("101", STAGE, "lead")
    world.portal.edit("101", STAGE, "lead", "AUTOMATION_PLATFORM", "enrollment")

    world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
