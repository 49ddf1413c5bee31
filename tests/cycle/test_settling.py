"""What becomes of a change whose answer was lost or whose process died: the portal's memory tells (G3)."""

from collections.abc import Iterator, Sequence

import pytest

from crmsync.cycle.settle import CANNOT_BE_TOLD, GONE, OFF
from crmsync.errors import Unavailable
from crmsync.model import STAGE, ContactId, Intent, Kind, Outcome, Own, PlanStatus, Reading, Result, Seen
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


@pytest.mark.parametrize(
    ("survivor", "why"),
    [
        pytest.param(None, GONE, id="deleted"),
        pytest.param("102", f"{CANNOT_BE_TOLD}: the contact was merged into 102", id="merged"),
    ],
)
def test_g2_what_was_sent_to_one_who_is_gone_is_given_up_and_says_why(
    never_sent: World, survivor: str | None, why: str
) -> None:
    never_sent.portal.put(a_contact("102", "lead"))
    never_sent.portal.remove(Kind.CONTACT, "101")
    if survivor:
        never_sent.portal.merged["101"] = survivor

    never_sent.sync()

    (given_up,) = [one for one in never_sent.entries("change.abandoned") if one["property"] == STAGE]
    shown = {"contact": survivor, "shown": survivor and "lead"}
    assert given_up["reason"] == {"problem": why} | {name: one for name, one in shown.items() if one}


