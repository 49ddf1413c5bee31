"""Bytes out, bytes back: one HTTP exchange on a pooled session, with a limit on silence, on time and on size."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError, SSLError

from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.connections import LimitedAdapter

_CONNECT_S = 10.0
_LARGEST_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_NO_HANDSHAKE = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "TLSV1_ALERT_PROTOCOL_VERSION")


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer as it came, whatever its status. Header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(Exception):
    """There was no connection, so HubSpot cannot have seen the request."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Broken(Exception):
    """The request may have arrived, but no whole answer came back."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class HttpWire:
    """A requests.Session towards one portal. The token is put on here and is known nowhere else."""

    def __init__(self, config: PortalConfig, time: Time, session: requests.Session | None) -> None:
        self._base = config.base_url.rstrip("/")
        self._timeout = (min(_CONNECT_S, config.timeout_s), config.timeout_s)
        self._session = session if session is not None else _pooled(time, 2 * config.timeout_s)
        self._bearer = _Bearer(config.access_token)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Exchange:
        """Send once and read the whole answer. *Raises* NotSent, Broken."""
        try:
            response = self._session.request(
                method,
                self._base + path,
                headers=dict(headers),
                data=body,
                auth=self._bearer,
                timeout=self._timeout,
                allow_redirects=False,  # a redirect would carry the token elsewhere
                stream=True,
            )
            with response:
                return Exchange(response.status_code, response.headers, _body(response))
        except requests.exceptions.Timeout as error:
            kind = NotSent if isinstance(error, requests.exceptions.ConnectTimeout) else Broken
            raise kind("it took too long") from error
        except requests.exceptions.ConnectionError as error:
            if why := _never_connected(error):
                raise NotSent(why) from error
            raise Broken("the connection broke") from error
        except ReadTimeoutError as error:
            raise Broken("it took too long") from error
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise Broken("the answer broke off") from error

    def close(self) -> None:
        self._session.close()


class _Bearer(requests.auth.AuthBase):
    """Also keeps requests from taking a login for the host out of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _pooled(time: Time, longest_s: float) -> requests.Session:
    session = requests.Session()
    adapter = LimitedAdapter(time.monotonic, longest_s)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _body(response: requests.Response) -> bytes:
    """Read piece by piece as it arrives: a small body may unpack into a very large one."""
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse):
        return response.content
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read1(_CHUNK_BYTES, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST_BYTES:
            raise Broken("the answer is larger than 64 MiB")
    promised = CaseInsensitiveDict(raw.headers).get("Content-Length", "")
    if promised.isdecimal() and "Content-Encoding" not in raw.headers and size < int(promised):
        raise Broken("the answer broke off")
    return b"".join(pieces)


def _never_connected(error: requests.exceptions.ConnectionError) -> str:
    """Say why there was no connection; "" when there may have been one."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    match reason:
        case NameResolutionError():
            return "no connection (nobody knows a host of that name)"
        case NewConnectionError():
            cause = reason.__cause__
            said = cause.strerror if isinstance(cause, OSError) else None
            return f"no connection ({said})" if said else "no connection"
        case SSLError(args=(ssl.SSLError(reason=said), *_)) if said in _NO_HANDSHAKE:
            return f"no secure connection ({said.replace('_', ' ').lower()})"
        case _:
            return ""
