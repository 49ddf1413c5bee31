"""An application and a place to listen -> uvicorn in a background thread, and a `Running` that stops it."""

import asyncio
import errno
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from crmsync.errors import OperatorError, SettingsError
from crmsync.web.protection import is_loopback

_STOPS_WITHIN_S = 5
_STARTS_WITHIN_S = 30.0
_WAITED_S = 30.0


@dataclass(frozen=True, slots=True)
class WebConfig:
    """
    How the pages are reached.

    Attributes:
        host: where they listen; anywhere but loopback needs a token.
        token: what a person types to sign in; "" asks nobody. With one, loopback asks too: a proxy may stand there.
        now: our clock, aware UTC.
        new_secret: gives ids of sessions and the key of the forms; only tests give another.
    """

    host: str
    now: Callable[[], datetime]
    token: str = field(default="", repr=False)
    new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.token:
            raise SettingsError(
                f"web.host is {self.host}, which others can reach, and web.token is not set.",
                next_step="Set CRMSYNC_WEB__TOKEN (or ..._TOKEN_FILE) to a long random text, or listen on 127.0.0.1.",
            )

    @property
    def needs_login(self) -> bool:
        return bool(self.token)


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work. `address` is what to open in a browser."""

    address: str
    port: int
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        """Answer what was asked already, for a few seconds at most, and close the port. May be called twice."""
        self._server.should_exit = True
        self._thread.join(_STOPS_WITHIN_S * 2)


def serve(app: Any, host: str, port: int) -> Running:
    """
    Listen, and answer in a thread of its own until stopped.

    Args:
        port: 0 takes any free one; see the `port` of what is returned.

    Raises:
        OperatorError: the port is in use, or this host or port is not ours to listen on.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_STOPS_WITHIN_S,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
        http=_Waited,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="web", daemon=True)
    thread.start()
    _wait_until_started(server, thread)
    bound: int = listening.getsockname()[1]
    return Running(f"http://{_shown(host)}:{bound}/", bound, server, thread)


class _Waited(H11Protocol):
    """A connection that is closed when it keeps us waiting; as many as may be open would shut everybody out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        self._seen = self.cycle
        self._next_look = self.loop.call_later(_WAITED_S, self._look)

    def _look(self) -> None:
        """Close it when the client has neither asked the whole of anything nor read an answer since the last look."""
        is_waited_for = self.conn.their_state in {h11.IDLE, h11.SEND_BODY} or self.flow.write_paused
        if is_waited_for and self.cycle is self._seen:
            self.transport.abort()
        else:
            self._look_again()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    tick = threading.Event()
    for _ in range(int(_STARTS_WITHIN_S / 0.01)):
        if server.started or not thread.is_alive():
            break
        tick.wait(0.01)
    if not server.started:
        raise OperatorError("The web pages did not start.", next_step="See the log, and report it.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError:
        raise OperatorError(
            f"web.host: {host} is not an address of this machine.",
            next_step="Set web.host to 127.0.0.1, or to an address that `ip address` shows.",
        ) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        with closing(listening):
            raise _cannot_listen(host, port, error) from None
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> OperatorError:
    match error.errno:
        case errno.EADDRINUSE:
            what, step = (
                "is in use",
                "Stop the other program, or set web.port to another port (0: any free one).",
            )
        case errno.EACCES:
            what, step = "may not be used by this user", "Set web.port to 1024 or more."
        case _:
            what, step = (
                f"cannot be used ({error.strerror})",
                "Set web.host and web.port to a place of this machine.",
            )
    return OperatorError(f"Port {port} on {host} {what}.", next_step=step)


def _shown(host: str) -> str:
    """Name the host so that a browser on this machine finds it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
