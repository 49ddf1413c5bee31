"""Which endpoint answers a path: the path families folded into one table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from crmsync.sandbox.endpoints import associations, batches, directory, forms, merging, objects, properties
from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.endpoints.search import search
from crmsync.sandbox.state.kinds import BY_NAME
from crmsync.sandbox.wire import Response

DATED = frozenset({"2026-03", "2026-09"})
CRM = DATED | {"v3"}
LINKS = DATED | {"v4"}
FAMILIES = CRM | LINKS | {"2026-09-beta", "v1"}
_VERSIONED = re.compile(r"v[1-4]|20\d\d-\d\d(?:-beta)?")

Endpoint = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """
    Attributes:
        path: segments without the version; `{x}` matches any one.
        access: `read`, `write`, `schema.read`, `schema.write`, a scope, or "" for none.
        counts_as: which limit it draws on.
    """

    method: str
    path: tuple[str, ...]
    families: frozenset[str]
    endpoint: Endpoint
    access: str
    counts_as: str = "burst"

    def scopes(self, params: dict[str, str]) -> tuple[str, ...]:
        """The scopes of which one is needed."""
        kind = BY_NAME.get(params.get("kind", "").lower())
        owner = kind.scope if kind is not None else "contacts"
        match self.access:
            case "":
                return ()
            case "read" | "write" if kind is not None and kind.name == "emails":
                return ("sales-email-read",) if self.access == "read" else ("crm.objects.contacts.write",)
            case "read" | "write" | "schema.read" | "schema.write" if owner == "tickets":
                return ("tickets",)
            case "read" | "write":
                return (f"crm.objects.{owner}.{self.access}",)
            case "schema.read":
                return (f"crm.schemas.{owner}.read", f"crm.objects.{owner}.read")
            case "schema.write":
                return (f"crm.schemas.{owner}.write",)
            case _:
                return (self.access,)


def _route(
    line: str, families: frozenset[str], endpoint: Endpoint, access: str, counts_as: str = "burst"
) -> Route:
    method, path = line.split()
    return Route(method, tuple(path.split("/")), families, endpoint, access, counts_as)


_O = "objects/{kind}"
_A = "associations/{kind}/{to}"
_L = "objects/{kind}/{id}/associations"
_P = "properties/{kind}"
_ANY = FAMILIES
ROUTES = (
    _route(f"GET {_O}", CRM, objects.list_page, "read"),
    _route(f"POST {_O}", CRM, objects.create_one, "write"),
    _route(f"GET {_O}/{{id}}", CRM, objects.read_one, "read"),
    _route(f"PATCH {_O}/{{id}}", CRM, objects.update_one, "write"),
    _route(f"DELETE {_O}/{{id}}", CRM, objects.archive_one, "write"),
    _route(f"POST {_O}/batch/read", CRM, batches.read, "read"),
    _route(f"POST {_O}/batch/create", CRM, batches.create_many, "write"),
    _route(f"POST {_O}/batch/update", CRM, batches.update_many, "write"),
    _route(f"POST {_O}/batch/upsert", CRM, batches.upsert_many, "write"),
    _route(f"POST {_O}/batch/archive", CRM, batches.archive_many, "write"),
    _route(f"POST {_O}/search", CRM, search, "read", "search"),
    _route(f"POST {_O}/merge", CRM, merging.merge, "write"),
    _route(f"POST {_O}/gdpr-delete", CRM, merging.gdpr_delete, "write"),
    _route(f"GET {_L}/{{to}}", frozenset({"v4", "2026-03"}), associations.read_single, "read"),
    _route(f"GET {_L}/{{to}}", frozenset({"v3"}), associations.read_single_plain, "read"),
    _route(f"PUT {_L}/{{to}}/{{other}}", LINKS, associations.connect_single, "write"),
    _route(f"DELETE {_L}/{{to}}/{{other}}", LINKS, associations.cut_single, "write"),
    _route(f"PUT {_L}/default/{{to}}/{{other}}", LINKS, associations.connect_single_plainly, "write"),
    _route(f"POST {_A}/batch/read", LINKS, associations.read_batch, "read", "associations"),
    _route(f"POST {_A}/batch/create", LINKS, associations.create_batch, "write", "associations"),
    _route(f"POST {_A}/batch/archive", LINKS, associations.archive_batch, "write", "associations"),
    _route(
        f"POST {_A}/batch/associate/default",
        LINKS,
        associations.connect_batch_plainly,
        "write",
        "associations",
    ),
    _route(f"POST {_A}/batch/labels/archive", LINKS, associations.archive_labels, "write", "associations"),
    _route(f"GET {_A}/labels", LINKS, associations.labels, "read"),
    _route(f"POST {_A}/labels", LINKS, associations.create_label, "write"),
    _route(f"GET {_P}", CRM, properties.list_all, "schema.read"),
    _route(f"POST {_P}", CRM, properties.create_one, "schema.write"),
    _route(f"GET {_P}/{{name}}", CRM, properties.read_one, "schema.read"),
    _route(f"PATCH {_P}/{{name}}", CRM, properties.update_one, "schema.write"),
    _route(f"DELETE {_P}/{{name}}", CRM, properties.archive_one, "schema.write"),
    _route(f"POST {_P}/batch/create", CRM, properties.create_batch, "schema.write"),
    _route(f"POST {_P}/batch/read", CRM, properties.read_batch, "schema.read"),
    _route(f"POST {_P}/batch/archive", CRM, properties.archive_batch, "schema.write"),
    _route(f"GET {_P}/groups", CRM, properties.list_groups, "schema.read"),
    _route(f"POST {_P}/groups", CRM, properties.create_group, "schema.write"),
    _route(f"GET {_P}/groups/{{name}}", CRM, properties.read_group, "schema.read"),
    _route(f"PATCH {_P}/groups/{{name}}", CRM, properties.update_group, "schema.write"),
    _route(f"DELETE {_P}/groups/{{name}}", CRM, properties.archive_group, "schema.write"),
    _route("GET pipelines/{kind}", CRM, directory.list_pipelines, "schema.read"),
    _route("GET pipelines/{kind}/{pipeline}", CRM, directory.read_pipeline, "schema.read"),
    _route("GET pipelines/{kind}/{pipeline}/stages", CRM, directory.list_stages, "schema.read"),
    _route("GET pipelines/{kind}/{pipeline}/stages/{stage}", CRM, directory.read_stage, "schema.read"),
    _route("GET owners", CRM, directory.list_owners, "crm.objects.owners.read"),
    _route("GET owners/{id}", CRM, directory.read_owner, "crm.objects.owners.read"),
    _route("GET account-info/details", CRM, directory.account_details, ""),
    _route("GET account-info/api-usage/daily/private-apps", CRM, directory.api_usage, ""),
    _route("GET dispositions", _ANY, directory.dispositions, "read"),
    _route("GET forms", _ANY, forms.list_forms, "forms"),
    _route("GET forms/{id}", _ANY, forms.read_form, "forms"),
    _route("GET submissions/{id}", _ANY, forms.list_submissions, "forms"),
    _route("GET email-events", _ANY, forms.list_email_events, "content"),
    _route("GET events", CRM, forms.list_events, "read"),
    _route("GET events/event-types", CRM, forms.list_event_types, "read"),
)

_FIXED = {
    ("marketing", "v3", "forms"): ("v3", "forms"),
    ("marketing", "forms", "2026-09-beta"): ("2026-09-beta", "forms"),
    ("form-integrations", "v1", "submissions", "forms"): ("v1", "submissions"),
    ("email", "public", "v1", "events"): ("v1", "email-events"),
    ("calling", "v1", "dispositions"): ("v1", "dispositions"),
    ("events", "v3", "events"): ("v3", "events"),
    ("events", "event-occurrences", "2026-03"): ("2026-03", "events"),
    ("events", "event-occurrences", "2026-09"): ("2026-09", "events"),
}


def fold(path: str) -> tuple[str, tuple[str, ...]] | None:
    """A path -> its family and its segments without the version; None when no family owns it."""
    parts = tuple(unquote(part) for part in path.split("/") if part)
    for length in (4, 3):
        if (fixed := _FIXED.get(parts[:length])) is not None:
            return fixed[0], (fixed[1], *parts[length:])
    if len(parts) < 3:
        return None
    area, second, third = parts[:3]
    if area == "account-info" and second in CRM:
        return second, (area, *parts[2:])
    if area != "crm":
        return None
    if _VERSIONED.fullmatch(second):
        return second, parts[2:]
    return (third, (second, *parts[3:])) if third in DATED else None


def _by_shape() -> dict[tuple[str, int], list[Route]]:
    """Routes by method and length, those with more fixed words first."""
    table: dict[tuple[str, int], list[Route]] = {}
    for route in ROUTES:
        table.setdefault((route.method, len(route.path)), []).append(route)
    for held in table.values():
        held.sort(key=lambda route: sum(part.startswith("{") for part in route.path))
    return table


_TABLE = _by_shape()
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


def match(method: str, path: str) -> tuple[Route, str, dict[str, str]] | None:
    """The route of a request, its family and its parameters; None is a 404."""
    folded = fold(path)
    if folded is None:
        return None
    family, parts = folded
    for route in _TABLE.get((method, len(parts)), ()):
        if family in route.families and (params := _fits(route, parts)) is not None:
            return route, family, params
    return None


def allowed(path: str) -> list[str]:
    """The methods that would be answered: if there are any, another one is a 405."""
    return [method for method in _METHODS if match(method, path) is not None]


def _fits(route: Route, parts: tuple[str, ...]) -> dict[str, str] | None:
    params = {}
    for wanted, part in zip(route.path, parts, strict=True):
        if wanted.startswith("{"):
            params[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return params
