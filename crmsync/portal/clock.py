"""Date headers, the portal's time zone -> its clock and its midnight."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crmsync.portal.config import Time

_STEP_S = 1.5  # a Date header has whole seconds; an estimate further ahead than that has been overtaken


class PortalClock:
    """
    The portal's clock, never ahead of the truth: a cursor closed too early only costs a second look.

    Each Date header is a lower bound of the portal's time when its answer arrived. The best bound wins, unless it is
    contradicted, which happens when the portal's clock is set back.

    Attributes:
        told_zone: the portal's own; None until it has told one that this machine knows, and UTC stands in.
    """

    def __init__(self, time: Time, told_zone: ZoneInfo | None = None) -> None:
        self._time = time
        self._lock = Lock()
        self._offset: float | None = None  # portal's epoch seconds minus our monotonic seconds
        self.told_zone = told_zone

    @property
    def zone(self) -> ZoneInfo:
        return self.told_zone or ZoneInfo("UTC")

    @property
    def is_set(self) -> bool:
        return self._offset is not None

    def hear(self, date_header: str | None) -> None:
        """Take note of the Date header of an answer that arrived just now; unreadable ones are ignored."""
        if not date_header:
            return
        try:
            said = parsedate_to_datetime(date_header)
        except (ValueError, TypeError, OverflowError):
            return
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
        bound = said.timestamp() - self._time.monotonic()
        with self._lock:
            known = self._offset
            self._offset = bound if known is None or bound < known - _STEP_S else max(known, bound)

    def now(self) -> datetime:
        """Tell the portal's time; ours as long as the portal has told none."""
        with self._lock:
            offset = self._offset
        if offset is None:
            return self._time.utcnow()
        return datetime.fromtimestamp(offset + self._time.monotonic(), UTC)

    def seconds_to_midnight(self) -> float:
        """Seconds until the portal's day ends, when HubSpot's daily limit starts again; at least 1."""
        local = self.now().astimezone(self.zone)
        # the next local date at 00:00, so that days of 23 and 25 hours come out right
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), self.zone)
        return max(1.0, midnight.timestamp() - local.timestamp())


def zone_named(name: object) -> ZoneInfo | None:
    """Find a time zone; None when this machine does not know it."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
