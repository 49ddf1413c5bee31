"""Nothing is missed (G7), nothing is asked twice: what pull does with a portal that moves under its hands."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import count, repeat
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmsync.cycle import pull
from crmsync.cycle.agenda import Job, Schedule, is_due, latest
from crmsync.errors import Stopped, Unavailable
from crmsync.model import Association, Form, Kind, Page, Snapshot, Submission, SubmissionPage
from tests.cycle.conftest import DEFINITION, WIDE, World, a_contact, a_meeting
from tests.fakes import NOW, FakePortal

DEMO = Form("f1", "Book a demo")
WHOM = "jane@acme.example"


@dataclass
class Breaking(FakePortal):
    """
    Fails at the n-th list page, as a portal or a power cut does.

    Attributes:
        unlinked: objects whose associations are never told, but inline.
    """

    break_at: int = 0
    pages: int = 0
    unlinked: frozenset[str] = frozenset()
    starts: tuple[str | None, ...] = ()

    def page(self, kind: Kind, **asked: Any) -> Page:
        self.pages += 1
        if kind is Kind.CONTACT:
            self.starts += (asked["after"],)
        if self.pages == self.break_at:
            raise Unavailable("status 502")
        page = super().page(kind, **asked)
        bad = {one.id: "refused" for one in page.snapshots if one.id in self.unreadable}
        return replace(
            page, snapshots=tuple(one for one in page.snapshots if one.id not in bad), unreadable=bad
        )

    def associations(self, kind: Kind, to: Kind, ids: Sequence[str]) -> Mapping[str, tuple[Association, ...]]:
        return super().associations(kind, to, [one for one in ids if one not in self.unlinked])


def breaking(world: World, **settings: object) -> Breaking:
    portal = Breaking(**settings)  # type: ignore[arg-type]  # only for tests
    world.portal = portal
    return portal


def due(world: World) -> list[str]:
    return [one.contact.id for some in world.store.mirror.due(1_000) for one in some]


def test_an_interrupted_first_pull_goes_on_from_its_last_page(world: World) -> None:
    portal = breaking(world, break_at=3)
    for number in range(1, 302):
        portal.put(a_contact(str(number)))
    with suppress(Unavailable):
        world.sync()

    world.sync()

    assert portal.starts[:4] == (None, "101", "201", "201")
    assert world.store.mirror.size() == 301


def test_g7_records_that_share_an_instant_are_all_taken(world: World) -> None:
    world.sync()
    for number in range(1, 203):
        world.portal.put(a_contact(str(number)))
    instant = world.portal.clock
    known = world.portal.snapshots[Kind.CONTACT]
    known.update({one: replace(snapshot, modified_at=instant) for one, snapshot in known.items()})

    world.sync()

    assert world.store.mirror.size() == 202


def test_an_index_entry_that_came_too_late_is_caught_by_the_rescan(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    world.sync()
    world.sync()
    shown = world.portal.snapshots[Kind.CONTACT]["101"]
    late = replace(
        shown, properties={**shown.properties, "jobtitle": "VP Sales"}, modified_at=world.portal.clock
    )
    world.portal.clock += timedelta(minutes=40)
    world.sync()
    world.portal.snapshots[Kind.CONTACT]["101"] = late
    world.sync()
    before = world.portal.shows("101", "crmsync_fit")

    world.portal.clock += timedelta(minutes=30)
    world.sync()

    assert before != "40"
    assert world.portal.shows("101", "crmsync_fit") == "40"


def test_a_rescan_reaches_back_over_all_the_time_without_one(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    meeting = replace(a_meeting("9", "101"), associations={Kind.CONTACT: ()})
    world.portal.put(meeting)
    world.sync()
    linked = replace(
        world.portal.snapshots[Kind.MEETING]["9"], associations={Kind.CONTACT: (Association("101"),)}
    )
    world.portal.snapshots[Kind.MEETING]["9"] = linked  # nothing moved but the association

    world.portal.clock += timedelta(hours=9)  # the daemon was off
    world.engine().sync()

    assert world.portal.shows("101", "crmsync_engagement") == "30"


def test_an_idle_cycle_takes_one_search_for_each_kind_and_a_page_for_each_form(world: World) -> None:
    world.portal.form_list = (Form("f-1", "Book a demo"),)
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    world.sync()
    searches, reads = world.portal.searches, world.portal.reads
    forms = world.portal.form_reads

    world.sync()

    assert world.portal.searches - searches == len(world.engine().streams.wanted.kinds)
    assert (world.portal.reads, world.portal.form_reads) == (reads, forms + len(world.portal.form_list))


def test_a_submission_is_taken_when_the_count_of_its_contact_moved(world: World) -> None:
    world.portal.form_list = (Form("f-1", "Book a demo"),)
    world.portal.put(a_contact("101", "lead", ("ann@example.com",), jobtitle="VP Sales"))
    world.sync()
    submission = Submission("s-1", "f-1", "Book a demo", NOW, "ann@example.com", None)
    world.portal.form_submissions["f-1"] = [submission]
    world.portal.edit("101", "num_conversion_events", "1", "FORM", "f-1")

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "30"


def test_a_submission_without_a_sign_of_it_is_taken_at_once_where_forms_are_few(world: World) -> None:
    world.portal.form_list = (Form("f-1", "Book a demo"),)
    world.portal.put(a_contact("101", "lead", ("ann@example.com",), jobtitle="VP Sales"))
    world.sync()
    submission = Submission("s-1", "f-1", "Book a demo", NOW, "ann@example.com", None)
    world.portal.form_submissions["f-1"] = [submission]

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "30"


def test_a_submission_of_this_very_second_counts_although_the_portals_clock_is_told_in_seconds(
    world: World,
) -> None:
    world.portal.form_list = (Form("f-1", "Book a demo"),)
    world.portal.put(a_contact("101", "lead", ("ann@example.com",), jobtitle="VP Sales"))
    just_now = world.portal.clock + timedelta(seconds=1, milliseconds=900)
    submission = Submission("s-1", "f-1", "Book a demo", just_now, "ann@example.com", None)
    world.portal.form_submissions["f-1"] = [submission]

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "30"


def test_of_many_forms_one_without_a_sign_of_it_is_read_by_the_rescan(world: World) -> None:
    world.portal.form_list = tuple(Form(f"f-{n}", "Book a demo") for n in range(1, 30))
    world.portal.put(a_contact("101", "lead", ("ann@example.com",), jobtitle="VP Sales"))
    world.sync()
    submission = Submission("s-1", "f-1", "Book a demo", NOW, "ann@example.com", None)
    world.portal.form_submissions["f-1"] = [submission]
    world.sync()
    assert world.portal.shows("101", "crmsync_engagement") == "0"

    world.engine().sync(also=(Job.RESCAN,))

    assert world.portal.shows("101", "crmsync_engagement") == "30"


def test_g12_an_unreadable_contact_is_a_finding_once_and_the_others_go_on(world: World) -> None:
    portal = breaking(world, unreadable={"102"})
    portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    portal.put(a_contact("102", "lead"))

    for _ in range(3):
        world.sync()
        world.engine().sync(also=(Job.RESCAN, Job.RECONCILE))

    findings = [one for one in world.entries("finding") if one["cause"] == "unreadable"]
    assert [(one["object"], one["id"]) for one in findings] == [("contact", "102")]
    assert portal.shows("101", "crmsync_fit") == "40"


def test_g12_an_engagement_whose_contacts_are_not_told_is_a_finding_and_a_later_retry(world: World) -> None:
    portal = breaking(world, unlinked=frozenset({"9"}))
    portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    portal.put(a_meeting("9", "101"))
    portal.put(a_meeting("10", "101"))

    world.sync()
    world.engine().sync(also=(Job.RESCAN,))
    half = portal.shows("101", "crmsync_engagement")
    portal.unlinked = frozenset()
    world.sync()

    findings = [one for one in world.entries("finding") if one["cause"] == "unreadable"]
    assert [(one["object"], one["id"]) for one in findings] == [("meetings", "9")]
    assert findings[0]["reason"] == {"problem": "its associations with contacts could not be read"}
    assert (half, portal.shows("101", "crmsync_engagement")) == ("30", "60")


def test_g7_links_the_mirror_knows_stay_while_the_portal_does_not_tell_them(world: World) -> None:
    portal = breaking(world)
    portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    portal.put(a_meeting("9", "101"))
    world.sync()
    portal.unlinked = frozenset({"9"})

    world.engine().sync(also=(Job.RESCAN,))

    assert world.store.mirror.snapshots(Kind.MEETING, ["9"])["9"].associations[Kind.CONTACT] != ()
    assert portal.shows("101", "crmsync_engagement") == "30"


def test_an_unreadable_contact_is_taken_once_it_can_be_read(world: World) -> None:
    portal = breaking(world, unreadable={"102"})
    portal.put(a_contact("102", "lead", jobtitle="VP Sales"))
    world.sync()
    portal.unreadable = set()

    world.sync()

    assert portal.shows("102", "crmsync_fit") == "40"


def test_a_counter_that_goes_down_is_a_new_baseline(world: World) -> None:
    world.portal.put(a_contact("101", "lead", hs_email_open="9"))
    world.sync()
    world.portal.edit("101", "hs_email_open", "2", "ANALYTICS", "x")
    world.sync()
    world.portal.edit("101", "hs_email_open", "4", "ANALYTICS", "x")

    world.sync()

    assert world.portal.shows("101", "crmsync_engagement") == "10"


def test_a_restored_contact_is_evaluated_again(world: World) -> None:
    for number in range(101, 111):
        world.portal.put(a_contact(str(number), "lead", jobtitle="VP Sales"))
    world.sync()
    gone = world.portal.snapshots[Kind.CONTACT].pop("101")
    world.engine().sync(also=(Job.RECONCILE,))
    size = world.store.mirror.size()
    world.portal.put(gone)

    summary = world.sync()

    assert size == 9
    assert world.store.mirror.size() == 10
    assert summary.tally.evaluated == 1


def test_g7_a_portals_clock_that_ran_ahead_and_was_set_back_hides_no_change(world: World) -> None:
    world.portal.put(a_contact("101"))
    world.sync()
    right = world.portal.clock
    world.portal.clock = right + timedelta(days=300)
    world.sync()
    world.portal.clock = right + timedelta(minutes=1)
    world.portal.put(a_contact("101", jobtitle="VP Sales"))

    assert world.sync().tally.evaluated == 1


def test_g7_a_window_is_never_empty_because_the_portals_clock_was_set_back(world: World) -> None:
    world.portal.put(a_contact("101"))
    pull.catch_up(world.engine().streams)
    right = world.portal.clock
    world.portal.clock = right + timedelta(days=300)
    pull.catch_up(world.engine().streams)
    world.portal.clock = right + timedelta(minutes=1)
    world.portal.put(a_contact("101", jobtitle="VP Sales"))

    assert pull.catch_up(world.engine().streams).counts == {"contacts": 1}


def test_g7_what_changes_behind_a_list_that_takes_hours_is_in_the_next_window(world: World) -> None:
    for one in range(101, 351):
        world.portal.put(a_contact(str(one)))
    page = world.portal.page

    def slow(kind: Kind, **asked: Any) -> Page:
        read = page(kind, **asked)
        if kind is Kind.CONTACT and asked["after"] is None:
            world.portal.edit("101", "jobtitle", "VP Sales")
            world.portal.clock += timedelta(hours=2)
        return read

    world.portal.page = slow  # type: ignore[method-assign]
    pull.catch_up(world.engine().streams)

    pull.catch_up(world.engine().streams)

    known = world.store.mirror.snapshots(Kind.CONTACT, ["101"])["101"]
    assert known.properties["jobtitle"] == "VP Sales"


@pytest.mark.parametrize("was_read_before", [False, True])
def test_g3_a_form_whose_reading_was_interrupted_is_read_to_its_end(
    world: World, was_read_before: bool
) -> None:
    world.portal.form_list = (DEMO,)
    world.portal.form_submissions = {DEMO.id: [submitted(0)]}
    world.portal.put(a_contact("101", "lead", (WHOM,), jobtitle="VP Sales"))
    if was_read_before:
        pull.catch_up(world.engine().streams)
    world.portal.form_submissions[DEMO.id] += [submitted(n) for n in range(1, 220)]
    submissions = world.portal.submissions

    def breaks_off(form: Form, after: str | None) -> SubmissionPage:
        if after == "100":
            raise Unavailable("status 502")
        return submissions(form, after)

    world.portal.submissions = breaks_off  # type: ignore[method-assign]
    with suppress(Unavailable):
        pull.catch_up(world.engine().streams)
    world.portal.form_submissions[DEMO.id].insert(0, submitted(500))
    world.portal.submissions = submissions  # type: ignore[method-assign]
    for _ in range(2):
        world.sync()

    (known,) = next(iter(world.store.mirror.all(10)))
    assert len(known.contact.events) == 221


def test_g7_a_submission_that_arrives_while_many_new_ones_are_read_hides_none_of_them(world: World) -> None:
    world.portal.form_list = (DEMO,)
    world.portal.form_submissions = {DEMO.id: [submitted(0)]}
    world.portal.put(a_contact("101", "lead", (WHOM,), jobtitle="VP Sales"))
    pull.catch_up(world.engine().streams)
    world.portal.form_submissions[DEMO.id] += [submitted(n) for n in range(1, 130)]
    submissions = world.portal.submissions

    def shifted(form: Form, after: str | None) -> SubmissionPage:
        page = submissions(form, after)
        if after is None:
            world.portal.form_submissions[DEMO.id].append(submitted(500))
        return page

    world.portal.submissions = shifted  # type: ignore[method-assign]
    pull.catch_up(world.engine().streams)
    world.portal.submissions = submissions  # type: ignore[method-assign]
    pull.catch_up(world.engine().streams)

    (known,) = next(iter(world.store.mirror.all(10)))
    assert len(known.contact.events) == 131


Turn = tuple[str | None, str]
CIRCLES = [
    pytest.param(lambda n: ("12"[n % 2], "AB"[n % 2]), id="two pages that name each other"),
    pytest.param(lambda n: ("1234567"[n % 7], "ABCDEFG"[n % 7]), id="seven pages"),
    pytest.param(lambda n: ("123"[n % 3], f"token {n}"), id="three pages, each time under a new token"),
    pytest.param(lambda n: (str(n + 1), "AB"[n % 2]), id="two tokens, each time with other pages"),
    pytest.param(lambda n: (None, f"token {n}"), id="pages without anybody"),
]


@pytest.mark.parametrize("turn", CIRCLES)
def test_a_list_that_goes_round_in_circles_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, turn: Callable[[int], Turn]
) -> None:
    turns = map(turn, range(1_000))  # who follows for ever is stopped

    def page(_: Kind, **__: object) -> Page:
        shown, after = next(turns)
        return Page((a_contact(shown),) if shown else (), after)

    monkeypatch.setattr(world.portal, "page", page)

    with pytest.raises(Unavailable, match="paging of contacts does not advance"):
        world.engine().streams.sweep(Kind.CONTACT)


@pytest.mark.parametrize("turn", CIRCLES)
@pytest.mark.parametrize("whole", [True, False])
def test_submissions_that_go_round_in_circles_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, turn: Callable[[int], Turn], *, whole: bool
) -> None:
    turns = map(turn, range(1_000))

    def page(_: Form, __: str | None) -> SubmissionPage:
        shown, after = next(turns)
        return SubmissionPage((submitted(int(shown)),) if shown else (), after)

    monkeypatch.setattr(world.portal, "submissions", page)

    with pytest.raises(Unavailable, match="paging of form f1 does not advance"):
        world.engine().streams.submissions(DEMO, whole=whole)


def test_a_long_list_with_gaps_is_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter(range(1, 301))

    def page(_: Kind, **__: object) -> Page:
        number = next(pages)
        shown = () if number % 10 else (a_contact(str(number)),)
        return Page(shown, f"token {number}" if number < 300 else None)

    monkeypatch.setattr(world.portal, "page", page)
    world.engine().streams.sweep(Kind.CONTACT)

    assert world.store.mirror.size() == 30


def test_a_search_that_finds_nothing_on_page_after_page_can_be_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sync()
    looks = count()
    streams = replace(world.engine().streams, should_stop=lambda: next(looks) >= 5)
    monkeypatch.setattr(world.portal, "changed", lambda *_: repeat((), 1_000))

    with pytest.raises(Stopped):
        streams.catch_up(Kind.CONTACT)


def submitted(number: int) -> Submission:
    return Submission(f"s{number}", DEMO.id, DEMO.name, NOW + timedelta(seconds=number - 1_000), WHOM, None)


@pytest.mark.parametrize(
    ("place", "now", "at"),
    [
        ("America/New_York", "2026-11-22T04:00:00Z", "2026-11-21T05:00:00Z"),
        ("America/New_York", "2026-11-22T05:00:00Z", "2026-11-22T05:00:00Z"),
        ("America/New_York", "2026-07-22T04:00:00Z", "2026-07-22T04:00:00Z"),
        ("Asia/Tokyo", "2026-11-22T16:00:00Z", "2026-11-22T15:00:00Z"),
        ("Asia/Tokyo", "2026-11-22T14:59:00Z", "2026-11-21T15:00:00Z"),
    ],
)
def test_a_time_of_day_is_the_portals_own_also_in_summer(place: str, now: str, at: str) -> None:
    assert latest(time(0), datetime.fromisoformat(now), ZoneInfo(place)) == datetime.fromisoformat(at)


def test_what_was_done_at_an_instant_that_has_not_come_yet_is_due() -> None:
    for job in Job:
        assert is_due(job, NOW + timedelta(days=300), NOW, Schedule())
        assert not is_due(job, NOW + timedelta(seconds=1), NOW, Schedule())


def test_a_clock_of_ours_that_is_wrong_moves_no_cursor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = world.store.database.now
    monkeypatch.setattr(world.store.database, "now", lambda: real() + timedelta(hours=5))
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    world.portal.edit("101", "jobtitle", "Assistant")

    world.sync()

    assert world.portal.shows("101", "crmsync_fit") == "0"
    until = world.store.mirror.cursor("contacts").until
    assert until is not None
    assert until <= world.portal.clock


def test_a_contact_that_changes_between_search_and_read_is_taken_as_it_is_then(world: World) -> None:
    world.portal.put(a_contact("101", "lead"))
    world.sync()
    world.portal.edit("101", "jobtitle", "VP Sales")
    world.portal.edit("101", "jobtitle", "Assistant")
    world.sync()
    assert world.portal.shows("101", "crmsync_fit") == "0"

    world.portal.edit("101", "jobtitle", "VP Sales")
    world.sync()

    assert world.portal.shows("101", "crmsync_fit") == "40"
    assert due(world) == []


UNGUARDED = replace(WIDE, park_on_new_definition=False)
SENIOR = DEFINITION.replace("title: contact.jobtitle", "title: contact.seniority")
WITHOUT_COMPANY = DEFINITION.replace("  industry: company.industry\n", "").replace(
    "    - {id: fit.industry, points: 20, when: {industry: software}}\n", ""
)

WITHOUT_OPENS = DEFINITION.replace("  opens: {from: counter, of: contact.hs_email_open}\n", "").replace(
    "        - {id: eng.opens, event: opens, points: 5, within: 90d}\n", ""
)


def settled(world: World) -> None:
    """Let everything be read and written, and the echo of it be read too."""
    for _ in range(2):
        world.sync()
    world.portal.clock += timedelta(minutes=40)
    world.sync()


def test_g7_what_a_changed_definition_reads_for_the_first_time_is_read_of_everybody(world: World) -> None:
    world.portal.put(a_contact("101", "lead", seniority="VP"))
    settled(world)
    changed = world.with_(definition=SENIOR, limits=UNGUARDED)

    changed.sync()

    assert changed.portal.shows("101", "crmsync_fit") == "40"


def test_g7_a_changed_definition_that_asks_for_the_company_finds_it(world: World) -> None:
    company = Snapshot(Kind.COMPANY, "7", NOW, {"industry": "software"})
    ends = {Kind.COMPANY: (Association("7", is_primary=True),)}
    world.portal.put(company)
    world.portal.put(replace(a_contact("101", "lead"), associations=ends))
    settled(world.with_(definition=WITHOUT_COMPANY))

    world.with_(limits=UNGUARDED).sync()

    assert world.portal.shows("101", "crmsync_fit") == "20"


def test_a_counter_that_a_changed_definition_asks_for_first_starts_from_where_it_is(world: World) -> None:
    world.portal.put(a_contact("101", "lead", hs_email_open="9"))
    settled(world.with_(definition=WITHOUT_OPENS))

    world.with_(limits=UNGUARDED).sync()

    assert world.portal.shows("101", "crmsync_engagement") == "0"


def test_a_definition_that_reads_no_more_than_the_one_before_costs_no_list(world: World) -> None:
    portal = breaking(world)
    portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.sync()
    before = portal.starts

    world.with_(definition=WITHOUT_COMPANY).sync()

    assert portal.starts == before


def test_g3_reading_more_of_everybody_goes_on_where_it_was_interrupted(world: World) -> None:
    portal = breaking(world)
    for number in range(1, 203):
        portal.put(a_contact(str(number), "lead", seniority="VP"))
    world.sync()
    changed = world.with_(definition=SENIOR, limits=UNGUARDED)
    portal.break_at, read = portal.pages + 2, len(portal.starts)
    with suppress(Unavailable):
        changed.sync()

    changed.sync()

    assert portal.starts[read:] == (None, "101", "101", "201")
    assert portal.shows("202", "crmsync_fit") == "40"
