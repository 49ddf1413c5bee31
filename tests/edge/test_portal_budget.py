"""G8: never more requests in any window than the portal allows, and no fewer than it would."""

import heapq
import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.errors import RateLimited
from crmsync.model import Kind
from crmsync.portal.budget import Budget, Ticket
from crmsync.portal.clock import PortalClock
from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.gateway import Gateway
from crmsync.portal.paths import Limit
from crmsync.portal.traffic import Traffic
from crmsync.sandbox.gate.limits import Window
from tests.inprocess import START, FakeTime, a_portal, connected


def a_budget(time: FakeTime, **config: float) -> Budget:
    clocks = Time(time.monotonic, time.sleep, time.wall)
    return Budget(PortalConfig(**config), clocks, PortalClock(clocks, ZoneInfo("UTC")), Traffic())  # type: ignore[arg-type] # numbers


def headers(**said: int) -> Mapping[str, str]:
    return {f"X-HubSpot-RateLimit-{name.replace('_', '-')}": str(value) for name, value in said.items()}


def send(budget: Budget, time: FakeTime, limit: Limit, latency_s: float = 0.0) -> float:
    ticket = budget.acquire(limit)
    sent_at = time.elapsed
    time.pass_by(latency_s)
    budget.answered(ticket, {})
    return sent_at


@pytest.mark.parametrize(
    ("limit", "most", "span_s"),
    [(Limit.BURST, 100, 10.0), (Limit.SEARCH, 4, 1.0), (Limit.ASSOCIATIONS, 100, 10.0)],
)
def test_g8_no_window_ever_holds_more_than_its_limit(limit: Limit, most: int, span_s: float) -> None:
    time = FakeTime()
    budget = a_budget(time)

    sent = [send(budget, time, limit, latency_s=0.013) for _ in range(most * 4)]

    assert max(sum(start <= one < start + span_s for one in sent) for start in sent) <= most


def test_g8_a_request_counts_until_its_answer_is_a_window_old() -> None:
    time = FakeTime()
    budget = a_budget(time, burst_per_10s=1)
    send(budget, time, Limit.BURST, latency_s=5.0)

    assert send(budget, time, Limit.BURST) >= 15.0


def test_the_burst_limit_is_what_the_headers_say() -> None:
    time = FakeTime()
    budget = a_budget(time)

    budget.answered(budget.acquire(Limit.BURST), headers(Max=190, Remaining=189))

    assert budget.burst_limit == 190


def test_a_configured_burst_limit_stays_below_the_headers() -> None:
    time = FakeTime()
    budget = a_budget(time, burst_per_10s=50)

    budget.answered(budget.acquire(Limit.BURST), headers(Max=190, Remaining=189))

    assert budget.burst_limit == 50


def test_a_configured_burst_limit_that_others_leave_room_for_is_used_whole() -> None:
    time = FakeTime()
    budget = a_budget(time, burst_per_10s=50)
    for _ in range(50):
        budget.answered(budget.acquire(Limit.BURST), headers(Max=190, Remaining=60))
    sent = [send(budget, time, Limit.BURST) for _ in range(50)]

    assert sent[-1] < 20.5


def test_a_window_of_years_is_not_waited_for() -> None:
    time = FakeTime()
    budget = a_budget(time)
    budget.answered(budget.acquire(Limit.BURST), headers(Max=1, Interval_Milliseconds=10**12 - 1))

    assert send(budget, time, Limit.BURST) <= 61.0


@pytest.mark.parametrize("text", ["", "-5", "many", "1e9", "9" * 40])
def test_an_unreadable_header_changes_nothing(text: str) -> None:
    time = FakeTime()
    budget = a_budget(time)

    budget.answered(budget.acquire(Limit.BURST), {"X-HubSpot-RateLimit-Max": text})

    assert budget.burst_limit == 100


