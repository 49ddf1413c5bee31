"""What a faithful sandbox reproduces, part three (portal facts, section 13, points 13 to 21 and 23): writes."""

import orjson
import pytest

from crmsync.sandbox import Body
from tests.contract.sandbox_api import CONTACTS, Api, an_api

STAGE = "lifecyclestage"


def batch(api: Api, what: str, *inputs: Body, **more: object) -> tuple[int, Body]:
    said = api.ask("POST", f"{CONTACTS}/batch/{what}", {"inputs": list(inputs), **more})
    return said.status, said.json() if said.body else {}


def test_13_more_than_a_hundred_inputs_are_400() -> None:
    assert batch(an_api(), "read", *[{"id": "1"}] * 101)[0] == 400


@pytest.mark.parametrize("what", ["read", "update"])
def test_13_unknown_ids_come_back_in_one_error(what: str) -> None:
    api = an_api()
    id_ = api.create()
    inputs = [{"id": one, "properties": {"country": "BE"}} for one in (id_, "91", "92")]

    status, body = batch(api, what, *inputs)

    assert status == 207
    assert [one["id"] for one in body["results"]] == [id_]
    assert body["numErrors"] == 1
    assert (body["errors"][0]["category"], body["errors"][0]["context"]) == (
        "OBJECT_NOT_FOUND",
        {"ids": ["91", "92"]},
    )


def test_13_results_are_shuffled() -> None:
    api = an_api()
    ids = [api.create() for _ in range(30)]
    _, body = batch(api, "read", *({"id": one} for one in ids))
    found = [one["id"] for one in body["results"]]

    assert sorted(found) == sorted(ids)
    assert found != ids


def test_14_one_bad_value_refuses_the_whole_batch() -> None:
    api = an_api()
    ids = [api.create() for _ in range(3)]
    inputs = [{"id": one, "properties": {"country": "BE"}} for one in ids]
    inputs[1]["properties"] = {"missing": "1"}

    status, body = batch(api, "update", *inputs)

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    listed = orjson.loads(body["message"].partition(": ")[2])
    assert [(one["error"], one["name"]) for one in listed] == [("PROPERTY_DOESNT_EXIST", "missing")]
    assert [api.read(one, "country")["country"] for one in ids] == [None] * 3


def test_14_with_trace_ids_each_input_has_its_own_outcome() -> None:
    api = an_api()
    ids = [api.create() for _ in range(3)]
    inputs = [{"id": one, "properties": {"country": "BE"}, "objectWriteTraceId": f"t{one}"} for one in ids]
    inputs[1]["properties"] = {STAGE: "Lead"}

    status, body = batch(api, "update", *inputs)

    assert status == 207
    assert {one["objectWriteTraceId"] for one in body["results"]} == {f"t{ids[0]}", f"t{ids[2]}"}
    assert [one["context"]["objectWriteTraceId"] for one in body["errors"]] == [[f"t{ids[1]}"]]
    assert "INVALID_OPTION" in body["errors"][0]["message"]


def test_14_the_status_of_mixed_results_can_be_200() -> None:
    api = an_api()
    api.post("/_sandbox/rules", {"mixed_status": 200})

    status, body = batch(api, "read", {"id": "91"})

    assert (status, body["numErrors"]) == (200, 1)


def test_14_one_id_twice_in_a_batch_is_refused_so_clear_and_set_take_two_requests() -> None:
    api = an_api()
    id_ = api.create(lifecyclestage="customer")
    status, _ = batch(
        api, "update", {"id": id_, "properties": {STAGE: ""}}, {"id": id_, "properties": {STAGE: "lead"}}
    )

    assert status == 400
    assert api.read(id_, STAGE)[STAGE] == "customer"


