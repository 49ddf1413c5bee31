"""A long list read in several parts side by side: everyone once, resumable anywhere, hardly a request more."""

import random
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pytest

from crmsync.errors import Unavailable
from crmsync.model import Kind, Page, Snapshot
from crmsync.portal.ahead import LONG_PAGES, ReadAhead
from tests.inprocess import START, FakeTime
from tests.served import served
from tests.waiting import running

SHAPES = {
    "dense": range(1_000, 31_000),
    "sparse": range(10**6, 10**6 + 30_000 * 977, 977),
    "skewed": [*range(1, 30_001), 10**12],
    "two eras": [*range(1, 15_001), *range(10**11, 10**11 + 15_000)],
    "short": range(1, 1_901),
}


@dataclass
class ALongList:
    """A list of ids, as HubSpot pages it."""

    ids: Sequence[int]
    asked: list[str | None] = field(default_factory=list)
    fails_at: frozenset[int] = frozenset()
    searches: int = 0
    lock: Lock = field(default_factory=Lock)

    def read(self, after: str | None) -> Page:
        with self.lock:
            self.asked.append(after)
            if len(self.asked) in self.fails_at:
                raise Unavailable("no")
            start = int(after or 0)
            place = bisect_left(self.ids, start)
            page = self.ids[place : place + 101]
        rest = str(page[100]) if len(page) > 100 else None
        return Page(tuple(Snapshot(Kind.CALL, str(one), START) for one in page[:100]), rest)

    def highest(self) -> tuple[int, int]:
        self.searches += 1
        return (self.ids[-1], len(self.ids)) if self.ids else (0, 0)

    def below(self, object_id: int) -> int:
        self.searches += 1
        return bisect_left(self.ids, object_id)

    @property
    def fewest(self) -> int:
        return -(-len(self.ids) // 100)


def drain(
    ahead: ReadAhead, long: ALongList, after: str | None = None, most: int = 10**6
) -> tuple[list[int], str | None]:
    found: list[int] = []
    for _ in range(most):
        page = ahead.page("calls", after, long.read, long)
        found += [int(one.id) for one in page.snapshots]
        after = page.after
        if after is None:
            break
    return found, after


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_g7_everyone_comes_once(shape: str, width: int) -> None:
    long = ALongList(SHAPES[shape])
    with closing(ReadAhead(width, FakeTime().monotonic)) as ahead:
        found, _ = drain(ahead, long)

    assert sorted(found) == list(SHAPES[shape])
    assert len(long.asked) <= long.fewest + width
    assert long.searches <= 12 * width


def test_a_short_list_costs_no_request_more() -> None:
    long = ALongList(SHAPES["short"])
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        drain(ahead, long)

    assert len(long.asked) == 19 < LONG_PAGES
    assert long.searches == 0


@pytest.mark.parametrize("stopped_after", [1, 19, 20, 21, 22, 57, 200, 299])
def test_g3_a_list_stopped_anywhere_is_resumed_by_another_process(stopped_after: int) -> None:
    long = ALongList(SHAPES["two eras"])
    with closing(ReadAhead(4, FakeTime().monotonic)) as first:
        before, after = drain(first, long, most=stopped_after)
    assert after is not None
    with closing(ReadAhead(4, FakeTime().monotonic)) as second:
        rest, _ = drain(second, long, after)

    assert sorted(before + rest) == list(long.ids)


def test_g3_a_page_that_failed_can_be_asked_for_again() -> None:
    long = ALongList(SHAPES["dense"], fails_at=frozenset({5, 25, 60, 61, 62, 200}))
    found: list[int] = []
    after: str | None = None
    failures = 0
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        while True:
            try:
                page = ahead.page("calls", after, long.read, long)
            except Unavailable:
                failures += 1
                continue
            found += [int(one.id) for one in page.snapshots]
            if (after := page.after) is None:
                break

    assert 0 < failures <= 6  # those that failed ahead at the same time count once
    assert sorted(found) == list(long.ids)


class AtOnce:
    """Threads that are always quick enough: each page is there when it has been asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Unavailable as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass


def test_pages_that_failed_ahead_do_not_fail_again_once_the_portal_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = ALongList(SHAPES["dense"], fails_at=frozenset(range(60, 1_000)))
    found: list[int] = []
    after: str | None = None
    failures = 0
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        monkeypatch.setattr(ahead, "_pool", AtOnce())
        while not found or after is not None:
            try:
                page = ahead.page("calls", after, long.read, long)
            except Unavailable:
                failures += 1
                long.fails_at = frozenset()
                continue
            found += [int(one.id) for one in page.snapshots]
            after = page.after

    assert failures == 1
    assert sorted(found) == list(long.ids)


def test_g7_what_joins_or_leaves_while_the_list_is_read_shifts_nobody_else() -> None:
    rng = random.Random(7)
    long = ALongList(list(SHAPES["dense"]))
    stable = set(long.ids[::2])
    found: list[int] = []
    after: str | None = None
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        while True:
            page = ahead.page("calls", after, long.read, long)
            found += [int(one.id) for one in page.snapshots]
            if (after := page.after) is None:
                break
            gone = set(rng.sample([one for one in long.ids if one not in stable], 20))
            with long.lock:
                long.ids = [*(one for one in long.ids if one not in gone), max(long.ids) + 1]

    assert len(found) == len(set(found))
    assert stable <= set(found)


def test_g7_a_list_in_another_order_is_never_cut() -> None:
    pages = {str(n): [10_000 - 100 * n - k for k in range(100)] for n in range(60)}

    def read(after: str | None) -> Page:
        number = int(after or 0)
        rest = str(number + 1) if number < 59 else None
        return Page(tuple(Snapshot(Kind.CALL, str(one), START) for one in pages[str(number)]), rest)

    found: list[int] = []
    after: str | None = None
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        while True:
            page = ahead.page("calls", after, read, ALongList(range(1, 10_001)))
            found += [int(one.id) for one in page.snapshots]
            if (after := page.after) is None:
                break

    assert sorted(found) == list(range(4_001, 10_001))


@pytest.mark.parametrize(
    "first",
    [pytest.param(1, id="after is an offset, or the last id"), pytest.param(777, id="after is the last id")],
)
def test_g7_a_list_that_goes_on_after_the_last_id_is_never_cut(first: int) -> None:
    ids = range(first, first + 9_000)

    def read(after: str | None) -> Page:
        start = bisect_right(ids, int(after)) if after is not None else 0
        page = ids[start : start + 100]
        rest = str(page[-1]) if start + 100 < len(ids) else None
        return Page(tuple(Snapshot(Kind.CALL, str(one), START) for one in page), rest)

    found: list[int] = []
    after: str | None = None
    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead:
        while True:
            page = ahead.page("calls", after, read, ALongList(ids))
            found += [int(one.id) for one in page.snapshots]
            if (after := page.after) is None:
                break

    assert found == list(ids)


def test_g7_a_list_that_falls_out_of_order_is_not_cut_short() -> None:
    long = ALongList(range(1, 30_001))

    def read(after: str | None) -> Page:
        page = long.read(after)
        if int(after or 0) > 20_000:
            return Page(tuple(reversed(page.snapshots)), page.after)
        return page

    def whole() -> None:
        after: str | None = None
        for _ in range(301):
            after = ahead.page("calls", after, read, long).after

    with closing(ReadAhead(4, FakeTime().monotonic)) as ahead, pytest.raises(Unavailable, match="order"):
        whole()


def test_a_page_fetched_long_ago_is_fetched_again() -> None:
    time, long = FakeTime(), ALongList(SHAPES["dense"])
    with closing(ReadAhead(4, time.monotonic)) as ahead:
        _, after = drain(ahead, long, most=25)
        assert after is not None
        time.pass_by(3600)
        before = len(long.asked)
        drain(ahead, long, after, most=1)

    assert len(long.asked) - before >= 4


def test_a_long_list_over_http_comes_whole() -> None:
    with served() as both:
        made = [both.sandbox.edits.create("notes", {"hs_timestamp": "0"}) for _ in range(6_000)]
        both.sandbox.settle()
        found: list[str] = []
        after: str | None = None
        is_parted = False
        while True:
            page = both.gateway.page(Kind.NOTE, properties=(), associations=(), after=after)
            found += [one.id for one in page.snapshots]
            if (after := page.after) is None:
                break
            is_parted = is_parted or after.startswith("~")

        assert is_parted
        assert sorted(found, key=int) == made
        assert both.requests("objects") <= 60 * 1.1 + 2


def test_a_page_that_is_still_read_ahead_does_not_hold_up_the_end_of_the_process() -> None:
    code = """
from threading import Event
from crmsync.model import Page
from crmsync.portal.ahead import ReadAhead

def read(after):
    if after == "5":
        Event().wait()  # a portal that does not answer
    return Page((), None)

ReadAhead(2, lambda: 0.0).page("calls", "~1-3,5-", read, None)
"""
    with running([sys.executable, "-c", code]) as process:
        assert process.wait(timeout=60) == 0
