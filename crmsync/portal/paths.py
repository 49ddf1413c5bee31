"""SDK path -> the path of an API version, and what kind of request it is. The only table of HubSpot's versions."""

import re
from dataclasses import dataclass
from enum import StrEnum

_FAMILIES = {
    # what the SDK speaks         2026-03                          2026-09
    "/crm/v3/objects": ("/crm/objects/2026-03", "/crm/objects/2026-09"),
    "/crm/v3/properties": ("/crm/properties/2026-03", "/crm/properties/2026-09"),
    "/crm/v3/pipelines": ("/crm/pipelines/2026-03", "/crm/pipelines/2026-09"),
    "/crm/v3/owners": ("/crm/owners/2026-03", "/crm/owners/2026-09"),
    "/crm/v4/associations": ("/crm/associations/2026-03", "/crm/associations/2026-09"),
    "/account-info/v3": ("/account-info/2026-03", "/account-info/2026-09"),
}
"""
*Source*: portal facts, section 2.1. What is not listed has no dated twin and stays where it is: forms, submissions,
call dispositions. The single-record association read is not used: 2026-09 dropped it.
"""
VERSIONS = ("v3", "2026-03", "2026-09")

_ID = re.compile(r"^([0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[^/]*%[^/]*)$")
_READS = ("/search", "/batch/read")


class Limit(StrEnum):
    """Which of HubSpot's limits a request counts on, besides the day's."""

    BURST = "burst"
    SEARCH = "search"
    ASSOCIATIONS = "associations"


@dataclass(frozen=True, slots=True)
class Route:
    """
    Where a request goes and what is known of it before it is sent.

    Attributes:
        template: the path without ids, for logs, errors and metrics.
        is_read: it changes nothing, so it may be sent again at any time.
        is_compared: it writes values, which were compared with what the portal shows just before.
        has_results: its answer is an object with a list `results`; anything else is a broken answer.
    """

    path: str
    template: str
    limit: Limit
    is_read: bool
    is_compared: bool
    has_results: bool


def translated(sdk_path: str, version: str) -> str:
    """Give a path of the SDK as the API version spells it, and without the slash that the SDK puts after some."""
    sdk_path = sdk_path.rstrip("/")
    if version == "v3":
        return sdk_path
    column = VERSIONS.index(version) - 1
    for old, new in _FAMILIES.items():
        if sdk_path == old or sdk_path.startswith((old + "/", old + "?")):
            return new[column] + sdk_path[len(old) :]
    return sdk_path


def route(method: str, sdk_path: str, version: str) -> Route:
    """Classify a request by the path the SDK made."""
    bare = sdk_path.partition("?")[0].rstrip("/")
    is_read = method in {"GET", "HEAD"} or (method == "POST" and bare.endswith(_READS))
    path = translated(sdk_path, version)
    return Route(
        path=path,
        template="/".join("{id}" if _ID.match(part) else part for part in path.partition("?")[0].split("/")),
        limit=_limit(method, bare),
        is_read=is_read,
        is_compared=not is_read and bare.startswith("/crm/v3/objects/"),
        has_results=_has_results(method, bare),
    )


def _limit(method: str, bare: str) -> Limit:
    if method == "POST" and bare.endswith("/search"):
        return Limit.SEARCH
    if "/associations/" in bare and "/batch/" in bare:
        return Limit.ASSOCIATIONS
    return Limit.BURST


def _has_results(method: str, bare: str) -> bool:
    if method == "POST":
        return bare.endswith((*_READS, "/batch/update", "/batch/create"))
    parts = bare.strip("/").split("/")
    match parts:
        case ["crm", "v3", "objects" | "properties" | "pipelines", _]:
            return True
        case ["crm", "v3", "owners"] | ["marketing", "v3", "forms"]:
            return True
        case ["crm", "v3", "properties", _, "groups"]:
            return True
        case ["form-integrations", "v1", "submissions", "forms", _]:
            return True
        case _:
            return False
