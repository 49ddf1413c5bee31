"""A record as JSON: values, history, inline associations."""

from collections.abc import Sequence

from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.state.kinds import BY_NAME, PRIMARY, Kind
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.schema import Schema
from crmsync.sandbox.state.world import World
from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import ApiError, Body, cursor_of

INLINE_CAP = 100
"""How many associations of one record a list shows before it starts to page them."""


def known(schema: Schema, names: Sequence[str]) -> list[str]:
    """The asked names that are properties; the others are left out without a word."""
    return [name for name in dict.fromkeys(names) if name in schema]


def record_json(record: Record, names: Sequence[str], history: Sequence[str] = ()) -> Body:
    values = record.shown(names)
    body: Body = {
        "id": values["hs_object_id"],
        "properties": values,
        "createdAt": values[record.kind.created],
        "updatedAt": values[record.kind.cursor],
        "archived": record.archived_ms is not None,
    }
    if record.archived_ms is not None:
        body["archivedAt"] = iso(record.archived_ms)
    if history:
        body["propertiesWithHistory"] = {
            name: [one.json() for one in record.versions(name)] for name in history
        }
    return body


def asked_names(call: Call, given: Sequence[str] | None = None) -> list[str]:
    """The properties to show: those asked for, or the kind's usual ones."""
    kind = call.kind()
    names = call.many("properties") if given is None else given
    return known(call.world.schemas[kind.name], names or kind.shown)


def asked_history(call: Call, given: Sequence[str] | None = None) -> list[str]:
    names = call.many("propertiesWithHistory") if given is None else given
    return known(call.world.schemas[call.kind().name], names)


def asked_associations(call: Call) -> list[Kind]:
    """*Raises* ApiError 400 for an unknown kind."""
    kinds = []
    for name in call.many("associations"):
        kind = BY_NAME.get(name.lower())
        if kind is None:
            raise ApiError(400, f"Unable to infer object type from: {name}")
        kinds.append(kind)
    return kinds


def inline_associations(world: World, record: Record, kinds: Sequence[Kind], link: str) -> Body | None:
    """What the list shows beside a record; None when it has no associations of these kinds."""
    shown: Body = {}
    for kind in kinds:
        others = world.linked(record.kind.name, record.id, kind.name)
        if not others:
            continue
        cut = others[:INLINE_CAP]
        body: Body = {"results": [one for other in cut for one in inline(world, record, kind, other)]}
        if len(others) > INLINE_CAP:
            after = cursor_of(INLINE_CAP)
            body["paging"] = {
                "next": {"after": after, "link": f"{link}/{record.id}/associations/{kind.name}?after={after}"}
            }
        shown[kind.name] = body
    return shown or None


def inline(world: World, record: Record, kind: Kind, other: int) -> list[Body]:
    """One association without its labels; the primary one comes twice."""
    pair = (record.kind.name, kind.name)
    name = f"{record.kind.singular}_to_{kind.singular}"
    if pair not in PRIMARY:
        return [{"id": str(other), "type": name}]
    types = world.graph.types(record.kind.name, record.id, kind.name, other)
    plain = {"id": str(other), "type": f"{name}_unlabeled"}
    return [{"id": str(other), "type": name}, plain] if PRIMARY[pair] in types else [plain]
