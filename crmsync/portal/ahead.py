"""
A long list -> its pages, several parts of it side by side, so that one stream can use the whole budget.

HubSpot lists by id, and `after` is an id: a list can be entered anywhere. A list that proves long is cut into ranges
of about as many ids each, found by a few searches that only count. The next page of each is fetched while the cycle
works on another. A page's `after` then holds where every range goes on ("~" before it), so an interrupted list is
resumed from its last page all the same. Pages come in the order of ids within a range only.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from threading import Lock, Semaphore, Thread
from typing import Protocol

from crmsync.model import Page
from crmsync.portal.shapes import broken_answer

LONG_PAGES = 20
"""So many pages are read in a row before a list counts as long: short ones cost no request more."""
_SMALLEST_PART = 2_000
_NEAR = 0.1
_MOST_LOOKS = 12
_KEPT_S = 120.0
_THREADS = 16
_MARK = "~"
_NEVER = 10**9

Read = Callable[[str | None], Page]


class Census(Protocol):
    """Rough numbers of a list. Nothing but the place of the cuts depends on them, so they may lag or be wrong."""

    def highest(self) -> tuple[int, int]:
        """Tell the highest id and how many there are."""

    def below(self, object_id: int) -> int:
        """Count the ids below this one."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ids from `start` up to, not including, `end`; None: to the end of the list."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class _Fetched:
    page: "Future[Page]"
    asked_at: float


class ReadAhead:
    """Reads the lists of one portal. Safe for one reader a list, several lists at a time."""

    def __init__(self, width: int, monotonic: Callable[[], float]) -> None:
        self._width = width
        self._monotonic = monotonic
        self._lock = Lock()
        self._in_a_row: dict[str, int] = {}
        self._fetched: dict[tuple[str, int], _Fetched] = {}
        self._pool = _Threads()

    def page(self, name: str, after: str | None, read: Read, census: Census) -> Page:
        """
        Read the page at `after`.

        Args:
            name: which list.
            read: reads one page at an id. *Raises* PortalError.
            census: asked once a list proves long.
        """
        if after is None or not after.startswith(_MARK):
            return self._one_after_the_other(name, after, read, census)
        ranges = parse(after)
        for one in ranges[1 : self._width]:
            self._fetch(name, one.start, read)
        page = self._taken(name, ranges[0].start, read)
        if not _ascends(page, str(ranges[0].start)):
            raise broken_answer("a list that was in the order of ids no longer is")
        page, rest = _within(page, ranges[0])
        left = [*ranges[1:], *([rest] if rest is not None else [])]
        for one in left[: self._width]:
            self._fetch(name, one.start, read)
        return replace(page, after=spell(left) if left else None)

    def close(self) -> None:
        self._pool.close()

    def _one_after_the_other(self, name: str, after: str | None, read: Read, census: Census) -> Page:
        with self._lock:
            in_a_row = 0 if after is None else self._in_a_row.get(name, 0)
            self._in_a_row[name] = in_a_row + 1
        page = read(after)
        if not _ascends(page, after):
            with self._lock:
                self._in_a_row[name] = (
                    _NEVER  # not in the order of ids: such a list cannot be entered anywhere
                )
        if self._width < 2 or in_a_row + 1 != LONG_PAGES or page.after is None or not page.after.isdecimal():
            return page
        ranges = _cut(int(page.after), (in_a_row + 1) * 100, self._width, census)
        return replace(page, after=spell(ranges)) if len(ranges) > 1 else page

    def _fetch(self, name: str, start: int, read: Read) -> "Future[Page]":
        """Have a page read, once; one that was read long ago is read again."""
        now = self._monotonic()
        with self._lock:
            known = self._fetched.get((name, start))
            if known is None or now - known.asked_at > _KEPT_S:
                known = _Fetched(self._pool.submit(read, str(start)), now)
                self._fetched[name, start] = known
            return known.page

    def _taken(self, name: str, start: int, read: Read) -> Page:
        """
        Wait for a page and forget it, however it went. *Raises* PortalError.

        When it failed all that was fetched ahead is forgotten: the same trouble may have met it, and is over next time.
        """
        future = self._fetch(name, start, read)
        try:
            page = future.result()
        except BaseException:
            self._forget(lambda one: one[0] == name)
            raise
        self._forget(lambda one: one == (name, start))
        return page

    def _forget(self, which: Callable[[tuple[str, int]], bool]) -> None:
        with self._lock:
            self._fetched = {one: page for one, page in self._fetched.items() if not which(one)}


