"""A portal as an adapter of `requests`: the client's own session, no socket, and time may be simulated."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.response import HTTPResponse

from crmsync.sandbox.portal import Portal
from crmsync.sandbox.wire import Request, Reset

Sleep = Callable[[float], None]


class PortalAdapter(BaseAdapter):
    """
    Mount it on a session: `session.mount("http://portal.test", PortalAdapter(portal, sleep))`.

    `sleep` passes the time an answer takes: give a manual clock's `advance` to simulate it. A silence longer than the
    read timeout becomes a ReadTimeout after that time; a reset becomes a ConnectionError; a truncated body a
    ChunkedEncodingError, as on a wire.
    """

    def __init__(self, portal: Portal, sleep: Sleep, latency_s: float = 0.0) -> None:
        super().__init__()
        self._portal = portal
        self._sleep = sleep
        self._latency_s = latency_s

    def send(  # noqa: PLR0917 -- the signature is that of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002, ARG002
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002, ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """*Raises* ConnectionError, ReadTimeout, ChunkedEncodingError."""
        address = urlsplit(request.url or "")
        target = address.path + (f"?{address.query}" if address.query else "")
        body = request.body or b""
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        asked = Request(
            str(request.method), target, headers, body.encode() if isinstance(body, str) else body
        )
        said = self._portal.handle(asked)
        if isinstance(said, Reset):
            self._pass(said.hang_s, timeout, request)
            raise requests.ConnectionError("Connection reset by peer", request=request)
        self._pass(said.hang_s + said.drip_s, timeout, request)
        if said.cut_at is not None:
            raise requests.exceptions.ChunkedEncodingError("IncompleteRead", request=request)
        return _response(request, said.status, said.headers, said.body)

    def close(self) -> None:
        """Nothing is open."""

    def _pass(self, seconds: float, timeout: Any, request: requests.PreparedRequest) -> None:
        seconds += self._latency_s
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        if patience is not None and seconds > float(patience):
            self._sleep(float(patience))
            raise requests.ReadTimeout("Read timed out.", request=request)
        if seconds > 0:
            self._sleep(seconds)


def _response(
    request: requests.PreparedRequest, status: int, headers: tuple[tuple[str, str], ...], body: bytes
) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.headers = CaseInsensitiveDict(headers)
    made.url = request.url or ""
    made.request = request
    made.encoding = "utf-8"
    made.raw = HTTPResponse(BytesIO(body), headers=dict(headers), status=status, preload_content=False)
    return made
