"""What the portal edge must be told; the app fills it from the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

HUBSPOT = "https://api.hubapi.com"


@dataclass(frozen=True, slots=True)
class PortalConfig:
    """
    One portal and how to behave towards it.

    Attributes:
        api_version: "v3", "2026-03" or "2026-09".
        burst_per_10s: requests in any 10 s; None: as HubSpot's headers say, 100 until they do.
        search_per_s: searches in any second.
        daily_reserve: share of the daily limit that is left to other apps.
        timeout_s: silence after which an answer is given up; a whole answer may take twice as long.
        app_id: HubSpot's id of our own app where it has been learnt, to know our own writes again.
        time_zone: the portal's, as it was told before; None: UTC stands in until the account is asked.
        read_ahead: how many parts of one long list are read side by side, on threads; 1: none, all on the caller's.
        patience_s: how long one request may wait for rate limits that others used up before RateLimited is raised.
    """

    base_url: str = HUBSPOT
    access_token: str = field(default="", repr=False)
    api_version: str = "2026-09"
    burst_per_10s: int | None = None
    search_per_s: int = 4
    daily_reserve: float = 0.1
    timeout_s: float = 30.0
    app_id: str | None = None
    time_zone: str | None = None
    patience_s: float = 900.0
    read_ahead: int = 4


@dataclass(frozen=True, slots=True)
class Time:
    """
    The clocks, injected: nothing here reads one by itself.

    Attributes:
        monotonic: seconds from any start, never back.
        sleep: wait so many seconds; may raise to give up the wait (and the request with it).
        utcnow: our wall clock, aware UTC; used only until the portal has told its own.
    """

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    utcnow: Callable[[], datetime]
