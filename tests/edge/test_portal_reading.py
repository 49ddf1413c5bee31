"""What the gateway reads, from a real portal over HTTP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from crmsync.errors import PortalError, Rejected, Unauthorized, Unavailable
from crmsync.model import STAGE, Association, ContactId, Deal, Kind, Own, Page, Snapshot
from tests.served import VERSIONS, Served, served

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"


@pytest.fixture(params=VERSIONS)
def each(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(api_version=request.param) as both:
        yield both


@pytest.fixture
def both() -> Iterator[Served]:
    with served() as running:
        yield running


def whole_list(both: Served, kind: Kind, *, associations: tuple[Kind, ...] = ()) -> list[Snapshot]:
    found: list[Snapshot] = []
    after: str | None = None
    while True:
        page = both.gateway.page(kind, properties=(), associations=associations, after=after)
        found += page.snapshots
        after = page.after
        if after is None:
            return found


def the_one(both: Served, kind: Kind, *properties: str, associations: tuple[Kind, ...] = ()) -> Snapshot:
    page = both.gateway.page(kind, properties=properties, associations=associations, after=None)
    assert not page.unreadable
    (found,) = page.snapshots
    return found


# --- lists -------------------------------------------------------------------------------------------------------


def test_g7_a_list_brings_everyone_once_in_the_order_of_ids(each: Served) -> None:
    ids = [each.create(email=f"c{n}@acme.example") for n in range(230)]

    found = [one.id for one in whole_list(each, Kind.CONTACT)]

    assert found == sorted(ids, key=int)
    assert each.requests("objects") == 3


def test_a_snapshot_has_the_texts_that_were_asked_for(each: Served) -> None:
    contact = each.create(email="Jane@Acme.example", country="BE", lifecyclestage="lead")
    each.sandbox.edits.raw(
        contact, {"hs_additional_emails": " J@x.example;jane@acme.example", "jobtitle": ""}
    )

    found = the_one(each, Kind.CONTACT, "country", "jobtitle", "no_such_property")

    assert found.id == contact
    assert found.properties == {"country": "BE", "jobtitle": None}
    assert found.emails == ("jane@acme.example", "j@x.example")
    assert found.modified_at == each.time.wall()


def test_archived_ones_are_listed_apart(both: Served) -> None:
    living, dead = both.create(email="a@acme.example"), both.create(email="b@acme.example")
    both.sandbox.edits.archive(dead)

    page = both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None, archived=True)

    assert [(one.id, one.archived) for one in page.snapshots] == [(dead, True)]
    assert [one.id for one in whole_list(both, Kind.CONTACT)] == [living]


def test_more_properties_than_fit_into_a_url_are_read_apart(each: Served) -> None:
    contact = each.create(email="a@acme.example", country="BE")
    company = each.sandbox.edits.create("companies", {"name": "Acme"})
    each.sandbox.edits.associate("contacts", contact, "companies", company)
    names = ["country", *(f"a_property_with_a_rather_long_name_{n}" for n in range(300))]

    found = the_one(each, Kind.CONTACT, *names, associations=(Kind.COMPANY,))

    assert found.properties == {"country": "BE"}
    assert found.associations == {Kind.COMPANY: (Association(company, is_primary=True),)}


def test_a_stage_is_entered_when_its_best_date_says(each: Served) -> None:
    contact = each.create(email="a@acme.example", lifecyclestage="subscriber")
    entered = each.time.wall()
    assert the_one(each, Kind.CONTACT).stage_entered_at == entered
    each.sandbox.edits.raw(contact, {"hs_v2_date_entered_current_stage": ""})
    assert the_one(each, Kind.CONTACT).stage_entered_at == entered
    each.sandbox.edits.raw(contact, {"hs_v2_date_entered_subscriber": ""})
    each.sandbox.edits.raw(contact, {"hs_lifecyclestage_subscriber_date": "2026-01-02T03:04:05Z"})
    assert the_one(each, Kind.CONTACT).stage_entered_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    each.sandbox.edits.raw(contact, {"hs_lifecyclestage_subscriber_date": "some day"})
    assert the_one(each, Kind.CONTACT).stage_entered_at is None


def test_the_date_of_a_custom_stage_is_read_too(both: Served) -> None:
    both.sandbox.edits.add_stage("51439524", "Trial", 3)
    contact = both.create(email="a@acme.example", lifecyclestage="51439524")
    both.sandbox.edits.raw(contact, {"hs_v2_date_entered_current_stage": ""})

    assert the_one(both, Kind.CONTACT).stage_entered_at == both.time.wall()


# --- associations ------------------------------------------------------------------------------------------------


def a_contact_with_companies(both: Served, count: int) -> tuple[ContactId, list[str]]:
    contact = both.create(email=f"c{count}@acme.example")
    companies = [both.sandbox.edits.create("companies", {"name": f"Acme {n}"}) for n in range(count)]
    for company in companies:
        both.sandbox.edits.associate("contacts", contact, "companies", company)
    return contact, companies


def primaries(associations: tuple[Association, ...]) -> list[str]:
    return [one.id for one in associations if one.is_primary]


def test_the_only_company_is_the_primary_one(each: Served) -> None:
    contact, companies = a_contact_with_companies(each, 1)

    inline = the_one(each, Kind.CONTACT, associations=(Kind.COMPANY,)).associations[Kind.COMPANY]
    asked = each.gateway.associations(Kind.CONTACT, Kind.COMPANY, [contact])[contact]

    assert inline == asked == (Association(companies[0], is_primary=True),)


def test_of_several_companies_the_labelled_one_is_primary(each: Served) -> None:
    contact, companies = a_contact_with_companies(each, 4)
    each.sandbox.edits.associate("contacts", contact, "companies", companies[2], types=[1])

    inline = the_one(each, Kind.CONTACT, associations=(Kind.COMPANY,)).associations[Kind.COMPANY]
    asked = each.gateway.associations(Kind.CONTACT, Kind.COMPANY, [contact])[contact]

    assert {one.id for one in inline} == {one.id for one in asked} == set(companies)
    assert primaries(inline) == primaries(asked) == [companies[2]]


def test_where_the_contact_says_nothing_of_its_primary_company_the_labels_do(both: Served) -> None:
    contact, companies = a_contact_with_companies(both, 3)
    both.sandbox.edits.associate("contacts", contact, "companies", companies[1], types=[1])
    both.sandbox.edits.raw(contact, {"associatedcompanyid": ""})

    found = the_one(both, Kind.CONTACT, associations=(Kind.COMPANY,))

    assert primaries(found.associations[Kind.COMPANY]) == [companies[1]]


def test_a_contact_that_names_a_company_it_does_not_have_is_never_believed_again(both: Served) -> None:
    contact, companies = a_contact_with_companies(both, 2)
    both.sandbox.edits.associate("contacts", contact, "companies", companies[1], types=[1])
    both.sandbox.edits.raw(contact, {"associatedcompanyid": "987654321"})

    assert primaries(
        the_one(both, Kind.CONTACT, associations=(Kind.COMPANY,)).associations[Kind.COMPANY]
    ) == [companies[1]]
    both.sandbox.edits.raw(contact, {"associatedcompanyid": companies[0]})
    assert primaries(
        the_one(both, Kind.CONTACT, associations=(Kind.COMPANY,)).associations[Kind.COMPANY]
    ) == [companies[1]]


def test_g7_hundreds_of_associations_all_come(each: Served) -> None:
    contact = each.create(email="a@acme.example")
    notes = {each.sandbox.edits.create("notes", {"hs_timestamp": "0"}, [contact]) for _ in range(620)}

    inline = the_one(each, Kind.CONTACT, associations=(Kind.NOTE,)).associations[Kind.NOTE]
    asked = each.gateway.associations(Kind.CONTACT, Kind.NOTE, [contact])[contact]

    assert {one.id for one in inline} == {one.id for one in asked} == notes


def test_an_id_without_associations_has_none(each: Served) -> None:
    alone, nobody = each.create(email="a@acme.example"), "999"
    contact, companies = a_contact_with_companies(each, 1)

    found = each.gateway.associations(Kind.CONTACT, Kind.COMPANY, [alone, nobody, contact])

    assert found == {alone: (), nobody: (), contact: (Association(companies[0], is_primary=True),)}


NO_COMPANY = {"category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}


def answer_associations(
    both: Served, *, results: Sequence[object] = (), errors: Sequence[object] = ()
) -> None:
    answer = {"status": "COMPLETE", "results": results, "numErrors": len(errors), "errors": errors}
    both.sandbox.arm("replace", path="*/associations/*", status=207, body=json.dumps(answer))


@pytest.mark.parametrize("error", [{"message": "No company."}, NO_COMPANY])
def test_an_error_that_says_there_are_none_is_none(both: Served, error: Mapping[str, str]) -> None:
    answer_associations(both, errors=[error])

    assert both.gateway.associations(Kind.CONTACT, Kind.COMPANY, ["101"]) == {"101": ()}


def test_g7_g12_associations_that_could_not_be_read_are_left_out_and_the_others_come(both: Served) -> None:
    shown = {"from": {"id": "103"}, "to": [{"toObjectId": "7", "associationTypes": []}]}
    spoilt = {"from": {"id": "104"}, "to": [{"toObjectId": "no id", "associationTypes": []}]}
    failed = {"category": "INTERNAL_ERROR", "context": {"fromObjectId": ["101"]}}
    answer_associations(both, results=[shown, spoilt], errors=[failed, NO_COMPANY])

    found = both.gateway.associations(Kind.CONTACT, Kind.COMPANY, ["101", "102", "103", "104"])

    assert found == {"102": (), "103": (Association("7", is_primary=True),)}


@pytest.mark.parametrize(
    "paging",
    [
        pytest.param([{"next": {"after": "B"}}, {"next": {"after": "A"}}], id="goes to and fro"),
        pytest.param([{"next": {"after": str(n)}} for n in range(6)], id="goes on without bringing anything"),
        pytest.param([{"next": "?"}], id="cannot be read"),
    ],
)
def test_g12_associations_without_an_end_are_left_out_and_the_others_come(
    both: Served, paging: Sequence[object]
) -> None:
    shown = {"from": {"id": "103"}, "to": [{"toObjectId": "7", "associationTypes": []}]}
    without_end = [{**shown, "from": {"id": "101"}, "paging": one} for one in paging]
    answer_associations(both, results=[without_end[0], shown])
    for one in without_end[1:]:
        answer_associations(both, results=[one])

    found = both.gateway.associations(Kind.CONTACT, Kind.COMPANY, ["101", "103"])

    assert found == {"103": (Association("7", is_primary=True),)}
    assert both.requests("/associations/") <= 2


def test_g7_a_failure_that_names_nobody_could_be_anybodys(both: Served) -> None:
    answer_associations(both, errors=[{"category": "INTERNAL_ERROR"}])

    with pytest.raises(Unavailable, match="associations"):
        both.gateway.associations(Kind.CONTACT, Kind.COMPANY, ["101"])


def test_g12_a_listed_contact_whose_associations_cannot_be_completed_is_unreadable(both: Served) -> None:
    contact, _ = a_contact_with_companies(both, 2)
    other = both.create(email="b@acme.example")
    both.sandbox.edits.raw(contact, {"associatedcompanyid": ""})  # so that its companies are read apart
    answer_associations(both, errors=[{"category": "INTERNAL_ERROR", "context": {"fromObjectId": [contact]}}])

    page = both.gateway.page(Kind.CONTACT, properties=(), associations=(Kind.COMPANY,), after=None)

    assert [one.id for one in page.snapshots] == [other]
    assert page.unreadable == {contact: "its associations with companies could not be read"}


def test_thousands_of_ids_take_one_request_a_thousand(both: Served) -> None:
    both.forget_requests()
    found = both.gateway.associations(Kind.CONTACT, Kind.CALL, [str(n) for n in range(1, 2_501)])

    assert len(found) == 2_500
    assert both.requests("associations") == 3


# --- events and deals --------------------------------------------------------------------------------------------

EVENTS = [
    (
        Kind.CALL,
        {
            "hs_call_direction": "OUTBOUND",
            "hs_call_disposition": CONNECTED,
            "hs_call_duration": "90500",
            "hs_call_status": "COMPLETED",
            "hs_call_title": "Intro",
        },
        {
            "direction": "OUTBOUND",
            "disposition": "connected",
            "duration": 90.5,
            "status": "COMPLETED",
            "title": "Intro",
        },
    ),
    (
        Kind.EMAIL,
        {"hs_email_direction": "EMAIL", "hs_email_status": "SENT", "hs_email_subject": "Hi"},
        {
            "direction": "EMAIL",
            "status": "SENT",
            "subject": "Hi",
            "opens": None,
            "clicks": None,
            "replies": None,
        },
    ),
    (
        Kind.TASK,
        {
            "hs_task_status": "COMPLETED",
            "hs_task_type": "CALL",
            "hs_task_priority": "HIGH",
            "hs_task_subject": "Ring",
        },
        {"status": "COMPLETED", "type": "CALL", "priority": "HIGH", "subject": "Ring"},
    ),
    (Kind.NOTE, {"hs_note_body": "x"}, {}),
    (Kind.COMMUNICATION, {"hs_communication_channel_type": "WHATS_APP"}, {"channel": "WHATS_APP"}),
    (
        Kind.MEETING,
        {"hs_meeting_outcome": "COMPLETED", "hs_meeting_title": "Demo"},
        {"outcome": "COMPLETED", "type": None, "title": "Demo"},
    ),
]


@pytest.mark.parametrize(("kind", "values", "attributes"), EVENTS)
def test_an_engagement_is_an_event(
    each: Served, kind: Kind, values: dict[str, str], attributes: dict[str, object]
) -> None:
    each.sandbox.edits.create(kind.value, {"hs_timestamp": "2026-11-20T09:00:00Z", **values})

    event = the_one(each, kind).event

    assert event is not None
    assert (event.source, event.at) == (kind.value, datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert event.attributes == attributes


def test_a_meeting_happens_when_it_starts(both: Served) -> None:
    both.sandbox.edits.create(
        "meetings", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_meeting_start_time": "1763629200000"}
    )

    event = the_one(both, Kind.MEETING).event

    assert event is not None
    assert event.at == datetime(2025, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", "-1", "99999999999999999", "2026-13-45"])
def test_g12_an_event_without_a_readable_instant_says_so(both: Served, value: str) -> None:
    note = both.sandbox.edits.create("notes", {"hs_timestamp": "0"})
    both.sandbox.edits.raw(note, {"hs_timestamp": value}, kind="notes")

    event = the_one(both, Kind.NOTE).event

    assert event is not None
    assert event.at is None


def test_a_deal_is_in_the_state_of_its_stage(each: Served) -> None:
    for stage in ("appointmentscheduled", "closedwon", "closedlost"):
        each.sandbox.edits.create("deals", {"dealstage": stage, "pipeline": "default", "amount": "12.50"})
    odd = each.sandbox.edits.create("deals", {"dealstage": "closedwon", "pipeline": "default"})
    each.sandbox.edits.raw(odd, {"dealstage": "a-stage-of-yesteryear"}, kind="deals")

    found = [one.deal for one in whole_list(each, Kind.DEAL)]

    assert found == [
        Deal("open", "12.50"),
        Deal("won", "12.50"),
        Deal("lost", "12.50"),
        Deal("open", None),
    ]
    assert each.requests("pipelines") == 1


# --- searches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.CONTACT, Kind.COMPANY, Kind.DEAL, Kind.CALL])
def test_g7_a_search_goes_by_the_right_property(each: Served, kind: Kind) -> None:
    early = each.sandbox.edits.create(kind.value, {})
    each.time.pass_by(60)
    since = each.time.wall()
    late = each.sandbox.edits.create(kind.value, {})
    each.sandbox.settle()

    (hits,) = each.gateway.changed(kind, since, since + timedelta(seconds=10))

    assert [one.id for one in hits] == [late] != [early]
    assert hits[0].modified_at == since


def test_g7_a_storm_of_equal_instants_is_found_whole(both: Served) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(1_150)]
    both.sandbox.edits.stamp(1_150)
    both.sandbox.settle()
    both.forget_requests()

    found = [
        one.id
        for page in both.gateway.changed(Kind.CONTACT, both.time.wall(), both.time.wall())
        for one in page
    ]

    assert found == ids
    assert both.requests("search") == 6


def test_g7_records_that_move_while_they_are_read_shift_nobody(both: Served) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(500)]
    both.sandbox.settle()
    until = both.time.wall()
    found: list[str] = []
    for page in both.gateway.changed(Kind.CONTACT, until, until):
        found += [one.id for one in page]
        both.time.pass_by(1)
        both.sandbox.edits.touch(ids[0])  # already read
        both.sandbox.edits.touch(ids[-1])  # not read yet: belongs to the next window
        both.sandbox.settle()

    assert found == ids[:-1]


def test_an_idle_window_takes_one_search(both: Served) -> None:
    both.gateway.now()
    both.forget_requests()
    assert list(both.gateway.changed(Kind.CONTACT, both.time.wall(), both.time.wall())) == []

    assert both.requests() == 1


def test_a_kind_is_counted_with_one_search(both: Served) -> None:
    for n in range(3):
        both.create(email=f"c{n}@acme.example")
    both.sandbox.settle()
    both.forget_requests()

    assert both.gateway.count(Kind.CONTACT) == 3
    assert both.requests("/search") == both.requests() == 1


@pytest.mark.parametrize("total", ['"many"', "true", "null", "[3]"])
def test_a_total_that_is_no_number_is_not_known(both: Served, total: str) -> None:
    both.gateway.now()
    both.sandbox.arm("replace", path="*/search", body=f'{{"total": {total}, "results": []}}')

    assert both.gateway.count(Kind.CONTACT) is None


def test_a_list_counts_what_it_brought_so_far(both: Served) -> None:
    for n in range(130):
        both.create(email=f"c{n}@acme.example")

    first = both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None)
    assert both.gateway.traffic().listed == 100
    both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=first.after)
    assert both.gateway.traffic().listed == 130


# --- batch reads -------------------------------------------------------------------------------------------------


def test_a_batch_read_takes_a_request_a_hundred(each: Served) -> None:
    ids = [each.create(email=f"c{n}@acme.example", country=str(n)) for n in range(205)]
    each.gateway.read(Kind.CONTACT, ids[:1], properties=())
    each.forget_requests()

    reading = each.gateway.read(Kind.CONTACT, [*ids, *ids[:3]], properties=("country",))

    assert {one: reading.snapshots[one].properties["country"] for one in ids} == {
        one: str(n) for n, one in enumerate(ids)
    }
    assert each.requests() == 3


def test_g7_what_is_gone_is_missing(each: Served) -> None:
    here, archived, erased = (each.create(email=f"c{n}@acme.example") for n in range(3))
    each.sandbox.edits.archive(archived)
    each.sandbox.edits.erase(erased)

    reading = each.gateway.read(Kind.CONTACT, [here, archived, erased, "424242"], properties=())

    assert set(reading.snapshots) == {here}
    assert set(reading.missing) == {archived, erased, "424242"}


def test_g7_a_merged_contact_answers_under_its_new_id(each: Served) -> None:
    one, two, three = (each.create(email=f"c{n}@acme.example") for n in range(3))
    merged = each.sandbox.edits.merge(one, two)

    reading = each.gateway.read(Kind.CONTACT, [one, two, three], properties=())

    assert {asked: found.id for asked, found in reading.snapshots.items()} == {
        one: merged,
        two: merged,
        three: three,
    }
    assert set(reading.snapshots[one].merged_ids) >= {one, two}
    assert reading.missing == ()


# --- history -----------------------------------------------------------------------------------------------------


def test_g4_a_history_tells_people_from_programs(each: Served) -> None:
    contact = each.create(email="a@acme.example", lifecyclestage="subscriber")
    each.time.pass_by(5)
    each.sandbox.edits.workflow(contact, {"lifecyclestage": "lead"})
    each.time.pass_by(5)
    each.sandbox.edits.human(contact, {"lifecyclestage": "salesqualifiedlead"}, user_id=7)

    versions = each.gateway.history("lifecyclestage", [contact])[contact]

    assert [(one.value, one.source, one.is_person, one.is_ours) for one in versions[:2]] == [
        ("salesqualifiedlead", "CRM_UI", True, False),
        ("lead", "AUTOMATION_PLATFORM", False, False),
    ]
    assert versions[0].actor == "CRM_UI userId:7"
    assert versions[0].at - versions[1].at == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("source", "source_id", "is_person"),
    [
        ("CRM_UI_BULK_ACTION", None, True),
        ("MOBILE_ANDROID", "x", True),
        (
            "SALES",
            "userId:47812075",
            True,
        ),  # a source this program has never heard of, and a person all the same
        ("AUTOMATION_PLATFORM", "enrollmentId:1", False),
        ("UNHEARD_OF", None, False),
    ],
)
def test_g4_whoever_has_a_user_id_is_a_person(
    both: Served, source: str, source_id: str | None, is_person: bool
) -> None:
    contact = both.create(email="a@acme.example")
    version = {
        "value": "lead",
        "timestamp": "2026-11-20T09:00:00Z",
        "sourceType": source,
        "sourceId": source_id,
    }
    row = {"id": contact, "properties": {}, "propertiesWithHistory": {STAGE: [version]}}
    both.sandbox.arm("replace", path="*/batch/read", body=json.dumps({"results": [row]}))

    (found,) = both.gateway.history(STAGE, [contact])[contact]

    assert found.is_person is is_person
    assert not found.is_ours


def test_histories_take_a_request_a_fifty(both: Served) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(120)]
    both.forget_requests()

    assert set(both.gateway.history("email", ids)) == set(ids)
    assert both.requests() == 3


# --- forms -------------------------------------------------------------------------------------------------------


def test_submissions_come_newest_first_fifty_at_a_time(each: Served) -> None:
    form = next(one for one in each.gateway.forms() if one.name == "Book a demo")
    for n in range(60):
        each.time.pass_by(1)
        each.sandbox.edits.submit(form.id, f" C{n}@Acme.example ", page="https://acme.example/demo")

    first = each.gateway.submissions(form, None)
    second = each.gateway.submissions(form, first.after)

    assert [one.email for one in first.submissions] == [f"c{n}@acme.example" for n in range(59, 9, -1)]
    assert [one.email for one in second.submissions[:10]] == [f"c{n}@acme.example" for n in range(9, -1, -1)]
    assert second.after is None
    assert len({one.id for one in (*first.submissions, *second.submissions)}) >= 60
    newest = first.submissions[0]
    assert (newest.form, newest.form_id, newest.page) == (form.name, form.id, "https://acme.example/demo")
    assert newest.at == each.time.wall()


def test_a_submission_has_the_same_id_at_every_reading_even_if_hubspot_gives_none(both: Served) -> None:
    (form, *_) = both.gateway.forms()
    value = {"name": "email", "value": "a@acme.example"}
    twice = {"submittedAt": 1_763_629_200_000, "values": [value], "pageUrl": "https://acme.example/"}
    other = {"submittedAt": 1_763_629_200_001, "values": [value, {"name": "x", "value": "1"}]}
    swapped = {"submittedAt": 1_763_629_200_001, "values": [{"name": "x", "value": "1"}, value]}
    for rows in ([other, twice, twice], [swapped, twice, twice]):
        both.sandbox.arm("replace", path="*/submissions/*", body=json.dumps({"results": rows}))

    before = [one.id for one in both.gateway.submissions(form, None).submissions]
    after = [one.id for one in both.gateway.submissions(form, None).submissions]

    assert before == after
    assert len(set(before)) == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, {"category": "FORM_TYPE_NOT_ALLOWED", "message": ""}, id="as its category"),
        pytest.param(400, {"errorType": "FORM_TYPE_NOT_ALLOWED"}, id="as its type"),
        pytest.param(
            400,
            {"category": "VALIDATION_ERROR", "message": "FORM_TYPE_NOT_ALLOWED: not for blog_comment"},
            id="in its sentence",
        ),
        pytest.param(404, {"message": "resource not found"}, id="deleted since it was listed"),
    ],
)
def test_a_form_whose_submissions_are_not_given_out_has_none(
    both: Served, status: int, body: dict[str, str]
) -> None:
    (form, *_) = both.gateway.forms()
    both.sandbox.arm("replace", path="*/submissions/*", status=status, body=json.dumps(body))

    assert both.gateway.submissions(form, None).submissions == ()


def test_g12_a_403_on_one_form_is_that_forms_and_a_401_the_tokens(both: Served) -> None:
    (form, *_) = both.gateway.forms()
    scopes = {"category": "MISSING_SCOPES", "context": {"requiredScopes": ["forms"]}}
    both.sandbox.arm("replace", path="*/submissions/*", status=403, body=json.dumps(scopes))
    both.sandbox.arm("replace", path="*/submissions/*", status=401, body="{}")

    with pytest.raises(Rejected, match="forms"):
        both.gateway.submissions(form, None)
    with pytest.raises(Unauthorized, match="token"):
        both.gateway.submissions(form, None)


def test_a_list_of_forms_that_goes_round_in_circles_is_told(both: Served) -> None:
    for n in range(50):
        body = {"results": [{"id": "ab"[n % 2], "name": "Demo"}], "paging": {"next": {"after": "AB"[n % 2]}}}
        both.sandbox.arm("replace", path="*/v3/forms*", body=json.dumps(body))

    with pytest.raises(Unavailable, match="paging of forms does not advance"):
        both.gateway.forms()
    assert both.requests("/v3/forms") < 10


def test_a_form_for_comments_is_left_out_and_one_without_a_name_is_not(both: Served) -> None:
    listed = [
        {"id": "a", "name": "Blog", "formType": "blog_comment"},
        {"id": "b", "name": None, "formType": "hubspot"},
        {"id": "c", "name": "Demo"},
    ]
    both.sandbox.arm("replace", path="*/v3/forms*", body=json.dumps({"results": listed}))

    assert [(one.id, one.name) for one in both.gateway.forms()] == [("b", ""), ("c", "Demo")]


# --- spelling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        (Own.FIT, "30.0", "30"),
        (Own.FIT, "1E2", "100"),
        (Own.FIT, "-0.50", "-0.5"),
        (Own.FIT, "0.0", "0"),
        (Own.FIT, "1E999999999", "1E999999999"),
        (Own.FIT, "thirty", "thirty"),
        (Own.FIT, "NaN", "NaN"),
        (Own.EVALUATED_AT, "1795348800000", "2026-11-22T12:00:00.000Z"),
        (Own.SLA_DUE_AT, "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.000Z"),
        (Own.SLA_DUE_AT, "soon", "soon"),
        (Own.REASON, "30.0", "30.0"),
        ("numberofemployees", "30.0", "30.0"),
        (Own.GRADE, "", None),
    ],
)
def test_g5_a_property_of_ours_is_read_as_it_is_written_however_the_portal_spells_it(
    both: Served, name: str, text: str, read: str | None
) -> None:
    contact = both.create(email="a@acme.example")
    raw = {"id": contact, "properties": {name: text}, "updatedAt": "2026-11-20T09:00:00Z"}
    both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None)
    both.sandbox.arm("replace", path="*/batch/read", body=json.dumps({"results": [raw]}))

    shown = both.gateway.read(Kind.CONTACT, [contact], properties=[name])

    assert shown.snapshots[contact].properties == {name: read}


# --- bad answers -------------------------------------------------------------------------------------------------


def test_g12_one_unreadable_record_of_a_page_is_set_aside(both: Served) -> None:
    good = {"id": "7", "properties": {}, "updatedAt": "2026-11-20T09:00:00Z"}
    rows = [
        good,
        {**good, "id": "8", "properties": {"email": {"a": 1}}},
        {**good, "id": "9", "updatedAt": "soon"},
        {**good, "id": "x"},
        17,
    ]
    both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None)
    both.sandbox.arm("replace", path="*/contacts", body=json.dumps({"results": rows}))

    page = both.gateway.page(Kind.CONTACT, properties=("email",), associations=(), after=None)

    assert [one.id for one in page.snapshots] == ["7"]
    assert set(page.unreadable) == {"8", "9", "#3", "#4"}


@pytest.mark.parametrize(
    "paging",
    [
        pytest.param({"next": {"after": "200"}}, id="stands still"),
        pytest.param({"next": {"after": "100"}}, id="goes back"),
        pytest.param({"next": {}}, id="says nothing"),
        pytest.param({"next": {"after": None}}, id="is null"),
        pytest.param([], id="is a list"),
        pytest.param("more", id="is a text"),
    ],
)
def test_g7_paging_that_cannot_be_followed_is_never_taken_for_the_end(both: Served, paging: object) -> None:
    both.gateway.page(Kind.NOTE, properties=(), associations=(), after=None)
    both.sandbox.arm("replace", path="*/notes", body=json.dumps({"results": [], "paging": paging}))
    both.sandbox.arm("503", path="*/search", count=None)  # by which the page could be read all the same

    with pytest.raises(Unavailable, match="paging"):
        both.gateway.page(Kind.NOTE, properties=(), associations=(), after="200")


def test_g7_a_batch_read_that_answers_nothing_is_not_a_deletion(both: Served) -> None:
    contact = both.create(email="a@acme.example")
    both.sandbox.arm("replace", path="*/batch/read", body='{"status": "COMPLETE", "results": []}', count=None)

    with pytest.raises(Unavailable) as caught:
        both.gateway.read(Kind.CONTACT, [contact], properties=())
    assert caught.value.next_step


def test_a_url_that_is_too_long_after_all_is_cut_short(both: Served) -> None:
    both.create(email="a@acme.example", country="BE")
    both.sandbox.arm("replace", path="*/contacts", status=414, body="URI Too Long")

    assert the_one(both, Kind.CONTACT, "country").properties == {"country": "BE"}


def test_g7_one_that_a_batch_left_out_without_a_word_is_asked_for_alone(both: Served) -> None:
    one, two = both.create(email="a@acme.example"), both.create(email="b@acme.example")
    row = {"id": one, "properties": {}, "updatedAt": "2026-11-20T09:00:00Z"}
    both.sandbox.arm("replace", path="*/batch/read", body=json.dumps({"results": [row]}))

    reading = both.gateway.read(Kind.CONTACT, [one, two], properties=())

    assert set(reading.snapshots) == {one, two}
    assert reading.missing == ()


# --- faults ------------------------------------------------------------------------------------------------------

FAULTS = [
    "burst",
    "search_limit",
    "unknown_429",
    "423",
    "500",
    "502",
    "503",
    "504",
    "521",
    "523",
    "524",
    "reset_before",
    "reset_after",
    "truncate",
    "html_200",
    "empty_200",
    "garbage",
    "hang",
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["*/contacts", "*/search", "*/batch/read", "*/associations/*"])
def test_g7_every_fault_is_survived_by_every_kind_of_read(fault: str, path: str) -> None:
    with served(timeout_s=0.1) as both:
        contact, companies = a_contact_with_companies(both, 1)
        both.sandbox.settle()
        both.sandbox.arm(fault, path=path, count=3, hang_s=0.15)

        assert the_one(both, Kind.CONTACT).id == contact
        ((hit,),) = both.gateway.changed(Kind.CONTACT, both.time.wall() - timedelta(days=1), both.time.wall())
        assert hit.id == contact
        assert set(both.gateway.read(Kind.CONTACT, [contact], properties=()).snapshots) == {contact}
        (company,) = both.gateway.associations(Kind.CONTACT, Kind.COMPANY, [contact])[contact]
        assert company.id == companies[0]


# --- whom HubSpot cannot answer for ------------------------------------------------------------------------------

REFUSALS = [400, 500]


def refuse(both: Served, object_id: str, status: int, *, path: str = "*/batch/read") -> None:
    """Let every request of this path that names it be answered so, for ever."""
    body = json.dumps({"status": "error", "category": "VALIDATION_ERROR", "message": "no"})
    both.sandbox.arm("replace", path=path, object=object_id, status=status, body=body, count=None)


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("places", [(0,), (57,), (99,), (0, 1), (49, 50, 99)])
def test_g12_one_that_spoils_every_batch_is_set_aside_and_the_others_are_read(
    both: Served, status: int, places: tuple[int, ...]
) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(100)]
    for place in places:
        refuse(both, ids[place], status)
    both.forget_requests()

    reading = both.gateway.read(Kind.CONTACT, ids, properties=("email",))

    assert set(reading.unreadable) == {ids[place] for place in places}
    assert set(reading.snapshots) == set(ids) - set(reading.unreadable)
    assert reading.missing == ()
    if status == 400 and len(places) == 1:
        assert both.requests("/batch/read") <= 15 + 2  # as many as halving takes, and two for anybody else


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_one_alone_that_is_refused_is_unreadable_too(both: Served, status: int) -> None:
    contact = both.create(email="a@acme.example")
    refuse(both, contact, status)

    reading = both.gateway.read(Kind.CONTACT, [contact], properties=())

    assert set(reading.unreadable) == {contact}
    assert "@" not in reading.unreadable[contact]


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_where_nobody_is_answered_for_nobody_is_unreadable(both: Served, status: int) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(30)]
    both.sandbox.arm("replace", path="*/batch/read", status=status, body="{}", count=None)
    both.forget_requests()

    with pytest.raises(PortalError):
        both.gateway.read(Kind.CONTACT, ids, properties=())
    assert both.requests("/batch/read") <= 2 * 5


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_one_that_is_left_out_and_refused_alone_is_unreadable(both: Served, status: int) -> None:
    one, two = both.create(email="a@acme.example"), both.create(email="b@acme.example")
    row = {"id": one, "properties": {}, "updatedAt": "2026-11-20T09:00:00Z"}
    both.sandbox.arm(
        "replace", path="*/batch/read", object=two, body=json.dumps({"results": [row]}), count=None
    )
    refuse(both, two, status, path=f"*/contacts/{two}")

    reading = both.gateway.read(Kind.CONTACT, [one, two], properties=())

    assert set(reading.snapshots) == {one}
    assert set(reading.unreadable) == {two}


def test_one_that_is_gone_has_no_history(both: Served) -> None:
    contact = both.create(email="a@acme.example", lifecyclestage="lead")
    both.sandbox.edits.archive(contact)

    assert both.gateway.history(STAGE, [contact]) == {contact: ()}


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_a_history_that_is_refused_leaves_the_others(both: Served, status: int) -> None:
    ids = [both.create(email=f"c{n}@acme.example", lifecyclestage="lead") for n in range(60)]
    refuse(both, ids[7], status)

    histories = both.gateway.history(STAGE, ids)

    assert set(histories) == set(ids) - {ids[7]}


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_of_a_long_page_one_whose_values_are_refused_is_not_taken_for_empty(
    both: Served, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("crmsync.portal.reading.LONGEST_QUERY", 10)
    ids = [both.create(email=f"c{n}@acme.example", country="BE") for n in range(5)]
    refuse(both, ids[2], status)

    page = both.gateway.page(Kind.CONTACT, properties=("country",), associations=(), after=None)

    assert [one.id for one in page.snapshots] == [*ids[:2], *ids[3:]]
    assert {one.properties["country"] for one in page.snapshots} == {"BE"}
    assert set(page.unreadable) == {ids[2]}


@pytest.mark.parametrize("status", REFUSALS)
def test_g12_a_list_page_that_is_refused_is_read_by_way_of_a_search(both: Served, status: int) -> None:
    ids = [both.create(email=f"c{n}@acme.example") for n in range(230)]
    company = both.sandbox.edits.create("companies", {"name": "Acme"}, [ids[150]])
    both.sandbox.settle()
    refuse(both, ids[140], status)
    both.sandbox.arm(
        "replace",
        path="*/contacts",
        method="GET",
        nth=2,
        status=status,
        body="{}",
        count=5 if status == 500 else 1,
    )

    pages = list_pages(both, Kind.CONTACT, Kind.COMPANY)

    shown = {one.id: one for page in pages for one in page.snapshots}
    assert sorted(shown, key=int) == [*ids[:140], *ids[141:]]
    assert [one.id for one in shown[ids[150]].associations[Kind.COMPANY]] == [company]
    assert all(one.associations[Kind.COMPANY] == () for one in shown.values() if one.id != ids[150])
    assert {name for page in pages for name in page.unreadable} == {ids[140]}


def test_g12_where_the_search_fails_too_the_list_says_why(both: Served) -> None:
    both.create(email="a@acme.example")
    both.sandbox.arm("replace", path="*/contacts", method="GET", status=400, body="{}", count=None)
    both.sandbox.arm("503", path="*/search", count=None)

    with pytest.raises(Rejected, match="400"):
        both.gateway.page(Kind.CONTACT, properties=(), associations=(), after=None)


def list_pages(both: Served, kind: Kind, *associations: Kind) -> list[Page]:
    pages = [both.gateway.page(kind, properties=(), associations=associations, after=None)]
    while pages[-1].after is not None:
        pages.append(both.gateway.page(kind, properties=(), associations=associations, after=pages[-1].after))
    return pages
