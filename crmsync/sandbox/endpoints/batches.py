"""Endpoints of batches: a hundred inputs at once, and how they fail."""

from typing import Any

from crmsync.sandbox.endpoints.call import Call, find
from crmsync.sandbox.endpoints.objects import (
    HISTORY_PAGE,
    Link,
    batch_frame,
    check_unique,
    create_valid,
    read_new,
    read_values,
    update,
)
from crmsync.sandbox.endpoints.rendering import asked_history, asked_names, record_json
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.validation import refusal
from crmsync.sandbox.wire import NOTHING, ApiError, Body, Response, a_list, a_text, an_id, an_object, answer

MOST = 100


def read(call: Call) -> Response:
    body = call.body()
    given = inputs(body)
    names = asked_names(call, _names(body, "properties"))
    history = asked_history(call, _names(body, "propertiesWithHistory"))
    if history and len(given) > HISTORY_PAGE:
        raise ApiError(
            400, "You can only request at most 50 objects in one request for properties with history"
        )
    id_property = body.get("idProperty")
    found: dict[int, Record] = {}
    missing = []
    for one in given:
        record = _read(call, one.get("id"), id_property)
        if record is None:
            missing.append(str(one.get("id")))
        else:
            found[record.id] = record
    results = shuffled(call, [record_json(record, names, history) for record in found.values()])
    return _mixed(call, results, [_not_found(call, missing)] if missing else [])


def update_many(call: Call) -> Response:
    given = inputs(call.body())
    _refuse_twins(given)
    traced = _is_traced(given)
    missing: list[str] = []
    errors: list[Body] = []
    plan: list[tuple[Record, dict[str, str], Any]] = []
    for one in given:
        record = _exact(call, one)
        if record is None:
            missing += _unless_merged(call, one)
            continue
        values, error = _checked(call, one, record, traced=traced)
        if error is not None:
            errors.append(error)
        else:
            plan.append((record, values, one.get("objectWriteTraceId")))
    results = []
    for record, values, trace in plan:
        update(call, record, values)
        results.append(_written(record, values, trace))
    if missing:
        errors.append(_not_found(call, missing))
    return _mixed(call, shuffled(call, results), errors)


def create_many(call: Call) -> Response:
    given = inputs(call.body())
    traced = _is_traced(given)
    errors: list[Body] = []
    plan: list[tuple[dict[str, str], list[Link], Any]] = []
    for one in given:
        try:
            values, links = read_new(call, one)
            _refuse_same(call, values, [held for held, _, _ in plan])
        except ApiError as error:
            if not traced:
                raise
            errors.append(_traced(error, one))
        else:
            plan.append((values, links, one.get("objectWriteTraceId")))
    results = [_written(create_valid(call, values, links), values, trace) for values, links, trace in plan]
    return _mixed(call, shuffled(call, results), errors, 201)


def _refuse_same(call: Call, values: dict[str, str], before: list[dict[str, str]]) -> None:
    """Two inputs of one batch cannot have the same unique value. *Raises* ApiError 409."""
    for name in call.shelf().unique_names & values.keys():
        if values[name] and any(one.get(name) == values[name] for one in before):
            raise ApiError(
                409, f"A {call.kind().singular} with this {name} is already in the batch", "CONFLICT"
            )


def upsert_many(call: Call) -> Response:
    given = inputs(call.body())
    _refuse_twins(given)
    # all or nothing by e-mail address, trace ids or not. *Source*: portal facts, section 2.4
    traced = _is_traced(given) and all(one.get("idProperty") != "email" for one in given)
    errors: list[Body] = []
    missing: list[str] = []
    plan: list[tuple[Body, Record | None, dict[str, str]]] = []
    for one in given:
        record = find(call, one.get("id"), one.get("idProperty"))
        if record is None and not one.get("idProperty"):
            missing.append(a_text(one.get("id"), "id"))
            continue
        values, error = _checked(call, one, record, traced=traced)
        if error is not None:
            errors.append(error)
        else:
            plan.append((one, record, values))
    results = []
    for one, held, values in plan:
        name = one.get("idProperty")
        named = {name: str(one.get("id"))} | values if name and held is None else values
        record = held or create_valid(call, named, [])
        if held is not None:
            update(call, held, values)
        results.append(_written(record, values, one.get("objectWriteTraceId")) | {"new": held is None})
    if missing:
        errors.append(_not_found(call, missing))
    return _mixed(call, shuffled(call, results), errors)


