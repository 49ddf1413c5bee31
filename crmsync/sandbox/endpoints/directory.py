"""Endpoints of what stands beside the objects: the account, its owners, pipelines and call outcomes."""

from typing import Any

from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.state.directory import Pipeline
from crmsync.sandbox.state.hubspot_schema import DISPOSITIONS
from crmsync.sandbox.times import iso, to_ms
from crmsync.sandbox.wire import ApiError, Body, Response, answer, not_found


def account_details(call: Call) -> Response:
    return answer(call.world.account.json(call.world.clock()))


def api_usage(call: Call) -> Response:
    day, now = call.limits.day, call.world.clock()
    day.roll(now)
    one = {
        "name": "private-apps-api-calls-daily", "usageLimit": day.limit, "currentUsage": day.used,
        "collectedAt": iso(to_ms(now)),
        "fetchStatus": "SUCCESS", "resetsAt": iso(day.ends_ms),
    }  # fmt: skip
    return answer({"results": [one]})


def list_owners(call: Call) -> Response:
    limit, after = call.whole("limit", 100, 500), call.whole("after", 0)
    email = call.one("email").lower()
    owners = [one for one in call.world.directory.owners if one.is_archived == call.is_on("archived")]
    found = [one for one in owners if one.id >= after and email in ("", one.email)]
    body: Body = {"results": [one.json() for one in found[:limit]]}
    if len(found) > limit:
        body["paging"] = call.next_page(str(found[limit].id))
    return answer(body)


def read_owner(call: Call) -> Response:
    by_user = call.one("idProperty") == "userId"
    text = call.params["id"]
    for one in call.world.directory.owners:
        if text == str(one.user_id if by_user else one.id) and one.is_archived == call.is_on("archived"):
            return answer(one.json())
    raise not_found()


def list_pipelines(call: Call) -> Response:
    kind, founded_ms = call.kind().name, call.world.directory.founded_ms
    return answer({"results": [one.json(kind, founded_ms) for one in _pipelines(call)]})


def read_pipeline(call: Call) -> Response:
    return answer(_one_pipeline(call))


def list_stages(call: Call) -> Response:
    return answer({"results": _one_pipeline(call)["stages"]})


def read_stage(call: Call) -> Response:
    stages: list[Any] = _one_pipeline(call)["stages"]
    for stage in stages:
        if stage["id"] == call.params["stage"]:
            return answer(stage)
    raise not_found()


def _pipelines(call: Call) -> list[Pipeline]:
    """*Raises* ApiError 400: contacts have no pipelines; their stages are options of a property."""
    kind = call.kind()
    found = call.world.directory.pipelines.get(kind.name)
    if found is None:
        raise ApiError(400, f"object type {kind.name} does not have pipelines")
    return found


def _one_pipeline(call: Call) -> Body:
    for one in _pipelines(call):
        if one.id == call.params["pipeline"]:
            return one.json(call.kind().name, call.world.directory.founded_ms)
    raise not_found()


def dispositions(_: Call) -> Response:
    return answer([{"id": id_, "label": label, "deleted": False} for id_, label in DISPOSITIONS])
