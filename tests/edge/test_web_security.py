"""The pages under attack: over real HTTP, judged by what was answered and by what was done."""

import hmac
import logging
import re
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from logging.handlers import QueueHandler
from queue import SimpleQueue
from urllib.parse import urlsplit

import httpx
import pytest
import structlog

from crmsync.errors import CrmsyncError, LeaseLost, OperatorError, StoreError, Unauthorized
from crmsync.store.audit.filtering import AuditFilter
from crmsync.web.protection import same
from crmsync.web.sessions import Sessions, Throttle
from crmsync.web.store_desk import Actions, Daemon
from tests.edge.web_desk import EMAIL, MARKUP, PLAN, REVERT, RUN, Visit, visit

TOKEN = "correct-horse-battery-staple"
PAGES = (
    "/", "/contacts", "/contacts/101", "/contacts/102", "/plans", f"/plans/{PLAN}", f"/plans/{REVERT}", "/runs",
    f"/runs/{RUN}", "/audit", "/audit/1", "/audit/2", "/audit/5", "/audit/verify", "/definition", "/nowhere",
)  # fmt: skip
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
CHANGES = (f"/plans/{PLAN}/approve", f"/plans/{PLAN}/reject", f"/runs/{RUN}/revert")


@pytest.fixture(scope="module")
def on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with visit(tmp_path_factory.mktemp("here")) as visited:
        yield visited


@pytest.fixture(scope="module")
def reachable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with visit(tmp_path_factory.mktemp("there"), host="0.0.0.0", token=TOKEN) as visited:
        yield visited


@pytest.fixture
def here(on_loopback: Visit) -> Visit:
    """Pages on loopback, visited for the first time."""
    on_loopback.start_again()
    return on_loopback


@pytest.fixture
def there(reachable: Visit) -> Visit:
    """Pages that others can reach, nobody signed in and no guesses made."""
    reachable.start_again()
    reachable.clock.advance(3_600)
    assert sign_in(reachable).status_code == 303
    reachable.start_again()
    return reachable


def sign_in(visited: Visit, token: str = TOKEN) -> httpx.Response:
    return visited.submit("/login", token=token)


def attributes_of(text: str) -> list[str]:
    class Reader(HTMLParser):
        def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names.extend(name for name, _ in attrs)

    names: list[str] = []
    Reader().feed(text)
    return names


# --- who may look ------------------------------------------------------------------------------------------


def test_on_loopback_nobody_is_asked_to_sign_in(here: Visit) -> None:
    assert here.http.get("/").status_code == 200


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path != "/nowhere"] + ["/audit/export.jsonl", "/funnel.svg"]
)
def test_elsewhere_nothing_is_shown_before_signing_in(there: Visit, path: str) -> None:
    answer = there.http.get(path)

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/contacts/101", "/audit", "/audit/verify"])
def test_elsewhere_a_part_of_a_page_is_not_given_to_a_script_before_signing_in(
    there: Visit, path: str
) -> None:
    answer = there.http.get(path, headers={"hx-request": "true"})

    assert answer.status_code == 401
    assert EMAIL not in answer.text


@pytest.mark.parametrize("path", CHANGES)
def test_elsewhere_nothing_is_changed_before_signing_in(there: Visit, path: str) -> None:
    answer = there.submit(path, who="Eve", form_token=there.form_token("/login"))

    assert answer.status_code == 401
    assert there.decisions.made == []


def test_the_token_opens_the_pages_and_stays_out_of_the_cookie(there: Visit) -> None:
    answer = sign_in(there)

    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert there.http.get("/").status_code == 200


@pytest.mark.parametrize(("scheme", "is_secure"), [("https", True), ("http", False)])
def test_the_cookie_is_secure_exactly_when_the_connection_is(
    there: Visit, scheme: str, is_secure: bool
) -> None:
    answer = there.http.get("/login", headers={"x-forwarded-proto": scheme})

    assert ("Secure" in answer.headers["set-cookie"]) is is_secure
    assert ("strict-transport-security" in answer.headers) is is_secure


