"""What to ask of a portal so that every operation of HubSpot's OpenAPI documents is answered, well and badly."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.contract.sandbox_api import Api

ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks", "communications")
OBJECTS = ("contacts", "companies", "deals", *ACTIVITIES)
PROBE = {
    "name": "probe", "label": "Probe", "type": "number", "fieldType": "number", "groupName": "contactinformation",
}  # fmt: skip
GROUP = {"name": "probes", "label": "Probes", "displayOrder": -1}


class Ask(NamedTuple):
    """One request and the status it gets."""

    method: str
    target: str
    body: Any
    status: int


def object_asks(root: str, api: Api, kind: str) -> Iterator[Ask]:
    """Read, write and refuse objects of one kind. `root` is the address of the list."""
    live = [str(id_) for id_ in api.portal.world.shelf(kind).ids]
    first, stamp = live[0], {"hs_timestamp": "1763800000000"} if kind in ACTIVITIES else {}
    mixed = 207
    history, owner = "hs_timestamp" if stamp else "lifecyclestage", {"hubspot_owner_id": "41629779"}
    named = {"inputs": [{"id": first}], "properties": [], "propertiesWithHistory": [history]}
    traced = [
        {"id": live[0], "properties": owner, "objectWriteTraceId": "a"},
        {"id": live[1], "properties": {"no_such": "1"}, "objectWriteTraceId": "b"},
    ]
    yield Ask("GET", f"{root}?limit=5&associations=contacts,companies,deals", None, 200)
    yield Ask("GET", f"{root}?limit=5&propertiesWithHistory={history}", None, 200)
    yield Ask("GET", f"{root}?limit=1000", None, 400)
    yield Ask("GET", f"{root}?after=nonsense", None, 400)
    yield Ask("GET", f"{root}/{first}?associations=companies&propertiesWithHistory={history}", None, 200)
    yield Ask("GET", f"{root}/999999999", None, 404)
    yield Ask("POST", root, {"properties": stamp, "associations": []}, 201)
    yield Ask("POST", root, {"properties": stamp | {"no_such": "1"}}, 400)
    yield Ask("PATCH", f"{root}/{first}", {"properties": owner}, 200)
    yield Ask("PATCH", f"{root}/{first}", {"properties": {"no_such": "1"}}, 400)
    yield Ask("PATCH", f"{root}/999999999", {"properties": owner}, 404)
    yield Ask("POST", f"{root}/batch/read", named, 200)
    yield Ask("POST", f"{root}/batch/read", {**named, "inputs": [{"id": first}, {"id": "999999999"}]}, mixed)
    yield Ask("POST", f"{root}/batch/create", {"inputs": [{"properties": stamp}, {"properties": stamp}]}, 201)
    yield Ask("POST", f"{root}/batch/create", {"inputs": [
        {"properties": stamp, "objectWriteTraceId": "a"}, {"properties": {"no_such": "1"}, "objectWriteTraceId": "b"},
    ]}, mixed)  # fmt: skip
    yield Ask("POST", f"{root}/batch/update", {"inputs": traced[:1]}, 200)
    yield Ask("POST", f"{root}/batch/update", {"inputs": traced}, mixed)
    yield Ask("POST", f"{root}/batch/update", {"inputs": [{"id": "999999999", "properties": owner}]}, mixed)
    yield Ask(
        "POST", f"{root}/batch/update", {"inputs": [{"id": first, "properties": {"no_such": "1"}}]}, 400
    )
    yield Ask("POST", f"{root}/batch/upsert", {"inputs": traced[:1]}, 200)
    yield Ask("POST", f"{root}/batch/upsert", {"inputs": traced}, mixed)
    yield Ask("POST", f"{root}/batch/archive", {"inputs": [{"id": live[2]}]}, 204)
    yield Ask("POST", f"{root}/search", {"limit": 1, "filterGroups": [], "sorts": ["-hs_object_id"], "after": "0",
                                         "properties": []}, 200)  # fmt: skip
    yield Ask("POST", f"{root}/search", {"limit": 1_000}, 400)
    yield Ask("DELETE", f"{root}/{live[3]}", None, 204)
    yield Ask("GET", f"{root}?archived=true&limit=1", None, 200)
    yield Ask("GET", f"{root}/{live[3]}?archived=true", None, 200)
    if kind in {"contacts", "companies", "deals"}:
        merge = {"primaryObjectId": live[4], "objectIdToMerge": live[5]}
        yield Ask("POST", f"{root}/merge", merge, 200)
        yield Ask("POST", f"{root}/merge", {"primaryObjectId": "1"}, 404)
    if kind == "contacts":
        yield Ask("POST", f"{root}/gdpr-delete", {"objectId": live[6]}, 204)


def property_asks(root: str, batch_created: int) -> Iterator[Ask]:
    """Definitions and groups. `batch_created`: the status of a batch of new ones, which differs."""
    batch, groups = f"{root}/contacts/batch", f"{root}/contacts/groups"
    yield Ask("GET", f"{root}/contacts", None, 200)
    yield Ask("GET", f"{root}/no_such_kind", None, 400)
    yield Ask("GET", f"{root}/contacts/lifecyclestage", None, 200)
    yield Ask("GET", f"{root}/contacts/no_such", None, 404)
    yield Ask("POST", f"{root}/contacts", PROBE, 201)
    yield Ask("POST", f"{root}/contacts", PROBE, 409)
    yield Ask("POST", f"{root}/contacts", {"name": "x"}, 400)
    yield Ask("PATCH", f"{root}/contacts/probe", {"label": "Sonde"}, 200)
    yield Ask("PATCH", f"{root}/contacts/no_such", {"label": "Sonde"}, 404)
    yield Ask("POST", f"{batch}/create", {"inputs": [PROBE | {"name": "probe_b"}]}, batch_created)
    yield Ask(
        "POST", f"{batch}/create", {"inputs": [PROBE | {"name": "probe_c"}, PROBE | {"name": "email"}]}, 207
    )
    yield Ask("POST", f"{batch}/read", {"inputs": [{"name": "email"}], "archived": False}, 200)
    yield Ask(
        "POST", f"{batch}/read", {"inputs": [{"name": "email"}, {"name": "no_such"}], "archived": False}, 207
    )
    yield Ask("POST", f"{batch}/archive", {"inputs": [{"name": "probe_c"}]}, 204)
    yield Ask("DELETE", f"{root}/contacts/probe_b", None, 204)
    yield Ask("GET", f"{root}/contacts?archived=true", None, 200)
    yield Ask("GET", f"{root}/contacts/probe_b?archived=true", None, 200)
    yield Ask("GET", groups, None, 200)
    yield Ask("POST", groups, GROUP, 201)
    yield Ask("POST", groups, GROUP, 409)
    yield Ask("GET", f"{groups}/probes", None, 200)
    yield Ask("GET", f"{groups}/no_such", None, 404)
    yield Ask("PATCH", f"{groups}/probes", {"label": "Sonden"}, 200)
    yield Ask("DELETE", f"{groups}/probes", None, 204)


def association_asks(batches: str, objects: str, api: Api, *, is_v4: bool) -> Iterator[Ask]:
    """Associations, of many and of one. `batches` and `objects` are the two addresses before the kind."""
    world = api.portal.world
    linked = next(id_ for id_ in world.shelf("contacts").ids if world.linked("contacts", id_, "companies"))
    one, other = str(linked), str(world.shelf("companies").ids[0])
    pair = {"from": {"id": one}, "to": {"id": other}}
    primary = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
    written, archived = (201, 204) if is_v4 else (200, 200)
    root, single = f"{batches}/contacts/companies/batch", f"{objects}/contacts/{one}/associations"
    yield Ask("POST", f"{root}/read", {"inputs": [{"id": one}]}, 200)
    yield Ask("POST", f"{root}/read", {"inputs": [{"id": one}, {"id": "999999999"}]}, 207)
    yield Ask("POST", f"{root}/create", {"inputs": [pair | {"types": [primary]}]}, written)
    yield Ask(
        "POST", f"{root}/create", {"inputs": [pair | {"types": [primary | {"associationTypeId": 5}]}]}, 400
    )
    yield Ask("POST", f"{root}/labels/archive", {"inputs": [pair | {"types": [primary]}]}, archived)
    yield Ask("POST", f"{root}/associate/default", {"inputs": [pair]}, 200)
    yield Ask("POST", f"{root}/archive", {"inputs": [{"from": {"id": one}, "to": [{"id": other}]}]}, archived)
    yield Ask("PUT", f"{single}/default/companies/{other}", None, 200)
    yield Ask("PUT", f"{single}/companies/{other}", [primary], 201)
    yield Ask("PUT", f"{single}/companies/999999999", [primary], 404)
    yield Ask("DELETE", f"{single}/companies/{other}", None, 204)
    if is_v4:
        yield Ask("GET", f"{single}/companies?limit=1", None, 200)
        yield Ask("GET", f"{objects}/contacts/999999999/associations/companies", None, 404)


def directory_asks(owners: str, pipelines: str, account: str) -> dict[str, list[Ask]]:
    """By the name of the document, without its folder."""
    return {
        "owners": [
            Ask("GET", owners, None, 200),
            Ask("GET", f"{owners}?archived=true", None, 200),
            Ask("GET", f"{owners}?limit=1", None, 200),
            Ask("GET", f"{owners}/41629779", None, 200),
            Ask("GET", f"{owners}/1", None, 404),
        ],
        "pipelines": [
            Ask("GET", f"{pipelines}/deals", None, 200),
            Ask("GET", f"{pipelines}/tickets", None, 200),
            Ask("GET", f"{pipelines}/leads", None, 200),
            Ask("GET", f"{pipelines}/contacts", None, 400),
            Ask("GET", f"{pipelines}/deals/default", None, 200),
            Ask("GET", f"{pipelines}/deals/no_such", None, 404),
            Ask("GET", f"{pipelines}/deals/default/stages", None, 200),
            Ask("GET", f"{pipelines}/deals/default/stages/closedwon", None, 200),
            Ask("GET", f"{pipelines}/deals/default/stages/no_such", None, 404),
        ],
        "accountInfo": [
            Ask("GET", f"{account}/details", None, 200),
            Ask("GET", f"{account}/api-usage/daily/private-apps", None, 200),
        ],
    }


def form_asks(api: Api) -> Iterator[Ask]:
    form = next(iter(api.portal.world.marketing.forms))
    yield Ask("GET", "/marketing/v3/forms", None, 200)
    yield Ask("GET", "/marketing/v3/forms?limit=1", None, 200)
    yield Ask("GET", f"/marketing/v3/forms/{form}", None, 200)
    yield Ask("GET", "/marketing/v3/forms/no_such", None, 404)
