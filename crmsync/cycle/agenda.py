"""When was it done last + what time is it -> what is due beside the cycle itself. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum


class Job(StrEnum):
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


def is_due(job: Job, last_at: datetime | None, now: datetime, schedule: Schedule) -> bool:
    """
    Say whether a job should run now.

    Args:
        last_at: when it ran last; None: never, then the first pull has just done its work.
    """
    if last_at is None:
        return False
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
