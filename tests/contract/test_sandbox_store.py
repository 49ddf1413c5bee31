"""The sandbox's own bookkeeping: whatever happens, its indexes agree with what it holds."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Lag
from tests.contract.sandbox_api import Api, an_api, where

STEP = st.tuples(
    st.sampled_from(["create", "update", "archive", "restore", "merge", "erase", "stamp", "wait"]),
    st.integers(0, 30),
)


def act(api: Api, what: str, number: int) -> None:
    """Do one thing to the contact that the number falls on, if there is one."""
    shelf, edits = api.portal.world.shelf("contacts"), api.portal.edits
    live, archived = shelf.ids, shelf.archived_ids
    chosen = live[number % len(live)] if live else None
    match what:
        case "create":
            api.create(email=f"c{len(shelf.live)}-{shelf.next_id}@x.example", firstname="Ann")
        case "wait":
            api.pass_time(number / 10)
        case "stamp":
            edits.stamp(number)
        case "restore" if archived:
            edits.restore(archived[number % len(archived)])
        case "merge" if len(live) > 1:
            edits.merge(live[number % len(live)], live[(number + 1) % len(live)])
        case "update" if chosen:
            edits.human(chosen, {"country": f"X{number}"})
        case "archive" if chosen:
            edits.archive(chosen)
        case "erase" if chosen:
            edits.erase(chosen)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=40))
def test_lists_search_and_unique_values_agree_with_what_is_held(steps: Sequence[tuple[str, int]]) -> None:
    api = an_api(lag=Lag(700, 5_000, 0.3))
    for what, number in steps:
        act(api, what, number)
        api.search(where("lastmodifieddate", "GTE", "0"))
    api.pass_time(10)
    shelf = api.portal.world.shelf("contacts")
    everything = {id_: record.updated_ms for id_, record in shelf.live.items()}
    middle = sorted(everything.values())[len(everything) // 2] if everything else 0

    assert shelf.ids == sorted(everything)
    assert shelf.archived_ids == sorted(shelf.archived)
    assert {int(id_) for id_ in api.found()} == set(everything)
    assert {one.id for one in shelf.changed_between(middle, None)} == {
        id_ for id_, at in everything.items() if at >= middle
    }
    assert len([*shelf.changed_between(None, None)]) == len(everything)
    owners = {shelf.owner_of("email", record.text("email")) for record in shelf.live.values()}
    assert owners <= set(everything)
    assert {record.id for record in shelf.live.values() if record.text("email")} == owners - {None}
    assert all(shelf.find(old) is None or shelf.find(old).id in everything for old in shelf.merged)  # type: ignore[union-attr] # None is excluded


def test_merged_companies_take_their_contacts_along() -> None:
    api = an_api()
    ann, bo = api.create(), api.create()
    first, second = api.create("companies", name="First"), api.create("companies", name="Second")
    edits = api.portal.edits
    edits.associate("contacts", ann, "companies", first)
    edits.associate("contacts", bo, "companies", second)

    new = edits.merge(first, second, kind="companies")

    assert [api.read(id_, "associatedcompanyid")["associatedcompanyid"] for id_ in (ann, bo)] == [new, new]
    read = api.post("/crm/associations/2026-09/companies/contacts/batch/read", {"inputs": [{"id": new}]})
    labels = [{kind["label"] for kind in one["associationTypes"]} for one in read["results"][0]["to"]]
    assert labels == [{"Primary", None}, {"Primary", None}]


def test_a_company_that_is_archived_gives_way_to_the_next() -> None:
    api = an_api()
    ann = api.create()
    first, second = api.create("companies", name="First"), api.create("companies", name="Second")
    for company in (first, second):
        api.portal.edits.associate("contacts", ann, "companies", company)
    api.portal.edits.archive(first, "companies")
    after_one = api.read(ann, "associatedcompanyid")["associatedcompanyid"]
    api.portal.edits.archive(second, "companies")

    assert after_one == second
    assert api.read(ann, "associatedcompanyid")["associatedcompanyid"] is None


def test_a_company_has_many_primary_contacts_and_a_contact_one_primary_company() -> None:
    api = an_api()
    ann, bo = api.create(), api.create()
    first, second = api.create("companies", name="First"), api.create("companies", name="Second")
    primary = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 2}]
    for contact in (ann, bo):
        api.ask("PUT", f"/crm/objects/2026-09/companies/{first}/associations/contacts/{contact}", primary)
    api.ask("PUT", f"/crm/objects/2026-09/companies/{second}/associations/contacts/{ann}", primary)

    found = [api.read(id_, "associatedcompanyid")["associatedcompanyid"] for id_ in (ann, bo)]

    assert found == [second, first]


def test_a_label_of_the_portals_own_stands_beside_hubspots() -> None:
    api = an_api()
    ann, acme = api.create(), api.create("companies", name="Acme")
    root = "/crm/associations/2026-09/contacts/companies"
    own = api.post(f"{root}/labels", {"label": "Billing contact", "name": "billing"})["results"][0]["typeId"]
    types = [{"associationCategory": "USER_DEFINED", "associationTypeId": own}]
    api.post(f"{root}/batch/create", {"inputs": [{"from": {"id": ann}, "to": {"id": acme}, "types": types}]})
    read = api.post(f"{root}/batch/read", {"inputs": [{"id": ann}]})["results"][0]["to"][0][
        "associationTypes"
    ]

    assert {(one["category"], one["label"]) for one in read} == {
        ("USER_DEFINED", "Billing contact"), ("HUBSPOT_DEFINED", "Primary"), ("HUBSPOT_DEFINED", None),
    }  # fmt: skip
    assert api.ask("POST", f"{root}/labels", {"label": ""}).status == 400
    assert "Billing contact" in {one["label"] for one in api.get(f"{root}/labels")["results"]}