@pytest.mark.parametrize(("host", "is_warned"), [("crm.acme.example", True), ("127.0.0.1", False)])
def test_who_signs_in_over_a_network_in_the_clear_is_warned(there: Visit, host: str, is_warned: bool) -> None:
    form = there.http.get("/login", headers={"host": host}).text

    assert ("This connection is not encrypted" in form) is is_warned


def test_a_wrong_token_opens_nothing(there: Visit) -> None:
    assert sign_in(there, TOKEN[:-1]).status_code == 403
    assert there.http.get("/").status_code == 303


def test_secrets_are_compared_in_a_time_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    compare = hmac.compare_digest

    def watched(given: bytes, expected: bytes) -> bool:
        compared.extend((len(given), len(expected)))
        return compare(given, expected)

    monkeypatch.setattr(hmac, "compare_digest", watched)

    assert same(TOKEN, TOKEN)
    assert not same("x", TOKEN)
    assert compared == [32] * 4  # digests: not even the lengths differ


@pytest.mark.parametrize("name", ["next", "to", "return_to", "url"])
def test_signing_in_leads_to_the_overview_whatever_is_asked(there: Visit, name: str) -> None:
    """Otherwise a link to our own sign-in could lead elsewhere."""
    elsewhere = "https://evil.example/"
    fields = {"token": TOKEN, "form_token": there.form_token("/login"), name: elsewhere}

    answer = there.http.post(f"/login?{name}={elsewhere}", data=fields, headers={"origin": there.origin})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_guessing_is_throttled_also_for_the_right_token(there: Visit) -> None:
    answers = [sign_in(there, f"guess-{n}").status_code for n in range(6)]
    assert answers == [403] * 5 + [429]

    blocked = sign_in(there)

    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1
    there.clock.advance(2)
    assert sign_in(there).status_code == 303


def test_each_further_guess_waits_longer(there: Visit) -> None:
    tried = 0
    for _ in range(600):
        there.clock.advance(1)
        tried += sign_in(there, "wrong").status_code == 403

    assert tried < 20


def test_guesses_from_everywhere_together_are_throttled_too(there: Visit) -> None:
    throttle = Throttle(there.clock)
    waits = [throttle.admit(f"198.51.100.{n}") for n in range(61)]

    assert waits == [0] * 60 + [60]
    there.clock.advance(60)
    assert throttle.admit("198.51.100.99") == 0


def test_a_planted_cookie_gains_nothing(there: Visit) -> None:
    planted = "p" * 43
    there.http.cookies.set("crmsync_session", planted, domain="127.0.0.1")
    sign_in(there)
    mine = there.http.cookies.get("crmsync_session")

    attacker = httpx.get(there.address, cookies={"crmsync_session": planted})

    assert mine != planted
    assert attacker.status_code == 303


def test_signing_out_ends_the_session_for_good(there: Visit) -> None:
    sign_in(there)
    session = there.http.cookies["crmsync_session"]

    there.submit("/logout")

    assert there.http.get("/").status_code == 303
    assert httpx.get(there.address, cookies={"crmsync_session": session}).status_code == 303


def test_a_session_ends_by_itself(there: Visit) -> None:
    sign_in(there)
    there.clock.advance(13 * 3_600)

    assert there.http.get("/").status_code == 303


@pytest.mark.parametrize("name", ["token", "access_token", "TOKEN", "tok%65n", "password"])
def test_a_token_in_the_address_is_refused_even_a_right_one(there: Visit, name: str) -> None:
    answer = there.http.get(f"/login?{name}={TOKEN}")

    assert answer.status_code == 400
    assert TOKEN not in answer.text
    assert there.http.get("/").status_code == 303


