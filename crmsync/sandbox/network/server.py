"""Real HTTP/1.1 around a portal: threads, keep-alive, and connections that break on purpose."""

import contextlib
import io
import re
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import IO, Protocol

from crmsync.sandbox.wire import ApiError, Request, Reset, Response

MAX_HEAD = 65_536
MAX_BODY = 16 * 1024 * 1024
PATIENCE_S = 300.0
"""A connection that says nothing for so long is closed."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DRIPS = 20
_DIGITS = re.compile(r"[0-9]{1,12}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,8}")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Answering(Protocol):
    """What stands behind the server."""

    def handle(self, request: Request, /) -> Response | Reset: ...


class Server:
    """Serves one portal; the port is taken at once, served from `start` to `stop`, which closes every connection."""

    def __init__(
        self, behind: Answering, host: str = "127.0.0.1", port: int = 0, latency_s: float = 0.0
    ) -> None:
        """*Raises* OSError when the port is taken."""
        self._behind = behind
        self.latency_s = latency_s
        self._listener = socket.create_server((host, port), backlog=128)
        self.host, self.port = self._listener.getsockname()[:2]
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._accepting = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        self._accepting.start()

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._accepting.is_alive():
            self._accepting.join(timeout=5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._open.add(connection)
            threading.Thread(target=self._converse, args=(connection,), name="sandbox", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        """Answer requests on one connection until either side ends it, or is silent for too long."""
        try:
            connection.settimeout(PATIENCE_S)
            with io.BufferedReader(socket.SocketIO(connection, "r"), 65_536) as incoming:
                while not self._stopping.is_set() and self._answer_next(connection, incoming):
                    pass
        except OSError:
            pass  # the client went away; that is its right
        finally:
            with self._guard:
                self._open.discard(connection)
            connection.close()

    def _answer_next(self, connection: socket.socket, incoming: IO[bytes]) -> bool:
        """Whether the connection stays open."""
        try:
            request = read_request(incoming, lambda: connection.sendall(CONTINUE))
        except NotHttp as refused:
            connection.sendall(head_of(Response(refused.status, headers=()), keeps=False))
            return False
        if request is None:
            return False
        said = self._ask(request)
        if self.latency_s and not request.path.startswith("/_sandbox"):
            self._pause(self.latency_s)
        self._pause(said.hang_s)
        if isinstance(said, Reset):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            return False
        keeps = request.headers.get("connection", "").lower() != "close" and said.cut_at is None
        self._send(connection, replace(said, cut_at=0) if request.method == "HEAD" else said, keeps=keeps)
        return keeps

    def _ask(self, request: Request) -> Response | Reset:
        """A bug of the sandbox is one line on the console and a 500 for the client; the next request is answered."""
        try:
            return self._behind.handle(request)
        except Exception as error:  # noqa: BLE001 - the top loop of a server
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            sys.stderr.write(f"crmsync sandbox: a bug of the sandbox, please report it: {where}\n")
            return ApiError(500, "internal error", "INTERNAL_ERROR").envelope("bug")

    def _send(self, connection: socket.socket, said: Response, *, keeps: bool) -> None:
        body = said.body if said.cut_at is None else said.body[: said.cut_at]
        head = head_of(said, keeps=keeps)
        if not said.drip_s or not body:
            connection.sendall(head + body)
            return
        connection.sendall(head)
        size = max(1, len(body) // DRIPS)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        for piece in pieces:
            self._pause(said.drip_s / len(pieces))
            connection.sendall(piece)

    def _pause(self, seconds: float) -> None:
        if seconds > 0 and not self._stopping.is_set():
            self._stopping.wait(seconds)


class NotHttp(Exception):
    """What came is no request that can be answered; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read_request(incoming: IO[bytes], go_on: Callable[[], None] = lambda: None) -> Request | None:
    """
    The next request, whole.

    Args:
        go_on: tells a client that waits for it (`Expect: 100-continue`) to send the body.

    Returns:
        None at the end of the connection, also in the middle of a request.

    Raises:
        NotHttp: the connection cannot go on.
    """
    line = incoming.readline(MAX_HEAD)
    if line in {b"\r\n", b"\n"}:  # allowed between two requests
        line = incoming.readline(MAX_HEAD)
    if not line.strip():
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3:
        raise NotHttp(400)
    if not parts[2].startswith("HTTP/1."):
        raise NotHttp(505)
    headers = _read_headers(incoming, MAX_HEAD - len(line))
    if headers is None:
        return None
    if parts[2] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if headers.get("expect", "").lower() == "100-continue":
        go_on()
    body = _read_body(incoming, headers)
    target = parts[1] if parts[1].startswith("/") else "/" + parts[1].partition("://")[2].partition("/")[2]
    return None if body is None else Request(parts[0].upper(), target, headers, body)


def _read_headers(incoming: IO[bytes], room: int) -> dict[str, str] | None:
    """Names in lower case; None when the connection ends before the head does. *Raises* NotHttp."""
    headers: dict[str, str] = {}
    while (line := incoming.readline(MAX_HEAD)) not in {b"\r\n", b"\n"}:
        if not line:
            return None
        room -= len(line)
        if room < 0:
            raise NotHttp(431)
        name, colon, value = line.decode("latin-1").partition(":")
        key = name.lower()
        if not colon or not name or name != name.strip() or (key == "content-length" and key in headers):
            raise NotHttp(400)
        headers[key] = value.strip()
    return headers


def _read_body(incoming: IO[bytes], headers: Mapping[str, str]) -> bytes | None:
    """None when the connection ends before the body does: half a write is no write. *Raises* NotHttp."""
    length, coding = headers.get("content-length", ""), headers.get("transfer-encoding", "").lower()
    if coding:
        if coding != "chunked" or length:
            raise NotHttp(400)
        return _read_chunks(incoming)
    if not length:
        return b""
    if not _DIGITS.fullmatch(length):
        raise NotHttp(400)
    return _read_exactly(incoming, int(length), MAX_BODY)


def _read_chunks(incoming: IO[bytes]) -> bytes | None:
    chunks: list[bytes] = []
    room = MAX_BODY
    while size := _chunk_size(incoming.readline(MAX_HEAD)):
        chunk = _read_exactly(incoming, size, room)
        if chunk is None:
            return None
        room -= size
        chunks.append(chunk)
        incoming.readline(MAX_HEAD)
    trailers = _read_headers(incoming, MAX_HEAD)
    return None if trailers is None else b"".join(chunks)


def _chunk_size(line: bytes) -> int:
    text = line.split(b";")[0].strip().decode("latin-1")
    if not _HEX.fullmatch(text):
        raise NotHttp(400)
    return int(text, 16)


def _read_exactly(incoming: IO[bytes], size: int, room: int) -> bytes | None:
    if size > room:
        raise NotHttp(413)
    body = incoming.read(size)
    return body if len(body) == size else None


def head_of(said: Response, *, keeps: bool) -> bytes:
    """Status line and headers; the length is that of the whole body, also when it will be cut."""
    try:
        reason = HTTPStatus(said.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {said.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in said.headers]
    if said.status != 204:
        lines.append(f"Content-Length: {len(said.body)}")
    lines += ["Server: cloudflare", f"Connection: {'keep-alive' if keeps else 'close'}", "", ""]
    return "\r\n".join(lines).encode("latin-1")
