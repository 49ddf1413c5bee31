"""What stands beside the records: the account, its owners, pipelines and call outcomes; read by all, changed by few."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crmsync.sandbox.call import Call
from crmsync.sandbox.hubspot_schema import DISPOSITIONS
from crmsync.sandbox.times import iso, to_ms
from crmsync.sandbox.wire import ApiError, Body, Response, answer, not_found


@dataclass(frozen=True, slots=True)
class Account:
    portal_id: int
    time_zone: str
    data_location: str = "eu1"
    currency: str = "EUR"

    def json(self, now: datetime) -> Body:
        offset = now.astimezone(ZoneInfo(self.time_zone)).utcoffset()
        minutes = int(offset.total_seconds() // 60) if offset else 0
        sign = "-" if minutes < 0 else "+"
        return {
            "portalId": self.portal_id, "accountType": "STANDARD", "timeZone": self.time_zone,
            "companyCurrency": self.currency,
            "additionalCurrencies": ["USD"], "utcOffset": f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
            "utcOffsetMilliseconds": minutes * 60_000, "uiDomain": f"app-{self.data_location}.hubspot.com",
            "dataHostingLocation": self.data_location,
        }  # fmt: skip


@dataclass(slots=True)
class Owner:
    """`id` stands in `hubspot_owner_id`; `user_id` in histories. They differ."""

    id: int
    user_id: int
    email: str
    first_name: str
    last_name: str
    created_ms: int
    is_archived: bool = False

    def json(self) -> Body:
        return {
            "id": str(self.id), "userId": None if self.is_archived else self.user_id,
            "userIdIncludingInactive": self.user_id,
            "email": self.email, "firstName": self.first_name, "lastName": self.last_name, "type": "PERSON",
            "teams": [{"id": "7001", "name": "Sales EU", "primary": True}], "archived": self.is_archived,
            "createdAt": iso(self.created_ms), "updatedAt": iso(self.created_ms),
        }  # fmt: skip


@dataclass(slots=True)
class Stage:
    id: str
    label: str
    probability: float
    is_closed: bool = False


@dataclass(slots=True)
class Pipeline:
    id: str
    label: str
    stages: list[Stage]

    def json(self, created_ms: int) -> Body:
        at = iso(created_ms)
        return {
            "id": self.id, "label": self.label, "displayOrder": 0, "archived": False, "createdAt": at, "updatedAt": at,
            "stages": [
                {
                    "id": stage.id, "label": stage.label, "displayOrder": place, "archived": False, "createdAt": at,
                    "updatedAt": at,
                    "metadata": {"isClosed": str(stage.is_closed).lower(), "probability": str(stage.probability)},
                    "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                }
                for place, stage in enumerate(self.stages)
            ],
        }  # fmt: skip


@dataclass(slots=True)
class Directory:
    """The owners and pipelines of a portal."""

    founded_ms: int = 0
    owners: list[Owner] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=lambda: [standard_pipeline(), renewal_pipeline()])

    def stage(self, pipeline: str, stage: str) -> Stage | None:
        return next((one for held in self.pipelines if not pipeline or held.id == pipeline
                     for one in held.stages if one.id == stage), None)  # fmt: skip


def standard_pipeline() -> Pipeline:
    return Pipeline("default", "Sales Pipeline", [
        Stage("appointmentscheduled", "Appointment Scheduled", 0.2),
        Stage("qualifiedtobuy", "Qualified To Buy", 0.4),
        Stage("presentationscheduled", "Presentation Scheduled", 0.6),
        Stage("decisionmakerboughtin", "Decision Maker Bought-In", 0.8),
        Stage("contractsent", "Contract Sent", 0.9),
        Stage("closedwon", "Closed Won", 1.0, is_closed=True),
        Stage("closedlost", "Closed Lost", 0.0, is_closed=True),
    ])  # fmt: skip


def renewal_pipeline() -> Pipeline:
    """A second pipeline; its stages have numeric ids, as all stages that people add."""
    return Pipeline("61447719", "Renewals", [
        Stage("121447701", "Due", 0.5),
        Stage("121447702", "Renewed", 1.0, is_closed=True),
        Stage("121447703", "Churned", 0.0, is_closed=True),
    ])  # fmt: skip


def account_details(call: Call) -> Response:
    return answer(call.portal.account.json(call.world.clock()))


def api_usage(call: Call) -> Response:
    day, now = call.portal.limits.day, call.world.clock()
    day.roll(now)
    one = {
        "name": "private-apps-api-calls-daily", "usageLimit": day.limit, "currentUsage": day.used,
        "collectedAt": iso(to_ms(now)),
        "fetchStatus": "SUCCESS", "resetsAt": iso(day.ends_ms),
    }  # fmt: skip
    return answer({"results": [one]})


def list_owners(call: Call) -> Response:
    limit, after = call.whole("limit", 100, 500), call.whole("after", 0)
    email = call.one("email").lower()
    owners = [one for one in call.portal.directory.owners if one.is_archived == call.is_on("archived")]
    found = [one for one in owners if one.id >= after and email in ("", one.email)]
    body: Body = {"results": [one.json() for one in found[:limit]]}
    if len(found) > limit:
        following = str(found[limit].id)
        body["paging"] = {"next": {"after": following, "link": f"{call.request.path}?after={following}"}}
    return answer(body)


def read_owner(call: Call) -> Response:
    by_user = call.one("idProperty") == "userId"
    text = call.params["id"]
    for one in call.portal.directory.owners:
        if text == str(one.user_id if by_user else one.id) and one.is_archived == call.is_on("archived"):
            return answer(one.json())
    raise not_found()


def list_pipelines(call: Call) -> Response:
    return answer({"results": [one.json(call.portal.directory.founded_ms) for one in _pipelines(call)]})


def read_pipeline(call: Call) -> Response:
    return answer(_one_pipeline(call))


def list_stages(call: Call) -> Response:
    return answer({"results": _one_pipeline(call)["stages"]})


def read_stage(call: Call) -> Response:
    stages: list[Any] = _one_pipeline(call)["stages"]
    for stage in stages:
        if stage["id"] == call.params["stage"]:
            return answer(stage)
    raise not_found()


def _pipelines(call: Call) -> list[Pipeline]:
    """*Raises* ApiError 400: contacts have no pipelines; their stages are options of a property."""
    kind = call.kind()
    if kind.name not in {"deals", "tickets", "leads"}:
        raise ApiError(400, f"object type {kind.name} does not have pipelines")
    return call.portal.directory.pipelines if kind.name == "deals" else []


def _one_pipeline(call: Call) -> Body:
    for one in _pipelines(call):
        if one.id == call.params["pipeline"]:
            return one.json(call.portal.directory.founded_ms)
    raise not_found()


def dispositions(_: Call) -> Response:
    return answer([{"id": id_, "label": label, "deleted": False} for id_, label in DISPOSITIONS])