@pytest.mark.parametrize("what", ["read", "update", "create", "upsert"])
def test_15_a_body_without_inputs_does_nothing_and_says_complete(what: str) -> None:
    said = an_api().ask("POST", f"{CONTACTS}/batch/{what}", {"id": "1"})

    assert said.status in (200, 201)
    assert (said.json()["status"], said.json()["results"]) == ("COMPLETE", [])
    assert "errors" not in said.json()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        pytest.param("no_such", "1", "PROPERTY_DOESNT_EXIST", id="unknown property"),
        pytest.param("hs_email_open", "3", "READ_ONLY_VALUE", id="read-only property"),
        pytest.param(STAGE, "Lead", "INVALID_OPTION", id="option in another case"),
        pytest.param("associatedcompanyid", "1,000", "INVALID_INTEGER", id="number with a comma"),
        pytest.param("mql_returned_at", "1763800000001", "INVALID_DATE", id="date not at midnight"),
        pytest.param("mql_returned_at", "22/11/2026", "INVALID_DATE", id="date in local order"),
        pytest.param("closedate", "soon", "INVALID_DATE", id="no instant"),
        pytest.param("email", "not an address", "INVALID_EMAIL", id="bad e-mail"),
        pytest.param("jobtitle", "x" * 65_537, "STRING_TOO_LONG", id="too long"),
        pytest.param("jobtitle", {"a": 1}, "INVALID_VALUE", id="no text at all"),
    ],
)
def test_16_a_bad_value_is_refused_with_its_code(name: str, value: object, code: str) -> None:
    api = an_api()
    id_ = api.create()
    said = api.ask("PATCH", f"{CONTACTS}/{id_}", {"properties": {name: value, "country": "BE"}})

    assert said.status == 400
    assert [(one["code"], one["context"]) for one in said.json()["errors"]] == [
        (code, {"propertyName": [name]})
    ]
    assert api.read(id_, "country")["country"] is None


def test_16_values_are_taken_in_the_forms_hubspot_takes() -> None:
    api = an_api()
    id_ = api.create(interests="crm")
    said = api.ask("PATCH", f"{CONTACTS}/{id_}", {"properties": {
        "interests": ";pricing", "mql_returned_at": 1_763_769_600_000, "bant_need": True, "associatedcompanyid": 12.5,
        "jobtitle": "x" * 65_536, "email": " Ann@Acme.Example ",
    }})  # fmt: skip

    values = said.json()["properties"]

    assert values["interests"] == "crm;pricing"
    assert (values["mql_returned_at"], values["bant_need"], values["associatedcompanyid"]) == (
        "2025-11-22",
        "true",
        "12.5",
    )
    assert values["email"] == "ann@acme.example"


def test_17_a_merge_makes_a_new_record_and_batch_update_leaves_the_old_ids_out() -> None:
    api = an_api()
    one = api.create(email="one@m.example", country="BE")
    two = api.create(email="two@m.example", jobtitle="CTO", lifecyclestage="lead")
    company = api.create("companies", name="Acme")
    api.portal.edits.associate("contacts", two, "companies", company)

    new = api.post(f"{CONTACTS}/merge", {"primaryObjectId": one, "objectIdToMerge": two})["id"]
    status, body = batch(api, "update", {"id": one, "properties": {"country": "NL"}})
    patched = api.update(two, country="NL")
    values = api.read(
        one, "hs_merged_object_ids", "email", "hs_additional_emails", "jobtitle", STAGE, "associatedcompanyid"
    )

    assert new not in (one, two)
    assert (status, body["results"], "errors" in body) == (200, [], False)
    assert patched["id"] == new
    assert patched["properties"]["country"] == "NL"
    assert values["hs_merged_object_ids"] == f"{one};{two}"
    assert (values["email"], values["hs_additional_emails"]) == ("one@m.example", "two@m.example")
    assert (values["jobtitle"], values[STAGE], values["associatedcompanyid"]) == ("CTO", "lead", company)
    assert api.get(f"{CONTACTS}/two@m.example?idProperty=email")["id"] == new
    assert [one["id"] for one in api.get(CONTACTS)["results"]] == [new]


def test_18_a_stage_only_moves_forward_and_backward_is_ignored_without_a_word() -> None:
    api = an_api()
    id_ = api.create(lifecyclestage="opportunity")

    back = api.update(id_, lifecyclestage="lead", country="BE")
    cleared = api.update(id_, lifecyclestage="")
    again = api.update(id_, lifecyclestage="lead")

    assert (back["properties"][STAGE], back["properties"]["country"]) == ("opportunity", "BE")
    assert (cleared["properties"][STAGE], again["properties"][STAGE]) == (None, "lead")
    assert [one["value"] for one in api.history(id_, STAGE)] == ["lead", "", "opportunity"]


def test_18_backward_can_be_allowed() -> None:
    api = an_api()
    api.post("/_sandbox/rules", {"allow_backward": True})
    id_ = api.create(lifecyclestage="opportunity")

    assert api.update(id_, lifecyclestage="lead")["properties"][STAGE] == "lead"


