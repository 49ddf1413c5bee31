"""Instants: whole milliseconds inside, HubSpot's text outside."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]
"""Gives the present instant, aware."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"-?\d{1,16}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class WallClock:
    """The present instant, until it is moved ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


def to_ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)


def iso(ms: int) -> str:
    """2026-11-22T12:00:00.000Z"""
    days, rest = divmod(ms, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, rest = divmod(rest, SECOND)
    return f"{_date(days)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}Z"


@lru_cache(4_096)
def _date(days: int) -> str:
    """Days since the epoch -> 2026-11-22"""
    return (EPOCH.date() + timedelta(days=days)).isoformat()


def day_text(ms: int) -> str:
    return iso(ms)[:10]


def read_instant(text: str) -> int | None:
    """Epoch milliseconds or ISO 8601 -> milliseconds; None when it is neither."""
    if _DIGITS.fullmatch(text):
        ms = int(text)
        return ms if abs(ms) < 253_402_300_800_000 else None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def read_day(text: str) -> str | None:
    """A date as ISO text or as epoch milliseconds at midnight UTC -> ISO text; None otherwise."""
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    ms = read_instant(text)
    return day_text(ms) if ms is not None and ms % DAY == 0 else None
