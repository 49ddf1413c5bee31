"""A Desk -> a Starlette application: the routes, what stands before each of them, and the pages for what goes wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crmsync.errors import CrmsyncError, PortalError, StoreError, places_of
from crmsync.plots.svg import Plots
from crmsync.web import protection
from crmsync.web.asking import Ask, Page
from crmsync.web.checking import Checking
from crmsync.web.desk import Desk
from crmsync.web.pages import audit, contacts, definitions, entrance, overview, plans, runs, upkeep
from crmsync.web.protection import Refusal
from crmsync.web.rendering import Rendering
from crmsync.web.server import WebConfig
from crmsync.web.sessions import COOKIE, Sessions, Throttle, cookie

_STATIC = Path(__file__).parent / "static"
_OPEN_PATHS = (
    "/login",
    "/static/",
    "/healthz",
    "/metrics",
)  # reached without signing in; upkeep looks itself


@dataclass(frozen=True, slots=True)
class Site:
    """What every request needs, made once."""

    desk: Desk
    config: WebConfig
    rendering: Rendering
    plots: Plots
    checking: Checking
    sessions: Sessions
    throttle: Throttle

    def ask(self, request: Request, form: Mapping[str, str] | None = None) -> Ask:
        session = request.state.session
        return Ask(
            request=request,
            desk=self.desk,
            now=self.config.now(),
            form=form or {},
            session=session,
            form_token=self.sessions.form_token(session),
            is_signed_in=not self.config.needs_login or self.sessions.is_signed_in(session),
            config=self.config,
            sessions=self.sessions,
            throttle=self.throttle,
            rendering=self.rendering,
            plots=self.plots,
            checking=self.checking,
        )


def make_app(desk: Desk, config: WebConfig) -> Starlette:
    """
    Build the pages.

    Raises:
        SettingsError: they would be reachable by others without a token.
    """
    sessions = Sessions(config.new_secret(), config.now, config.new_secret)
    site = Site(
        desk, config, Rendering(_STATIC), Plots(), Checking(desk, config.now), sessions, Throttle(config.now)
    )
    app = Starlette(
        routes=[
            *(Route(path, _endpoint(site, page), methods=["GET"]) for path, page in _READ.items()),
            *(Route(path, _endpoint(site, page), methods=["POST"]) for path, page in _CHANGE.items()),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        exception_handlers={HTTPException: _error_page(site)},
    )
    app.add_middleware(Doorway, site=site)
    return app


_READ: Mapping[str, Page] = {
    "/": overview.show,
    "/funnel.svg": overview.funnel_picture,
    "/days.svg": overview.days_picture,
    "/contacts": contacts.search,
    "/contacts/{id}": contacts.show,
    "/contacts/{id}/stages.svg": contacts.stages_picture,
    "/contacts/{id}/scores.svg": contacts.scores_picture,
    "/plans": plans.list_all,
    "/plans/{id}": plans.show,
    "/runs": runs.list_all,
    "/runs/{id}": runs.show,
    "/audit": audit.search,
    "/audit/export.jsonl": audit.export,
    "/audit/verify": audit.verification,
    "/audit/{seq:int}": audit.show,
    "/definition": definitions.show,
    "/definition/difference": definitions.difference,
    "/definition/{sha256}": definitions.show,
    "/login": entrance.ask_token,
    "/healthz": upkeep.healthz,
    "/metrics": upkeep.metrics,
}
_CHANGE: Mapping[str, Page] = {
    "/contacts/find": contacts.find,
    "/plans/{id}/approve": plans.approve,
    "/plans/{id}/reject": plans.reject,
    "/runs/{id}/revert": runs.revert,
    "/audit/verify": audit.verify,
    "/login": entrance.sign_in,
    "/logout": entrance.sign_out,
}


@dataclass(frozen=True, slots=True)
class Doorway:
    """Stands before every request: host, size, origin, sign-in; puts the security headers on every answer."""

    app: ASGIApp
    site: Site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        fresh = self._open_session(request)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), request, fresh)
            await send(message)

        answer = self._refusal(request)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _open_session(self, request: Request) -> bool:
        """Read the session's cookie; a browser without one gets one. Returns whether it must be set."""
        known = request.cookies.get(COOKIE, "")
        is_known = 20 <= len(known) <= 100 and known.isascii()
        request.state.session = known if is_known else self.site.config.new_secret()
        return not is_known

    def _refusal(self, request: Request) -> Response | None:
        headers, config = request.headers, self.site.config
        query = request.scope.get("query_string", b"")
        refused = (
            protection.refuse_host(headers, is_open=not config.needs_login)
            or protection.refuse_size(headers, query)
            or protection.refuse_token_in_query(_names(query))
            or protection.refuse_origin(request.method, headers)
        )
        if refused is not None:
            return _refused(self.site, request, refused)
        path = request.url.path
        if path.startswith(_OPEN_PATHS) or self.site.ask(request).is_signed_in:
            return None
        if request.method in {"GET", "HEAD"} and "hx-request" not in headers:
            return RedirectResponse("/login", 303)
        return _refused(self.site, request, Refusal(401, "Sign in first", "Your session has ended."))

    def _add_headers(self, headers: MutableHeaders, request: Request, fresh: bool) -> None:  # noqa: FBT001 - private
        is_secure = request.url.scheme == "https"
        if request.url.path.startswith("/static/"):
            headers.setdefault("cache-control", "public, max-age=86400")  # their addresses change with them
        for name, value in protection.security_headers(is_secure=is_secure).items():
            headers.setdefault(name, value)
        if fresh and "set-cookie" not in headers and headers.get("content-type", "").startswith("text/html"):
            headers.append("set-cookie", cookie(request.state.session, is_secure=is_secure))


