"""HubSpot's official client reads and writes the sandbox over real HTTP."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from crmsync.sandbox import Lag, Sandbox

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hubspot
    from hubspot.crm import contacts
    from hubspot.crm.associations import v4
    from hubspot.crm.contacts import exceptions
    from hubspot.crm.properties import PropertyCreate, PropertyGroupCreate

LEAD = {"lifecyclestage": "lead"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(80, limits=False, lag=Lag(0, 0, 0.0)) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return hubspot.HubSpot(access_token=sandbox.token, host=sandbox.url, base_url=sandbox.url, retry=False)


def new_contact(client: Any, **values: str) -> str:
    made = client.crm.contacts.basic_api.create(
        contacts.SimplePublicObjectInputForCreate(properties=values, associations=[])
    )
    return str(made.id)


def test_the_client_lists_every_contact_page_by_page(client: Any, sandbox: Sandbox) -> None:
    ids, after = [], None
    while True:
        page = client.crm.contacts.basic_api.get_page(
            limit=7, after=after, properties=["email", "lifecyclestage"]
        )
        ids += [int(one.id) for one in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after

    assert ids == sandbox.portal.world.shelf("contacts").ids


def test_the_client_creates_reads_updates_and_archives(client: Any) -> None:
    api = client.crm.contacts.basic_api
    id_ = new_contact(client, email="made@by.example", **LEAD)

    api.update(id_, contacts.SimplePublicObjectInput(properties={"jobtitle": "CTO"}))
    read = api.get_by_id("made@by.example", id_property="email", properties=["jobtitle", "country"])
    api.archive(id_)

    assert read.id == id_
    assert read.properties["jobtitle"] == "CTO"
    assert read.properties["country"] is None
    with pytest.raises(exceptions.ApiException) as refused:
        api.get_by_id(id_)
    assert refused.value.status == 404
    assert refused.value.headers["X-HubSpot-Correlation-Id"]


def test_the_client_sees_mixed_results_of_a_batch(client: Any) -> None:
    id_ = new_contact(client, **LEAD)
    inputs = [contacts.SimplePublicObjectId(id=id_), contacts.SimplePublicObjectId(id="99")]
    asked = contacts.BatchReadInputSimplePublicObjectId(
        inputs=inputs, properties=["lifecyclestage"], properties_with_history=[]
    )

    answer = client.crm.contacts.batch_api.read(asked)

    assert [one.id for one in answer.results] == [id_]
    assert answer.num_errors == 1
    assert answer.errors[0].context == {"ids": ["99"]}


def test_the_client_updates_a_batch_with_traces(client: Any) -> None:
    ids = [new_contact(client, **LEAD) for _ in range(3)]
    values = [{"jobtitle": "CEO"}, {"no_such": "1"}, {"jobtitle": "CFO"}]
    inputs = [
        contacts.SimplePublicObjectBatchInput(id=id_, properties=given, object_write_trace_id=f"t{id_}")
        for id_, given in zip(ids, values, strict=True)
    ]

    answer = client.crm.contacts.batch_api.update(
        contacts.BatchInputSimplePublicObjectBatchInput(inputs=inputs)
    )

    assert {one.id for one in answer.results} == {ids[0], ids[2]}
    assert [one.context["objectWriteTraceId"] for one in answer.errors] == [[f"t{ids[1]}"]]


def test_the_client_searches(client: Any) -> None:
    id_ = new_contact(client, jobtitle="Lighthouse keeper")
    asked = contacts.PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "jobtitle", "operator": "EQ", "value": "lighthouse KEEPER"}]}],
        sorts=["hs_object_id"], limit=5, properties=["jobtitle"],
    )  # fmt: skip

    found = client.crm.contacts.search_api.do_search(asked)

    assert (found.total, [one.id for one in found.results]) == (1, [id_])


def test_the_client_reads_associations_with_labels(client: Any, sandbox: Sandbox) -> None:
    world = sandbox.portal.world
    several = next(
        id_ for id_ in world.shelf("contacts").ids if len(world.linked("contacts", id_, "companies")) > 1
    )
    inputs = [
        v4.PublicFetchAssociationsBatchRequest(id=str(several)),
        v4.PublicFetchAssociationsBatchRequest(id="99"),
    ]

    answer = client.crm.associations.v4.batch_api.get_page(
        "contacts", "companies", v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=inputs)
    )

    labels = {kind.label for one in answer.results[0].to for kind in one.association_types}
    assert labels == {"Primary", None}
    assert answer.errors[0].context["fromObjectId"] == ["99"]


def test_the_client_makes_groups_and_properties(client: Any) -> None:
    client.crm.properties.groups_api.create(
        "contacts", PropertyGroupCreate(name="crmsync_probe", label="Probe")
    )
    made = client.crm.properties.core_api.create(
        "contacts",
        PropertyCreate(
            name="probe_fit", label="Fit", type="number", field_type="number", group_name="crmsync_probe"
        ),
    )

    assert made.name in {one.name for one in client.crm.properties.core_api.get_all("contacts").results}


def test_the_client_merges_and_both_old_ids_lead_to_the_new_record(client: Any) -> None:
    old = [new_contact(client, **LEAD) for _ in range(2)]
    api = client.crm.contacts.basic_api

    merged = api.merge(contacts.PublicMergeInput(primary_object_id=old[0], object_id_to_merge=old[1]))

    assert merged.id not in old
    assert [api.get_by_id(id_).id for id_ in old] == [merged.id, merged.id]


def test_the_client_reads_owners_pipelines_and_engagements(client: Any) -> None:
    owners = client.crm.owners.owners_api.get_page().results
    stages = client.crm.pipelines.pipelines_api.get_all("deals").results[0].stages
    calls = client.crm.objects.calls.basic_api.get_page(
        limit=3, properties=["hs_call_disposition"], associations=["contacts"]
    )

    assert all(str(owner.user_id) != owner.id for owner in owners)
    assert {stage.metadata["isClosed"] for stage in stages} == {"true", "false"}
    assert all(call.associations["contacts"].results for call in calls.results)


def test_a_wrong_token_is_refused(sandbox: Sandbox) -> None:
    stranger = hubspot.HubSpot(access_token="wrong", host=sandbox.url, base_url=sandbox.url, retry=False)

    with pytest.raises(exceptions.ApiException) as refused:
        stranger.crm.contacts.basic_api.get_page()

    assert refused.value.status == 401
    assert "INVALID_AUTHENTICATION" in refused.value.body
