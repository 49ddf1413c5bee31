"""All objects of one kind: compact, in the order of ids and of the last change, with the values that are unique."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from crmsync.sandbox.state.kinds import Kind
from crmsync.sandbox.state.record import Record


class Shelf:
    """All objects of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.live: dict[int, Record] = {}
        self.archived: dict[int, Record] = {}
        self.ids: list[int] = []
        self.archived_ids: list[int] = []
        self.merged: dict[int, int] = {}
        self.erased: set[int] = set()
        self.unique: dict[str, dict[str, int]] = {}
        self.unique_names: set[str] = {"email"} if kind.name == "contacts" else set()
        self.next_id = kind.first_id
        self._changes: list[tuple[int, int]] = []

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def add(self, record: Record) -> None:
        self.live[record.id] = record
        self._shelve(self.ids, record.id)
        self._note(record)

    def fill(self, records: Iterable[Record]) -> None:
        """Add many new records at once, quickly."""
        self.live.update((record.id, record) for record in records)
        self.ids = sorted(self.live)
        self.reindex()

    def find(self, id_: int) -> Record | None:
        """The living record of an id, also of one that was merged away."""
        while id_ in self.merged:
            id_ = self.merged[id_]
        return self.live.get(id_)

    def touch(self, record: Record, at_ms: int) -> None:
        """The record changed at that instant."""
        if record.updated_ms != at_ms:
            record.updated_ms = at_ms
            self._note(record)
        record.version += 1

    def archive(self, record: Record, at_ms: int) -> None:
        del self.live[record.id]
        _drop(self.ids, record.id)
        record.archived_ms = at_ms
        record.version += 1
        self.archived[record.id] = record
        insort(self.archived_ids, record.id)
        self.release(record)

    def restore(self, record: Record) -> None:
        self.forget(record)
        record.archived_ms = None
        self.add(record)

    def forget(self, record: Record) -> None:
        """Remove an archived record for good."""
        del self.archived[record.id]
        _drop(self.archived_ids, record.id)

    def page(self, after: int, limit: int, *, archived: bool) -> tuple[list[Record], int | None]:
        """Up to `limit` records from id `after` on, and the id of the next one."""
        ids, held = (self.archived_ids, self.archived) if archived else (self.ids, self.live)
        start = bisect_left(ids, after)
        following = ids[start + limit] if start + limit < len(ids) else None
        return [held[id_] for id_ in ids[start : start + limit]], following

    def changed_between(self, low_ms: int | None, high_ms: int | None) -> Iterator[Record]:
        """Living records whose last change lies in the closed interval."""
        start = 0 if low_ms is None else bisect_left(self._changes, (low_ms, -1))
        stop = len(self._changes) if high_ms is None else bisect_right(self._changes, (high_ms, 1 << 62))
        for at_ms, id_ in self._changes[start:stop]:
            record = self.live.get(id_)
            if record is not None and record.updated_ms == at_ms:
                yield record

    def reindex(self) -> None:
        self._changes = sorted({(record.updated_ms, record.id) for record in self.live.values()})

    def claim(self, name: str, value: str, id_: int) -> None:
        """Note that a unique value belongs to a record."""
        self.unique.setdefault(name, {})[value.lower()] = id_

    def owner_of(self, name: str, value: str) -> int | None:
        return self.unique.get(name, {}).get(value.strip().lower())

    def claim_all(self, record: Record) -> None:
        for name in self.unique_names:
            for value in unique_values(record, name):
                self.claim(name, value, record.id)

    def release(self, record: Record) -> None:
        """The unique values of a record are free again."""
        for name in self.unique_names:
            held = self.unique.get(name, {})
            for value in unique_values(record, name):
                if held.get(value.lower()) == record.id:
                    del held[value.lower()]

    def _note(self, record: Record) -> None:
        """Keep the order of changes; what has been overtaken is skipped when read and swept now and then."""
        entry = (record.updated_ms, record.id)
        if not self._changes or self._changes[-1] < entry:
            self._changes.append(entry)
        else:
            place = bisect_left(self._changes, entry)
            if place == len(self._changes) or self._changes[place] != entry:
                self._changes.insert(place, entry)
        if len(self._changes) > 2 * len(self.live) + 1_000:
            self.reindex()

    @staticmethod
    def _shelve(ids: list[int], id_: int) -> None:
        if not ids or ids[-1] < id_:
            ids.append(id_)
        else:
            insort(ids, id_)


def unique_values(record: Record, name: str) -> list[str]:
    """The values a record owns alone; an additional e-mail address is as unique as the first."""
    more = record.text("hs_additional_emails").split(";") if name == "email" else []
    return [value for value in (record.text(name), *more) if value]


def _drop(ids: list[int], id_: int) -> None:
    place = bisect_left(ids, id_)
    if place < len(ids) and ids[place] == id_:
        del ids[place]
