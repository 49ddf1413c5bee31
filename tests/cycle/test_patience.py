"""A stream that cannot be read ends one cycle; when it stays so, the others go on (G12), and nothing is missed (G7)."""

import pytest

from crmsync.cycle.agenda import Job
from crmsync.errors import Rejected, Unavailable
from crmsync.model import STAGE, Form, Kind, Page, Submission, SubmissionPage
from tests.cycle.conftest import World, a_contact, a_meeting
from tests.fakes import NOW

MQL = "marketingqualifiedlead"
WHOM = "jane@acme.example"
DEMO, OTHER = Form("f1", "Book a demo"), Form("f2", "Newsletter")


@pytest.fixture
def settled(world: World) -> World:
    """A contact that was read and evaluated."""
    world.portal.put(a_contact("101", "lead", (WHOM,), jobtitle="VP Sales"))
    world.sync()
    return world


def fails(world: World) -> None:
    with pytest.raises(Unavailable):
        world.sync()


def set_aside(world: World) -> list[object]:
    return [one["id"] for one in world.entries("finding") if one["cause"] == "set_aside"]


def test_trouble_that_passes_ends_one_cycle_and_is_no_finding(settled: World) -> None:
    settled.portal.put(a_meeting("9", "101"))
    settled.portal.fails = {"search meetings"}
    fails(settled)
    settled.portal.fails = set()

    settled.sync()

    assert settled.portal.shows("101", STAGE) == MQL
    assert set_aside(settled) == []


def test_g12_a_search_that_fails_for_ever_is_a_finding_and_the_others_go_on(settled: World) -> None:
    settled.portal.fails = {"search meetings"}
    fails(settled)
    settled.portal.edit("101", "jobtitle", "Clerk")

    pulled = [settled.sync().pulled.set_aside for _ in range(3)]

    assert pulled == [("catch up meetings",)] * 3
    assert settled.portal.shows("101", "crmsync_fit") == "0"
    assert set_aside(settled) == ["catch up meetings"]


def test_g7_what_was_missed_is_taken_once_it_can_be_read(settled: World) -> None:
    settled.portal.fails = {"search meetings"}
    fails(settled)
    settled.portal.put(a_meeting("9", "101"))
    settled.sync()
    settled.sync()
    settled.portal.fails = set()

    settled.sync()

    assert settled.portal.shows("101", STAGE) == MQL


def test_trouble_that_comes_again_later_ends_a_cycle_again(settled: World) -> None:
    for _ in range(2):
        settled.portal.fails = {"search meetings"}
        fails(settled)
        settled.sync()
        settled.portal.fails = set()
        settled.sync()

    assert set_aside(settled) == ["catch up meetings"] * 2


def test_nobody_is_judged_without_a_kind_that_was_never_read_whole(world: World) -> None:
    world.portal.put(a_contact("101", "lead", jobtitle="VP Sales"))
    world.portal.fails = {"list meetings"}

    for _ in range(3):
        fails(world)

    assert world.portal.writes == []


def test_where_nothing_can_be_read_every_cycle_fails(settled: World) -> None:
    settled.portal.fails = {f"search {kind.value}" for kind in Kind}

    for _ in range(8):  # with one worker each of the four kinds has its first failure in a cycle of its own
        fails(settled)


@pytest.mark.parametrize("also", [(), (Job.RESCAN,), (Job.RECONCILE,)])
def test_g12_a_form_that_is_refused_for_ever_does_not_keep_the_first_pull_from_its_end(
    world: World, also: tuple[Job, ...]
) -> None:
    world.portal.form_list = (OTHER, DEMO)
    world.portal.form_submissions = {"f1": [Submission("s1", "f1", "Book a demo", NOW, WHOM, None)]}
    world.portal.put(a_contact("101", "lead", (WHOM,), jobtitle="VP Sales"))
    world.portal.fails = {"form f2"}
    fails(world)

    for _ in range(2):
        world.engine().sync(also=also)

    assert world.portal.shows("101", STAGE) == MQL
    assert set_aside(world) == ["read form f2"]


def test_g12_a_form_that_the_portal_refuses_is_a_finding_at_once_and_the_cycle_goes_on(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.portal.form_list = (OTHER, DEMO)
    settled.portal.form_submissions = {"f1": [Submission("s1", "f1", "Book a demo", NOW, WHOM, None)]}
    submissions = settled.portal.submissions

    def refuses_the_other(form: Form, after: str | None) -> SubmissionPage:
        if form == OTHER:
            raise Rejected("may not do this", status=403)
        return submissions(form, after)

    monkeypatch.setattr(settled.portal, "submissions", refuses_the_other)
    settled.sync()

    assert settled.portal.shows("101", STAGE) == MQL
    assert set_aside(settled) == ["read form f2"]


def test_nothing_that_must_not_be_missed_is_gone_on_without_though_it_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(kind: Kind, **_: object) -> Page:
        raise Rejected(f"{kind.value} may not be listed")

    monkeypatch.setattr(world.portal, "page", refuses)

    for _ in range(3):
        with pytest.raises(Rejected):
            world.sync()


def test_g12_a_list_of_forms_that_is_refused_for_ever_leaves_the_rest(settled: World) -> None:
    settled.portal.fails = {"forms"}
    fails(settled)
    settled.portal.edit("101", "jobtitle", "Clerk")

    settled.sync()

    assert settled.portal.shows("101", "crmsync_fit") == "0"
    assert set_aside(settled) == ["list forms"]


def test_g12_a_nightly_list_that_fails_for_ever_does_not_stop_the_searches(settled: World) -> None:
    for one in range(200, 330):
        settled.portal.put(a_contact(str(one), "lead"))
    settled.sync()
    page = settled.portal.page

    def fails_at_its_second_page(kind: Kind, **asked: object) -> object:
        if kind is Kind.CONTACT and asked["after"] is not None:
            raise Unavailable("the second page failed")
        return page(kind, **asked)  # type: ignore[arg-type]  # as it was asked

    settled.portal.page = fails_at_its_second_page  # type: ignore[method-assign, assignment]
    for _ in range(2):
        try:
            settled.engine().sync(also=(Job.RECONCILE,))
        except Unavailable:
            continue
    fails(settled)
    settled.portal.edit("101", "jobtitle", "Clerk")

    settled.sync()

    assert settled.portal.shows("101", "crmsync_fit") == "0"
    assert set_aside(settled) == ["reconcile contacts", "catch up contacts"]
