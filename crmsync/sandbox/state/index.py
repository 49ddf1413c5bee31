"""The search index: what search sees, some time after it happened."""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.shelf import Shelf


@dataclass(slots=True)
class Lag:
    """
    How late the index is.

    Attributes:
        base_ms: every change is late by at least this.
        tail_share: this share of changes is late by up to `tail_ms`.
    """

    base_ms: int = 3_000
    tail_ms: int = 60_000
    tail_share: float = 0.02

    def draw(self, rng: random.Random) -> int:
        if self.tail_share and rng.random() < self.tail_share:
            return rng.randint(self.base_ms, max(self.base_ms, self.tail_ms))
        return self.base_ms


class SearchIndex:
    """
    The older versions that search still shows.

    Only records that changed a moment ago are kept twice: `_shown` holds what search sees of them
    (None: nothing yet), everything else is read from the shelf.
    """

    def __init__(self, lag: Lag, seed: int) -> None:
        self.lag = lag
        self._rng = random.Random(seed)
        self._shown: dict[str, dict[int, Record | None]] = {}
        self._arriving: list[tuple[int, int, str, int, Record | None, int]] = []
        self._waiting: Counter[tuple[str, int]] = Counter()
        self._frozen: dict[tuple[str, int], Record] = {}
        self._arrivals = 0

    def before(self, kind: str, id_: int, record: Record | None) -> None:
        """A record is about to change (None: about to be created)."""
        if self.lag.base_ms <= 0 and not self.lag.tail_share:
            return
        shown = self._shown.setdefault(kind, {})
        if id_ not in shown:
            shown[id_] = record.copy() if record is not None and record.archived_ms is None else None

    def after(self, record: Record, at_ms: int, *, gone: bool = False) -> None:
        """A record has changed, or is gone."""
        key = (record.kind.name, record.id)
        if key[1] not in self._shown.get(key[0], {}):
            return
        self._arrivals += 1
        self._waiting[key] += 1
        seen = None if gone else record.copy()
        due_ms = at_ms + self.lag.draw(self._rng)
        heapq.heappush(self._arriving, (due_ms, self._arrivals, *key, seen, record.version))

    def catch_up(self, now_ms: int) -> None:
        """Let arrive what is due. A version that was overtaken on the way is dropped."""
        while self._arriving and self._arriving[0][0] <= now_ms:
            _, _, kind, id_, seen, version = heapq.heappop(self._arriving)
            shown = self._shown[kind]
            self._waiting[kind, id_] -= 1
            current = shown.get(id_)
            if not self._waiting[kind, id_]:
                del self._waiting[kind, id_]
                del shown[id_]
            elif current is None or current.version < version:
                shown[id_] = seen

    def flush(self) -> None:
        """Everything arrives now."""
        self.catch_up(1 << 62)

    def freeze(self, record: Record) -> None:
        """From now on search returns the values of this moment for the record, whatever changes."""
        self._frozen[record.kind.name, record.id] = record.copy()

    def thaw(self) -> None:
        self._frozen.clear()

    def values_of(self, record: Record) -> Record:
        """The version whose values search returns for a hit."""
        return self._frozen.get((record.kind.name, record.id), record)

    def late(self) -> int:
        return len(self._waiting)

    def changed_between(self, shelf: Shelf, low_ms: int | None, high_ms: int | None) -> Iterator[Record]:
        """What search sees as changed in the closed interval."""
        shown = self._shown.get(shelf.kind.name, {})
        for record in shelf.changed_between(low_ms, high_ms):
            if record.id not in shown:
                yield record
        low, high = low_ms or 0, high_ms if high_ms is not None else 1 << 62
        for late in shown.values():
            if late is not None and low <= late.updated_ms <= high:
                yield late

    def one(self, shelf: Shelf, id_: int) -> Record | None:
        shown = self._shown.get(shelf.kind.name, {})
        return shown[id_] if id_ in shown else shelf.live.get(id_)

    def all(self, shelf: Shelf) -> Iterator[Record]:
        shown = self._shown.get(shelf.kind.name, {})
        for id_, record in shelf.live.items():
            if id_ not in shown:
                yield record
        yield from (late for late in shown.values() if late is not None)
