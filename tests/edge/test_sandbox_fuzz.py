"""Whatever arrives, the sandbox answers as HubSpot would: a result or a refusal, never a crash of its own."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Lag, Options, Portal, Request, Response, seeded_portal
from crmsync.sandbox.control import Controlled
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
    "contacts", "companies", "calls", "0-1", "101", "5001", "999999999999999999999", "-1", "email", "lifecyclestage",
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


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_the_controls_answer_anything(data: st.DataObject) -> None:
    portal = seeded_portal(3, engagements=3, options=Options(limits=False))
    path = data.draw(
        st.sampled_from(
            [
                "budget",
                "rules",
                "stale",
                "token",
                "pace",
                "faults",
                "edits/human",
                "edits/merge",
                "edits/create",
            ]
        )
    )
    body = data.draw(BODIES.map(_bytes))

    said = Controlled(portal).handle(Request("POST", f"/_sandbox/{path}", {}, body))

    assert isinstance(said, Response)
    assert said.status < 500