@pytest.mark.parametrize("name", ["t", "q", "secret", "session", "crmsync_session", "form_token"])
def test_the_token_signs_in_by_the_form_alone(there: Visit, name: str) -> None:
    there.http.get(f"/login?{name}={TOKEN}", headers={"authorization": f"Bearer {TOKEN}"})
    assert there.http.get("/").status_code == 303

    form_token = there.form_token("/login")
    assert there.submit(f"/login?{name}={TOKEN}", form_token=form_token).status_code == 403
    assert there.http.get("/").status_code == 303


# --- who may change ----------------------------------------------------------------------------------------

FOREIGN = [
    pytest.param({"origin": "https://evil.example"}, id="another origin"),
    pytest.param({"origin": "null"}, id="a sandboxed frame"),
    pytest.param({"sec-fetch-site": "cross-site"}, id="the browser says cross-site"),
    pytest.param({"sec-fetch-site": "same-site"}, id="a sister site"),
    pytest.param({"sec-fetch-site": "none"}, id="typed by hand"),
    pytest.param({"origin": "http://127.0.0.1:1"}, id="another port"),
    pytest.param({}, id="neither origin nor site"),
]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_an_origin_of_ours_does_not_outweigh_what_the_browser_says(here: Visit, site: str) -> None:
    headers = {"origin": here.origin, "sec-fetch-site": site}

    assert here.submit(CHANGES[0], headers, who="Eve").status_code == 403
    assert here.decisions.made == []


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", CHANGES)
def test_a_change_from_elsewhere_is_refused_with_a_right_form_token(
    here: Visit, path: str, headers: dict[str, str]
) -> None:
    assert here.submit(path, headers, who="Eve").status_code == 403
    assert here.decisions.made == []


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x"])
def test_a_change_without_the_token_of_its_form_is_refused(here: Visit, token: str) -> None:
    here.http.get("/")

    assert here.submit(CHANGES[0], who="Eve", form_token=token).status_code == 403
    assert here.decisions.made == []


def test_a_form_token_cannot_be_made_without_the_key_of_this_server(here: Visit) -> None:
    session = "s" * 43
    ours, others = (Sessions(key, here.clock, lambda: session) for key in ("k1", "k2"))

    assert ours.is_form_token(session, ours.form_token(session))
    assert not ours.is_form_token(session, others.form_token(session))


def test_the_form_token_of_another_session_is_refused(here: Visit) -> None:
    others = here.form_token()
    here.http.cookies.clear()
    here.http.get("/")

    assert here.submit(CHANGES[0], who="Eve", form_token=others).status_code == 403
    assert here.decisions.made == []


@pytest.mark.parametrize("path", [*CHANGES, "/logout", "/contacts/find"])
def test_nothing_is_changed_by_reading(here: Visit, path: str) -> None:
    if path == "/contacts/find":
        assert here.http.get(path).status_code == 404  # no such contact
    else:
        assert here.http.get(path).status_code == 405
    assert here.decisions.made == []


def test_our_own_page_may_change(here: Visit) -> None:
    assert here.submit(CHANGES[0], who="Anna").status_code == 303
    assert here.submit(CHANGES[1], who="Anna").status_code == 303
    assert here.submit(CHANGES[2], who="Anna").status_code == 303

    assert here.decisions.made == [
        ("approve", PLAN, "Anna"),
        ("reject", PLAN, "Anna"),
        ("revert", RUN, "everything", "Anna"),
    ]


@pytest.mark.parametrize("who", ["", "   ", "x" * 81, "a\x00b", "a\u202eb"])
def test_a_decision_needs_a_name(here: Visit, who: str) -> None:
    for path in CHANGES:
        answer = here.submit(path, who=who)

        assert answer.status_code == 400
        assert "Write your name" in answer.text
    assert here.decisions.made == []


# --- where from --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3.4", "[::2]", "", "@"]
)
def test_a_name_that_was_rebound_to_loopback_gets_nothing(here: Visit, host: str) -> None:
    answer = here.http.get("/contacts/101", headers={"host": host})

    assert answer.status_code == 400
    assert EMAIL not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1", "[::1]:8321", "LOCALHOST"])
