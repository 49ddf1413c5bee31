"""Pictures in plain text."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.insight.pictures import Reading, Segment
from crmsync.plots.text import WIDTH, bars, life, spark

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER = ("lead", "marketingqualifiedlead")
MONTH = timedelta(days=30)


def test_the_highest_stage_stands_on_top_and_both_lanes_share_one_axis() -> None:
    half = NOW - MONTH / 2
    told = life(
        (Segment("lead", NOW - MONTH, half, ""), Segment("marketingqualifiedlead", half, NOW, "")),
        (Reading("Fit", NOW - MONTH, 0.0), Reading("Fit", half, 100.0)),
        ORDER,
        NOW,
    )

    mql, lead, fit, axis = told
    assert (mql[:13].strip(), lead[:13].strip()) == ("MQL", "Lead")
    assert mql.count("█") + lead.count("█") == 51
    assert mql.index("█") == lead.rindex("█") + 1 == fit.index("█")
    assert fit.endswith(" 0 to 100")
    assert axis.split() == ["23", "Oct", "2026", "22", "Nov", "2026"]


def test_a_stage_of_a_second_is_still_seen() -> None:
    moment = timedelta(seconds=1)
    told = life(
        (
            Segment("lead", NOW - MONTH, NOW - moment, ""),
            Segment("marketingqualifiedlead", NOW - moment, NOW, ""),
        ),
        (),
        ORDER,
        NOW,
    )

    assert told[0].count("█") == 1


def test_on_the_first_day_the_axis_tells_the_hours() -> None:
    begun = NOW - timedelta(hours=3)

    axis = life((Segment("lead", begun, NOW, ""),), (), ORDER, NOW)[-1]

    assert axis.strip() == "22 Nov 2026, 09:00 UTC       22 Nov 2026, 12:00 UTC"


def test_nothing_known_draws_nothing() -> None:
    assert life((), (), ORDER, NOW) == ()


def test_bars_are_as_long_as_their_numbers_say() -> None:
    long, half, none = bars([("Lead", 10), ("MQL", 5), ("SQL", 0)], width=40)

    assert long.count("█") == 2 * half.count("█") > 0
    assert none == f"{'SQL':<13} 0"


def test_more_days_than_columns_are_added_up() -> None:
    assert spark([1.0] * 100, width=10) == "█" * 10
    assert spark([0.0, 4.0, 0.0, 1.0], width=4) == " █ ▃"
    assert spark([]) == ""


stages = st.sampled_from([*ORDER, "", "99231", "a_very_long_name_of_a_stage"])
ages = st.floats(min_value=0, max_value=4_000)
values = st.floats(min_value=-999, max_value=9_999)


@given(
    moves=st.lists(st.tuples(stages, ages, ages)),
    scores=st.lists(st.tuples(st.sampled_from(["Fit", "Engagement"]), ages, values)),
)
def test_no_life_is_wider_than_80_columns(
    moves: list[tuple[str, float, float]], scores: list[tuple[str, float, float]]
) -> None:
    segments = [
        Segment(stage or None, NOW - timedelta(days=max(a, b)), NOW - timedelta(days=min(a, b)), "")
        for stage, a, b in moves
    ]
    readings = [Reading(name, NOW - timedelta(days=age), value) for name, age, value in scores]

    for line in life(segments, readings, ORDER, NOW):
        assert len(line) <= WIDTH


@pytest.mark.parametrize("count", [0, 1, 999, 10**9])
def test_no_bar_is_wider_than_80_columns(count: int) -> None:
    assert all(len(line) <= WIDTH for line in bars([("Marketing qualified lead", count), ("Lead", 3)]))
