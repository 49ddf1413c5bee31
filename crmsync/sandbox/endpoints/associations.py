"""Endpoints of associations and their labels."""

from typing import Any

from crmsync.sandbox.changes.associating import connect, cut
from crmsync.sandbox.endpoints.batches import inputs
from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.endpoints.objects import batch_frame
from crmsync.sandbox.endpoints.rendering import inline
from crmsync.sandbox.state.graph import Pair
from crmsync.sandbox.state.kinds import PLAIN, PRIMARY, Kind
from crmsync.sandbox.wire import (
    NOTHING,
    ApiError,
    Body,
    Response,
    a_list,
    a_text,
    an_id,
    an_object,
    answer,
    cursor_of,
    malformed,
    not_found,
    place_of,
)

MOST_READ = 1_000
MOST_WRITTEN = 2_000
PAGE = 500


def read_batch(call: Call) -> Response:
    from_kind, to_kind = call.kind("kind"), call.kind("to")
    results, errors = [], []
    for one in inputs(call.body(), MOST_READ):
        id_ = a_text(one.get("id"), "id")
        after = place_of(a_text(one.get("after"), "after"))
        page = _page(call, (from_kind.name, to_kind.name), id_, after)
        if page is None:
            errors.append(_none_found(from_kind, to_kind, id_))
        else:
            results.append({"from": {"id": id_}, **page})
    call.world.rng.shuffle(results)
    return answer(batch_frame(call, results, errors), 207 if errors else 200)


def read_single(call: Call) -> Response:
    kind = call.kind()
    if call.shelf().find(an_id(call.params["id"])) is None:
        raise not_found()
    pair = (kind.name, call.kind("to").name)
    page = _page(call, pair, call.params["id"], place_of(call.one("after")), call.whole("limit", PAGE, PAGE))
    if page is None:
        return answer({"results": []})
    body = {"results": page["to"]}
    return answer(body | ({"paging": page["paging"]} if "paging" in page else {}))


def read_single_plain(call: Call) -> Response:
    """The associations of one object as version 3 shows them, where the pages of a list's own lead to."""
    record, kind = call.shelf().find(an_id(call.params["id"])), call.kind("to")
    if record is None:
        raise not_found()
    after, limit = place_of(call.one("after")), call.whole("limit", PAGE, PAGE)
    others = call.world.linked(record.kind.name, record.id, kind.name)
    shown = others[after : after + limit]
    body: Body = {"results": [one for other in shown for one in inline(call.world, record, kind, other)]}
    if after + limit < len(others):
        body["paging"] = call.next_page(cursor_of(after + limit))
    return answer(body)


def _page(call: Call, pair: Pair, text: str, after: int, limit: int = PAGE) -> Body | None:
    """One page of the other ends, None when there are none. `after` counts from the first one."""
    id_ = an_id(text)
    others = call.world.linked(pair[0], id_, pair[1])
    if not others:
        return None
    shown = others[after : after + limit]
    page: Body = {
        "to": [{"toObjectId": other, "associationTypes": _types(call, pair, id_, other)} for other in shown]
    }
    if after + limit < len(others):
        page["paging"] = call.next_page(cursor_of(after + limit))
    return page


def _types(call: Call, pair: Pair, id_: int, other: int) -> list[Body]:
    graph = call.world.graph
    custom = graph.custom.get(pair, {})
    return [
        {
            "category": "USER_DEFINED" if type_ in custom else "HUBSPOT_DEFINED",
            "typeId": type_,
            "label": graph.label(pair, type_),
        }
        for type_ in graph.types(pair[0], id_, pair[1], other)
    ]


def _none_found(from_kind: Kind, to_kind: Kind, id_: str) -> Body:
    return {
        "status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to_kind.singular} is associated with {from_kind.singular} {id_}.",
        "context": {"fromObjectId": [id_], "fromObjectType": [from_kind.singular], "toObjectType": [to_kind.singular]},
    }  # fmt: skip


def create_batch(call: Call) -> Response:
    pair = _pair(call)
    given = [
        (_ends(call, one), _given_types(call, pair, one.get("types")))
        for one in inputs(call.body(), MOST_WRITTEN)
    ]
    results = []
    for ends, types in given:
        connect(call.world, pair, ends, types, call.act)
        results.append(_labels_between(call, ends, types))
    return answer(batch_frame(call, results), 201 if call.family == "v4" else 200)


def connect_batch_plainly(call: Call) -> Response:
    given = [_ends(call, one) for one in inputs(call.body(), MOST_WRITTEN)]
    return answer(batch_frame(call, [_connect_plainly(call, ends) for ends in given]))