def test_18_a_stage_is_stamped_and_custom_stages_have_numeric_ids() -> None:
    api = an_api()
    api.post("/_sandbox/stage", {"id": "51439524", "label": "Recycled", "place": 2})
    id_ = api.create(lifecyclestage="lead")
    api.pass_time(60)
    api.update(id_, lifecyclestage="51439524")
    back = api.update(id_, lifecyclestage="lead")
    names = (
        "hs_v2_date_entered_lead",
        "hs_v2_date_exited_lead",
        "hs_lifecyclestage_51439524_date",
        "hs_v2_date_entered_51439524",
    )
    values = api.read(id_, *names, "hs_v2_date_entered_current_stage")
    options = api.get("/crm/properties/2026-09/contacts/lifecyclestage")["options"]

    assert back["properties"][STAGE] == "51439524"
    assert [one["value"] for one in options][:4] == [
        "subscriber",
        "lead",
        "51439524",
        "marketingqualifiedlead",
    ]
    assert [one["displayOrder"] for one in options] == list(range(9))
    assert values[names[0]] == "2026-11-22T12:00:00.000Z"
    assert {values[name] for name in names[1:]} == {"2026-11-22T12:01:00.000Z"}
    assert values["hs_v2_date_entered_current_stage"] == "2026-11-22T12:01:00.000Z"


def a_deal(api: Api, contact: str, stage: str) -> str:
    link = {
        "to": {"id": contact},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}],
    }
    return api.create("deals", links=[link], dealname="D", pipeline="default", dealstage=stage)


def test_19_deals_move_stages_a_little_later_and_forward_only() -> None:
    api = an_api()
    ann, old = api.create(lifecyclestage="lead"), api.create(lifecyclestage="evangelist")
    deal = a_deal(api, ann, "qualifiedtobuy")
    a_deal(api, old, "qualifiedtobuy")
    at_once = api.read(ann, STAGE)[STAGE]
    api.pass_time(5)
    opportunity, moved_at = api.read(ann, STAGE)[STAGE], api.read(ann)["lastmodifieddate"]
    api.update(deal, kind="deals", dealstage="closedwon")
    api.pass_time(5)

    assert (at_once, opportunity, api.read(ann, STAGE)[STAGE]) == ("lead", "opportunity", "customer")
    assert api.read(old, STAGE)[STAGE] == "evangelist"
    assert moved_at == "2026-11-22T12:00:02.000Z"
    assert {one["sourceType"] for one in api.history(ann, STAGE)[:2]} == {"DEALS"}


def test_19_a_companys_stage_spreads_to_the_contacts_whose_primary_company_it_is() -> None:
    api = an_api()
    ann, bo = api.create(lifecyclestage="lead"), api.create(lifecyclestage="lead")
    first, second = api.create("companies", name="First"), api.create("companies", name="Second")
    edits = api.portal.edits
    edits.associate("contacts", ann, "companies", first)
    edits.associate("contacts", bo, "companies", second)
    edits.associate("contacts", bo, "companies", first)
    edits.company_stage(first, "opportunity")
    api.pass_time(5)

    assert (api.read(ann, STAGE)[STAGE], api.read(bo, STAGE)[STAGE]) == ("opportunity", "lead")
    assert api.history(ann, STAGE)[0]["sourceType"] == "COMPANIES"


def test_20_each_write_moves_the_last_change_and_is_remembered_newest_first() -> None:
    api = an_api()
    id_ = api.create(country="BE")
    api.pass_time(1)
    written = api.update(id_, country="NL")
    api.pass_time(1)
    api.portal.edits.human(id_, {"country": "FR"}, user_id=9_586_505)
    api.pass_time(1)
    api.portal.edits.workflow(id_, {"country": "DE"})

    found = api.history(id_, "country")

    assert written["updatedAt"] == written["properties"]["lastmodifieddate"] == "2026-11-22T12:00:01.000Z"
    assert [one["value"] for one in found] == ["DE", "FR", "NL", "BE"]
    assert (found[1]["sourceType"], found[1]["sourceId"], found[1]["updatedByUserId"]) == (
        "CRM_UI",
        "userId:9586505",
        9_586_505,
    )
    assert (found[2]["sourceType"], found[2]["sourceId"]) == ("INTEGRATION", api.portal.app.id)
    assert found[0]["sourceType"] == "AUTOMATION_PLATFORM"


