"""A cycle from pull to settle, on a fake portal and a real store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from crmsync.cycle.reconcile import Policy
from crmsync.errors import PlanParked
from crmsync.model import STAGE, Association, Deal, Kind, PlanStatus, Result, Snapshot
from tests.cycle.conftest import DEFINITION, WIDE, World, a_contact, a_meeting
from tests.fakes import NOW


def test_a_contact_becomes_an_mql_and_the_trail_says_why(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))

    summary = world.sync()

    assert summary.status == "applied"
    assert world.portal.shows("101", STAGE) == "marketingqualifiedlead"
    assert world.portal.shows("101", "crmsync_fit") == "40"
    assert world.portal.shows("101", "crmsync_engagement") == "30"
    assert world.portal.shows("101", "crmsync_grade") == "A1"
    stage = next(one for one in world.entries("change.intended") if one["property"] == STAGE)
    assert (stage["before"], stage["after"], stage["cause"]) == ("lead", "marketingqualifiedlead", "promoted")
    assert stage["reason"]


def test_g1_nothing_is_written_that_the_trail_did_not_intend_first(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))

    world.sync()

    sent = {
        (contact, name, value) for contact, values in world.portal.writes for name, value in values.items()
    }
    intended = {(one["id"], one["property"], one["after"]) for one in world.entries("change.intended")}
    assert sent
    assert sent <= intended


def test_g2_every_intent_has_one_outcome(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_contact("102", "lead"))
    world.portal.refuses.add("102")

    summary = world.sync()

    intents = [one["seq"] for one in world.entries("change.intended")]
    outcomes = [
        one["of"] for kind in ("applied", "failed", "abandoned") for one in world.entries(f"change.{kind}")
    ]
    assert sorted(intents) == sorted(outcomes)  # type: ignore[type-var]  # numbers all
    assert summary.written.results[Result.FAILED] == len(world.entries("change.failed")) > 0


def test_g5_a_second_cycle_writes_nothing_and_evaluates_no_echo(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.sync()
    sent = len(world.portal.writes)

    second = world.sync()
    reads = world.portal.reads
    third = world.sync()

    assert len(world.portal.writes) == sent
    assert (second.status, second.tally.evaluated, second.pulled.counts) == ("nothing", 0, {})
    assert (third.status, third.tally.evaluated) == ("nothing", 0)
    assert world.portal.reads == reads  # an echo found again in the overlap costs no batch read


def test_g4_a_value_that_somebody_changed_since_is_not_overwritten(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    engine = world.engine()
    planned = engine.plan()
    assert planned.plan is not None
    world.portal.edit("101", "crmsync_fit", "7")

    summary = engine.apply(planned.plan.id)

    assert world.portal.shows("101", "crmsync_fit") == "7"
    assert summary.written.results[Result.ABANDONED] == 1
    (abandoned,) = world.entries("change.abandoned")
    assert abandoned["property"] == "crmsync_fit"


def test_g4_a_persons_stage_is_respected_and_the_outcome_says_ready(world: World) -> None:
    world.portal.put(a_contact("101", "subscriber", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.portal.edit("101", STAGE, "lead")

    summary = world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
    assert world.portal.shows("101", "crmsync_outcome") == "ready"
    assert summary.tally.held == 1
    assert summary.tally.withheld == {"person": 1}
    assert list(summary.tally.held_shown.values()) == ["person"]


def test_a_persons_change_is_recorded_as_foreign_with_its_source(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    world.sync()
    world.portal.edit("101", STAGE, "customer")

    summary = world.sync()

    (foreign,) = world.entries("change.foreign")
    assert (foreign["before"], foreign["after"], foreign["actor"]) == ("lead", "customer", "CRM_UI userId:7")
    assert summary.pulled.foreign == 1


def test_g9_a_plan_over_the_limits_is_parked_and_nothing_is_written(world: World) -> None:
    small = world.with_(limits=WIDE.__class__(max_stage_changes=0, max_stage_change_share=1.0))
    small.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    small.portal.put(a_meeting("9", "101"))

    summary = small.sync()

    assert summary.status == "parked"
    assert small.portal.writes == []
    assert summary.plan is not None
    assert "guard.max_stage_changes allows 0" in summary.plan.reasons[0]
    with pytest.raises(PlanParked):
        small.engine().apply(summary.plan.id)


@pytest.mark.parametrize(("share", "status"), [(0.3, "parked"), (0.34, "applied")])
def test_g9_a_plan_that_moves_too_large_a_share_of_all_contacts_is_parked(
    world: World, share: float, status: str
) -> None:
    careful = world.with_(limits=replace(WIDE, max_stage_change_share=share))
    careful.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    careful.portal.put(a_meeting("9", "101"))
    for one in ("102", "103"):
        careful.portal.put(a_contact(one, "customer"))

    summary = careful.sync()

    assert summary.status == status
    assert (careful.portal.writes == []) is (status == "parked")


def test_an_approved_plan_is_written_by_the_next_cycle(world: World) -> None:
    small = world.with_(limits=WIDE.__class__(max_stage_changes=0, max_stage_change_share=1.0))
    small.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    small.portal.put(a_meeting("9", "101"))
    parked = small.sync().plan
    assert parked is not None
    assert small.sync().plan == parked  # the same surprise stays the same plan
    small.store.plans.decide(parked.id, PlanStatus.APPROVED, "anna")

    summary = small.sync()

    assert summary.status == "applied"
    assert small.portal.shows("101", STAGE) == "marketingqualifiedlead"


def test_the_first_plan_under_a_changed_definition_is_parked(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    world.sync()
    changed = world.with_(definition=DEFINITION.replace('version: "1"', 'version: "2"'))

    summary = changed.sync()

    assert summary.status == "parked"
    assert summary.plan is not None
    assert "changed definition" in summary.plan.reasons[0]


def test_a_definition_changed_under_the_same_version_is_named_by_its_hash(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    before = world.engine().config.definition
    world.sync()
    changed = world.with_(definition=DEFINITION.replace("points: 40", "points: 41"))

    plan, after = changed.sync().plan, changed.engine().config.definition

    assert plan is not None
    assert f"1 {before.sha256[:12]} -> " in plan.reasons[0]
    assert f"1 {after.sha256[:12]})" in plan.reasons[0]


def test_a_move_backward_is_cleared_then_set_each_with_its_own_intent(world: World) -> None:
    world.portal.put(a_contact("101", "marketingqualifiedlead", jobtitle="VP Sales"))

    summary = world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
    stage_writes = [values[STAGE] for _, values in world.portal.writes if STAGE in values]
    assert stage_writes == ["", "lead"]
    assert summary.tally.demoted == 1
    assert len([one for one in world.entries("change.intended") if one["property"] == STAGE]) == 2


def test_promote_only_leaves_demotions_alone(world: World) -> None:
    careful = world.with_(policy=Policy(stages="promote_only"))
    careful.portal.put(a_contact("101", "marketingqualifiedlead", jobtitle="VP Sales"))

    summary = careful.sync()

    assert careful.portal.shows("101", STAGE) == "marketingqualifiedlead"
    assert (summary.tally.demoted, summary.tally.held) == (0, 1)


def test_a_counter_that_went_up_is_a_signal_and_its_first_value_a_baseline(world: World) -> None:
    world.portal.put(a_contact("101", "lead", hs_email_open="10"))
    world.sync()
    assert world.portal.shows("101", "crmsync_engagement") == "0"
    world.portal.edit("101", "hs_email_open", "13", "EMAIL", "")

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "15"


def test_g7_a_counter_that_had_no_value_yet_counts_from_nothing(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    world.sync()
    world.portal.edit("101", "hs_email_open", "1", "EMAIL", "")

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "5"


def test_a_late_association_reaches_its_contact_at_the_rescan(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9"))
    world.sync()
    world.portal.snapshots[Kind.MEETING]["9"] = a_meeting("9", "101")  # associating bumps nothing
    world.portal.clock += timedelta(hours=1, minutes=1)
    world.sync()

    assert world.portal.shows("101", STAGE) == "marketingqualifiedlead"


def test_a_deal_and_a_company_reach_the_evaluation_of_their_contact(world: World) -> None:
    deal = Snapshot(
        Kind.DEAL, "5", NOW, deal=Deal("open", "1000"), associations={Kind.CONTACT: (Association("101"),)}
    )
    world.portal.put(Snapshot(Kind.COMPANY, "3", NOW, {"industry": "Software"}))
    world.portal.put(deal)
    ends = {Kind.COMPANY: (Association("3", is_primary=True),), Kind.DEAL: (Association("5"),)}
    contact = a_contact("101", "lead")
    world.portal.put(Snapshot(contact.kind, "101", NOW, contact.properties, associations=ends))

    world.sync()

    assert world.portal.shows("101", STAGE) == "opportunity"
    assert world.portal.shows("101", "crmsync_fit") == "20"


def test_a_deleted_contact_is_noticed_by_the_nightly_reconcile(world: World) -> None:
    for one in range(101, 111):
        world.portal.put(a_contact(str(one), "lead"))
    world.sync()
    world.portal.remove(Kind.CONTACT, "105")
    world.portal.clock += timedelta(days=1)

    world.sync()

    (deleted,) = world.entries("contact.deleted")
    assert deleted["id"] == "105"
    assert world.store.mirror.size() == 9


def lose_nine_of_ten(world: World) -> None:
    for one in range(101, 111):
        world.portal.put(a_contact(str(one), "lead"))
    world.sync()
    for one in range(101, 110):
        world.portal.remove(Kind.CONTACT, str(one))
    world.portal.edit("110", "jobtitle", "VP", "CRM_UI")
    world.portal.clock += timedelta(days=1)


def test_a_portal_that_lost_most_contacts_is_not_believed(world: World) -> None:
    lose_nine_of_ten(world)

    summary = world.sync()

    assert world.entries("contact.deleted") == []
    assert summary.status == "parked"
    assert summary.plan is not None
    assert "9 of 10 known contacts are missing" in summary.plan.reasons[0]


@pytest.fixture
def shrunken(world: World) -> World:
    """A portal that lost nine of ten contacts, and the plan that is parked for it."""
    lose_nine_of_ten(world)
    assert world.sync().status == "parked"
    return world


def test_g9_a_shrunken_portal_stays_parked_in_the_cycles_between_two_lists(shrunken: World) -> None:
    assert shrunken.sync().status == "parked"
    assert shrunken.portal.shows("110", "crmsync_fit") == "0"


def test_g9_a_portal_that_is_whole_again_is_written_to_again(shrunken: World) -> None:
    for one in range(101, 110):
        shrunken.portal.put(a_contact(str(one), "lead"))
    shrunken.portal.clock += timedelta(days=1)

    assert shrunken.sync().status == "applied"


def test_g9_a_person_who_allows_more_shrinking_lets_it_go_on(shrunken: World) -> None:
    allowed = shrunken.with_(limits=replace(WIDE, max_shrink=0.95))

    assert allowed.sync().status == "applied"


def test_g3_intents_without_an_outcome_are_settled_from_what_the_portal_shows(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.loses_answers = True
    world.sync()
    assert world.entries("change.applied") == []
    world.portal.loses_answers = False
    sent = len(world.portal.writes)

    world.sync()

    assert len(world.portal.writes) == sent
    assert len(world.entries("change.applied")) == len(world.entries("change.intended"))


def test_g6_the_same_portal_and_instant_give_the_same_plan(world: World) -> None:
    for one in range(101, 121):
        world.portal.put(a_contact(str(one), "lead", jobtitle="VP Sales" if one % 2 else None))
    engine = world.engine()
    first, second = engine.plan(), engine.plan()
    assert first.plan is not None
    assert second.plan is not None

    assert first.plan.digest == second.plan.digest
    assert list(world.store.plans.changes(first.plan.id)) == list(world.store.plans.changes(second.plan.id))


def test_the_daily_tick_notices_that_time_passed(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.put(a_meeting("9", "101"))
    world.sync()
    world.portal.clock += timedelta(days=120)

    world.sync()

    assert world.portal.shows("101", STAGE) == "lead"
    assert world.portal.shows("101", "crmsync_engagement") == "0"


def test_a_stop_between_batches_leaves_the_rest_due(world: World) -> None:
    for one in range(101, 216):
        world.portal.put(a_contact(str(one), "lead"))
    asked = iter([False, True, True])
    stopped = world.with_(should_stop=lambda: next(asked))

    stopped.sync()
    written = len(world.portal.writes)
    world.sync()

    assert written == 100
    assert len({contact for contact, _ in world.portal.writes}) == 115
