"""Endpoints that merge two records and forget a person."""

from crmsync.sandbox.changes.merging import erase, merge_records
from crmsync.sandbox.endpoints.call import Call, find
from crmsync.sandbox.endpoints.rendering import asked_names, record_json
from crmsync.sandbox.wire import NOTHING, ApiError, Response, a_text, an_id, answer


def merge(call: Call) -> Response:
    body = call.body()
    shelf = call.shelf()
    ids = [a_text(body.get(name), name) for name in ("primaryObjectId", "objectIdToMerge")]
    records = [shelf.find(an_id(id_)) for id_ in ids]
    primary, other = records
    if primary is None or other is None:
        raise ApiError(
            404, f"{call.kind().singular.upper()} {' or '.join(ids)} does not exist", "OBJECT_NOT_FOUND"
        )
    if primary is other:
        raise ApiError(400, "Cannot merge an object with itself")
    merged = merge_records(call.world, primary, other, call.act)
    return answer(record_json(merged, [*asked_names(call), "hs_merged_object_ids"]))


def gdpr_delete(call: Call) -> Response:
    """Forget a person; an unknown e-mail address goes on a block list."""
    body = call.body()
    text = a_text(body.get("objectId"), "objectId")
    record = find(call, text, body.get("idProperty"))
    if record is not None:
        erase(call.world, record, call.act)
    elif body.get("idProperty") == "email":
        call.world.marketing.blocked.add(text.lower())
    elif (archived := call.shelf().archived.get(an_id(text))) is not None:
        call.shelf().forget(archived)
    return NOTHING
