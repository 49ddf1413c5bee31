"""Who may ask what: checks on one request, each giving the refusal or None. Knows nothing about pages."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

MAX_BODY_BYTES = 16_384
MAX_QUERY_BYTES = 2_048
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_TOKEN_NAMES = frozenset({"token", "access_token", "auth", "key", "password"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not answered: status, what is wrong, what to do."""

    status: int
    title: str
    text: str
    retry_after_s: int | None = None


def is_loopback(host: str) -> bool:
    """Say whether listening on this host, or coming from it, stays on this machine."""
    name = host.strip("[]").casefold()
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """Return the name in a Host header, without its port; "" when it is not one."""
    try:
        return (urlsplit(f"//{header}").hostname or "").casefold()
    except ValueError:
        return ""


def refuse_host(headers: Headers, *, is_open: bool) -> Refusal | None:
    """
    A page that asks nobody to sign in answers to this machine's names only: another name that leads here is DNS
    rebinding.

    Ports are not compared, so that an SSH tunnel may use any.
    """
    hosts = headers.getlist("host")
    named = host_of(hosts[0]) if len(hosts) == 1 else ""
    if named and (not is_open or is_loopback(named)):
        return None
    return Refusal(
        400,
        "Unknown host",
        "This page answers to localhost only. Open it as http://127.0.0.1, or set web.host and web.token.",
    )


def refuse_size(headers: Headers, query: bytes) -> Refusal | None:
    if len(query) > MAX_QUERY_BYTES:
        return Refusal(414, "Address too long", f"The part after ? may have {MAX_QUERY_BYTES:,} bytes.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY_BYTES:
        return TOO_LARGE
    return None


TOO_LARGE = Refusal(413, "Too large", f"A form on these pages has at most {MAX_BODY_BYTES:,} bytes.")


def refuse_token_in_query(names: frozenset[str]) -> Refusal | None:
    """Addresses end up in logs, histories and bookmarks: a secret in one is refused, also a right one."""
    if not names & _TOKEN_NAMES:
        return None
    return Refusal(
        400, "No secrets in addresses", "Sign in with the form, and change the token if this one was real."
    )


def refuse_origin(method: str, headers: Headers) -> Refusal | None:
    """A change must come from a page of this very site: what the browser says of its origin decides."""
    if method in _SAFE:
        return None
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return _FOREIGN
    if origin is not None:
        parts = urlsplit(origin) if origin.isprintable() else urlsplit("")
        return None if parts.netloc and parts.netloc == headers.get("host", "") else _FOREIGN
    return None if site == "same-origin" else _FOREIGN


_FOREIGN = Refusal(
    403,
    "This change came from elsewhere",
    "Changes are taken from these pages only. Open the page and press the button there.",
)


def peer_key(address: str) -> str:
    """Return what a login is throttled by: an address, or the network of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else str(parsed)


def same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells nothing, not even their length."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests)


def picture_policy(style: str) -> str:
    """Return the Content-Security-Policy of a picture opened by itself, which has this style sheet in it."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


def security_headers(*, is_secure: bool) -> dict[str, str]:
    headers = {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cache-control": "no-store",
    }
    if is_secure:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers
