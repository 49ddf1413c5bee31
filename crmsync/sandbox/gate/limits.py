"""How many requests a portal takes: sliding windows per app and account, and the day of the account's time zone."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from crmsync.sandbox.times import SECOND, to_ms
from crmsync.sandbox.wire import ApiError

TIERS = {"free": (100, 250_000, 100), "pro": (190, 625_000, 150), "enterprise": (190, 1_000_000, 150)}
"""Tier -> requests per 10 s of a private app, per day of the account, association batches per 10 s."""
OAUTH_BURST = 110
SEARCH_PER_S = 5


def is_time_zone(name: str) -> bool:
    return name in available_timezones()


@dataclass(slots=True)
class Window:
    """
    A sliding window.

    Attributes:
        others: how many places other apps take all the time.
    """

    limit: int
    span_ms: int
    others: int = 0
    taken: deque[int] = field(default_factory=deque)

    def remaining(self, now_ms: int) -> int:
        while self.taken and self.taken[0] <= now_ms - self.span_ms:
            self.taken.popleft()
        return max(0, self.limit - self.others - len(self.taken))

    def take(self, now_ms: int) -> bool:
        if not self.remaining(now_ms):
            return False
        self.taken.append(now_ms)
        return True

    def eat(self, now_ms: int, count: int) -> None:
        """Another app takes places at this instant, as far as there are any."""
        self.taken.extend([now_ms] * min(count, self.remaining(now_ms)))


@dataclass(slots=True)
class Day:
    """The daily budget; it starts anew at midnight of the account's time zone."""

    limit: int
    zone: ZoneInfo
    used: int = 0
    ends_ms: int = 0

    def roll(self, now: datetime) -> None:
        if to_ms(now) >= self.ends_ms:
            local = now.astimezone(self.zone)
            midnight = datetime(local.year, local.month, local.day, tzinfo=self.zone) + timedelta(days=1)
            self.ends_ms = to_ms(midnight)
            self.used = 0

    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class Limits:
    """
    The limits of one account.

    Attributes:
        enforced: False counts but never refuses.
        retry_after: send a Retry-After with a 429; HubSpot does not.
        refused: policy name -> how many 429s.
    """

    def __init__(self, tier: str, zone: str, portal_id: int, *, enforced: bool = True) -> None:
        self.burst_limit, daily, associations = TIERS[tier]
        self.portal_id = portal_id
        self.enforced = enforced
        self.retry_after = False
        self.bursts: dict[str, Window] = {}
        self.search = Window(SEARCH_PER_S, SECOND)
        self.associations = Window(associations, 10 * SECOND)
        self.day = Day(daily, ZoneInfo(zone))
        self.refused: dict[str, int] = {}
        self.burst_others = 0

    def burst(self, app_id: str, *, oauth: bool) -> Window:
        limit = OAUTH_BURST if oauth else self.burst_limit
        window = self.bursts.setdefault(app_id, Window(limit, 10 * SECOND))
        window.limit, window.others = limit, self.burst_others
        return window

    def take(self, app_id: str, what: str, now: datetime, *, oauth: bool) -> tuple[tuple[str, str], ...]:
        """
        Count one request.

        Args:
            what: `search`, `associations`, or `burst` for everything else.

        Returns:
            the rate headers of the answer; search has none.

        Raises:
            ApiError: 429, with the policy that refused.
        """
        now_ms = to_ms(now)
        self.day.roll(now)
        window = {"search": self.search, "associations": self.associations}.get(what)
        burst = self.burst(app_id, oauth=oauth)
        headers = () if what == "search" else self._headers(burst, now_ms, oauth=oauth)
        if self.enforced and not oauth and not self.day.remaining():
            raise self.refusal("DAILY", headers)
        if not (window or burst).take(now_ms) and self.enforced:
            raise self.refusal("SECONDLY" if what == "search" else "TEN_SECONDLY_ROLLING", headers, app_id)
        self.day.used += 1
        return () if what == "search" else self._headers(burst, now_ms, oauth=oauth)

    def refusal(self, policy: str, headers: tuple[tuple[str, str], ...] = (), app_id: str = "1") -> ApiError:
        """The 429 of a policy. *Source*: portal facts, section 1.3."""
        self.refused[policy] = self.refused.get(policy, 0) + 1
        said = {
            "DAILY": "You have reached your daily limit.",
            "SECONDLY": "You have reached your secondly limit.",
            "TEN_SECONDLY_ROLLING": "You have reached your ten_secondly_rolling limit.",
        }.get(policy, "You have reached a limit.")
        more = {"errorType": "RATE_LIMIT", "requestId": str(UUID(int=sum(self.refused.values())))}
        if policy in {"DAILY", "SECONDLY", "TEN_SECONDLY_ROLLING"}:
            more["policyName"] = policy
        if policy == "TEN_SECONDLY_ROLLING":
            more["groupName"] = f"publicapi:private_app-api-calls-ten-secondly:{app_id}:{self.portal_id}"
        wait = (("Retry-After", "10"),) if self.retry_after else ()
        return ApiError(429, said, "", more=more, headers=(*headers, *wait))

    def _headers(self, burst: Window, now_ms: int, *, oauth: bool) -> tuple[tuple[str, str], ...]:
        day = () if oauth else (
            ("X-HubSpot-RateLimit-Daily", str(self.day.limit)),
            ("X-HubSpot-RateLimit-Daily-Remaining", str(self.day.remaining())),
        )  # fmt: skip
        secondly = burst.limit // 10
        return (
            *day,
            ("X-HubSpot-RateLimit-Interval-Milliseconds", str(burst.span_ms)),
            ("X-HubSpot-RateLimit-Max", str(burst.limit)),
            ("X-HubSpot-RateLimit-Remaining", str(burst.remaining(now_ms))),
            ("X-HubSpot-RateLimit-Secondly", str(secondly)),
            ("X-HubSpot-RateLimit-Secondly-Remaining", str(secondly - 1)),
        )
