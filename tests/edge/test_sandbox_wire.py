"""Whatever a client does to the sandbox's connections: it is answered or let go, and nobody else notices."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Lag, Request, Reset, Response, Sandbox
from crmsync.sandbox.network.server import MAX_BODY, MAX_HEAD, Server

CONTACTS = "/crm/objects/2026-09/contacts"
PATIENCE_S = 10


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(5, engagements=0, limits=False, lag=Lag(0, 0, 0.0)) as running:
        yield running


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    host, _, port = url.partition("://")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
        yield wire


def head(sandbox: Sandbox, line: str, *more: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: x", f"Authorization: Bearer {sandbox.token}", *more, "", ""]
    return "\r\n".join(lines).encode()


def everything(wire: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := wire.recv(65_536):
            received += piece
    return received


def talk(sandbox: Sandbox, sent: bytes) -> bytes:
    """Send, say that it was all, and give what comes back."""
    with connected(sandbox.url) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        return everything(wire)


def is_well(sandbox: Sandbox) -> bool:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    return requests.get(sandbox.url + CONTACTS, headers=headers, timeout=PATIENCE_S).status_code == 200


def job_of(sandbox: Sandbox, id_: int) -> str:
    return sandbox.portal.world.shelf("contacts").live[id_].text("jobtitle")


def test_pipelined_requests_are_answered_in_order(sandbox: Sandbox) -> None:
    targets = [
        f"GET {CONTACTS}?limit=1",
        f"GET {CONTACTS}/1",
        f"HEAD {CONTACTS}",
        f"GET {CONTACTS}?limit=999",
    ]

    said = talk(sandbox, b"".join(head(sandbox, target) for target in targets))

    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"200", b"404", b"405", b"400"]


def test_an_answer_to_head_has_no_body(sandbox: Sandbox) -> None:
    said = talk(sandbox, head(sandbox, f"HEAD {CONTACTS}"))

    assert said.endswith(b"\r\n\r\n")
    assert b"Content-Length: " in said


def test_a_client_that_waits_for_leave_to_send_gets_it(sandbox: Sandbox) -> None:
    body = b'{"properties": {"jobtitle": "Patient"}}'
    with connected(sandbox.url) as wire:
        wire.sendall(
            head(sandbox, f"PATCH {CONTACTS}/101", f"Content-Length: {len(body)}", "Expect: 100-continue")
        )
        leave = wire.recv(100)
        wire.sendall(body)
        wire.shutdown(socket.SHUT_WR)
        said = everything(wire)

    assert leave == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert said.startswith(b"HTTP/1.1 200 OK")


def test_trailers_have_an_end_like_any_head(sandbox: Sandbox) -> None:
    start = head(sandbox, f"POST {CONTACTS}/batch/read", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n"
    few = talk(sandbox, start + b"x: y\r\n" * 10 + b"\r\n")
    too_many = talk(sandbox, start + b"x: y\r\n" * (MAX_HEAD // 6 + 1))

    assert few.startswith(b"HTTP/1.1 200 OK")
    assert too_many.startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("ending", ["Content-Length: 90", "Transfer-Encoding: chunked"])
def test_half_a_write_is_no_write(sandbox: Sandbox, ending: str) -> None:
    body = b'{"properties": {"jobtitle": "Half"}}'
    sent = body if "Length" in ending else b"24\r\n" + body + b"\r\n"

    talk(sandbox, head(sandbox, f"PATCH {CONTACTS}/102", ending) + sent)

    assert job_of(sandbox, 102) != "Half"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nspace before : colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (f"POST / HTTP/1.1\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n".encode(), 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
    ],
)
def test_what_is_no_request_is_refused_and_let_go(sandbox: Sandbox, sent: bytes, status: int) -> None:
    said = talk(sandbox, sent)

    assert said.startswith(f"HTTP/1.1 {status} ".encode())
    assert said.endswith(b"Connection: close\r\n\r\n")
    assert is_well(sandbox)


def test_a_large_body_is_read_and_judged(sandbox: Sandbox) -> None:
    body = b'{"properties": {"jobtitle": "' + b"x" * 5_000_000 + b'"}}'

    said = talk(sandbox, head(sandbox, f"PATCH {CONTACTS}/103", f"Content-Length: {len(body)}") + body)

    assert said.startswith(b"HTTP/1.1 400")
    assert b"STRING_TOO_LONG" in said


def test_a_client_of_http_1_0_is_let_go_after_its_answer(sandbox: Sandbox) -> None:
    with connected(sandbox.url) as wire:
        wire.sendall(f"GET {CONTACTS} HTTP/1.0\r\nAuthorization: Bearer {sandbox.token}\r\n\r\n".encode())
        said = everything(wire)

    assert said.startswith(b"HTTP/1.1 200 OK")


def test_a_request_that_names_the_host_in_its_first_line_is_understood(sandbox: Sandbox) -> None:
    said = talk(sandbox, head(sandbox, f"GET http://api.hubapi.com{CONTACTS}?limit=1"))

    assert said.startswith(b"HTTP/1.1 200 OK")


def test_clients_that_dawdle_do_not_hold_up_the_others(sandbox: Sandbox) -> None:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connected(sandbox.url)) for _ in range(60)]
        sent = head(sandbox, f"GET {CONTACTS}?limit=1", "Connection: close")
        for wire in wires:
            wire.sendall(sent[:30])
        assert is_well(sandbox)
        for wire in wires:
            wire.sendall(sent[30:])

        answers = [everything(wire) for wire in wires]

    assert {answer[:15] for answer in answers} == {b"HTTP/1.1 200 OK"}


def test_a_client_that_does_not_read_its_answer_hurts_nobody(sandbox: Sandbox) -> None:
    with connected(sandbox.url) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        wire.sendall(head(sandbox, "GET /crm/properties/2026-09/contacts") * 40)

        assert is_well(sandbox)


def test_two_hundred_clients_at_once_are_all_answered(sandbox: Sandbox) -> None:
    together = threading.Barrier(200)

    def ask(_: int) -> bytes:
        together.wait(PATIENCE_S)
        return talk(sandbox, head(sandbox, f"GET {CONTACTS}?limit=1"))[:15]

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(ask, range(200)))

    assert answers == [b"HTTP/1.1 200 OK"] * 200


class Broken:
    """A portal with a bug."""

    def handle(self, request: Request, /) -> Response | Reset:
        return Response(int(request.path.removeprefix("/")))


def test_a_bug_is_a_500_and_one_line_without_what_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(Broken())
    server.start()
    with connected(server.url) as wire:
        wire.sendall(b"GET /secret@mail.example HTTP/1.1\r\n\r\nGET /204 HTTP/1.1\r\n\r\n")
        wire.shutdown(socket.SHUT_WR)
        said = everything(wire)
    server.stop()

    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"HTTP/1.1 204 " in said
    console = capsys.readouterr().err
    assert console.startswith("crmsync sandbox: a bug of the sandbox, please report it: ValueError at ")
    assert console.count("\n") == 1
    assert "secret" not in console


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(
    st.binary(max_size=40)
    | st.sampled_from([
        b"GET / HTTP/1.1\r\n", b"\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n",
        b"POST /crm/v3/objects/contacts HTTP/1.1\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"/_sandbox/state",
    ]),
    max_size=8,
))  # fmt: skip
def test_random_bytes_bring_nothing_down(sandbox: Sandbox, pieces: list[bytes]) -> None:
    said = talk(sandbox, b"".join(pieces))

    assert said == b"" or said.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 5" not in said.replace(b"HTTP/1.1 505", b"")
