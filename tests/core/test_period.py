"""What changed in a period, from counts alone."""

from dataclasses import dataclass
from datetime import date

import pytest

from crmsync.insight.actors import Source
from crmsync.insight.period import by_others, days, flows, moves, totals, whys
from crmsync.model import STAGE, Own

DAY = date(2026, 11, 22)
MQL = "marketingqualifiedlead"


@dataclass(frozen=True)
class Counted:
    kind: str = "change.applied"
    cause: str | None = "promoted"
    property: str | None = STAGE
    before: str | None = "lead"
    after: str | None = MQL
    count: int = 1
    day: date = DAY


@dataclass(frozen=True)
class Actor:
    actor: str
    name: str = STAGE
    count: int = 1


DEMOTED = (
    Counted(cause="demoted", before=MQL, after=None, count=4),
    Counted(cause="demoted", before=None, after="lead", count=4),
)


def test_a_move_backward_counts_once_although_it_is_two_changes() -> None:
    assert [(one.before, one.after, one.count) for one in moves(DEMOTED)] == [(MQL, "lead", 4)]
    assert [(one.cause, one.count) for one in whys(DEMOTED)] == [("demoted", 4)]
    assert [(one.promoted, one.demoted) for one in days(DEMOTED, DAY, DAY)] == [(0, 4)]


@pytest.mark.parametrize(
    ("halves", "told"),
    [
        pytest.param(
            [("sql", None, 1), (MQL, None, 2), (None, "lead", 3)],
            {(MQL, "lead", 2), ("sql", "lead", 1)},
            id="from several stages to one",
        ),
        pytest.param(
            [("sql", None, 3), (None, "lead", 1), (None, MQL, 2)],
            {("sql", MQL, 2), ("sql", "lead", 1)},
            id="from one stage to several",
        ),
        pytest.param(
            [("sql", None, 1), (MQL, None, 1), (None, "lead", 1), (None, "subscriber", 1)],
            {("sql", None, 1), (MQL, None, 1), (None, "lead", 1), (None, "subscriber", 1)},
            id="from several to several: counts cannot tell which",
        ),
        pytest.param(
            [("sql", None, 2), (None, "lead", 1)],
            {("sql", None, 2), (None, "lead", 1)},
            id="one was cleared and not set again",
        ),
    ],
)
def test_halves_are_joined_only_where_it_is_clear(
    halves: list[tuple[str | None, str | None, int]], told: set[tuple[str | None, str | None, int]]
) -> None:
    counts = [Counted(cause="demoted", before=b, after=a, count=n) for b, a, n in halves]

    assert {(one.before, one.after, one.count) for one in moves(counts)} == told


def test_a_promotion_from_no_stage_is_a_move_of_its_own() -> None:
    first = Counted(before=None, after="lead", count=2)

    assert [(one.before, one.after) for one in moves([first])] == [(None, "lead")]
    assert whys([first])[0].count == 2


def test_every_stage_has_its_flow_and_clearing_on_the_way_is_none() -> None:
    foreign = Counted(kind="change.foreign", cause="foreign", before="lead", after="customer")

    told = {one.stage: one for one in flows({"lead": 9, None: 1}, ("lead", MQL), [*DEMOTED, foreign])}

    assert list(told) == ["lead", MQL, "customer", None]
    assert (told["lead"].contacts, told["lead"].arrived, told["lead"].left) == (9, 4, 1)
    assert (told[MQL].arrived, told[MQL].left) == (0, 4)
    assert (told["customer"].arrived, told["customer"].by_others) == (1, 1)
    assert (told[None].contacts, told[None].arrived, told[None].left) == (1, 0, 0)


def test_a_day_without_changes_is_told_too() -> None:
    told = days([Counted()], DAY, date(2026, 11, 24))

    assert [one.count for one in told] == [1, 0, 0]
    assert [one.is_quiet for one in told] == [False, True, True]


def test_stage_changes_come_first_and_what_is_written_along_not_at_all() -> None:
    counts = [
        Counted(property=Own.FIT, cause="score_moved", count=90),
        Counted(property=Own.REASON, cause="along", count=99),
        Counted(kind="change.failed", count=7),
        Counted(count=2),
    ]

    assert [(one.property, one.count) for one in whys(counts)] == [(STAGE, 2), (Own.FIT, 90)]
    assert totals(counts)["change.applied"] == 191


def test_foreign_changes_are_grouped_by_who_made_them() -> None:
    counts = [
        Actor("CRM_UI userId:1", count=2),
        Actor("CRM_UI userId:2", name=Own.FIT),
        Actor("AUTOMATION_PLATFORM 7", count=5),
    ]

    told = by_others(counts)

    assert [(one.source, one.count) for one in told] == [(Source.WORKFLOW, 5), (Source.PERSON, 3)]
    assert told[1].names == {STAGE: 2, Own.FIT: 1}
