"""Properties of the evaluation over random agreements and contacts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.evaluation import evaluator
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import evaluation_json, parse_contact
from crmsync.definition.load import load
from crmsync.definition.text import micros
from crmsync.model import Contact, ContactId, Evaluation, Event
from tests.core.oracle import Oracle
from tests.core.scenes import contact, definition, loaded
from tests.core.test_conformance import is_same

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# a few new agreements a run, shared by all properties, and many contacts: a plan costs more than a contact
SEEDS = st.sampled_from([Random().randrange(2**32) for _ in range(5)])
SOME = settings(max_examples=5, deadline=None)


@cache
def scene(seed: int) -> tuple[Evaluator, list[Contact]]:
    rng = Random(seed)
    compiled = Evaluator(loaded(definition(rng)))
    return compiled, [parse_contact(json.dumps(contact(rng, number))) for number in range(24)]


@cache
def plainly(seed: int) -> list[Evaluation]:
    compiled, contacts = scene(seed)
    return list(compiled.evaluate(contacts, NOW))


def said(evaluation: Evaluation) -> dict[str, Any]:
    return evaluation_json(evaluation)


@SOME
@given(SEEDS)
def test_a_second_reading_of_the_language_agrees_on_every_contact(seed: int) -> None:
    rng = Random(seed)
    agreement = definition(rng)
    records = [contact(rng, number) for number in range(24)]

    for evaluation, record in zip(plainly(seed), records, strict=True):
        got, expected = said(evaluation), Oracle(agreement, record, micros(NOW)).evaluate()
        assert {key: got[key] for key in expected if not is_same(got[key], expected[key])} == {}


@SOME
@given(SEEDS)
def test_one_by_one_equals_a_batch_in_any_order(seed: int) -> None:
    compiled, contacts = scene(seed)
    shuffled = Random(seed + 1).sample(contacts, len(contacts))

    batch = {evaluation.id: said(evaluation) for evaluation in plainly(seed)}
    again = [said(evaluation) for evaluation in compiled.evaluate(shuffled, NOW)]
    single = [said(evaluation) for one in shuffled[:2] for evaluation in compiled.evaluate([one], NOW)]

    assert [evaluation["id"] for evaluation in again] == [one.id for one in shuffled]
    for evaluation in (*again, *single):
        assert is_same(evaluation, batch[evaluation["id"]])


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, contacts = scene(7)
    whole = [said(evaluation) for evaluation in plainly(7)]

    monkeypatch.setattr(evaluator, "SLICE", 5)

    assert is_same([said(e) for e in compiled.evaluate(iter(contacts), NOW)], whole)


def test_no_contacts_give_no_evaluations() -> None:
    compiled, _ = scene(7)

    assert list(compiled.evaluate([], NOW)) == []


@SOME
@given(SEEDS)
def test_the_events_of_a_contact_have_no_order(seed: int) -> None:
    compiled, contacts = scene(seed)
    mixed = [replace(one, events=tuple(Random(seed).sample(one.events, len(one.events)))) for one in contacts]

    for before, after in zip(plainly(seed), compiled.evaluate(mixed, NOW), strict=True):
        assert is_same({**said(after), "findings": []}, {**said(before), "findings": []})


DECAYING = """
definition: {{id: one, version: "1"}}
events: {{visit: {{from: pages}}}}
engagement: {{groups: {{g: {{criteria: [{{id: c, event: visit, points: {points}{rest}}}]}}}}}}
stages: {{order: [lead], rules: {{}}}}
"""
SPANS = st.sampled_from(["", "1d", "7d", "30d", "52w"])
CAPS = st.sampled_from(["", "5", "40"])
AGES_S = st.lists(st.integers(min_value=0, max_value=400 * 86_400), max_size=6)


def one_criterion(points: float, **spans: str) -> Evaluator:
    rest = "".join(f", {key}: {value}" for key, value in spans.items() if value)
    return Evaluator(load(DECAYING.format(points=points, rest=rest), name="one.yaml"))


def visitor(ages_s: list[int]) -> Contact:
    return Contact(
        ContactId("1"), events=tuple(Event("pages", NOW - timedelta(seconds=age)) for age in ages_s)
    )


def score(compiled: Evaluator, one: Contact, at: datetime = NOW) -> float:
    (evaluation,) = compiled.evaluate([one], at)
    return evaluation.engagement


@settings(max_examples=12, deadline=None)
@given(st.floats(0.1, 100), AGES_S, st.integers(0, 400 * 86_400), st.tuples(SPANS, SPANS, CAPS))
def test_one_more_event_never_lowers_a_positive_criterion(
    points: float, ages_s: list[int], age_s: int, limits: tuple[str, str, str]
) -> None:
    within, half_life, cap = limits
    compiled = one_criterion(points, within=within, half_life=half_life, cap=cap)

    before, after = compiled.evaluate([visitor(ages_s), visitor([*ages_s, age_s])], NOW)
    assert after.engagement >= before.engagement


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 100), AGES_S, st.integers(0, 400 * 86_400), SPANS, SPANS.filter(bool))
def test_time_passing_never_raises_a_decaying_criterion(
    points: float, ages_s: list[int], passes_s: int, within: str, half_life: str
) -> None:
    compiled = one_criterion(points, within=within, half_life=half_life)
    one = visitor(ages_s)

    assert score(compiled, one, NOW + timedelta(seconds=passes_s)) <= score(compiled, one)


@settings(max_examples=3, deadline=None)
@given(SEEDS, st.text(max_size=20))
def test_a_fact_that_no_rule_reads_changes_nothing(seed: int, value: str) -> None:
    rng = Random(seed)
    agreement = definition(rng)
    agreement["facts"] = {**agreement["facts"], "unread": "contact.unread"}
    compiled = Evaluator(loaded(agreement))
    contacts = [parse_contact(json.dumps(contact(rng, number))) for number in range(8)]
    told = [
        replace(one, properties={**one.properties, "unread": value, "undeclared": value}) for one in contacts
    ]

    for before, after in zip(compiled.evaluate(contacts, NOW), compiled.evaluate(told, NOW), strict=True):
        assert is_same(said(after), said(before))


@SOME
@given(SEEDS)
def test_every_score_can_be_recomputed_from_its_explanation(seed: int) -> None:
    compiled, contacts = scene(seed)

    for evaluation in compiled.evaluate(contacts, NOW, explain=True):
        why: Any = evaluation.explanation
        assert json.loads(json.dumps(why)) is not None
        recomputed = {}
        for name, group in why["groups"].items():
            points = [by_hand(criterion) for criterion in group["criteria"]]
            recomputed[name] = limited(sum(points), group["range"])
            assert recomputed[name] == pytest.approx(evaluation.groups[name], abs=1e-5)
        fit = limited(sum(by_hand(criterion) for criterion in why["fit"]["criteria"]), why["fit"]["range"])
        assert fit == pytest.approx(evaluation.fit, abs=1e-5)
        engagement = limited(sum(recomputed.values()), why["engagement"]["range"])
        assert engagement == pytest.approx(evaluation.engagement, abs=1e-5)


def limited(number: float, limits: list[float] | None) -> float:
    return min(max(number, limits[0]), limits[1]) if limits else number


def by_hand(criterion: dict[str, Any]) -> float:
    """Return what a person with a calculator makes of one explained criterion, and check it against what it says."""
    if criterion["kind"] == "recency":
        points = sum(e["count"] * e["factor"] * criterion["points_per_event"] for e in criterion["events"])
        cap = criterion["cap"]
        if cap is not None:
            points = min(points, cap) if criterion["points_per_event"] > 0 else max(points, -cap)
    elif criterion["kind"] == "table":
        points = criterion["row"]["points"] if criterion["row"] else 0.0
    elif criterion["kind"] == "count":
        points = criterion["points_if_true"] if criterion["truth"] else 0.0
        assert sum(event["count"] for event in criterion["events"]) == criterion["saw"]
    else:
        return float(
            {True: criterion["points_if_true"], False: criterion["points_if_false"]}.get(
                criterion["truth"], 0
            )
        )
    if "when" in criterion and criterion["when"]["truth"] is not True:
        points = 0.0
    assert points == pytest.approx(criterion["points"], abs=1e-6)
    return float(points)


@SOME
@given(SEEDS)
def test_only_those_asked_for_are_explained_and_explaining_changes_nothing(seed: int) -> None:
    compiled, contacts = scene(seed)

    plain = plainly(seed)
    asked = list(compiled.evaluate(contacts, NOW, explain=lambda evaluation: evaluation.to is not None))

    assert all((made.explanation is not None) == (made.to is not None) for made in asked)
    assert is_same([said(made) for made in asked], [said(made) for made in plain])
