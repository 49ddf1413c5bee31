"""What a faithful sandbox reproduces, part two (portal facts, section 13, points 6 to 12 and 22): lists and search."""

from datetime import timedelta
from typing import Any

import pytest

from crmsync.sandbox import Lag
from tests.contract.sandbox_api import CONTACTS, START, Api, an_api, ms, where


def test_06_search_is_late_while_reading_is_not() -> None:
    api = an_api(lag=Lag(5_000, 5_000, 0.0))
    id_ = api.create(country="BE")
    at_once = api.read(id_, "country")["country"]
    early = api.found()
    api.pass_time(5)
    on_time = api.found()
    api.update(id_, country="NL")
    stale = api.search()["results"][0]["properties"]["lastmodifieddate"]
    unseen = api.found(where("country", "EQ", "NL"))
    api.pass_time(5)

    assert at_once == "BE"
    assert (early, on_time, unseen) == ([], [id_], [])
    assert stale == "2026-11-22T12:00:00.000Z"
    assert api.found(where("country", "EQ", "nl")) == [id_]


def test_06_each_change_arrives_by_itself_also_the_one_before_the_last() -> None:
    api = an_api(lag=Lag(5_000, 5_000, 0.0))
    id_ = api.create(country="BE")
    api.pass_time(3)
    api.update(id_, country="NL")
    api.pass_time(3)

    assert api.found(where("country", "EQ", "be")) == [id_]
    api.pass_time(2)
    assert api.found(where("country", "EQ", "nl")) == [id_]


def test_06_a_tail_of_changes_is_much_later() -> None:
    api = an_api(lag=Lag(1_000, 60_000, 0.5))
    for number in range(40):
        api.create(firstname=f"n{number}")
    api.pass_time(1)
    soon = len(api.found())
    api.pass_time(60)

    assert 0 < soon < 40
    assert len(api.found()) == 40


def test_06_an_archived_record_stays_in_search_for_a_while() -> None:
    api = an_api(lag=Lag(5_000, 5_000, 0.0))
    id_ = api.create()
    api.pass_time(5)
    api.ask("DELETE", f"{CONTACTS}/{id_}")

    assert api.found() == [id_]
    api.pass_time(5)
    assert api.found() == []


def test_06_search_can_return_stale_values_for_a_hit() -> None:
    api = an_api()
    id_ = api.create(country="BE")
    api.post("/_sandbox/stale", {"ids": [id_]})
    api.update(id_, country="NL")

    hit = api.search(where("country", "EQ", "nl"), properties=["country"])["results"][0]

    assert hit["properties"]["country"] == "BE"
    assert api.read(id_, "country")["country"] == "NL"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"limit": 201}, id="page over 200"),
        pytest.param({"limit": 200, "after": "9801"}, id="beyond the first 10,000"),
        pytest.param({"after": "abc"}, id="after is no integer"),
        pytest.param({"sorts": ["email", "country"]}, id="two sorts"),
        pytest.param({"filterGroups": [{"filters": [where("email", "HAS_PROPERTY")]}] * 6}, id="six groups"),
        pytest.param(
            {"filterGroups": [{"filters": [where("email", "HAS_PROPERTY")] * 7}]}, id="seven filters"
        ),
        pytest.param(
            {"filterGroups": [{"filters": [where("email", "HAS_PROPERTY")] * 5}] * 4}, id="twenty in all"
        ),
        pytest.param({"properties": ["x" * 3_000]}, id="body over 3,000"),
        pytest.param({"filterGroups": [{"filters": [where("no_such", "EQ", "1")]}]}, id="unknown property"),
        pytest.param({"filterGroups": [{"filters": [where("email", "LIKE", "1")]}]}, id="unknown operator"),
        pytest.param(
            {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "IN"}]}]},
            id="IN without values",
        ),
        pytest.param({"filterGroups": "email"}, id="groups are no list"),
    ],
)
def test_07_a_query_over_the_limits_is_400(body: object) -> None:
    said = an_api().ask("POST", f"{CONTACTS}/search", body)

    assert (said.status, said.json()["category"]) == (400, "VALIDATION_ERROR")


def test_07_the_limit_of_the_body_can_be_switched_off() -> None:
    api = an_api()
    api.post("/_sandbox/rules", {"search_body_limit": False})

    assert api.search(properties=["x" * 3_000])["total"] == 0


def test_07_total_is_not_capped_and_the_oldest_come_first() -> None:
    api = an_api()
    ids = []
    for _ in range(3):
        ids.append(api.create())
        api.pass_time(1)
    api.update(ids[0], country="BE")

    found = api.search(limit=2)

    assert found["total"] == 3
    assert [one["id"] for one in found["results"]] == ids[:2]
    assert found["paging"]["next"]["after"] == "2"
    assert api.found(sorts=[{"propertyName": "hs_object_id", "direction": "DESCENDING"}]) == ids[::-1]