def test_this_machines_own_names_are_answered(here: Visit, host: str) -> None:
    assert here.http.get("/", headers={"host": host}).status_code == 200


# --- what is sent ------------------------------------------------------------------------------------------


def test_an_oversized_body_is_refused_by_its_length(here: Visit) -> None:
    answer = here.submit(CHANGES[0], who="x" * 20_000)

    assert answer.status_code == 413
    assert here.decisions.made == []


def test_a_body_that_is_announced_too_large_is_not_waited_for(here: Visit) -> None:
    place = urlsplit(here.address)
    announced = (
        f"POST {CHANGES[0]} HTTP/1.1\r\nhost: {place.netloc}\r\norigin: {here.origin}\r\n"
        "content-type: application/x-www-form-urlencoded\r\ncontent-length: 900000000\r\n\r\n"
    )
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as browser:
        browser.sendall(announced.encode())

        assert browser.recv(12) == b"HTTP/1.1 413"


def test_an_oversized_body_without_a_length_is_refused_too(here: Visit) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b"a" * 1_000

    headers = {"origin": here.origin, "content-type": "application/x-www-form-urlencoded"}
    answer = here.http.post(CHANGES[0], content=endless(), headers=headers)

    assert answer.status_code == 413


def test_many_fields_and_other_encodings_are_refused(here: Visit) -> None:
    headers = {"origin": here.origin}
    many = here.http.post(CHANGES[0], data={f"f{n}": "1" for n in range(500)}, headers=headers)
    parts = here.http.post(CHANGES[0], files={"who": b"x"}, headers=headers)
    json = here.http.post(CHANGES[0], json={"who": "x"}, headers=headers)

    assert [many.status_code, parts.status_code, json.status_code] == [400, 415, 415]


def test_a_long_address_is_refused(here: Visit) -> None:
    assert here.http.get("/audit?cause=" + "x" * 3_000).status_code == 414


SQL = [
    "' OR 1=1 --",
    "1; DROP TABLE audit",
    "%",
    "_",
    "%.",
    "_un.",
    "\\",
    "a' UNION SELECT email FROM emails --",
    "\x00",
]


@pytest.mark.parametrize("attack", SQL)
@pytest.mark.parametrize("name", ["kind", "cause", "property", "actor", "definition", "contact", "run"])
def test_sql_in_a_filter_is_a_text_that_nothing_has(here: Visit, name: str, attack: str) -> None:
    before = here.store.trail.head()

    answer = here.http.get("/audit", params={name: attack})

    assert answer.status_code == 200
    assert "No entry matches" in answer.text
    assert EMAIL not in answer.text.replace(f">{EMAIL}</option>", "")
    assert here.store.trail.head() == before


@pytest.mark.parametrize(
    "query",
    [
        "day=tomorrow",
        "day=9999-12-31",
        "day=0001-01-01",
        "before=-1",
        "before=" + "9" * 40,
        "after=1e3",
        "before=%00",
    ],
)
def test_a_bad_day_or_number_is_no_error_of_ours(here: Visit, query: str) -> None:
    assert here.http.get(f"/audit?{query}").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "at=now",
        "at=2026-11-22T99:00",
        "at=9999-12-31T23:59:59-23:59",
        "at=0001-01-01T00:00:00+23:59",
        "at=2026-02-30",
    ],
)
def test_a_bad_instant_is_no_error_of_ours(here: Visit, query: str) -> None:
    assert here.http.get(f"/contacts/101?{query}").status_code == 200


@pytest.mark.parametrize("path", [
    "/static/../site.py", "/static/..%2fsite.py", "/static/%2e%2e/site.py", "/static/....//site.py",
    "/static//etc/passwd", "/static/%00", "/static/site.py", "/static/templates/base.html", "/static/",
    "/contacts/..%2f..%2fetc", "/plans/..%2f..", "/definition/%25",
])  # fmt: skip
def test_no_path_leads_out(here: Visit, path: str) -> None:
    answer = here.http.send(
        here.http.build_request("GET", httpx.URL(here.origin).copy_with(raw_path=path.encode()))
    )

    assert answer.status_code == 404
    assert "def make_app" not in answer.text


