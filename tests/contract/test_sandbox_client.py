"""HubSpot's official client reads and writes the sandbox over real HTTP."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from crmsync.sandbox import Lag, Sandbox
from crmsync.sandbox.gate.access import App

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hubspot
    from hubspot.crm import contacts
    from hubspot.crm.associations import v4
    from hubspot.crm.associations.v4 import schema
    from hubspot.crm.contacts import exceptions
    from hubspot.crm.properties import PropertyCreate, PropertyGroupCreate
    from hubspot.utils.signature import Signature

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


def test_the_client_collects_all_objects_of_any_kind(client: Any, sandbox: Sandbox) -> None:
    for kind in ("companies", "deals", "meetings"):
        found = client.crm.objects.get_all(kind, properties=["hs_object_id"])

        assert [int(one.id) for one in found] == sandbox.portal.world.shelf(kind).ids


def test_the_client_forgets_a_person(client: Any) -> None:
    id_ = new_contact(client, email="forget@me.example", **LEAD)

    client.crm.contacts.basic_api.purge(
        contacts.PublicGdprDeleteInput(object_id="forget@me.example", id_property="email")
    )

    with pytest.raises(exceptions.ApiException) as refused:
        client.crm.contacts.basic_api.get_by_id(id_)
    assert refused.value.status == 404


def test_the_client_makes_labels_and_associates_by_them(client: Any) -> None:
    api = client.crm.associations.v4
    contact = new_contact(client, **LEAD)
    company = client.crm.companies.basic_api.get_page(limit=1).results[0].id
    made = api.schema.definitions_api.create(
        "contacts",
        "companies",
        schema.PublicAssociationDefinitionCreateRequest(name="sponsor", label="Sponsor"),
    )
    type_id = made.results[0].type_id

    api.basic_api.create("contacts", contact, "companies", company, [
        v4.AssociationSpec(association_category="USER_DEFINED", association_type_id=type_id)
    ])  # fmt: skip

    held = api.basic_api.get_page("contacts", contact, "companies").results[0]
    assert {one.label for one in held.association_types} == {"Sponsor", "Primary", None}
    labels = api.schema.definitions_api.get_all("contacts", "companies").results
    assert {one.label for one in labels} == {"Sponsor", "Primary", None}
    api.basic_api.archive("contacts", contact, "companies", company)
    assert api.basic_api.get_page("contacts", contact, "companies").results == []


def test_the_client_reads_history_newest_first(client: Any) -> None:
    id_ = new_contact(client, **LEAD)
    client.crm.contacts.basic_api.update(
        id_, contacts.SimplePublicObjectInput(properties={"lifecyclestage": "marketingqualifiedlead"})
    )

    read = client.crm.contacts.basic_api.get_by_id(id_, properties_with_history=["lifecyclestage"])

    versions = read.properties_with_history["lifecyclestage"]
    assert [one.value for one in versions] == ["marketingqualifiedlead", "lead"]
    assert versions[0].timestamp.tzinfo is not None


def test_the_client_reads_forms(client: Any) -> None:
    forms = client.marketing.forms.forms_api.get_page(limit=2)

    assert len(forms.results) == 2
    assert forms.paging.next.after
    assert client.marketing.forms.forms_api.get_by_id(forms.results[0].id).name == forms.results[0].name


def test_the_client_refreshes_a_token(sandbox: Sandbox) -> None:
    app = App("5150", {"crm.objects.contacts.read"}, oauth=True, client_id="cid", client_secret="sec")
    refresh = sandbox.portal.access.install(app)
    stranger = hubspot.HubSpot(host=sandbox.url, base_url=sandbox.url, retry=False)

    given = stranger.oauth.tokens_api.create(
        grant_type="refresh_token", refresh_token=refresh, client_id="cid", client_secret="sec"
    )

    assert given.expires_in == 1_800
    fresh = hubspot.HubSpot(
        access_token=given.access_token, host=sandbox.url, base_url=sandbox.url, retry=False
    )
    assert fresh.crm.contacts.basic_api.get_page(limit=1).results
    told = fresh.oauth.access_tokens_api.get(given.access_token)
    assert (told.app_id, told.hub_id, told.scopes) == (5150, 148_001, ["crm.objects.contacts.read"])


def test_the_client_sees_a_missing_scope_and_a_limit_as_hubspot_words_them(sandbox: Sandbox) -> None:
    token = sandbox.portal.access.admit(App("5151", {"crm.objects.contacts.read"}))
    poor = hubspot.HubSpot(access_token=token, host=sandbox.url, base_url=sandbox.url, retry=False)

    with pytest.raises(exceptions.ApiException) as forbidden:
        poor.crm.contacts.basic_api.archive("1")
    sandbox.arm("burst")
    with pytest.raises(exceptions.ApiException) as limited:
        poor.crm.contacts.basic_api.get_page()

    assert (forbidden.value.status, limited.value.status) == (403, 429)
    assert "crm.objects.contacts.write" in forbidden.value.body
    assert "TEN_SECONDLY_ROLLING" in limited.value.body


def test_the_clients_generic_requests_reach_what_it_has_no_method_for(client: Any, sandbox: Sandbox) -> None:
    for path in ("/account-info/v3/details", "/calling/v1/dispositions", "/crm/objects/2026-09/contacts"):
        assert client.api_request({"path": path}).status_code == 200
    assert client.api_request({"path": "/account-info/2026-09/details"}).json()["portalId"] == 148_001
    assert sandbox.portal.log[-1].method == "GET"


def test_a_webhook_is_signed_as_the_client_checks_it(sandbox: Sandbox) -> None:
    hooks = sandbox.portal.webhooks
    hooks.url, now_ms = "https://hook.example/crm", sandbox.portal.world.now_ms()
    body = b'[{"eventId":1}]'
    headers = hooks.headers(body, now_ms)
    hooks.url = ""

    for signature, version in (
        (headers["X-HubSpot-Signature-v3"], "v3"),
        (headers["X-HubSpot-Signature"], "v1"),
    ):
        assert Signature.is_valid(
            signature=signature, client_secret=hooks.secret, request_body=body.decode(), http_method="POST",
            http_uri="https://hook.example/crm", timestamp=headers["X-HubSpot-Request-Timestamp"],
            signature_version=version,
        )  # fmt: skip
