"""Bad answers at every endpoint lead to a finding or a clear error: never to a traceback, never to a wrong write."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.errors import PortalError
from crmsync.model import ENGAGEMENTS, STAGE, ContactId, Intent, Kind, Own, Result
from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import Portal, seeded_portal
from crmsync.sandbox.portal import APP_ID, Options
from tests.inprocess import BASE_URL, FakeTime, PortalAdapter
from tests.served import a_change, an_intent

KINDS = (Kind.CONTACT, Kind.COMPANY, Kind.DEAL, *ENGAGEMENTS)
HARD = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Bad(PortalAdapter):
    """Hands requests to the portal and spoils the answers of those whose path contains `part`."""

    part = ""
    spoil: Callable[[bytes], bytes] | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        response = super().send(request, *args, **more)
        body = response.raw.read(decode_content=False)
        if self.spoil is not None and self.part in str(request.url):
            body = self.spoil(body)
        again = requests.Response()
        again.status_code, again.request, again.url = response.status_code, request, response.url
        again.headers = response.headers
        again._content = body
        return again


@dataclass
class Rig:
    """One portal for all examples: reading changes nothing, and writes are looked at one by one."""

    time: FakeTime = field(default_factory=FakeTime)

    def __post_init__(self) -> None:
        self.portal: Portal = seeded_portal(
            12, engagements=30, options=Options(limits=False), clock=self.time.wall
        )
        self._make_lookups_necessary()
        self.portal.world.settle_everything()
        self.merged = str(self.portal.world.shelf("contacts").ids[-1])
        self.into = self.portal.edits.merge(self.merged, self.portal.world.shelf("contacts").ids[-2])
        self.adapter = Bad(self.portal, self.time)
        ids = (str(one) for one in self.portal.world.shelf("contacts").ids)
        self.contacts = [one for one in ids if one != self.into]
        self.connected().schema.setup()

    def _make_lookups_necessary(self) -> None:
        """A call with a custom outcome, and a contact with two companies and no word on which is primary."""
        edits, contact = self.portal.edits, self.portal.world.shelf("contacts").ids[0]
        call = edits.create("calls", {"hs_timestamp": "0"}, [contact])
        edits.raw(call, {"hs_call_disposition": "c0ffee00-0000-4000-8000-000000000000"}, kind="calls")
        for name in ("Acme", "Bolt"):
            edits.associate("contacts", contact, "companies", edits.create("companies", {"name": name}))
        edits.raw(contact, {"associatedcompanyid": ""})

    def connected(self) -> Gateway:
        session = requests.Session()
        session.mount(BASE_URL, self.adapter)
        config = PortalConfig(
            base_url=BASE_URL,
            access_token=self.portal.token,
            burst_per_10s=100_000,
            search_per_s=1_000,
            patience_s=5.0,
            app_id=APP_ID,
        )
        return connect(
            config,
            session=session,
            monotonic=self.time.monotonic,
            sleep=self.time.sleep,
            utcnow=self.time.wall,
        )


RIG = Rig()


def read_pages(gateway: Gateway) -> None:
    for kind in KINDS:
        gateway.page(kind, properties=("country",), associations=(Kind.CONTACT,), after=None)


def read_contacts(gateway: Gateway) -> None:
    page = gateway.page(Kind.CONTACT, properties=(STAGE,), associations=(Kind.COMPANY, Kind.DEAL), after=None)
    assert all(one.id.isdecimal() for one in page.snapshots)


def search(gateway: Gateway) -> None:
    until = RIG.time.wall()
    for place, _ in enumerate(gateway.changed(Kind.CONTACT, until - timedelta(days=4000), until)):
        assert place < 50


def batch_read(gateway: Gateway) -> None:
    asked = RIG.contacts[:5]
    reading = gateway.read(Kind.CONTACT, asked, properties=("country",))
    assert {*reading.snapshots, *reading.missing, *reading.unreadable} == set(asked)


def associations(gateway: Gateway) -> None:
    found = gateway.associations(Kind.CONTACT, Kind.NOTE, RIG.contacts)
    assert set(found) <= set(RIG.contacts)  # one that cannot be read is left out


def history(gateway: Gateway) -> None:
    assert set(gateway.history(STAGE, [ContactId(one) for one in RIG.contacts])) <= set(RIG.contacts)


def look_back(gateway: Gateway) -> None:
    gateway.look_back(some_intents())


def forms(gateway: Gateway) -> None:
    for form in gateway.forms():
        gateway.submissions(form, None)


def check_up(gateway: Gateway) -> None:
    gateway.account()
    gateway.schema.stages()
    gateway.schema.problems()
    gateway.schema.missing({Kind.CONTACT: ("country",)})


def set_up(gateway: Gateway) -> None:
    gateway.schema.setup()


CALLS = [
    (read_pages, "/objects/"),
    (read_pages, "/pipelines/"),
    (read_pages, "/dispositions"),
    (read_contacts, "/objects/"),
    (read_contacts, "/properties/"),
    (read_contacts, "/associations/"),
    (search, "/search"),
    (batch_read, "/batch/read"),
    (batch_read, "/objects/"),
    (associations, "/associations/"),
    (history, "/batch/read"),
    (look_back, "/batch/read"),
    (forms, "/forms"),
    (check_up, "/"),
    (set_up, "/properties/"),
]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "0", "-1", "null", "x" * 5000, "9" * 400, "2026-99-99", "\u0000", "101;102", "true"]
    ),
    st.text(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def spoilings(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Change one place of a good answer: another value, nothing, or the same thing twice."""
    steps = draw(st.lists(st.integers(0, 10_000), max_size=8))
    how = draw(st.sampled_from(["replace", "delete", "double"]))
    value = draw(VALUES)

    def spoil(body: bytes) -> bytes:
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        return json.dumps(_changed(answer, steps, how, value)).encode(errors="surrogatepass")

    return spoil


