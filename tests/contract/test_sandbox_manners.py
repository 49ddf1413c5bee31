"""What an integrator trips over that no point of section 13 names: headers, cursors, identities, texts of refusals."""

import json
from typing import Any

import pytest

from crmsync.sandbox import Body
from tests.contract.sandbox_api import CONTACTS, Api, an_api, where

COMPANIES = "/crm/objects/2026-09/companies"
PROPERTIES = "/crm/properties/2026-09/contacts"
RATE = "X-HubSpot-RateLimit-"


def a_property(name: str, **more: Any) -> Body:
    return {
        "name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "contactinformation", **more,
    }  # fmt: skip


def problem(api: Api, name: str, value: Any) -> Body:
    """What stands inside the message about a value that is refused."""
    said = api.ask("POST", CONTACTS, {"properties": {name: value}})
    assert said.status == 400
    listed: list[Body] = json.loads(said.json()["message"].partition(": ")[2])
    assert said.json()["errors"][0]["code"] == listed[0]["error"]
    return listed[0]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", CONTACTS, None, 200),
        ("POST", CONTACTS, {}, 201),
        ("DELETE", f"{CONTACTS}/1", None, 204),
        ("POST", f"{CONTACTS}/batch/read", {"inputs": [{"id": "1"}]}, 207),
        ("GET", f"{CONTACTS}?limit=x", None, 400),
        ("GET", f"{CONTACTS}/1", None, 404),
        ("GET", "/nowhere", None, 404),
        ("PUT", CONTACTS, {}, 405),
        ("POST", "/oauth/v3/token", None, 400),
    ],
)
def test_every_answer_carries_its_date_and_a_number_to_ask_support_about(
    method: str, target: str, body: Any, status: int
) -> None:
    said = an_api().ask(method, target, body)

    assert said.status == status
    assert said.header("Date") == "Sun, 22 Nov 2026 12:00:00 GMT"
    assert said.header("X-HubSpot-Correlation-Id")
    if status >= 400:
        assert said.json()["correlationId"] == said.header("X-HubSpot-Correlation-Id")


def test_two_answers_never_share_a_correlation_id() -> None:
    api = an_api()
    ids = {api.ask("GET", CONTACTS).header("X-HubSpot-Correlation-Id") for _ in range(5)}

    assert len(ids) == 5


def test_refusals_carry_the_rate_headers_too_but_not_those_before_the_app_is_known() -> None:
    api = an_api()

    refused = api.ask("GET", f"{CONTACTS}/1")
    api.token = "wrong"
    unknown = api.ask("GET", f"{CONTACTS}/1")

    assert refused.header(f"{RATE}Remaining") == "189"
    assert unknown.header(f"{RATE}Remaining") is None


def test_an_empty_answer_has_neither_body_nor_type() -> None:
    said = an_api().ask("DELETE", f"{CONTACTS}/1")

    assert (said.status, said.body) == (204, b"")
    assert said.header("Content-Type") is None


def test_a_wrong_method_is_told_the_right_ones() -> None:
    said = an_api().ask("PUT", f"{CONTACTS}/101", {})

    assert said.status == 405
    assert said.header("Allow") == "GET, PATCH, DELETE"


