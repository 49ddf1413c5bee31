"""What becomes of a change whose answer was lost or whose process died: the portal's memory tells (G3)."""

import pytest

from crmsync.model import STAGE, Result
from tests.cycle.conftest import World, a_contact, a_meeting

MQL = "marketingqualifiedlead"


@pytest.fixture
def lost(world: World) -> World:
    """A contact whose promotion and scores were sent, and whose answers never came."""
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.portal.loses_answers = True
    world.sync()
    world.portal.loses_answers = False
    assert world.portal.shows("101", STAGE) == MQL
    return world


@pytest.fixture
def never_sent(world: World) -> World:
    """The same, but nothing of it reached the portal."""
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.portal.loses_requests = True
    world.sync()
    world.portal.loses_requests = False
    assert world.portal.shows("101", STAGE) == "lead"
    return world


def outcome(world: World, name: str = STAGE) -> list[str]:
    """Say how the intents on a property ended, in order."""
    return [str(one["kind"]) for one in world.entries() if one["of"] and one["property"] == name]


def test_g3_what_arrived_and_was_set_back_by_a_person_is_applied_and_not_sent_again(lost: World) -> None:
    lost.portal.edit("101", STAGE, "lead")

    lost.sync()

    assert lost.portal.shows("101", STAGE) == "lead"
    assert outcome(lost) == ["change.applied"]
    (foreign,) = [one for one in lost.entries("change.foreign") if one["property"] == STAGE]
    assert (foreign["before"], foreign["after"], foreign["actor"]) == (MQL, "lead", "CRM_UI userId:7")


def test_g3_what_arrived_and_was_changed_since_is_applied(lost: World) -> None:
    lost.portal.edit("101", STAGE, "salesqualifiedlead")
    lost.portal.edit("101", "crmsync_fit", "7")

    lost.sync()

    assert outcome(lost) == ["change.applied"]
    assert outcome(lost, "crmsync_fit")[0] == "change.applied"
    assert lost.portal.shows("101", STAGE) == "salesqualifiedlead"


def test_g2_what_somebody_else_set_to_the_same_value_is_not_called_ours(never_sent: World) -> None:
    never_sent.portal.edit("101", STAGE, MQL)

    never_sent.sync()

    assert outcome(never_sent) == ["change.abandoned"]
    (foreign,) = [one for one in never_sent.entries("change.foreign") if one["property"] == STAGE]
    assert (foreign["before"], foreign["after"], foreign["actor"]) == ("lead", MQL, "CRM_UI userId:7")


def test_g4_a_stage_a_person_set_to_the_same_is_respected_as_theirs(never_sent: World) -> None:
    never_sent.portal.edit("101", STAGE, MQL)
    never_sent.sync()

    never_sent.portal.put(a_meeting("9"))  # no longer hers: crmsync would demote
    summary = never_sent.sync()

    assert summary.tally.held == 1
    assert never_sent.portal.shows("101", STAGE) == MQL


def test_g3_what_did_not_arrive_is_sent_where_nobody_touched_it(never_sent: World) -> None:
    summary = never_sent.sync()

    assert never_sent.portal.shows("101", STAGE) == MQL
    assert outcome(never_sent) == ["change.applied"]
    assert summary.written.results[Result.OPEN] == 0


def test_g4_a_person_who_chose_the_stage_again_behind_a_lost_request_is_not_overwritten(
    never_sent: World,
) -> None:
    never_sent.portal.edit("101", STAGE, "salesqualifiedlead")
    never_sent.portal.edit("101", STAGE, "lead")

    never_sent.sync()

    assert never_sent.portal.shows("101", STAGE) == "lead"
    assert outcome(never_sent) == ["change.abandoned"]


def test_g3_a_clear_that_arrived_is_applied_and_its_second_step_never_overwrites(world: World) -> None:
    world.portal.put(a_contact("101", MQL, jobtitle="VP Sales"))
    world.portal.loses_answers = True
    world.sync()
    world.portal.loses_answers = False
    assert world.portal.shows("101", STAGE) is None  # cleared; the second step waits for the answer
    world.portal.edit("101", STAGE, "subscriber", "AUTOMATION_PLATFORM", "")

    world.sync()

    assert outcome(world)[:2] == ["change.applied", "change.abandoned"]
    assert world.portal.shows("101", STAGE) == "lead"  # decided anew, from what the workflow had set


def test_contacts_with_an_open_intent_get_no_second_one(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.loses_requests = True
    world.sync()
    intended = len(world.entries("change.intended"))

    world.sync()

    assert len(world.entries("change.intended")) == intended
    world.portal.loses_requests = False
    assert world.sync().written.results[Result.APPLIED] == intended


def test_a_write_that_arrives_after_it_was_given_up_is_ours_and_not_foreign(never_sent: World) -> None:
    observed = never_sent.with_(mode="observe")
    observed.sync()
    assert outcome(observed) == ["change.abandoned"]
    never_sent.portal.arrives("101", {STAGE: MQL})

    observed.sync()

    assert outcome(observed) == ["change.abandoned", "change.applied"]
    assert observed.entries("change.foreign") == []
    intent = next(one for one in observed.entries("change.intended") if one["property"] == STAGE)
    entry = observed.store.trail.outcome_of(int(str(intent["seq"])))
    assert entry is not None
    assert entry.draft.kind == "change.applied"


def test_a_write_of_ours_that_takes_effect_twice_is_a_finding(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.sync()
    world.portal.edit("101", STAGE, "salesqualifiedlead")
    world.sync()
    world.portal.arrives("101", {STAGE: MQL})

    world.sync()

    (finding,) = [one for one in world.entries("finding") if one["cause"] == "came_again"]
    assert (finding["id"], finding["property"]) == ("101", STAGE)
    assert [one["after"] for one in world.entries("change.foreign")] == ["salesqualifiedlead"]


def test_what_our_own_app_wrote_without_an_intent_of_this_trail_is_foreign(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    world.portal.arrives("101", {STAGE: "opportunity"})  # another crmsync with the same app, or a lost store

    world.sync()

    (foreign,) = world.entries("change.foreign")
    assert (foreign["after"], foreign["actor"]) == ("opportunity", "INTEGRATION 8111608")
