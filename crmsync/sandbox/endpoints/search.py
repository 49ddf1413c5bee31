"""The search endpoint: limits of a query, a plan that avoids scanning, order and pages."""

from collections.abc import Iterable, Iterator
from typing import Any

from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.endpoints.filters import Filter, read_filter
from crmsync.sandbox.endpoints.rendering import known, record_json
from crmsync.sandbox.state.kinds import Kind
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.wire import ApiError, Body, Response, a_list, a_number, a_text, an_object, answer

MAX_PAGE = 200
MAX_HITS = 10_000
MAX_GROUPS = 5
MAX_FILTERS = 6
MAX_FILTERS_IN_ALL = 18
MAX_BODY = 3_000
SEARCHED = {
    "contacts": ("firstname", "lastname", "email", "phone", "company", "hs_additional_emails"),
    "companies": ("name", "domain", "phone", "website"),
    "deals": ("dealname",),
}
Group = tuple[Filter, ...]


def search(call: Call) -> Response:
    if call.world.settings.search_body_limit and len(call.request.body) > MAX_BODY:
        raise ApiError(400, f"The request body exceeds the maximum of {MAX_BODY} characters")
    body = call.body()
    kind = call.kind()
    groups = _groups(call, body)
    limit, offset = _page(body)
    name, is_falling = _order(call, kind, body)
    words = str(body.get("query") or "").lower().split()
    hits = [
        record
        for record in _candidates(call, kind, groups)
        if _holds(groups, record) and _says(kind, words, record)
    ]
    hits.sort(key=_sort_key(call, kind, name), reverse=is_falling)
    names = known(call.world.schemas[kind.name], _asked(body) or kind.shown)
    shown = [
        record_json(call.world.index.values_of(record), names) for record in hits[offset : offset + limit]
    ]
    answered: Body = {"total": len(hits), "results": shown}
    if offset + limit < len(hits):
        answered["paging"] = {"next": {"after": str(offset + limit)}}
    return answer(answered)


def _asked(body: Body) -> list[str]:
    return [a_text(name, "properties[]") for name in a_list(body.get("properties"), "properties")]


def _groups(call: Call, body: Body) -> list[Group]:
    """The alternatives of a query. *Raises* ApiError 400."""
    given = a_list(body.get("filterGroups"), "filterGroups")
    if body.get("filters"):
        given = [*given, {"filters": body["filters"]}]
    lists = [a_list(an_object(group, "filterGroups[]").get("filters"), "filters") for group in given]
    if (
        len(lists) > MAX_GROUPS
        or any(len(one) > MAX_FILTERS for one in lists)
        or sum(map(len, lists)) > MAX_FILTERS_IN_ALL
    ):
        said = (
            f"at most {MAX_GROUPS} filterGroups with {MAX_FILTERS} filters each, {MAX_FILTERS_IN_ALL} in all"
        )
        raise ApiError(400, f"Too many filters: {said}")
    kind = call.kind()
    return [tuple(read_filter(call.world, kind, one) for one in group) for group in lists]


def _page(body: Body) -> tuple[int, int]:
    """Limit and offset. *Raises* ApiError 400."""
    limit, after = _whole(body, "limit", 10), _whole(body, "after", 0)
    if limit > MAX_PAGE:
        raise ApiError(400, f"limit must be less than or equal to {MAX_PAGE}, was: {limit}")
    if after + limit > MAX_HITS:
        raise ApiError(400, f"The requested page reaches beyond the first {MAX_HITS} results of a search")
    return max(limit, 0), after


def _whole(body: Body, name: str, default: int) -> int:
    given = body.get(name)
    if given in (None, ""):
        return default
    number = None if isinstance(given, bool) else a_number(str(given))
    if number is None:
        raise ApiError(400, f"{name} must be an integer, was: {str(given)[:40]}")
    return number


def _order(call: Call, kind: Kind, body: Body) -> tuple[str, bool]:
    """The property to sort by and whether downward; without a wish the oldest first. *Raises* ApiError 400."""
    sorts = a_list(body.get("sorts"), "sorts")
    if len(sorts) > 1:
        raise ApiError(400, "Only one sort is supported")
    if not sorts:
        return kind.created, False
    wish: Any = sorts[0]
    if isinstance(wish, str):
        name, is_falling = wish.removeprefix("-"), wish.startswith("-")
    else:
        order = an_object(wish, "sorts[]")
        name = str(order.get("propertyName", ""))
        is_falling = str(order.get("direction", "")).upper() == "DESCENDING"
    if name not in call.world.schemas[kind.name]:
        raise ApiError(400, f"Property {name[:80]} does not exist")
    return name, is_falling


def _sort_key(call: Call, kind: Kind, name: str) -> Any:
    if name == "hs_object_id":
        return lambda record: record.id
    if name == kind.cursor:
        return lambda record: (record.updated_ms, record.id)
    if name == kind.created:
        return lambda record: (record.created_ms, record.id)
    one = call.world.schemas[kind.name].get(name)
    if one is not None and one.type == "number":
        return lambda record: (_number(record.text(name)), record.id)
    return lambda record: (record.text(name).lower(), record.id)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("-inf")


def _candidates(call: Call, kind: Kind, groups: list[Group]) -> Iterable[Record]:
    """Records that may match, found by the last change or by id where each group allows it."""
    index, shelf = call.world.index, call.world.shelf(kind)
    if not groups or any(not _is_selective(kind, group) for group in groups):
        return index.all(shelf)
    found: dict[int, Record] = {}
    for group in groups:
        for record in _of_group(call, kind, group):
            found[record.id] = record
    return found.values()


def _is_selective(kind: Kind, group: Group) -> bool:
    return any((one.name == kind.cursor and one.span is not None) or one.ids is not None for one in group)


def _of_group(call: Call, kind: Kind, group: Group) -> Iterator[Record]:
    index, shelf = call.world.index, call.world.shelf(kind)
    ids = next((one.ids for one in group if one.ids is not None), None)
    if ids is not None:
        yield from (record for id_ in ids if (record := index.one(shelf, id_)) is not None)
        return
    spans = [one.span for one in group if one.name == kind.cursor and one.span is not None]
    low = max((span[0] for span in spans if span[0] is not None), default=None)
    high = min((span[1] for span in spans if span[1] is not None), default=None)
    yield from index.changed_between(shelf, low, high)


def _holds(groups: list[Group], record: Record) -> bool:
    return not groups or any(all(one.holds(record) for one in group) for group in groups)


def _says(kind: Kind, words: list[str], record: Record) -> bool:
    if not words:
        return True
    text = " ".join(record.text(name) for name in SEARCHED.get(kind.name, ())).lower()
    return all(word in text for word in words)