def test_a_body_that_says_it_is_no_json_is_415() -> None:
    api = an_api()

    for kind, status in (
        ("text/xml", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json", 201),
    ):
        said = api.ask("POST", CONTACTS, {"properties": {}}, headers={"Content-Type": kind})
        assert said.status == status


@pytest.mark.parametrize("body", [b"{", b"[1", b"\xff\xfe", b"nul", b'{"a":}', b"[]", b'"text"', b"7"])
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    said = an_api().ask("POST", CONTACTS, body)

    assert said.status == 400
    assert said.json()["message"].startswith("Invalid input JSON")


@pytest.mark.parametrize(
    "target",
    [
        f"{CONTACTS}?after=abc",
        f"{CONTACTS}?after=-1",
        f"{CONTACTS}?after={'9' * 5_000}",
        f"{CONTACTS}?limit=1.5",
        f"{CONTACTS}?limit=-1",
        f"{CONTACTS}?limit=101",
        "/crm/v4/objects/contacts/101/associations/companies?after=abc",
        "/crm/v4/objects/contacts/101/associations/companies?limit=501",
        "/crm/owners/2026-09?after=abc",
        "/form-integrations/v1/submissions/forms/b7c1d2e3-0001-4a6b-9c00-5f0e00000001?after=zz",
        "/form-integrations/v1/submissions/forms/b7c1d2e3-0001-4a6b-9c00-5f0e00000001?limit=51",
    ],
)
def test_a_made_up_cursor_or_limit_is_400(target: str) -> None:
    said = an_api(1).ask("GET", target)

    assert (said.status, said.json()["category"]) == (400, "VALIDATION_ERROR")


def test_a_cursor_beyond_the_end_is_an_empty_page() -> None:
    assert an_api(3).get(f"{CONTACTS}?after=999999999") == {"results": []}


def test_the_link_to_the_next_page_is_the_same_request_further_on() -> None:
    api = an_api(25, engagements=0)
    target, ids = f"{CONTACTS}?limit=10&properties=jobtitle&archived=false", []
    while target:
        page = api.get(target)
        ids += [one["id"] for one in page["results"]]
        assert all("jobtitle" in one["properties"] for one in page["results"])
        target = "/" + page["paging"]["next"]["link"].split("/", 3)[3] if "paging" in page else ""

    assert ids == [str(id_) for id_ in api.portal.world.shelf("contacts").ids]


@pytest.mark.parametrize(
    "id_", ["x", "-1", "0", "1e3", "٣", "9" * 30, "9" * 5_000, "101abc", "%00", "a@b.example"]
)
def test_an_id_that_is_none_is_404_for_one_and_unknown_in_a_batch(id_: str) -> None:
    api = an_api(1)

    one = api.ask("GET", f"{CONTACTS}/{id_}")
    many = api.ask("POST", f"{CONTACTS}/batch/read", {"inputs": [{"id": id_}]})

    assert one.status == 404
    assert many.status == 207
    assert many.json()["errors"][0]["context"]["ids"] == [id_]


def test_a_record_is_found_and_written_by_its_email_also_an_additional_one() -> None:
    api = an_api()
    id_ = api.create(email="Ann@One.example")
    other = api.create(email="ann@two.example")
    merged = api.post(f"{CONTACTS}/merge", {"primaryObjectId": id_, "objectIdToMerge": other})["id"]

    for email in ("ann@one.example", "ANN@one.EXAMPLE", "ann@two.example"):
        assert api.get(f"{CONTACTS}/{email}?idProperty=email")["id"] == merged
    said = api.ask(
        "PATCH", f"{CONTACTS}/ann@two.example?idProperty=email", {"properties": {"jobtitle": "CTO"}}
    )
    assert said.json()["properties"]["jobtitle"] == "CTO"
    read = api.post(f"{CONTACTS}/batch/read", {"idProperty": "email", "inputs": [{"id": "ann@one.example"}]})
    assert [one["id"] for one in read["results"]] == [merged]


def test_only_unique_properties_identify_and_an_object_has_ten_of_the_portals_own() -> None:
    api = an_api()
    id_ = api.create(jobtitle="CTO")
    for number in range(10):
        api.post(PROPERTIES, a_property(f"key_{number}", hasUniqueValue=True))
    api.update(id_, key_3="A-1")

    assert api.get(f"{CONTACTS}/a-1?idProperty=key_3")["id"] == id_
    assert api.ask("GET", f"{CONTACTS}/CTO?idProperty=jobtitle").status == 400
    assert api.ask("GET", f"{CONTACTS}/CTO?idProperty=no_such").status == 400
    assert api.ask("POST", CONTACTS, {"properties": {"key_3": "A-1"}}).status == 409
    assert api.ask("POST", PROPERTIES, a_property("key_10", hasUniqueValue=True)).status == 400


def test_an_upsert_by_a_unique_value_says_which_are_new() -> None:
    api = an_api()
    api.post(PROPERTIES, a_property("key", hasUniqueValue=True))
    id_ = api.create(key="A")
    inputs = [
        {"id": key, "idProperty": "key", "properties": {"jobtitle": "CTO"}, "objectWriteTraceId": key}
        for key in "AB"
    ]

    said = api.post(f"{CONTACTS}/batch/upsert", {"inputs": inputs})

    new = {one["objectWriteTraceId"]: (one["new"], one["id"] == id_) for one in said["results"]}
    assert new == {"A": (False, True), "B": (True, False)}
    assert api.get(f"{CONTACTS}/B?idProperty=key&properties=jobtitle")["properties"]["jobtitle"] == "CTO"


def test_an_upsert_by_email_is_all_or_nothing_trace_ids_or_not() -> None:
    api = an_api()
    inputs = [
        {"id": "a@x.example", "idProperty": "email", "properties": {}, "objectWriteTraceId": "a"},
        {
            "id": "b@x.example",
            "idProperty": "email",
            "properties": {"no_such": "1"},
            "objectWriteTraceId": "b",
        },
    ]

    said = api.ask("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs})

    assert said.status == 400
    assert api.get(CONTACTS)["results"] == []


def test_an_upsert_by_an_unknown_id_makes_nothing() -> None:
    api = an_api()

    said = api.ask("POST", f"{CONTACTS}/batch/upsert", {"inputs": [{"id": "999", "properties": {}}]})

    assert (said.status, said.json()["errors"][0]["context"]["ids"]) == (207, ["999"])
    assert api.get(CONTACTS)["results"] == []


def test_a_chain_of_merges_ends_at_the_last_record_from_every_id_before() -> None:
    api = an_api()
    ids = [api.create(email=f"{name}@x.example", lifecyclestage="lead") for name in "abcd"]
    last = ids[0]
    for other in ids[1:]:
        last = api.post(f"{CONTACTS}/merge", {"primaryObjectId": last, "objectIdToMerge": other})["id"]

    assert {api.get(f"{CONTACTS}/{id_}")["id"] for id_ in ids} == {last}
    held = api.read(last, "hs_merged_object_ids", "email", "hs_additional_emails")
    assert held["email"] == "a@x.example"
    assert set(str(held["hs_additional_emails"]).split(";")) == {f"{name}@x.example" for name in "bcd"}
    assert set(ids) <= set(str(held["hs_merged_object_ids"]).split(";"))
    assert api.update(ids[3], jobtitle="CTO")["id"] == last
    assert api.found(where("email", "EQ", "a@x.example")) == [last]
    assert [one["id"] for one in api.get(CONTACTS)["results"]] == [last]
    assert api.get(f"{CONTACTS}?archived=true")["results"] == []


def test_a_merge_needs_two_living_records_of_one_kind() -> None:
    api = an_api()
    one, two = api.create(), api.create()
    gone = api.create()
    api.ask("DELETE", f"{CONTACTS}/{gone}")

    def merge(first: str, second: str) -> int:
        return api.ask(
            "POST", f"{CONTACTS}/merge", {"primaryObjectId": first, "objectIdToMerge": second}
        ).status

    assert merge(one, one) == 400
    assert merge(one, gone) == 404
    assert merge("", two) == 404
    assert api.ask("POST", "/crm/objects/2026-09/calls/merge", {}).status == 404


def test_a_deleted_record_is_gone_from_all_reads_but_the_archived_ones_and_deleting_it_again_is_fine() -> (
    None
):
    api = an_api()
    id_ = api.create(email="gone@x.example")

    statuses = [api.ask("DELETE", f"{CONTACTS}/{id_}").status for _ in range(2)]

    assert statuses == [204, 204]
    assert api.ask("GET", f"{CONTACTS}/{id_}").status == 404
    assert api.ask("PATCH", f"{CONTACTS}/{id_}", {"properties": {}}).status == 404
    assert api.ask("GET", f"{CONTACTS}/gone@x.example?idProperty=email").status == 404
    shown = api.get(f"{CONTACTS}/{id_}?archived=true")
    assert (shown["archived"], shown["archivedAt"]) == (True, "2026-11-22T12:00:00.000Z")
    read = api.post(f"{CONTACTS}/batch/read?archived=true", {"inputs": [{"id": id_}]})
    assert [one["id"] for one in read["results"]] == [id_]
    assert api.create(email="gone@x.example") != id_


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("no_such", "1", "PROPERTY_DOESNT_EXIST", 'Property "no_such" does not exist'),
        ("associatedcompanyid", "1,000", "INVALID_INTEGER", "1,000 was not a valid number."),
        (
            "mql_returned_at",
            "1763800000001",
            "INVALID_DATE",
            "1763800000001 is at 08:26:40.001 UTC, not midnight!",
        ),
        ("mql_returned_at", "tomorrow", "INVALID_DATE", "tomorrow was not a valid date."),
        ("closedate", "2026-13-01", "INVALID_DATE", "2026-13-01 was not a valid date."),
        ("email", "a@b", "INVALID_EMAIL", "Email address a@b is invalid"),
        ("bant_need", "maybe", "INVALID_OPTION", "maybe was not one of the allowed options: [true, false]"),
        (
            "num_notes",
            "1",
            "READ_ONLY_VALUE",
            '"num_notes" is a read only property; its value cannot be set.',
        ),
    ],
)
def test_the_refusal_of_a_value_names_the_property_the_code_and_why(
    name: str, value: str, code: str, said: str
) -> None:
    found = problem(an_api(), name, value)

    assert (found["name"], found["error"], found["message"]) == (name, code, said)
    assert (found["isValid"], found["portalId"]) == (False, 148_001)