def _changed(node: Any, steps: list[int], how: str, value: Any) -> Any:
    if not steps or not isinstance(node, dict | list) or not node:
        return value
    keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
    key = keys[steps[0] % len(keys)]
    if len(steps) > 1 and isinstance(node[key], dict | list) and node[key]:
        node[key] = _changed(node[key], steps[1:], how, value)
    elif how == "delete":
        del node[key]
    elif how == "double" and isinstance(node, list):
        node.append(node[key])
    else:
        node[key] = value
    return node


def whole(body: bytes) -> Callable[[bytes], bytes]:
    return lambda _: body


NONSENSE = st.one_of(
    st.binary(max_size=200).map(whole),
    VALUES.map(lambda value: whole(json.dumps(value).encode(errors="surrogatepass"))),
    st.sampled_from([b"", b"<html>", b"[" * 5000, b'{"results":' * 900, b'{"results":[1e999]}']).map(whole),
)


@pytest.mark.parametrize(("call", "part"), CALLS)
@HARD
@given(spoil=st.one_of(spoilings(), spoilings(), NONSENSE))
def test_g12_a_bad_answer_is_a_finding_or_a_clear_error(
    call: Callable[[Gateway], None], part: str, spoil: Callable[[bytes], bytes]
) -> None:
    RIG.adapter.part, RIG.adapter.spoil = part, spoil
    try:
        call(RIG.connected())
    except PortalError:
        pass  # a clear error is one of the two good ends
    finally:
        RIG.adapter.spoil = None


@HARD
@given(
    spoil=st.one_of(spoilings(), spoilings(), NONSENSE),
    part=st.sampled_from(["/batch/update", "/batch/", "/contacts/", "/"]),
)
def test_g2_a_bad_answer_never_makes_a_wrong_write_or_a_false_outcome(
    part: str, spoil: Callable[[bytes], bytes]
) -> None:
    intents = some_intents()
    RIG.portal.reset_log()
    RIG.adapter.part, RIG.adapter.spoil = part, spoil
    outcomes = []
    try:
        for one in RIG.connected().update(intents):
            outcomes.append(one)  # noqa: PERF402 # those before an error count
    except PortalError:
        pass  # what was not yielded was not sent
    finally:
        RIG.adapter.spoil = None

    assert len({one.intent.seq for one in outcomes}) == len(outcomes)
    for one in outcomes:
        if one.result is Result.APPLIED and one.contact == one.intent.change.contact:
            assert held(one.intent) == one.intent.change.after
    allowed = {(one.change.contact, one.change.property, one.change.after) for one in intents}
    followed = {(RIG.into, name, after) for contact, name, after in allowed if contact == RIG.merged}
    assert sent() <= allowed | followed


_round = iter(range(10**9))


def some_intents() -> list[Intent]:
    grade = f"G{next(_round)}"
    changes = [a_change(one, Own.GRADE, grade, before=shown(one, Own.GRADE)) for one in RIG.contacts]
    changes += [a_change(RIG.contacts[0], Own.FIT, "much"), a_change("424242", Own.FIT, "30")]
    changes += [a_change(RIG.merged, Own.TRACK, grade, before=shown(RIG.merged, Own.TRACK))]
    return [an_intent(one) for one in changes]


def shown(contact: str, name: str) -> str | None:
    return RIG.portal.edits.record(contact).text(name) or None


def held(intent: Intent) -> str | None:
    return shown(intent.change.contact, intent.change.property)


def sent() -> set[tuple[str, str, str]]:
    found = set()
    for one in RIG.portal.log:
        if "/batch/update" in one.target and one.body:
            for each in json.loads(one.body)["inputs"]:
                found |= {(each["id"], name, value) for name, value in each["properties"].items()}
        elif one.method == "PATCH":
            contact = one.target.rpartition("/")[2]
            found |= {(contact, name, value) for name, value in json.loads(one.body)["properties"].items()}
    return found
