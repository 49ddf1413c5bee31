"""The sandbox's answers, shape by shape, against HubSpot's OpenAPI documents."""

import itertools
from collections.abc import Callable
from typing import Any

import jsonschema
import orjson
import pytest

from crmsync.sandbox import Options, Portal, Request, Response, seeded_portal
from tests.contract.sandbox_specs import require_specs, template_of, validate

Ask = tuple[str, str, Any]
ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks", "communications")


@pytest.fixture(scope="module")
def portal() -> Portal:
    require_specs()
    return seeded_portal(60, engagements=200, options=Options(limits=False))


def ask(portal: Portal, method: str, target: str, body: Any = None) -> Response:
    sent = b"" if body is None else orjson.dumps(body)
    said = portal.handle(Request(method, target, {"authorization": f"Bearer {portal.token}"}, sent))
    assert isinstance(said, Response)
    return said


def first_id(portal: Portal, kind: str) -> str:
    return str(portal.world.shelf(kind).ids[0])


def object_requests(root: str, portal: Portal, kind: str) -> list[Ask]:
    id_, stamp = first_id(portal, kind), {"hs_timestamp": "1763800000000"} if kind in ACTIVITIES else {}
    history = "hs_timestamp" if kind in ACTIVITIES else "lifecyclestage"
    return [
        ("GET", f"{root}?limit=5&associations=contacts,companies,deals", None),
        ("GET", f"{root}?limit=5&propertiesWithHistory={history}", None),
        ("GET", f"{root}?archived=true", None),
        ("GET", f"{root}/{id_}?associations=companies", None),
        ("POST", root, {"properties": stamp}),
        ("PATCH", f"{root}/{id_}", {"properties": {"hubspot_owner_id": "41629779"}}),
        ("POST", f"{root}/batch/read", {"inputs": [{"id": id_}, {"id": "999"}], "properties": [history]}),
        ("POST", f"{root}/batch/read", {"inputs": [{"id": id_}], "properties": [], "propertiesWithHistory": [history]}),
        ("POST", f"{root}/batch/create", {"inputs": [{"properties": stamp}]}),
        ("POST", f"{root}/batch/update", {"inputs": [{"id": id_, "properties": {"hubspot_owner_id": ""}}, {"id": "9",
        "properties": {}}]}),
        ("POST", f"{root}/batch/upsert", {"inputs": [{"id": id_, "properties": {"hubspot_owner_id": ""}}]}),
        ("POST", f"{root}/search", {"limit": 2, "filterGroups": [], "sorts": ["-hs_object_id"]}),
        ("PATCH", f"{root}/{id_}", {"properties": {"no_such_property": "1"}}),
        ("GET", f"{root}/999", None),
        ("GET", f"{root}?limit=1000", None),
    ]  # fmt: skip


def catalogue_requests(root: Callable[[str], str]) -> list[tuple[str, Ask]]:
    new = {
        "name": "probe",
        "label": "Probe",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
    }
    properties = root("properties")
    return [
        ("properties", ("GET", f"{properties}/contacts", None)),
        ("properties", ("GET", f"{properties}/contacts/lifecyclestage", None)),
        ("properties", ("POST", f"{properties}/contacts/batch/create", {"inputs": [new | {"name": "probe_b"},
        new | {"name": "email"}]})),
        ("properties", ("POST", f"{properties}/contacts/batch/create", {"inputs": [new | {"name": "probe_c"}]})),
        ("properties", ("POST", f"{properties}/contacts/batch/read", {"inputs": [{"name": "email"}],
        "archived": False})),
        ("properties", ("POST", f"{properties}/contacts", new)),
        ("properties", ("PATCH", f"{properties}/contacts/probe", {"label": "Sonde"})),
        ("properties", ("GET", f"{properties}/contacts/groups", None)),
        ("properties", ("POST", f"{properties}/contacts/groups", {"name": "probes", "label": "Probes",
        "displayOrder": -1})),
        ("properties", ("POST", f"{properties}/contacts/groups", {"name": "probes", "label": "Probes"})),
    ]  # fmt: skip