def test_g8_the_daily_reserve_holds() -> None:
    time = FakeTime()
    budget = a_budget(time, daily_reserve=0.1)
    for left in (103, 102, 101, 100):
        budget.answered(budget.acquire(Limit.BURST), headers(Daily=1000, Daily_Remaining=left))

    with pytest.raises(RateLimited) as raised:
        budget.acquire(Limit.BURST)
    assert raised.value.policy == "DAILY"
    assert raised.value.retry_after_s == pytest.approx(12 * 3600)  # noon, UTC


def test_g8_an_answer_that_was_overtaken_gives_no_request_of_the_day_back() -> None:
    budget = a_budget(FakeTime())
    older, newer = budget.acquire(Limit.BURST), budget.acquire(Limit.BURST)
    budget.answered(newer, headers(Daily=1000, Daily_Remaining=490))
    budget.answered(older, headers(Daily=1000, Daily_Remaining=499))

    assert budget.daily_remaining == 490


def test_g8_requests_under_way_count_on_the_day_before_their_answers_tell() -> None:
    budget = a_budget(FakeTime(), daily_reserve=0.1)
    budget.answered(budget.acquire(Limit.BURST), headers(Daily=1000, Daily_Remaining=103))
    for _ in range(3):
        budget.acquire(Limit.BURST)

    with pytest.raises(RateLimited):
        budget.acquire(Limit.BURST)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("UTC", "2026-11-22T02:00:00Z", 22),
        ("America/New_York", "2026-11-22T02:00:00Z", 3),  # there it is still the 21st
        ("Asia/Tokyo", "2026-11-22T20:00:00Z", 19),  # there it is the 23rd already
        ("America/New_York", "2026-11-01T04:00:00Z", 25),  # a day of 25 hours begins
        ("America/New_York", "2026-03-08T05:00:00Z", 23),
    ],
)
def test_g8_the_day_ends_at_midnight_in_the_portals_time_zone(zone: str, now: str, hours: int) -> None:
    clock = PortalClock(
        Time(lambda: 0.0, lambda _: None, lambda: datetime.fromisoformat(now)), ZoneInfo(zone)
    )

    assert clock.seconds_to_midnight() == hours * 3_600


def test_searches_tell_no_headers_and_count_on_the_day_all_the_same() -> None:
    time = FakeTime()
    budget = a_budget(time, daily_reserve=0.1)
    budget.answered(budget.acquire(Limit.BURST), headers(Daily=1000, Daily_Remaining=103))

    for _ in range(3):
        send(budget, time, Limit.SEARCH)

    with pytest.raises(RateLimited):
        budget.acquire(Limit.SEARCH)


def test_g8_after_midnight_the_day_is_new() -> None:
    time = FakeTime()
    budget = a_budget(time)
    budget.day_is_over()
    with pytest.raises(RateLimited):
        budget.acquire(Limit.BURST)

    time.pass_by(12 * 3600 + 1)

    budget.acquire(Limit.BURST)


def test_g8_alone_there_is_no_429_and_the_budget_is_used() -> None:
    time = FakeTime()
    portal = a_portal(time, tier="pro")
    gateway = connected(portal, time, latency_s=0.02)

    for _ in range(760):
        gateway.page(Kind.NOTE, properties=(), associations=(), after=None)

    assert portal.limits.refused == {}
    assert 760 / (time.elapsed / 10) >= 0.9 * 190


def test_g8_association_reads_fill_their_own_window_and_leave_the_burst_alone() -> None:
    time = FakeTime()
    portal = a_portal(time, tier="pro")
    gateway = connected(portal, time, latency_s=0.02)
    gateway.account()  # whose answer tells the tier

    for _ in range(600):
        gateway.associations(Kind.NOTE, Kind.CONTACT, ["1"])

    assert portal.limits.refused == {}
    assert 600 / (time.elapsed / 10) >= 0.9 * 150
    assert not portal.limits.burst(portal.app.id, oauth=False).taken


