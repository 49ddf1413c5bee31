"""The parts of a process -> the engine of a cycle. Made by app.py, which imports it when a cycle is run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crmsync.cycle.agenda import Schedule
from crmsync.cycle.engine import Config, Engine
from crmsync.cycle.guard import Limits
from crmsync.cycle.news import wanted
from crmsync.cycle.patience import TwoTries
from crmsync.cycle.planning import Planner
from crmsync.cycle.qualify import Qualifier
from crmsync.cycle.reconcile import Policy
from crmsync.cycle.streams import Streams
from crmsync.cycle.watching import Watcher
from crmsync.definition.nouns import Definition
from crmsync.definition.wording.narrator import Narrator
from crmsync.heaps import share_heaps
from crmsync.portal.gateway import Gateway
from crmsync.settings import Settings
from crmsync.store import Store

_WORKERS = 9  # one stream each for contacts, companies, deals and the six engagement kinds


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What a cycle is made of.

    Attributes:
        zone: the portal's; its midnights are the cycle's.
        new_suffix: the random end of a run's id.
        should_stop: looked at between two pages of a pull and two batches of writes.
        watcher: told how far it has come.
    """

    settings: Settings
    definition: Definition
    qualifier: Qualifier
    policy: Policy
    gateway: Gateway
    store: Store
    zone: ZoneInfo
    new_suffix: Callable[[datetime], str]
    should_stop: Callable[[], bool]
    watcher: Watcher


def engine(parts: Parts) -> Engine:
    """Wire them. Asks the portal for the order of its stages."""
    share_heaps()
    store = parts.store
    return Engine(
        streams=_streams(parts),
        planner=_planner(parts),
        trail=store.trail,
        plans=store.plans,
        sink=parts.gateway,
        memory=store.meta,
        config=_config(parts),
        new_suffix=parts.new_suffix,
        should_stop=parts.should_stop,
    )


def _streams(parts: Parts) -> Streams:
    portal = parts.settings.portal
    return Streams(
        portal=parts.gateway,
        mirror=parts.store.mirror,
        told=parts.store.trail,
        wanted=wanted(parts.definition.needs),
        lag=timedelta(seconds=portal.lag_s),
        overlap=timedelta(seconds=portal.overlap_s),
        max_shrink=parts.settings.guard.max_shrink,
        watcher=parts.watcher,
        patience=TwoTries(parts.store.meta, parts.store.trail),
        should_stop=parts.should_stop,
    )


def _planner(parts: Parts) -> Planner:
    return Planner(
        contacts=parts.store.mirror,
        qualifier=parts.qualifier,
        narrator=Narrator(parts.definition),
        historian=parts.gateway,
        reversals=parts.store.trail,
        findings=parts.store.trail,
        policy=parts.policy,
        stage_order=parts.gateway.schema.stages(),
        watcher=parts.watcher,
        should_stop=parts.should_stop,
    )


def _config(parts: Parts) -> Config:
    schedule = parts.settings.schedule
    return Config(
        definition=parts.definition.ref,
        limits=Limits(**parts.settings.guard.model_dump()),
        schedule=Schedule(schedule.rescan_every, schedule.reconcile_at, schedule.tick_at, parts.zone),
        mode=parts.settings.writes.mode,
        workers=_WORKERS,
    )
