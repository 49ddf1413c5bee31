"""The change in meaning between two agreements; layout, order and reasons are not meaning."""

import json
from typing import Any

import pytest

from crmsync.definition.load import load
from crmsync.definition.review.comparing import Difference, Kind
from crmsync.definition.review.difference import compare, is_same_text
from tests.agreements import SOUND, agreement_text, an_agreement

MQL = "stages/rules/marketingqualifiedlead"
CAMPAIGN = {
    "id": "q1",
    "owner": "anna",
    "applies_when": {"industry": "FINANCE"},
    "from": "2027-01-05",
    "until": "2027-03-31",
    "override": {"points": {"eng.ebook": 8}},
}


def changed(changes: dict[str, Any], base: dict[str, Any] | None = None) -> list[Difference]:
    both = {**(base or {}), **changes}
    return [d for d in compare(an_agreement(base), an_agreement(both)) if d.is_meaning]


def sentences(changes: dict[str, Any], base: dict[str, Any] | None = None) -> list[str]:
    return [difference.sentence for difference in changed(changes, base)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"engagement/groups/product/criteria/0/points": 40}, "criterion eng.demo: points: +50 -> +40"),
        (
            {"engagement/groups/product/criteria/0/half_life": "30d"},
            "criterion eng.demo: half life: 45 days -> 30 days",
        ),
        (
            {"engagement/groups/product/criteria/0/half_life": None},
            "criterion eng.demo: half life is gone: 45 days",
        ),
        ({"engagement/groups/product/criteria/0/cap": 60}, "criterion eng.demo: cap is new: 60"),
        (
            {"engagement/groups/product/criteria/0/event": ["demo", "call"]},
            "criterion eng.demo: event: demo -> demo and call",
        ),
        ({"fit/criteria/0/else_points": -20}, "criterion fit.industry: else points: -10 -> -20"),
        (
            {"fit/criteria/0/when": {"industry": ["SOFTWARE"]}},
            "criterion fit.industry: industry is SOFTWARE or FINANCE -> industry is SOFTWARE",
        ),
        (
            {"fit/criteria/1/rows": [{"less_than": 20, "points": 5}]},
            (
                "criterion fit.size: rows: employees: 0 if it is less than 20; +30 if it is anything else"
                " -> employees: +5 if it is less than 20"
            ),
        ),
        ({"fit/tiers": {"A": 65, "B": 30}}, "fit: tier A: from 60 -> from 65"),
        ({"fit/tiers": {"A": 60, "B": 30, "C": 10}}, "fit: tier C is new: from 10"),
        ({"fit/range": [0, 90]}, "fit: range: 0 to 100 -> 0 to 90"),
        ({"fit/key_facts": ["industry"]}, "fit: key facts: industry and employees -> industry"),
        ({"engagement/groups/content/range": [0, 30]}, "group content: range: 0 to 20 -> 0 to 30"),
        ({"engagement/levels": {"1": 60}}, "engagement: level 1 is new: from 60"),
        (
            {f"{MQL}/stay/engagement.product/at_least": 15},
            "MQL stay: product engagement is at least 10 -> product engagement is at least 15",
        ),
        (
            {f"{MQL}/enter/all/1/engagement.product/at_least": 30},
            "MQL enter [g.product]: product engagement is at least 25 -> product engagement is at least 30",
        ),
        ({f"{MQL}/min_stay": "7d"}, "MQL: min stay is new: 7 days"),
        (
            {f"{MQL}/fast_track": {"event.demo": {"within": "7d"}, "tier": "A"}},
            "MQL fast track is new: there was a demo in the last 7 days, and fit is A",
        ),
        ({"facts/industry": "company.sector"}, "fact industry: from: company.industry -> company.sector"),
        ({"facts/city": "contact.city"}, "fact city is new: contact.city"),
        (
            {"facts/industry": {"from": "company.industry", "map": {"it": "SOFTWARE"}}},
            "fact industry: map is new: it = SOFTWARE",
        ),
        (
            {"events/demo/where": {"form": ["Book a demo", "Contact sales"]}},
            "event demo: form is Book a demo -> form is Book a demo or Contact sales",
        ),
        ({"events/call/phase": "decision"}, "event call: phase is new: decision"),
        ({"events/chat": {"from": "communications"}}, "event chat is new: communications"),
        (
            {"evidence/require": 1, "evidence/items/size": {"employees": {"at_least": 5}}},
            "evidence size is new: employees is at least 5",
        ),
        ({"stages/never_demote_from": ["opportunity"]}, "stages: never demote from: nothing -> opportunity"),
        ({"definition/handoff_stage": "salesqualifiedlead"}, "stages: handoff stage: MQL -> SQL"),
        (
            {"disqualify": [{"id": "dq", "when": {"industry": "X"}, "class": "fit"}]},
            "veto dq is new: industry is X",
        ),
        ({"tracks": [{"id": "warm", "when": {"tier": "A"}}]}, "track warm is new: fit is A"),
        ({"campaigns": [CAMPAIGN]}, "campaign q1 is new: industry is FINANCE"),
        ({"sla": {"first_touch": "4h"}}, "promise: first touch is new: 4 hours"),
    ],
)
def test_a_change_is_said_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in sentences(changes)


