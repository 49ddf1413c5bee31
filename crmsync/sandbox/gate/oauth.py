"""`/oauth/...`: an installed app gives its refresh token and gets an access token."""

from datetime import datetime
from urllib.parse import parse_qsl

from crmsync.sandbox.gate.access import Access
from crmsync.sandbox.wire import NOTHING, Request, Response, answer, not_found

VERSIONS = frozenset({"v1", "v3", "2026-03", "2026-09"})


def respond(access: Access, request: Request, now: datetime) -> Response:
    """*Raises* ApiError."""
    parts = [part for part in request.path.split("/") if part][1:]
    if request.method == "GET" and parts[:2] == ["v1", "access-tokens"] and len(parts) == 3:
        return answer(access.describe(parts[2], now))
    form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    version, *rest = parts or [""]
    if version not in VERSIONS or request.method != "POST":
        raise not_found()
    match rest:
        case ["token"]:
            return answer(access.exchange(form, now))
        case ["token", "introspect"]:
            return answer(access.introspect(form, now))
        case ["token", "revoke"]:
            access.revoke(form.get("token", ""))
            return NOTHING
        case _:
            raise not_found()
