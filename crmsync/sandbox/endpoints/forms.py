"""Endpoints of forms, their submissions, and marketing e-mail events: the legacy read paths."""

from typing import Any

from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.state.marketing import Submission
from crmsync.sandbox.times import iso, read_instant
from crmsync.sandbox.wire import ApiError, Body, Response, an_id, answer, not_found

MOST_SUBMISSIONS = 50


def list_forms(call: Call) -> Response:
    limit, after = call.whole("limit", 50, 500), call.whole("after", 0)
    wanted = set(call.many("formTypes")) or {"hubspot"}
    found = [one for one in call.world.marketing.forms.values() if "all" in wanted or one.type in wanted]
    body: Body = {"results": [one.json() for one in found[after : after + limit]]}
    if after + limit < len(found):
        body["paging"] = call.next_page(str(after + limit))
    return answer(body)


def read_form(call: Call) -> Response:
    form = call.world.marketing.forms.get(call.params["id"])
    if form is None:
        raise not_found()
    return answer(form.json())


def list_submissions(call: Call) -> Response:
    """Newest first; the cursor counts from the oldest, so that new submissions do not shift pages."""
    form = call.world.marketing.forms.get(call.params["id"])
    if form is None:
        raise not_found("No form found with that guid")
    if form.type == "blog_comment":
        raise ApiError(400, "Submissions of blog comment forms are not available", "FORM_TYPE_NOT_ALLOWED")
    limit = call.whole("limit", 20, MOST_SUBMISSIONS)
    stop = min(_cursor(call.one("after"), len(form.submissions)), len(form.submissions))
    start = max(0, stop - limit)
    shown = [
        _submission_json(one, stop - place) for place, one in enumerate(form.submissions[start:stop][::-1])
    ]
    body: Body = {"results": shown}
    if start:
        body["paging"] = call.next_page(_opaque(start))
    return answer(body)


def _opaque(place: int) -> str:
    return f"MTow{place:x}"


def _cursor(text: str, default: int) -> int:
    if not text:
        return default
    try:
        return int(text.removeprefix("MTow"), 16)
    except ValueError as error:
        raise ApiError(400, "after is not a cursor of this list") from error


def _submission_json(one: Submission, place: int) -> Body:
    values: list[Any] = [{"name": "email", "value": one.email, "objectTypeId": "0-1"}]
    values += [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in one.values]
    return {
        "conversionId": f"{one.at_ms:012x}-{place}",
        "submittedAt": one.at_ms,
        "values": values,
        "pageUrl": one.page,
    }


def list_email_events(call: Call) -> Response:
    """Newest first; `endTimestamp` inclusive."""
    limit = call.whole("limit", 100, 1_000)
    recipient, type_, campaign = call.one("recipient").lower(), call.one("eventType"), call.one("campaignId")
    start, end = (
        read_instant(call.one("startTimestamp") or "0") or 0,
        read_instant(call.one("endTimestamp") or str(1 << 50)),
    )
    found = [
        one for one in reversed(call.world.marketing.email_events)
        if recipient in ("", one.recipient.lower()) and type_ in ("", one.type) and campaign in ("", str(one.campaign))
        and start <= one.at_ms <= (end or 1 << 50)
    ]  # fmt: skip
    offset = call.whole("offset", 0)
    shown = found[offset : offset + limit]
    following = offset + len(shown)
    return answer(
        {"hasMore": following < len(found), "offset": str(following), "events": [one.json() for one in shown]}
    )


def list_events(call: Call) -> Response:
    """Behaviour events; an Enterprise portal only."""
    if call.world.account.tier != "enterprise":
        raise ApiError(403, "This portal does not have access to event analytics", "FORBIDDEN")
    wanted_type, id_ = call.one("eventType"), call.one("objectId")
    after_ms = read_instant(call.one("occurredAfter") or "0") or 0
    until_ms = read_instant(call.one("occurredBefore") or str(1 << 50)) or 1 << 50
    found = [one for one in call.world.marketing.visits.get(an_id(id_), [])
             if after_ms <= one.at_ms <= until_ms and wanted_type in ("", "e_visited_page")]  # fmt: skip
    found.sort(key=lambda one: one.at_ms, reverse=True)
    limit, start = call.whole("limit", 10, 1_000), call.whole("after", 0)
    body: Body = {"results": [
        {"objectType": "CONTACT", "objectId": id_, "eventType": "e_visited_page", "occurredAt": iso(one.at_ms),
        "id": one.id,
         "properties": {"hs_url": one.url}}
        for one in found[start : start + limit]
    ]}  # fmt: skip
    if start + limit < len(found):
        body["paging"] = call.next_page(str(start + limit))
    return answer(body)


def list_event_types(call: Call) -> Response:
    if call.world.account.tier != "enterprise":
        raise ApiError(403, "This portal does not have access to event analytics", "FORBIDDEN")
    return answer({"eventTypes": ["e_visited_page"]})