def archive_many(call: Call) -> Response:
    for one in inputs(call.body()):
        record = find(call, one.get("id"), None)
        if record is not None:
            call.world.archive(record, call.act)
    return NOTHING


def inputs(body: Body, most: int = MOST) -> list[Body]:
    """The inputs; none when the wrapper is missing, which HubSpot accepts without a word. *Raises* ApiError 400."""
    given = [an_object(one, "inputs[]") for one in a_list(body.get("inputs"), "inputs")]
    if len(given) > most:
        raise ApiError(
            400,
            f"The maximum number of inputs supported in a batch request is {most}. {len(given)} were given.",
        )
    return given


def shuffled(call: Call, results: list[Body]) -> list[Body]:
    """The order of a batch answer is not the order of its inputs."""
    call.world.rng.shuffle(results)
    return results


def _names(body: Body, key: str) -> list[str]:
    return [a_text(name, f"{key}[]") for name in a_list(body.get(key), key)]


def _read(call: Call, id_: Any, id_property: str | None) -> Record | None:
    if not call.is_on("archived"):
        return find(call, id_, id_property)
    return call.shelf().archived.get(an_id(id_))


def _exact(call: Call, one: Body) -> Record | None:
    """A batch update knows only present ids: one that was merged away is not followed."""
    if one.get("idProperty"):
        return find(call, one.get("id"), one["idProperty"])
    id_ = a_text(one.get("id"), "id")
    return call.shelf().live.get(an_id(id_))


def _unless_merged(call: Call, one: Body) -> list[str]:
    """An unknown id is reported; one that was merged away is left out without an error."""
    id_ = str(one.get("id", ""))
    return [] if an_id(id_) in call.shelf().merged else [id_]


def _refuse_twins(given: list[Body]) -> None:
    ids = [(a_text(one.get("id"), "id"), a_text(one.get("idProperty"), "idProperty")) for one in given]
    if len(set(ids)) < len(ids):
        raise ApiError(400, "Duplicate IDs found in batch input")


def _is_traced(given: list[Body]) -> bool:
    """Whether each input carries a trace id of its own, which switches to one outcome per input."""
    traces = [a_text(one.get("objectWriteTraceId"), "objectWriteTraceId") for one in given]
    return bool(traces) and all(traces) and len(set(traces)) == len(traces)


def _checked(
    call: Call, one: Body, record: Record | None, *, traced: bool
) -> tuple[dict[str, str], Body | None]:
    """The valid values, or the error of this input; without trace ids it is the error of the whole batch."""
    values, problems = read_values(call, one.get("properties", {}), record)
    try:
        if problems:
            raise refusal(problems, call.world.account.portal_id)
        check_unique(call, values, record)
    except ApiError as error:
        if not traced:
            raise
        return values, _traced(error, one)
    return values, None


def _traced(error: ApiError, one: Body) -> Body:
    return {
        "status": "error", "category": error.category, "message": error.message,
        "context": {"objectWriteTraceId": [str(one["objectWriteTraceId"])]},
    }  # fmt: skip


def _written(record: Record, values: Body, trace: Any) -> Body:
    body = record_json(record, [*record.kind.shown, *values])
    if trace:
        body["objectWriteTraceId"] = str(trace)
    return body


def _not_found(call: Call, ids: list[str]) -> Body:
    name = call.kind().singular.upper()
    said = f"Could not get some {name} objects, they may be deleted or not exist. Check that ids are valid."
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": said, "context": {"ids": ids}}


def _mixed(call: Call, results: list[Body], errors: list[Body], status: int = 200) -> Response:
    return answer(batch_frame(call, results, errors), call.world.settings.mixed_status if errors else status)
