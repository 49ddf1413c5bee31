"""Real HTTP/1.1 around a portal: threads, keep-alive, and connections that break on purpose."""

import contextlib
import io
import socket
import struct
import threading
from http import HTTPStatus
from typing import IO, Protocol

from crmsync.sandbox.wire import Request, Reset, Response

MAX_HEAD = 65_536
DRIPS = 20
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
        """Answer requests on one connection until either side ends it."""
        try:
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
            request = read_request(incoming)
        except ValueError:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        if request is None:
            return False
        said = self._behind.handle(request)
        if self.latency_s and not request.path.startswith("/_sandbox"):
            self._pause(self.latency_s)
        self._pause(said.hang_s)
        if isinstance(said, Reset):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            return False
        keeps = request.headers.get("connection", "").lower() != "close" and said.cut_at is None
        self._send(connection, said, keeps=keeps)
        return keeps

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


def read_request(incoming: IO[bytes]) -> Request | None:
    """The next request; None at the end of the connection. *Raises* ValueError when it is not HTTP."""
    line = incoming.readline(MAX_HEAD)
    if not line.strip():
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3:
        raise ValueError("not a request line")
    headers: dict[str, str] = {}
    size = len(line)
    while (line := incoming.readline(MAX_HEAD)) not in (b"\r\n", b"\n", b""):
        size += len(line)
        if size > MAX_HEAD:
            raise ValueError("the head is too long")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    target = parts[1] if parts[1].startswith("/") else "/" + parts[1].split("/", 3)[-1]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Request(parts[0].upper(), target, headers, _read_chunks(incoming))
    return Request(parts[0].upper(), target, headers, incoming.read(int(headers.get("content-length") or 0)))


def _read_chunks(incoming: IO[bytes]) -> bytes:
    chunks = []
    while size := int(incoming.readline(MAX_HEAD).split(b";")[0].strip() or b"0", 16):
        chunks.append(incoming.read(size))
        incoming.readline()
    incoming.readline()
    return b"".join(chunks)


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
