"""One object of the portal: its values, their history, and who changed them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from crmsync.sandbox.state.kinds import Kind
from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import Body


class Source(NamedTuple):
    """Who changed a value, in HubSpot's words."""

    type: str
    id: str | None = None
    user_id: int | None = None
    label: str | None = None


class Act(NamedTuple):
    """Who does something, and when."""

    source: Source
    at_ms: int


class Version(NamedTuple):
    """One entry of a property's history."""

    value: str
    at_ms: int
    source: Source

    def json(self) -> Body:
        body: Body = {"value": self.value, "timestamp": iso(self.at_ms), "sourceType": self.source.type}
        if self.source.id is not None:
            body["sourceId"] = self.source.id
        if self.source.label is not None:
            body["sourceLabel"] = self.source.label
        if self.source.user_id is not None:
            body["updatedByUserId"] = self.source.user_id
        return body


IMPORT = Source("IMPORT", "import-1", None, "Import")
_NOTHING: Mapping[str, str] = {}


class Record:
    """
    One object; HubSpot calls it a record. Values are text; "" means cleared.

    `base` may be shared by many records, `own` goes before it: half a million engagements stay small.
    """

    __slots__ = ("archived_ms", "base", "created_ms", "history", "id", "kind", "own", "updated_ms", "version")

    def __init__(
        self, kind: Kind, id_: int, created_ms: int, own: dict[str, str], base: Mapping[str, str] = _NOTHING
    ) -> None:
        self.kind = kind
        self.id = id_
        self.created_ms = created_ms
        self.updated_ms = created_ms
        self.archived_ms: int | None = None
        self.own = own
        self.base = base
        self.history: dict[str, list[Version]] | None = None
        self.version = 0

    def text(self, name: str) -> str:
        """The value as text; "" when there is none."""
        found = self.own.get(name)
        if found is None:
            found = self.base.get(name)
        return found if found is not None else self._computed(name)

    def _computed(self, name: str) -> str:
        if name == "hs_object_id":
            return str(self.id)
        if name == self.kind.cursor:
            return iso(self.updated_ms)
        return iso(self.created_ms) if name == self.kind.created else ""

    def shown(self, names: Iterable[str]) -> dict[str, str | None]:
        """The asked properties, those without a value as None, and the ones that always come."""
        own, base = self.own.get, self.base.get
        values = {name: own(name, base(name)) or None for name in names}
        created, id_name, cursor = self.kind.always
        values[created] = iso(self.created_ms)
        values[id_name] = str(self.id)
        values[cursor] = iso(self.updated_ms)
        return values

    def put(self, name: str, value: str, act: Act) -> None:
        """Set one value and remember the one before."""
        if self.history is None:
            self.history = {}
        versions = self.history.get(name)
        if versions is None:
            before = self.text(name)
            versions = [Version(before, self.created_ms, IMPORT)] if before else []
            self.history[name] = versions
        versions.append(Version(value, act.at_ms, act.source))
        self.own[name] = value

    def versions(self, name: str) -> list[Version]:
        """Newest first."""
        if self.history and name in self.history:
            return self.history[name][::-1]
        value = self.text(name)
        return [Version(value, self.created_ms, IMPORT)] if value else []

    def copy(self) -> "Record":
        """What the record is now, for the search index; without history."""
        twin = Record(self.kind, self.id, self.created_ms, dict(self.own), self.base)
        twin.updated_ms, twin.archived_ms, twin.version = self.updated_ms, self.archived_ms, self.version
        return twin
