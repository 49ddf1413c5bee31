"""Sentences of the language, each as a test: logic, windows, scores, decisions, outcomes, campaigns, examples."""

import json
from functools import cache
from typing import Any

import pytest

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import evaluation_json, parse_contact
from crmsync.definition.load import load
from crmsync.definition.text import instant
from crmsync.model import Evaluation

NOW = instant(1_795_348_800_000_000)  # 2026-11-22T12:00:00Z
AGO = {"now": "2026-11-22T12:00:00Z", "7d": "2026-11-15T12:00:00Z", "7d+": "2026-11-15T11:59:59.999999Z"}
SECTIONS = {
    "definition": '{id: said, version: "1", handoff_stage: mql}',
    "facts": """
  country: contact.country
  size: {from: contact.size, type: number}
  seen: {from: contact.seen, type: date}
  out: {from: contact.out, type: bool}
  likes: {from: contact.likes, type: list}
  reason: contact.reason
  returned: {from: contact.returned, type: date}""",
    "events": """
  visit: {from: pages}
  price: {from: pages, where: {path: {starts_with: /pricing}}, phase: decision}
  opens: {from: counter, of: contact.opens}""",
    "stages": "{order: [lead, mql, sql, customer], human_only: [customer, other], rules: {}}",
}


def compiled(**sections: str) -> Evaluator:
    return _compiled("\n".join(f"{name}: {body}" for name, body in {**SECTIONS, **sections}.items()))


@cache
def _compiled(text: str) -> Evaluator:
    return Evaluator(load(text))


def evaluate(record: dict[str, Any] | None = None, **sections: str) -> Evaluation:
    contact = parse_contact(json.dumps({"id": "1", **(record or {})}))
    (made,) = compiled(**sections).evaluate([contact], NOW)
    return made


def truth(condition: str, record: dict[str, Any] | None = None, **sections: str) -> bool | None:
    rules = f"{{mql: {{enter: {{id: g, all: [{condition}]}}}}}}"
    stages = f"{{order: [lead, mql, sql, customer], human_only: [customer, other], rules: {rules}}}"
    return evaluate(record, stages=stages, **sections).gates["g"]


def stages(rules: str, **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{order: [lead, mql, sql, customer], human_only: [customer, other]{extra}, rules: {rules}}}"


def at(stage: str | None, entered: str | None = None, **properties: str) -> dict[str, Any]:
    return {"contact": {"lifecyclestage": stage, **properties}, "stage_entered_at": entered}


def visits(*instants: str, path: str = "/") -> dict[str, Any]:
    return {"events": [{"source": "pages", "at": at, "path": path} for at in instants]}


# --- conditions


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param("{country: be}", None, id="a test on an unknown fact is unknown"),
        pytest.param("{country: {is_not: be}}", None, id="so is its opposite"),
        pytest.param("{country: {not_in: []}}", None, id="and one that could not fail"),
        pytest.param("{country: {contains_any: []}}", None, id="or not succeed"),
        pytest.param("{country: {known: false}}", True, id="known is never unknown"),
        pytest.param("{not: {country: be}}", None, id="not unknown is unknown"),
        pytest.param("{all: [{country: be}, {size: 5}]}", False, id="false and unknown is false"),
        pytest.param("{all: [{country: be}, {size: 1}]}", None, id="true and unknown is unknown"),
        pytest.param("{any: [{country: be}, {size: 1}]}", True, id="true or unknown is true"),
        pytest.param("{any: [{country: be}, {size: 5}]}", None, id="false or unknown is unknown"),
        pytest.param("{all: []}", True, id="an empty all is true"),
        pytest.param("{any: []}", False, id="an empty any is false"),
        pytest.param("{size: {between: [1, 5]}}", True, id="between is inclusive"),
        pytest.param("{size: {between: [5, 1]}}", False, id="an empty interval"),
        pytest.param("{size: {at_least: 1, less_than: 1}}", False, id="operators must all hold"),
        pytest.param("{likes: [A, zz]}", True, id="lists: any in common"),
        pytest.param("{likes: {not_in: [zz]}}", True, id="lists: none in common"),
        pytest.param("{likes: {contains: straße}}", True, id="lists: folded"),
        pytest.param('{likes: {contains: "a;straße"}}', False, id="lists: two parts are not one"),
        pytest.param("{stage: lead}", None, id="a test on no stage is unknown"),
        pytest.param("{campaign: c}", None, id="a test on no campaign is unknown"),
        pytest.param("{days_in_stage: {at_least: 0}}", None, id="so are days without an entry"),
        pytest.param("{event.visit: {}}", False, id="a count is never unknown"),
        pytest.param("{event.visit: 0}", True, id="none is a number"),
    ],
)
def test_a_condition_is_true_false_or_unknown(condition: str, expected: bool | None) -> None:
    assert truth(condition, {"contact": {"size": "1", "likes": "a;STRASSE"}}) is expected


