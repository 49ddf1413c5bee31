"""Faults on demand (portal facts, section 13, point 24), over real HTTP where the connection matters."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from crmsync.sandbox import Lag, Sandbox

CONTACTS = "/crm/objects/2026-09/contacts"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(30, engagements=30, lag=Lag(0, 0, 0.0), limits=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.portal.faults.clear()


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["Authorization"] = f"Bearer {sandbox.token}"
        yield opened


def get(sandbox: Sandbox, session: requests.Session, **more: Any) -> requests.Response:
    return session.get(sandbox.url + CONTACTS, timeout=5, **more)


def first_id(sandbox: Sandbox) -> str:
    return str(sandbox.portal.world.shelf("contacts").ids[0])


def write(sandbox: Sandbox, session: requests.Session, country: str) -> requests.Response:
    body = {"properties": {"country": country}}
    return session.patch(f"{sandbox.url}{CONTACTS}/{first_id(sandbox)}", json=body, timeout=5)


def country(sandbox: Sandbox) -> str:
    return sandbox.portal.world.shelf("contacts").live[int(first_id(sandbox))].text("country")


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("burst", "TEN_SECONDLY_ROLLING"),
        ("search_limit", "SECONDLY"),
        ("daily", "DAILY"),
        ("unknown_429", None),
    ],
)
def test_24_a_429_of_each_policy(
    sandbox: Sandbox, session: requests.Session, kind: str, policy: str | None
) -> None:
    sandbox.arm(kind)
    refused = get(sandbox, session)

    assert (refused.status_code, refused.json().get("policyName")) == (429, policy)
    assert "Retry-After" not in refused.headers
    assert get(sandbox, session).status_code == 200


def test_24_a_429_may_say_when_to_come_back(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("burst", retry_after_s=7)

    assert get(sandbox, session).headers["Retry-After"] == "7"


def test_24_an_account_that_moves_says_for_how_long(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("477", retry_after_s=3_600)
    moved = get(sandbox, session)

    assert (moved.status_code, moved.headers["Retry-After"]) == (477, "3600")


@pytest.mark.parametrize(
    ("kind", "is_html"), [("500", False), ("503", False), ("502", True), ("504", True), ("521", True)]
)
def test_24_server_errors_as_json_and_as_html(
    sandbox: Sandbox, session: requests.Session, kind: str, is_html: bool
) -> None:
    sandbox.arm(kind)
    failed = get(sandbox, session)

    assert failed.status_code == int(kind)
    assert failed.text.startswith("<!DOCTYPE html>") is is_html
    assert failed.headers["Content-Type"].startswith("text/html" if is_html else "application/json")


def test_24_a_524_comes_after_a_silence(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("524", hang_s=0.15)
    failed = get(sandbox, session)

    assert failed.status_code == 524
    assert failed.elapsed.total_seconds() >= 0.15


def test_24_a_silence_beyond_the_timeout_looks_like_one(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("hang", hang_s=1.0)

    with pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url + CONTACTS, timeout=0.1)


def test_24_a_reset_before_the_effect(sandbox: Sandbox, session: requests.Session) -> None:
    write(sandbox, session, "BE")
    sandbox.arm("reset_before", method="PATCH")

    with pytest.raises(requests.ConnectionError):
        write(sandbox, session, "NL")

    assert country(sandbox) == "BE"


def test_24_a_reset_after_the_effect_loses_only_the_answer(
    sandbox: Sandbox, session: requests.Session
) -> None:
    write(sandbox, session, "BE")
    sandbox.arm("reset_after", method="PATCH")

    with pytest.raises(requests.ConnectionError):
        write(sandbox, session, "DE")

    assert country(sandbox) == "DE"
    assert (sandbox.portal.log[-1].status, sandbox.portal.log[-1].fault) == (0, "reset_after")


def test_24_a_truncated_answer(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("truncate")

    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        get(sandbox, session)
    assert get(sandbox, session).status_code == 200


def test_24_half_a_json_with_a_length_that_is_right(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("half")
    broken = get(sandbox, session)

    assert broken.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        broken.json()


@pytest.mark.parametrize(("kind", "body"), [("html_200", "<!DOCTYPE html>"), ("empty_200", "")])
def test_24_a_200_that_is_no_json(sandbox: Sandbox, session: requests.Session, kind: str, body: str) -> None:
    sandbox.arm(kind)
    said = get(sandbox, session)

    assert said.status_code == 200
    assert said.text[: len(body) or 1] == body


def test_24_a_slow_body_arrives_whole(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("slow", hang_s=0.8)
    said = get(sandbox, session, stream=True)
    head_at = said.elapsed.total_seconds()

    assert len(said.json()["results"]) == 10
    assert head_at < 0.8


def test_24_a_lock_holds_its_path_for_two_seconds(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("423", method="PATCH")
    statuses = [write(sandbox, session, "BE").status_code for _ in range(3)]
    sandbox.portal.faults.release(first_id(sandbox))

    assert statuses == [423, 423, 423]
    assert sandbox.portal.faults.struck["423"] == 1


def test_24_faults_are_chosen_by_path_method_number_and_chance(
    sandbox: Sandbox, session: requests.Session
) -> None:
    sandbox.arm("500", path="*/contacts", method="GET", nth=3, count=2)
    statuses = [get(sandbox, session).status_code for _ in range(6)]
    sandbox.arm("503", path="/crm/owners/*", probability=0.5, count=None)
    owners = [session.get(f"{sandbox.url}/crm/owners/2026-09", timeout=5).status_code for _ in range(40)]

    assert statuses == [200, 200, 500, 500, 200, 200]
    assert 5 < owners.count(503) < 35


def test_24_an_unknown_fault_is_refused(sandbox: Sandbox, session: requests.Session) -> None:
    wrong = session.post(f"{sandbox.url}/_sandbox/faults", json={"kind": "flood"}, timeout=5)
    odd = session.post(f"{sandbox.url}/_sandbox/faults", json={"kind": "500", "often": 1}, timeout=5)

    assert (wrong.status_code, odd.status_code) == (400, 400)
    assert "flood" in wrong.json()["message"]


def test_24_one_value_of_a_good_answer_is_spoilt(sandbox: Sandbox, session: requests.Session) -> None:
    good = get(sandbox, session).content
    sandbox.arm("mangle", count=20)
    spoilt = {get(sandbox, session).content for _ in range(20)}

    assert good not in spoilt
    assert len(spoilt) > 10


def test_24_any_answer_can_be_put_in_its_place(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.arm("replace", status=200, body='{"results": 7}')

    assert get(sandbox, session).json() == {"results": 7}
