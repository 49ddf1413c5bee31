"""Each lint rule: one agreement that fires it, one like it that does not."""

from collections.abc import Collection
from datetime import date
from typing import Any

import pytest

from crmsync.definition.review.lint import RULES, Circumstances, lint, waiver_problems
from tests.agreements import an_agreement

MQL = "stages/rules/marketingqualifiedlead"
SQL = "stages/rules/salesqualifiedlead"
TODAY = date(2026, 11, 22)


def fired(changes: dict[str, Any], rule: str, *, delivers: Collection[str] | None = None) -> list[str]:
    cautions = lint(an_agreement(changes), Circumstances(TODAY, delivers))
    return [caution.problem.path for caution in cautions if caution.rule == rule]


def test_a_sound_agreement_only_lacks_its_signatures() -> None:
    assert {caution.rule for caution in lint(an_agreement(), Circumstances(TODAY))} == {"unsigned"}


@pytest.mark.parametrize(
    "condition",
    [
        {"engagement": {"at_least": 40}},
        {"engagement.product": {"at_least": 40}, "industry": "SOFTWARE"},
        {"event.demo": {}},
    ],
)
@pytest.mark.parametrize("key", ["enter", "fast_track"])
def test_fit_gate_fires_on_a_stage_without_a_look_at_fit(condition: dict[str, Any], key: str) -> None:
    assert fired({f"{MQL}/{key}": condition}, "fit-gate") == [f"stages.rules.marketingqualifiedlead.{key}"]


@pytest.mark.parametrize(
    "look",
    [
        {"tier": "A"},
        {"fit": {"at_least": 50}},
        {"points.fit.industry": {"more_than": 0}},
        {"any": [{"not": {"tier": "C"}}, {"event.demo": {}}]},
    ],
)
def test_fit_gate_is_content_with_any_look_at_fit(look: dict[str, Any]) -> None:
    assert fired({f"{MQL}/enter": {"engagement": {"at_least": 40}, **look}}, "fit-gate") == []


def test_fit_gate_leaves_other_stages_alone() -> None:
    assert fired({"stages/rules/lead": {"enter": {"event.demo": {}}}}, "fit-gate") == []


@pytest.mark.parametrize(
    "enter",
    [
        pytest.param({"tier": "A", "engagement": {"at_least": 10}}, id="as far as the cap goes"),
        pytest.param({"tier": "A", "event.ebook": {"at_least": 3}}, id="by counting"),
        pytest.param(
            {"tier": "A", "any": [{"event.ebook": {}}, {"event.demo": {}}]}, id="on one of two ways"
        ),
        pytest.param({"tier": "A", "not": {"event.any": {"is": 0}}}, id="as events of any kind"),
        pytest.param({"tier": "A", "not": {"engagement": {"less_than": 5}}}, id="turned round"),
    ],
)
def test_content_only_fires_when_reading_is_enough(enter: dict[str, Any]) -> None:
    assert fired({f"{MQL}/enter": enter}, "content-only") == ["stages.rules.marketingqualifiedlead.enter"]


@pytest.mark.parametrize(
    "enter",
    [
        pytest.param({"tier": "A", "engagement": {"more_than": 10}}, id="beyond the cap"),
        pytest.param({"tier": "A", "all": [{"event.ebook": {}}, {"event.demo": {}}]}, id="both are needed"),
        pytest.param({"tier": "A"}, id="no event is needed at all"),
        pytest.param(
            {"tier": "A", "any": [{"industry": "FINANCE"}, {"event.demo": {}}]}, id="content helps nobody"
        ),
    ],
)
def test_content_only_is_silent_when_reading_is_not_enough(enter: dict[str, Any]) -> None:
    assert fired({f"{MQL}/enter": enter}, "content-only") == []


def test_content_only_sees_the_range_of_a_group() -> None:
    uncapped = {"id": "eng.ebook", "event": "ebook", "points": 5, "within": "90d"}
    enter = {"tier": "A", "engagement": {"at_least": 21}}

    assert (
        fired({f"{MQL}/enter": enter, "engagement/groups/content/criteria/0": uncapped}, "content-only") == []
    )
    assert fired(
        {
            f"{MQL}/enter": enter,
            "engagement/groups/content/criteria/0": uncapped,
            "engagement/groups/content/range": [0, 21],
        },
        "content-only",
    )


