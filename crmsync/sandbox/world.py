"""The state of a portal and the only ways it changes: create, change, archive, restore; later effects."""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from crmsync.sandbox.graph import Graph
from crmsync.sandbox.hubspot_schema import portal_schema
from crmsync.sandbox.index import Lag, SearchIndex
from crmsync.sandbox.kinds import KINDS, Kind
from crmsync.sandbox.store import Record, Shelf, Source
from crmsync.sandbox.times import Clock, to_ms
from crmsync.sandbox.wire import Body

API = "INTEGRATION"


class Watcher(Protocol):
    """Told after something happened; automation and webhooks are watchers."""

    def changed(self, record: Record, before: Mapping[str, str], source: Source, at_ms: int) -> None:
        """`before` holds the former values of the properties that really changed."""

    def created(self, record: Record, source: Source, at_ms: int) -> None: ...

    def gone(self, record: Record, how: str, source: Source, at_ms: int) -> None:
        """The record was archived or erased (`deletion`, `privacyDeletion`) or came back (`restore`)."""

    def associated(self, pair: tuple[str, str], ids: tuple[int, int], source: Source, at_ms: int) -> None: ...

    def merged(self, primary: int, other: int, into: Record, source: Source, at_ms: int) -> None: ...


class World:
    """
    Everything a portal remembers.

    Attributes:
        effects: what has happened, in order: the truth an audit trail is compared with.
        request: the number of the request at work, 0 when none is; stands in the effects.
    """

    def __init__(self, clock: Clock, seed: int, lag: Lag) -> None:
        self.clock = clock
        self.rng = random.Random(seed)
        self.shelves = {kind.name: Shelf(kind) for kind in KINDS}
        self.schemas = portal_schema()
        self.graph = Graph()
        self.index = SearchIndex(lag, seed)
        self.effects: list[Body] = []
        self.watchers: list[Watcher] = []
        self.request = 0
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return to_ms(self.clock())

    def shelf(self, kind: Kind | str) -> Shelf:
        return self.shelves[kind if isinstance(kind, str) else kind.name]

    # -- later -------------------------------------------------------------------------------------

    def later(self, due_ms: int, effect: Callable[[int], None]) -> None:
        """Let something happen at an instant; it is given that instant."""
        heapq.heappush(self._due, (due_ms, next(self._order), effect))

    def settle(self, now_ms: int) -> None:
        """Let everything happen that is due."""
        while self._due and self._due[0][0] <= now_ms:
            due_ms, _, effect = heapq.heappop(self._due)
            effect(due_ms)
        self.index.catch_up(now_ms)

    def settle_everything(self) -> None:
        """Let everything happen now, also what is not due, and let search see it."""
        self.settle(1 << 62)

    def waiting(self) -> int:
        return len(self._due)

    # -- now ---------------------------------------------------------------------------------------

    def create(self, kind: Kind, values: Mapping[str, str], source: Source, at_ms: int) -> Record:
        shelf = self.shelf(kind)
        id_ = shelf.new_id()
        self.index.before(kind.name, id_, None)
        base = {"hs_object_source": source.type, "hs_object_source_label": source.type}
        if source.id is not None:
            base["hs_object_source_id"] = source.id
        record = Record(kind, id_, at_ms, {}, base)
        for name, value in values.items():
            if value:
                record.put(name, value, at_ms, source)
                self._note(record, name, None, value, source, at_ms)
        shelf.add(record)
        shelf.claim_all(record)
        self.index.after(record, at_ms)
        self._note(record, "", None, "created", source, at_ms)
        for watcher in self.watchers:
            watcher.created(record, source, at_ms)
        return record

    def change(self, record: Record, values: Mapping[str, str], source: Source, at_ms: int) -> None:
        """Set values, keep their history, move the record's last change. Nothing to set changes nothing."""
        if not values:
            return
        shelf = self.shelf(record.kind)
        self.index.before(record.kind.name, record.id, record)
        if shelf.unique_names & values.keys() or "hs_additional_emails" in values:
            shelf.release(record)
        before = {name: record.text(name) for name in values}
        for name, value in values.items():
            record.put(name, value, at_ms, source)
            self._note(record, name, before[name], value, source, at_ms)
        if source.user_id is not None:
            record.own["hs_updated_by_user_id"] = str(source.user_id)
        shelf.claim_all(record)
        shelf.touch(record, at_ms)
        self.index.after(record, at_ms)
        changed = {name: old for name, old in before.items() if old != values[name]}
        for watcher in self.watchers:
            watcher.changed(record, changed, source, at_ms)

    def touch(self, record: Record, at_ms: int) -> None:
        """Move the last change of a record without changing a value."""
        self.index.before(record.kind.name, record.id, record)
        self.shelf(record.kind).touch(record, at_ms)
        self.index.after(record, at_ms)

    def archive(self, record: Record, source: Source, at_ms: int, how: str = "deletion") -> None:
        self.index.before(record.kind.name, record.id, record)
        self.shelf(record.kind).archive(record, at_ms)
        self.index.after(record, at_ms, gone=True)
        self._note(record, "", None, how, source, at_ms)
        for watcher in self.watchers:
            watcher.gone(record, how, source, at_ms)

    def restore(self, record: Record, source: Source, at_ms: int) -> None:
        shelf = self.shelf(record.kind)
        self.index.before(record.kind.name, record.id, None)
        shelf.restore(record)
        shelf.claim_all(record)
        shelf.touch(record, at_ms)
        self.index.after(record, at_ms)
        self._note(record, "", None, "restored", source, at_ms)
        for watcher in self.watchers:
            watcher.gone(record, "restore", source, at_ms)

    def associate(self, pair: tuple[str, str], id_: int, other: int, source: Source, at_ms: int) -> bool:
        """Associate two objects. The objects' last change stays where it is, as in HubSpot."""
        new = self.graph.connect(pair, id_, other)
        if new:
            for watcher in self.watchers:
                watcher.associated(pair, (id_, other), source, at_ms)
        return new

    def _note(
        self, record: Record, name: str, before: str | None, after: str, source: Source, at_ms: int
    ) -> None:
        self.effects.append({
            "n": len(self.effects) + 1, "at": at_ms, "request": self.request, "kind": record.kind.name, "id": str(record.id),
            "property": name or None, "before": before, "after": after, "sourceType": source.type, "sourceId": source.id,
        })  # fmt: skip
