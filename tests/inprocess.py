"""A sandbox portal reached without a socket, on a clock that only moves when somebody waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import ManualClock, Options, Portal, Request, Reset

BASE_URL = "http://portal.example"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class FakeTime:
    """
    Our monotonic clock and the portal's wall clock, moving together.

    Attributes:
        meanwhile: what others do while somebody waits.
    """

    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    elapsed: float = 0.0
    slept: float = 0.0
    meanwhile: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.pass_by(seconds)
        self.meanwhile()

    def pass_by(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall.advance(seconds)


class PortalAdapter(BaseAdapter):
    """Mounted on a requests.Session, it hands requests to a portal in this process."""

    def __init__(self, portal: Portal, time: FakeTime, latency_s: float = 0.0) -> None:
        super().__init__()
        self.portal = portal
        self.time = time
        self.latency_s = latency_s

    def send(  # noqa: PLR0917 # the signature is that of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        del stream, verify, cert, proxies
        self.time.pass_by(self.latency_s / 2)
        parts = urlsplit(request.url or "")
        body = request.body or b""
        said = self.portal.handle(
            Request(
                request.method or "GET",
                str(parts.path) + (f"?{parts.query}" if parts.query else ""),
                {name.lower(): str(value) for name, value in request.headers.items()},
                body.encode() if isinstance(body, str) else bytes(body),
            )
        )
        self.time.pass_by(self.latency_s / 2)
        if isinstance(said, Reset):
            raise requests.exceptions.ConnectionError("Connection reset by peer")
        if said.hang_s:
            read_timeout = timeout[1] if isinstance(timeout, tuple) else timeout
            self.time.pass_by(min(said.hang_s, read_timeout or said.hang_s))
            if read_timeout and said.hang_s > read_timeout:
                raise requests.exceptions.ReadTimeout("Read timed out.")
        return _response(request, said.status, said.headers, said.body, said.cut_at)

    def close(self) -> None:
        pass


def connected(portal: Portal, time: FakeTime, *, latency_s: float = 0.0, **config: Any) -> Gateway:
    """A gateway to this portal on this clock."""
    session = requests.Session()
    session.mount(BASE_URL, PortalAdapter(portal, time, latency_s))
    given: dict[str, Any] = {"base_url": BASE_URL, "access_token": portal.token, "read_ahead": 1} | config
    return connect(
        PortalConfig(**given),
        session=session,
        monotonic=time.monotonic,
        sleep=time.sleep,
        utcnow=time.wall,
    )


def a_portal(time: FakeTime, **options: Any) -> Portal:
    """An empty portal on this clock."""
    return Portal(Options(**options), time.wall)


def _response(
    request: requests.PreparedRequest,
    status: int,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    cut_at: int | None,
) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.request = request
    response.url = request.url or ""
    response.headers.update(HTTPHeaderDict([*headers, ("Content-Length", str(len(body)))]))
    response.raw = HTTPResponse(
        BytesIO(body if cut_at is None else body[:cut_at]),
        headers=response.headers,
        status=status,
        preload_content=False,
        decode_content=False,
    )
    return response