@pytest.mark.parametrize(
    ("seen", "within", "before"),
    [
        ("now", True, False),
        ("7d", True, False),
        ("7d+", False, True),
        ("2026-11-22T12:00:00.000001Z", False, False),
    ],
)
def test_date_windows_are_closed_and_the_future_is_outside(seen: str, within: bool, before: bool) -> None:
    record = {"contact": {"seen": AGO.get(seen, seen)}}

    assert truth("{seen: {within: 7d}}", record) is within
    assert truth("{seen: {before: 7d}}", record) is before


def test_event_windows_are_closed_and_the_future_never_counts() -> None:
    record = visits(AGO["now"], AGO["7d"], AGO["7d+"], "2026-11-22T12:00:00.000001Z")

    assert truth("{event.visit: {within: 7d, is: 2}}", record)
    assert truth("{event.visit: 3}", record)


def test_literals_are_folded_and_a_number_against_text_is_its_text() -> None:
    assert truth("{country: [' STRASSE ']}", {"contact": {"country": "straße"}})
    assert truth("{country: 0123}", {"contact": {"country": "0123"}})
    assert truth("{country: 0123}", {"contact": {"country": "123"}}) is False
    assert truth("{country: {contains: .*}}", {"contact": {"country": "abc"}}) is False


def test_only_a_true_where_matches() -> None:
    where = "{no: {from: calls, where: {not: {disposition: busy}}}}"
    calls = [
        {"source": "calls", "at": AGO["now"], "disposition": text} for text in ("busy", "connected", None)
    ]

    assert truth("{event.no: 1}", {"events": calls}, events=where)


def test_any_is_every_event_of_eight_sources_and_no_counter() -> None:
    sources = ["calls", "emails", "meetings", "notes", "tasks", "communications", "forms", "pages"]
    events = [{"source": source, "at": AGO["now"]} for source in sources]
    opened = {"source": "counter", "of": "contact.opens", "at": AGO["now"], "count": 5}

    assert truth("{event.any: 8}", {"events": [*events, opened]})


# --- scores


def engagement(criterion: str, record: dict[str, Any], **group: str) -> float:
    more = "".join(f", {key}: {value}" for key, value in group.items())
    section = f"{{groups: {{g: {{criteria: [{{id: c, {criterion}}}]{more}}}}}}}"
    return evaluate(record, engagement=section).engagement


def test_decay_halves_per_half_life() -> None:
    assert engagement("event: visit, points: 8, half_life: 7d", visits(AGO["now"], AGO["7d"])) == 12.0


@pytest.mark.parametrize(("points", "expected"), [(8, 10.0), (-8, -10.0)])
def test_a_cap_limits_in_the_direction_of_the_sign(points: int, expected: float) -> None:
    assert engagement(f"event: visit, points: {points}, cap: 10", visits(AGO["now"], AGO["7d"])) == expected


def test_an_event_that_matches_two_names_counts_once() -> None:
    record = visits(AGO["now"], path="/pricing")

    assert engagement("event: [visit, price], points: 5", record) == 5.0
    assert engagement("event: [any, price], points: 5", record) == 5.0


