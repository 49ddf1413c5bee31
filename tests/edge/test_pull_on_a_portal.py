"""G7 with the real gateway and a real store: whatever a portal does while it is pulled, everyone ends in the mirror."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from crmsync.cycle import pull
from crmsync.cycle.news import Wanted
from crmsync.cycle.streams import Streams
from crmsync.cycle.taking import Pulled
from crmsync.errors import Unavailable
from crmsync.model import STAGE, Contact, ContactId, Kind, Page, Snapshot
from crmsync.portal.gateway import Gateway
from crmsync.sandbox import Lag, Portal
from crmsync.store import Store, open_store
from tests.inprocess import FakeTime, a_portal, connected

WANTED = Wanted(
    properties={Kind.CONTACT: ("country", "hs_email_open", STAGE), Kind.COMPANY: ("name",), Kind.NOTE: ()},
    linked={Kind.CONTACT: (Kind.COMPANY,), Kind.COMPANY: (), Kind.NOTE: (Kind.CONTACT,)},
    counters=frozenset({"hs_email_open"}),
    forms=False,
)
OVERLAP = timedelta(minutes=10)


class Interrupted(Gateway):
    """A gateway whose process ends at the n-th list page."""

    def __init__(self, gateway: Gateway, ends_at: int) -> None:
        self.__dict__.update(gateway.__dict__)
        self.left = ends_at

    def page(self, kind: Kind, **asked: Any) -> Page:
        self.left -= 1
        if self.left == 0:
            raise Unavailable("the power went")
        return super().page(kind, **asked)


@dataclass
class Scene:
    """A portal and the mirror that pulls from it. Each pull is a new process: the store alone remembers."""

    url: str
    time: FakeTime = field(default_factory=FakeTime)
    read_ahead: int = 1
    max_shrink: float = 1.0

    def __post_init__(self) -> None:
        self.portal: Portal = a_portal(self.time, limits=False, lag=Lag(0, 0, 0.0))
        self.store: Store = open_store(self.url, portal="1", now=self.time.wall)

    def gateway(self) -> Gateway:
        return connected(self.portal, self.time, read_ahead=self.read_ahead, search_per_s=10_000)

    def streams(self, gateway: Gateway | None = None) -> Streams:
        return Streams(
            portal=gateway or self.gateway(),
            mirror=self.store.mirror,
            told=self.store.trail,
            wanted=WANTED,
            lag=timedelta(0),
            overlap=OVERLAP,
            max_shrink=self.max_shrink,
        )

    def pull(self) -> Pulled:
        """Catch up, a second later; the index has caught up with what was done."""
        return self._later(lambda: pull.catch_up(self.streams()))

    def nightly(self) -> Pulled:
        return self._later(lambda: pull.reconcile_lists(self.streams()))

    def rescan(self, back: timedelta = timedelta(hours=2)) -> Pulled:
        return self._later(lambda: pull.rescan(self.streams(), back))

    def contacts(self, count: int, **values: str) -> list[str]:
        return [self.portal.edits.create("contacts", {"country": "BE", **values}) for _ in range(count)]

    def known(self, contact: str) -> Snapshot:
        return self.store.mirror.snapshots(Kind.CONTACT, [contact])[contact]

    def contact(self, contact: str) -> Contact:
        mirrored = self.store.mirror.contact(ContactId(contact))
        assert mirrored is not None
        return mirrored.contact

    def living(self) -> list[str]:
        return [one.contact.id for some in self.store.mirror.all(1_000) for one in some]

    def due(self) -> list[str]:
        return [one.contact.id for some in self.store.mirror.due(1_000) for one in some]

    def all_settled(self) -> None:
        self.store.mirror.settled([ContactId(one) for one in self.due()], self.time.wall())

    def requests(self, where: str = "") -> int:
        return sum(where in one.target for one in self.portal.log)

    def _later(self, act: Callable[[], Pulled]) -> Pulled:
        self.time.pass_by(1)
        with self.portal.lock:
            self.portal.world.settle_everything()
        self.portal.reset_log()
        return act()


@pytest.fixture
def scene(sqlite_url: str) -> Iterator[Scene]:
    made = Scene(sqlite_url)
    yield made
    made.store.close()


@pytest.mark.parametrize("ends_at", range(1, 9))
def test_g3_a_first_pull_interrupted_at_any_page_goes_on_from_its_last_one(
    scene: Scene, ends_at: int
) -> None:
    ids = scene.contacts(430)
    company = scene.portal.edits.create("companies", {"name": "Acme"}, ids[:3])
    notes = [
        scene.portal.edits.create("notes", {"hs_timestamp": "2026-11-20T09:00:00Z"}, ids[:1])
        for _ in range(120)
    ]
    with pytest.raises(Unavailable):
        pull.catch_up(scene.streams(Interrupted(scene.gateway(), ends_at)))
    first = scene.requests("/objects/")

    scene.pull()

    pages = 5 + 1 + 2
    assert scene.living() == ids
    assert scene.known(ids[0]).associations[Kind.COMPANY][0].id == company
    assert set(scene.store.mirror.snapshots(Kind.NOTE, notes)) == set(notes)
    assert first + scene.requests("/objects/") - scene.requests("/search") <= pages


@pytest.mark.parametrize("ends_at", [3, 19, 21, 22, 30, 45])
def test_g3_a_long_list_read_in_parts_is_resumed_where_each_part_stopped(
    sqlite_url: str, ends_at: int
) -> None:
    scene = Scene(sqlite_url, read_ahead=2)
    ids = scene.contacts(5_100)
    with pytest.raises(Unavailable):
        pull.catch_up(scene.streams(Interrupted(scene.gateway(), ends_at)))
    first = scene.requests("/objects/")

    scene.pull()

    assert scene.living() == ids
    assert (
        first + scene.requests("/objects/") <= 1.1 * (52 + 8) + 4
    )  # pages fetched ahead go with the process
    scene.store.close()


def test_g7_a_contact_that_changes_after_its_page_was_read_is_taken_by_the_next_cycle(scene: Scene) -> None:
    ids = scene.contacts(250)

    class Moving(Interrupted):
        def page(self, kind: Kind, **asked: Any) -> Page:
            page = super().page(kind, **asked)
            if kind is Kind.CONTACT and asked["after"] is None:
                scene.time.pass_by(1)
                scene.portal.edits.human(ids[0], {"country": "NL"})
                scene.portal.edits.human(ids[-1], {"country": "FR"})
            return page

    pull.catch_up(scene.streams(Moving(scene.gateway(), -1)))
    shown = [scene.known(one).properties["country"] for one in (ids[0], ids[-1])]
    scene.pull()

    assert shown == ["BE", "FR"]
    assert scene.known(ids[0]).properties["country"] == "NL"


def test_g7_an_association_made_long_after_its_note_is_found_by_the_rescan(scene: Scene) -> None:
    (contact,) = scene.contacts(1)
    note = scene.portal.edits.create("notes", {"hs_timestamp": "2026-11-20T09:00:00Z"})
    scene.pull()
    scene.time.pass_by(1_800)
    scene.pull()
    scene.all_settled()

    scene.portal.edits.associate("notes", note, "contacts", contact)
    scene.pull()
    before = scene.store.mirror.snapshots(Kind.NOTE, [note])[note].associations[Kind.CONTACT]
    scene.rescan()

    assert before == ()
    assert [
        one.id for one in scene.store.mirror.snapshots(Kind.NOTE, [note])[note].associations[Kind.CONTACT]
    ] == [contact]
    assert scene.due() == [contact]


def test_g7_twelve_thousand_records_stamped_with_one_millisecond_are_all_taken(scene: Scene) -> None:
    scene.pull()
    ids = [scene.portal.edits.create("companies", {"name": "Acme"}) for _ in range(12_000)]
    at_ms = scene.portal.edits.stamp(12_000, "companies")

    scene.pull()

    known = scene.store.mirror.modified(Kind.COMPANY, ids)
    assert len(known) == 12_000
    assert {round(at.timestamp() * 1_000) for at in known.values()} == {at_ms}
    assert (
        scene.requests("/companies/search") == 12_000 / 200 + 1
    )  # the last page is full: one more is asked for
    assert scene.requests("/companies/batch/read") == 12_000 / 100


def test_g7_a_hit_that_search_shows_as_it_was_long_ago_is_read_all_the_same(scene: Scene) -> None:
    (contact,) = scene.contacts(1)
    scene.pull()
    scene.time.pass_by(3_600)
    scene.pull()
    scene.portal.world.index.freeze(scene.portal.edits.record(contact))
    scene.portal.edits.human(contact, {"country": "NL"})

    scene.pull()

    assert scene.known(contact).properties["country"] == "NL"


def test_what_changed_costs_a_read_a_hundred_and_the_associations_one_in_all(scene: Scene) -> None:
    ids = scene.contacts(450)
    scene.pull()
    scene.time.pass_by(3_600)
    scene.pull()
    scene.all_settled()
    for one in ids:
        scene.portal.edits.human(one, {"country": "NL"})

    pulled = scene.pull()

    assert pulled.counts == {"contacts": 450}
    assert scene.due() == ids
    assert scene.requests("/contacts/search") == 3
    assert scene.requests("/contacts/batch/read") == 5
    assert scene.requests("/associations/") == 1


def test_what_changed_in_nothing_we_read_is_not_told_as_pulled(scene: Scene) -> None:
    (contact,) = scene.contacts(1)
    scene.pull()
    scene.all_settled()
    scene.portal.edits.human(contact, {"phone": "1"})

    pulled = scene.pull()

    assert pulled.counts == {}
    assert scene.due() == []


def test_a_counter_that_goes_down_is_no_signal_and_the_next_increase_counts_from_there(scene: Scene) -> None:
    (contact,) = scene.contacts(1, hs_email_open="5")
    scene.pull()
    for by in (-3, 1):
        scene.portal.edits.bump(contact, "hs_email_open", by)
        scene.pull()

    (mirrored,) = next(iter(scene.store.mirror.all(10)))
    assert [(one.source, one.count) for one in mirrored.contact.events] == [("counter", 1)]


def test_g7_the_nightly_list_finds_who_was_archived(scene: Scene) -> None:
    ids = scene.contacts(3)
    scene.pull()
    scene.portal.edits.archive(ids[1])

    scene.nightly()

    assert scene.living() == [ids[0], ids[2]]
    assert [(one["kind"], one["id"]) for one in scene.store.trail.export()] == [("contact.deleted", ids[1])]


def test_g7_the_nightly_list_finds_who_was_restored(scene: Scene) -> None:
    ids = scene.contacts(2)
    scene.pull()
    scene.portal.edits.archive(ids[1])
    scene.nightly()
    scene.all_settled()
    scene.portal.edits.restore(ids[1])

    scene.nightly()

    assert scene.living() == ids
    assert scene.due() == [ids[1]]


def test_g7_the_next_search_finds_into_whom_somebody_was_merged(scene: Scene) -> None:
    ids = scene.contacts(4)
    scene.pull()
    scene.all_settled()
    merged = scene.portal.edits.merge(ids[0], ids[1])
    scene.time.pass_by(60)  # the portal's automation has counted the notes of the new one
    scene.pull()
    again = scene.portal.edits.merge(merged, ids[2])  # a merge of a merge
    scene.time.pass_by(60)

    scene.pull()

    assert scene.living() == [ids[3], again]
    assert {scene.store.mirror.find(one) for one in (*ids[:3], merged)} == {ContactId(again)}
    assert scene.due() == [again]
    told = [(one["kind"], one["id"], one["after"]) for one in scene.store.trail.export()]
    assert sorted(told) == sorted(
        [("contact.merged", one, merged) for one in ids[:2]]
        + [("contact.merged", one, again) for one in (merged, ids[2])]
    )


def test_g7_who_was_merged_while_the_first_pull_was_interrupted_takes_the_engagements_along(
    scene: Scene,
) -> None:
    ids = scene.contacts(250)
    scene.portal.edits.create("notes", {"hs_timestamp": "2026-11-20T09:00:00Z"}, ids[200:201])
    scene.time.pass_by(3_600)
    with pytest.raises(Unavailable):
        pull.catch_up(scene.streams(Interrupted(scene.gateway(), 2)))
    scene.streams().sweep(Kind.NOTE)  # it was read side by side, and to its end
    merged = scene.portal.edits.merge(ids[200], ids[201])  # of whom the contacts' list had not come to either
    scene.time.pass_by(3_600)

    scene.pull()

    assert [one.source for one in scene.contact(merged).events] == ["notes"]


def test_g7_the_nightly_list_finds_into_whom_somebody_was_merged(scene: Scene) -> None:
    ids = scene.contacts(3)
    scene.pull()
    scene.all_settled()
    merged = scene.portal.edits.merge(ids[0], ids[1])

    scene.nightly()

    assert scene.living() == [ids[2], merged]
    assert scene.store.mirror.find(ids[1]) == merged
    assert scene.due() == [merged]
    told = [(one["kind"], one["id"], one["after"]) for one in scene.store.trail.export()]
    assert sorted(told) == [("contact.merged", one, merged) for one in ids[:2]]


def test_g7_the_nightly_list_finds_who_was_erased_for_privacy(scene: Scene) -> None:
    ids = scene.contacts(2)
    scene.pull()
    scene.portal.edits.erase(ids[0])

    scene.nightly()

    assert scene.living() == [ids[1]]
    assert [(one["kind"], one["id"]) for one in scene.store.trail.export()] == [("contact.deleted", ids[0])]


def test_g9_a_list_that_suddenly_misses_many_is_not_believed(scene: Scene) -> None:
    scene.max_shrink = 0.2
    ids = scene.contacts(10)
    scene.pull()
    for one in ids[:3]:
        scene.portal.edits.archive(one)

    pulled = scene.nightly()

    assert pulled.shrunk == (3, 10)
    assert scene.living() == ids
