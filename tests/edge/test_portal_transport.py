"""What the transport makes of answers: which are tried again, which errors they become, and what never leaks."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
import structlog
from structlog.testing import capture_logs

from crmsync.errors import PortalError, RateLimited, Unauthorized, Unavailable
from crmsync.portal.client import Client
from crmsync.portal.clock import PortalClock
from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.faults import AnswerLost, Refused
from crmsync.portal.transport import Transport
from crmsync.portal.wire import HttpWire
from crmsync.sandbox import Sandbox
from tests.inprocess import FakeTime

BASE = "https://api.example"
LIST = f"{BASE}/crm/objects/2026-09/contacts"
UPDATE = f"{BASE}/crm/objects/2026-09/contacts/batch/update"
CREATE = f"{BASE}/crm/properties/2026-09/contacts/batch/create"
SEARCH = f"{BASE}/crm/objects/2026-09/contacts/search"
TOKEN = "pat-eu1-secret-of-acme"
EMAIL = "jane.doe@acme.example"
EMPTY: Mapping[str, Any] = {"results": []}
HTML = "<html><body>Error 502 jane.doe@acme.example</body></html>"

Call = Callable[[Client], object]


def read(client: Client) -> object:
    return client.list_page("contacts", properties=["email"])


def search(client: Client) -> object:
    return client.search("contacts", {})


def write(client: Client) -> object:
    return client.batch_update("contacts", [{"id": "1", "properties": {"email": EMAIL}}])


def create(client: Client) -> object:
    return client.create_properties("contacts", [{"name": "crmsync_fit"}])


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def a_transport(time: FakeTime, **config: Any) -> tuple[Transport, Client]:
    clocks = Time(time.monotonic, time.sleep, time.wall)
    given = PortalConfig(**({"base_url": BASE, "access_token": TOKEN} | config))
    transport = Transport(given, clocks, HttpWire(given, clocks, None))
    return transport, Client(transport, BASE)


def a_client(time: FakeTime, **config: Any) -> Client:
    return a_transport(time, **config)[1]


def say(server: responses.RequestsMock, url: str, status: int, body: object = None, **headers: str) -> None:
    text = body if isinstance(body, str | Exception | bytes) else json.dumps({} if body is None else body)
    method = "GET" if url == LIST else "POST"
    server.add(
        method, url, status=status, body=text, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


# --- what is sent ------------------------------------------------------------------------------------------------


def test_the_sdk_builds_a_request_and_the_transport_sends_it_on_the_path_of_its_version(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 200, EMPTY)
    a_client(time).list_page(
        "contacts", properties=["email", "country"], associations=["companies"], after="7", archived=True
    )

    request = server.calls[0].request
    assert parse_qs(urlsplit(str(request.url)).query) == {
        "limit": ["100"],
        "archived": ["true"],
        "properties": ["email,country"],
        "associations": ["companies"],
        "after": ["7"],
    }
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_every_request_has_a_limit_on_connecting_and_on_silence(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 200, EMPTY)
    read(a_client(time, timeout_s=7.0))

    assert server.calls[0].request.req_kwargs["timeout"] == (7.0, 7.0)  # type: ignore[attr-defined] # of responses


def test_a_redirect_is_not_followed_since_it_would_carry_the_token_elsewhere(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 302, "", Location="https://evil.example/")

    with pytest.raises(Unavailable, match="base_url"):
        read(a_client(time))


# --- what is tried again -----------------------------------------------------------------------------------------


def test_g12_half_an_emoji_does_not_cost_the_page(time: FakeTime, server: responses.RequestsMock) -> None:
    say(
        server,
        LIST,
        200,
        r'{"results": [{"id": "7", "subject": "caf\u00e9 \ud83d"}, {"id": "8", "whole": "\ud83d\ude00"}]}',
    )

    assert a_client(time).list_page("contacts", properties=[]).json == {
        "results": [{"id": "7", "subject": "café ?"}, {"id": "8", "whole": "\U0001f600"}]
    }
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(r'{"results": ["\ud83d", NaN]}', id="no number"),
        pytest.param(r'{"results": ["\ud83d"', id="cut short"),
        pytest.param('{"results": ' + "[" * 100_000 + r'"\ud83d"', id="nested without end"),
        pytest.param(b'{"results": ["\\ud83d \xff"]}', id="not UTF-8"),
    ],
)
def test_what_is_not_json_stays_unavailable(
    time: FakeTime, server: responses.RequestsMock, body: str | bytes
) -> None:
    say(server, LIST, 200, body)

    with pytest.raises(Unavailable, match="not JSON"):
        read(a_client(time))


@pytest.mark.parametrize("call", [read, search])
@pytest.mark.parametrize(
    "first",
    [
        pytest.param((500, "{}"), id="500"),
        pytest.param((502, HTML), id="502 as HTML"),
        pytest.param((503, ""), id="503"),
        pytest.param((524, HTML), id="524"),
        pytest.param((408, ""), id="408"),
        pytest.param((200, HTML), id="200 with HTML"),
        pytest.param((200, ""), id="200 with nothing"),
        pytest.param((200, '{"results": [{"id"'), id="truncated JSON"),
        pytest.param((200, "[]"), id="a list instead of an object"),
        pytest.param((200, '{"total": 3}'), id="no results"),
        pytest.param((200, '{"results": {}}'), id="results of another type"),
        pytest.param((0, requests.exceptions.ReadTimeout()), id="timeout"),
        pytest.param((0, requests.exceptions.ConnectionError("reset")), id="reset"),
        pytest.param((0, requests.exceptions.ChunkedEncodingError()), id="broken off"),
    ],
)
def test_a_read_that_failed_is_tried_again(
    time: FakeTime, server: responses.RequestsMock, call: Call, first: tuple[int, object]
) -> None:
    url = LIST if call is read else SEARCH
    say(server, url, *first)
    say(server, url, 200, EMPTY)

    call(a_client(time))

    assert len(server.calls) == 2
    assert time.slept > 0


def test_a_read_that_keeps_failing_ends_as_unavailable_after_five_tries(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 503, "")

    with pytest.raises(Unavailable, match="status 503"):
        read(a_client(time))
    assert len(server.calls) == 5


@pytest.mark.parametrize("call", [write, create])
@pytest.mark.parametrize(
    "answer",
    [
        (500, "{}"),
        (502, HTML),
        (200, HTML),
        (200, ""),
        (200, '{"resul'),
        (200, "[]"),
        (0, requests.exceptions.ReadTimeout()),
        (0, requests.exceptions.ConnectionError("reset")),
    ],
)
def test_g2_a_write_whose_answer_was_lost_is_never_repeated_blindly(
    time: FakeTime, server: responses.RequestsMock, call: Call, answer: tuple[int, object]
) -> None:
    say(server, UPDATE, *answer)
    say(server, CREATE, *answer)

    with pytest.raises(AnswerLost):
        call(a_client(time))
    assert len(server.calls) == 1


@pytest.mark.parametrize(("call", "url"), [(read, LIST), (write, UPDATE), (create, CREATE)])
def test_what_hubspot_refused_before_acting_is_repeated_whatever_it_was(
    time: FakeTime, server: responses.RequestsMock, call: Call, url: str
) -> None:
    say(server, url, 423, {"message": "locked"})
    say(server, url, 429, {"policyName": "TEN_SECONDLY_ROLLING"})
    say(server, url, 200, EMPTY)

    call(a_client(time))

    assert len(server.calls) == 3


def test_a_lock_that_stays_is_said_with_what_to_do(time: FakeTime, server: responses.RequestsMock) -> None:
    say(server, LIST, 423, {"message": "locked"})

    with pytest.raises(Unavailable, match=r"locked while another job writes there\. Wait until"):
        read(a_client(time))


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ("http", "no connection (Connection refused)"),
        ("https", "no secure connection (wrong version number)"),
    ],
)
def test_why_there_is_no_connection_is_told(time: FakeTime, scheme: str, why: str) -> None:
    with Sandbox(contacts=0, engagements=0) as sandbox:
        port = sandbox.url.rpartition(":")[2] if scheme == "https" else "9"
        base = f"{scheme}://127.0.0.1:{port}"
        transport, _ = a_transport(time, base_url=base)

        with pytest.raises(Unavailable) as raised:
            read(Client(transport, base))

    assert why in raised.value.message
    assert "portal.base_url" in raised.value.next_step


@pytest.mark.parametrize("call", [read, write, create])
def test_a_connection_that_never_stood_is_tried_again(time: FakeTime, call: Call) -> None:
    transport, _ = a_transport(time, base_url="http://127.0.0.1:9")  # nobody listens there

    with pytest.raises(Unavailable, match="no connection") as raised:
        call(Client(transport, "http://127.0.0.1:9"))
    assert not isinstance(raised.value, AnswerLost)  # it had no effect, that much is known
    assert transport.traffic.requests == 5


@pytest.mark.parametrize(
    ("body", "headers", "least", "most"),
    [
        pytest.param({"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10, 10.2, id="burst"),
        pytest.param({"policyName": "SECONDLY"}, {}, 1, 1.2, id="search"),
        pytest.param({"message": "You have reached your secondly limit."}, {}, 1, 1.2, id="by its sentence"),
        pytest.param(
            {"message": "You have reached your ten_secondly_rolling limit."}, {}, 10, 10.2, id="burst too"
        ),
        pytest.param({"policyName": "SOMETHING_NEW"}, {}, 10, 10.2, id="unknown"),
        pytest.param(HTML, {}, 10, 10.2, id="not even JSON"),
        pytest.param({"policyName": "SECONDLY"}, {"Retry_After": "30"}, 30, 30.2, id="as it says"),
        pytest.param({"policyName": "SECONDLY"}, {"Retry_After": "86400"}, 60, 60.2, id="capped"),
        pytest.param({"policyName": "SECONDLY"}, {"Retry_After": "0"}, 1, 1.2, id="at least a moment"),
        pytest.param({"policyName": "SECONDLY"}, {"Retry_After": "soon"}, 1, 1.2, id="unreadable"),
    ],
)
def test_g8_a_429_waits_as_long_as_its_policy_says(  # noqa: PLR0917 # a table of cases
    time: FakeTime,
    server: responses.RequestsMock,
    body: object,
    headers: dict[str, str],
    least: float,
    most: float,
) -> None:
    say(server, LIST, 429, body, **headers)
    say(server, LIST, 200, EMPTY)

    read(a_client(time))

    assert least <= time.elapsed <= most


def test_a_lock_is_waited_out(time: FakeTime, server: responses.RequestsMock) -> None:
    say(server, UPDATE, 423, {})
    say(server, UPDATE, 200, EMPTY)

    write(a_client(time))

    assert 2 <= time.elapsed <= 3


def test_g8_a_limit_used_up_by_others_slows_us_and_gives_up_only_after_our_patience(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 429, {"policyName": "TEN_SECONDLY_ROLLING"})

    with pytest.raises(RateLimited) as raised:
        read(a_client(time, patience_s=100.0))
    assert raised.value.policy == "TEN_SECONDLY_ROLLING"
    assert 80 <= time.elapsed <= 110


@pytest.mark.parametrize("call", [read, write])
def test_g8_a_spent_day_is_not_waited_out_but_told(
    time: FakeTime, server: responses.RequestsMock, call: Call
) -> None:
    say(server, LIST if call is read else UPDATE, 429, {"policyName": "DAILY"})
    client = a_client(time, time_zone="UTC")

    for _ in range(2):
        with pytest.raises(RateLimited) as raised:
            call(client)
        assert raised.value.policy == "DAILY"
        assert raised.value.retry_after_s == pytest.approx(12 * 3600, abs=2)
    assert len(server.calls) == 1  # the second was not even sent


def test_a_migration_pauses_for_as_long_as_hubspot_asks(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    say(server, LIST, 477, {}, Retry_After="86400")

    with pytest.raises(RateLimited) as raised:
        read(a_client(time))
    assert (raised.value.policy, raised.value.retry_after_s) == ("MIGRATION", 86_400)
    assert time.slept == 0


# --- what errors say ---------------------------------------------------------------------------------------------


def test_a_revoked_token_is_told_once(time: FakeTime, server: responses.RequestsMock) -> None:
    say(server, LIST, 401, {"category": "INVALID_AUTHENTICATION", "correlationId": "c033cdaa-2c40-4a64"})

    with pytest.raises(Unauthorized, match="ACCESS_TOKEN") as raised:
        read(a_client(time))
    assert raised.value.scopes == ()
    assert raised.value.correlation_id == "c033cdaa-2c40-4a64"
    assert len(server.calls) == 1


def test_a_missing_scope_is_named(time: FakeTime, server: responses.RequestsMock) -> None:
    context = {"requiredGranularScopes": ["crm.objects.contacts.read"]}
    say(server, LIST, 403, {"category": "MISSING_SCOPES", "errors": [{"context": context}]})

    with pytest.raises(Unauthorized, match=r"crm\.objects\.contacts\.read") as raised:
        read(a_client(time))
    assert raised.value.scopes == ("crm.objects.contacts.read",)


def test_a_rejection_names_category_code_and_property_but_no_value(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    embedded = [{"isValid": False, "message": f"{EMAIL} was bad", "error": "INVALID_EMAIL", "name": "email"}]
    message = f"Property values were not valid: {json.dumps(embedded)}"
    context = {"objectWriteTraceId": ["549b1c2a9351"]}
    say(server, UPDATE, 400, {"category": "VALIDATION_ERROR", "message": message, "context": context})

    with pytest.raises(Refused) as raised:
        write(a_client(time))
    error = raised.value
    assert (error.status, error.category, error.properties) == (400, "VALIDATION_ERROR", ("email",))
    assert error.problems == (("INVALID_EMAIL", "email"),)
    assert error.traces == {"549b1c2a9351"}
    assert "INVALID_EMAIL" in str(error)
    assert EMAIL not in str(error)


ANSWERS = [
    (
        400,
        {
            "message": f"{EMAIL} {TOKEN}",
            "category": EMAIL,
            "errors": [{"code": EMAIL, "context": {"a": [EMAIL]}}],
        },
    ),
    (400, {"message": f'[{{"name": "{EMAIL}", "error": "{TOKEN}"}}]'}),
    (401, {"message": TOKEN, "correlationId": EMAIL}),
    (403, {"context": {"requiredGranularScopes": [EMAIL, TOKEN + "@"]}}),
    (409, {"message": f"Contact already exists. {EMAIL}"}),
    (429, {"policyName": EMAIL, "message": f"daily {TOKEN}"}),
    (477, {"message": EMAIL}),
    (500, {"message": EMAIL}),
    (200, EMAIL),
]


@pytest.mark.parametrize(("status", "body"), ANSWERS)
@pytest.mark.parametrize("call", [read, write])
def test_g13_no_error_and_no_log_tells_an_address_or_the_token(
    time: FakeTime, server: responses.RequestsMock, call: Call, status: int, body: object
) -> None:
    say(server, LIST if call is read else UPDATE, status, body)

    with capture_logs() as logs, pytest.raises(PortalError) as raised:
        call(a_client(time, patience_s=1.0))

    told = f"{raised.value} {raised.value.__dict__} {logs}"
    assert EMAIL not in told
    assert TOKEN not in told


@pytest.mark.parametrize(
    "message", ["ANN_SMITH is not valid", "ANN_SMITH: is not one of the allowed options"]
)
def test_g13_a_value_that_looks_like_an_error_code_is_not_quoted(
    time: FakeTime, server: responses.RequestsMock, message: str
) -> None:
    say(server, UPDATE, 400, {"category": "VALIDATION_ERROR", "message": message})

    with capture_logs() as logs, pytest.raises(PortalError) as raised:
        write(a_client(time, patience_s=1.0))

    assert "ANN_SMITH" not in f"{raised.value} {raised.value.__dict__} {logs}"


def test_g13_the_settings_of_a_portal_do_not_print_the_token() -> None:
    assert TOKEN not in repr(PortalConfig(access_token=TOKEN))


# --- what is counted ---------------------------------------------------------------------------------------------


def test_every_exchange_is_logged_and_counted(time: FakeTime, server: responses.RequestsMock) -> None:
    say(server, LIST, 503, "")
    say(server, LIST, 200, EMPTY)
    structlog.reset_defaults()
    with capture_logs() as logs:
        transport, client = a_transport(time)
        read(client)

    assert [(one["event"], one["path"], one["status"]) for one in logs] == [
        ("request.sent", "/crm/objects/2026-09/contacts", 503),
        ("request.sent", "/crm/objects/2026-09/contacts", 200),
    ]
    tallied = transport.traffic.tallied()
    assert (tallied.requests, tallied.retries) == (2, 1)
    assert tallied.by_status == {("burst", 503): 1, ("burst", 200): 1}


# --- the portal's clock ------------------------------------------------------------------------------------------


def test_g7_the_portals_clock_counts_not_ours(time: FakeTime, server: responses.RequestsMock) -> None:
    theirs = datetime(2026, 11, 22, 9, 30, 5, tzinfo=UTC)  # ours says noon
    say(server, LIST, 200, EMPTY, Date=format_datetime(theirs, usegmt=True))
    transport, client = a_transport(time)
    read(client)
    time.pass_by(60)

    assert transport.clock.now() == datetime(2026, 11, 22, 9, 31, 5, tzinfo=UTC)


def test_g7_the_portals_clock_that_was_set_back_is_told_as_it_is_then(time: FakeTime) -> None:
    clock = PortalClock(Time(time.monotonic, time.sleep, time.wall))
    ahead, right = datetime(2027, 11, 22, 12, 0, tzinfo=UTC), datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
    clock.hear(format_datetime(ahead, usegmt=True))
    time.pass_by(1)
    clock.hear(format_datetime(right, usegmt=True))

    assert clock.now() == right


def test_g7_the_portals_clock_is_never_told_ahead_of_itself(
    time: FakeTime, server: responses.RequestsMock
) -> None:
    transport, client = a_transport(time)
    truth = itertools.count()
    for _ in range(20):
        theirs = time.wall()
        say(server, LIST, 200, EMPTY, Date=format_datetime(theirs.replace(microsecond=0), usegmt=True))
        read(client)
        assert transport.clock.now() <= time.wall()
        time.pass_by(0.3 + next(truth) / 100)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 9999 99:99:99 GMT"])
def test_an_unreadable_date_is_no_date(time: FakeTime, server: responses.RequestsMock, date: str) -> None:
    say(server, LIST, 200, EMPTY, Date=date)
    transport, client = a_transport(time)
    read(client)

    assert transport.clock.now() == time.wall()