@pytest.mark.parametrize(
    "criterion",
    [
        pytest.param("event: visit, points: -5, cap: 5", id="nothing times a negative"),
        pytest.param("event: visit, points: -1, half_life: 1d", id="a negative that has all but decayed"),
        pytest.param("when: {all: []}, points: -0.0000001", id="a negative too small to report"),
    ],
)
def test_nothing_is_reported_as_a_negative_zero(criterion: str) -> None:
    evaluator = compiled(engagement=f"{{groups: {{g: {{criteria: [{{id: c, {criterion}}}]}}}}}}")
    long_ago = visits("2026-10-01") if "half_life" in criterion else {}
    two = [parse_contact(json.dumps({"id": i, **long_ago})) for i in "12"]  # one row takes another way

    for made in evaluator.evaluate(two, NOW):
        scores = [made.engagement, *made.groups.values(), *made.points.values()]
        assert [str(score) for score in scores] == ["0.0"] * 3


def test_an_extra_condition_gives_nothing_unless_it_is_true() -> None:
    record = visits(AGO["now"])
    one = "event: visit, points: 5, when: {country: be}"

    assert engagement(one, record) == 0.0
    assert engagement(one, {**record, "contact": {"country": "nl"}}) == 0.0
    assert engagement(one, {**record, "contact": {"country": "BE"}}) == 5.0


@pytest.mark.parametrize(("country", "points"), [("be", 3.0), ("nl", -2.0), (None, 0.0)])
def test_else_points_are_for_false_only(country: str | None, points: float) -> None:
    criterion = "points: 3, else_points: -2, when: {country: be}"

    assert engagement(criterion, {"contact": {"country": country}}) == points


@pytest.mark.parametrize(
    ("rows", "size", "points"),
    [
        ("[{less_than: 5, points: 1}, {at_least: 2, points: 2}, {else: true, points: 3}]", "3", 1.0),
        ("[{less_than: 5, points: 1}, {at_least: 2, points: 2}, {else: true, points: 3}]", "7", 2.0),
        ("[{is: 1, points: 1}, {else: true, points: 3}]", "7", 3.0),
        ("[{is: 1, points: 1}, {else: true, points: 3}]", None, 0.0),
        ("[{else: true, points: 3}, {known: false, points: 4}]", None, 4.0),
        ("[{is: 1, points: 1}]", "7", 0.0),
        ("[]", "7", 0.0),
    ],
)
def test_a_table_gives_the_first_true_row(rows: str, size: str | None, points: float) -> None:
    assert engagement(f"table: size, rows: {rows}", {"contact": {"size": size}}) == points


def test_scores_are_summed_unrounded_and_reported_with_six_decimals() -> None:
    tiny = "{id: a, points: 0.0000004, when: {all: []}}, {id: b, points: 0.0000004, when: {all: []}}"
    made = evaluate(fit=f"{{criteria: [{tiny}]}}")

    assert made.points == {"a": 0.0, "b": 0.0}
    assert made.fit == 0.000001


def test_groups_are_limited_before_the_sum_and_the_sum_after() -> None:
    one = "{range: [0, 10], criteria: [{id: a, points: 30, when: {all: []}}]}"
    two = "{range: [-5, 5], criteria: [{id: b, points: -30, when: {all: []}}]}"
    made = evaluate(engagement=f"{{range: [6, 100], groups: {{one: {one}, two: {two}}}}}")

    assert (made.groups, made.engagement) == ({"one": 10.0, "two": -5.0}, 6.0)


@pytest.mark.parametrize(("points", "band"), [(70, "A1"), (69.999998, "B1"), (20, "B2"), (19, "D3")])
def test_a_score_on_a_limit_is_in_the_better_band(points: float, band: str) -> None:
    criterion = f"criteria: [{{id: %s, points: {points}, when: {{all: []}}}}]"
    made = evaluate(
        fit=f"{{{criterion % 'f'}, tiers: {{A: 70, B: 20, C: 19.5}}}}",
        engagement=f"{{groups: {{g: {{{criterion % 'e'}}}}}, levels: {{1: 60, 2: 20}}}}",
    )

    assert made.grade == band


def test_without_tiers_or_levels_the_grade_is_null() -> None:
    made = evaluate(fit="{tiers: {A: 0}}")

    assert (made.tier, made.level, made.grade, made.completeness) == ("A", None, None, 1.0)