@pytest.mark.parametrize(
    ("filter_", "why"),
    [
        (where("no_such", "EQ", "1"), "property no_such does not exist"),
        (where("email", "LIKE", "a"), "operator 'LIKE' is not supported"),
        (where("email", "EQ"), "requires a value"),
        (where("createdate", "BETWEEN", "1"), "requires a value"),
        (where("email", "IN"), "requires a list of values"),
        (where("createdate", "GT", "yesterday"), "is not a valid date"),
        (where("num_notes", "GT", "many"), "is not a valid number"),
        (where("num_notes", "CONTAINS_TOKEN", "1"), "operator CONTAINS_TOKEN is not supported"),
        (where("associations.company", "GT", "1"), "operator GT is not supported"),
        (where("associations.no_such", "EQ", "1"), "not searchable"),
    ],
)
def test_a_filter_that_cannot_be_is_400_and_says_why(filter_: Body, why: str) -> None:
    said = an_api().ask("POST", f"{CONTACTS}/search", {"filterGroups": [{"filters": [filter_]}]})

    assert said.status == 400
    assert why in said.json()["message"]


@pytest.mark.parametrize("value", ["1.0e999", "9" * 400, "-1", "1.5"])
def test_any_number_can_be_compared_with_an_id(value: str) -> None:
    api = an_api(2)

    for operator in ("EQ", "IN", "GT", "LTE"):
        assert api.found(where("hs_object_id", operator, value)) in ([], ["101", "102"])