def test_20_a_person_may_set_a_stage_backward() -> None:
    api = an_api()
    id_ = api.create(lifecyclestage="customer")
    api.post("/_sandbox/edits/human", {"id_": id_, "values": {STAGE: "lead"}})

    assert api.read(id_, STAGE)[STAGE] == "lead"


def test_21_an_engagement_rolls_up_later_and_an_association_alone_moves_nothing() -> None:
    api = an_api()
    ann, bo = api.create(), api.create()
    pair = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194}]
    api.pass_time(10)
    link = {"to": {"id": bo}, "types": pair}
    call = api.create("calls", links=[link], hs_timestamp="2026-11-22T11:00:00Z", hs_call_status="COMPLETED")
    before = api.read(call, kind="calls")["hs_lastmodifieddate"]
    api.pass_time(1)
    put = api.ask("PUT", f"/crm/objects/2026-09/calls/{call}/associations/contacts/{ann}", pair)
    at_once = api.read(bo)["lastmodifieddate"]
    api.pass_time(5)
    unmoved = api.read(ann)["lastmodifieddate"]
    names = ("num_notes", "num_contacted_notes", "notes_last_updated", "hs_last_sales_activity_timestamp")
    values = api.read(bo, *names)

    assert put.status == 201
    assert api.read(call, kind="calls")["hs_lastmodifieddate"] == before
    assert at_once == unmoved == "2026-11-22T12:00:00.000Z"
    assert (values["num_notes"], values["num_contacted_notes"]) == ("1", "1")
    assert (
        values["notes_last_updated"]
        == values["hs_last_sales_activity_timestamp"]
        == "2026-11-22T11:00:00.000Z"
    )
    assert values["lastmodifieddate"] == "2026-11-22T12:00:13.000Z"


def test_21_an_activity_needs_its_time() -> None:
    said = an_api().ask("POST", "/crm/objects/2026-09/notes", {"properties": {"hs_note_body": "x"}})

    assert said.status == 400


def test_23_what_exists_is_409_and_what_is_gone_404() -> None:
    api = an_api()
    id_ = api.create(email="ann@acme.example")
    twin = api.ask("POST", CONTACTS, {"properties": {"email": "ANN@acme.example"}})
    group = {"name": "crmsync", "label": "CRM Sync"}
    first, second = (api.ask("POST", "/crm/properties/2026-09/contacts/groups", group) for _ in range(2))
    api.ask("DELETE", f"{CONTACTS}/{id_}")
    gone = api.ask("GET", f"{CONTACTS}/{id_}")

    assert (twin.status, twin.json()["category"], twin.json()["message"]) == (
        409, "CONFLICT", f"Contact already exists. Existing ID: {id_}",
    )  # fmt: skip
    assert (first.status, second.status) == (201, 409)
    assert (gone.status, gone.json()["message"]) == (404, "resource not found")
    assert api.ask("DELETE", f"{CONTACTS}/{id_}").status == 204
    assert api.ask("POST", CONTACTS, {"properties": {"email": "ann@acme.example"}}).status == 201


def test_23_properties_that_exist_are_reported_one_by_one() -> None:
    api = an_api()
    new = {"label": "F", "type": "number", "fieldType": "number", "groupName": "contactinformation"}
    inputs = [new | {"name": "crmsync_fit"}, new | {"name": "email"}, new | {"name": "Bad-Name"}]
    said = api.ask("POST", "/crm/properties/v3/contacts/batch/create", {"inputs": inputs})
    v3 = api.ask("POST", "/crm/v3/properties/contacts/batch/create", {"inputs": inputs})

    assert said.status == 404
    assert v3.status == 207
    assert [one["name"] for one in v3.json()["results"]] == ["crmsync_fit"]
    assert [one["context"]["name"] for one in v3.json()["errors"]] == [["email"], ["Bad-Name"]]


def test_16_an_administrators_rule_can_bound_a_number() -> None:
    api = an_api()
    api.post("/_sandbox/rules", {"bounds": [{"name": "associatedcompanyid", "least": 0, "most": 100}]})
    low, high = (
        api.ask("POST", CONTACTS, {"properties": {"associatedcompanyid": value}}) for value in ("100", "101")
    )

    assert (low.status, high.status) == (201, 400)
    assert high.json()["errors"][0]["code"] == "VALIDATION_RULE"