def test_evidence_counts_true_items_only_and_must_include_some() -> None:
    section = "{require: 1, must_include: [b], items: {a: {country: be}, b: {size: 1}, c: {out: true}}}"

    some = evaluate({"contact": {"country": "be", "out": "false"}}, evidence=section).evidence
    enough = evaluate({"contact": {"size": "1"}}, evidence=section).evidence

    assert (some.count, some.satisfied, some.missing) == (1, False, ("b", "c"))
    assert (enough.count, enough.satisfied, enough.missing) == (1, True, ("a", "c"))


# --- decisions

UP = "{lead: {enter: {size: 1}}, sql: {fast_track: {size: {at_least: 1}}}}"
STAY = "{lead: {stay: {size: {known: true}}}, mql: {enter: {size: 9}, stay: {out: true}, min_stay: 7d}}"


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (None, ("promote", "sql", "promoted")),
        ("", ("promote", "sql", "promoted")),
        ("lead", ("promote", "sql", "promoted")),
        ("MQL", ("promote", "sql", "promoted")),
        ("sql", ("keep", None, "kept")),
        ("customer", ("hold", None, "human_only")),
        ("other", ("hold", None, "human_only")),
        ("51439524", ("hold", None, "unknown_stage")),
    ],
)
def test_the_target_is_reported_whatever_the_action(
    stage: str | None, expected: tuple[str, str | None, str]
) -> None:
    made = evaluate(at(stage, size="1"), stages=stages(UP))

    assert (made.action.value, made.to, made.code) == expected
    assert (made.target, made.via) == ("sql", "fast_track")


@pytest.mark.parametrize(
    ("record", "code", "to"),
    [
        pytest.param(at("mql", AGO["7d"], out="false", size="5"), "demoted", "lead", id="after min_stay"),
        pytest.param(at("mql", "2026-11-15T12:00:01Z", out="false"), "kept", None, id="a second too early"),
        pytest.param(at("mql", None, out="false"), "kept", None, id="nobody knows since when"),
        pytest.param(at("mql", AGO["7d"]), "kept", None, id="an unknown stay is not false"),
        pytest.param(at("mql", AGO["7d"], out="false", size="9"), "kept", None, id="its own enter is true"),
        pytest.param(
            at("mql", AGO["7d"], out="false"), "demoted", "lead", id="else the lowest stage with a rule"
        ),
    ],
)
def test_a_stage_is_left_only_when_all_that_a_demotion_asks_for_holds(
    record: dict[str, Any], code: str, to: str | None
) -> None:
    made = evaluate(record, stages=stages(STAY))

    assert (made.code, made.to) == (code, to)


def test_nobody_is_demoted_from_a_protected_stage_or_below_the_lowest_rule() -> None:
    record = at("mql", AGO["7d"], out="false")

    assert evaluate(record, stages=stages(STAY, never_demote_from="[mql]")).code == "kept"
    assert evaluate(record, stages=stages("{mql: {stay: {out: true}}}")).code == "kept"


def test_vetoes_and_handbacks_bar_every_target() -> None:
    veto = "[{id: v, when: {out: true}, class: fit}]"
    vetoed = evaluate(at("lead", size="1", out="true"), stages=stages(UP), disqualify=veto)
    unknown = evaluate(at("lead", size="1"), stages=stages(UP), disqualify=veto)

    assert (vetoed.code, vetoed.target, vetoed.outcome, vetoed.disqualified) == (
        "disqualified",
        None,
        "disqualified",
        ("v",),
    )
    assert (unknown.code, unknown.disqualified) == ("promoted", ())


REASONS = "{Not Now: {class: timing, revisit: 7d}, never: {class: fit}}"
RECYCLE = f"{{reason: reason, returned_at: returned, reasons: {REASONS}}}"