@pytest.mark.parametrize(
    "enter",
    [
        pytest.param({"tier": "A", "event.call": {}}, id="an event without intent"),
        pytest.param({"tier": "A", "event.ebook": {"within": "7d"}}, id="content"),
        pytest.param({"tier": "A", "event.any": {}}, id="anything at all"),
        pytest.param({"tier": "A", "engagement": {"at_least": 5}}, id="through its points"),
    ],
)
def test_single_event_fires_when_one_is_enough(enter: dict[str, Any]) -> None:
    assert fired({f"{MQL}/enter": enter}, "single-event") == ["stages.rules.marketingqualifiedlead.enter"]


@pytest.mark.parametrize(
    "enter",
    [
        pytest.param({"tier": "A", "event.demo": {}}, id="a decision for the product"),
        pytest.param({"tier": "A", "event.call": {"at_least": 2}}, id="two are asked for"),
        pytest.param({"tier": "A", "engagement": {"at_least": 6}}, id="its points are not enough"),
        pytest.param(
            {"tier": "A", "all": [{"event.call": {}}, {"event.ebook": {}}]}, id="two kinds are asked for"
        ),
    ],
)
def test_single_event_is_silent_when_more_is_asked(enter: dict[str, Any]) -> None:
    assert fired({f"{MQL}/enter": enter}, "single-event") == []


def test_single_event_sees_that_one_occurrence_has_two_names() -> None:
    changes = {
        "events/form": {"from": "forms"},
        f"{MQL}/enter": {"tier": "A", "event.form": {}, "event.ebook": {}},
    }

    assert fired(changes, "single-event")


def test_phase_order_fires_on_an_awareness_event_worth_more() -> None:
    assert fired({"engagement/groups/content/criteria/0/points": 51}, "phase-order") == [
        "engagement.groups.content.criteria[0].points"
    ]


def test_phase_order_allows_the_same_worth() -> None:
    assert fired({"engagement/groups/content/criteria/0/points": 50}, "phase-order") == []


def test_sql_evidence_fires_without_evidence() -> None:
    assert fired({f"{SQL}/enter": {"tier": "A", "need": True}}, "sql-evidence") == [
        "stages.rules.salesqualifiedlead.enter"
    ]


@pytest.mark.parametrize("asked", [{"evidence": "satisfied"}, {"evidence.count": {"at_least": 1}}])
def test_sql_evidence_is_content_with_either_form(asked: dict[str, Any]) -> None:
    assert fired({f"{SQL}/enter": {"tier": "A", **asked}}, "sql-evidence") == []


def test_sql_evidence_needs_a_rule_to_judge() -> None:
    assert fired({SQL: None}, "sql-evidence") == []


def test_sql_subset_fires_on_a_company_fact_that_comes_late() -> None:
    enter = {"tier": "A", "evidence": "satisfied", "employees": {"at_least": 50}}

    assert fired({f"{SQL}/enter": enter}, "sql-subset") == ["stages.rules.salesqualifiedlead.enter"]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"industry": "FINANCE"}, id="required earlier, too"),
        pytest.param({"need": True}, id="a fact of the contact"),
        pytest.param({"any": [{"employees": {"at_least": 50}}, {"need": True}]}, id="not required"),
        pytest.param({"employees": {"known": False}}, id="required not to be known"),
    ],
)
def test_sql_subset_is_silent(extra: dict[str, Any]) -> None:
    assert fired({f"{SQL}/enter": {"tier": "A", "evidence": "satisfied", **extra}}, "sql-subset") == []


def test_sql_subset_looks_into_the_evidence() -> None:
    assert fired({"evidence/items": {"size": {"employees": {"at_least": 50}}}}, "sql-subset")


def test_no_hysteresis_fires_without_stay() -> None:
    assert fired({f"{MQL}/stay": None}, "no-hysteresis") == ["stages.rules.marketingqualifiedlead.enter"]


@pytest.mark.parametrize(
    "stay",
    [
        pytest.param({"engagement.product": {"at_least": 26}}, id="a higher limit"),
        pytest.param({"tier": "A"}, id="fewer choices"),
    ],
)
def test_no_hysteresis_fires_when_staying_is_harder_than_entering(stay: dict[str, Any]) -> None:
    assert fired({f"{MQL}/stay": stay}, "no-hysteresis") == ["stages.rules.marketingqualifiedlead.stay"]


@pytest.mark.parametrize(
    "stay",
    [
        {"engagement.product": {"at_least": 25}},
        {"tier": ["A", "B", "C"]},
        {"any": [{"tier": "A"}, {"event.demo": {}}]},
    ],
)
def test_no_hysteresis_is_content_with_a_stay_that_asks_no_more(stay: dict[str, Any]) -> None:
    assert fired({f"{MQL}/stay": stay}, "no-hysteresis") == []