def association_requests(root: str, portal: Portal) -> list[Ask]:
    with_company = next(
        id_ for id_ in portal.world.shelf("contacts").ids if portal.world.linked("contacts", id_, "companies")
    )
    contact, company = first_id(portal, "contacts"), first_id(portal, "companies")
    pair = {"from": {"id": contact}, "to": {"id": company}}
    primary = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
    return [
        (
            "POST",
            f"{root}/contacts/companies/batch/read",
            {"inputs": [{"id": str(with_company)}, {"id": "999"}]},
        ),
        ("POST", f"{root}/contacts/companies/batch/create", {"inputs": [pair | {"types": [primary]}]}),
        ("POST", f"{root}/contacts/companies/batch/associate/default", {"inputs": [pair]}),
    ]


def check(portal: Portal, document: str, asked: Ask) -> None:
    method, target, body = asked
    said = ask(portal, method, target, body)
    try:
        validate(document, template_of(document, target), method, said.status, said.json())
    except jsonschema.ValidationError as error:
        pytest.fail(f"{method} {target} -> {said.status}: {error.message} at {list(error.absolute_path)}")


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals", *ACTIVITIES])
def test_objects_have_the_shapes_of_2026_09(portal: Portal, kind: str) -> None:
    for asked in object_requests(f"/crm/objects/2026-09/{kind}", portal, kind):
        check(portal, f"2026-09/{kind}.json", asked)


def test_contacts_have_the_shapes_of_v3(portal: Portal) -> None:
    for asked in object_requests("/crm/v3/objects/contacts", portal, "contacts"):
        check(portal, "legacy/contacts.v3.json", asked)


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        ("2026-09/properties.json", "/crm/properties/2026-09"),
        ("legacy/properties.v3.json", "/crm/v3/properties"),
    ],
)
def test_properties_have_the_documented_shapes(portal: Portal, folder: str, root: str) -> None:
    fresh = seeded_portal(0, options=Options(limits=False))
    for _, asked in catalogue_requests(lambda _: root):
        check(fresh, folder, asked)


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        ("2026-09/associations.json", "/crm/associations/2026-09"),
        ("legacy/associations.v4.json", "/crm/v4/associations"),
    ],
)
def test_associations_have_the_documented_shapes(portal: Portal, folder: str, root: str) -> None:
    for asked in association_requests(root, portal):
        check(portal, folder, asked)


@pytest.mark.parametrize(
    ("folder", "target"),
    [
        ("2026-09/owners.json", "/crm/owners/2026-09"),
        ("2026-09/owners.json", "/crm/owners/2026-09/41629779"),
        ("2026-09/pipelines.json", "/crm/pipelines/2026-09/deals"),
        ("2026-09/pipelines.json", "/crm/pipelines/2026-09/deals/default"),
        ("2026-09/pipelines.json", "/crm/pipelines/2026-09/deals/default/stages"),
        ("2026-09/pipelines.json", "/crm/pipelines/2026-09/deals/default/stages/closedwon"),
        ("2026-09/accountInfo.json", "/account-info/2026-09/details"),
        ("2026-09/accountInfo.json", "/account-info/2026-09/api-usage/daily/private-apps"),
        ("legacy/forms.v3.json", "/marketing/v3/forms"),
    ],
)
def test_the_directory_has_the_documented_shapes(portal: Portal, folder: str, target: str) -> None:
    check(portal, folder, ("GET", target, None))


def test_a_merge_and_a_refusal_have_the_documented_shapes(portal: Portal) -> None:
    one, two = itertools.islice(reversed(portal.world.shelf("contacts").ids), 2)
    merge = {"primaryObjectId": str(one), "objectIdToMerge": str(two)}

    check(portal, "2026-09/contacts.json", ("POST", "/crm/objects/2026-09/contacts/merge", merge))
    check(
        portal,
        "2026-09/contacts.json",
        ("POST", "/crm/objects/2026-09/contacts/merge", {"primaryObjectId": "1"}),
    )