@pytest.mark.parametrize(
    ("properties", "event", "recycled"),
    [
        pytest.param(
            {"reason": "not now", "returned": "2026-11-15T12:00:01Z"}, None, True, id="before the revisit"
        ),
        pytest.param({"reason": "not now", "returned": AGO["7d"]}, None, False, id="at the revisit"),
        pytest.param({"reason": "NOT NOW"}, None, True, id="returned nobody knows when"),
        pytest.param(
            {"reason": "never", "returned": "2020-01-01"}, None, True, id="no revisit: until cleared"
        ),
        pytest.param(
            {"reason": "never", "returned": AGO["7d"]}, AGO["now"], False, id="a decision event since"
        ),
        pytest.param(
            {"reason": "never", "returned": AGO["7d"]}, AGO["7d"], True, id="one at that very instant"
        ),
        pytest.param({"reason": "never"}, AGO["now"], True, id="no instant to be after"),
        pytest.param({"reason": "odd"}, None, False, id="another reason"),
        pytest.param({}, None, False, id="no reason"),
    ],
)
def test_a_reason_recycles_until_its_day_or_a_decision_event_after_it(
    properties: dict[str, str], event: str | None, recycled: bool
) -> None:
    events = visits(*([event] if event else []), path="/pricing")
    made = evaluate({"contact": {"size": "1", **properties}, **events}, stages=stages(UP), recycle=RECYCLE)

    assert (made.code == "recycled") is recycled
    assert (made.outcome == "recycled") is recycled


OUTCOMES = (
    "{mql: {enter: {size: 1}, triage: {out: true}}, sql: {enter: {country: be}, borderline: {likes: [a]}}}"
)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        pytest.param(at("lead"), "needs_data", id="the next enter is unknown"),
        pytest.param(at("lead", size="2"), "nurture", id="it is false"),
        pytest.param(at("lead", size="2", out="true"), "triage", id="a triage above"),
        pytest.param(at("lead", size="2", likes="a"), "borderline", id="a borderline above"),
        pytest.param(at("lead", size="1"), "needs_data", id="judged at the stage the decision leads to"),
        pytest.param(at("lead", size="1", country="nl"), "qualified", id="which is the handoff stage"),
        pytest.param(at("mql", size="1", country="nl", out="true"), "qualified", id="a triage not above it"),
        pytest.param(at("customer"), "qualified", id="held above the handoff stage"),
        pytest.param(at("51439524", size="2"), "nurture", id="held below every stage"),
    ],
)
def test_the_first_outcome_that_applies_is_reported(record: dict[str, Any], outcome: str) -> None:
    assert evaluate(record, stages=stages(OUTCOMES)).outcome == outcome


def test_the_first_track_that_is_true_is_the_track() -> None:
    tracks = (
        "[{id: no, when: {country: be}}, {id: yes, when: {outcome: NURTURE}}, {id: late, when: {all: []}}]"
    )

    assert evaluate(tracks=tracks).track == "yes"


# --- campaigns


def campaign(
    name: str, applies: str, override: str, since: str = "2026-11-22", until: str = "2026-11-23"
) -> str:
    head = f"id: {name}, owner: a, applies_when: {applies}, from: {since}, until: {until}"
    return f"{{{head}, override: {override}}}"


def test_a_campaign_runs_from_its_first_midnight_to_its_last() -> None:
    ended = campaign("ended", "{all: []}", "{}", "2026-01-01", "2026-11-22")
    coming = campaign("coming", "{all: []}", "{}", "2026-11-23", "2026-12-01")
    runs = campaign("runs", "{all: []}", "{}")
    late = campaign("late", "{all: []}", "{}")

    assert evaluate(campaigns=f"[{ended}, {coming}, {runs}, {late}]").campaign == "runs"


def test_overrides_replace_by_id_before_anything_is_scored() -> None:
    override = "{gates: {g: {country: {known: false}}}, groups: {e: {range: [0, 2]}}, points: {c: -4, d: 9}}"
    sections = {
        "engagement": "{groups: {e: {criteria: [{id: c, event: visit, points: 4, cap: 6}]}}}",
        "fit": "{criteria: [{id: d, points: 1, else_points: -7, when: {out: true}}]}",
        "stages": stages("{mql: {enter: {id: g, all: [{country: be}]}}}"),
        "campaigns": f"[{campaign('c1', '{size: 1}', override)}]",
    }
    record = visits(AGO["now"], AGO["7d"])

    plain = evaluate({**record, "contact": {"out": "true"}}, **sections)
    within = evaluate({**record, "contact": {"size": "1", "out": "true"}}, **sections)
    otherwise = evaluate({**record, "contact": {"size": "1", "out": "false"}}, **sections)

    assert (plain.campaign, plain.points, plain.engagement, plain.gates) == (
        None,
        {"d": 1.0, "c": 6.0},
        6.0,
        {"g": None},
    )
    assert (within.campaign, within.points, within.engagement) == ("c1", {"d": 9.0, "c": -6.0}, 0.0)
    assert within.gates == {"g": True}
    assert otherwise.points["d"] == -7.0