class _Threads:
    """Reads pages that nobody needs once the process ends: the threads of an executor would hold up its end."""

    def __init__(self) -> None:
        self._places = Semaphore(_THREADS)
        self._is_closed = False

    def submit(self, read: Read, start: str) -> "Future[Page]":
        page: Future[Page] = Future()
        Thread(target=self._work, args=(page, read, start), name="ahead", daemon=True).start()
        return page

    def close(self) -> None:
        """Begin with none any more."""
        self._is_closed = True

    def _work(self, page: "Future[Page]", read: Read, start: str) -> None:
        with self._places:
            if self._is_closed:
                page.cancel()
                return
            try:
                page.set_result(read(start))
            except BaseException as error:  # noqa: BLE001 - whoever asks for the page is told
                page.set_exception(error)


def spell(ranges: list[Range]) -> str:
    """Write ranges as the `after` of a page: `~101-500,700-`."""
    return _MARK + ",".join(f"{one.start}-{'' if one.end is None else one.end}" for one in ranges)


def parse(after: str) -> list[Range]:
    ranges = []
    for part in after.removeprefix(_MARK).split(","):
        start, _, end = part.partition("-")
        ranges.append(Range(int(start), int(end) if end else None))
    return ranges


def _within(page: Page, one: Range) -> tuple[Page, Range | None]:
    """Cut a page at the end of its range; return with it what is left of the range."""
    following = None if page.after is None else _start(page.after)
    if one.end is None:
        return page, None if following is None else Range(following, None)
    end = one.end
    snapshots = tuple(found for found in page.snapshots if int(found.id) < end)
    unreadable = {
        name: why for name, why in page.unreadable.items() if not name.isdecimal() or int(name) < end
    }
    rest = None if following is None or following >= end else Range(following, end)
    return replace(page, snapshots=snapshots, unreadable=unreadable), rest


def _ascends(page: Page, after: str | None) -> bool:
    """
    Whether a page lies between its start and the next one, in the order of ids.

    The next one must start beyond the last id shown: where `after` is the last id instead, or a number that only
    looks like one, a range entered at an id would leave that id out.
    """
    ids = [int(one.id) for one in page.snapshots]
    first = int(after) if after is not None and after.isdecimal() else 0
    following = [int(page.after)] if page.after is not None and page.after.isdecimal() else []
    return min(ids, default=first) >= first and all(
        one < other for one, other in pairwise([*ids, *following])
    )


def _start(after: str) -> int:
    if after.isascii() and after.isdecimal():
        return int(after)
    raise broken_answer("a list page goes on at something that is not an id")


def _cut(start: int, done: int, width: int, census: Census) -> list[Range]:
    """Cut what is left of a list into parts of about as many ids each."""
    top, total = census.highest()
    parts = min(width, (total - done) // _SMALLEST_PART)
    if parts < 2 or top <= start:
        return [Range(start, None)]
    size = (total - done) / parts
    cuts = [start]
    known = (start, done)
    for part in range(1, parts):
        known = _find(done + size * part, size * _NEAR, known, (top, total), census)
        if known[0] > cuts[-1]:
            cuts.append(known[0])
    return [Range(one, end) for one, end in zip(cuts, [*cuts[1:], None], strict=True)]


def _find(
    wanted: float, near: float, low: tuple[int, int], high: tuple[int, int], census: Census
) -> tuple[int, int]:
    """Find an id below which there are about so many; return it with the number below it."""
    for look in range(_MOST_LOOKS):
        span, count = high[0] - low[0], high[1] - low[1]
        if span < 2 or count <= 0:
            break
        # ids may be spread evenly, lie in heaps, or have one straggler far out: try a guess for each
        guesses = (span * (wanted - low[1]) / count, sqrt(span), span / 2)
        middle = low[0] + max(1, min(span - 1, round(guesses[look % len(guesses)])))
        found = (middle, census.below(middle))
        if abs(found[1] - wanted) <= near:
            return found
        low, high = (found, high) if found[1] < wanted else (low, found)
    return low
