"""A seed -> days of a company with crmsync at work, faults and crashes -> what was broken."""

import random
import traceback
from collections import Counter
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import structlog

from crmsync.app import App
from crmsync.cycle.agenda import Job
from crmsync.cycle.engine import Engine, Summary
from crmsync.errors import CrmsyncError
from crmsync.model import PlanStatus
from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import Lag, Options, Portal
from crmsync.sandbox.seed.company import fill
from crmsync.settings.sections import (
    DefinitionSettings,
    GuardSettings,
    PortalSettings,
    Settings,
    StoreSettings,
    WriteSettings,
)
from crmsync.store import Store, open_store
from tests.inprocess import BASE_URL, FakeTime
from tests.simulation.agreement import write_edition
from tests.simulation.chaos import Crash, Reaper, mortal
from tests.simulation.people import People
from tests.simulation.witness import Road, Witness

FAULTS = (
    "burst", "search_limit", "unknown_429", "423", "500", "502", "503", "504", "523", "524", "reset_before",
    "reset_after", "truncate", "half", "html_200", "empty_200", "garbage", "daily", "477",
)  # fmt: skip
PATHS = (
    "*",
    "*/search",
    "*/batch/read",
    "*/batch/update",
    "*/contacts",
    "*/associations/*",
    "*/submissions/*",
)
SKEWS_S = (0, 0, 0, 40, -40, 900, -900)


@dataclass(frozen=True, slots=True)
class Temper:
    """How rough a run is; drawn from its seed."""

    contacts: int
    skew: timedelta
    stages: str
    acts_between: int
    act_in_between: float
    fault: float
    crash: float
    narrow_guard: bool
    tail_s: int

    @classmethod
    def drawn(cls, rng: random.Random) -> "Temper":
        return cls(
            contacts=rng.choice((12, 30, 60, 130)),
            skew=timedelta(seconds=rng.choice(SKEWS_S)),
            stages=rng.choice(("own", "own", "promote_only")),
            acts_between=rng.choice((2, 5, 12)),
            act_in_between=rng.choice((0.0, 0.02, 0.1)),
            fault=rng.choice((0.0, 0.3, 0.7)),
            crash=rng.choice((0.0, 0.0, 0.002, 0.01)),
            narrow_guard=rng.random() < 0.25,
            tail_s=rng.choice((0, 60, 240)),
        )


