"""What a faithful sandbox reproduces, part four (portal facts, section 13, point 26): what else a portal has."""

import base64
import hashlib
import hmac
from datetime import timedelta

import orjson
import pytest

from crmsync.sandbox import Body
from tests.contract.sandbox_api import CONTACTS, START, Api, an_api, ms, where

DEMO = "b7c1d2e3-0001-4a6b-9c00-5f0e00000001"
SUBMISSIONS = "/form-integrations/v1/submissions/forms"


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_26_the_account_tells_its_id_time_zone_and_usage(version: str) -> None:
    api = an_api(limits=True, time_zone="America/New_York")
    details = api.get(f"/account-info/{version}/details")
    usage = api.get(f"/account-info/{version}/api-usage/daily/private-apps")["results"][0]

    assert (details["portalId"], details["timeZone"], details["utcOffset"]) == (
        148_001,
        "America/New_York",
        "-05:00",
    )
    assert details["utcOffsetMilliseconds"] == -18_000_000
    assert (usage["usageLimit"], usage["currentUsage"], usage["fetchStatus"]) == (625_000, 2, "SUCCESS")
    assert usage["resetsAt"] == "2026-11-23T05:00:00.000Z"


def test_26_owners_have_an_id_and_another_for_the_user() -> None:
    api = an_api(1)
    owners = api.get("/crm/v3/owners")["results"]
    one = api.get(f"/crm/owners/2026-09/{owners[0]['userId']}?idProperty=userId")
    page = api.get("/crm/owners/2026-09?limit=1")
    archived = api.get("/crm/owners/2026-09?archived=true")["results"]

    assert one["id"] == owners[0]["id"] != str(one["userId"])
    assert page["paging"]["next"]["after"] == owners[1]["id"]
    assert [owner["userId"] for owner in archived] == [None]


def test_26_properties_tell_what_must_not_be_written() -> None:
    api = an_api()
    held = {one["name"]: one for one in api.get("/crm/properties/2026-09/contacts")["results"]}

    assert held["hs_email_open"]["modificationMetadata"]["readOnlyValue"] is True
    assert held["hs_email_open"]["calculated"] is True
    assert (held["hubspot_owner_id"]["referencedObjectType"], held["hubspot_owner_id"]["options"]) == (
        "OWNER",
        [],
    )
    assert held["lifecyclestage"]["externalOptions"] is True
    assert held["email"]["hasUniqueValue"] is True


def test_26_an_administrator_can_make_a_property_read_only_or_archive_it() -> None:
    api = an_api()
    new = {
        "name": "crmsync_fit",
        "label": "F",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
    }
    api.post("/crm/properties/2026-09/contacts", new)
    api.post("/_sandbox/rules", {"read_only": [{"name": "crmsync_fit"}]})
    shown = api.get("/crm/properties/2026-09/contacts/crmsync_fit")
    written = api.ask("POST", CONTACTS, {"properties": {"crmsync_fit": "1"}})
    api.ask("DELETE", "/crm/properties/2026-09/contacts/crmsync_fit")

    assert shown["modificationMetadata"]["readOnlyValue"] is True
    assert written.status == 400
    assert api.ask("GET", "/crm/properties/2026-09/contacts/crmsync_fit").status == 404
    assert api.ask("POST", "/crm/properties/2026-09/contacts", new).status == 409


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"type": "number", "fieldType": "text"}, id="field type that does not go with the type"),
        pytest.param({"groupName": "nowhere"}, id="unknown group"),
        pytest.param({"name": "Fit"}, id="capital letter"),
        pytest.param({"label": ""}, id="no label"),
    ],
)
def test_26_a_wrong_definition_is_refused(change: Body) -> None:
    new = {
        "name": "fit",
        "label": "F",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
    }

    assert an_api().ask("POST", "/crm/properties/2026-09/contacts", new | change).status == 400


def test_26_pipelines_say_which_stages_are_closed_and_contacts_have_none() -> None:
    api = an_api()
    pipelines = api.get("/crm/pipelines/2026-03/deals")["results"]
    won = {stage["id"]: stage["metadata"] for stage in pipelines[0]["stages"]}["closedwon"]

    assert won == {"isClosed": "true", "probability": "1.0"}
    assert pipelines[1]["stages"][0]["id"].isdecimal()
    assert api.ask("GET", "/crm/pipelines/2026-03/contacts").status == 400


def test_26_call_outcomes_have_ids() -> None:
    found = {one["label"]: one["id"] for one in an_api().get("/calling/v1/dispositions")}

    assert found["Connected"] == "f240bbac-87c9-4f6e-bf70-924b57d47db7"


def submitted(api: Api, query: str = "") -> Body:
    found: Body = api.get(f"{SUBMISSIONS}/{DEMO}?{query}")
    return found


def test_26_submissions_come_newest_first_fifty_at_most_and_pages_hold_still() -> None:
    api = an_api(1)
    for number in range(60):
        api.pass_time(1)
        api.portal.edits.submit("Book a demo", f"n{number}@x.example")
    first = submitted(api, "limit=50")
    api.portal.edits.submit("Book a demo", "late@x.example")
    rest = submitted(api, f"limit=50&after={first['paging']['next']['after']}")
    emails = [one["values"][0]["value"] for one in first["results"] + rest["results"]]

    assert emails[:60] == [f"n{number}@x.example" for number in reversed(range(60))]
    assert len(emails) == len(set(emails))
    assert len(submitted(api)["results"]) == 20
    assert api.ask("GET", f"{SUBMISSIONS}/{DEMO}?limit=51").status == 400


