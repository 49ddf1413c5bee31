"""Promise + instant of the handoff -> instant it is due, in business time."""

from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from crmsync.definition.nouns import Calendar, Sla

HORIZON_DAYS = 3_660  # a promise that takes ten years is none
_MINUTES_A_DAY = 24 * 60


def due_at(sla: Sla, entered_at: datetime, *, fast_track: bool = False) -> datetime | None:
    """
    Return when the first touch is due: the end of that much open time after the handoff.

    A minute counts while the calendar is open: on its days, between its hours on the wall clock of its time
    zone, not on its holidays. A day with a change of the clock is as long as it really is. `1d` is 24 open hours.

    Args:
        entered_at: aware; when the contact entered the handoff stage.
        fast_track: it got there by the fast track; without a promise of its own the usual one holds.

    Returns:
        An aware UTC instant; None when nothing was promised, or the calendar is never open within ten years.
    """
    promise = sla.fast_track_first_touch if fast_track and sla.fast_track_first_touch else sla.first_touch
    if promise is None:
        return None
    left = timedelta(microseconds=promise.us)
    for opens_at, closes_at in _open_spans(sla.calendar, entered_at):
        if closes_at - opens_at >= left:
            return opens_at + left
        left -= closes_at - opens_at
    return None


def open_time(calendar: Calendar, start_at: datetime, end_at: datetime) -> timedelta:
    """Return how long the calendar was open between two instants; zero when the end is not after the start."""
    total = timedelta()
    for opens_at, closes_at in _open_spans(calendar, start_at):
        if opens_at >= end_at:
            break
        total += min(closes_at, end_at) - opens_at
    return total


def has_holidays(name: str) -> bool:
    """Return whether public holidays are known for a country (`DK`) or a part of one (`DE-BY`)."""
    if "-" not in name:
        return name.upper() in _countries()
    try:
        _holidays(name)
    except (NotImplementedError, KeyError):
        return False
    return True


def _open_spans(calendar: Calendar, from_at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield (opens, closes) in UTC, in order and never empty, the first one cut to start at `from_at`."""
    zone = ZoneInfo(calendar.timezone)
    closed = _holidays(calendar.holidays) if calendar.holidays else frozenset[date]()
    start_at = from_at.astimezone(UTC)
    today = from_at.astimezone(zone).date()
    for ahead in range(min(HORIZON_DAYS, (date.max - today).days - 1)):
        day = today + timedelta(days=ahead)
        if day.weekday() not in calendar.days or day in closed:
            continue
        opens_at = max(_wall_clock(day, calendar.opens_min, zone), start_at)
        closes_at = _wall_clock(day, calendar.closes_min, zone)
        if opens_at < closes_at:
            yield opens_at, closes_at


def _wall_clock(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall clock time; one the clock skips is taken as if it had not been set yet."""
    ahead, minutes = divmod(minutes, _MINUTES_A_DAY)
    local = datetime.combine(day + timedelta(days=ahead), time(minutes // 60, minutes % 60), tzinfo=zone)
    return local.astimezone(UTC)


@cache
def _countries() -> frozenset[str]:
    """List the codes of countries; their rules, of all countries at once, take a fifth of a second and 12 MB."""
    from holidays.registry import COUNTRIES

    return frozenset(code for _, *codes in COUNTRIES.values() for code in codes)


@cache
def _holidays(name: str) -> Container[date]:
    """Return the public holidays of `DK` or `DE-BY`; years are worked out as they are asked for."""
    import holidays  # a fifth of a second that only an SLA pays

    country, _, part = name.upper().partition("-")
    found: Container[date] = holidays.country_holidays(country, subdiv=part or None)
    return found
