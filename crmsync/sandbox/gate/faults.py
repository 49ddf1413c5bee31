"""Faults on demand: which request goes wrong, and how."""

import fnmatch
import json
import random
from dataclasses import dataclass, replace

from crmsync.sandbox.gate.limits import Limits
from crmsync.sandbox.gate.mangling import mangled
from crmsync.sandbox.wire import HTML_HEADER, ApiError, Body, Request, Reset, Response

KINDS = (
    "burst", "search_limit", "daily", "unknown_429", "423", "477", "500", "502", "503", "504", "521", "523", "524",
    "reset_before", "reset_after", "truncate", "half", "mangle", "html_200", "empty_200", "slow", "hang", "garbage",
    "replace",
)  # fmt: skip

LOCK_MS = 2_000
_SETTINGS: dict[str, type | tuple[type, ...]] = {
    "kind": str, "path": str, "method": str, "object": str, "nth": int, "probability": (int, float),
    "count": (int, type(None)), "hang_s": (int, float), "retry_after_s": (int, type(None)), "status": int,
    "body": str, "seed": int,
}  # fmt: skip


@dataclass
class Rule:
    """
    One fault and when it strikes.

    Attributes:
        path: a shell pattern over the path, `*` for all.
        method: `*` for all.
        object: an id: strike only requests that name it, in their path or among a batch's inputs; "": all.
        nth: strike at the n-th matching request first (1 is the first); 0 at any.
        probability: of a strike at each matching request.
        count: strikes left; None never ends.
        hang_s: silence of `524` and `hang`; time of a `slow` body.
        retry_after_s: of `477`, and of a 429 when set.
        body: what `replace` answers, with `status`.
        seed: of the choices of `mangle`, which spoils one value of a good answer.
    """

    kind: str
    path: str = "*"
    method: str = "*"
    object: str = ""
    nth: int = 0
    probability: float = 1.0
    count: int | None = 1
    hang_s: float = 0.2
    retry_after_s: int | None = None
    status: int = 200
    body: str = ""
    seed: int = 1
    seen: int = 0
    struck: int = 0

    def matches(self, request: Request) -> bool:
        is_meant = self.method in ("*", request.method) and fnmatch.fnmatchcase(request.path, self.path)
        return is_meant and (not self.object or _names(request, self.object))

    def json(self) -> Body:
        return {"kind": self.kind, "path": self.path, "method": self.method, "seen": self.seen, "struck": self.struck,
                "left": self.count}  # fmt: skip


def _names(request: Request, object_id: str) -> bool:
    if object_id in request.path.split("/"):
        return True
    try:
        inputs = json.loads(request.body or b"{}")["inputs"]
        return any(str(one["id"]) == object_id for one in inputs)
    except (ValueError, KeyError, TypeError):
        return False


class Faults:
    """The faults that are armed. The first that strikes wins."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.rules: list[Rule] = []
        self.struck: dict[str, int] = {}
        self._locks: dict[str, tuple[int, Rule]] = {}

    def arm(self, given: Body) -> Rule:
        """*Raises* ApiError for an unknown fault or setting."""
        if given.get("kind") not in KINDS:
            raise ApiError(400, f"unknown fault {given.get('kind')!r}; one of {', '.join(KINDS)}")
        for name, value in given.items():
            if name not in _SETTINGS:
                raise ApiError(
                    400, f"unknown setting of a fault: {name[:40]!r}; one of {', '.join(_SETTINGS)}"
                )
            if isinstance(value, bool) or not isinstance(value, _SETTINGS[name]):
                raise ApiError(400, f"{name} of a fault cannot be {value!r}"[:200])
        rule = Rule(**given)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()
        self._locks.clear()

    def release(self, path_end: str) -> None:
        """Open the locks of paths that end like this."""
        self._locks = {path: lock for path, lock in self._locks.items() if not path.endswith(path_end)}

    def strike(self, request: Request, now_ms: int) -> Rule | None:
        """The fault that this request meets, counted as used. A lock (423) holds its path for 2 s."""
        lock = self._locks.get(request.path)
        if lock is not None and now_ms < lock[0]:
            return lock[1]
        rule = self._choose(request)
        if rule is not None and rule.kind == "423":
            self._locks[request.path] = (now_ms + LOCK_MS, rule)
        return rule

    def _choose(self, request: Request) -> Rule | None:
        for rule in self.rules:
            if not rule.matches(request) or rule.count == 0:
                continue
            rule.seen += 1
            if rule.seen < rule.nth or self._rng.random() >= rule.probability:
                continue
            rule.struck += 1
            rule.count = None if rule.count is None else rule.count - 1
            self.struck[rule.kind] = self.struck.get(rule.kind, 0) + 1
            return rule
        return None


def before(rule: Rule, limits: Limits) -> Response | Reset | ApiError | None:
    """The answer of a fault that keeps the request from taking effect; None when it takes effect first."""
    html = _html(int(rule.kind)) if rule.kind in {"502", "504", "521", "523", "524"} else None
    match rule.kind:
        case "burst" | "search_limit" | "daily" | "unknown_429":
            return _limit(rule, limits)
        case "423":
            return ApiError(
                423, "This resource is locked by another request; try again in 2 seconds.", "LOCKED"
            )
        case "477":
            wait = (("Retry-After", str(rule.retry_after_s or 86_400)),)
            return ApiError(
                477,
                "This account is being migrated to another data center.",
                "MIGRATION_IN_PROGRESS",
                headers=wait,
            )
        case "500":
            return ApiError(500, "internal error", "INTERNAL_ERROR")
        case "503":
            return ApiError(503, "Service temporarily unavailable", "SERVICE_UNAVAILABLE")
        case "524":
            return replace(html, hang_s=rule.hang_s) if html else None
        case "502" | "504" | "521" | "523":
            return html
        case "reset_before":
            return Reset(applied=False)
        case "html_200":
            return replace(_html(200), status=200)
        case "empty_200":
            return Response(200, b"")
        case "garbage":
            return Response(200, random.Random(f"{rule.seed}:{rule.seen}").randbytes(200))
        case "replace":
            return Response(rule.status, rule.body.encode())
        case _:
            return None


def after(rule: Rule, response: Response) -> Response | Reset:
    """What becomes of an answer whose request has taken effect."""
    match rule.kind:
        case "reset_after":
            return Reset(applied=True)
        case "mangle":
            return replace(response, body=mangled(response.body, random.Random(f"{rule.seed}:{rule.seen}")))
        case "half":
            return replace(response, body=response.body[: len(response.body) // 2])
        case "truncate":
            return replace(response, cut_at=len(response.body) // 2)
        case "slow":
            return replace(response, drip_s=rule.hang_s)
        case "hang":
            return replace(response, hang_s=rule.hang_s)
        case _:
            return response


def _limit(rule: Rule, limits: Limits) -> ApiError:
    policy = {"burst": "TEN_SECONDLY_ROLLING", "search_limit": "SECONDLY", "daily": "DAILY"}.get(
        rule.kind, ""
    )
    error = limits.refusal(policy)
    if rule.retry_after_s is not None:
        error.headers = (*error.headers, ("Retry-After", str(rule.retry_after_s)))
    return error


def _html(status: int) -> Response:
    head = f"<!DOCTYPE html><html><head><title>hubapi.com | {status}</title></head>"
    page = f"{head}<body><h1>Error {status}</h1>Cloudflare</body></html>"
    return Response(status, page.encode(), (HTML_HEADER,))