def _endpoint(site: Site, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            form = await _form(request) if request.method == "POST" else {}
            if isinstance(form, Refusal):
                return _refused(site, request, form)
            if request.method == "POST" and not site.sessions.is_form_token(
                request.state.session, form.get("form_token", "")
            ):
                return _refused(site, request, _STALE)
            response = await run_in_threadpool(page, site.ask(request, form))
        except Exception as error:  # noqa: BLE001 - the top loop of a request: no traceback leaves the house
            return _failed(site, request, error)
        return response

    return answer


_STALE = Refusal(
    403, "This form is too old", "crmsync was restarted or you signed out. Reload the page and try again."
)


async def _form(request: Request) -> Mapping[str, str] | Refusal:
    """Read a form of names and texts, never more than a few kilobytes of it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return Refusal(415, "Not a form", "Changes are sent as the forms of these pages.")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > protection.MAX_BODY_BYTES:
                return protection.TOO_LARGE
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except (ValueError, ClientDisconnect):
        return Refusal(400, "Not a form", "What was sent cannot be read. Reload the page and try again.")


def _names(query: bytes) -> frozenset[str]:
    try:
        return frozenset(
            name.casefold() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        )
    except ValueError:
        return frozenset()


def _refused(site: Site, request: Request, refusal: Refusal) -> Response:
    headers = {"retry-after": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
    return site.ask(request).page(
        "error.html", status=refusal.status, headers=headers, title=refusal.title, text=refusal.text
    )


def _failed(site: Site, request: Request, error: Exception) -> Response:
    match error:
        case HTTPException():
            refusal = _http_refusal(error)
        case StoreError():
            refusal = Refusal(503, "The store does not answer", str(error))
        case PortalError():
            refusal = Refusal(502, "HubSpot said no", str(error))
        case CrmsyncError():
            refusal = Refusal(409, "That did not work", str(error))
        case _:
            _log(error, request.scope.get("route"))
            text = (
                "The page could not be made, and nothing was changed. The log says where; please report it."
            )
            refusal = Refusal(500, "A bug in crmsync", text)
    return _refused(site, request, refusal)


def _log(error: Exception, route: object) -> None:
    """Log the place of a bug but not its message, which may quote a value."""
    structlog.get_logger().error(
        "page.failed",
        route=getattr(route, "path", ""),
        error=type(error).__name__,
        at=places_of(error)[-6:],
        next_step="Report this line.",
    )


def _error_page(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return _failed(site, request, error)

    return answer


def _http_refusal(error: HTTPException) -> Refusal:
    match error.status_code:
        case 404:
            text = error.detail if error.detail != "Not Found" else "There is nothing at this address."
            return Refusal(404, "Not here", text)
        case 405:
            return Refusal(
                405, "Not this way", "This address is read, or is used by the buttons of these pages."
            )
        case status:
            return Refusal(status, HTTPStatus(status).phrase, error.detail)