def test_what_the_pages_name_is_served_also_before_signing_in(there: Visit) -> None:
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', there.http.get("/login").text)

    assert {urlsplit(path).path for path in named} >= {"/static/crmsync.css", "/static/htmx.min.js"}
    assert {there.http.get(path).status_code for path in named} == {200}


# --- what is shown -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_markup_in_names_and_reasons_stays_text(here: Visit, path: str) -> None:
    text = here.http.get(path).text

    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "49" not in re.findall(r"</script>(\d\d)", text)


def test_markup_is_shown_for_what_it_is(here: Visit) -> None:
    assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;" in here.http.get("/contacts/102").text


@pytest.mark.parametrize(
    "path", [*PAGES, "/login", "/healthz", "/metrics", "/static/crmsync.css", "/static/htmx.min.js"]
)
def test_every_answer_carries_the_strict_policy(here: Visit, path: str) -> None:
    answer = here.http.get(path)

    policy = answer.headers["content-security-policy"].split("; ")
    assert sorted(policy) == [
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
    ]
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "server" not in answer.headers


def test_a_picture_may_hold_its_own_style_and_nothing_else(here: Visit) -> None:
    policy = here.http.get("/funnel.svg").headers["content-security-policy"]

    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; frame-ancestors 'none'", policy
    )


@pytest.mark.parametrize("path", [*PAGES, "/login", "/healthz", "/metrics", "/audit/export.jsonl"])
def test_nobody_keeps_a_copy_of_what_is_shown(here: Visit, path: str) -> None:
    assert here.http.get(path).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_needs_an_exception_to_the_policy(here: Visit, path: str) -> None:
    text = here.http.get(path).text

    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "<style" not in text
    assert not [name for name in attributes_of(text) if name == "style" or name.startswith("on")]
    assert not re.search(r'(src|href|action)="(https?:)?//', text)


def test_no_address_holds_a_person(here: Visit) -> None:
    found = here.submit("/contacts/find", contact=EMAIL.upper())
    texts = [here.http.get(path).text for path in PAGES]

    assert found.headers["location"] == "/contacts/101"
    addresses = [one for text in texts for one in re.findall(r'(?:href|src|action|value)="([^"]*)"', text)]
    assert not [one for one in addresses if "smith" in one.lower() or "customer.example" in one]


def test_a_person_can_be_filtered_for_without_being_named_in_the_address(here: Visit) -> None:
    value = re.search(rf'value="(~[0-9a-f]+)">{re.escape(EMAIL)}', here.http.get("/audit").text)
    assert value is not None

    answer = here.http.get("/audit", params={"actor": value[1]})

    expected = here.store.trail.entries(AuditFilter(actor=EMAIL))
    assert len(expected) == 1
    assert re.findall(r'<th scope="row"><a href="/audit/(\d+)"', answer.text) == [str(expected[0].seq)]


def test_a_bug_shows_no_traceback_and_logs_no_value(here: Visit) -> None:
    def broken() -> dict[str, object]:
        raise ValueError(f"cannot read {EMAIL}")

    here.desk.daemon = Daemon(health=broken, metrics=lambda: "")
    with structlog.testing.capture_logs() as logs:
        answer = here.http.get("/")

    assert answer.status_code == 500
    assert "A bug in crmsync" in answer.text
    for text in (answer.text, repr(logs)):
        assert EMAIL not in text
        assert "Traceback" not in text
    assert logs[0]["event"] == "page.failed"