def test_no_hysteresis_compares_windows() -> None:
    enter = {"tier": "A", "event.demo": {"within": "30d"}}

    assert fired({f"{MQL}/enter": enter, f"{MQL}/stay": {"event.demo": {"within": "7d"}}}, "no-hysteresis")
    assert not fired(
        {f"{MQL}/enter": enter, f"{MQL}/stay": {"event.demo": {"within": "90d"}}}, "no-hysteresis"
    )


def test_no_why_fires_on_each_silent_criterion() -> None:
    assert fired({"fit/criteria/1/why": None}, "no-why") == ["fit.criteria[1]"]


def test_timing_veto_fires_on_that_class_only() -> None:
    veto = {"id": "dq", "when": {"need": False}, "class": "timing"}

    assert fired({"disqualify": [veto]}, "timing-veto") == ["disqualify[0].class"]
    assert fired({"disqualify": [{**veto, "class": "fit"}]}, "timing-veto") == []


def test_unsigned_names_each_missing_role() -> None:
    sha256 = an_agreement().ref.sha256
    marketing = {"role": "marketing", "who": "a@acme.example", "sha256": sha256}
    sales = {"role": "sales", "who": "b@acme.example", "sha256": "9f2c"}

    assert len(fired({}, "unsigned")) == 2
    assert len(fired({"definition/agreed_by": [marketing, sales]}, "unsigned")) == 1
    assert fired({"definition/agreed_by": [marketing, {**sales, "sha256": sha256}]}, "unsigned") == []


@pytest.mark.parametrize(
    ("due", "is_due"),
    [
        pytest.param("2026-11-21", True, id="yesterday"),
        pytest.param("2026-11-22", False, id="today is still in time"),
    ],
)
def test_a_review_is_due_once_its_day_is_over(due: str, is_due: bool) -> None:
    assert fired({"definition/review_by": due}, "review-due") == ["definition.review_by"] * is_due


def test_no_negative_fires_when_no_points_are_taken() -> None:
    assert fired({"fit/criteria/0/else_points": None}, "no-negative") == ["engagement"]


def test_no_negative_sees_rows_of_tables() -> None:
    rows = [{"less_than": 20, "points": -5}]

    assert fired({"fit/criteria/0/else_points": None, "fit/criteria/1/rows": rows}, "no-negative") == []


def test_no_inactivity_fires_when_nothing_ages() -> None:
    ageless = {
        "engagement/groups/product/criteria/0": {"id": "eng.demo", "event": "demo", "points": 50},
        "engagement/groups/content/criteria/0": {"id": "eng.ebook", "event": "ebook", "points": 5},
    }
    silence = {"id": "neg.silent", "count": {"event": "any", "within": "90d", "is": 0}, "points": -25}

    assert fired(ageless, "no-inactivity") == ["engagement"]
    assert fired({**ageless, "engagement/groups/negative": {"criteria": [silence]}}, "no-inactivity") == []


def test_unsupported_here_fires_on_sources_the_portal_cannot_deliver() -> None:
    assert fired({}, "unsupported-here", delivers={"forms"}) == ["events.call.from"]
    assert fired({}, "unsupported-here", delivers={"forms", "calls"}) == []


def test_unsupported_here_is_not_judged_offline() -> None:
    assert fired({}, "unsupported-here", delivers=None) == []


def test_a_waiver_keeps_the_caution_with_its_reason() -> None:
    definition = an_agreement({"definition/waive": {"unsigned": "a draft until Monday"}})

    assert {caution.waived for caution in lint(definition, Circumstances(TODAY))} == {"a draft until Monday"}


def test_a_waiver_of_no_rule_is_a_problem_with_a_suggestion() -> None:
    problems = waiver_problems(an_agreement({"definition/waive": {"no-wy": "we know"}}))

    assert len(problems) == 1
    assert "did you mean `no-why`?" in str(problems[0])


def test_a_caution_names_place_path_and_rule() -> None:
    caution = next(
        c
        for c in lint(an_agreement({f"{MQL}/stay": None}), Circumstances(TODAY))
        if c.rule == "no-hysteresis"
    )

    assert str(caution).startswith("definition.yaml:")
    assert str(caution).endswith("[no-hysteresis]")
    assert caution.problem.line > 1


def test_every_rule_of_the_language_is_there() -> None:
    assert set(RULES) == {
        "fit-gate",
        "content-only",
        "single-event",
        "phase-order",
        "sql-evidence",
        "sql-subset",
        "no-hysteresis",
        "no-why",
        "timing-veto",
        "unsigned",
        "review-due",
        "no-negative",
        "no-inactivity",
        "unsupported-here",
    }