def test_one_changed_number_is_one_difference() -> None:
    (only,) = changed({"engagement/groups/product/criteria/0/points": 40})

    assert only == Difference(
        "engagement", Kind.CHANGED, "eng.demo.points", "criterion eng.demo: points: +50 -> +40", "+50", "+40"
    )


def test_a_criterion_that_is_gone() -> None:
    kept = SOUND["fit"]["criteria"][:1]

    assert sentences({"fit/criteria": kept}) == [
        "criterion fit.size is gone: employees: 0 if it is less than 20; +30 if it is anything else"
    ]


def test_a_condition_that_asks_more_or_less() -> None:
    gates = SOUND["stages"]["rules"]["marketingqualifiedlead"]["enter"]["all"]

    assert sentences({f"{MQL}/enter/all": gates[:2]}) == [
        "MQL enter no longer asks: industry is known [g.data]"
    ]
    assert sentences({f"{MQL}/enter/all": [*gates, {"need": True}]}) == ["MQL enter also asks: need is yes"]


def test_an_overridden_number_of_a_campaign() -> None:
    base = {"campaigns": [CAMPAIGN]}
    other = {**CAMPAIGN, "until": "2027-04-30", "override": {"points": {"eng.ebook": 9}}}

    assert sentences({"campaigns": [other]}, base) == [
        "campaign q1: until: 2027-03-31 -> 2027-04-30",
        "campaign q1: points.eng.ebook: +8 -> +9",
    ]


def test_another_kind_of_criterion_under_the_same_id() -> None:
    counted = {"id": "eng.demo", "count": {"event": "demo", "at_least": 1}, "points": 50, "why": "won"}

    (only,) = sentences({"engagement/groups/product/criteria/0": counted})
    assert only.startswith("criterion eng.demo: kind: +50 for each demo")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"fit/criteria": SOUND["fit"]["criteria"][::-1]}, id="the order of criteria"),
        pytest.param(
            {"fit/criteria/0/when": {"industry": ["finance", " Software"]}},
            id="the order and case of choices",
        ),
        pytest.param(
            {"stages/rules/salesqualifiedlead/enter": {"all": [{"evidence": "satisfied"}, {"tier": ["A"]}]}},
            id="the form of a condition",
        ),
        pytest.param({"fit/criteria/0/why": "another reason"}, id="a reason"),
        pytest.param({"engagement/groups/product/criteria/0/within": "2160h"}, id="how a span is written"),
        pytest.param({"definition/version": "2", "definition/scope": "EU"}, id="the head"),
        pytest.param({f"{MQL}/min_stay": "0d"}, id="a default written out"),
    ],
)
def test_what_decides_the_same_is_no_change_in_meaning(changes: dict[str, Any]) -> None:
    assert sentences(changes) == []


def test_the_order_of_tracks_is_meaning() -> None:
    tracks = [{"id": "a", "when": {"tier": "A"}}, {"id": "b", "when": {"tier": "B"}}]

    assert sentences({"tracks": tracks[::-1]}, {"tracks": tracks}) == ["the order of tracks: a, b -> b, a"]


def test_wording_is_listed_apart_and_last() -> None:
    found = compare(
        an_agreement(),
        an_agreement(
            {"fit/criteria/0/why": "better", "fit/criteria/0/points": 41, "definition/version": "2"}
        ),
    )

    assert [(d.is_meaning, d.path) for d in found] == [
        (True, "fit.industry.points"),
        (False, "definition.version"),
        (False, "criteria.fit.industry.why"),
    ]


def test_layout_and_comments_are_no_difference_at_all() -> None:
    old = an_agreement()
    new = load("# a comment\n" + json.dumps(json.loads(agreement_text()), indent=4))

    assert compare(old, new) == ()
    assert is_same_text(old, new)


def test_a_definition_is_no_different_from_itself() -> None:
    assert compare(an_agreement(), an_agreement()) == ()
