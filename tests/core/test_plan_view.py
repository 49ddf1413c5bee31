"""A plan at a glance: groups, and the contacts it moves most."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.insight.plan_view import Move, PlanView, plan_view
from crmsync.model import STAGE, Change, ContactId, Own

MQL = "marketingqualifiedlead"


def a_score(contact: str, before: str | None, after: str, name: str = Own.FIT, **points: float) -> Change:
    return Change(
        ContactId(contact), name, before, after, "score_moved", {"fit": {"criteria": _criteria(points)}}
    )


def a_move(contact: str, before: str | None, after: str, cause: str = "promoted", **points: float) -> Change:
    groups: dict[str, Any] = {"product": {"criteria": _criteria(points)}}
    return Change(ContactId(contact), STAGE, before, after, cause, {"evaluation": {"groups": groups}})


def _criteria(points: dict[str, float]) -> list[dict[str, Any]]:
    return [{"id": id_, "points": given} for id_, given in points.items()]


def _contacts(view: PlanView) -> list[str]:
    return [one.contact for one in view.affected]


def test_changes_are_grouped_by_cause_stage_changes_first() -> None:
    view = plan_view([[a_score("1", "0", "9"), a_score("2", "0", "9")], [a_move("3", "lead", MQL)]])

    assert [(one.cause, one.contacts, one.changes) for one in view.groups] == [
        ("promoted", 1, 1),
        ("score_moved", 2, 2),
    ]
    assert (view.contacts, view.changes) == (3, 3)


def test_bookkeeping_stands_behind_what_people_decide_by() -> None:
    label = Change(ContactId("1"), "crmsync_definition", None, "b", "definition_changed", {})
    view = plan_view([[label, replace(label, contact=ContactId("2"))], [a_score("3", "0", "9")]])

    assert [one.cause for one in view.groups] == ["score_moved", "definition_changed"]


def test_a_group_counts_where_its_contacts_go() -> None:
    view = plan_view([[a_move("1", "lead", MQL), a_move("2", "lead", MQL), a_move("3", None, "lead")]])

    assert dict(view.groups[0].moves) == {("lead", MQL): 2, (None, "lead"): 1}
    assert next(iter(view.groups[0].moves)) == ("lead", MQL)


def test_a_move_backward_in_two_steps_is_one_move() -> None:
    clear, set_ = a_move("1", MQL, "", "demoted"), a_move("1", None, "lead", "demoted")

    view = plan_view([[clear, set_]])

    assert dict(view.groups[0].moves) == {(MQL, "lead"): 1}
    assert (view.groups[0].contacts, view.groups[0].changes) == (1, 2)
    assert view.affected[0].stage == Move(STAGE, MQL, "lead")


def test_criteria_are_shown_by_how_many_contacts_they_bear_on() -> None:
    view = plan_view(
        [
            [
                a_move("1", "lead", MQL, demo=50, ebook=5),
                a_move("2", "lead", MQL, demo=40),
                a_move("3", "lead", MQL, off=0),
            ]
        ]
    )

    assert [(one.criterion, one.contacts, one.points) for one in view.groups[0].criteria] == [
        ("demo", 2, 45.0),
        ("ebook", 1, 5.0),
    ]


def test_a_criterion_seen_in_both_score_and_stage_counts_a_contact_once() -> None:
    stage = Change(
        ContactId("1"), STAGE, "lead", MQL, "x", {"evaluation": {"fit": {"criteria": _criteria({"a": 3})}}}
    )
    score = Change(ContactId("1"), Own.FIT, "0", "3", "x", {"fit": {"criteria": _criteria({"a": 3})}})

    view = plan_view([[stage, score]])

    assert [(one.contacts, one.points) for one in view.groups[0].criteria] == [(1, 3.0)]


def test_demotions_come_before_promotions_and_these_before_scores() -> None:
    view = plan_view(
        [[a_score("1", "0", "900")], [a_move("2", "lead", MQL)], [a_move("3", MQL, "lead", "demoted")]]
    )

    assert _contacts(view) == ["3", "2", "1"]


def test_among_scores_the_largest_move_comes_first_and_equal_ones_keep_their_order() -> None:
    view = plan_view([[a_score("1", "50", "60"), a_score("2", "10", "-40"), a_score("3", None, "10")]])

    assert _contacts(view) == ["2", "1", "3"]
    assert view.affected[0].scores == (Move(Own.FIT, "10", "-40"),)


def test_only_the_few_that_move_most_are_kept() -> None:
    view = plan_view(([a_score(str(one), "0", str(one))] for one in range(1, 1_001)), shown=3)

    assert _contacts(view) == ["1000", "999", "998"]
    assert view.contacts == 1_000


@pytest.mark.parametrize("shown", [0, 1])
def test_an_empty_plan_has_no_groups(shown: int) -> None:
    view = plan_view([], shown=shown)

    assert (view.contacts, view.changes, view.groups, view.affected) == (0, 0, (), ())


def test_a_text_where_a_number_should_be_weighs_nothing() -> None:
    view = plan_view([[a_score("1", "about ten", "12")]])

    assert view.affected[0].weight == 12


def test_the_why_is_the_first_line_of_the_card() -> None:
    card = Change(ContactId("1"), Own.REASON, None, "Became MQL.\n- a demo\nNext: more", "along", {})

    view = plan_view([[a_move("1", "lead", MQL), card]])

    assert view.affected[0].why == "Became MQL."


@given(
    contacts=st.lists(st.sampled_from(["1", "2", "3", "4"]), unique=True),
    cut=st.integers(min_value=1, max_value=5),
)
def test_how_the_plan_is_cut_into_slices_does_not_matter(contacts: list[str], cut: int) -> None:
    changes = [
        one for id_ in contacts for one in (a_move(id_, "lead", MQL, demo=5), a_score(id_, "1", id_, a=2))
    ]
    sliced = [changes[start : start + cut] for start in range(0, len(changes), cut)]

    assert plan_view(sliced) == plan_view([changes])
