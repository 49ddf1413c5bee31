"""A HubSpot portal without a socket: a request comes in, an answer or a reset goes out."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from uuid import UUID

from crmsync.sandbox.changes.automation import Automation
from crmsync.sandbox.changes.edits import Edits
from crmsync.sandbox.changes.webhooks import Webhooks
from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.endpoints.routes import Route, allowed, match
from crmsync.sandbox.gate import oauth
from crmsync.sandbox.gate.access import SCOPES, Access, App
from crmsync.sandbox.gate.faults import Faults, Rule, after, before
from crmsync.sandbox.gate.limits import Limits
from crmsync.sandbox.gate.log import KEPT, Logged, logged
from crmsync.sandbox.state.directory import Account
from crmsync.sandbox.state.index import Lag
from crmsync.sandbox.state.world import Effect, World
from crmsync.sandbox.times import Clock, WallClock
from crmsync.sandbox.wire import ApiError, Request, Reset, Response, not_found

APP_ID = "8111608"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Options:
    """
    How a portal is set up.

    Attributes:
        limits: whether rate limits refuse.
        url_limit: longest path with query, in characters; beyond it is a 414.
        time_zone: of the account; its midnight resets the daily limit.
    """

    seed: int = 1
    tier: str = "pro"
    limits: bool = True
    lag: Lag | None = None
    portal_id: int = 148_001
    time_zone: str = "Europe/Brussels"
    token: str | None = None
    url_limit: int = 8_192


class Portal:
    """
    The whole portal. Thread-safe: one request at a time is at work.

    Attributes:
        world: what it remembers.
        edits: what others do to it.
        token: of the first app, all scopes.
        log: every request that came in, oldest first; a reset has status 0.
    """

    def __init__(self, options: Options | None = None, clock: Clock | None = None) -> None:
        self.options = options = options or Options()
        account = Account(options.portal_id, options.time_zone, options.tier)
        self.world = World(clock or WallClock(), options.seed, options.lag or Lag(), account)
        self.lock = self.world.lock
        self.access = Access(options.portal_id, options.seed)
        self.app = App(APP_ID, set(SCOPES))
        self.token = self.access.admit(self.app, options.token)
        self.limits = Limits(options.tier, options.time_zone, options.portal_id, enforced=options.limits)
        self.faults = Faults(options.seed)
        self.log: deque[Logged] = deque(maxlen=KEPT)
        self.automation = Automation(self.world)
        self.webhooks = Webhooks(options.portal_id, APP_ID, options.seed)
        self.world.watchers += [self.automation, self.webhooks]
        self.edits = Edits(self.world)
        self._requests = 0

    @property
    def effects(self) -> list[Effect]:
        """What has happened to records, by whom, in order."""
        return self.world.effects

    def handle(self, request: Request) -> Response | Reset:
        """Answer one request."""
        with self.lock:
            now_ms = self.world.now_ms()
            self.world.settle(now_ms)
            self._requests += 1
            self.world.request = self._requests
            fault = self.faults.strike(request, now_ms)
            try:
                said, app_id = self._respond(request, fault, now_ms)
            finally:
                self.world.request = 0
            if isinstance(said, Response):
                said = said.with_headers(("Date", self.date()))
            struck = fault.kind if fault is not None else ""
            self.log.append(logged(request, said, n=self._requests, at_ms=now_ms, app=app_id, fault=struck))
            return said

    def date(self) -> str:
        """The present instant by the portal's clock, as every answer carries it."""
        return format_datetime(self.world.clock().astimezone(UTC), usegmt=True)

    def reset_log(self) -> None:
        self.log.clear()

    def _respond(self, request: Request, fault: Rule | None, now_ms: int) -> tuple[Response | Reset, str]:
        """The answer, and the app that asked."""
        app_id = ""
        correlation = str(UUID(int=self._requests + (self.options.seed << 64)))
        try:
            if fault is not None and (struck := before(fault, self.limits)) is not None:
                if isinstance(struck, ApiError):
                    raise struck
                return struck, app_id
            said, app_id = self._serve(request, now_ms)
        except ApiError as error:
            said = error.envelope(correlation)
        said = said.with_headers(("X-HubSpot-Correlation-Id", correlation))
        return (after(fault, said), app_id) if fault is not None else (said, app_id)

    def _serve(self, request: Request, now_ms: int) -> tuple[Response, str]:
        if len(request.target) > self.options.url_limit:
            raise ApiError(414, "URI Too Long", "URI_TOO_LONG")
        if request.path.startswith("/oauth/"):
            return oauth.respond(self.access, request, self.world.clock()), ""
        app = self.access.who(request.headers, self.world.clock())
        found = match(request.method, request.path)
        if found is None:
            raise _unserved(request)
        route, family, params = found
        self.access.require(app, route.scopes(params))
        _must_be_json(request)
        headers = self.limits.take(app.id, route.counts_as, self.world.clock(), oauth=app.oauth)
        call = Call(self.world, self.limits, request, family, params, app, now_ms)
        return self._ask(route, call, headers), app.id

    def _ask(self, route: Route, call: Call, headers: tuple[tuple[str, str], ...]) -> Response:
        """A refusal carries the rate headers too."""
        try:
            return route.endpoint(call).with_headers(*headers)
        except ApiError as error:
            error.headers = (*headers, *error.headers)
            raise


def _unserved(request: Request) -> ApiError:
    """A path of another method is a 405 that names it, any other path a 404."""
    methods = allowed(request.path)
    if not methods:
        return not_found()
    said = f"Method {request.method} is not allowed, only {', '.join(methods)}"
    return ApiError(405, said, "METHOD_NOT_ALLOWED", headers=(("Allow", ", ".join(methods)),))


def _must_be_json(request: Request) -> None:
    """*Raises* ApiError 415 for a body that says it is something else."""
    kind = request.headers.get("content-type", JSON)
    if request.body and not kind.lower().startswith(JSON):
        raise ApiError(415, f"Unsupported media type {kind[:40]!r}: send {JSON}", "UNSUPPORTED_MEDIA_TYPE")
