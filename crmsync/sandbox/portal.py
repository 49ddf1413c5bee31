"""A HubSpot portal without a socket: a request comes in, an answer or a reset goes out."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from urllib.parse import parse_qsl
from uuid import UUID

from crmsync.sandbox import control
from crmsync.sandbox.access import SCOPES, Access, App
from crmsync.sandbox.associating import Associating
from crmsync.sandbox.automation import Automation
from crmsync.sandbox.call import Call
from crmsync.sandbox.directory import Account, Directory
from crmsync.sandbox.edits import Edits
from crmsync.sandbox.faults import Faults, Rule, after, before
from crmsync.sandbox.forms import EmailEvent, Form, Visit
from crmsync.sandbox.index import Lag
from crmsync.sandbox.limits import Limits
from crmsync.sandbox.routes import Route, is_known, match
from crmsync.sandbox.rules import Settings
from crmsync.sandbox.schema import options as options_of
from crmsync.sandbox.times import Clock, iso, wall_clock
from crmsync.sandbox.webhooks import Webhooks
from crmsync.sandbox.wire import ApiError, Body, Request, Reset, Response, answer, not_found
from crmsync.sandbox.world import Effect, World

APP_ID = "8111608"
LOG_KEPT = 400_000


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


@dataclass(slots=True)
class Logged:
    """One request as the portal saw it. `body` is kept for writes and searches."""

    n: int
    at_ms: int
    method: str
    target: str
    status: int
    app: str
    body: bytes
    fault: str

    def json(self) -> Body:
        path, _, query = self.target.partition("?")
        return {
            "n": self.n, "at": iso(self.at_ms), "method": self.method, "path": path, "query": query,
            "status": self.status,
            "app": self.app, "body": self.body.decode(errors="replace"), "fault": self.fault or None,
        }  # fmt: skip


class Portal:
    """
    The whole portal. Thread-safe: one request at a time is at work.

    Attributes:
        token: of the first app, all scopes.
        log: every request that came in, oldest first; a reset has status 0.
    """

    def __init__(self, options: Options | None = None, clock: Clock = wall_clock) -> None:
        self.options = options = options or Options()
        self.lock = threading.RLock()
        self.world = World(clock, options.seed, options.lag or Lag())
        self.account = Account(options.portal_id, options.time_zone)
        self.tier = options.tier
        self.directory = Directory(founded_ms=self.world.now_ms())
        self.access = Access(options.portal_id, options.seed)
        self.app = App(APP_ID, set(SCOPES))
        self.token = self.access.admit(self.app, options.token)
        self.limits = Limits(options.tier, options.time_zone, enforced=options.limits)
        self.faults = Faults(options.seed)
        self.settings = Settings()
        self.search_body_limit = True
        self.forms: dict[str, Form] = {}
        self.email_events: list[EmailEvent] = []
        self.visits: dict[int, list[Visit]] = {}
        self.blocked_emails: set[str] = set()
        self.log: deque[Logged] = deque(maxlen=LOG_KEPT)
        self.associating = Associating(self.world)
        self.automation = Automation(self.world, self.directory)
        self.webhooks = Webhooks(options.portal_id, APP_ID, options.seed)
        self.world.watchers += [self.automation, self.webhooks]
        self.edits = Edits(self)
        self._requests = 0
        self._offer_deal_stages()

    def _offer_deal_stages(self) -> None:
        """A deal's pipeline and stage are options of its properties too."""
        schema, pipelines = self.world.schemas["deals"], self.directory.pipelines
        stages = [(stage.id, stage.label) for pipeline in pipelines for stage in pipeline.stages]
        schema.put(schema.properties["dealstage"].with_options(options_of(*stages)))
        schema.put(
            schema.properties["pipeline"].with_options(
                options_of(*((one.id, one.label) for one in pipelines))
            )
        )

    @property
    def effects(self) -> list[Effect]:
        """What has happened to records, by whom, in order."""
        return self.world.effects

    def handle(self, request: Request) -> Response | Reset:
        """Answer one request."""
        with self.lock:
            now_ms = self.world.now_ms()
            self.world.settle(now_ms)
            if request.path.startswith("/_sandbox"):
                return self._control(request)
            self._requests += 1
            self.world.request = self._requests
            fault = self.faults.strike(request, now_ms)
            said, app_id = self._respond(request, fault, now_ms)
            self.world.request = 0
            self._remember(request, said, fault, app_id, now_ms)
            return said

    def reset_log(self) -> None:
        self.log.clear()

    def _control(self, request: Request) -> Response:
        try:
            return control.respond(self, request)
        except ApiError as error:
            return error.envelope("sandbox")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return ApiError(400, f"a setting is missing or wrong: {error!r}").envelope("sandbox")

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
        date = format_datetime(self.world.clock().astimezone(UTC), usegmt=True)
        said = said.with_headers(("X-HubSpot-Correlation-Id", correlation), ("Date", date))
        return (after(fault, said), app_id) if fault is not None else (said, app_id)

    def _serve(self, request: Request, now_ms: int) -> tuple[Response, str]:
        if len(request.target) > self.options.url_limit:
            raise ApiError(414, "URI Too Long", "")
        if request.path.startswith("/oauth/"):
            return self._oauth(request), ""
        app = self.access.who(request.headers, self.world.clock())
        found = match(request.method, request.path)
        if found is None:
            if is_known(request.path):
                raise ApiError(405, f"Method {request.method} is not allowed", "")
            raise not_found()
        route, family, params = found
        self.access.require(app, route.scopes(params))
        headers = self.limits.take(app.id, route.counts_as, self.world.clock(), oauth=app.oauth)
        call = Call(self, request, family, params, app, now_ms)
        return self._ask(route, call, headers), app.id

    def _ask(self, route: Route, call: Call, headers: tuple[tuple[str, str], ...]) -> Response:
        """A refusal carries the rate headers too."""
        try:
            return route.endpoint(call).with_headers(*headers)
        except ApiError as error:
            error.headers = (*headers, *error.headers)
            raise

    def _oauth(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        version, *rest = [part for part in request.path.split("/") if part][1:] or [""]
        if version not in {"v1", "v3", "2026-03", "2026-09"} or request.method != "POST":
            raise not_found()
        match rest:
            case ["token"]:
                return answer(self.access.exchange(form, self.world.clock()))
            case ["token", "introspect"]:
                return answer(self.access.introspect(form, self.world.clock()))
            case ["token", "revoke"]:
                self.access.revoke(form.get("token", ""))
                return Response(204)
            case _:
                raise not_found()

    def _remember(
        self, request: Request, said: Response | Reset, fault: Rule | None, app_id: str, now_ms: int
    ) -> None:
        is_read = request.method == "GET" or request.path.endswith("/batch/read")
        status = said.status if isinstance(said, Response) else 0
        body = b"" if is_read else request.body
        kind = fault.kind if fault is not None else ""
        self.log.append(
            Logged(self._requests, now_ms, request.method, request.target, status, app_id, body, kind)
        )