def test_26_a_submission_moves_the_conversion_of_a_known_contact() -> None:
    api = an_api(1)
    id_ = api.create(email="ann@acme.example")
    api.portal.edits.submit("Book a demo", "ANN@acme.example")
    values = api.read(id_, "recent_conversion_event_name", "num_conversion_events", "recent_conversion_date")

    assert values["recent_conversion_event_name"] == "Book a demo"
    assert (values["num_conversion_events"], values["recent_conversion_date"]) == (
        "1",
        "2026-11-22T12:00:00.000Z",
    )


def test_26_forms_are_listed_by_type_and_blog_comments_give_nothing_out() -> None:
    api = an_api(1)
    plain = {one["name"] for one in api.get("/marketing/v3/forms")["results"]}
    both = api.get("/marketing/v3/forms?formTypes=hubspot&formTypes=flow")["results"]
    every = {
        one["formType"]: one["id"]
        for one in api.get("/marketing/forms/2026-09-beta?formTypes=all")["results"]
    }
    refused = api.ask("GET", f"{SUBMISSIONS}/{every['blog_comment']}")

    assert {"Book a demo", "Contact sales"} < plain
    assert {one["formType"] for one in both} == {"hubspot", "flow"}
    assert (refused.status, refused.json()["category"]) == (400, "FORM_TYPE_NOT_ALLOWED")


def test_26_email_events_come_newest_first_and_the_end_counts() -> None:
    api = an_api(200)
    every = api.get("/email/public/v1/events?limit=1000&eventType=OPEN")["events"]
    at = every[3]["created"]
    until = api.get(f"/email/public/v1/events?limit=1000&endTimestamp={at}")["events"]
    page = api.get("/email/public/v1/events?limit=2&offset=2")

    assert [one["created"] for one in every] == sorted((one["created"] for one in every), reverse=True)
    assert until[0]["created"] == at
    assert [one["id"] for one in page["events"]] == [one["id"] for one in every[2:4]]
    assert page["hasMore"] is True


@pytest.mark.parametrize(("tier", "status"), [("pro", 403), ("enterprise", 200)])
def test_26_page_views_are_for_enterprise_portals(tier: str, status: int) -> None:
    api = an_api(50, tier=tier)
    visitor = next(iter(api.portal.world.marketing.visits))

    assert api.ask("GET", f"/events/v3/events?objectType=contact&objectId={visitor}").status == status
    assert api.ask("GET", f"/events/event-occurrences/2026-09?objectId={visitor}").status == status


def test_26_a_forgotten_person_is_gone_for_good() -> None:
    api = an_api()
    id_ = api.create(email="ann@acme.example")
    company = api.create("companies", name="Acme")
    api.portal.edits.associate("contacts", id_, "companies", company)
    said = api.ask("POST", f"{CONTACTS}/gdpr-delete", {"objectId": "ann@acme.example", "idProperty": "email"})
    unknown = api.ask("POST", f"{CONTACTS}/gdpr-delete", {"objectId": "who@x.example", "idProperty": "email"})

    assert (said.status, unknown.status) == (204, 204)
    assert api.ask("GET", f"{CONTACTS}/{id_}?archived=true").status == 404
    assert api.get(f"{CONTACTS}?archived=true")["results"] == []
    assert api.found(where("email", "HAS_PROPERTY")) == []
    assert api.portal.world.linked("companies", int(company), "contacts") == []
    assert "who@x.example" in api.portal.world.marketing.blocked


def test_26_webhooks_are_signed_repeated_and_reordered() -> None:
    api = an_api()
    api.post("/_sandbox/webhooks", {
        "url": "http://127.0.0.1:9/hook?a=1", "secret": "s3cret", "duplicates": 1.0,
        "events": ["contact.creation", "contact.propertyChange:lifecyclestage", "contact.privacyDeletion",
        "contact.deletion"],
    })  # fmt: skip
    id_ = api.create(lifecyclestage="lead")
    api.update(id_, lifecyclestage="customer", country="BE")
    api.ask("POST", f"{CONTACTS}/gdpr-delete", {"objectId": id_})
    hooks, sent = api.portal.webhooks, []

    def take(url: str, body: bytes, headers: dict[str, str]) -> int:
        sent.append((url, body, headers))
        return 204

    for delivery in hooks.collect(ms(START)):
        hooks.settle(delivery, hooks.send(delivery, ms(START), take), ms(START))

    url, body, headers = sent[0]
    text = f"POST{url}".encode() + body + headers["X-HubSpot-Request-Timestamp"].encode()
    signed = base64.b64encode(hmac.new(b"s3cret", text, hashlib.sha256).digest()).decode()
    told = [one["subscriptionType"] for one in orjson.loads(body)]
    once = ["contact.creation", "contact.deletion", "contact.privacyDeletion", "contact.propertyChange"]
    assert headers["X-HubSpot-Signature-v3"] == signed
    assert sorted(told) == sorted(once * 2)
    assert hooks.delivered == 8


def test_26_a_webhook_nobody_takes_is_tried_ten_times_more_within_a_day() -> None:
    api = an_api()
    hooks = api.portal.webhooks
    api.post(
        "/_sandbox/webhooks",
        {"url": "http://127.0.0.1:9/", "duplicates": 0.0, "events": ["contact.creation"]},
    )
    api.create()
    tries, now_ms = 0, ms(START)
    while not hooks.given_up:
        for delivery in hooks.collect(now_ms):
            tries += 1
            hooks.settle(delivery, 500, now_ms)
        now_ms = min((one.due_ms for one in hooks.on_the_way), default=now_ms)

    assert tries == 11
    assert now_ms - ms(START) < timedelta(hours=24) / timedelta(milliseconds=1)
