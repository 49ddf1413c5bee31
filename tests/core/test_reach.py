"""What lint says cannot be enough never is: checked against the evaluation itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.nouns import Definition
from crmsync.definition.review.lint import Circumstances, lint
from crmsync.model import Contact, ContactId, Event
from tests.agreements import an_agreement

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENTER = "stages/rules/marketingqualifiedlead/enter"

scores = st.sampled_from(["engagement", "engagement.content", "engagement.product", "points.eng.ebook"])
limits = st.integers(0, 25).map(float)
tests = st.one_of(
    st.builds(lambda score, limit: {score: {"at_least": limit}}, scores, limits),
    st.builds(lambda score, limit: {score: {"less_than": limit}}, scores, limits),
    st.builds(lambda least: {"event.ebook": {"at_least": least}}, st.integers(0, 4)),
    st.builds(lambda least: {"event.any": {"within": "90d", "at_least": least}}, st.integers(0, 4)),
    st.just({"event.demo": {}}),
    st.just({"event.call": {"is": 0}}),
    st.just({"level": "1"}),
    st.sampled_from([{"tier": "A"}, {"tier": ["B", "C"]}, {"industry": "SOFTWARE"}, {"need": True}]),
)
conditions: st.SearchStrategy[dict[str, Any]] = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
Company: TypeAlias = dict[str, str]
age = st.floats(0, 120)
ages = st.lists(age, min_size=1, max_size=6)
companies = st.fixed_dictionaries(
    {
        "industry": st.sampled_from(["SOFTWARE", "GAMING", ""]),
        "numberofemployees": st.sampled_from(["5", "200", ""]),
    }
)


def promoted(definition: Definition, contacts: Sequence[tuple[Company, tuple[Event, ...]]]) -> list[bool]:
    """Return which of these leads become MQLs."""
    properties = {"lifecyclestage": "lead", "bant_need": "true"}
    leads = [Contact(ContactId("1"), properties, company, (), events) for company, events in contacts]
    return [made.to == "marketingqualifiedlead" for made in Evaluator(definition).evaluate(leads, NOW)]


def cautions(definition: Definition) -> set[str]:
    return {caution.rule for caution in lint(definition, Circumstances(NOW.date()))}


def called(age_days: float) -> Event:
    return Event("calls", NOW - timedelta(days=age_days))


def submitted(form: str, age_days: float) -> Event:
    return Event("forms", NOW - timedelta(days=age_days), {"form": form})


def is_moved_by(events: Sequence[tuple[Company, tuple[Event, ...]]], definition: Definition) -> bool:
    """True when these events promote somebody of a company whose silent contact is not promoted."""
    made = promoted(definition, [*events, *((company, ()) for company, _ in events)])
    with_events, without = made[: len(events)], made[len(events) :]
    return any(moved and not anyway for moved, anyway in zip(with_events, without, strict=True))


@settings(deadline=None, max_examples=10)
@given(conditions, st.lists(st.tuples(companies, ages), min_size=3, max_size=8))
def test_who_is_promoted_by_content_alone_was_warned_about(
    enter: dict[str, Any], read: list[tuple[Company, list[float]]]
) -> None:
    definition = an_agreement({ENTER: enter, "engagement/levels": {"1": 12}})
    contacts = [(company, tuple(submitted("ebook A", age) for age in days)) for company, days in read]

    if is_moved_by(contacts, definition):
        assert "content-only" in cautions(definition)


@settings(deadline=None, max_examples=10)
@given(
    conditions,
    st.sampled_from(["ebook", "call"]),
    st.lists(st.tuples(companies, age), min_size=3, max_size=8),
)
def test_who_is_promoted_by_one_event_was_warned_about(
    enter: dict[str, Any], kind: str, once: list[tuple[Company, float]]
) -> None:
    definition = an_agreement({ENTER: enter, "engagement/levels": {"1": 5}})
    contacts = [
        (company, (submitted("ebook A", days) if kind == "ebook" else called(days),))
        for company, days in once
    ]

    if is_moved_by(contacts, definition):
        assert "single-event" in cautions(definition)
