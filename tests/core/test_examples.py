"""Agreed examples run through the evaluation that decides about real contacts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crmsync.definition.review.examples import Verdict, run_examples
from tests.agreements import an_agreement

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FITTING = {"industry": "software", "employees": 200}


def verdict(
    expect: dict[str, Any], given: dict[str, Any] | None = None, changes: dict[str, Any] | None = None
) -> Verdict:
    example = {
        "name": "a contact",
        "given": given if given is not None else {"facts": FITTING},
        "expect": expect,
    }
    (one,) = run_examples(an_agreement({**(changes or {}), "examples": [example]}), NOW)
    return one


@pytest.mark.parametrize(
    "expect",
    [
        {"tier": "A", "fit": 70, "engagement": 0},
        {"fit": {"at_least": 70, "at_most": 70}},
        {"fit": {"between": [0, 70]}},
        {"action": "keep", "outcome": "nurture", "track": None, "level": None, "stage": None},
        {"gates": {"g.fit": True, "g.product": False, "g.data": True}},
    ],
)
def test_an_example_that_is_so_is_met(expect: dict[str, Any]) -> None:
    assert verdict(expect).is_met


def test_given_facts_stand_for_the_facts_themselves() -> None:
    mapped = {"facts/industry": {"from": "company.industry", "map": {"it": "SOFTWARE"}}}

    assert verdict({"fit": 70}, changes=mapped).is_met


def test_facts_that_are_not_given_are_unknown_and_deals_are_none() -> None:
    assert verdict({"fit": 0, "gates": {"g.data": False}}, {}).is_met
    assert verdict({"stage": "opportunity"}, {"facts": {"deals": 1}}).is_met


def test_given_events_happened_that_long_before_the_check() -> None:
    given = {"facts": FITTING, "events": [{"demo": "45d"}]}

    assert verdict({"engagement": 25, "stage": "marketingqualifiedlead", "action": "promote"}, given).is_met


def test_given_events_count_for_any_when_their_source_does() -> None:
    silent = {"id": "neg.silent", "count": {"event": "any", "within": "90d", "is": 0}, "points": -25}
    changes = {"engagement/groups/negative": {"criteria": [silent]}}

    assert verdict({"engagement": -25}, changes=changes).is_met
    assert verdict({"engagement": 0}, {"events": [{"call": "1d"}]}, changes).is_met


def test_stage_and_days_in_stage_are_given() -> None:
    given = {"facts": FITTING, "stage": "marketingqualifiedlead", "days_in_stage": 30}

    assert verdict(
        {"action": "keep", "stage": "marketingqualifiedlead"}, {**given, "events": [{"demo": "1d"}]}
    ).is_met
    assert verdict({"action": "keep"}, given).is_met  # no rule below it: nowhere to go


def test_what_is_not_met_says_expected_got_and_by_how_much() -> None:
    one = verdict({"fit": {"at_least": 75}, "tier": "B"})

    assert [str(mismatch) for mismatch in one.mismatches] == [
        "tier: expected B, got A",
        "fit: expected at least 75, got 70 (5 too low)",
    ]


def test_the_arithmetic_of_the_difference_adds_up() -> None:
    one = verdict({"fit": 60})

    text = "\n".join(one.arithmetic)
    assert "+40  fit.industry" in text
    assert "+30  fit.size" in text
    assert "demo" not in text


def test_a_stage_that_is_not_reached_shows_which_gate_held_it_back() -> None:
    one = verdict({"stage": "marketingqualifiedlead"})

    assert "no       g.product: product engagement is at least 25 (saw 0)" in "\n".join(
        line.strip() for line in one.arithmetic
    )


def test_a_gate_that_is_unknown_is_neither_true_nor_false() -> None:
    changes = {"stages/rules/marketingqualifiedlead/enter/all/2": {"id": "g.data", "industry": "software"}}

    assert verdict({"gates": {"g.data": None}}, {}, changes).is_met
    assert str(verdict({"gates": {"g.data": False}}, {}, changes).mismatches[0]) == (
        "gates.g.data: expected false, got unknown"
    )


def test_verdicts_come_in_file_order_with_their_place() -> None:
    examples = [{"name": name, "given": {}, "expect": {"fit": 0}} for name in ("first", "second")]
    first, second = run_examples(an_agreement({"examples": examples}), NOW)

    assert (first.name, second.name) == ("first", "second")
    assert first.at.line < second.at.line


def test_without_examples_there_is_nothing_to_run() -> None:
    assert run_examples(an_agreement(), NOW) == ()