class Shared(FakeTime):
    """A clock on which another app takes places of one of our limits, evenly."""

    def __init__(self, per_s: float) -> None:
        super().__init__()
        self.every_s = 1 / per_s
        self.next_at = 0.0
        self.takes: Callable[[int], None] = lambda _: None

    def pass_by(self, seconds: float) -> None:
        until = self.elapsed + seconds
        while self.next_at <= until:
            super().pass_by(max(0.0, self.next_at - self.elapsed))
            self.takes(int(self.wall().timestamp() * 1000))
            self.next_at += self.every_s
        super().pass_by(max(0.0, until - self.elapsed))


def test_g8_with_another_app_using_half_of_it_fewer_than_one_in_a_hundred_is_refused() -> None:
    time = Shared(per_s=9.5)
    portal = a_portal(time, tier="pro")
    time.takes = lambda at_ms: portal.limits.burst(portal.app.id, oauth=False).eat(at_ms, 1)
    gateway = connected(portal, time, latency_s=0.05)

    for _ in range(900):
        gateway.page(Kind.NOTE, properties=(), associations=(), after=None)

    assert sum(portal.limits.refused.values()) < 9
    assert 900 / (time.elapsed / 10) >= 0.8 * 95


def test_g8_with_another_app_searching_half_of_it_fewer_than_one_in_a_hundred_is_refused() -> None:
    time = Shared(per_s=2.5)
    portal = a_portal(time)
    time.takes = lambda at_ms: portal.limits.search.eat(at_ms, 1)
    gateway = connected(portal, time, latency_s=0.02)
    since, until = START - timedelta(days=1), START

    for _ in range(900):
        list(gateway.changed(Kind.NOTE, since, until))

    assert sum(portal.limits.refused.values()) < 9
    assert 900 / time.elapsed > 1.5


def pages_until_refused(gateway: Gateway) -> tuple[int, RateLimited]:
    for n in range(1_000):
        try:
            gateway.page(Kind.NOTE, properties=(), associations=(), after=None)
        except RateLimited as error:
            return n, error
    raise AssertionError


def test_g8_the_day_ends_at_the_portals_reserve_and_starts_again_at_its_midnight() -> None:
    time = FakeTime()  # noon UTC is 13:00 in Brussels
    portal = a_portal(time, time_zone="Europe/Brussels")
    portal.limits.day.limit = 200
    gateway = connected(portal, time, daily_reserve=0.1)
    gateway.account()

    sent, error = pages_until_refused(gateway)

    assert sent == 179  # and the account, and 20 for others
    assert portal.limits.day.remaining() == 20
    assert error.retry_after_s == pytest.approx(11 * 3600, abs=200)
    time.pass_by(error.retry_after_s + 1)
    assert pages_until_refused(gateway)[0] == 180
    assert portal.limits.refused == {}


def test_g8_a_day_that_other_apps_spent_is_told_and_over_at_midnight() -> None:
    time = FakeTime()
    portal = a_portal(time, time_zone="America/New_York")
    gateway = connected(portal, time, daily_reserve=0.0)
    gateway.account()
    portal.limits.day.used = portal.limits.day.limit

    _, error = pages_until_refused(gateway)

    assert (error.policy, round(error.retry_after_s / 3600)) == ("DAILY", 17)
    assert "America/New_York" in str(error)
    time.pass_by(error.retry_after_s + 1)
    gateway.page(Kind.NOTE, properties=(), associations=(), after=None)


@pytest.mark.parametrize(
    ("remembered", "said", "hours"),
    [
        pytest.param(
            "America/New_York", "(America/New_York)", [17], id="whose zone an earlier process has heard"
        ),
        # nobody can tell its midnight: the account's own details are refused as well
        pytest.param(None, "not yet known", [1] * 17, id="never heard of"),
    ],
)
def test_g8_a_day_spent_before_we_started_is_over_at_the_portals_own_midnight(
    remembered: str | None, said: str, hours: list[int]
) -> None:
    time = FakeTime()  # seven in the morning in New York
    portal = a_portal(time, time_zone="America/New_York")
    portal.limits.day.roll(time.wall())
    portal.limits.day.used = portal.limits.day.limit
    gateway = connected(portal, time, time_zone=remembered)

    for expected in hours:
        with pytest.raises(RateLimited, match=re.escape(said)) as raised:
            gateway.account()
        assert round(raised.value.retry_after_s / 3600) == expected
        time.pass_by(raised.value.retry_after_s + 1)
    assert gateway.account().zone.key == "America/New_York"


