"""
The SDK's request -> an answer, or one error of crmsync. The only retry layer.

What is sent again: a refusal HubSpot did not act on (429, 423, no connection) always; a failure after sending (5xx,
timeout, reset, broken JSON) only for reads. A write whose answer was lost raises AnswerLost: repeating it here could
overwrite what somebody changed meanwhile, so `writing` reads it back first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson
import structlog
import tenacity

from crmsync.errors import PortalError, RateLimited
from crmsync.portal.budget import Budget, Ticket
from crmsync.portal.clock import PortalClock, zone_named
from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.faults import Again, Fault, broken, refusal, unreached
from crmsync.portal.freshness import Freshness
from crmsync.portal.parsing import parsed
from crmsync.portal.paths import Route, route
from crmsync.portal.traffic import Traffic
from crmsync.portal.wire import Broken, Exchange, NotSent

_TRIES = 5
_ASK_AGAIN_S = 3600.0  # for a midnight that nobody has told
_BACKOFF_S = (1.0, 2.0, 4.0, 8.0)

log = structlog.get_logger(__name__)


class Wire(Protocol):
    """One HTTP exchange. *Raises* NotSent, Broken."""

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Exchange: ...


@dataclass(slots=True)
class Answer:
    """An answer of 2xx. Also what the SDK expects of a response, should somebody want its models."""

    status: int
    data: Any
    headers: Mapping[str, str]
    json: Any
    reason: str = ""

    def getheaders(self) -> Mapping[str, str]:
        return self.headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        return self.headers.get(name, default)


class _TryAgain(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.error.message)
        self.fault = fault


@dataclass(slots=True)
class _Sending:
    """One request on its way, over all its tries."""

    method: str
    route: Route
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    started: float
    carries_values: bool
    failures: int = 0
    tries: int = 0


class Transport:
    """
    Stands in the SDK's ApiClient as `rest_client`; one for all its API objects and all threads.

    Args:
        freshness: asked before each write of values; None: whoever sends one looks after that itself.
    """

    def __init__(
        self, config: PortalConfig, time: Time, wire: Wire, freshness: Freshness | None = None
    ) -> None:
        self._config = config
        self._time = time
        self._wire = wire
        self._freshness = freshness
        self._base = config.base_url.rstrip("/")
        self.traffic = Traffic()
        self.clock = PortalClock(time, zone_named(config.time_zone))
        self.budget = Budget(config, time, self.clock, self.traffic)

    def request(  # noqa: PLR0917 # the signature is the SDK's
        self,
        method: str,
        url: str,
        query_params: Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _preload_content: bool = True,  # noqa: FBT001, FBT002 # the SDK's signature
        _request_timeout: Any = None,
    ) -> Answer:
        """Send; the signature is the SDK's. *Raises* PortalError."""
        del post_params, _preload_content, _request_timeout  # we never post forms, and time limits are ours
        where = route(method, url.removeprefix(self._base), self._config.api_version)
        query = urlencode([(key, _plain(value)) for key, value in query_params or ()])
        sending = _Sending(
            method,
            where,
            where.path + (f"?{query}" if query else ""),
            {"Accept": "application/json", "Content-Type": "application/json", **_own(headers or {})},
            None if body is None else orjson.dumps(body),
            self._time.monotonic(),
            where.is_compared and body != {"inputs": []},  # which only asks whether we may write
        )
        try:
            return self._retrying(sending)(self._once, sending)
        except _TryAgain as last:
            raise last.fault.error from last.__cause__

    def GET(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("GET", url, **more)

    def POST(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("POST", url, **more)

    def PATCH(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("PATCH", url, **more)

    def PUT(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("PUT", url, **more)

    def DELETE(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("DELETE", url, **more)

    def HEAD(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("HEAD", url, **more)

    def OPTIONS(self, url: str, **more: Any) -> Answer:  # noqa: N802 # the SDK calls it so
        return self.request("OPTIONS", url, **more)

    def _retrying(self, sending: _Sending) -> tenacity.Retrying:
        return tenacity.Retrying(
            sleep=self._time.sleep,
            stop=lambda state: self._is_enough(sending, state),
            wait=lambda state: _wait_s(sending, state),
            retry=tenacity.retry_if_exception_type(_TryAgain),
            before_sleep=lambda _: self.traffic.retried(),
            reraise=True,
        )

    def _is_enough(self, sending: _Sending, state: tenacity.RetryCallState) -> bool:
        match _fault(state).again:
            case Again.FAILED:
                return sending.failures >= _TRIES
            case _:
                waited_s = self._time.monotonic() - sending.started
                return waited_s + (_fault(state).wait_s or 0) > self._config.patience_s

    def _once(self, sending: _Sending) -> Answer:
        """One exchange. *Raises* _TryAgain, PortalError; Stale for a write that waited too long."""
        ticket = self.budget.acquire(sending.route.limit)
        self._let_go(sending, ticket)
        began = self._time.monotonic()
        exchange: Exchange | None = None
        try:
            exchange = self._wire.exchange(sending.method, sending.path, sending.headers, sending.body)
        except NotSent as error:
            raise self._again(sending, unreached(sending.route, error.what), may_repeat=True) from error
        except Broken as error:
            raise self._again(sending, broken(sending.route, error.what)) from error
        finally:
            self.budget.answered(ticket, None if exchange is None else exchange.headers)
            self._note(sending, exchange, began)
        return self._judge(sending, exchange)

    def _let_go(self, sending: _Sending, ticket: Ticket) -> None:
        """Look once more, after all waiting, whether a write of values may still leave."""
        if self._freshness is None:
            return
        self._freshness.note_sent()
        if sending.carries_values:
            try:
                self._freshness.check()
            except BaseException:
                self.budget.answered(ticket, None)
                raise

    def _judge(self, sending: _Sending, exchange: Exchange) -> Answer:
        if not 200 <= exchange.status < 300:
            fault = refusal(sending.route, exchange.status, exchange.headers, exchange.body)
            raise self._again(sending, fault)
        try:
            json = parsed(exchange.body) if exchange.status != 204 else None
        except ValueError as error:
            raise self._again(sending, broken(sending.route, "not JSON", status=exchange.status)) from error
        if sending.route.has_results and not (
            isinstance(json, dict) and isinstance(json.get("results"), list)
        ):
            raise self._again(sending, broken(sending.route, "no list `results`", status=exchange.status))
        self.budget.went_well(sending.route.limit)
        return Answer(exchange.status, exchange.body, exchange.headers, json)

    def _again(self, sending: _Sending, fault: Fault, *, may_repeat: bool = False) -> Exception:
        """Turn a fault into what to raise: once more, or the error itself."""
        if isinstance(fault.error, RateLimited) and fault.error.policy == "DAILY":
            return self._until_midnight()
        if fault.pauses:
            self.budget.refused(sending.route.limit, fault.wait_s or 0.0)
        if fault.again is Again.FAILED:
            sending.failures += 1
        if fault.again is Again.REFUSED or (
            fault.again is Again.FAILED and (sending.route.is_read or may_repeat)
        ):
            return _TryAgain(fault)
        return fault.error

    def _until_midnight(self) -> PortalError:
        if self.clock.told_zone is None:
            return RateLimited(
                "The portal's daily limit of requests is used up until midnight in its time zone, "
                f"which is not yet known; the next one goes in {_ASK_AGAIN_S:.0f} s.",
                policy="DAILY",
                retry_after_s=_ASK_AGAIN_S,
                next_step="crmsync goes on by itself; see in HubSpot which app uses the limit.",
            )
        self.budget.day_is_over()
        seconds = self.clock.seconds_to_midnight()
        return RateLimited(
            f"The portal's daily limit of requests is used up until midnight in its time zone "
            f"({self.clock.zone.key}), {seconds:.0f} s from now.",
            policy="DAILY",
            retry_after_s=seconds,
            next_step="crmsync goes on by itself; see in HubSpot which app uses the limit.",
        )

    def _note(self, sending: _Sending, exchange: Exchange | None, began: float) -> None:
        status = 0 if exchange is None else exchange.status
        sending.tries += 1
        if exchange is not None:
            self.clock.hear(exchange.headers.get("Date"))
        self.traffic.sent(sending.route.limit.value, status)
        log.debug(
            "request.sent",
            method=sending.method,
            path=sending.route.template,
            status=status,
            ms=round((self._time.monotonic() - began) * 1000),
            attempt=sending.tries,
        )


def _fault(state: tenacity.RetryCallState) -> Fault:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _TryAgain)
    return error.fault


def _wait_s(sending: _Sending, state: tenacity.RetryCallState) -> float:
    fault = _fault(state)
    if fault.pauses:
        return 0.0  # the budget holds it back, and everybody else on that limit
    if fault.again is Again.REFUSED:
        return fault.wait_s or 0.0
    return _BACKOFF_S[min(sending.failures, len(_BACKOFF_S)) - 1]


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _own(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Keep the SDK's headers but for the token: the wire alone knows it."""
    return {key: value for key, value in headers.items() if key.lower() != "authorization" and value}