def test_g4_one_who_was_merged_since_it_was_planned_is_not_written_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_contact("102", "lead"))
    shown = world.portal.shown

    def after_the_merge(contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        world.portal.snapshots[Kind.CONTACT].pop("101", None)
        world.portal.merged["101"] = "102"
        return shown(contacts, properties)

    monkeypatch.setattr(world.portal, "shown", after_the_merge)
    world.sync()

    given_up = [one for one in world.entries("change.abandoned") if one["id"] == "101"]
    assert given_up
    assert all("merged into 102" in str(one["reason"]) for one in given_up)
    assert {contact for contact, _ in world.portal.writes} == {"102"}


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


# --- a move in two steps -----------------------------------------------------------------------------------------


@pytest.fixture
def backward(world: World) -> World:
    """A contact that moves backward, clear then set; nothing of it reached the portal."""
    world.portal.put(a_contact("101", MQL, jobtitle="VP Sales"))
    world.portal.loses_requests = True
    world.sync()
    world.portal.loses_requests = False
    assert world.portal.shows("101", STAGE) == MQL
    return world


def test_g3_a_move_of_which_nothing_arrived_is_cleared_then_set(backward: World) -> None:
    backward.sync()

    assert outcome(backward) == ["change.applied", "change.applied"]
    assert backward.portal.shows("101", STAGE) == "lead"


def test_an_open_intent_knows_which_step_it_is(backward: World) -> None:
    moves = [one for one in backward.store.trail.open_intents() if one.change.property == STAGE]

    assert [(one.change.after, one.change.step) for one in moves] == [("", 0), ("lead", 1)]


def test_g3_a_move_whose_clear_stays_open_keeps_its_second_step(backward: World) -> None:
    backward.portal.loses_requests = True
    backward.sync()
    assert outcome(backward) == []
    backward.portal.loses_requests = False

    backward.sync()

    assert outcome(backward) == ["change.applied", "change.applied"]
    assert backward.portal.shows("101", STAGE) == "lead"


def test_a_move_whose_clear_is_refused_later_is_refused_whole_and_not_tried_each_cycle(
    backward: World,
) -> None:
    backward.portal.refuses.add("101")

    for _ in range(3):
        backward.sync()

    assert outcome(backward) == ["change.failed", "change.failed"]


def test_g3_a_stage_that_was_cleared_before_the_end_of_the_process_and_not_set_is_tried_again(
    world: World,
) -> None:
    world.portal.put(a_contact("101", MQL, jobtitle="VP Sales"))
    world.portal.loses_answers = True
    world.sync()
    world.portal.loses_answers = False
    assert world.portal.shows("101", STAGE) is None
    world.portal.refuses.add("101")

    world.sync()

    # the stage before could not be given back either; the last one decided anew
    assert outcome(world) == ["change.applied", "change.failed", "change.failed", "change.failed"]


@pytest.fixture
def backward_refused(world: World) -> World:
    """A contact whose clear the portal takes and whose set it refuses, as it does where a property is required."""
    world.portal.put(a_contact("101", MQL, jobtitle="VP Sales"))
    world.portal.refuses_stages.add("lead")
    return world


def test_g3_a_move_that_is_refused_after_its_clear_leaves_the_contact_as_it_was(
    backward_refused: World,
) -> None:
    world = backward_refused

    for _ in range(3):
        world.sync()

    shown = {name: world.portal.shows("101", name) for name in (STAGE, Own.REASON, Own.STAGE_CHANGED_AT)}
    assert shown == {STAGE: MQL, Own.REASON: None, Own.STAGE_CHANGED_AT: None}
    assert outcome(world) == ["change.applied", "change.failed", "change.applied"]  # and not tried each cycle
    assert {one["cause"] for one in world.entries("change.intended") if one["after"] == MQL} == {"taken_back"}


def test_g3_a_move_that_is_refused_when_it_is_settled_leaves_the_contact_as_it_was(
    backward_refused: World,
) -> None:
    world = backward_refused
    world.portal.loses_answers = True
    world.sync()
    world.portal.loses_answers = False
    assert world.portal.shows("101", STAGE) is None

    world.sync()

    assert world.portal.shows("101", STAGE) == MQL


def test_a_persons_stage_between_clear_and_refusal_is_not_taken_back(backward_refused: World) -> None:
    world = backward_refused
    world.portal.loses_answers = True
    world.sync()
    world.portal.loses_answers = False
    world.portal.edit("101", STAGE, "customer")

    world.sync()

    assert world.portal.shows("101", STAGE) == "customer"


# --- what is not known yet ---------------------------------------------------------------------------------------


def test_g2_a_contact_that_cannot_be_read_keeps_its_intent_open_and_is_told_once(never_sent: World) -> None:
    never_sent.portal.unreadable.add("101")

    for _ in range(3):
        never_sent.sync()

    assert outcome(never_sent) == []
    assert [(one["id"], one["cause"]) for one in never_sent.entries("finding")] == [("101", "unanswered")]
    never_sent.portal.unreadable.clear()
    never_sent.sync()
    assert outcome(never_sent) == ["change.applied"]


def test_g4_what_a_person_sets_between_looking_back_and_sending_again_is_not_overwritten(
    never_sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_back = never_sent.portal.look_back

    def and_somebody_is_faster(intents: Sequence[Intent]) -> tuple[Seen, ...]:
        seen = look_back(intents)
        never_sent.portal.edit("101", STAGE, "salesqualifiedlead")
        return seen

    monkeypatch.setattr(never_sent.portal, "look_back", and_somebody_is_faster)
    never_sent.sync()

    assert never_sent.portal.shows("101", STAGE) == "salesqualifiedlead"
    assert outcome(never_sent)[0] == "change.abandoned"


def test_g2_what_was_answered_before_the_road_broke_has_its_outcome_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in ("101", "102"):
        world.portal.put(a_contact(one, "lead", jobtitle="VP Sales"))
    update = world.portal.update

    def breaks_off(intents: Sequence[Intent]) -> Iterator[Outcome]:
        yield from (one for one in update(intents) if one.intent.change.contact == "101")
        raise Unavailable("the road broke")

    monkeypatch.setattr(world.portal, "update", breaks_off)
    with pytest.raises(Unavailable):
        world.sync()

    assert {one["id"] for one in world.entries("change.applied")} == {"101"}
    assert {one.change.contact for one in world.store.trail.open_intents()} == {"102"}


# --- the mode of writing -----------------------------------------------------------------------------------------


def test_in_plan_mode_what_a_person_let_apply_and_did_not_arrive_is_sent(world: World) -> None:
    careful = world.with_(mode="plan")
    careful.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    careful.portal.put(a_meeting("9", "101"))
    plan = careful.sync().plan
    assert plan is not None
    careful.store.plans.decide(plan.id, PlanStatus.APPROVED, "anna")
    careful.portal.loses_requests = True
    careful.sync()
    careful.portal.loses_requests = False

    careful.sync()

    assert outcome(careful) == ["change.applied"]
    assert careful.portal.shows("101", STAGE) == MQL


def test_in_observe_mode_what_did_not_arrive_is_given_up_with_the_reason(never_sent: World) -> None:
    observed = never_sent.with_(mode="observe")

    observed.sync()

    assert {str(one["reason"]["problem"]) for one in observed.entries("change.abandoned")} == {OFF}  # type: ignore[index]  # JSON
