"""The sandbox's answers over HTTP, operation by operation and status by status, against HubSpot's OpenAPI documents."""

from collections.abc import Iterable

import jsonschema
import orjson
import pytest

from crmsync.sandbox import Response
from crmsync.sandbox.endpoints.routes import match
from tests.contract.sandbox_api import Api, an_api
from tests.contract.sandbox_asks import (
    OBJECTS,
    Ask,
    association_asks,
    directory_asks,
    form_asks,
    object_asks,
    property_asks,
)
from tests.contract.sandbox_specs import document, operations, require_specs, template_of, validate

DATED = ("2026-03", "2026-09")
DIRECTORY = directory_asks("/crm/owners/2026-09", "/crm/pipelines/2026-09", "/account-info/2026-09")
NOT_SERVED = {
    "2026-09/associations.json": {"POST /crm/associations/2026-09/usage/high-usage-report/{userId}"},
    "legacy/associations.v4.json": {"POST /crm/v4/associations/usage/high-usage-report/{userId}"},
    "2026-09/pipelines.json": {
        f"{method} {path}"
        for stem in ("", "/{pipelineId}/stages")
        for method, path in (
            ("POST", f"/crm/pipelines/2026-09/{{objectType}}{stem}"),
            *((one, f"/crm/pipelines/2026-09/{{objectType}}{stem}/{{{'stageId' if stem else 'pipelineId'}}}")
              for one in ("PUT", "PATCH", "DELETE")),
            ("GET", f"/crm/pipelines/2026-09/{{objectType}}{stem}/{{{'stageId' if stem else 'pipelineId'}}}/audit"),
        )
    },
    "legacy/forms.v3.json": {
        "POST /marketing/v3/forms",
        *(f"{method} /marketing/v3/forms/{{formId}}" for method in ("PUT", "PATCH", "DELETE")),
    },
}  # fmt: skip
"""What crmsync never asks for: to build pipelines and forms is an administrator's work at the screen."""


@pytest.fixture
def api() -> Api:
    require_specs()
    return an_api(60, engagements=300)


def check(api: Api, name: str, asks: Iterable[Ask]) -> set[str]:
    """Ask all of it; gives the operations of the document that were answered."""
    asked = set()
    for ask in asks:
        said = api.ask(ask.method, ask.target, ask.body)
        assert said.status == ask.status, f"{ask.method} {ask.target}: {said.body!r}"
        template = template_of(name, documented(ask.target))
        fits(name, template, ask.method, said)
        asked.add(f"{ask.method} {template}")
    return asked


def documented(target: str) -> str:
    """The documents at hand that fit 2026-03: those of v3 for properties, of 2026-09 for all else."""
    return target.replace("/crm/properties/2026-03", "/crm/v3/properties").replace("2026-03", "2026-09")


def fits(name: str, template: str, method: str, said: Response) -> None:
    try:
        validate(name, template, method, said.status, said.json() if said.body else None)
    except jsonschema.ValidationError as error:
        pytest.fail(f"{method} {template} -> {said.status}: {error.message} at {list(error.absolute_path)}")


def is_whole(name: str, asked: set[str]) -> None:
    """Every operation of the document was asked for, but for those named above."""
    every = {f"{method} {template}" for method, template in operations(name)}
    assert asked == every - NOT_SERVED.get(name, set())


@pytest.mark.parametrize("family", DATED)
@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_have_the_shapes_of_the_dated_documents(api: Api, kind: str, family: str) -> None:
    name = f"2026-09/{kind}.json"

    is_whole(name, check(api, name, object_asks(f"/crm/objects/{family}/{kind}", api, kind)))


def test_contacts_have_the_shapes_of_v3(api: Api) -> None:
    name = "legacy/contacts.v3.json"

    is_whole(name, check(api, name, object_asks("/crm/v3/objects/contacts", api, "contacts")))


@pytest.mark.parametrize(
    ("name", "root", "created"),
    [
        ("2026-09/properties.json", "/crm/properties/2026-09", 200),
        ("legacy/properties.v3.json", "/crm/properties/2026-03", 201),
        ("legacy/properties.v3.json", "/crm/v3/properties", 201),
    ],
)
def test_properties_have_the_documented_shapes(api: Api, name: str, root: str, created: int) -> None:
    is_whole(name, check(api, name, property_asks(root, created)))


@pytest.mark.parametrize(
    ("name", "batches", "objects"),
    [
        ("2026-09/associations.json", "/crm/associations/2026-09", "/crm/objects/2026-09"),
        ("2026-09/associations.json", "/crm/associations/2026-03", "/crm/objects/2026-03"),
        ("legacy/associations.v4.json", "/crm/v4/associations", "/crm/v4/objects"),
    ],
)
def test_associations_have_the_documented_shapes(api: Api, name: str, batches: str, objects: str) -> None:
    asks = association_asks(batches, objects, api, is_v4="v4" in batches)

    is_whole(name, check(api, name, asks))


@pytest.mark.parametrize("noun", list(DIRECTORY))
def test_the_directory_has_the_documented_shapes(api: Api, noun: str) -> None:
    is_whole(f"2026-09/{noun}.json", check(api, f"2026-09/{noun}.json", DIRECTORY[noun]))


def test_forms_have_the_documented_shapes(api: Api) -> None:
    is_whole("legacy/forms.v3.json", check(api, "legacy/forms.v3.json", form_asks(api)))


@pytest.mark.parametrize(
    "name",
    [
        *(f"2026-09/{noun}.json" for noun in (*OBJECTS, "properties", "associations", *DIRECTORY)),
        *(f"legacy/{noun}.json" for noun in ("contacts.v3", "properties.v3", "associations.v4", "forms.v3")),
    ],
)
def test_every_operation_refuses_in_the_documented_envelope(api: Api, name: str) -> None:
    scopes, token = set(api.portal.app.scopes), api.token
    for method, template in sorted(operations(name)):
        target = an_address(template)
        if match(method, target) is None:
            continue
        body = b"{]" if method in {"POST", "PATCH"} else None
        api.token = "wrong"
        unknown = api.ask(method, target, body)
        api.token = token
        api.portal.app.scopes.clear()
        forbidden = api.ask(method, target, body)
        api.portal.app.scopes.update(scopes)
        unread = api.ask(method, target, body) if body else None

        assert unknown.status == 401
        assert forbidden.status == (200 if "account-info" in target else 403)
        assert unread is None or unread.status in {400, 404}
        for said in (unknown, forbidden, unread):
            if said is not None and said.status >= 400:
                fits(name, template, method, said)


def an_address(template: str) -> str:
    """An address of a template: contacts and companies, and the id 101."""
    named = template.replace("{objectType}", "contacts").replace("{fromObjectType}", "contacts")
    parts = named.replace("{toObjectType}", "companies").split("/")
    return "/".join("101" if part.startswith("{") else part for part in parts)


def test_each_scope_that_a_document_asks_for_is_asked_for(api: Api) -> None:
    for name in ("contacts", "companies", "deals", "calls", "notes", "emails"):
        for method, template in sorted(operations(f"2026-09/{name}.json")):
            target = an_address(template).replace("contacts", name, 1)
            named = {
                scope
                for one in document(f"2026-09/{name}.json")["paths"][template][method.lower()]["security"]
                for scopes in one.values()
                for scope in scopes
            }
            api.portal.app.scopes.clear()
            said = orjson.loads(api.ask(method, target, b"{}").body)

            assert named >= set(said["errors"][0]["context"]["requiredGranularScopes"]), target
