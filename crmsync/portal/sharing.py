"""What answers say of the burst's other users -> how much of it is left to us, and when the next request may go."""

from collections import deque
from math import ceil

_NOISE = 0.03
_MARGIN = 0.015
_KEPT_WINDOWS = 2.5
_HASTE = 2.0
_AT_ONCE = 4


class Sharers:
    """
    Other users of our app's burst: the most of it that they had lately.

    One who works in bursts looks absent between two of them, and modest when some of a burst was refused: so what was
    seen is believed for longer than a window or two. While there is somebody we send evenly, at most twice as fast as
    what is left to us allows: then few of ours are under way when the other one wants more.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = (
            deque()
        )  # ever fewer: the first is the most of those still believed
        self._limit = 0
        self._next_at = 0.0

    def note(self, now: float, least: int, most: int, limit: int) -> None:
        """Take note of an answer: others have between `least` and `most` places of `limit`."""
        if least <= max(2, limit * _NOISE):
            return
        self._limit = limit
        while self._seen and self._seen[-1][1] <= most:
            self._seen.pop()
        self._seen.append((now, most))

    def left(self, now: float, ours: int, span_s: float) -> int:
        """Tell how many of the places that we may take others leave to us; all when nobody was seen lately."""
        while self._seen and self._seen[0][0] < now - span_s * _KEPT_WINDOWS:
            self._seen.popleft()
        if not self._seen:
            return ours
        return min(ours, max(1, self._limit - self._seen[0][1] - ceil(self._limit * _MARGIN)))

    def wait_s(self, now: float) -> float:
        """Tell how long until the next of ours may go; 0: now, also when nobody was seen lately."""
        return max(0.0, self._next_at - now) if self._seen else 0.0

    def take(self, now: float, left: int, span_s: float) -> None:
        """Note that one of ours goes now; a few may follow at once when we were slower than we may be."""
        step = span_s / left / _HASTE
        self._next_at = max(self._next_at, now - _AT_ONCE * step) + step
