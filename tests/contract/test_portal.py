"""What Portal and Sink promise the cycle: kept by the gateway over HTTP, on every API version, and by the fake."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol

import pytest

from crmsync.cycle.streams import Portal
from crmsync.cycle.write import Sink
from crmsync.model import (
    STAGE,
    Association,
    Change,
    ContactId,
    Event,
    Fate,
    Form,
    Intent,
    Kind,
    Outcome,
    Own,
    Result,
    RunId,
    Snapshot,
    Submission,
)
from tests.fakes import NOW, FakePortal
from tests.served import Served, served


class Both(Portal, Sink, Protocol):
    """What the cycle and the command line are given."""

    def count(self, kind: Kind) -> int | None: ...


class World(Protocol):
    """A portal and what others do to it."""

    portal: Both

    def contact(self, **values: str) -> ContactId: ...
    def company(self, *contacts: str) -> str: ...
    def note(self, *contacts: str) -> str: ...
    def edit(self, contact: str, name: str, value: str) -> None: ...
    def remove(self, contact: str) -> None: ...
    def merge(self, into: str, away: str) -> None: ...
    def submit(self, form: Form, email: str) -> None: ...
    def passes(self) -> datetime:
        """Let a second go by; return the instant after it."""


class Real:
    """The sandbox behind HTTP."""

    def __init__(self, both: Served) -> None:
        self.both = both
        self.portal: Both = both.gateway
        both.gateway.schema.setup()

    def contact(self, **values: str) -> ContactId:
        return self.both.create(**values)

    def company(self, *contacts: str) -> str:
        return self._with("companies", {"name": "Acme"}, contacts)

    def note(self, *contacts: str) -> str:
        return self._with("notes", {"hs_timestamp": "2026-11-20T09:00:00Z"}, contacts)

    def edit(self, contact: str, name: str, value: str) -> None:
        self.both.sandbox.edits.human(contact, {name: value})

    def remove(self, contact: str) -> None:
        self.both.sandbox.edits.archive(contact)

    def merge(self, into: str, away: str) -> None:
        self.both.sandbox.edits.merge(into, away)

    def submit(self, form: Form, email: str) -> None:
        self.both.sandbox.edits.submit(form.id, email)

    def passes(self) -> datetime:
        self.both.time.pass_by(1)
        self.both.sandbox.settle()
        return self.both.time.wall()

    def _with(self, kind: str, values: dict[str, str], contacts: Sequence[str]) -> str:
        made = self.both.sandbox.edits.create(kind, values)
        for one in contacts:
            self.both.sandbox.edits.associate(kind, made, "contacts", one)
        return made


class Faked:
    """The portal in memory."""

    def __init__(self) -> None:
        self.fake = FakePortal(form_list=(Form("f-1", "Book a demo"),))
        self.portal: Both = self.fake
        self._ids = count(101)

    def contact(self, **values: str) -> ContactId:
        made = str(next(self._ids))
        self.fake.put(Snapshot(Kind.CONTACT, made, NOW, properties=dict(values)))
        return ContactId(made)

    def company(self, *contacts: str) -> str:
        made = str(next(self._ids))
        self.fake.put(Snapshot(Kind.COMPANY, made, NOW, properties={"name": "Acme"}))
        for one in contacts:
            self._associate(Kind.CONTACT, one, Kind.COMPANY, Association(made, is_primary=True))
        return made

    def note(self, *contacts: str) -> str:
        made = str(next(self._ids))
        self.fake.put(Snapshot(Kind.NOTE, made, NOW, event=Event("notes", NOW)))
        for one in contacts:
            self._associate(Kind.NOTE, made, Kind.CONTACT, Association(one))
        return made

    def edit(self, contact: str, name: str, value: str) -> None:
        self.fake.edit(contact, name, value)

    def remove(self, contact: str) -> None:
        self.fake.remove(Kind.CONTACT, contact)

    def merge(self, into: str, away: str) -> None:
        self.fake.merged[away] = into

    def submit(self, form: Form, email: str) -> None:
        taken = self.fake.form_submissions.setdefault(form.id, [])
        taken.append(
            Submission(f"s-{len(taken)}", form.id, form.name, self.fake.clock, email.strip().casefold(), None)
        )

    def passes(self) -> datetime:
        self.fake.clock += timedelta(seconds=1)
        return self.fake.clock

    def _associate(self, kind: Kind, one: str, to: Kind, end: Association) -> None:
        known = self.fake.snapshots[kind][one]
        ends = {**known.associations, to: (*known.associations.get(to, ()), end)}
        self.fake.snapshots[kind][one] = Snapshot(
            kind, one, known.modified_at, known.properties, event=known.event, associations=ends
        )


@contextmanager
def a_world(name: str) -> Iterator[World]:
    if name == "fake":
        yield Faked()
    else:
        with served(api_version=name) as both:
            yield Real(both)


@pytest.fixture(params=["v3", "2026-03", "2026-09", "fake"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with a_world(request.param) as made:
        yield made


_seq = count(1)


def intent(contact: str, name: str, after: str, before: str | None = None, step: int = 0) -> Intent:
    change = Change(ContactId(contact), name, before, after, "test", {}, step)
    return Intent(next(_seq), RunId("r-1"), change, NOW)


def listed(world: World, kind: Kind, *properties: str, associations: Sequence[Kind] = ()) -> list[Snapshot]:
    found: list[Snapshot] = []
    after: str | None = None
    while True:
        page = world.portal.page(kind, properties=properties, associations=associations, after=after)
        assert len(page.snapshots) <= 100
        found += page.snapshots
        if (after := page.after) is None:
            return found


def sighted(world: World, since: datetime, until: datetime) -> list[str]:
    return [one.id for page in world.portal.changed(Kind.CONTACT, since, until) for one in page]


def by_property(outcomes: Iterator[Outcome]) -> dict[str, Outcome]:
    return {one.intent.change.property: one for one in outcomes}


def test_a_full_list_brings_every_living_contact_once_in_the_order_of_ids(world: World) -> None:
    ids = [world.contact(country=str(n)) for n in range(205)]
    world.remove(ids[3])

    found = listed(world, Kind.CONTACT, "country")

    assert [one.id for one in found] == [*ids[:3], *ids[4:]]
    assert [one.properties["country"] for one in found][:4] == ["0", "1", "2", "4"]


def test_a_kind_tells_how_many_living_objects_it_has(world: World) -> None:
    ids = [world.contact(country="Chile") for _ in range(3)]
    world.note(ids[0])
    world.remove(ids[1])
    world.passes()

    assert (world.portal.count(Kind.CONTACT), world.portal.count(Kind.NOTE)) == (2, 1)
    assert world.portal.count(Kind.DEAL) == 0


def test_a_page_can_be_asked_for_again(world: World) -> None:
    for n in range(105):
        world.contact(country=str(n))
    first = world.portal.page(Kind.CONTACT, properties=(), associations=(), after=None)

    again = [
        world.portal.page(Kind.CONTACT, properties=(), associations=(), after=first.after) for _ in range(2)
    ]

    assert again[0].snapshots == again[1].snapshots
    assert len(again[0].snapshots) == 5


def test_a_list_names_every_kind_of_association_that_was_asked_for_and_no_other(world: World) -> None:
    alone, employed = world.contact(), world.contact()
    company = world.company(employed)

    found = {one.id: one for one in listed(world, Kind.CONTACT, associations=(Kind.COMPANY,))}

    assert found[alone].associations == {Kind.COMPANY: ()}
    assert found[employed].associations == {Kind.COMPANY: (Association(company, is_primary=True),)}


def test_associations_are_read_for_each_id_that_was_asked_for(world: World) -> None:
    one, two = world.contact(), world.contact()
    note, lonely = world.note(one, two), world.note()

    found = world.portal.associations(Kind.NOTE, Kind.CONTACT, [note, lonely, "999999"])

    assert {end.id for end in found[note]} == {one, two}
    assert (found[lonely], found["999999"]) == ((), ())


def test_an_engagement_is_an_event(world: World) -> None:
    world.note()

    (found,) = listed(world, Kind.NOTE)

    assert found.event is not None
    assert found.event.source == "notes"


def test_a_search_finds_what_was_modified_in_the_window_with_both_ends(world: World) -> None:
    early = world.contact()
    since = world.passes()
    first, second = world.contact(), world.contact()
    until = world.passes()
    late = world.contact()
    world.passes()

    found = sighted(world, since, until)

    assert early not in found
    assert found[:2] == [first, second]
    assert late not in sighted(world, since, until - timedelta(milliseconds=1))


def test_an_edit_brings_a_contact_into_the_next_window(world: World) -> None:
    contact = world.contact(country="BE")
    since = world.passes()
    world.edit(contact, "country", "NL")
    until = world.passes()

    assert sighted(world, since, until) == [contact]


def test_a_search_of_a_quiet_window_finds_nobody(world: World) -> None:
    world.contact()
    since = world.passes() + timedelta(seconds=5)

    assert sighted(world, since, since + timedelta(seconds=5)) == []


def test_a_reading_answers_by_the_ids_that_were_asked_for(world: World) -> None:
    here, gone = world.contact(country="BE"), world.contact()
    world.remove(gone)

    reading = world.portal.read(Kind.CONTACT, [here, gone, "999999"], properties=("country",))

    assert {asked: one.id for asked, one in reading.snapshots.items()} == {here: here}
    assert reading.snapshots[here].properties == {"country": "BE"}
    assert set(reading.missing) == {gone, "999999"}
    assert not reading.unreadable


def test_reading_nothing_costs_nothing(world: World) -> None:
    assert world.portal.read(Kind.CONTACT, [], properties=("country",)).snapshots == {}
    assert world.portal.associations(Kind.CONTACT, Kind.COMPANY, []) == {}
    assert list(world.portal.update([])) == []


def test_g2_what_was_written_is_shown_and_has_an_outcome_each(world: World) -> None:
    contact = world.contact(lifecyclestage="subscriber")

    outcomes = by_property(
        world.portal.update([intent(contact, STAGE, "lead", "subscriber"), intent(contact, Own.GRADE, "A1")])
    )

    assert {name: one.result for name, one in outcomes.items()} == {
        STAGE: Result.APPLIED,
        Own.GRADE: Result.APPLIED,
    }
    shown = world.portal.shown([contact], (STAGE, Own.GRADE)).snapshots[contact].properties
    assert shown == {STAGE: "lead", Own.GRADE: "A1"}


def test_a_cleared_property_is_shown_as_none(world: World) -> None:
    contact = world.contact()
    list(world.portal.update([intent(contact, Own.GRADE, "A1")]))

    (outcome,) = world.portal.update([intent(contact, Own.GRADE, "", "A1")])

    assert outcome.result is Result.APPLIED
    assert world.portal.shown([contact], (Own.GRADE,)).snapshots[contact].properties == {Own.GRADE: None}


def test_g2_a_move_backward_that_the_portal_ignores_has_failed(world: World) -> None:
    contact = world.contact(lifecyclestage="customer")

    (outcome,) = world.portal.update([intent(contact, STAGE, "lead", "customer")])

    assert (outcome.result, outcome.shown) == (Result.FAILED, "customer")
    assert outcome.problem


def test_g4_the_history_tells_who_was_last(world: World) -> None:
    learnt(world)
    contact = world.contact(lifecyclestage="subscriber")
    list(world.portal.update([intent(contact, STAGE, "lead", "subscriber")]))
    world.passes()
    ours = world.portal.history(STAGE, [contact])[contact][0]
    world.edit(contact, STAGE, "opportunity")

    newest, before, *_ = world.portal.history(STAGE, [contact])[contact]

    assert (ours.value, ours.is_ours, ours.is_person) == ("lead", True, False)
    assert (newest.value, newest.is_ours, newest.is_person) == ("opportunity", False, True)
    assert before == ours
    assert newest.at > before.at


def learnt(world: World) -> None:
    """Let the portal edge learn our own app from a first write."""
    list(world.portal.update([intent(world.contact(), Own.GRADE, "A1")]))
    world.passes()


def looked_back(world: World, one: Intent) -> tuple[Fate, str | None]:
    (seen,) = world.portal.look_back([one])
    assert seen.intent == one
    return seen.fate, seen.shown


def intent_now(world: World, contact: str, after: str) -> Intent:
    world.passes()
    return replace(intent(contact, STAGE, after, "subscriber"), at=world.passes())


@pytest.mark.parametrize("is_known", [True, False], ids=["our app is known", "our app is not known yet"])
def test_g2_a_value_that_is_there_arrived_only_if_we_wrote_it(world: World, is_known: bool) -> None:
    if is_known:
        learnt(world)
    ours, theirs = world.contact(lifecyclestage="subscriber"), world.contact(lifecyclestage="subscriber")
    one, other = intent_now(world, ours, "lead"), intent_now(world, theirs, "lead")
    list(world.portal.update([one]))
    world.edit(theirs, STAGE, "lead")

    assert looked_back(world, one) == (Fate.ARRIVED, "lead")
    assert looked_back(world, other) == (Fate.OVERTAKEN, "lead")


def test_g2_what_a_merged_contact_shows_is_no_proof_of_what_one_of_them_was_sent(world: World) -> None:
    learnt(world)
    kept, away = world.contact(lifecyclestage="subscriber"), world.contact(lifecyclestage="subscriber")
    lost = intent_now(world, away, "lead")
    list(world.portal.update([intent_now(world, kept, "lead")]))
    world.merge(kept, away)

    assert looked_back(world, lost) == (Fate.UNTOLD, "lead")


@pytest.mark.parametrize("since", ["subscriber", "opportunity"])
def test_g3_what_we_wrote_arrived_whatever_was_done_since(world: World, since: str) -> None:
    learnt(world)
    contact = world.contact(lifecyclestage="subscriber")
    one = intent_now(world, contact, "lead")
    list(world.portal.update([one]))
    world.passes()
    world.edit(contact, STAGE, since)

    assert looked_back(world, one) == (Fate.ARRIVED, since)


def test_g2_what_we_wrote_before_the_intent_is_no_proof_that_it_arrived(world: World) -> None:
    learnt(world)
    contact = world.contact(lifecyclestage="subscriber")
    list(world.portal.update([intent_now(world, contact, "lead")]))
    world.passes()
    world.edit(contact, STAGE, "opportunity")
    for _ in range(5):
        world.passes()
    again = replace(intent(contact, STAGE, "lead", "opportunity"), at=world.passes())

    assert looked_back(world, again) == (Fate.AS_BEFORE, "opportunity")


def test_g3_what_nobody_touched_is_as_before(world: World) -> None:
    learnt(world)
    contact = world.contact(lifecyclestage="subscriber")

    assert looked_back(world, intent_now(world, contact, "lead")) == (Fate.AS_BEFORE, "subscriber")


def test_g4_what_a_person_chose_again_is_overtaken(world: World) -> None:
    learnt(world)
    contact = world.contact(lifecyclestage="subscriber")
    one = intent_now(world, contact, "lead")
    world.edit(contact, STAGE, "opportunity")
    world.passes()
    world.edit(contact, STAGE, "subscriber")

    assert looked_back(world, one) == (Fate.OVERTAKEN, "subscriber")


def test_a_contact_that_is_gone_is_said_to_be(world: World) -> None:
    contact = world.contact(lifecyclestage="subscriber")
    one = intent_now(world, contact, "lead")
    world.remove(contact)

    assert looked_back(world, one) == (Fate.GONE, None)


def test_submissions_come_newest_first_until_the_last_page(world: World) -> None:
    form = next(one for one in world.portal.forms() if one.name == "Book a demo")
    for n in range(60):
        world.passes()
        world.submit(form, f" Jane{n}@Acme.example ")
    found: list[Submission] = []
    after: str | None = None
    while True:
        page = world.portal.submissions(form, after)
        found += page.submissions
        if (after := page.after) is None:
            break

    assert [one.email for one in found][:60] == [f"jane{n}@acme.example" for n in reversed(range(60))]
    assert len({one.id for one in found}) == len(found)
    assert {(one.form_id, one.form) for one in found} == {(form.id, "Book a demo")}


def test_the_portals_clock_moves_on(world: World) -> None:
    world.contact()
    before = world.portal.now()
    world.passes()
    world.passes()
    listed(world, Kind.CONTACT)

    assert world.portal.now() > before
    assert world.portal.now().tzinfo is not None