def archive_batch(call: Call) -> Response:
    pair = _pair(call)
    for one in inputs(call.body(), MOST_WRITTEN):
        id_ = an_id(_id_at(one, "from"))
        for to in a_list(one.get("to"), "to"):
            cut(call.world, pair, (id_, an_id(an_object(to, "to[]").get("id"))), call.act)
    return _archived(call)


def archive_labels(call: Call) -> Response:
    pair = _pair(call)
    for one in inputs(call.body(), MOST_WRITTEN):
        id_, other = _ends(call, one)
        for type_ in _given_types(call, pair, one.get("types")):
            call.world.graph.drop_label(pair, id_, other, type_)
    return _archived(call)


def connect_single(call: Call) -> Response:
    ends = _must_live(call, "kind", call.params["id"]), _must_live(call, "to", call.params["other"])
    types = _given_types(call, _pair(call), call.request.json())
    connect(call.world, _pair(call), ends, types, call.act)
    return answer(_labels_between(call, ends, types), 201)


def connect_single_plainly(call: Call) -> Response:
    ends = _must_live(call, "kind", call.params["id"]), _must_live(call, "to", call.params["other"])
    return answer(batch_frame(call, [_connect_plainly(call, ends)]))


def cut_single(call: Call) -> Response:
    ends = an_id(call.params["id"]), an_id(call.params["other"])
    cut(call.world, _pair(call), ends, call.act)
    return NOTHING


def labels(call: Call) -> Response:
    pair, graph = _pair(call), call.world.graph
    types = [one for one in (PRIMARY.get(pair), PLAIN.get(pair)) if one is not None]
    found = [
        {"category": "HUBSPOT_DEFINED", "typeId": type_, "label": graph.label(pair, type_)} for type_ in types
    ]
    custom = graph.custom.get(pair, {})
    found += [
        {"category": "USER_DEFINED", "typeId": type_, "label": label} for type_, label in custom.items()
    ]
    return answer({"results": found})


def create_label(call: Call) -> Response:
    """A label of the portal's own, valid in both directions."""
    pair, graph = _pair(call), call.world.graph
    label = a_text(call.body().get("label"), "label")
    if not label:
        raise malformed("some required fields were not set: [label]")
    type_id = graph.name_label(pair, label)
    return answer({"results": [{"category": "USER_DEFINED", "typeId": type_id, "label": label}]})


def _pair(call: Call) -> Pair:
    return call.kind().name, call.kind("to").name


def _archived(call: Call) -> Response:
    """v4 says nothing, the dated families an empty batch."""
    return NOTHING if call.family == "v4" else answer(batch_frame(call, []))


def _labels_between(call: Call, ends: tuple[int, int], types: list[int]) -> Body:
    names = [label for type_ in types if (label := call.world.graph.label(_pair(call), type_))]
    return {
        "fromObjectTypeId": call.kind().type_id, "fromObjectId": str(ends[0]),
        "toObjectTypeId": call.kind("to").type_id, "toObjectId": str(ends[1]), "labels": names,
    }  # fmt: skip


def _connect_plainly(call: Call, ends: tuple[int, int]) -> Body:
    pair = _pair(call)
    connect(call.world, pair, ends, [], call.act)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": PLAIN.get(pair, 0)}
    return {"from": {"id": str(ends[0])}, "to": {"id": str(ends[1])}, "associationSpec": spec}


def _ends(call: Call, one: Body) -> tuple[int, int]:
    return _must_live(call, "kind", _id_at(one, "from")), _must_live(call, "to", _id_at(one, "to"))


def _id_at(one: Body, end: str) -> str:
    return a_text(an_object(one.get(end), end).get("id"), "id")


def _must_live(call: Call, name: str, text: str) -> int:
    kind = call.kind(name)
    found = call.world.shelf(kind).find(an_id(text))
    if found is None:
        raise ApiError(404, f"{kind.singular.upper()} {text[:40]} does not exist", "OBJECT_NOT_FOUND")
    return found.id


def _given_types(call: Call, pair: Pair, given: Any) -> list[int]:
    """*Raises* ApiError 400 for a type that does not belong between these kinds."""
    found = []
    for one in a_list(given, "types"):
        type_ = an_object(one, "types[]").get("associationTypeId")
        if not isinstance(type_, int) or not call.world.graph.knows(pair, type_):
            raise ApiError(400, f"invalid association type {type_} from {pair[0]} to {pair[1]}")
        found.append(type_)
    return found
