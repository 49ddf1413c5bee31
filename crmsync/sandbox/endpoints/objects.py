"""Endpoints of one object and of lists: read, create, update, archive."""

from typing import Any

from crmsync.sandbox.changes.associating import connect
from crmsync.sandbox.endpoints.call import Call, find, must_find
from crmsync.sandbox.endpoints.rendering import (
    asked_associations,
    asked_history,
    asked_names,
    inline_associations,
    record_json,
)
from crmsync.sandbox.state.kinds import ACTIVITY_NAMES, BY_NAME, CONTACTS, LEADS, Kind
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.stages import stage_stamps, with_stage_rules
from crmsync.sandbox.state.validation import Problem, Validator, refusal
from crmsync.sandbox.times import iso
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
    not_found,
)

Link = tuple[Kind, int, list[int]]
"""The kind and id of the other end, and association types."""

STRICT_FAMILIES = frozenset({"2026-09"})
"""Families in which an administrator's rules apply to writes through the API."""
HISTORY_PAGE = 50


def list_page(call: Call) -> Response:
    history = asked_history(call)
    limit = call.whole("limit", 10, 100)
    if history and limit > HISTORY_PAGE:
        said = "You can only request at most 50 objects in one request for properties with history"
        raise ApiError(400, said)
    kinds, names = asked_associations(call), asked_names(call)
    after = call.whole("after", 0)
    records, following = call.shelf().page(after, max(1, limit), archived=call.is_on("archived"))
    path = call.address
    results = []
    for record in records:
        body = record_json(record, names, history)
        if kinds and (shown := inline_associations(call.world, record, kinds, path)):
            body["associations"] = shown
        results.append(body)
    page: Body = {"results": results}
    if following is not None:
        page["paging"] = call.next_page(str(following))
    return answer(page)


def read_one(call: Call) -> Response:
    id_property = call.one("idProperty")
    if call.is_on("archived"):
        record = call.shelf().archived.get(an_id(call.params["id"]))
        if record is None:
            raise not_found()
    else:
        record = must_find(call, call.params["id"], id_property)
    body = record_json(record, asked_names(call), asked_history(call))
    prefix = call.address.rpartition("/")[0]
    if shown := inline_associations(call.world, record, asked_associations(call), prefix):
        body["associations"] = shown
    return answer(body)


def create_one(call: Call) -> Response:
    record = create(call, call.body())
    return answer(record_json(record, _everything(record)), 201)


def update_one(call: Call) -> Response:
    record = must_find(call, call.params["id"], call.one("idProperty"))
    given = call.body().get("properties", {})
    values, problems = read_values(call, given, record)
    if problems:
        raise refusal(problems, call.world.account.portal_id)
    check_unique(call, values, record)
    update(call, record, values)
    return answer(record_json(record, [*call.kind().shown, *values]))


def archive_one(call: Call) -> Response:
    record = find(call, call.params["id"], None)
    if record is not None:
        call.world.archive(record, call.act)
    return NOTHING


def read_values(call: Call, given: Any, record: Record | None) -> tuple[dict[str, str], list[Problem]]:
    """The texts to store and everything that is wrong with them."""
    kind = call.kind().name
    validator = Validator(kind, call.world.schemas[kind], call.world.settings)
    values, problems = validator.read(given, record)
    if call.family in STRICT_FAMILIES and not problems:
        problems = validator.missing(record, values)
    if record is None and kind in ACTIVITY_NAMES and not values.get("hs_timestamp"):
        start = values.get("hs_meeting_start_time")
        if start:
            values["hs_timestamp"] = start
        elif not problems:
            problems = [
                Problem("REQUIRED_PROPERTY_MISSING", "hs_timestamp", 'Property "hs_timestamp" is required')
            ]
    return values, problems


def check_unique(call: Call, values: dict[str, str], record: Record | None) -> None:
    """*Raises* ApiError 409 when a unique value belongs to somebody else."""
    shelf = call.shelf()
    for name in shelf.unique_names & values.keys():
        owner = shelf.owner_of(name, values[name]) if values[name] else None
        if owner is not None and (record is None or owner != record.id):
            singular = call.kind().singular.capitalize()
            raise ApiError(409, f"{singular} already exists. Existing ID: {owner}", "CONFLICT")


def update(call: Call, record: Record, values: dict[str, str]) -> None:
    """Apply a valid write; a backward stage is ignored without a word."""
    schema = call.world.schemas[record.kind.name]
    effective = with_stage_rules(record, values, schema, call.world.settings, call.now_ms)
    call.world.change(record, effective, call.act)


def create(call: Call, given: Body) -> Record:
    """*Raises* ApiError 400, 409."""
    return create_valid(call, *read_new(call, given))


def read_new(call: Call, given: Body) -> tuple[dict[str, str], list[Link]]:
    """The values and associations of an object to be created. *Raises* ApiError 400, 409."""
    values, problems = read_values(call, given.get("properties", {}), None)
    if problems:
        raise refusal(problems, call.world.account.portal_id)
    check_unique(call, values, None)
    wanted = a_list(given.get("associations"), "associations")
    links = [_link(call, call.kind(), an_object(one, "associations[]")) for one in wanted]
    if call.kind() is LEADS:
        _must_be_a_lead(values, links)
    return values, links


def _must_be_a_lead(values: dict[str, str], links: list[Link]) -> None:
    """*Raises* ApiError 400: a lead has a name and is somebody."""
    if not values.get("hs_lead_name"):
        raise ApiError(400, "A lead needs a hs_lead_name")
    if not any(kind is CONTACTS for kind, _, _ in links):
        raise ApiError(400, "A lead needs an association with an existing contact")


def create_valid(call: Call, values: dict[str, str], links: list[Link]) -> Record:
    kind, world = call.kind(), call.world
    stage = values.get("lifecyclestage", "")
    stamps = stage_stamps(None, stage, world.schemas[kind.name], call.now_ms) if stage else {}
    record = world.create(kind, values | stamps, call.act)
    for other_kind, other, types in links:
        connect(call.world, (kind.name, other_kind.name), (record.id, other), types, call.act)
    return record


def _link(call: Call, kind: Kind, given: Body) -> Link:
    """One association of a create. *Raises* ApiError 400."""
    named = [
        an_object(one, "types[]").get("associationTypeId") for one in a_list(given.get("types"), "types")
    ]
    types = [type_ for type_ in named if isinstance(type_, int)]
    to = a_text(an_object(given.get("to"), "to").get("id"), "id")
    graph = call.world.graph
    for other in BY_NAME.values():
        pair = (kind.name, other.name)
        if types and all(graph.knows(pair, type_) for type_ in types):
            if call.world.shelf(other).find(an_id(to)) is None:
                raise ApiError(400, f"{other.singular.upper()} {to} does not exist")
            return other, an_id(to), types
    raise ApiError(400, f"invalid association types {types} from {kind.singular}")


def _everything(record: Record) -> list[str]:
    return sorted({*record.own, *record.base})


def batch_frame(call: Call, results: list[Body], errors: list[Body] | None = None) -> Body:
    """The envelope of a batch answer."""
    at = iso(call.now_ms)
    frame: Body = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    if errors:
        frame["numErrors"] = len(errors)
        frame["errors"] = errors
    return frame
