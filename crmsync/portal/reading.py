"""What the cycle wants to know -> requests -> pages, sightings, snapshots. The reading half of the gateway."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from crmsync.errors import Rejected, Unavailable
from crmsync.model import Kind, Page, Reading, Sighting, Snapshot
from crmsync.portal.ahead import ReadAhead
from crmsync.portal.associating import read_associations
from crmsync.portal.batching import Found, read_objects
from crmsync.portal.client import Client
from crmsync.portal.freshness import Freshness
from crmsync.portal.primaries import Primaries
from crmsync.portal.shapes import Unreadable, a_map, an_id, an_instant, broken_answer, next_after
from crmsync.portal.snapshots import (
    MODIFIED,
    Snapshots,
    inline_associations,
    modified_ms,
)

LIST_PAGE = 100
SEARCH_PAGE = 200
LONGEST_QUERY = 6_000
"""Characters of properties in a URL before HubSpot answers 414. *Source*: portal facts, section 2.3."""
_ID = "hs_object_id"
_GRAIN = timedelta(seconds=1)
"""What a search takes off the lower end of a window. *Source*: portal facts, section 3."""


class Reader:
    """Reads one portal."""

    def __init__(self, client: Client, snapshots: Snapshots, ahead: ReadAhead, freshness: Freshness) -> None:
        self._ahead = ahead
        self._freshness = freshness
        self._client = client
        self._snapshots = snapshots
        self._primaries = Primaries()

    def page(
        self,
        kind: Kind,
        *,
        properties: Sequence[str],
        associations: Sequence[Kind],
        after: str | None,
        archived: bool,
    ) -> Page:
        """Read a list page, see `Portal.page`; of a long list several parts are read side by side."""
        read = partial(self._page, kind, tuple(properties), tuple(associations), archived)
        if archived:
            return read(after)
        read = partial(self._page_at_any_price, kind, tuple(properties), tuple(associations))
        name = f"{kind.value} {','.join(properties)} {','.join(associations)}"
        return self._ahead.page(name, after, read, Counting(self._client, kind))

    def close(self) -> None:
        self._ahead.close()

    def count(self, kind: Kind) -> int | None:
        """Count the living by one search that brings one hit, see `Gateway.count`."""
        return Counting(self._client, kind).total()

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        """
        Search a window of modification instants, see `Portal.changed`.

        Each page is a fresh query for the ids above the last one, never `after`: hits that move out of the window
        while it is read shift nothing, and neither 10,000 hits nor equal instants are a limit.
        """
        last = 0
        while True:
            answer = self._client.search(kind.value, _window(kind, since, until, last)).json
            hits = [_sighting(kind, raw, since, until) for raw in answer["results"]]
            if not hits:
                return
            yield tuple(one for one in hits if since <= one.modified_at and int(one.id) > last)
            highest = max(int(one.id) for one in hits)
            is_full = len(hits) >= SEARCH_PAGE or next_after(answer.get("paging"), None) is not None
            if not is_full:
                return
            if highest <= last:
                raise broken_answer("a search does not advance")
            last = highest

    def read(self, kind: Kind, ids: Sequence[str], *, properties: Sequence[str]) -> Reading:
        """Batch read, see `Portal.read`."""
        needed = self._snapshots.needed(kind, properties)
        return self._reading(kind, read_objects(self._client, kind, ids, needed), properties)

    def shown(self, ids: Sequence[str], properties: Sequence[str]) -> Reading:
        """Batch read only these properties of contacts, see `Sink.shown`."""
        needed = [MODIFIED[Kind.CONTACT], *properties]
        self._freshness.looking()
        found = read_objects(self._client, Kind.CONTACT, ids, needed)
        self._freshness.looked()
        return self._reading(Kind.CONTACT, found, properties)

    def _page_at_any_price(
        self, kind: Kind, properties: Sequence[str], associations: Sequence[Kind], after: str | None
    ) -> Page:
        """Read a page; where HubSpot does not give it, perhaps for one object on it, read whom a search finds there."""
        try:
            return self._page(kind, properties, associations, False, after)  # not archived
        except (Rejected, Unavailable) as error:
            if after is not None and not after.isdecimal():
                raise
            try:
                return self._page_by_search(kind, properties, associations, int(after or 0))
            except (Rejected, Unavailable):
                raise error from error.__cause__

    def _page_by_search(
        self, kind: Kind, properties: Sequence[str], associations: Sequence[Kind], start: int
    ) -> Page:
        hits = self._client.search(kind.value, _from_id(start)).json["results"]
        ids = [_hit(raw)[0] for raw in hits]
        found = read_objects(self._client, kind, ids, self._snapshots.needed(kind, properties, associations))
        # a batch read brings no associations: each of them counts as cut short, and is read apart
        cut = {one.value: {"results": [], "paging": {"next": {"after": "0"}}} for one in associations}
        rows = [{**raw, "associations": cut} for asked, raw in found.objects.items() if raw["id"] == asked]
        snapshots, unreadable = self._taken(kind, rows, properties, associations)
        following = str(max(map(int, ids)) + 1) if len(hits) == LIST_PAGE else None
        return Page(tuple(snapshots), following, unreadable | found.unreadable)

    def _page(
        self,
        kind: Kind,
        properties: Sequence[str],
        associations: Sequence[Kind],
        archived: bool,  # noqa: FBT001 # bound by name's order above
        after: str | None,
    ) -> Page:
        needed = self._snapshots.needed(kind, properties, associations)
        list_page = partial(
            self._client.list_page,
            kind.value,
            associations=[one.value for one in associations],
            after=after,
            archived=archived,
        )
        is_long = sum(len(name) + 3 for name in needed) > LONGEST_QUERY
        try:
            answer = list_page(properties=[_ID] if is_long else needed).json
        except Rejected as error:
            if error.status != 414:
                raise
            is_long, answer = True, list_page(properties=[_ID]).json
        rows, refused = answer["results"], dict[str, str]()
        if is_long:
            rows, refused = self._with_values(kind, rows, needed)
        snapshots, unreadable = self._taken(kind, rows, properties, associations)
        following = next_after(answer.get("paging"), after, by_id=True)
        return Page(tuple(snapshots), following, unreadable | refused)

    def _reading(self, kind: Kind, found: Found, properties: Sequence[str]) -> Reading:
        snapshots: dict[str, Snapshot] = {}
        unreadable = dict(found.unreadable)
        for asked, raw in found.objects.items():
            try:
                snapshots[asked] = self._snapshots.snapshot(kind, raw, properties)
            except Unreadable as why:
                unreadable[asked] = str(why)
        return Reading(snapshots, tuple(found.missing), unreadable)

    def _with_values(
        self, kind: Kind, rows: list[Any], needed: Sequence[str]
    ) -> tuple[list[Any], dict[str, str]]:
        """Fill in the values of a page whose list of properties did not fit into a URL; associations stay."""
        ids = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        found = read_objects(self._client, kind, ids, needed)
        left_out = {*found.missing, *found.unreadable}
        filled = [
            {**found.objects[row["id"]], "associations": row.get("associations")}
            if isinstance(row, dict) and row.get("id") in found.objects
            else row
            for row in rows
            if not (isinstance(row, dict) and row.get("id") in left_out)
        ]
        return filled, found.unreadable

    def _taken(
        self, kind: Kind, rows: Sequence[object], properties: Sequence[str], associations: Sequence[Kind]
    ) -> tuple[list[Snapshot], dict[str, str]]:
        snapshots: list[Snapshot] = []
        unreadable: dict[str, str] = {}
        incomplete: dict[Kind, set[str]] = {one: set() for one in associations}
        for place, row in enumerate(rows):
            try:
                snapshot, cut = self._one(kind, row, properties, associations)
            except Unreadable as why:
                unreadable[_name(row, place)] = str(why)
                continue
            snapshots.append(snapshot)
            for other in cut:
                incomplete[other].add(snapshot.id)
        return self._completed(kind, snapshots, incomplete, unreadable), unreadable

    def _one(
        self, kind: Kind, row: object, properties: Sequence[str], associations: Sequence[Kind]
    ) -> tuple[Snapshot, frozenset[Kind]]:
        """Read a row; return with it the kinds of association that must be read apart."""
        raw = a_map(row, "the object")
        snapshot = self._snapshots.snapshot(kind, raw, properties)
        inline, cut = inline_associations(raw, associations)
        if kind is Kind.CONTACT and Kind.COMPANY in inline and Kind.COMPANY not in cut:
            companies = self._primaries.marked(inline[Kind.COMPANY], raw)
            if companies is None:
                cut |= {Kind.COMPANY}
            else:
                inline = {**inline, Kind.COMPANY: companies}
        return replace(snapshot, associations=inline), cut

    def _completed(
        self,
        kind: Kind,
        snapshots: list[Snapshot],
        incomplete: Mapping[Kind, set[str]],
        unreadable: dict[str, str],
    ) -> list[Snapshot]:
        """Replace associations that the page cut short or did not tell the primary of; half a row is unreadable."""
        for to, ids in incomplete.items():
            whole = read_associations(self._client, kind, to, sorted(ids, key=int))
            failed = ids - whole.keys()
            unreadable |= dict.fromkeys(failed, f"its associations with {to.value} could not be read")
            snapshots = [
                replace(one, associations={**one.associations, to: whole[one.id]}) if one.id in ids else one
                for one in snapshots
                if one.id not in failed
            ]
        return snapshots


class Counting:
    """Counts a kind's ids by searches that bring one hit; a search that is refused or unreadable counts none."""

    def __init__(self, client: Client, kind: Kind) -> None:
        self._client = client
        self._kind = kind

    def highest(self) -> tuple[int, int]:
        found, total = self._look([])
        return found, total or 0

    def below(self, object_id: int) -> int:
        return self._look([{"propertyName": _ID, "operator": "LT", "value": str(object_id)}])[1] or 0

    def total(self) -> int | None:
        return self._look([])[1]

    def _look(self, filters: Sequence[Mapping[str, str]]) -> tuple[int, int | None]:
        body = {
            "filterGroups": [{"filters": list(filters)}] if filters else [],
            "sorts": [{"propertyName": _ID, "direction": "DESCENDING"}],
            "properties": [_ID],
            "limit": 1,
        }
        try:
            answer = self._client.search(self._kind.value, body).json
            hit = a_map(answer["results"][0], "a hit") if answer["results"] else {"id": 0}
            total = answer.get("total")
            return int(an_id(hit.get("id"), "its id")), total if type(total) is int else None
        except (Unreadable, Rejected):
            return 0, None


def _window(kind: Kind, since: datetime, until: datetime, last: int) -> Mapping[str, Any]:
    modified = MODIFIED[kind]
    return {
        "filterGroups": [
            {
                "filters": [
                    {
                        "propertyName": modified,
                        "operator": "BETWEEN",
                        "value": modified_ms(since),
                        "highValue": modified_ms(until),
                    },
                    {"propertyName": _ID, "operator": "GT", "value": str(last)},
                ]
            }
        ],
        "sorts": [{"propertyName": _ID, "direction": "ASCENDING"}],
        "properties": [modified],
        "limit": SEARCH_PAGE,
    }


def _from_id(start: int) -> Mapping[str, Any]:
    return {
        "filterGroups": [{"filters": [{"propertyName": _ID, "operator": "GTE", "value": str(start)}]}],
        "sorts": [{"propertyName": _ID, "direction": "ASCENDING"}],
        "properties": [_ID],
        "limit": LIST_PAGE,
    }


def _sighting(kind: Kind, raw: object, since: datetime, until: datetime) -> Sighting:
    """
    Read a search hit; one whose instant cannot be in the window counts as modified at its end: read it.

    Search may show a hit's old values, its instant too; a little before the window is only how HubSpot rounds.
    """
    object_id, properties = _hit(raw)
    at = an_instant(properties.get(MODIFIED[kind]))
    is_told = at is not None and since - _GRAIN < at <= until
    return Sighting(object_id, at if at is not None and is_told else until)


def _hit(raw: object) -> tuple[str, Mapping[str, Any]]:
    """Read a hit's id and properties. *Raises* Unavailable without an id."""
    try:
        hit = a_map(raw, "a hit")
        object_id = an_id(hit.get("id"), "its id")
    except Unreadable as why:
        raise broken_answer(f"a search hit cannot be read: {why}") from why
    properties = hit.get("properties")
    return object_id, properties if isinstance(properties, dict) else {}


def _name(row: object, place: int) -> str:
    try:
        return an_id(row.get("id") if isinstance(row, dict) else None, "its id")
    except Unreadable:
        return f"#{place}"
