"""The server of the pages: ports, threads, stopping."""

import asyncio
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from crmsync.errors import OperatorError, SettingsError
from crmsync.web import WebConfig, serve

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


APP = Starlette(routes=[Route("/{rest:path}", hello)])


def test_it_answers_until_it_is_stopped_and_frees_its_port() -> None:
    running = serve(APP, "127.0.0.1", 0)
    assert httpx.get(running.address + "a").text == "/a"

    running.stop()
    running.stop()

    with pytest.raises(httpx.ConnectError):
        httpx.get(running.address)
    again = serve(APP, "127.0.0.1", running.port)
    again.stop()
    assert not [one for one in threading.enumerate() if one.name == "web"]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\n", id="half a head"),
        pytest.param(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf", id="half a body"),
    ],
)
def test_a_connection_that_keeps_us_waiting_is_closed(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr("crmsync.web.server._WAITED_S", 0.1)
    running = serve(APP, "127.0.0.1", 0)
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as client:
            client.sendall(said)

            with suppress(ConnectionResetError):
                while client.recv(65_536):
                    pass
    finally:
        running.stop()


def test_an_answer_that_takes_long_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def long(_: Request) -> PlainTextResponse:
        await asyncio.sleep(0.3)  # thirty times as long as a client may keep us waiting
        return PlainTextResponse("at last")

    monkeypatch.setattr("crmsync.web.server._WAITED_S", 0.01)
    running = serve(Starlette(routes=[Route("/", long)]), "127.0.0.1", 0)
    try:
        assert httpx.get(running.address, timeout=20).text == "at last"
    finally:
        running.stop()


def test_a_port_in_use_is_said_with_the_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(
            OperatorError, match=rf"Port {port} on 127\.0\.0\.1 is in use\. Stop the other program"
        ):
            serve(APP, "127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(OperatorError, match=host.replace(".", r"\.")):
        serve(APP, host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_asks_nobody_unless_there_is_a_token(host: str) -> None:
    assert not WebConfig(host, lambda: NOW).needs_login
    assert WebConfig(host, lambda: NOW, token="t").needs_login


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "crm.acme.example", ""])
def test_everywhere_else_there_must_be_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match=r"web\.token is not set"):
        WebConfig(host, lambda: NOW)
    assert WebConfig(host, lambda: NOW, token="t").needs_login


def test_a_config_does_not_print_its_token() -> None:
    assert "hunter2" not in repr(WebConfig("0.0.0.0", lambda: NOW, token="hunter2"))
