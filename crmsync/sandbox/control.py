"""`/_sandbox/...`: look behind the portal and push it around. Not part of HubSpot; needs no token."""

from collections.abc import Callable
from typing import Any

from crmsync.sandbox.changes.webhooks import Subscription, is_address
from crmsync.sandbox.gate.access import SCOPES, App
from crmsync.sandbox.portal import Portal
from crmsync.sandbox.state.kinds import BY_NAME
from crmsync.sandbox.state.rules import Bound, RequiredWhen
from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import (
    ApiError,
    Body,
    Request,
    Reset,
    Response,
    a_text,
    an_id,
    an_object,
    answer,
    not_found,
)

MOST_AHEAD_S = 10 * 366 * 86_400
EDITS = frozenset({
    "human", "workflow", "integration", "raw", "company_stage", "bump", "stamp", "touch", "merge", "archive", "restore",
    "erase", "create", "associate", "dissociate", "submit",
})  # fmt: skip


class Controlled:
    """A portal with its controls: what is asked of `/_sandbox` is answered here, all else by the portal."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def handle(self, request: Request) -> Response | Reset:
        """Answer one request. A control is neither counted nor logged."""
        if not request.path.startswith("/_sandbox"):
            return self._portal.handle(request)
        with self._portal.lock:
            self._portal.world.settle(self._portal.world.now_ms())
            return self._control(request).with_headers(("Date", self._portal.date()))

    def _control(self, request: Request) -> Response:
        try:
            return _respond(self._portal, request)
        except ApiError as error:
            return error.envelope("sandbox")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return ApiError(400, f"a setting is missing or wrong: {error!r}").envelope("sandbox")


def _respond(portal: Portal, request: Request) -> Response:
    """*Raises* ApiError."""
    parts = [part for part in request.path.split("/") if part][1:]
    body = an_object(request.json(), "body")
    match request.method, parts:
        case "GET", _:
            return _look(portal, parts, request)
        case "DELETE", ["log"]:
            portal.reset_log()
            return answer({})
        case "DELETE", ["faults"]:
            portal.faults.clear()
            return answer({})
        case "POST", ["apps"]:
            return answer(_app(portal, body), 201)
        case "POST", ["faults"]:
            return answer(portal.faults.arm(body).json(), 201)
        case "POST", ["edits", edit] if edit in EDITS:
            return answer({"result": _edit(portal, edit, body)})
        case "POST", [change] if change in _CHANGES:
            _CHANGES[change](portal, body)
            return answer(state(portal))
        case _:
            raise not_found(f"no such control: {request.method} {request.path}")


def _look(portal: Portal, parts: list[str], request: Request) -> Response:
    """`since` of the log is the number of a request, of the effects a count."""
    since = int(dict(request.query).get("since", "0"))
    match parts:
        case []:
            looks = ["log", "effects", "state", "faults", "{kind}/{id}"]
            changes = sorted([*_CHANGES, "apps", "faults"])
            return answer({"look": looks, "change": changes, "edits": sorted(EDITS)})
        case ["log"]:
            return answer({"results": [one.json() for one in portal.log if one.n > since]})
        case ["effects"]:
            return answer({"results": [one.json() for one in portal.effects[since:]]})
        case ["state"]:
            return answer(state(portal))
        case ["faults"]:
            armed = [rule.json() for rule in portal.faults.rules]
            return answer({"results": armed, "struck": portal.faults.struck})
        case [kind, id_] if kind in BY_NAME:
            return answer(raw(portal, kind, id_))
        case _:
            raise not_found(f"nothing to look at: {request.path}")


def _app(portal: Portal, body: Body) -> Body:
    """Another app: with a token that does not expire, or, installed by `oauth`, with one to refresh."""
    app = App(str(int(body.get("id", 5150))), set(body.get("scopes", SCOPES)), oauth=bool(body.get("oauth")))
    if not app.oauth:
        return {"token": portal.access.admit(app)}
    app.client_id, app.client_secret = f"client-{app.id}", f"secret-{app.id}"
    refresh = portal.access.install(app)
    return {"client_id": app.client_id, "client_secret": app.client_secret, "refresh_token": refresh}


def _edit(portal: Portal, edit: str, body: Body) -> Any:
    if "values" in body:
        values = an_object(body["values"], "values")
        body = {**body, "values": {name: a_text(value, f"values.{name}") for name, value in values.items()}}
    try:
        return getattr(portal.edits, edit)(**body)
    except TypeError as error:
        raise ApiError(400, f"{edit}: {error}") from error


def state(portal: Portal) -> Body:
    """Counters."""
    world, limits = portal.world, portal.limits
    with portal.lock:
        return {
            "now": iso(world.now_ms()), "portalId": portal.world.account.portal_id, "tier": portal.world.account.tier,
            "live": {name: len(shelf.live) for name, shelf in world.shelves.items()},
            "archived": {name: len(shelf.archived) for name, shelf in world.shelves.items()},
            "merged": {name: len(shelf.merged) for name, shelf in world.shelves.items() if shelf.merged},
            "requests": len(portal.log), "effects": len(portal.effects), "late_in_search": world.index.late(),
            "automation_waiting": world.waiting(), "refused": limits.refused, "daily_used": limits.day.used,
            "faults": portal.faults.struck, "webhooks_delivered": portal.webhooks.delivered,
            "submissions": sum(len(form.submissions) for form in portal.world.marketing.forms.values()),
        }  # fmt: skip


def raw(portal: Portal, kind: str, id_: str) -> Body:
    """One record with everything the portal knows of it, dead or alive."""
    world = portal.world
    shelf = world.shelf(BY_NAME[kind])
    number = an_id(id_)
    record = shelf.find(number) or shelf.archived.get(number)
    if record is None:
        raise not_found(f"no {kind} {id_}; erased: {number in shelf.erased}")
    names = sorted({*record.base, *record.own})
    return {
        "id": str(record.id), "properties": record.shown(names), "createdAt": iso(record.created_ms),
        "updatedAt": iso(record.updated_ms),
        "archivedAt": iso(record.archived_ms) if record.archived_ms is not None else None,
        "history": {name: [one.json() for one in record.versions(name)] for name in names},
        "associations": {pair[1]: [] for pair, _ in world.graph.all_of(record.kind.name, record.id)}
        | _others(portal, record.kind.name, record.id),
    }  # fmt: skip


def _others(portal: Portal, kind: str, id_: int) -> Body:
    found: Body = {}
    for pair, other in portal.world.graph.all_of(kind, id_):
        types = portal.world.graph.types(kind, id_, pair[1], other)
        found.setdefault(pair[1], []).append({"id": str(other), "types": list(types)})
    return found


def _lag(portal: Portal, body: Body) -> None:
    lag = portal.world.index.lag
    lag.base_ms = int(body.get("base_ms", lag.base_ms))
    lag.tail_ms = int(body.get("tail_ms", lag.tail_ms))
    lag.tail_share = float(body.get("tail_share", lag.tail_share))


def _stale(portal: Portal, body: Body) -> None:
    """Search returns the present values of these contacts from now on; none given: thaw."""
    if not body.get("ids"):
        portal.world.index.thaw()
    for id_ in body.get("ids", []):
        portal.world.index.freeze(portal.edits.record(id_, body.get("kind", "contacts")))


def _budget(portal: Portal, body: Body) -> None:
    """Other apps: `eat` takes places now, `others` holds places all the time; and the limits themselves."""
    limits, now_ms = portal.limits, portal.world.now_ms()
    eaten, held = body.get("eat", {}), body.get("others", {})
    limits.burst(portal.app.id, oauth=False).eat(now_ms, int(eaten.get("burst", 0)))
    limits.search.eat(now_ms, int(eaten.get("search", 0)))
    limits.associations.eat(now_ms, int(eaten.get("associations", 0)))
    limits.day.roll(portal.world.clock())
    limits.day.used += int(eaten.get("daily", 0))
    limits.burst_others = int(held.get("burst", limits.burst_others))
    limits.search.others = int(held.get("search", limits.search.others))
    limits.associations.others = int(held.get("associations", limits.associations.others))
    limits.enforced = bool(body.get("enforced", limits.enforced))
    limits.retry_after = bool(body.get("retry_after", limits.retry_after))
    limits.burst_limit = int(body.get("burst_limit", limits.burst_limit))
    limits.day.limit = int(body.get("daily_limit", limits.day.limit))


def _token(portal: Portal, body: Body) -> None:
    """Revoke the token, give it back, remove or restore scopes."""
    if body.get("revoke"):
        portal.access.revoke(portal.token)
    if body.get("restore"):
        portal.access.admit(portal.app, portal.token)
    portal.app.scopes.difference_update(body.get("remove_scopes", []))
    portal.app.scopes.update(body.get("add_scopes", []))


def _rules(portal: Portal, body: Body) -> None:
    """What an administrator decides: see Settings in state/rules.py."""
    settings = portal.world.settings
    settings.allow_backward = bool(body.get("allow_backward", settings.allow_backward))
    if "required" in body:
        settings.required = [
            RequiredWhen(
                one.get("kind", "contacts"), one.get("name", ""), one.get("value", ""), tuple(one["needs"])
            )
            for one in body["required"]
        ]
    if "bounds" in body:
        settings.bounds = [
            Bound(one.get("kind", "contacts"), one["name"], float(one["least"]), float(one["most"]))
            for one in body["bounds"]
        ]
    if "read_only" in body:
        settings.frozen = {(one.get("kind", "contacts"), one["name"]) for one in body["read_only"]}
    settings.mixed_status = int(body.get("mixed_status", settings.mixed_status))
    settings.search_body_limit = bool(body.get("search_body_limit", settings.search_body_limit))


def _pace(portal: Portal, body: Body) -> None:
    pace = portal.automation.pace
    pace.stage_ms = int(body.get("stage_ms", pace.stage_ms))
    pace.roll_up_ms = int(body.get("roll_up_ms", pace.roll_up_ms))
    for name in ("deals_set_stage", "companies_set_stage", "rolls_up", "associations_roll_up"):
        setattr(pace, name, bool(body.get(name, getattr(pace, name))))


def _clock(portal: Portal, body: Body) -> None:
    """Move the portal's clock ahead; what is due by then happens."""
    seconds = float(body.get("advance_s", 0))
    advance = getattr(portal.world.clock, "advance", None)
    if advance is None or not 0 <= seconds <= MOST_AHEAD_S:
        raise ApiError(400, f"this clock cannot be moved by {seconds:g} s")
    advance(seconds)
    portal.world.settle(portal.world.now_ms())