def test_a_store_that_does_not_answer_is_said_with_the_next_step(here: Visit) -> None:
    def broken() -> dict[str, object]:
        raise StoreError("The database is locked.", next_step="Stop the other process.")

    here.desk.daemon = Daemon(health=broken, metrics=lambda: "")
    answer = here.http.get("/")

    assert answer.status_code == 503
    assert "The database is locked. Stop the other process." in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthorized("The token was refused.", next_step="Make a new one."), 502),
        (OperatorError("The plan is applied and no longer waits.", next_step="See `crmsync plans`."), 409),
        (LeaseLost("Another process writes.", next_step="Stop it."), 503),
    ],
)
def test_what_a_person_can_mend_is_said_with_the_next_step(
    here: Visit, error: CrmsyncError, status: int
) -> None:
    def refuse(*_: object) -> None:
        raise error

    actions, here.desk.actions = here.desk.actions, Actions(refuse, refuse, refuse)  # type: ignore[arg-type]  # raises
    answers = [here.submit(path, who="Anna") for path in CHANGES]
    here.desk.actions = actions

    assert [answer.status_code for answer in answers] == [status] * 3
    assert all(str(error).partition("`")[0] in answer.text for answer in answers)


def test_no_request_is_logged(
    here: Visit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: SimpleQueue[logging.LogRecord] = SimpleQueue()
    monkeypatch.setattr(
        logging.getLogger(), "handlers", [QueueHandler(logged)]
    )  # caplog hears the unheard too
    with caplog.at_level(logging.DEBUG):
        here.submit("/contacts/find", contact=EMAIL)

    names = {logged.get().name.partition(".")[0] for _ in range(logged.qsize())}
    assert names <= {"httpx", "httpcore"}  # the browser's


def test_what_does_not_exist_has_a_page(here: Visit) -> None:
    for path in (
        "/nowhere",
        "/contacts/999",
        "/plans/p-x",
        "/runs/r-x",
        "/audit/999",
        "/definition/abcdef123456",
    ):
        answer = here.http.get(path)
        assert answer.status_code == 404
        assert "<h1>Not here</h1>" in answer.text
    assert here.http.put("/").status_code in {403, 405}
    assert here.http.request("BREW", "/", headers={"origin": here.origin}).status_code == 405


# --- machines ----------------------------------------------------------------------------------------------


def test_health_and_metrics_are_open_on_loopback(here: Visit) -> None:
    assert here.http.get("/healthz").json() == {"ok": True, "problems": [], "budget": {"daily_left": 1_000}}
    assert here.http.get("/metrics").text == "up 1\n"


def test_health_says_what_is_wrong(here: Visit) -> None:
    problem = "HubSpot refused the token. Make a new one."
    here.desk.daemon = Daemon(health=lambda: {"ok": False, "problems": [problem]}, metrics=lambda: "")

    answer = here.http.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == [problem]
    assert problem in here.http.get("/").text


def test_others_learn_only_whether_it_is_well(there: Visit) -> None:
    outside = {"host": "crm.acme.example"}

    assert there.http.get("/healthz", headers=outside).json() == {"ok": True}
    assert there.http.get("/metrics", headers=outside).status_code == 401


def test_the_machine_itself_and_whoever_has_the_token_may_look(there: Visit) -> None:
    assert "budget" in there.http.get("/healthz").json()
    outside = {"host": "crm.acme.example", "authorization": f"Bearer {TOKEN}"}
    assert there.http.get("/metrics", headers=outside).text == "up 1\n"


def test_a_forwarded_visitor_is_not_this_machine(there: Visit) -> None:
    outside = {"host": "localhost", "x-forwarded-for": "203.0.113.9"}

    assert there.http.get("/metrics", headers=outside).status_code == 401


def test_a_token_tried_at_metrics_counts_as_a_guess(there: Visit) -> None:
    outside = {"host": "crm.acme.example"}
    for n in range(5):
        there.http.get("/metrics", headers=outside | {"authorization": f"Bearer guess-{n}"})

    right = there.http.get("/metrics", headers=outside | {"authorization": f"Bearer {TOKEN}"})

    assert right.status_code == 401


def test_markup_is_what_the_hostile_contact_holds(here: Visit) -> None:
    contact = here.desk.contact(here.desk.find("102") or here.desk.find("101"))  # type: ignore[arg-type]  # found

    assert contact is not None
    assert contact.stage == MARKUP