def searches_until(end_s: float, budget: Budget, time: FakeTime, *, refused: bool = False) -> int:
    """Search until then; return how often."""
    searches = 0
    while time.elapsed < end_s:
        send(budget, time, Limit.SEARCH, latency_s=0.02)
        searches += 1
        if refused:
            budget.refused(Limit.SEARCH, 1.0)
        else:
            budget.went_well(Limit.SEARCH)
    return searches


def test_where_another_app_uses_up_all_searches_we_try_less_and_less_often() -> None:
    time = FakeTime()

    assert searches_until(60.0, a_budget(time), time, refused=True) < 12


def test_an_app_that_used_up_all_searches_for_a_minute_slows_us_for_some_minutes_only() -> None:
    time = FakeTime()
    budget = a_budget(time)
    searches_until(60.0, budget, time, refused=True)

    assert searches_until(120.0, budget, time) > 40
    searches_until(1_800.0, budget, time)
    assert searches_until(1_860.0, budget, time) > 180


def test_searching_goes_on_where_others_search_so_irregularly_that_some_refusals_cannot_be_helped() -> None:
    rng = random.Random(3)
    time = Shared(per_s=2.5)
    portal = a_portal(time)

    def take(at_ms: int) -> None:
        portal.limits.search.eat(at_ms, 1)
        time.every_s = rng.expovariate(2.5)

    time.takes = take
    gateway = connected(portal, time, latency_s=0.02)
    since, until = START - timedelta(days=1), START
    for _ in range(500):
        list(gateway.changed(Kind.NOTE, since, until))

    assert 500 / time.elapsed > 0.7


# --- many threads at once ----------------------------------------------------------------------------------------


class Crowd(FakeTime):
    """
    Requests of many threads on one clock: while one waits, the answers of the others arrive.

    Attributes:
        counted: when the server counted each request, somewhere between its sending and its answer.
    """

    def __init__(self, seed: int, latency_s: float) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.latency_s = latency_s
        self.budget = a_budget(self)
        self.under_way: list[tuple[float, int, Ticket]] = []
        self.counted: list[float] = []

    def send(self) -> None:
        ticket = self.budget.acquire(Limit.BURST)
        takes = self.rng.uniform(0.5, 1.5) * self.latency_s
        self.counted.append(self.elapsed + self.rng.random() * takes)
        heapq.heappush(self.under_way, (self.elapsed + takes, ticket.serial, ticket))

    def pass_by(self, seconds: float) -> None:
        until = self.elapsed + seconds
        while self.under_way and self.under_way[0][0] <= until:
            at, _, ticket = heapq.heappop(self.under_way)
            super().pass_by(max(0.0, at - self.elapsed))
            self.budget.answered(ticket, {"X-HubSpot-RateLimit-Max": "190"})
        super().pass_by(max(0.0, until - self.elapsed))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), threads=st.integers(1, 40), latency_s=st.floats(0.001, 8.0))
def test_g8_no_window_of_the_servers_is_ever_overfull_whatever_the_latency(
    seed: int, threads: int, latency_s: float
) -> None:
    crowd = Crowd(seed, latency_s)
    for _ in range(700):
        while len(crowd.under_way) >= threads:
            crowd.pass_by(0.001 + crowd.under_way[0][0] - crowd.elapsed)
        crowd.send()

    counted = sorted(crowd.counted)
    assert all(later - first >= 10.0 for first, later in zip(counted, counted[190:], strict=False))