def test_08_contacts_are_searched_by_lastmodifieddate_everything_else_by_the_other() -> None:
    api = an_api()
    api.create()
    api.create("companies", name="Acme")
    since = str(ms(START))

    assert len(api.found(where("lastmodifieddate", "GTE", since))) == 1
    assert api.found(where("hs_lastmodifieddate", "GTE", since)) == []
    assert len(api.found(where("hs_lastmodifieddate", "GTE", since), kind="companies")) == 1
    assert api.found(where("lastmodifieddate", "GTE", since), kind="companies") == []


def test_09_a_bulk_job_stamps_thousands_with_one_millisecond() -> None:
    api = an_api()
    shelf = api.portal.world.shelf("contacts")
    for _ in range(300):
        api.create()
    api.pass_time(60)
    at_ms = api.portal.edits.stamp(300)

    found = api.search(where("lastmodifieddate", "BETWEEN", str(at_ms), highValue=str(at_ms)))

    assert found["total"] == 300
    assert {shelf.live[int(one["id"])].updated_ms for one in found["results"]} == {at_ms}


def test_09_offset_paging_over_moving_records_skips_some() -> None:
    api = an_api()
    ids = [api.create() for _ in range(6)]
    order: dict[str, Any] = {"sorts": ["lastmodifieddate"], "limit": 3}
    first = api.found(**order)
    api.pass_time(1)
    for id_ in first:
        api.update(id_, country="BE")

    second = api.found(**order, after="3")

    assert first == ids[:3]
    assert set(ids) - set(first) - set(second) == set(ids[3:])


def test_10_lower_bounds_lose_their_milliseconds() -> None:
    api = an_api()
    api.pass_time(0.2)
    id_ = api.create()
    later = START + timedelta(milliseconds=900)

    assert api.found(where("lastmodifieddate", "GTE", str(ms(later)))) == [id_]
    assert api.found(where("lastmodifieddate", "GTE", "2026-11-22T12:00:01Z")) == []


@pytest.mark.parametrize(
    ("filter_", "matches"),
    [
        pytest.param(where("lifecyclestage", "EQ", "lead"), True, id="enum as it is"),
        pytest.param(where("lifecyclestage", "EQ", "Lead"), False, id="enum in another case"),
        pytest.param(where("firstname", "EQ", "ANN"), True, id="text in another case"),
        pytest.param(where("firstname", "IN", "ann"), True, id="IN in lower case"),
        pytest.param(where("firstname", "IN", "Ann"), False, id="IN with a capital"),
        pytest.param(where("firstname", "NEQ", "bo"), True, id="not that text"),
        pytest.param(where("jobtitle", "NOT_HAS_PROPERTY"), True, id="nothing there"),
        pytest.param(where("jobtitle", "NEQ", "CTO"), False, id="NEQ wants a value"),
        pytest.param(where("associatedcompanyid", "GT", "9"), True, id="numbers as numbers"),
        pytest.param(where("city", "GT", "9"), False, id="texts as texts"),
        pytest.param(
            where("associatedcompanyid", "BETWEEN", "10", highValue="10"), True, id="BETWEEN is inclusive"
        ),
        pytest.param(where("hs_object_id", "GT", "0"), True, id="ids as numbers"),
        pytest.param(where("hs_object_id", "GT", "9999999"), False, id="ids beyond"),
        pytest.param(where("interests", "IN", "crm", "pricing"), True, id="one of several checked"),
        pytest.param(where("email", "CONTAINS_TOKEN", "*@acme.example"), True, id="wildcard"),
        pytest.param(where("email", "CONTAINS_TOKEN", "acm"), False, id="part of a word"),
        pytest.param(where("email", "NOT_CONTAINS_TOKEN", "acme"), False, id="the word is there"),
    ],
)
def test_10_filters_compare_as_hubspot_does(filter_: dict[str, object], matches: bool) -> None:
    api = an_api()
    api.create(
        lifecyclestage="lead", firstname="Ann", associatedcompanyid="10", city="10", interests="crm;analytics",
        email="ann@acme.example",
    )  # fmt: skip

    assert bool(api.found(filter_)) is matches


def test_10_objects_are_found_by_what_they_are_associated_with() -> None:
    api = an_api()
    ann, bo = api.create(), api.create()
    call = api.portal.edits.create("calls", {"hs_timestamp": "2026-11-22T11:00:00.000Z"}, [ann])

    assert api.found(where("associations.contact", "EQ", ann), kind="calls") == [call]
    assert api.found(where("associations.contact", "EQ", bo), kind="calls") == []


