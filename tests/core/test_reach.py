"""What lint says cannot be enough never is: checked against the evaluation itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

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
ages = st.lists(st.floats(0, 120), min_size=1, max_size=6)
companies = st.fixed_dictionaries(
    {
        "industry": st.sampled_from(["SOFTWARE", "GAMING", ""]),
        "numberofemployees": st.sampled_from(["5", "200", ""]),
    }
)


def is_promoted(definition: Definition, company: dict[str, str], events: tuple[Event, ...]) -> bool:
    contact = Contact(ContactId("1"), {"lifecyclestage": "lead", "bant_need": "true"}, company, (), events)
    return next(Evaluator(definition).evaluate([contact], NOW)).to == "marketingqualifiedlead"


def cautions(definition: Definition) -> set[str]:
    return {caution.rule for caution in lint(definition, Circumstances(NOW.date()))}


def submitted(form: str, age_days: float) -> Event:
    return Event("forms", NOW - timedelta(days=age_days), {"form": form})


@settings(deadline=None, max_examples=25)
@given(conditions, companies, ages)
def test_who_is_promoted_by_content_alone_was_warned_about(
    enter: dict[str, Any], company: dict[str, str], days: list[float]
) -> None:
    definition = an_agreement({ENTER: enter, "engagement/levels": {"1": 12}})
    read = tuple(submitted("ebook A", age) for age in days)

    if is_promoted(definition, company, read) and not is_promoted(definition, company, ()):
        assert "content-only" in cautions(definition)


@settings(deadline=None, max_examples=25)
@given(conditions, companies, st.floats(0, 120), st.sampled_from(["ebook", "call"]))
def test_who_is_promoted_by_one_event_was_warned_about(
    enter: dict[str, Any], company: dict[str, str], age_days: float, kind: str
) -> None:
    definition = an_agreement({ENTER: enter, "engagement/levels": {"1": 5}})
    once = (
        submitted("ebook A", age_days) if kind == "ebook" else Event("calls", NOW - timedelta(days=age_days))
    )

    if is_promoted(definition, company, (once,)) and not is_promoted(definition, company, ()):
        assert "single-event" in cautions(definition)
