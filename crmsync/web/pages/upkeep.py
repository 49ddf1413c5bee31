"""/healthz and /metrics, for machines."""

from starlette.responses import JSONResponse, PlainTextResponse, Response

from crmsync.web.asking import Ask
from crmsync.web.protection import host_of, is_loopback, same


def healthz(ask: Ask) -> Response:
    """200 while all is well, else 503 with what is wrong; others than this machine learn only which."""
    health = dict(ask.desk.health())
    status = 200 if health.get("ok") else 503
    if not _may_look(ask):
        return JSONResponse({"ok": status == 200}, status)
    return JSONResponse(health, status)


def metrics(ask: Ask) -> Response:
    if not _may_look(ask):
        return PlainTextResponse(
            "Send the token as `Authorization: Bearer ...`.\n", 401, {"www-authenticate": "Bearer"}
        )
    return Response(ask.desk.metrics(), 200, media_type="text/plain; version=0.0.4; charset=utf-8")


def _may_look(ask: Ask) -> bool:
    """This machine may (asked for by a name of its own), a signed-in person may, and who sends the token may."""
    request = ask.request
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if ask.is_signed_in:
        return True
    is_local = request.client is not None and is_loopback(request.client.host)
    if is_local and is_loopback(host_of(request.headers.get("host", ""))):
        return True
    return scheme.casefold() == "bearer" and _is_token(ask, token.strip())


def _is_token(ask: Ask, given: str) -> bool:
    """Compare a token; a wrong one counts as a guess, like one typed into the form."""
    peer = ask.request.client.host if ask.request.client else ""
    if ask.throttle.admit(peer):
        return False
    is_right = same(given, ask.config.token)
    if not is_right:
        ask.throttle.note_failure(peer)
    return is_right
