"""Signing in with the token, where the pages can be reached by others."""

from starlette.responses import Response

from crmsync.web.asking import Ask
from crmsync.web.protection import is_loopback, same
from crmsync.web.sessions import cookie


def ask_token(ask: Ask) -> Response:
    if ask.is_signed_in:
        return ask.go("/")
    return _form(ask)


def sign_in(ask: Ask) -> Response:
    if not ask.config.needs_login:
        return ask.go("/")
    peer = ask.request.client.host if ask.request.client else ""
    if wait_s := ask.throttle.admit(peer):
        return _form(ask, status=429, problem=f"Too many tries. Wait {wait_s} seconds.", wait_s=wait_s)
    if not same(ask.form.get("token", ""), ask.config.token):
        ask.throttle.note_failure(peer)
        return _form(ask, status=403, problem="That is not the token. It is what web.token is set to.")
    ask.throttle.note_success(peer)
    return _go_with(ask, "/", ask.sessions.begin())


def sign_out(ask: Ask) -> Response:
    ask.sessions.end(ask.session)
    return _go_with(ask, "/login", ask.config.new_secret())


def _form(ask: Ask, *, status: int = 200, problem: str = "", wait_s: int = 0) -> Response:
    url = ask.request.url
    is_secure = url.scheme == "https" or is_loopback(
        url.hostname or ""
    )  # what stays on this machine nobody reads
    headers = {"retry-after": str(wait_s)} if wait_s else {}
    return ask.page("login.html", status=status, headers=headers, problem=problem, is_secure=is_secure)


def _go_with(ask: Ask, path: str, session: str) -> Response:
    """Change the session's id with the rights it carries: a planted cookie gains nothing."""
    response = ask.go(path)
    response.headers["set-cookie"] = cookie(session, is_secure=ask.request.url.scheme == "https")
    return response
