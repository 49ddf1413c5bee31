"""What the pages make of machine words, explanations and numbers: pure, without HTTP."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmsync.insight import words
from crmsync.insight.pictures import Reading, Segment
from crmsync.model import STAGE, Draft, Entry, Own
from crmsync.plots.svg import Plots
from crmsync.web.arithmetic import arithmetic, parts
from crmsync.web.pages.audit import _public
from crmsync.web.rendering import linked

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def an_entry(kind: str, actor: str) -> Entry:
    return Entry(1, NOW, "1", Draft(kind, actor=actor), "", "", "")


@pytest.mark.parametrize(("given", "written"), [
    (0.0, "0"), (-0.0, "0"), (12.5, "12.5"), (1234.567, "1,234.57"), (-3.004, "-3"), (1_000_000, "1,000,000"),
    (None, "unknown"),
])  # fmt: skip
def test_numbers_are_written_short(given: float | None, written: str) -> None:
    assert words.number(given) == written


@pytest.mark.parametrize(("seconds", "said"), [
    (0, "just now"), (61, "1 minute ago"), (7_200, "2 hours ago"), (90_000, "1 day ago"), (-3_600, "in 1 hour"),
])  # fmt: skip
def test_how_long_ago_is_said_in_the_largest_unit(seconds: int, said: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(("name", "text", "said"), [
    (STAGE, "marketingqualifiedlead", "MQL"),
    (STAGE, "99231", "99231"),
    (STAGE, None, "empty"),
    (Own.FIT, "", "empty"),
    (Own.SLA_DUE_AT, "2026-11-22T12:00:00.000Z", "22 Nov 2026, 12:00 UTC"),
    (Own.SLA_DUE_AT, "soon", "soon"),
])  # fmt: skip
def test_values_are_said_as_people_read_them(name: str, text: str | None, said: str) -> None:
    assert words.value(name, text) == said


def test_an_actor_is_read_as_the_kind_of_entry_says() -> None:
    assert words.actor(an_entry("change.foreign", "CRM_UI userId:12")) == "a person (user 12)"
    assert words.actor(an_entry("plan.approved", "CRM_UI userId:12")) == "CRM_UI userId:12"


@pytest.mark.parametrize(("actor", "is_hidden"), [
    ("crmsync", False), ("CRM_UI userId:12", False), ("portal", False),
    ("INTEGRATION 1160452", False), ("unknown", False),
    ("Anna Smith", True), ("anna@acme.example", True), ("ANNA", True), ("anna", True), ("CRM_UI a@b.example", True),
])  # fmt: skip
def test_only_machine_names_of_actors_go_into_an_address(actor: str, is_hidden: bool) -> None:
    assert (_public(actor) != actor) is is_hidden
    assert not is_hidden or _public(actor).startswith("~")


# --- arithmetic --------------------------------------------------------------------------------------------


def a_recency(**given: Any) -> dict[str, Any]:
    event = {
        "names": ["demo_request"],
        "source": "forms",
        "at": "2026-11-12T00:00:00Z",
        "age_days": 10.0,
        "count": 1,
        "factor": 0.5,
        "points": 25.0,
    }
    return {
        "id": "eng.demo",
        "points": 25.0,
        "kind": "recency",
        "within": "90d",
        "cap": None,
        "uncapped": 25.0,
        "events": [event],
    } | given


def a_score(*criteria: dict[str, Any], **given: Any) -> dict[str, Any]:
    total = sum(one["points"] for one in criteria)
    return {"criteria": criteria, "sum": total, "value": total, "range": None} | given


def saw(criterion: dict[str, Any]) -> tuple[str, ...]:
    laid_out = arithmetic({"fit": a_score(criterion)})
    assert laid_out.fit is not None
    return laid_out.fit.lines[0].saw


def test_an_event_is_shown_with_its_age_decay_and_points() -> None:
    assert saw(a_recency()) == ("demo request, 2026-11-12, 10 days ago, decayed to 50 %: +25",)


def test_no_event_is_said_with_its_window() -> None:
    assert saw(a_recency(events=[], points=0.0, uncapped=0.0)) == ("no such event within 90d",)


def test_a_cap_that_bites_is_said_on_both_sides_of_zero() -> None:
    assert saw(a_recency(cap=10.0, points=10.0))[-1] == "capped from +25 to +10"
    assert saw(a_recency(cap=10.0, points=-10.0, uncapped=-25.0))[-1] == "capped from -25 to -10"
    assert len(saw(a_recency(cap=50.0))) == 1


def test_many_events_are_added_up_after_the_newest() -> None:
    event = a_recency()["events"][0]

    told = saw(a_recency(events=[event | {"age_days": float(age), "points": 1.0} for age in range(20)]))

    assert len(told) == 9
    assert told[0].startswith("demo request, 2026-11-12, 0 days ago")
    assert told[-1] == "and 12 older: +12"


def a_test(fact: str, operator: str, wants: Any, saw: Any) -> dict[str, Any]:
    return {"fact": fact, "operator": operator, "wants": wants, "saw": saw, "truth": None}


A_IS_1 = a_test("a", "is", "1", "1")
NO_EVENT = {"counts": ["any"], "within": "90d", "tests": [{"operator": "is", "wants": 0.0}], "saw": 2.0}


@pytest.mark.parametrize(
    ("truth", "sentences"),
    [
        (a_test("tier", "in", ["A", "B"], "C"), ["tier is one of A, B: saw C"]),
        (a_test("employees", "between", [5.0, 9.0], None), ["employees between 5 and 9: saw nothing known"]),
        (a_test("completeness", "at_least", 0.75, 1.0), ["completeness at least 75 %: saw 100 %"]),
        (a_test("completeness", "at_least", 0.75, 2 / 3), ["completeness at least 75 %: saw 66.67 %"]),
        (a_test("engagement", "at_least", 35.0, 34.99998), ["engagement at least 35: saw 34.99998"]),
        (a_test("engagement", "at_least", 0.125, 0.5), ["engagement at least 0.125: saw 0.5"]),
        (a_test("engagement", "at_least", 35.0, 49.99998), ["engagement at least 35: saw 50"]),
        (a_test("opted_out", "is", True, False), ["opted out is yes: saw no"]),
        (a_test("x", "known", False, None), ["x is unknown: saw nothing known"]),
        (
            a_test("evidence", "is", "satisfied", {"count": 1, "missing": ["pain_point", "need"]}),
            ["evidence is satisfied: 1 known; still open: pain point, need"],
        ),
        (NO_EVENT, ["event of any kind within 90d: is 0; saw 2"]),
        ({"any": [A_IS_1, a_test("b", "is", "2", "3")]}, ["any of: a is 1: saw 1; b is 2: saw 3"]),
        ({"not": A_IS_1}, ["not: a is 1: saw 1"]),
        ({"gate": "g", "condition": {"all": [A_IS_1]}}, ["a is 1: saw 1"]),
        ({"all": []}, []),
    ],
)
def test_a_condition_says_what_it_wanted_and_saw(truth: dict[str, Any], sentences: list[str]) -> None:
    assert list(parts(truth)) == sentences


def test_a_veto_that_is_true_speaks_against_the_contact() -> None:
    test = {"fact": "title", "operator": "contains", "wants": "intern", "saw": "intern"}

    vetoes = arithmetic({"disqualify": [{"id": "dq", "why": "cannot buy", "truth": True, **test}]}).vetoes

    assert [(one.state, one.parts) for one in vetoes] == [
        ("fail", ("title contains intern: saw intern", "cannot buy"))
    ]


def test_an_old_explanation_with_fewer_parts_is_still_laid_out() -> None:
    laid_out = arithmetic({})

    assert (laid_out.fit, laid_out.groups, laid_out.engagement, laid_out.next) == (None, (), None, None)


# --- pictures ----------------------------------------------------------------------------------------------


def test_equal_numbers_are_drawn_once() -> None:
    plots = Plots()

    first, second = plots.funnel([("lead", 3)]), plots.funnel([("lead", 3)])

    assert first is second
    assert plots.funnel([("lead", 4)]) != first


@pytest.mark.parametrize(("text", "html"), [
    ("waits in plan p-20261122-1200-0a1b.",
     'waits in plan <a href="/plans/p-20261122-1200-0a1b">p-20261122-1200-0a1b</a>.'),
    ("by r-20261122-1200-0a1b", 'by <a href="/runs/r-20261122-1200-0a1b">r-20261122-1200-0a1b</a>'),
    ("Run `crmsync check`.", "Run <code>crmsync check</code>."),
    ("`<b>` & p-1", "<code>&lt;b&gt;</code> &amp; p-1"),
])  # fmt: skip
def test_a_sentence_leads_to_what_it_names_and_stays_escaped(text: str, html: str) -> None:
    assert linked(text) == html


def test_a_picture_escapes_its_words_and_says_them() -> None:
    svg = Plots().funnel([("<script>alert(1)</script>", 3)])

    assert "<script" not in svg
    assert "<desc>&lt;script&gt;alert(1)&lt;/script&gt; 3</desc>" in svg


def test_nothing_to_draw_is_said() -> None:
    assert "Nothing yet." in Plots().stages((), ("lead",))


def test_several_pictures_may_stand_in_one_page() -> None:
    pictures = [Plots().funnel([("lead", count)]) for count in (1, 2)]

    ids = [name for svg in pictures for name in re.findall(r'id="([^"]+)"', svg)]

    assert ids
    assert len(set(ids)) == len(ids)
    assert all(name in ids for svg in pictures for name in re.findall(r"url\(#([^)]+)\)", svg))


def test_a_score_holds_until_now() -> None:
    svg = Plots().scores([Reading("Fit", NOW - timedelta(days=9), 40.0)], NOW)

    assert "Fit 40 on 13 Nov 2026, 12:00 UTC" in svg


@pytest.mark.parametrize("span", [
    timedelta(seconds=50), timedelta(minutes=30), timedelta(hours=5), timedelta(hours=40), timedelta(hours=49),
    timedelta(days=3), timedelta(days=6), timedelta(days=300), timedelta(days=2_000),
])  # fmt: skip
def test_no_two_labels_of_an_axis_are_the_same(span: timedelta) -> None:
    segments = (
        Segment("lead", NOW - span, NOW - span / 2, ""),
        Segment("customer", NOW - span / 2, NOW, "x"),
    )

    svg = Plots().stages(segments, ("lead", "customer"))

    labels = [text for text in re.findall(r">([^<>]+)</text>", svg) if re.search(r"\d", text)]
    assert len(labels) >= 2
    assert len(set(labels)) == len(labels)


def test_stages_stand_in_funnel_order_whatever_came_first() -> None:
    segments = (
        Segment("marketingqualifiedlead", NOW - timedelta(days=9), NOW - timedelta(days=3), ""),
        Segment("lead", NOW - timedelta(days=3), NOW, "x"),
    )

    svg = Plots().stages(segments, ("lead", "marketingqualifiedlead"))

    assert svg.index(">MQL<") < svg.index(">Lead<")
