"""When was it done last + what time is it -> what is due beside the cycle itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

_CLOCK_WENT_BACK = timedelta(hours=1)


class Memory(Protocol):
    """Small facts that outlive the process, by name. Both methods may raise StoreError."""

    def get(self, key: str) -> str | None:
        """Return what was put last; None: nothing yet."""

    def put(self, key: str, value: str) -> None:
        """Replace it, committed when this returns."""


class Job(StrEnum):
    """What a cycle does now and then: read again, compare full lists, evaluate everybody."""

    RESCAN = "rescan"
    RECONCILE = "reconcile"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    Attributes:
        timezone: the portal's: the times of day are its local ones.
    """

    rescan_every: timedelta = timedelta(hours=1)
    reconcile_at: time = time(3, 0)
    tick_at: time = time(0, 10)
    timezone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Agenda:
    """What a cycle does beside the cycle itself, and when it was done last."""

    memory: Memory
    schedule: Schedule

    def due(self, now: datetime, also: Iterable[Job] = ()) -> frozenset[Job]:
        """Say what should run now: what is due, and what is asked for."""
        return frozenset(also) | {job for job in Job if is_due(job, self._last_at(job), now, self.schedule)}

    def note_done(self, jobs: frozenset[Job], now: datetime) -> None:
        """Remember that these ran; the first pull has done the work of all of them."""
        for job in Job:
            if job in jobs or self._last_at(job) is None:
                self.memory.put(f"last_{job}", now.isoformat())

    def rescan_back(self, now: datetime) -> timedelta:
        """Reach back beyond the last rescan, however long ago it was."""
        last_at = self._last_at(Job.RESCAN)
        since = now - last_at if last_at else timedelta(0)
        return max(since, self.schedule.rescan_every) + self.schedule.rescan_every

    def _last_at(self, job: Job) -> datetime | None:
        last = self.memory.get(f"last_{job}")
        return datetime.fromisoformat(last) if last else None


def is_due(job: Job, last_at: datetime | None, now: datetime, schedule: Schedule) -> bool:
    """
    Say whether a job should run now.

    Args:
        last_at: when it ran last; None: never, then the first pull has just done its work.
    """
    if last_at is None:
        return False
    if last_at - now > _CLOCK_WENT_BACK:
        return True  # nobody knows when it was; it is noted anew, else it would wait until the clock has caught up
    match job:
        case Job.RESCAN:
            return now - last_at >= schedule.rescan_every
        case Job.RECONCILE:
            return last_at < latest(schedule.reconcile_at, now, schedule.timezone)
        case Job.TICK:
            return last_at < latest(schedule.tick_at, now, schedule.timezone)


def latest(at: time, now: datetime, timezone: tzinfo | None) -> datetime:
    """Return the last time it was `at` o'clock there, at or before now; safe across clock changes."""
    local = now.astimezone(timezone)
    today = datetime.combine(local.date(), at, tzinfo=timezone or local.tzinfo)
    return (
        today if today <= now else datetime.combine(local.date() - timedelta(days=1), at, tzinfo=today.tzinfo)
    )
