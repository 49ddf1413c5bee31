"""Six weeks of a small company with crmsync, in seconds: a real sandbox, real cycles, a real store, a manual clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmsync.app import App
from crmsync.model import ContactId, Kind, Own, PlanStatus, RunId, Snapshot
from crmsync.sandbox import ManualClock, Sandbox
from crmsync.service import Service
from crmsync.settings import Settings, load
from crmsync.store.audit.filtering import AuditFilter
from crmsync.web.store_desk import StoreDesk

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
START = datetime(2026, 10, 5, 7, 0, tzinfo=UTC)
HOSTILE_NAME = '<img src=x onerror="alert(1)">"\'><script>alert(2)</script>'


@dataclass
class Scene:
    """
    What happened.

    Attributes:
        contact: one that asked for a demo and became an MQL.
        hostile: one whose job title is markup.
        service: of the process that runs now; its guard parks every stage change.
    """

    sandbox: Sandbox
    clock: ManualClock
    app: App
    service: Service = field(init=False)
    contact: ContactId = field(default=ContactId(""))
    hostile: ContactId = field(default=ContactId(""))

    def __post_init__(self) -> None:
        self.service = Service(self.app)

    @property
    def desk(self) -> StoreDesk:
        return self.service.desk()

    @property
    def run(self) -> RunId:
        return self.app.store.trail.runs(limit=1)[0].id

    def cycle(self) -> str:
        self.sandbox.settle()
        return self.service.cycle()

    def email_of(self, contact: ContactId) -> str:
        return self.app.store.mirror.snapshots(Kind.CONTACT, [contact])[contact].emails[0]


@contextmanager
def a_company(directory: Path, *, contacts: int = 60) -> Iterator[Scene]:
    """Live through the six weeks; at their end a plan is parked."""
    clock = ManualClock(START)
    with Sandbox(contacts, seed=7, clock=clock, limits=False) as sandbox:
        url = f"sqlite:///{directory / 'crmsync.db'}"
        with _app(sandbox, clock, url, max_stage_changes=10_000) as app:
            scene = Scene(sandbox, clock, app)
            _live(scene)
            chosen, hostile = scene.contact, scene.hostile
        with _app(sandbox, clock, url, max_stage_changes=0) as app:
            scene = Scene(sandbox, clock, app, contact=chosen, hostile=hostile)
            _ask_for_demos(scene, skip=0, count=2)
            clock.advance(3_600)
            scene.cycle()
            assert app.store.plans.plans(status=PlanStatus.PARKED)
            clock.advance(300)
            yield scene


def _live(scene: Scene) -> None:
    app, clock = scene.app, scene.clock
    app.gateway.schema.setup()
    scene.cycle()
    ids = _ids(scene)
    scene.hostile = ids[1]
    for week in range(6):
        clock.advance(timedelta(days=7).total_seconds())
        _ask_for_demos(scene, skip=0, count=1)
        scene.sandbox.edits.human(ids[4 + week], {"jobtitle": "CTO"})
        if week == 2:
            scene.sandbox.edits.human(scene.hostile, {"jobtitle": HOSTILE_NAME})
            scene.sandbox.edits.human(ids[5], {"lifecyclestage": "opportunity"})
        scene.cycle()
    found = app.store.trail.entries(AuditFilter(kind="change.applied", cause="promoted"), limit=1)
    scene.contact = ContactId(found[0].draft.id or "")


def _ids(scene: Scene) -> list[ContactId]:
    return [one.contact.id for slice_ in scene.app.store.mirror.all(100) for one in slice_]


def _ask_for_demos(scene: Scene, *, skip: int, count: int) -> None:
    """Let some contacts that fit, are below MQL and have an e-mail address ask for a demo."""
    for contact in _leads_that_fit(scene)[skip : skip + count]:
        scene.sandbox.edits.submit("Book a demo", scene.email_of(contact))


def _leads_that_fit(scene: Scene) -> list[ContactId]:
    snapshots = scene.app.store.mirror.snapshots(Kind.CONTACT, _ids(scene))
    return [ContactId(id_) for id_, one in snapshots.items() if one.emails and _is_lead(one) and _fits(one)]


def _is_lead(contact: Snapshot) -> bool:
    return contact.properties.get("lifecyclestage") in {"lead", "subscriber", None}


def _fits(contact: Snapshot) -> bool:
    return (contact.properties.get(Own.GRADE) or "D")[0] in "AB"


@contextmanager
def _app(sandbox: Sandbox, clock: ManualClock, url: str, *, max_stage_changes: int) -> Iterator[App]:
    settings = _settings(sandbox, url, max_stage_changes)
    with App(
        settings,
        now=clock,
        monotonic=lambda: clock().timestamp(),
        sleep=clock.advance,
    ) as app:
        yield app


def _settings(sandbox: Sandbox, url: str, max_stage_changes: int) -> Settings:
    return load(
        {
            "portal.base_url": sandbox.url,
            "portal.access_token": sandbox.token,
            "store.url": url,
            "definition.path": str(DEFINITION),
            "writes.lifecyclestage": "own",
            "guard.max_stage_changes": max_stage_changes,
            "guard.max_stage_change_share": 1.0,
            "guard.max_demotions": 10_000,
            "web.port": 0,
        }
    ).settings