def test_g8_with_200_ms_of_latency_nine_tenths_of_the_budget_are_used() -> None:
    crowd = Crowd(seed=1, latency_s=0.2)
    for _ in range(3_800):
        while len(crowd.under_way) >= 12:
            crowd.pass_by(0.001 + crowd.under_way[0][0] - crowd.elapsed)
        crowd.send()

    assert 3_800 / (crowd.elapsed / 10) >= 0.9 * 190


def evenly(at_s: float = 0.0) -> Iterator[float]:
    return (at_s + n / 9.5 for n in count())


def in_bursts(there: Callable[[float], bool] = lambda _: True) -> Iterator[float]:
    return (start + 0.6 * n / 95 for start in count(0.0, 10.0) if there(start) for n in range(95))


class Neighbours(Crowd):
    """
    The same crowd against the server's own window, which another program with our token takes places of.

    Attributes:
        others_at: when the other one sends.
        refused: how many of ours were.
        taken: how many places the other one got.
    """

    def __init__(self, others_at: Iterator[float], seed: int = 1, latency_s: float = 0.2) -> None:
        super().__init__(seed, latency_s)
        self.window = Window(limit=190, span_ms=10_000)
        self.others_at = others_at
        self.refused = self.taken = 0
        self.to_come: list[tuple[float, int, Callable[[], None]]] = []
        self.serials = count()
        self._other_comes()

    def send(self) -> None:
        ticket = self.budget.acquire(Limit.BURST)
        takes = self.rng.uniform(0.7, 1.3) * self.latency_s
        self.under_way.append((self.elapsed + takes, ticket.serial, ticket))
        self._at(self.elapsed + takes * self.rng.random() / 2, lambda: self._count(ticket, takes / 2))

    def pass_by(self, seconds: float) -> None:
        until = self.elapsed + seconds
        while self.to_come and self.to_come[0][0] <= until:
            at, _, happens = heapq.heappop(self.to_come)
            FakeTime.pass_by(self, max(0.0, at - self.elapsed))
            happens()
        FakeTime.pass_by(self, max(0.0, until - self.elapsed))

    def _at(self, at: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self.to_come, (at, next(self.serials), happens))

    def _other_comes(self) -> None:
        self.taken += self.window.take(self._now_ms())
        self._at(next(self.others_at), self._other_comes)

    def _count(self, ticket: Ticket, answer_takes: float) -> None:
        is_taken = self.window.take(self._now_ms())
        said = headers(Max=190, Remaining=self.window.remaining(self._now_ms()))
        self._at(self.elapsed + answer_takes, lambda: self._answer(ticket, said, is_taken=is_taken))

    def _answer(self, ticket: Ticket, said: Mapping[str, str], *, is_taken: bool) -> None:
        self.under_way = [one for one in self.under_way if one[2] is not ticket]
        self.budget.answered(ticket, said)
        if not is_taken:
            self.refused += 1
            self.budget.refused(Limit.BURST, 10.0)

    def _now_ms(self) -> int:
        return int(self.wall().timestamp() * 1000)


@pytest.mark.parametrize(
    ("others_at", "share"),
    [
        pytest.param(evenly, 0.85, id="evenly"),
        pytest.param(in_bursts, 0.85, id="in bursts"),
        pytest.param(lambda: evenly(at_s=100), 0.85, id="evenly, from some moment on"),
        pytest.param(lambda: in_bursts(lambda at_s: at_s % 60 < 30), 0.75, id="in bursts, now and then"),
    ],
)
def test_g8_beside_a_program_that_uses_half_of_our_burst_almost_nothing_is_refused_and_the_rest_is_used(
    others_at: Callable[[], Iterator[float]], share: float
) -> None:
    crowd = Neighbours(others_at())
    crowd.pass_by(10.0)  # it was there before us
    before = crowd.taken
    sent = 0
    while crowd.elapsed < 250:
        while len(crowd.under_way) >= 16:
            crowd.pass_by(crowd.to_come[0][0] - crowd.elapsed)
        crowd.send()
        sent += 1

    assert crowd.refused < sent / 100
    assert sent - crowd.refused >= share * (190 * 24 - (crowd.taken - before))