# --- explanations and examples


def test_what_is_missing_names_gate_wish_and_sight() -> None:
    rules = "{mql: {enter: {all: [{id: g.size, size: {at_least: 5}}, {id: g.be, country: be}]}}}"
    contact = parse_contact(json.dumps({"id": "1", "contact": {"size": "3"}}))
    (made,) = compiled(stages=stages(rules)).evaluate([contact], NOW, explain=True)
    why: Any = made.explanation

    assert why["missing"] == {
        "stage": "mql",
        "enter": [
            {
                "gate": "g.size",
                "truth": False,
                "fact": "size",
                "operator": "at_least",
                "wants": 5.0,
                "saw": 3.0,
            },
            {"gate": "g.be", "truth": None, "fact": "country", "operator": "is", "wants": "be", "saw": None},
        ],
    }
    assert why["rules"]["mql"]["enter"]["truth"] is False


def test_an_overridden_gate_is_explained_as_it_was_resolved() -> None:
    sections = {
        "stages": stages("{mql: {enter: {id: g, country: be}}}"),
        "campaigns": f"[{campaign('c1', '{all: []}', '{gates: {g: {size: {at_least: 2}}}}')}]",
    }
    contact = parse_contact(json.dumps({"id": "1", "contact": {"size": "1"}}))
    (made,) = compiled(**sections).evaluate([contact], NOW, explain=True)
    why: Any = made.explanation

    assert why["campaign"] == {
        "id": "c1",
        "until": "2026-11-23",
        "overrides": {"gates": ["g"], "groups": [], "points": {}},
    }
    (gate,) = why["gates"]
    assert (gate["overridden"], gate["truth"], gate["condition"]["fact"]) == (True, False, "size")


def test_examples_are_judged_like_contacts() -> None:
    sections = {
        "engagement": "{groups: {g: {criteria: [{id: c, event: any, points: 1}, {id: p, event: price, points: 10}]}}}",
        "stages": stages("{lead: {enter: {size: 3}}}"),
        "examples": """
  - name: one
    given: {stage: lead, days_in_stage: 2, facts: {size: 3, likes: [A, b]}, events: [{price: 1d}]}
    expect: {}
  - {name: two, given: {events: [{opens: 1d}, {visit: 0d}]}, expect: {fit: 0, gates: {}}}""",
    }
    evaluator = compiled(**sections)

    reading = evaluator.read_examples(evaluator.definition.examples, NOW)
    one, two = evaluator.evaluate_reading(reading, NOW)

    assert (one.id, one.stage, one.target, one.engagement) == ("one", "lead", "lead", 11.0)
    assert (two.id, two.stage, two.target, two.points) == ("two", None, None, {"c": 1.0, "p": 0.0})
    assert evaluation_json(two)["evidence"] == {"count": 0, "satisfied": False, "missing": []}


def test_gates_inside_gates_cost_no_more_than_gates_side_by_side() -> None:
    nested = "size: 1"
    for depth in range(28):  # doubling with every gate, this would never end
        nested = f"id: g{depth}, all: [{{{nested}}}]"

    made = evaluate({"contact": {"size": "1"}}, stages=stages(f"{{mql: {{enter: {{{nested}}}}}}}"))

    assert set(made.gates.values()) == {True}
    assert len(made.gates) == 28


def test_without_stages_there_are_scores_and_nobody_is_moved() -> None:
    scores_only = Evaluator(
        load('{definition: {id: s, version: "1"}, fit: {criteria: [{id: c, points: 5, when: {all: []}}]}}')
    )

    nowhere, somewhere = scores_only.evaluate(
        [parse_contact('{"id": "1"}'), parse_contact('{"id": "2", "contact": {"lifecyclestage": "lead"}}')],
        NOW,
    )

    assert (nowhere.fit, nowhere.code, nowhere.outcome) == (5.0, "kept", "nurture")
    assert (somewhere.fit, somewhere.code, somewhere.target) == (5.0, "unknown_stage", None)