def test_search_sorts_by_one_property_both_ways_and_blank_ones_stay_in() -> None:
    api = an_api()
    ids = [api.create(jobtitle=title) for title in ("b", "", "c", "A")]

    def by(direction: str) -> list[str]:
        return api.found(sorts=[{"propertyName": "jobtitle", "direction": direction}])

    assert by("ASCENDING") == [ids[1], ids[3], ids[0], ids[2]]
    assert by("DESCENDING") == [ids[2], ids[0], ids[3], ids[1]]


def test_search_by_words_looks_into_names_and_addresses() -> None:
    api = an_api()
    ann = api.create(firstname="Ann", email="ann@x.example")
    api.create(firstname="Bo", email="bo@x.example")

    assert api.found(query="ann") == [ann]
    assert len(api.found(query="x.example")) == 2


def test_owners_are_found_by_email_and_by_user_and_those_who_left_apart() -> None:
    api = an_api(1)
    owners = api.get("/crm/owners/2026-09")["results"]
    first = owners[0]

    assert [one["id"] for one in api.get(f"/crm/owners/2026-09?email={first['email']}")["results"]] == [
        first["id"]
    ]
    assert api.get(f"/crm/owners/2026-09/{first['userId']}?idProperty=userId")["id"] == first["id"]
    assert api.ask("GET", f"/crm/owners/2026-09/{first['userId']}").status == 404
    left = api.get("/crm/owners/2026-09?archived=true")["results"]
    assert [(one["archived"], one["userId"]) for one in left] == [(True, None)]
    assert api.get(f"/crm/owners/2026-09/{left[0]['id']}?archived=true")["id"] == left[0]["id"]
    pages, after = [], "0"
    while after:
        page = api.get(f"/crm/owners/2026-09?limit=3&after={after}")
        pages += [one["id"] for one in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")
    assert pages == [one["id"] for one in owners]


def test_a_forgotten_person_is_found_by_nothing_and_its_address_is_free() -> None:
    api = an_api()
    id_ = api.create(email="who@x.example")

    said = api.ask("POST", f"{CONTACTS}/gdpr-delete", {"objectId": "who@x.example", "idProperty": "email"})

    assert said.status == 204
    for target in (
        f"{CONTACTS}/{id_}",
        f"{CONTACTS}/{id_}?archived=true",
        f"{CONTACTS}/who@x.example?idProperty=email",
    ):
        assert api.ask("GET", target).status == 404
    assert api.get(f"{CONTACTS}?archived=true")["results"] == []
    assert api.found(where("email", "EQ", "who@x.example")) == []


def test_labels_are_listed_set_and_taken_away_beside_the_plain_association() -> None:
    api = an_api()
    contact, company = api.create(), api.create("companies", name="Acme")
    links = "/crm/v4/associations/contacts/companies"
    label = api.post(f"{links}/labels", {"label": "Sponsor", "name": "sponsor"})["results"][0]
    single = f"/crm/v4/objects/contacts/{contact}/associations/companies"
    spec = [{"associationCategory": "USER_DEFINED", "associationTypeId": label["typeId"]}]

    def types() -> list[tuple[int, str | None]]:
        found = api.get(single)["results"]
        return [(one["typeId"], one["label"]) for to in found for one in to["associationTypes"]]

    assert [one["label"] for one in api.get(f"{links}/labels")["results"]] == ["Primary", None, "Sponsor"]
    assert api.ask("PUT", f"{single}/{company}", spec).status == 201
    assert sorted(types()) == [(1, "Primary"), (279, None), (label["typeId"], "Sponsor")]
    pair = {"from": {"id": contact}, "to": {"id": company}, "types": spec}
    assert api.ask("POST", f"{links}/batch/labels/archive", {"inputs": [pair]}).status == 204
    assert sorted(types()) == [(1, "Primary"), (279, None)]
    assert api.ask("DELETE", f"{single}/{company}").status == 204
    assert types() == []


def test_associations_of_one_record_come_in_pages() -> None:
    api = an_api()
    contact = api.create()
    notes = [api.portal.edits.create("notes", {"hs_timestamp": "1763800000000"}, [contact]) for _ in range(7)]
    found, after = [], ""
    while True:
        page = api.get(f"/crm/v4/objects/contacts/{contact}/associations/notes?limit=3&after={after}")
        found += [str(one["toObjectId"]) for one in page["results"]]
        if "paging" not in page:
            break
        after = page["paging"]["next"]["after"]

    assert found == notes


def test_the_link_of_an_inline_list_leads_to_the_rest_of_it_in_version_3() -> None:
    api = an_api()
    contact = api.create()
    calls = [
        api.portal.edits.create("calls", {"hs_timestamp": "1763800000000"}, [contact]) for _ in range(130)
    ]

    inline = api.get(f"/crm/v3/objects/contacts/{contact}?associations=calls")["associations"]["calls"]
    rest = api.get("/" + inline["paging"]["next"]["link"].split("/", 3)[3])

    assert [one["id"] for one in inline["results"] + rest["results"]] == calls
    assert {one["type"] for one in rest["results"]} == {"contact_to_call"}
    assert "paging" not in rest


def test_a_lead_has_a_name_and_is_somebody() -> None:
    api = an_api()
    contact, leads = api.create(), "/crm/objects/2026-03/leads"
    named = {
        "hs_lead_name": "Acme, again",
        "hs_pipeline": "lead-pipeline-id",
        "hs_pipeline_stage": "new-stage-id",
    }
    somebody = [{"to": {"id": contact}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 578}
    ]}]  # fmt: skip

    def make(values: Body, links: list[Body]) -> int:
        return api.ask("POST", leads, {"properties": values, "associations": links}).status

    assert make(named, []) == 400
    assert make({}, somebody) == 400
    assert make(named | {"hs_pipeline_stage": "no-such-stage"}, somebody) == 400
    assert make(named, somebody) == 201
    held = api.get(f"{leads}?associations=contacts")["results"][0]["associations"]["contacts"]["results"]
    assert {one["id"] for one in held} == {contact}


def test_each_kind_with_pipelines_has_its_own_and_contacts_have_none() -> None:
    api = an_api()

    def stages(kind: str) -> list[str]:
        return [stage["id"] for stage in api.get(f"/crm/pipelines/2026-09/{kind}")["results"][0]["stages"]]

    assert stages("leads")[0] == "new-stage-id"
    assert stages("tickets") == ["1", "2", "3", "4"]
    assert "closedwon" in stages("deals")
    assert api.ask("GET", "/crm/pipelines/2026-09/contacts").status == 400
