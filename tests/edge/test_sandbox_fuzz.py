"""Whatever arrives, the sandbox answers as HubSpot would: a result or a refusal, never a crash of its own."""

from inspect import signature
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Lag, Options, Portal, Request, Response, seeded_portal
from crmsync.sandbox.changes.edits import Edits
from crmsync.sandbox.control import EDITS, Controlled
from crmsync.sandbox.endpoints.routes import ROUTES, Route

PREFIXES = {
    "objects": "/crm/objects/2026-09", "associations": "/crm/associations/2026-09",
    "properties": "/crm/properties/2026-09",
    "pipelines": "/crm/pipelines/2026-09", "owners": "/crm/owners/2026-09", "account-info": "/account-info/2026-09",
    "dispositions": "/calling/v1/dispositions", "forms": "/marketing/v3/forms",
    "email-events": "/email/public/v1/events",
    "submissions": "/form-integrations/v1/submissions/forms", "events": "/events/event-occurrences/2026-09",
}  # fmt: skip
WORDS = st.sampled_from([
    "contacts", "companies", "calls", "0-1", "101", "9" * 4_400, "1.0e999",
    "5001", "999999999999999999999", "-1", "email", "lifecyclestage",
    "lead", "x",
    "", "batch", "1e9", "٣", "default", "closedwon", "a@b.example", "hs_object_id", "crmsync", "lastmodifieddate",
])  # fmt: skip
KEYS = st.sampled_from([
    "inputs", "id", "properties", "filterGroups", "filters", "propertyName", "operator", "value", "values",
    "highValue", "sorts",
    "limit", "after", "idProperty", "objectWriteTraceId", "associations", "to", "from", "types", "associationTypeId",
    "name", "label",
    "type", "fieldType", "groupName", "options", "primaryObjectId", "objectIdToMerge", "objectId",
    "propertiesWithHistory", "email",
    "direction", "query", "lifecyclestage", "hs_timestamp", "displayOrder",
])  # fmt: skip
OPERATORS = st.sampled_from(["EQ", "IN", "BETWEEN", "GT", "HAS_PROPERTY", "CONTAINS_TOKEN", "ASCENDING"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | OPERATORS
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
INPUTS = st.fixed_dictionaries({"inputs": st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=3)})
BODIES = VALUES | INPUTS | st.dictionaries(KEYS, VALUES, max_size=6)


@pytest.fixture(scope="module")
def portal() -> Portal:
    return seeded_portal(
        20, engagements=20, options=Options(limits=False, lag=Lag(0, 0, 0.0), tier="enterprise")
    )


def targets(route: Route) -> st.SearchStrategy[str]:
    parts = [WORDS if part.startswith("{") else st.just(part) for part in route.path[1:]]
    query = st.lists(st.tuples(KEYS, WORDS), max_size=3).map(
        lambda pairs: "&".join(f"{key}={value}" for key, value in pairs)
    )
    return st.tuples(st.tuples(*parts), query).map(
        lambda drawn: "/".join([PREFIXES[route.path[0]], *drawn[0]]) + (f"?{drawn[1]}" if drawn[1] else "")
    )


@st.composite
def requests_of(draw: st.DrawFn, token: str) -> Request:
    route = draw(st.sampled_from(ROUTES))
    body = draw(BODIES.map(_bytes) | st.binary(max_size=20))
    return Request(route.method, draw(targets(route)), {"authorization": f"Bearer {token}"}, body)


def _bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return b'{"inputs": [{"id": 123456789012345678901234567890}]}'


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_every_endpoint_answers_anything(portal: Portal, data: st.DataObject) -> None:
    request = data.draw(requests_of(portal.token))

    said = portal.handle(request)

    assert isinstance(said, Response)
    assert said.status < 500
    if said.body:
        said.json()


CONTROLS = {
    "apps": "id scopes oauth",
    "budget": "eat others burst_limit daily_limit enforced retry_after",
    "clock": "advance_s",
    "faults": "kind path method nth probability count hang_s retry_after_s status body seed",
    "lag": "base_ms tail_ms tail_share",
    "pace": "stage_ms roll_up_ms deals_set_stage companies_set_stage rolls_up associations_roll_up",
    "rules": "allow_backward required read_only bounds search_body_limit mixed_status",
    "settle": "",
    "stage": "id label place",
    "stale": "ids kind",
    "token": "revoke remove_scopes add_scopes",
    "webhooks": "url secret events duplicates shuffles",
}
NEARLY = st.sampled_from([
    101, "101", "102", "contacts", "companies", "500", "http://127.0.0.1:9/x", "Book a demo", "hs_email_open", -1, 0,
    1.5, True, [101], ["101", 7], {"lifecyclestage": "lead"}, {"burst": 3}, {"country": 7}, [{"name": "email"}],
    [{"name": "lifecyclestage", "value": "lead", "needs": ["email"]}], [{"name": "x", "least": 0, "most": "many"}],
])  # fmt: skip


def control_requests() -> st.SearchStrategy[tuple[str, bytes]]:
    """A control or an edit, and a body with its settings, or with anything."""
    settings_of = {name: words.split() for name, words in CONTROLS.items()}
    for name in sorted(EDITS):
        settings_of[f"edits/{name}"] = [
            one for one in signature(getattr(Edits, name)).parameters if one != "self"
        ]

    def bodies(path: str) -> st.SearchStrategy[tuple[str, bytes]]:
        nearly = st.fixed_dictionaries({}, optional=dict.fromkeys(settings_of[path], NEARLY | VALUES))
        whole = st.fixed_dictionaries(dict.fromkeys(settings_of[path], NEARLY))
        return st.tuples(st.just(path), (whole | nearly | VALUES).map(_bytes))

    return st.sampled_from(sorted(settings_of)).flatmap(bodies)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(told=control_requests())
def test_whatever_a_control_is_told_the_portal_goes_on(told: tuple[str, bytes]) -> None:
    path, body = told
    portal = seeded_portal(3, engagements=3, options=Options(limits=False))
    controlled = Controlled(portal)

    said = controlled.handle(Request("POST", f"/_sandbox/{path}", {}, body))

    assert isinstance(said, Response)
    assert said.status < 500
    controlled.handle(Request("DELETE", "/_sandbox/faults"))
    controlled.handle(Request("POST", "/_sandbox/token", {}, b'{"restore": true}'))
    controlled.handle(Request("POST", "/_sandbox/budget", {}, b'{"enforced": false}'))
    for method, target in (("GET", "?limit=10&propertiesWithHistory=lifecyclestage"), ("POST", "/search")):
        headers = {"authorization": f"Bearer {portal.token}"}
        shown = portal.handle(Request(method, f"/crm/objects/2026-09/contacts{target}", headers))
        assert isinstance(shown, Response)
        assert shown.status in {200, 403}
    looked = controlled.handle(Request("POST", "/_sandbox/settle"))
    assert isinstance(looked, Response)
    assert looked.status == 200