def pages(api: Api, query: str) -> list[str]:
    ids, after = [], ""
    while True:
        page = api.get(f"{CONTACTS}?{query}{after}")
        ids += [one["id"] for one in page["results"]]
        if "paging" not in page:
            return ids
        after = f"&after={page['paging']['next']['after']}"


def test_11_a_list_gives_ten_by_default_and_a_hundred_at_most() -> None:
    api = an_api()
    ids = [api.create() for _ in range(23)]
    first = api.get(CONTACTS)

    assert [one["id"] for one in first["results"]] == ids[:10]
    assert first["paging"]["next"]["after"] == ids[10]
    assert pages(api, "limit=7") == ids
    assert api.ask("GET", f"{CONTACTS}?limit=101").status == 400


def test_11_with_history_a_page_has_fifty_at_most() -> None:
    said = an_api().ask("GET", f"{CONTACTS}?limit=51&propertiesWithHistory=email")

    assert said.status == 400
    assert (
        said.json()["message"]
        == "You can only request at most 50 objects in one request for properties with history"
    )


def test_11_archived_ones_have_a_list_of_their_own() -> None:
    api = an_api()
    kept, gone = api.create(), api.create()
    api.ask("DELETE", f"{CONTACTS}/{gone}")
    listed = api.get(f"{CONTACTS}?archived=true")["results"]

    assert pages(api, "limit=5") == [kept]
    assert [(one["id"], one["archived"]) for one in listed] == [(gone, True)]
    assert listed[0]["archivedAt"]
    assert api.get(f"{CONTACTS}/{gone}?archived=true")["archived"] is True


def test_11_inline_associations_are_paged_by_themselves() -> None:
    api = an_api()
    ann = api.create()
    for _ in range(130):
        api.portal.edits.create("calls", {"hs_timestamp": "2026-11-22T11:00:00.000Z"}, [ann])

    shown = api.get(f"{CONTACTS}?associations=calls,companies")["results"][0]["associations"]
    rest = api.get(
        f"/crm/objects/2026-03/contacts/{ann}/associations/calls?after={shown['calls']['paging']['next']['after']}"
    )

    assert set(shown) == {"calls"}
    assert len(shown["calls"]["results"]) + len(rest["results"]) == 130
    assert shown["calls"]["results"][0]["type"] == "contact_to_call"


def test_12_values_are_texts_or_null_and_unknown_ones_are_left_out() -> None:
    api = an_api()
    id_ = api.create(
        hs_lead_status="NEW", associatedcompanyid="12", closedate="1763800000000", bant_need="true"
    )
    values = api.read(id_, "bant_need", "associatedcompanyid", "closedate", "country", "no_such_property")

    assert values["bant_need"] == "true"
    assert values["associatedcompanyid"] == "12"
    assert values["closedate"] == "2025-11-22T08:26:40.000Z"
    assert values["country"] is None
    assert "no_such_property" not in values
    assert values["createdate"] == values["lastmodifieddate"] == "2026-11-22T12:00:00.000Z"
    assert values["hs_object_id"] == id_


def test_22_association_batches_tell_what_is_missing_and_page_per_record() -> None:
    api = an_api()
    ann, bo = api.create(), api.create()
    company = api.create("companies", name="Acme")
    api.portal.edits.associate("contacts", ann, "companies", company)
    for _ in range(501):
        api.portal.edits.create("notes", {"hs_timestamp": "1763800000000"}, [ann])
    root = "/crm/associations/2026-09/contacts"

    said = api.ask("POST", f"{root}/companies/batch/read", {"inputs": [{"id": bo}, {"id": ann}]})
    notes = api.post(f"{root}/notes/batch/read", {"inputs": [{"id": ann}]})["results"][0]
    rest = api.post(
        f"{root}/notes/batch/read", {"inputs": [{"id": ann, "after": notes["paging"]["next"]["after"]}]}
    )

    assert said.status == 207
    to = said.json()["results"][0]["to"]
    assert to[0]["toObjectId"] == int(company)
    assert {(one["typeId"], one["label"]) for one in to[0]["associationTypes"]} == {
        (1, "Primary"),
        (279, None),
    }
    assert said.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert said.json()["errors"][0]["context"]["fromObjectId"] == [bo]
    assert len(notes["to"]) + len(rest["results"][0]["to"]) == 501
    assert api.ask("POST", f"{root}/notes/batch/read", {"inputs": [{"id": "1"}] * 1_001}).status == 400


def test_22_a_made_up_cursor_is_refused() -> None:
    api = an_api()
    ann = api.create()
    path = "/crm/associations/2026-09/contacts/notes/batch/read"

    assert api.ask("POST", path, {"inputs": [{"id": ann, "after": "500"}]}).status == 400
