"""Business time: what a promise of four hours means on a Friday afternoon."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.load import load
from crmsync.definition.nouns import Calendar, Duration, Sla
from crmsync.definition.sla import due_at, open_time
from crmsync.errors import DefinitionError

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
OFFICE = Calendar("Europe/Copenhagen", (0, 1, 2, 3, 4), 8 * 60 + 30, 17 * 60, "DK")


def hours(count: float) -> Duration:
    return Duration(int(count * 3_600_000_000), f"{count}h")


def a_promise(calendar: Calendar = OFFICE, first_touch: float = 4, fast: float | None = 1) -> Sla:
    return Sla(calendar, hours(first_touch), hours(fast) if fast else None, ("calls",), None)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=COPENHAGEN)


@pytest.mark.parametrize(
    ("entered", "due"),
    [
        pytest.param("2026-11-24T09:00", "2026-11-24T13:00", id="within one day"),
        pytest.param("2026-11-24T16:00", "2026-11-25T11:30", id="over night"),
        pytest.param("2026-11-27T16:59", "2026-11-30T12:29", id="over a weekend"),
        pytest.param("2026-11-24T03:00", "2026-11-24T12:30", id="before the office opens"),
        pytest.param("2026-11-24T17:00", "2026-11-25T12:30", id="as it closes"),
        pytest.param("2026-11-24T13:00", "2026-11-24T17:00", id="exactly until it closes"),
        pytest.param("2026-12-24T16:00", "2026-12-28T11:30", id="over the Danish Christmas"),
        pytest.param("2026-11-28T12:00", "2026-11-30T12:30", id="on a Saturday"),
    ],
)
def test_four_hours_of_business_time(entered: str, due: str) -> None:
    assert due_at(a_promise(), local(entered)) == local(due)


def test_a_fast_track_has_its_own_promise() -> None:
    entered = local("2026-11-24T09:00")

    assert due_at(a_promise(), entered, fast_track=True) == local("2026-11-24T10:00")
    assert due_at(a_promise(fast=None), entered, fast_track=True) == local("2026-11-24T13:00")


def test_the_answer_is_in_utc() -> None:
    due = due_at(a_promise(), local("2026-11-24T09:00"))

    assert due is not None
    assert due.utcoffset() == timedelta()


def test_nothing_promised_is_never_due() -> None:
    assert due_at(Sla(OFFICE), local("2026-11-24T09:00")) is None


def test_an_office_that_never_opens_is_no_endless_wait() -> None:
    assert due_at(a_promise(Calendar(days=())), local("2026-11-24T09:00")) is None


@pytest.mark.parametrize(
    ("day", "length"),
    [
        pytest.param("2026-03-29", 23, id="the clock skips an hour"),
        pytest.param("2026-10-25", 25, id="the clock repeats an hour"),
        pytest.param("2026-10-26", 24, id="any other day"),
    ],
)
def test_a_day_is_as_long_as_it_really_is(day: str, length: int) -> None:
    always = Calendar("Europe/Copenhagen", tuple(range(7)))
    start = local(f"{day}T00:00")

    assert open_time(always, start, local(f"{day}T00:00") + timedelta(days=1)) == timedelta(hours=length)


def test_a_part_of_a_country_has_its_own_holidays() -> None:
    epiphany = local("2026-01-06T09:00")
    bavaria, prussia = (Calendar("Europe/Berlin", holidays=name) for name in ("DE-BY", "DE"))

    assert open_time(bavaria, epiphany, epiphany + timedelta(hours=1)) == timedelta()
    assert open_time(prussia, epiphany, epiphany + timedelta(hours=1)) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("calendar", "path"),
    [("{days: []}", "sla.calendar.days"), ("{holidays: Atlantis}", "sla.calendar.holidays")],
)
def test_a_calendar_nobody_can_use_is_an_error_of_the_file(calendar: str, path: str) -> None:
    head = 'definition: {id: x, version: "1"}\nstages: {order: [lead], rules: {}}\n'

    with pytest.raises(DefinitionError) as refused:
        load(f"{head}sla: {{calendar: {calendar}}}\n")

    assert [(problem.path, problem.line) for problem in refused.value.problems] == [(path, 3)]


calendars = st.builds(
    lambda zone, days, opens, length, holidays: Calendar(
        zone, tuple(sorted(days)), opens, min(opens + length, 24 * 60), holidays
    ),
    st.sampled_from(["Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 23 * 60),
    st.integers(1, 24 * 60),
    st.sampled_from([None, "DK", "US"]),
)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
promises = st.integers(1, 40 * 3_600_000_000).map(lambda us: Duration(us, f"{us}us"))


@settings(max_examples=40, deadline=None)  # the first look at a country's holidays takes half a second
@given(calendars, instants, promises)
def test_exactly_the_promised_open_time_passes_until_it_is_due(
    calendar: Calendar, entered_at: datetime, promise: Duration
) -> None:
    due = due_at(Sla(calendar, promise), entered_at)

    if due is not None:  # an hour a week and forty hours promised: still found within ten years
        assert open_time(calendar, entered_at, due) == timedelta(microseconds=promise.us)


@settings(max_examples=40, deadline=None)  # the first look at a country's holidays takes half a second
@given(calendars, instants, promises, st.timedeltas(timedelta(), timedelta(days=3)))
def test_who_enters_later_is_never_due_earlier(
    calendar: Calendar, entered_at: datetime, promise: Duration, later: timedelta
) -> None:
    first, second = (due_at(Sla(calendar, promise), at) for at in (entered_at, entered_at + later))

    if first is not None and second is not None:
        assert first <= second


@settings(max_examples=40, deadline=None)  # the first look at a country's holidays takes half a second
@given(calendars, instants, promises)
def test_it_falls_due_while_the_office_is_open(
    calendar: Calendar, entered_at: datetime, promise: Duration
) -> None:
    due = due_at(Sla(calendar, promise), entered_at)

    if due is not None:
        just_before = due - timedelta(microseconds=1)
        assert open_time(calendar, just_before, due) == timedelta(microseconds=1)
