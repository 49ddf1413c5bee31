"""What was sent and how it went, counted for the metrics, the log and `sync --json`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Tallied:
    """
    Attributes:
        requests: every exchange tried, retries included.
        by_status: (limit, status) -> requests; status 0: no answer.
        retries: exchanges that repeated one before.
        waited_s: time spent waiting for room in the budget, all threads together.
        listed: objects that list pages brought: how far a first pull has come.
    """

    requests: int
    by_status: Mapping[tuple[str, int], int]
    retries: int
    waited_s: float
    listed: int


class Traffic:
    """The counters of one portal, shared by all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_status: Counter[tuple[str, int]] = Counter()
        self._retries = 0
        self._waited_s = 0.0
        self._listed = 0

    def sent(self, limit: str, status: int) -> None:
        with self._lock:
            self._by_status[limit, status] += 1

    def retried(self) -> None:
        with self._lock:
            self._retries += 1

    def waited(self, seconds: float) -> None:
        with self._lock:
            self._waited_s += seconds

    def listed(self, objects: int) -> None:
        with self._lock:
            self._listed += objects

    @property
    def requests(self) -> int:
        with self._lock:
            return self._by_status.total()

    def tallied(self) -> Tallied:
        with self._lock:
            by_status = dict(self._by_status)
            return Tallied(sum(by_status.values()), by_status, self._retries, self._waited_s, self._listed)
