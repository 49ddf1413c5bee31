"""What stands beside the objects: the account, its owners and pipelines; read by all, changed by few."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import Body


@dataclass(frozen=True, slots=True)
class Account:
    portal_id: int
    time_zone: str
    tier: str = "pro"
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
    state: str = ""

    def metadata(self, kind: str) -> Body:
        """What stands beside a stage: how likely a deal is, what state a ticket or lead is in."""
        match kind:
            case "deals":
                return {"isClosed": str(self.is_closed).lower(), "probability": str(self.probability)}
            case "tickets":
                return {"ticketState": "CLOSED" if self.is_closed else "OPEN"}
            case _:
                return {"leadState": self.state}


@dataclass(slots=True)
class Pipeline:
    id: str
    label: str
    stages: list[Stage]

    def json(self, kind: str, created_ms: int) -> Body:
        at = iso(created_ms)
        return {
            "id": self.id, "label": self.label, "displayOrder": 0, "archived": False, "createdAt": at, "updatedAt": at,
            "stages": [
                {
                    "id": stage.id, "label": stage.label, "displayOrder": place, "archived": False, "createdAt": at,
                    "updatedAt": at,
                    "metadata": stage.metadata(kind),
                    "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                }
                for place, stage in enumerate(self.stages)
            ],
        }  # fmt: skip


@dataclass(slots=True)
class Directory:
    """The owners of a portal, and the pipelines of each kind that has some."""

    founded_ms: int = 0
    owners: list[Owner] = field(default_factory=list)
    pipelines: dict[str, list[Pipeline]] = field(default_factory=lambda: {
        "deals": [standard_pipeline(), renewal_pipeline()], "tickets": [support_pipeline()], "leads": [lead_pipeline()],
    })  # fmt: skip

    def stage(self, pipeline: str, stage: str) -> Stage | None:
        """The stage of a deal."""
        return next((one for held in self.pipelines["deals"] if not pipeline or held.id == pipeline
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


def support_pipeline() -> Pipeline:
    return Pipeline("0", "Support Pipeline", [
        Stage("1", "New", 0),
        Stage("2", "Waiting on contact", 0),
        Stage("3", "Waiting on us", 0),
        Stage("4", "Closed", 0, is_closed=True),
    ])  # fmt: skip


def lead_pipeline() -> Pipeline:
    """*Source*: portal facts, section 4: the ids of the first stages are words that look like placeholders."""
    return Pipeline("lead-pipeline-id", "Lead Pipeline", [
        Stage("new-stage-id", "New", 0, state="NEW"),
        Stage("attempting-stage-id", "Attempting", 0, state="IN_PROGRESS"),
        Stage("connected-stage-id", "Connected", 0, state="IN_PROGRESS"),
        Stage("qualified-stage-id", "Qualified", 0, is_closed=True, state="QUALIFIED"),
        Stage("unqualified-stage-id", "Unqualified", 0, is_closed=True, state="UNQUALIFIED"),
    ])  # fmt: skip