@dataclass
class Simulation:
    """
    One company and one crmsync.

    Attributes:
        broken: what must never happen and did.
        said: everything that was logged or said in an error.
    """

    seed: int
    folder: Path
    verbose: bool = False
    temper: Temper | None = None
    broken: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    cycles: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.temper = self.temper or Temper.drawn(self.rng)
        self.time = FakeTime(meanwhile=self._in_between)
        lag = Lag(3_000, self.temper.tail_s * 1_000, 0.05 if self.temper.tail_s else 0.0)
        self.portal = Portal(Options(seed=self.seed, lag=lag), self.time.wall)
        fill(self.portal, self.temper.contacts, 3 * self.temper.contacts)
        self.people = People(self.portal, self.rng)
        self.reaper = Reaper(self.rng)
        self.database = self.folder / "crmsync.db"
        self.witness = Witness(self.portal, self.database)
        self.definition = self.folder / "definition.yaml"
        self.edition = 0
        self.is_calm = False
        self.has_outside_edits = True
        write_edition(self.definition, 0)
        self.ticked_at: datetime | None = None
        self._numbers = 0
        self._app: App | None = None
        self._loaded: dict[str, Any] = {}  # a new process need not read the same file again
        structlog.configure(processors=[self._hear], cache_logger_on_first_use=False)

    # --- the days ------------------------------------------------------------------------------------------

    def run(self, days: int) -> None:
        """Live through the days, then let everybody rest and crmsync catch up."""
        try:
            self.app.gateway.schema.setup()
            self.reaper.share = self.temper.crash if self.temper else 0.0
            for _ in range(days):
                self._day()
            self._rest()
        finally:
            self.close()

    def _day(self) -> None:
        assert self.temper is not None
        evening = self.portal.world.clock() + timedelta(days=1)
        while self.portal.world.clock() < evening:
            self.time.pass_by(self.rng.choice((20, 90, 600, 3_600, 9_000)))
            for _ in range(self.rng.randint(0, self.temper.acts_between)):
                self.people.act()
            if self.rng.random() < 0.3:
                self.people.set_back()
            if self.rng.random() < self.temper.fault:
                self._arm()
            if self.rng.random() < 0.02:
                self._new_edition()
            self._decide_about_parked()
            self.cycle()
            self.portal.faults.clear()

    def _rest(self) -> None:
        """No more changes from outside, no faults, no crashes; the index and the automation catch up."""
        self.is_calm, self.reaper.share = True, 0.0
        self.time.pass_by(3_600)
        with self.portal.lock:
            self.portal.world.settle_everything()
        self.time.pass_by(26 * 3_600)  # past a daily limit that a fault pretended
        for also in ((Job.RECONCILE, Job.RESCAN, Job.TICK), (), ()):
            self.cycle(also)
            self._approve_everything()
            self.cycle()
            self.time.pass_by(30)

    def _in_between(self) -> None:
        assert self.temper is not None
        if not self.is_calm and self.rng.random() < self.temper.act_in_between:
            self.people.act()

    def _arm(self) -> None:
        for _ in range(self.rng.randint(1, 3)):
            kind = self.rng.choice(FAULTS)
            if kind in {"daily", "477"} and self.rng.random() < 0.8:
                kind = "502"
            path, nth = self.rng.choice(PATHS), self.rng.randint(1, 6)
            self.portal.faults.arm(
                {"kind": kind, "path": path, "nth": nth, "count": self.rng.choice((1, 1, 2, 6))}
            )

    def _new_edition(self) -> None:
        self.edition += 1
        write_edition(self.definition, self.edition)
        self.app.reload_definition()

    def _decide_about_parked(self) -> None:
        if self.rng.random() < 0.5:
            self._approve_everything()

    def _approve_everything(self) -> None:
        try:
            with suppress(CrmsyncError):
                for plan in self.app.store.plans.plans(status=PlanStatus.PARKED):
                    self.app.store.plans.decide(plan.id, PlanStatus.APPROVED, "a person")
        except Crash:
            self.restart()

    # --- crmsync -------------------------------------------------------------------------------------------

    def cycle(self, also: tuple[Job, ...] = ()) -> Summary | None:
        """Run one cycle as the daemon does; a crash is followed by a new process."""
        self.cycles += 1
        try:
            with self.app.engine() as engine:
                summary = _one_by_one(engine).sync(also=also)
        except Crash as crash:
            self.statuses["crashed"] += 1
            self._tell(f"crash {crash}")
            self.restart()
            return None
        except CrmsyncError as error:
            self.errors[type(error).__name__] += 1
            self.said.append(str(error))
            self._tell(f"{type(error).__name__}: {error}")
            return None
        except Exception as error:  # noqa: BLE001 - a bug is what we look for
            self.broken.append(f"bug: {type(error).__name__}: {error} {traceback.format_exc(limit=-3)}")
            self.restart()
            return None
        self.statuses[summary.status] += 1
        if Job.TICK in also:
            self.ticked_at = self.app.gateway.now()
        self._tell(
            f"{summary.status} pulled={dict(summary.pulled.counts)} due={summary.tally.evaluated} "
            f"stages={dict(summary.tally.stages)} results={dict(summary.written.results)}"
        )
        return summary

    @property
    def app(self) -> App:
        if self._app is None:
            self._app = self._start()
        return self._app

    @property
    def store(self) -> Store:
        return self.app.store

    def restart(self) -> None:
        """Start a new process on the same store."""
        self.close()
        self.reaper.revive()

    def close(self) -> None:
        if self._app is not None:
            held = self._app.__dict__
            self._loaded = {name: held[name] for name in ("definition", "evaluator") if name in held}
            self._app.store.close()
            self._app = None

    def _now(self) -> datetime:
        assert self.temper is not None
        return self.time.wall() + self.temper.skew

    def _start(self) -> App:
        app = App(self._settings(), now=self._now, monotonic=self.time.monotonic, sleep=self._sleep)
        url = self.app_url
        store = mortal(open_store(url, portal=None, now=self._now, salt=self._salt), self.reaper)
        app.__dict__["store"] = store  # stands where the cached property would put it
        app.__dict__.update(self._loaded)
        app.__dict__["gateway"] = self._gateway(store)
        return app

    @property
    def app_url(self) -> str:
        return f"sqlite:///{self.database}"

    def _gateway(self, store: Store) -> Gateway:
        session = requests.Session()
        session.trust_env = False  # asks the environment for proxies at each request
        road = Road(
            self.portal,
            time=self.time,
            witness=self.witness,
            reaper=self.reaper,
            in_between=self._in_between,
        )
        session.mount(BASE_URL, road)
        config = PortalConfig(BASE_URL, self.portal.token, app_id=store.meta.app_id)
        return connect(
            config,
            session=session,
            monotonic=self.time.monotonic,
            sleep=self._sleep,
            utcnow=self._now,
            may_write=store.lease.assure,
            keep_app_id=store.meta.learn_app_id,
        )

    def _settings(self) -> Settings:
        assert self.temper is not None
        narrow = {"max_stage_changes": 4, "max_stage_change_share": 0.2, "max_demotions": 2}
        wide = {"max_stage_changes": 10_000, "max_stage_change_share": 1.0, "max_demotions": 10_000}
        return Settings(
            portal=PortalSettings.model_validate({"access_token": self.portal.token, "base_url": BASE_URL}),
            store=StoreSettings.model_validate({"url": self.app_url}),
            definition=DefinitionSettings(path=self.definition),
            guard=GuardSettings.model_validate(narrow if self.temper.narrow_guard else wide),
            writes=WriteSettings.model_validate({"lifecyclestage": self.temper.stages}),
        )

    def _sleep(self, seconds: float) -> None:
        self.time.sleep(seconds)

    def _salt(self) -> bytes:
        self._numbers += 1
        return self._numbers.to_bytes(16, "big")

    def _hear(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        self.said.append(repr(event))
        raise structlog.DropEvent

    def _tell(self, what: str) -> None:
        if self.verbose:
            print(f"{self.portal.world.clock():%m-%d %H:%M:%S} {what}")


def _one_by_one(engine: Engine) -> Engine:
    """Threads would make a run that cannot be replayed."""
    numbers = iter(range(1 << 30))
    config = replace(engine.config, workers=1)
    return replace(engine, config=config, new_suffix=lambda now: f"{now:%S%f}{next(numbers)}")
