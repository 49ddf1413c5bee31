"""The life of a contact, told from the trail."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.insight.actors import Source, foreign_actor, our_actor
from crmsync.insight.timeline import Moment, State, What, stage_life, timeline
from crmsync.model import STAGE, Change, ContactId, DefinitionRef, Draft, Entry, Own, PlanId, RunId

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MQL = "marketingqualifiedlead"
_DEFINITION = DefinitionRef("b2b", "1", "ab" * 32)


class Trail:
    """Entries in the order they were appended, a minute apart."""

    def __init__(self) -> None:
        self._seqs = count(1)
        self.entries: list[Entry] = []

    def add(self, kind: str, **given: object) -> int:
        seq = next(self._seqs)
        fields: dict[str, object] = {"object": "contact", "id": "101", "run": RunId("r-1")} | given
        draft = Draft(kind, **fields)  # type: ignore[arg-type]  # the fields of a draft by name
        self.entries.append(Entry(seq, NOW + timedelta(minutes=seq), "1", draft, "", "", ""))
        return seq

    def change(
        self,
        before: str | None,
        after: str,
        *,
        property: str = STAGE,  # noqa: A002 - the draft's word
        outcome: str | None = "applied",
        problem: str = "",
        cause: str = "promoted",
        **given: object,
    ) -> int:
        about = {"property": property, "before": before, "after": after, "cause": cause} | given
        seq = self.add("change.intended", definition=_DEFINITION, **about)
        if outcome:
            reason = {"problem": problem} if problem else None
            self.add(f"change.{outcome}", **(about | {"of": seq, "reason": reason}))
        return seq

    def told(self, plans: Mapping[PlanId, tuple[Change, ...]] | None = None) -> tuple[Moment, ...]:
        return timeline(self.entries, plans)


def test_a_change_of_ours_is_one_moment_with_its_outcome() -> None:
    trail = Trail()
    seq = trail.change("lead", MQL)

    (moment,) = trail.told()

    assert (moment.what, moment.before, moment.after, moment.seq) == (What.CHANGED, "lead", MQL, seq)
    assert (moment.state, moment.actor.source, moment.definition) == (State.DONE, Source.CRMSYNC, _DEFINITION)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (None, State.OPEN),
        ("failed", State.FAILED),
        ("abandoned", State.ABANDONED),
    ],
)
def test_a_change_that_did_not_happen_says_so(outcome: str | None, state: State) -> None:
    trail = Trail()
    trail.change("lead", MQL, outcome=outcome, problem="the portal refused it" if outcome else "")

    (moment,) = trail.told()

    assert moment.state is state
    assert moment.problem == ("the portal refused it" if outcome else "")


def test_the_why_of_a_stage_is_what_sales_read_in_the_portal() -> None:
    trail = Trail()
    trail.change("lead", MQL)
    card = "Became MQL.\n- a demo request yesterday\nNext: SQL needs: a meeting."
    trail.change(None, card, property=Own.REASON, cause="along")

    (moment,) = stage_life(trail.told())

    assert moment.why == "Became MQL.\n- a demo request yesterday"


def test_the_card_of_another_run_explains_nothing() -> None:
    trail = Trail()
    trail.change("lead", MQL)
    trail.change(None, "Became something else.", property=Own.REASON, run=RunId("r-2"))

    (moment,) = stage_life(trail.told())

    assert moment.why == "Meets what the definition asks for this stage."


def test_a_move_backward_in_two_steps_is_one_moment() -> None:
    trail = Trail()
    trail.change(MQL, "", cause="demoted")
    trail.change(None, "lead", cause="demoted")

    (moment,) = trail.told()

    assert (moment.before, moment.after, moment.state) == (MQL, "lead", State.DONE)


@pytest.mark.parametrize(
    ("clear", "set_", "state", "problem"),
    [
        ("applied", "failed", State.FAILED, "cleared, but not set: refused"),
        ("applied", None, State.OPEN, "cleared, but not set: no answer yet"),
        ("abandoned", "abandoned", State.ABANDONED, "refused"),
    ],
)
def test_half_a_move_backward_says_how_far_it_got(
    clear: str, set_: str | None, state: State, problem: str
) -> None:
    trail = Trail()
    trail.change(MQL, "", cause="demoted", outcome=clear, problem="" if clear == "applied" else "refused")
    trail.change(None, "lead", cause="demoted", outcome=set_, problem="refused" if set_ else "")

    (moment,) = trail.told()

    assert (moment.before, moment.after, moment.state, moment.problem) == (MQL, "lead", state, problem)


def test_two_moves_in_one_run_stay_two_moments() -> None:
    trail = Trail()
    trail.change("subscriber", "lead")
    trail.change("lead", MQL)

    moves = [(one.before, one.after) for one in trail.told()]

    assert moves == [("subscriber", "lead"), ("lead", MQL)]


def test_other_peoples_changes_stand_at_their_own_instant_with_their_source() -> None:
    trail = Trail()
    trail.change("lead", MQL)
    earlier = NOW - timedelta(days=1)
    trail.add(
        "change.foreign",
        property=STAGE,
        before=None,
        after="lead",
        actor="CRM_UI userId:7",
        cause="foreign",
        reason={"changed_at": earlier.isoformat()},
    )

    foreign, ours = trail.told()

    assert (foreign.what, foreign.at, foreign.actor.words) == (What.FOREIGN, earlier, "a person (user 7)")
    assert foreign.noted_at > ours.at


def test_a_merge_names_the_contact_that_lives_on() -> None:
    trail = Trail()
    trail.change("lead", MQL, id="102")
    trail.add("contact.merged", id="102", after="101", actor="portal")

    change, merge = trail.told()

    assert (change.contact, merge.contact, merge.after) == ("102", "102", "101")
    assert merge.what is What.MERGED
    assert "101" in merge.why


def test_plans_tell_what_they_would_have_done_and_who_decided() -> None:
    trail = Trail()
    plan = PlanId("p-1")
    changes = (
        Change(ContactId("101"), STAGE, MQL, "", "demoted", {}),
        Change(ContactId("101"), STAGE, None, "lead", "demoted", {}, 1),
    )
    about: dict[str, object] = {"object": None, "id": None}
    trail.add("plan.parked", **about, reason={"plan": plan, "reasons": ["300 stage changes."]})
    trail.add("plan.approved", **about, reason={"plan": plan}, actor="anna")
    trail.add("plan.rejected", **about, reason={"plan": "p-of-others"}, actor="bo")

    parked, approved = trail.told({plan: changes})

    assert (parked.before, parked.after, parked.why) == (
        MQL,
        "lead",
        "Plan p-1 was parked: 300 stage changes.",
    )
    assert (approved.actor.words, approved.actor.source) == ("anna", Source.OPERATOR)


def test_what_was_erased_is_not_invented() -> None:
    trail = Trail()
    trail.change(None, "", outcome="applied")
    trail.entries = [
        Entry(
            e.seq,
            e.at,
            e.portal,
            Draft(e.draft.kind, e.draft.run, "contact", "101", STAGE, of=e.draft.of),
            "",
            "",
            "",
        )
        for e in trail.entries
    ]
    trail.add("contact.erased", actor="anna", run=None)
    trail.change(None, "lead")

    erased, erasure, later = trail.told()

    assert (erased.is_erased, erased.before, erased.after) == (True, None, None)
    assert erased.why == "The values and the reason were erased."
    assert erasure.what is What.ERASED
    assert (later.is_erased, later.after) == (False, "lead")


def test_a_revert_says_what_it_restores() -> None:
    trail = Trail()
    seq = trail.change("lead", MQL)
    why = f"Restores what run r-1 changed (entry {seq}, promoted)."
    reason = {"reverts": {"seq": seq, "run": "r-1"}, "why": why}
    trail.change(MQL, "", cause="reverted", run=RunId("r-2"), reason=reason)
    trail.change(None, "lead", cause="reverted", run=RunId("r-2"), reason=reason)

    _, revert = trail.told()

    assert (revert.what, revert.before, revert.after, revert.why) == (What.REVERTED, MQL, "lead", why)


def test_the_order_of_the_entries_does_not_matter() -> None:
    trail = Trail()
    trail.change(MQL, "", cause="demoted")
    trail.change(None, "lead", cause="demoted")
    trail.change("lead", MQL, run=RunId("r-2"))

    assert timeline(reversed(trail.entries)) == timeline(trail.entries)


def test_scores_are_no_part_of_the_stages_life() -> None:
    trail = Trail()
    trail.change("10", "50", property=Own.FIT, cause="score_moved", reason={"score": 50.25})
    trail.change("lead", MQL)

    score, stage = trail.told()

    assert score.why == "The score is 50.25."
    assert stage_life((score, stage)) == (stage,)


def test_entries_about_runs_and_definitions_tell_nothing_of_a_contact() -> None:
    trail = Trail()
    trail.add("run.started", object=None, id=None)
    trail.add("definition.activated", object=None, id=None)

    assert trail.told() == ()


@pytest.mark.parametrize(
    ("actor", "source", "words"),
    [
        ("CRM_UI userId:9586504", Source.PERSON, "a person (user 9586504)"),
        ("CRM_UI_BULK_ACTION", Source.PERSON, "a person"),
        ("MOBILE_IOS userId:1", Source.PERSON, "a person (user 1)"),
        ("AUTOMATION_PLATFORM enrollmentId:9;actionExecutionIndex:0", Source.WORKFLOW, None),
        ("IMPORT 12", Source.IMPORT, "an import (12)"),
        ("FORM abc", Source.FORM, "a form (abc)"),
        ("COMPANIES", Source.COMPANY, "the sync from the company"),
        ("INTEGRATION 8111608", Source.APP, "another app (8111608)"),
        ("unknown", Source.UNKNOWN, "somebody unknown"),
        ("BRAND_NEW_THING 5", Source.UNKNOWN, "somebody unknown (BRAND_NEW_THING 5)"),
        ("", Source.UNKNOWN, "somebody unknown"),
    ],
)
def test_hubspots_sources_have_words(actor: str, source: Source, words: str | None) -> None:
    read = foreign_actor(actor)

    assert read.source is source
    assert words is None or read.words == words


def test_our_own_entries_name_crmsync_the_portal_or_the_person() -> None:
    assert [our_actor(one).source for one in ("crmsync", "portal", "anna")] == [
        Source.CRMSYNC,
        Source.PORTAL,
        Source.OPERATOR,
    ]


_KINDS = (
    "change.intended",
    "change.applied",
    "change.failed",
    "change.foreign",
    "contact.merged",
    "contact.erased",
)
_VALUES = st.sampled_from([None, "", "lead", MQL])


@st.composite
def trails(draw: st.DrawFn) -> Trail:
    """Anything that could stand in a trail, also what no crmsync would write."""
    trail = Trail()
    for _ in range(draw(st.integers(0, 12))):
        trail.add(
            draw(st.sampled_from([*_KINDS, "plan.parked", "finding", "of.tomorrow"])),
            id=draw(st.sampled_from(["101", "102"])),
            property=draw(st.sampled_from([None, STAGE, Own.FIT, Own.REASON])),
            before=draw(_VALUES),
            after=draw(_VALUES),
            of=draw(st.none() | st.integers(1, 12)),
            cause=draw(st.sampled_from([None, "promoted", "reverted", "of_tomorrow"])),
            reason=draw(st.sampled_from([None, {}, {"plan": "p-1"}, {"score": 1.5}, {"score": "x"}])),
            run=draw(st.sampled_from([None, RunId("r-1"), RunId("r-2")])),
        )
    return trail


@settings(max_examples=40)
@given(trail=trails(), data=st.data())
def test_any_trail_is_told_in_order_whatever_order_it_is_read_in(trail: Trail, data: st.DataObject) -> None:
    told = trail.told({PlanId("p-1"): ()})

    assert [(one.at, one.seq) for one in told] == sorted((one.at, one.seq) for one in told)
    assert len({one.seq for one in told}) == len(told) <= len(trail.entries)
    shuffled = data.draw(st.permutations(trail.entries))
    assert timeline(shuffled, {PlanId("p-1"): ()}) == told
