"""A cycle on a portal in memory and a real SQLite store: everything but HTTP."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from crmsync.cycle.agenda import Schedule
from crmsync.cycle.engine import Config, Engine, Summary
from crmsync.cycle.guard import Limits
from crmsync.cycle.news import wanted
from crmsync.cycle.patience import TwoTries
from crmsync.cycle.planning import Planner
from crmsync.cycle.reconcile import Policy
from crmsync.cycle.streams import Streams
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.load import load
from crmsync.definition.wording.narrator import Narrator
from crmsync.model import STAGE, Event, Kind, Mode, Snapshot
from crmsync.store import Store, open_store
from tests.fakes import NOW, STAGES, FakePortal

DEFINITION = """
definition: {id: cycle, version: "1", handoff_stage: marketingqualifiedlead}
facts:
  title: contact.jobtitle
  industry: company.industry
  open_deals: deals.open
events:
  meeting: {from: meetings, where: {outcome: COMPLETED}, intent: product, phase: decision}
  opens: {from: counter, of: contact.hs_email_open}
  demo: {from: forms, where: {form: Book a demo}, intent: product, phase: decision}
fit:
  criteria:
    - {id: fit.title, points: 40, when: {title: {contains: vp}}}
    - {id: fit.industry, points: 20, when: {industry: software}}
  tiers: {A: 40, B: 20}
engagement:
  groups:
    product:
      criteria:
        - {id: eng.meeting, event: meeting, points: 30, within: 90d}
        - {id: eng.demo, event: demo, points: 30, within: 90d}
        - {id: eng.opens, event: opens, points: 5, within: 90d}
  levels: {1: 30}
stages:
  order: [subscriber, lead, marketingqualifiedlead, salesqualifiedlead, opportunity, customer, evangelist]
  human_only: [evangelist, other]
  rules:
    lead: {enter: {fit: {at_least: 0}}}
    marketingqualifiedlead: {enter: {tier: A, engagement: {at_least: 30}}, stay: {engagement: {at_least: 20}}}
    opportunity: {enter: {open_deals: {at_least: 1}}}
"""
WIDE = Limits(max_stage_changes=10_000, max_stage_change_share=1.0, max_demotions=10_000)


def a_contact(
    one: str = "101", stage: str | None = "lead", emails: tuple[str, ...] = (), **properties: str | None
) -> Snapshot:
    return Snapshot(
        Kind.CONTACT,
        one,
        NOW,
        {STAGE: stage, **properties},
        emails=emails,
        stage_entered_at=NOW - timedelta(days=200) if stage else None,
    )


def a_meeting(one: str, *contacts: str, at: datetime = NOW - timedelta(days=1)) -> Snapshot:
    from crmsync.model import Association

    ends = {Kind.CONTACT: tuple(Association(contact) for contact in contacts)}
    return Snapshot(
        Kind.MEETING, one, NOW, event=Event("meetings", at, {"outcome": "COMPLETED"}), associations=ends
    )


@cache
def compiled(text: str) -> Evaluator:
    """Return the evaluator of a definition; many worlds share one, as it holds nothing of theirs."""
    return Evaluator(load(text))


@dataclass
class World:
    """A portal, a store and the engine between them; `engine` can be remade with other settings."""

    portal: FakePortal
    store: Store
    policy: Policy = field(default_factory=lambda: Policy(stages="own"))
    limits: Limits = WIDE
    mode: Mode = "apply"
    definition: str = DEFINITION
    should_stop: Callable[[], bool] = lambda: False
    _numbers: Iterator[int] = field(default_factory=count)

    def engine(self) -> Engine:
        judge = compiled(self.definition)
        definition = judge.definition
        streams = Streams(
            self.portal,
            self.store.mirror,
            self.store.trail,
            wanted(definition.needs),
            timedelta(0),
            timedelta(minutes=10),
            self.limits.max_shrink,
            patience=TwoTries(self.store.meta, self.store.trail),
        )
        planner = Planner(
            self.store.mirror,
            judge,
            Narrator(definition),
            self.portal,
            self.store.trail,
            self.store.trail,
            self.policy,
            STAGES,
        )
        config = Config(definition.ref, self.limits, Schedule(), self.mode)
        return Engine(
            streams,
            planner,
            self.store.trail,
            self.store.plans,
            self.portal,
            self.store.meta,
            config,
            lambda _: f"{next(self._numbers):04x}",
            self.should_stop,
        )

    def sync(self) -> Summary:
        self.portal.clock += timedelta(seconds=1)
        return self.engine().sync()

    def entries(self, kind: str | None = None) -> list[Mapping[str, object]]:
        return [one for one in self.store.trail.export() if kind is None or one["kind"] == kind]

    def with_(self, **changed: object) -> "World":
        return replace(self, **changed)  # type: ignore[arg-type]  # only for tests


class Shelf:
    """One open store for all worlds, each on an empty file: SQLAlchemy compiles a statement once for an engine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._portal = FakePortal()
        self._store = open_store(f"sqlite:///{path}", portal="1", now=lambda: self._portal.clock)
        self._store.close()
        self._empty = path.read_bytes()

    def cleared(self, portal: FakePortal) -> Store:
        """Put an empty file in place of the last world's and return the store, on this portal's clock."""
        self.close()
        for left in self._path.parent.glob(f"{self._path.name}*"):
            left.unlink()
        self._path.write_bytes(self._empty)
        self._portal = portal
        return self._store

    def close(self) -> None:
        """Close the connections; the next transaction makes new ones."""
        self._store.close()


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    # in memory where there is such a folder: a commit waits for the disk, and a cycle commits often
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        shelf = Shelf(Path(folder) / "crmsync.db")
        yield shelf
        shelf.close()


@pytest.fixture
def world(shelf: Shelf) -> World:
    portal = FakePortal()
    return World(portal, shelf.cleared(portal))
