"""The mirror, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from crmsync.model import (
    STAGE,
    Association,
    ContactId,
    Cursor,
    Deal,
    Draft,
    Event,
    Gone,
    Intake,
    Kind,
    Signal,
    Snapshot,
    Version,
)
from crmsync.store import Store
from crmsync.store.mirror import mirror
from tests.stores import (
    NOON,
    Clock,
    a_call,
    a_company,
    a_contact,
    a_deal,
    a_submission,
    due_ids,
    known,
    take,
)


def test_a_stream_never_read_is_at_its_beginning(store: Store) -> None:
    assert store.mirror.cursor("contacts") == Cursor("contacts")


def test_a_cursor_comes_back_as_it_was_taken(store: Store) -> None:
    cursor = Cursor("calls", NOON, "33452", 3, NOON + timedelta(microseconds=7))
    store.mirror.take(Intake(cursor=cursor))

    assert store.mirror.cursor("calls") == cursor
    assert store.mirror.cursors() == (cursor,)


def test_a_snapshot_comes_back_as_it_was_taken(store: Store) -> None:
    contact = a_contact(
        emails=("ann@example.com", "b@example.com"),
        stage_entered_at=NOON,
        merged_ids=("7", "8"),
        companies=[Association("9", is_primary=True), "10"],
        deals=[],
        jobtitle="CTO",
        phone=None,
    )
    call = a_call("55", ["101", "102"])
    deal = a_deal("5", "won", contacts=["101"])
    take(store, contact, call, deal, a_company("9", name="Nine"))

    found = store.mirror.snapshots(Kind.CONTACT, ["101", "unknown"])
    assert found.keys() == {"101"}
    assert found["101"].associations[Kind.COMPANY] == (
        Association("10"),
        Association("9", is_primary=True),
    )
    # the deal named the contact from its side: the contact shows it too
    assert found["101"].associations[Kind.DEAL] == (Association("5"),)
    assert (found["101"].properties, found["101"].emails, found["101"].merged_ids) == (
        contact.properties,
        contact.emails,
        contact.merged_ids,
    )
    assert (found["101"].stage_entered_at, found["101"].modified_at) == (NOON, NOON)
    assert store.mirror.snapshots(Kind.CALL, ["55"]) == {"55": call}
    assert store.mirror.snapshots(Kind.DEAL, ["5"]) == {"5": deal}


def test_associations_of_a_kind_not_asked_for_stay(store: Store) -> None:
    take(store, a_contact(companies=["9"], deals=["5"]))
    take(store, a_contact(companies=["10"]))

    associations = store.mirror.snapshots(Kind.CONTACT, ["101"])["101"].associations
    assert associations == {Kind.COMPANY: (Association("10"),), Kind.DEAL: (Association("5"),)}


def test_the_company_marked_primary_counts(store: Store) -> None:
    take(store, a_contact(companies=["7", Association("90", is_primary=True)]), a_company("7", name="Seven"))
    take(store, a_company("90", name="Ninety"))

    assert known(store).contact.company == {"name": "Ninety"}


def test_without_a_primary_company_the_lowest_id_counts_by_number(store: Store) -> None:
    take(
        store,
        a_contact(companies=["100", "99"]),
        a_company("100", name="Hundred"),
        a_company("99", name="99"),
    )

    assert known(store).contact.company == {"name": "99"}


def test_the_company_side_does_not_forget_which_one_is_primary(store: Store) -> None:
    take(store, a_contact(companies=["7", Association("90", is_primary=True)]))
    company = Snapshot(
        Kind.COMPANY, "90", NOON, {"name": "Ninety"}, associations={Kind.CONTACT: (Association("101"),)}
    )
    take(store, company, a_company("7", name="Seven"))

    assert known(store).contact.company == {"name": "Ninety"}


def test_what_is_gone_does_not_count(store: Store) -> None:
    take(store, a_contact(companies=["7", "9"], deals=["5"]), a_company("7"), a_company("9", name="Nine"))
    take(store, a_deal("5"), a_call("55", ["101"]), a_call("56", ["101"]))
    store.mirror.take(
        Intake(gone=(Gone(Kind.COMPANY, "7"), Gone(Kind.DEAL, "5"), Gone(Kind.CALL, "55"))),
    )

    contact = known(store).contact
    assert (contact.company, contact.deals, len(contact.events)) == ({"name": "Nine"}, (), 1)
    assert store.mirror.modified(Kind.CALL, ["55", "56"]) == {"56": NOON}
    assert store.mirror.snapshots(Kind.CALL, ["55"])["55"].archived


def test_a_contact_knows_its_deals_and_events(store: Store) -> None:
    take(
        store, a_contact(emails=("ann@example.com",), deals=["5"]), a_deal("5", "won"), a_call("55", ["101"])
    )
    store.mirror.take(
        Intake(
            submissions=(a_submission("s-1", "ann@example.com"), a_submission("s-2", "else@example.com")),
            signals=(Signal(ContactId("101"), "hs_email_open", NOON, 3),),
        )
    )

    contact = known(store).contact
    assert contact.deals == (Deal("won", "100"),)
    assert contact.events == (
        Event("calls", NOON, {"direction": "INBOUND", "duration": 61.5}),
        Event("forms", NOON, {"form": "Book a demo", "form_id": "f-1", "page": "https://example.com/demo"}),
        Event("counter", NOON, of="contact.hs_email_open", count=3),
    )


def test_an_engagement_nobody_can_date_keeps_its_event(store: Store) -> None:
    take(store, a_contact(), a_call("55", ["101"], at=None))

    assert known(store).contact.events[0].at is None


def test_signals_follow_a_contact_into_the_one_it_was_merged_into(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"))
    store.mirror.take(Intake(signals=(Signal(ContactId("101"), "opens", NOON, 3),)))
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101", into="102"),)))

    assert [event.count for event in known(store, "102").contact.events] == [3]


def test_g7_engagements_follow_a_contact_into_the_one_it_was_merged_into(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"), a_call("55", ["101"]), a_call("56", ["101", "102"]))

    gone = tuple(Gone(Kind.CONTACT, one, into="201") for one in ("101", "102"))
    store.mirror.take(Intake(snapshots=(a_contact("201", merged_ids=("101", "102")),), gone=gone))

    assert [event.source for event in known(store, "201").contact.events] == ["calls", "calls"]


def test_g7_a_known_contact_into_which_another_was_merged_is_due(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"))
    store.mirror.settled([ContactId("101"), ContactId("102")], NOON)

    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101", into="102"),)))

    assert [one.contact.id for some in store.mirror.due(10) for one in some] == ["102"]


def test_a_counter_that_jumps_beyond_all_bounds_is_stored(store: Store) -> None:
    take(store, a_contact("101"))

    store.mirror.take(Intake(signals=(Signal(ContactId("101"), "opens", NOON, 10**18),)))

    assert known(store).contact.events[0].count >= 10**9


@pytest.mark.parametrize("slice_size", [1, 2, 100])
def test_slices_come_in_the_order_of_numbers_and_miss_nobody(store: Store, slice_size: int) -> None:
    take(store, *(a_contact(id_) for id_ in ("100", "9", "abc", "20", "3")))

    slices = list(store.mirror.all(slice_size))
    assert [m.contact.id for some in slices for m in some] == ["3", "9", "20", "100", "abc"]
    assert all(len(some) <= slice_size for some in slices)


def test_due_contacts_can_be_settled_while_they_are_read(store: Store) -> None:
    ids = [str(number) for number in range(1, 8)]
    take(store, *(a_contact(id_) for id_ in ids), due=[(Kind.CONTACT, id_) for id_ in ids])

    seen = []
    for some in store.mirror.due(2):
        seen += [mirrored.contact.id for mirrored in some]
        store.mirror.settled([mirrored.contact.id for mirrored in some], NOON)

    assert (seen, due_ids(store)) == (ids, [])


def test_a_contact_is_due_only_when_the_intake_says_so(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"), due=[(Kind.CONTACT, "102")])

    assert due_ids(store) == ["102"]
    assert store.mirror.due_count() == 1


@pytest.mark.parametrize(
    ("kind", "news"),
    [
        pytest.param(Kind.COMPANY, a_company("9", name="New"), id="company"),
        pytest.param(Kind.DEAL, a_deal("9", "won"), id="deal"),
        pytest.param(Kind.CALL, a_call("9"), id="engagement"),
    ],
)
def test_news_of_a_neighbour_makes_its_contacts_due(store: Store, kind: Kind, news: Snapshot) -> None:
    neighbour = Snapshot(
        kind, "9", NOON, {}, associations={Kind.CONTACT: (Association("101"), Association("103"))}
    )
    take(store, a_contact("101"), a_contact("102"), a_contact("103"), neighbour)
    take(store, news, due=[(kind, "9")])

    assert due_ids(store) == ["101", "103"]


def test_contacts_a_neighbour_left_and_contacts_it_joined_are_due(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"), a_contact("103"), a_call("55", ["101", "103"]))
    take(store, a_call("55", ["102", "103"]), due=[(Kind.CALL, "55")])

    assert due_ids(store) == ["101", "102", "103"]
    assert known(store, "101").contact.events == ()


def test_a_submission_makes_every_owner_of_its_address_due_once(store: Store) -> None:
    take(store, a_contact("101", emails=("ann@example.com",)), a_contact("102", emails=("b@example.com",)))
    intake = Intake(submissions=(a_submission("s-1", "ann@example.com"),))
    store.mirror.take(intake)
    first = due_ids(store)
    store.mirror.settled([ContactId("101")], NOON)
    store.mirror.take(intake)

    assert (first, due_ids(store)) == (["101"], [])
    assert len(known(store).contact.events) == 1
    assert store.mirror.known_submissions("f-1", ["s-1", "s-2"]) == {"s-1"}
    assert store.mirror.known_submissions("f-2", ["s-1"]) == frozenset()


def test_an_address_that_moves_makes_both_owners_due(store: Store) -> None:
    take(store, a_contact("101", emails=("ann@example.com",)), a_contact("102"))
    store.mirror.take(Intake(submissions=(a_submission("s-1", "ann@example.com"),)))
    store.mirror.settled([ContactId("101")], NOON)
    take(store, a_contact("101"), a_contact("102", emails=("ann@example.com",)))

    assert due_ids(store) == ["101", "102"]
    assert [len(known(store, id_).contact.events) for id_ in ("101", "102")] == [0, 1]


def test_an_address_without_submissions_makes_nobody_due(store: Store) -> None:
    take(store, a_contact(emails=("ann@example.com",)))
    take(store, a_contact(emails=("new@example.com",)))

    assert due_ids(store) == []


def test_submissions_without_an_address_belong_to_nobody(store: Store) -> None:
    take(store, a_contact(emails=("",)))
    store.mirror.take(Intake(submissions=(a_submission("s-1", ""),)))

    assert known(store).contact.events == ()


def test_the_same_intake_twice_changes_nothing_more(store: Store, clock: Clock) -> None:
    intake = Intake(
        snapshots=(
            a_contact(emails=("ann@example.com",), companies=["9"]),
            a_company("9"),
            a_call("55", ["101"]),
        ),
        submissions=(a_submission("s-1", "ann@example.com"),),
        sweep=1,
    )
    store.mirror.take(intake)
    first = known(store)
    clock.forward(minutes=1)
    store.mirror.take(intake)

    assert known(store) == first


def test_a_merged_id_leads_to_the_contact_it_was_merged_into(store: Store) -> None:
    take(store, a_contact("101", emails=("ann@example.com",)), a_contact("102"), a_contact("103"))
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101", into="102"),)))
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "102", into="103"),)))

    assert known(store, "101").contact.id == "103"
    assert store.mirror.find("101") == "103"
    assert store.mirror.find(" Ann@Example.com ") == "103"
    assert store.mirror.family(ContactId("102")) == ("103", "102", "101")
    assert store.mirror.size() == 1


def test_a_contact_that_tells_of_its_merged_ids_is_found_by_them(store: Store) -> None:
    take(store, a_contact("201", merged_ids=("101", "102")))

    assert store.mirror.find("102") == "201"


def test_merges_in_a_circle_end(store: Store) -> None:
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "1", into="2"), Gone(Kind.CONTACT, "2", into="1"))))

    assert store.mirror.find("1") in {"1", "2"}
    assert set(store.mirror.family(ContactId("1"))) == {"1", "2"}


def test_nobody_is_found_by_what_is_unknown(store: Store) -> None:
    assert store.mirror.find("nobody@example.com") is None
    assert store.mirror.find("999") is None
    assert store.mirror.contact(ContactId("999")) is None


def test_a_deleted_contact_is_found_but_does_not_live(store: Store) -> None:
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101"),), due=((Kind.CONTACT, "101"),)))

    assert store.mirror.find("101") == "101"
    assert store.mirror.contact(ContactId("101")) is None
    assert (due_ids(store), list(store.mirror.all(10)), store.mirror.size()) == ([], [], 0)


def test_a_restored_contact_lives_again(store: Store) -> None:
    take(store, a_contact())
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101", into="102"),)))
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])

    assert due_ids(store) == ["101"]
    assert known(store).contact.id == "101"


def test_an_archived_snapshot_is_gone(store: Store) -> None:
    take(store, a_contact(archived=True), a_call("55", ["101"], archived=True))

    assert store.mirror.size() == 0
    assert store.mirror.modified(Kind.CALL, ["55"]) == {}


def test_what_a_sweep_did_not_show_is_unseen(store: Store) -> None:
    store.mirror.take(Intake(snapshots=tuple(a_contact(str(n)) for n in range(1, 1_203)), sweep=1))
    store.mirror.take(Intake(snapshots=(a_contact("5"), a_contact("7")), sweep=2))
    take(store, a_contact("8"))  # read apart: the sweep itself has still not shown it

    pages = list(store.mirror.unseen(Kind.CONTACT, 2))
    unseen = {id_ for page in pages for id_ in page}
    assert len(pages) > 1
    assert unseen == {str(n) for n in range(1, 1_203)} - {"5", "7"}
    store.mirror.take(Intake(gone=tuple(Gone(Kind.CONTACT, id_) for id_ in unseen)))
    assert list(store.mirror.unseen(Kind.CONTACT, 2)) == []


def test_a_tick_makes_every_living_contact_due(store: Store) -> None:
    take(store, a_contact("1"), a_contact("2"), a_contact("3", archived=True))

    assert store.mirror.mark_all_due() == 2
    assert due_ids(store) == ["1", "2"]


def test_a_tick_that_takes_several_statements_leaves_nobody_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_MARKED_AT_ONCE", 2)
    take(store, *(a_contact(id_, archived=id_ == "100") for id_ in ("9", "10", "100", "2", "x-1")))

    assert store.mirror.mark_all_due() == 4
    assert due_ids(store) == ["2", "9", "10", "x-1"]


def test_the_stage_is_entered_when_the_portal_says_so(store: Store) -> None:
    take(store, a_contact(stage_entered_at=NOON - timedelta(days=3)))

    assert known(store).contact.stage_entered_at == NOON - timedelta(days=3)


def test_where_the_portal_is_silent_the_stage_is_entered_when_we_saw_it_change(
    store: Store, clock: Clock
) -> None:
    take(store, a_contact(stage="lead"))
    nobody_knows = known(store).contact.stage_entered_at
    seen_at = clock.forward(hours=1)
    take(store, a_contact(stage="opportunity"))
    clock.forward(hours=1)
    take(store, a_contact(stage="opportunity", jobtitle="CTO"))

    assert nobody_knows is None
    assert known(store).contact.stage_entered_at == seen_at


def test_who_set_the_stage_is_known_until_the_stage_changes(store: Store) -> None:
    version = Version("lead", NOON, "CRM_UI", "userId:1", is_person=True)
    store.mirror.take(Intake(snapshots=(a_contact(),), versions={ContactId("101"): version}))
    first = known(store).stage_version
    take(store, a_contact(jobtitle="CTO"))
    second = known(store).stage_version
    take(store, a_contact(stage="customer"))

    assert (first, second, known(store).stage_version) == (version, version, None)


def test_shown_holds_what_crmsync_writes(store: Store) -> None:
    take(store, a_contact(crmsync_fit="40", jobtitle="CTO"))

    assert known(store).shown == {STAGE: "lead", "crmsync_fit": "40"}


def test_news_and_its_entries_are_taken_together_or_not_at_all(store: Store) -> None:
    unusable = Draft("finding", reason={"bad": object()})
    with pytest.raises(TypeError):
        store.mirror.take(
            Intake(snapshots=(a_contact(),), entries=(unusable,), cursor=Cursor("contacts", NOON))
        )

    assert store.mirror.size() == 0
    assert store.mirror.cursor("contacts") == Cursor("contacts")
    assert store.trail.head().seq == 0


def test_texts_no_database_can_hold_are_taken_all_the_same(store: Store) -> None:
    odd = "a\x00b\U0001f600\u2028'\";--"
    take(store, a_contact(emails=("o\x00d@example.com",), jobtitle=odd))
    store.mirror.take(Intake(submissions=(a_submission("s-1", "o\x00d@example.com"),)))
    store.trail.append([Draft("change.foreign", object="contact", id="101", before=odd, after="\ud800")])

    assert known(store).contact.properties["jobtitle"] == odd
    assert len(known(store).contact.events) == 1
    assert store.trail.verify().entries == 1


def test_instants_keep_their_microseconds_in_any_year(store: Store) -> None:
    early = datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC)
    take(store, a_contact(modified_at=early))

    assert store.mirror.modified(Kind.CONTACT, ["101"]) == {"101": early}


def test_the_funnel_counts_living_contacts_by_stage(store: Store) -> None:
    take(store, a_contact("1"), a_contact("2"), a_contact("3", stage=None), a_contact("4", archived=True))

    assert store.mirror.stages() == {"lead": 2, None: 1}


def test_a_hundred_associations_need_no_more_queries_than_one(store: Store) -> None:
    take(store, *(a_contact(str(n), companies=["9"]) for n in range(1, 120)), a_company("9", name="Nine"))
    take(store, *(a_call(str(n), ["1", "2"]) for n in range(1_000, 1_700)))

    slices = list(store.mirror.all(200))
    assert [len(m.contact.events) for m in slices[0][:3]] == [700, 700, 0]
    assert all(m.contact.company == {"name": "Nine"} for m in slices[0])
