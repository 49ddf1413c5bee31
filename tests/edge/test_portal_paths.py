"""One table says how each API version spells a path."""

import pytest

from crmsync.portal.paths import Limit, route, translated

TABLE = [
    ("/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/objects/2026-09/contacts"),
    (
        "/crm/v3/objects/calls/batch/read",
        "/crm/objects/2026-03/calls/batch/read",
        "/crm/objects/2026-09/calls/batch/read",
    ),
    (
        "/crm/v3/properties/contacts/groups",
        "/crm/properties/2026-03/contacts/groups",
        "/crm/properties/2026-09/contacts/groups",
    ),
    ("/crm/v3/pipelines/deals", "/crm/pipelines/2026-03/deals", "/crm/pipelines/2026-09/deals"),
    ("/crm/v3/owners", "/crm/owners/2026-03", "/crm/owners/2026-09"),
    (
        "/crm/v4/associations/contacts/companies/batch/read",
        "/crm/associations/2026-03/contacts/companies/batch/read",
        "/crm/associations/2026-09/contacts/companies/batch/read",
    ),
    ("/account-info/v3/details", "/account-info/2026-03/details", "/account-info/2026-09/details"),
]
LEGACY = [
    "/marketing/v3/forms",
    "/form-integrations/v1/submissions/forms/b7c1",
    "/calling/v1/dispositions",
    "/crm/v3/objectsque/contacts",
]


@pytest.mark.parametrize(("v3", "march", "september"), TABLE)
def test_a_path_is_spelt_as_its_version_wants(v3: str, march: str, september: str) -> None:
    assert [translated(v3, one) for one in ("v3", "2026-03", "2026-09")] == [v3, march, september]


@pytest.mark.parametrize("path", LEGACY)
@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_a_path_without_a_dated_twin_stays(path: str, version: str) -> None:
    assert translated(path, version) == path


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_a_path_ends_where_hubspots_documents_end_it(version: str) -> None:
    # the SDK asks for /marketing/v3/forms/, which a strict server does not have
    assert translated("/marketing/v3/forms/", version) == "/marketing/v3/forms"
    assert route("GET", "/marketing/v3/forms/", version).path == "/marketing/v3/forms"


@pytest.mark.parametrize(
    ("method", "path", "limit", "is_read"),
    [
        ("GET", "/crm/v3/objects/contacts", Limit.BURST, True),
        ("POST", "/crm/v3/objects/contacts/search", Limit.SEARCH, True),
        ("POST", "/crm/v3/objects/contacts/batch/read", Limit.BURST, True),
        ("POST", "/crm/v3/objects/contacts/batch/update", Limit.BURST, False),
        ("PATCH", "/crm/v3/objects/contacts/101", Limit.BURST, False),
        ("POST", "/crm/v4/associations/contacts/calls/batch/read", Limit.ASSOCIATIONS, True),
        ("POST", "/crm/v3/properties/contacts/batch/create", Limit.BURST, False),
    ],
)
def test_a_request_counts_on_its_own_limit(method: str, path: str, limit: Limit, *, is_read: bool) -> None:
    found = route(method, path, "2026-09")

    assert (found.limit, found.is_read) == (limit, is_read)


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts/101",
        "/crm/v3/objects/contacts/jane%40acme.example",
        "/form-integrations/v1/submissions/forms/b7c1d2e3-0001-4a6b-9c00-5f0e00000001",
    ],
)
def test_g13_logs_and_errors_get_a_path_without_ids(path: str) -> None:
    assert route("GET", path, "2026-09").template.endswith("/{id}")
