"""The state of a portal and the only ways it changes: create, change, archive, restore; later effects."""

import heapq
import itertools
import random
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from crmsync.sandbox.state.directory import Account, Directory
from crmsync.sandbox.state.graph import Graph
from crmsync.sandbox.state.hubspot_schema import PIPELINE_PROPERTIES, portal_schema
from crmsync.sandbox.state.index import Lag, SearchIndex
from crmsync.sandbox.state.kinds import KINDS, Kind
from crmsync.sandbox.state.marketing import Marketing
from crmsync.sandbox.state.record import Act, Record
from crmsync.sandbox.state.rules import Settings
from crmsync.sandbox.state.schema import options
from crmsync.sandbox.state.shelf import Shelf
from crmsync.sandbox.times import Clock, iso, to_ms
from crmsync.sandbox.wire import Body

API = "INTEGRATION"


class Effect(NamedTuple):
    """
    One thing that happened to a record: a property got a value, or, with `property` "", the record itself was
    created, restored, merged into another or is gone.

    Attributes:
        request: the number of the request that did it, as in the log; 0 for everything else.
        before: "" when there was no value, None for a new record.
    """

    act: Act
    request: int
    kind: str
    id: str
    property: str
    before: str | None
    after: str

    def json(self) -> Body:
        return {
            "at": iso(self.act.at_ms), "request": self.request, "kind": self.kind, "id": self.id,
            "property": self.property or None, "before": self.before, "after": self.after,
            "sourceType": self.act.source.type, "sourceId": self.act.source.id,
        }  # fmt: skip


class Watcher(Protocol):
    """Told after something happened; automation and webhooks are watchers."""

    def changed(self, record: Record, before: Mapping[str, str], act: Act, /) -> None:
        """`before` holds the former values of the properties that really changed."""

    def created(self, record: Record, act: Act, /) -> None: ...

    def gone(self, record: Record, how: str, act: Act, /) -> None:
        """The record was archived or erased (`deletion`, `privacyDeletion`) or came back (`restore`)."""

    def associated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None: ...

    def dissociated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None: ...

    def merged(self, old: tuple[int, int], into: Record, act: Act, /) -> None: ...


class World:
    """
    Everything a portal remembers.

    Attributes:
        lock: whoever looks or changes holds it.
        effects: what has happened, in order: the truth an audit trail is compared with.
        request: the number of the request at work, 0 when none is; stands in the effects.
    """

    def __init__(self, clock: Clock, seed: int, lag: Lag, account: Account) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.account = account
        self.rng = random.Random(seed)
        self.shelves = {kind.name: Shelf(kind) for kind in KINDS}
        self.schemas = portal_schema()
        self.graph = Graph()
        self.index = SearchIndex(lag, seed)
        self.directory = Directory(founded_ms=to_ms(clock()))
        self.marketing = Marketing()
        self.settings = Settings()
        self._offer_pipelines()
        self.effects: list[Effect] = []
        self.watchers: list[Watcher] = []
        self.request = 0
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()

    def _offer_pipelines(self) -> None:
        """Pipelines and their stages are options of two properties too."""
        for kind, (pipeline_name, stage_name) in PIPELINE_PROPERTIES.items():
            schema, pipelines = self.schemas[kind], self.directory.pipelines[kind]
            stages = [(stage.id, stage.label) for pipeline in pipelines for stage in pipeline.stages]
            schema.put(schema.properties[stage_name].with_options(options(*stages)))
            named = options(*((one.id, one.label) for one in pipelines))
            schema.put(schema.properties[pipeline_name].with_options(named))

    def now_ms(self) -> int:
        return to_ms(self.clock())

    def shelf(self, kind: Kind | str) -> Shelf:
        return self.shelves[kind if isinstance(kind, str) else kind.name]

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

    def create(self, kind: Kind, values: Mapping[str, str], act: Act) -> Record:
        shelf, source = self.shelf(kind), act.source
        id_ = shelf.new_id()
        self.index.before(kind.name, id_, None)
        base = {"hs_object_source": source.type, "hs_object_source_label": source.type}
        if source.id is not None:
            base["hs_object_source_id"] = source.id
        record = Record(kind, id_, act.at_ms, {}, base)
        for name, value in values.items():
            if value:
                record.put(name, value, act)
                self.note(record, act, name=name, after=value)
        shelf.add(record)
        shelf.claim_all(record)
        self.index.after(record, act.at_ms)
        self.note(record, act, after="created")
        for watcher in self.watchers:
            watcher.created(record, act)
        return record

    def change(self, record: Record, values: Mapping[str, str], act: Act) -> None:
        """Set values, keep their history, move the record's last change. Nothing to set changes nothing."""
        if not values:
            return
        shelf = self.shelf(record.kind)
        self.index.before(record.kind.name, record.id, record)
        is_key = bool(shelf.unique_names & values.keys()) or "hs_additional_emails" in values
        if is_key:
            shelf.release(record)
        before = {name: record.text(name) for name in values}
        for name, value in values.items():
            record.put(name, value, act)
            self.note(record, act, name=name, before=before[name], after=value)
        if act.source.user_id is not None:
            record.own["hs_updated_by_user_id"] = str(act.source.user_id)
        if is_key:
            shelf.claim_all(record)
        shelf.touch(record, act.at_ms)
        self.index.after(record, act.at_ms)
        changed = {name: old for name, old in before.items() if old != values[name]}
        for watcher in self.watchers:
            watcher.changed(record, changed, act)

    def touch(self, record: Record, at_ms: int) -> None:
        """Move the last change of a record without changing a value."""
        self.index.before(record.kind.name, record.id, record)
        self.shelf(record.kind).touch(record, at_ms)
        self.index.after(record, at_ms)

    def archive(self, record: Record, act: Act, how: str = "deletion") -> None:
        self.index.before(record.kind.name, record.id, record)
        self.shelf(record.kind).archive(record, act.at_ms)
        self.index.after(record, act.at_ms, gone=True)
        self.note(record, act, after=how)
        for watcher in self.watchers:
            watcher.gone(record, how, act)

    def restore(self, record: Record, act: Act) -> None:
        shelf = self.shelf(record.kind)
        self.index.before(record.kind.name, record.id, None)
        shelf.restore(record)
        shelf.claim_all(record)
        shelf.touch(record, act.at_ms)
        self.index.after(record, act.at_ms)
        self.note(record, act, after="restored")
        for watcher in self.watchers:
            watcher.gone(record, "restore", act)

    def associate(self, pair: tuple[str, str], id_: int, other: int, act: Act) -> bool:
        """Associate two objects. The objects' last change stays where it is, as in HubSpot."""
        new = self.graph.connect(pair, id_, other)
        if new:
            for watcher in self.watchers:
                watcher.associated(pair, (id_, other), act)
        return new

    def dissociate(self, pair: tuple[str, str], id_: int, other: int, act: Act) -> bool:
        """End an association with all its labels; False when there was none."""
        was = self.graph.cut(pair, id_, other)
        if was:
            for watcher in self.watchers:
                watcher.dissociated(pair, (id_, other), act)
        return was

    def linked(self, from_kind: str, id_: int, to_kind: str) -> list[int]:
        """The living objects at the other end."""
        live = self.shelves[to_kind].live
        others = self.graph.to(from_kind, id_, to_kind)
        return (
            [other for other in others if other in live]
            if others and id_ in self.shelves[from_kind].live
            else []
        )

    def note(
        self, record: Record, act: Act, *, name: str = "", before: str | None = None, after: str
    ) -> None:
        self.effects.append(Effect(act, self.request, record.kind.name, str(record.id), name, before, after))