def _webhooks(portal: Portal, body: Body) -> None:
    """Where to tell what: `url`, `secret`, `events` as `contact.propertyChange` or `contact.propertyChange:name`."""
    hooks = portal.webhooks
    url = str(body.get("url", hooks.url))
    if url and not is_address(url):
        raise ApiError(400, f"webhooks go to an address like http://127.0.0.1:9000/hook, not to {url[:80]!r}")
    hooks.url, hooks.secret = url, str(body.get("secret", hooks.secret))
    hooks.duplicates = float(body.get("duplicates", hooks.duplicates))
    hooks.shuffles = bool(body.get("shuffles", hooks.shuffles))
    if "events" in body:
        named = [str(one).partition(":") for one in body["events"]]
        hooks.subscriptions = [Subscription(event, name) for event, _, name in named]


def _stage(portal: Portal, body: Body) -> None:
    """Add a lifecycle stage: `id`, `label`, `place`."""
    portal.edits.add_stage(str(body["id"]), str(body.get("label", body["id"])), int(body.get("place", 99)))


def _settle(portal: Portal, _: Body) -> None:
    """Automation and the search index catch up at once."""
    portal.world.settle_everything()


_CHANGES: dict[str, Callable[[Portal, Body], None]] = {
    "lag": _lag, "stale": _stale, "budget": _budget, "token": _token, "rules": _rules, "pace": _pace, "clock": _clock,
    "settle": _settle, "webhooks": _webhooks, "stage": _stage,
}  # fmt: skip
