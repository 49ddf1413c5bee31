"""Requests wanting to go -> requests going: never more in any window than HubSpot allows, shared by all threads."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import floor
from threading import Lock

from crmsync.errors import RateLimited
from crmsync.portal.clock import PortalClock
from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.paths import Limit
from crmsync.portal.sharing import Sharers
from crmsync.portal.traffic import Traffic

UNKNOWN_BURST = 100
"""The smallest burst limit of a private app. *Source*: portal facts, section 1.1."""
BURST_WINDOW_S = 10.0
_LONGEST_WINDOW_S = 60.0  # a header that says years would have us wait for years
_PROFESSIONAL_BURST = 190
_ASSOCIATIONS = {True: 150, False: 100}  # Professional and up, or not: portal facts, section 1.2
_SLACK_S = 0.02  # clocks here and there tick in different milliseconds
_POLL_S = 0.02  # when every place is taken by a request under way, nobody knows when the next one is free
_SEARCH_STEP = 0.25
_SLOWER = 0.7
_SLOWEST_PER_S = 1.0  # at random moments the limit is used up however slowly we search: slower helps nobody
_CALM_SEARCHES = (50, 400)  # so many without a refusal before searching faster: at first, and at most
_CALM_S = 120.0  # or so long
_LONGEST_PAUSE_S = 8.0


class Window:
    """
    At most `limit` requests in any `span_s`, as the server counts them.

    The server counts a request somewhere between our sending it and its answer, so a place is taken from sending
    until the answer is `span_s` old. With 200 ms of latency that costs 2 % of a 10 s window.
    """

    def __init__(self, limit: int, span_s: float) -> None:
        self.limit = limit
        self.span_s = span_s
        self.paused_until = 0.0
        self.under_way = 0
        self.taken = 0
        self._answered_at: deque[float] = deque()

    def used(self, now: float) -> int:
        """Count the requests the server may still be counting."""
        while self._answered_at and self._answered_at[0] <= now - self.span_s - _SLACK_S:
            self._answered_at.popleft()
        return self.under_way + len(self._answered_at)

    def wait_s(self, now: float, capacity: int) -> float:
        """Tell how long until a request may go; 0: now."""
        if self.paused_until > now:
            return self.paused_until - now
        excess = self.used(now) - max(1, capacity)
        if excess < 0:
            return 0.0
        if excess >= len(self._answered_at):
            return _POLL_S
        return max(0.001, self._answered_at[excess] + self.span_s + _SLACK_S - now)

    def take(self) -> None:
        self.under_way += 1
        self.taken += 1

    def give_back(self, now: float) -> None:
        self.under_way -= 1
        self._answered_at.append(now)

    def pause(self, until: float) -> None:
        self.paused_until = max(self.paused_until, until)


class Pace:
    """
    How fast to search.

    Every other app searches on the same limit, and no header tells what is left of it: the pace is found by trying.
    """

    def __init__(self, planned_per_s: int) -> None:
        self._planned = float(planned_per_s)
        self._slowest = min(_SLOWEST_PER_S, self._planned)
        self._per_s = self._planned
        self._calm = 0
        self._calm_since = 0.0
        self._calm_wanted = _CALM_SEARCHES[0]
        self._in_a_row = 0

    @property
    def pause_s(self) -> float:
        """How long to wait at least after a refusal: twice as long for each one more in a row."""
        return min(_LONGEST_PAUSE_S, 2.0 ** (self._in_a_row - 1))

    def refused(self, now: float) -> None:
        """Slow down, and be twice as slow to try more: what was refused now will be refused again."""
        self._per_s = max(self._slowest, self._per_s * _SLOWER)
        self._calm, self._calm_since = 0, now
        self._calm_wanted = min(_CALM_SEARCHES[1], self._calm_wanted * 2)
        self._in_a_row += 1

    def went_well(self, now: float) -> None:
        self._calm += 1
        self._in_a_row = 0
        if self._per_s >= self._planned:
            self._calm_wanted = _CALM_SEARCHES[0]
        elif self._calm >= self._calm_wanted or now - self._calm_since >= _CALM_S:
            self._per_s = min(self._planned, self._per_s + _SEARCH_STEP)
            self._calm, self._calm_since = 0, now

    def shape(self, window: Window) -> None:
        """Alone: a second's searches together. Among others: one at a time, evenly."""
        if self._per_s >= self._planned:
            window.limit, window.span_s = floor(self._planned), 1.0
        else:
            window.limit, window.span_s = 1, 1 / self._per_s


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    A request's right to go, to be handed back with its answer.

    Attributes:
        serial: how many went before and with it, in its window.
        ours: how many of ours the server may be counting with it.
        under_way: how many of those it may not be counting yet.
    """

    limit: Limit
    serial: int
    ours: int
    under_way: int


class Budget:
    """The limits of one portal and one app: 10-second burst, searches, association batches, the day."""

    def __init__(self, config: PortalConfig, time: Time, clock: PortalClock, traffic: Traffic) -> None:
        self._time = time
        self._clock = clock
        self._traffic = traffic
        self._lock = Lock()
        self._configured_burst = config.burst_per_10s
        self._burst = Window(config.burst_per_10s or UNKNOWN_BURST, BURST_WINDOW_S)
        self._pace = Pace(config.search_per_s)
        self._windows = {
            Limit.BURST: self._burst,
            Limit.SEARCH: Window(config.search_per_s, 1.0),
            Limit.ASSOCIATIONS: Window(_ASSOCIATIONS[False], BURST_WINDOW_S),
        }
        if config.burst_per_10s is not None:
            self._windows[Limit.ASSOCIATIONS].limit = max(_ASSOCIATIONS[False], config.burst_per_10s)
        self._sharers = Sharers()
        self._reserve = config.daily_reserve
        self._day = Day()

    def acquire(self, limit: Limit) -> Ticket:
        """
        Wait until a request may go, and let it.

        *Raises* RateLimited (DAILY) when the day's share is used up.
        """
        while True:
            with self._lock:
                self._refuse_over_the_day()
                wait_s = self._wait_s(limit)
                if wait_s <= 0:
                    return self._take(limit)
            self._traffic.waited(wait_s)
            self._time.sleep(wait_s)

    def answered(self, ticket: Ticket, headers: Mapping[str, str] | None) -> None:
        """Give the place back and learn from the answer's headers; None: there was no answer."""
        with self._lock:
            now = self._time.monotonic()
            self._windows[ticket.limit].give_back(now)
            self._day.answered()
            if headers is not None:
                self._learn_burst(headers, ticket, now)
                self._day.learn(
                    _number(headers, "X-HubSpot-RateLimit-Daily"),
                    _number(headers, "X-HubSpot-RateLimit-Daily-Remaining"),
                    self._today(),
                )

    def went_well(self, limit: Limit) -> None:
        if limit is Limit.SEARCH:
            with self._lock:
                self._pace.went_well(self._time.monotonic())
                self._pace.shape(self._windows[limit])

    def refused(self, limit: Limit, wait_s: float) -> None:
        """A 429 was answered: nobody sends on this limit for a while."""
        with self._lock:
            window, now = self._windows[limit], self._time.monotonic()
            if limit is Limit.SEARCH:
                self._pace.refused(now)
                self._pace.shape(window)
                wait_s = max(wait_s, self._pace.pause_s)
            window.pause(now + wait_s)

    def day_is_over(self) -> None:
        """HubSpot said DAILY: nothing more goes before midnight in the portal's time zone."""
        with self._lock:
            self._day.exhausted(self._today())

    @property
    def burst_limit(self) -> int:
        return self._burst.limit

    @property
    def daily_limit(self) -> int | None:
        return self._day.limit

    @property
    def daily_remaining(self) -> int | None:
        return self._day.left

    def _today(self) -> date:
        return self._clock.now().astimezone(self._clock.zone).date()

    def _refuse_over_the_day(self) -> None:
        if self._day.has_room(self._reserve, self._today()):
            return
        if self._day.is_spent and self._clock.told_zone is None:
            return  # nobody here knows its midnight: HubSpot refuses until then, and only it can tell
        seconds = self._clock.seconds_to_midnight()
        raise RateLimited(
            f"The day's share of HubSpot requests is used up; the next ones go in {seconds:.0f} s, "
            f"after midnight in the portal's time zone ({self._clock.zone.key}).",
            policy="DAILY",
            retry_after_s=seconds,
            next_step="Wait, lower portal.daily_reserve, or see in HubSpot which app uses the limit.",
        )

    def _wait_s(self, limit: Limit) -> float:
        window, now = self._windows[limit], self._time.monotonic()
        if window is not self._burst:
            return window.wait_s(now, window.limit)
        left = self._sharers.left(now, window.limit, window.span_s)
        return max(window.wait_s(now, left), self._sharers.wait_s(now))

    def _take(self, limit: Limit) -> Ticket:
        window, now = self._windows[limit], self._time.monotonic()
        before = window.under_way
        window.take()
        self._day.sent()
        if window is self._burst:
            self._sharers.take(now, self._sharers.left(now, window.limit, window.span_s), window.span_s)
        return Ticket(limit, window.taken, window.used(now), before)

    def _learn_burst(self, headers: Mapping[str, str], ticket: Ticket, now: float) -> None:
        most = _number(headers, "X-HubSpot-RateLimit-Max")
        if not most:
            return
        span_ms = _number(headers, "X-HubSpot-RateLimit-Interval-Milliseconds")
        if span_ms:
            self._burst.span_s = min(span_ms / 1000, _LONGEST_WINDOW_S)
        self._burst.limit = min(most, self._configured_burst or most)
        associations = self._windows[Limit.ASSOCIATIONS]
        associations.limit = _ASSOCIATIONS[most >= _PROFESSIONAL_BURST]
        remaining = _number(headers, "X-HubSpot-RateLimit-Remaining")
        if remaining is not None and ticket.limit is Limit.BURST:
            self._learn_sharers(most, most - remaining, ticket, now)

    def _learn_sharers(self, most: int, counted: int, ticket: Ticket, now: float) -> None:
        """
        Notice another user of our app's burst: what the server counts beyond all that can be ours.

        Requests under way may be counted or not; so the least that others use shows whether there are any, and the
        most they may use is what we make room for.
        """
        sent_since = self._burst.taken - ticket.serial
        beyond = counted - ticket.ours
        self._sharers.note(now, beyond - sent_since, beyond + ticket.under_way, most)


class Day:
    """The account's daily limit as the headers tell it; all private apps share it."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.left: int | None = None
        self._under_way = 0
        self._on: date | None = None

    def sent(self) -> None:
        self._under_way += 1

    def answered(self) -> None:
        self._under_way -= 1
        if self.left is not None:
            self.left -= 1  # searches say nothing, so count them ourselves until a header knows better

    def learn(self, limit: int | None, left: int | None, today: date) -> None:
        if limit is None or left is None:
            return
        started_again = self.left is None or self._on != today or left > self.left + limit * 0.05
        # answers arrive out of order: within a day the smallest number is the newest
        self.left = left if started_again or self.left is None else min(left, self.left + 1)
        self.limit, self._on = limit, today

    def exhausted(self, today: date) -> None:
        self.limit, self.left, self._on = self.limit or 0, 0, today

    @property
    def is_spent(self) -> bool:
        return self.left is not None and self.left <= 0

    def has_room(self, reserve: float, today: date) -> bool:
        if self.left is None or self.limit is None:
            return True
        if self._on != today:
            self.left = None
            return True
        return self.left - self._under_way > self.limit * reserve


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None
