"""Each control under `/_sandbox`: what it sets and what that does to the portal."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from crmsync.sandbox import Body, Lag, Sandbox
from crmsync.sandbox.endpoints.routes import allowed
from crmsync.sandbox.gate.faults import KINDS
from tests.contract.sandbox_api import CONTACTS, Api, an_api, where

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text()
STAGE = "lifecyclestage"
DEMO = "b7c1d2e3-0001-4a6b-9c00-5f0e00000001"


@pytest.fixture
def api() -> Api:
    return an_api()


def edit(api: Api, name: str, **given: Any) -> Any:
    return api.post(f"/_sandbox/edits/{name}", given)["result"]


def raw(api: Api, id_: str, kind: str = "contacts") -> Body:
    found: Body = api.get(f"/_sandbox/{kind}/{id_}")
    return found


def last_source(api: Api, id_: str, name: str) -> str:
    return str(raw(api, id_)["history"][name][0]["sourceType"])


def test_the_page_about_the_sandbox_names_every_control_edit_and_fault(api: Api) -> None:
    offered = api.get("/_sandbox")
    words = set(re.findall(r"`(\w+)`", PAGE))
    table = PAGE.partition("| `POST` | sets |")[2].partition("\n\n")[0]

    assert {*offered["change"], *offered["edits"], *KINDS} <= words
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) - {"edits"} <= set(offered["change"])


def test_every_example_of_the_page_is_answered() -> None:
    api = an_api(1)
    examples = re.findall(r"^    (POST|DELETE|GET) (/_sandbox\S*) ?(.*)$", PAGE, re.MULTILINE)

    assert len(examples) >= 10
    for method, target, body in examples:
        assert api.ask(method, target, body.encode()).status in {200, 201}, target


def test_every_path_of_the_page_is_served() -> None:
    table = PAGE.partition("## What it answers")[2].partition("##")[0]
    first_column = " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
    named = [path.replace("{type}", "deals", 1) for path in re.findall(r"`(/[^`]*)`", first_column)]

    assert len(named) >= 10
    for path in named:
        ends = ("", "/labels", "/details")
        is_served = any(allowed(path.replace("{type}", "contacts") + end) for end in ends)
        assert is_served or path.startswith("/oauth/"), path


def test_every_edit_has_a_test_here(api: Api) -> None:
    tests = Path(__file__).read_text()

    for name in api.get("/_sandbox")["edits"]:
        assert f'"{name}"' in tests, name


def test_state_counts_what_there_is_and_what_was_asked(api: Api) -> None:
    api.create(email="a@x.example")
    api.ask("DELETE", f"{CONTACTS}/{api.create()}")

    state = api.get("/_sandbox/state")

    assert (state["live"]["contacts"], state["archived"]["contacts"], state["requests"]) == (1, 1, 3)
    assert state["now"] == "2026-11-22T12:00:00.000Z"


def test_controls_are_neither_counted_nor_logged_and_need_no_token(api: Api) -> None:
    api.token = ""
    for _ in range(5):
        api.get("/_sandbox/state")

    assert api.get("/_sandbox/log")["results"] == []
    assert api.get("/_sandbox/state")["daily_used"] == 0


def test_log_and_effects_tell_what_came_since(api: Api) -> None:
    id_ = api.create(country="BE")
    known = len(api.get("/_sandbox/effects")["results"])
    api.update(id_, country="NL")

    assert [one["method"] for one in api.get("/_sandbox/log?since=1")["results"]] == ["PATCH"]
    news = api.get(f"/_sandbox/effects?since={known}")["results"]
    assert [(one["property"], one["before"], one["after"], one["request"]) for one in news] == [
        ("country", "BE", "NL", 2)
    ]
    api.ask("DELETE", "/_sandbox/log")
    assert api.get("/_sandbox/log")["results"] == []


def test_apps_admits_another_app_that_leaves_its_own_id_behind(api: Api) -> None:
    id_ = api.create(country="BE")
    api.token = api.post("/_sandbox/apps", {"id": "77", "scopes": ["crm.objects.contacts.write"]})["token"]

    assert api.ask("GET", f"{CONTACTS}/{id_}").status == 403
    api.update(id_, country="NL")
    assert raw(api, id_)["history"]["country"][0]["sourceId"] == "77"


def test_apps_installs_a_public_app_whose_token_is_refreshed(api: Api) -> None:
    app = api.post("/_sandbox/apps", {"id": "78", "oauth": True})
    form = "&".join(f"{name}={value}" for name, value in ({"grant_type": "refresh_token"} | app).items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    given = api.ask("POST", "/oauth/v3/token", form.encode(), headers).json()
    api.token = given["access_token"]

    said = api.ask("GET", CONTACTS)
    assert (said.status, said.header("X-HubSpot-RateLimit-Daily")) == (200, None)
    assert said.header("X-HubSpot-RateLimit-Max") == "110"
    asked = f"token_type_hint=access_token&token={api.token}".encode()
    assert api.ask("POST", "/oauth/v3/token/introspect", asked, headers).json()["app_id"] == 78
    api.pass_time(1_800)
    assert api.ask("GET", CONTACTS).json()["category"] == "EXPIRED_AUTHENTICATION"


def test_budget_sets_limits_and_lets_others_eat() -> None:
    api = an_api(limits=True)
    api.post("/_sandbox/budget", {"burst_limit": 250, "daily_limit": 400, "retry_after": True})
    assert api.ask("GET", CONTACTS).header("X-HubSpot-RateLimit-Max") == "250"

    api.post("/_sandbox/budget", {"eat": {"burst": 249}})
    refused = api.ask("GET", CONTACTS)
    api.pass_time(11)
    api.post("/_sandbox/budget", {"eat": {"daily": 1_000}})
    spent = api.ask("GET", CONTACTS)
    api.post("/_sandbox/budget", {"enforced": False})

    assert (refused.json()["policyName"], refused.header("Retry-After")) == ("TEN_SECONDLY_ROLLING", "10")
    assert spent.json()["policyName"] == "DAILY"
    assert api.ask("GET", CONTACTS).status == 200


def test_clock_moves_a_manual_clock_ahead_and_lets_happen_what_is_due(api: Api) -> None:
    contact = api.create()
    edit(api, "create", kind="calls", values={"hs_timestamp": "2026-11-22T11:00:00.000Z"}, contacts=[contact])

    assert api.post("/_sandbox/clock", {"advance_s": 86_400})["now"] == "2026-11-23T12:00:00.000Z"
    assert api.read(contact, "num_notes")["num_notes"] == "1"
    for wrong in (-1, 1e12):
        assert api.ask("POST", "/_sandbox/clock", {"advance_s": wrong}).status == 400


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(0) as sandbox:
        yield sandbox


def test_clock_moves_the_clock_of_a_served_sandbox_too(running: Sandbox) -> None:
    before = requests.get(f"{running.url}/_sandbox/state", timeout=5).json()["now"]
    after = requests.post(f"{running.url}/_sandbox/clock", json={"advance_s": 40 * 86_400}, timeout=5).json()[
        "now"
    ]

    assert before[:7] < after[:7]


def test_lag_makes_search_late(api: Api) -> None:
    api.post("/_sandbox/lag", {"base_ms": 5_000, "tail_share": 0})
    id_ = api.create(email="a@x.example")
    api.pass_time(4)
    early = api.found(where("email", "EQ", "a@x.example"))
    api.pass_time(1)

    assert (early, api.found(where("email", "EQ", "a@x.example"))) == ([], [id_])


def test_stale_keeps_the_values_search_shows_until_it_is_asked_again(api: Api) -> None:
    id_ = api.create(country="BE")
    api.post("/_sandbox/stale", {"ids": [id_]})
    api.update(id_, country="NL")

    def shown() -> Any:
        found = api.search(where("hs_object_id", "EQ", id_), properties=["country"])["results"]
        return found[0]["properties"]["country"]

    assert shown() == "BE"
    api.post("/_sandbox/stale", {})
    assert shown() == "NL"


def test_pace_says_how_late_automation_is_and_which_of_it_runs(api: Api) -> None:
    contact = api.create(lifecyclestage="lead")
    api.post("/_sandbox/pace", {"stage_ms": 60_000, "rolls_up": False})
    edit(
        api,
        "create",
        kind="deals",
        values={"dealstage": "closedwon", "pipeline": "default"},
        contacts=[contact],
    )
    edit(api, "create", kind="calls", values={"hs_timestamp": "2026-11-22T11:00:00.000Z"}, contacts=[contact])
    api.pass_time(59)
    early = api.read(contact, STAGE)[STAGE]
    api.pass_time(2)

    assert (early, api.read(contact, STAGE)[STAGE]) == ("lead", "customer")
    assert api.read(contact, "num_notes")["num_notes"] is None


def test_settle_lets_automation_and_search_catch_up_now() -> None:
    api = an_api(lag=Lag(60_000, 60_000, 0.0))
    contact = api.create(email="a@x.example", lifecyclestage="lead")
    edit(
        api,
        "create",
        kind="deals",
        values={"dealstage": "closedwon", "pipeline": "default"},
        contacts=[contact],
    )

    assert api.post("/_sandbox/settle", {})["late_in_search"] == 0
    assert api.read(contact, STAGE)[STAGE] == "customer"
    assert api.found(where("email", "EQ", "a@x.example")) == [contact]


def test_token_revokes_restores_and_takes_scopes(api: Api) -> None:
    api.post("/_sandbox/token", {"revoke": True})
    revoked = api.ask("GET", CONTACTS).status
    api.post("/_sandbox/token", {"restore": True, "remove_scopes": ["crm.objects.contacts.read"]})
    reduced = api.ask("GET", CONTACTS).status
    api.post("/_sandbox/token", {"add_scopes": ["crm.objects.contacts.read"]})

    assert (revoked, reduced, api.ask("GET", CONTACTS).status) == (401, 403, 200)


def test_rules_are_the_administrators(api: Api) -> None:
    api.post("/_sandbox/rules", {
        "allow_backward": True, "read_only": [{"name": "jobtitle"}],
        "bounds": [{"name": "associatedcompanyid", "least": 0, "most": 100}], "search_body_limit": False,
        "required": [{"name": STAGE, "value": "salesqualifiedlead", "needs": ["hubspot_owner_id"]}],
    })  # fmt: skip
    id_ = api.create(lifecyclestage="opportunity")

    def refused(**values: str) -> str:
        said = api.ask("PATCH", f"{CONTACTS}/{id_}", {"properties": values})
        return str(said.json()["errors"][0]["code"]) if said.status == 400 else ""

    assert api.update(id_, lifecyclestage="lead")["properties"][STAGE] == "lead"
    assert refused(jobtitle="CTO") == "READ_ONLY_VALUE"
    assert refused(associatedcompanyid="101") == "VALIDATION_RULE"
    assert refused(lifecyclestage="salesqualifiedlead") == "REQUIRED_PROPERTY_MISSING"
    assert api.search(properties=["email"] * 500)["total"] == 1


def test_rules_can_ask_for_what_the_form_of_a_new_record_asks_for(api: Api) -> None:
    api.post("/_sandbox/rules", {"required": [{"needs": ["email"]}]})

    refused = api.ask("POST", CONTACTS, {"properties": {"jobtitle": "CTO"}})
    old = api.ask("POST", "/crm/objects/2026-03/contacts", {"properties": {"jobtitle": "CTO"}})
    id_ = old.json()["id"]

    assert (refused.status, old.status) == (400, 201)
    assert refused.json()["errors"][0]["context"]["propertyName"] == ["email"]
    assert api.update(id_, jobtitle="CEO")["id"] == id_
    assert api.create(email="a@x.example")


def test_stage_adds_one_of_the_administrators(api: Api) -> None:
    api.post("/_sandbox/stage", {"id": "51439524", "label": "Recycled", "place": 2})
    id_ = api.create(lifecyclestage="51439524")

    stages = api.get("/crm/properties/2026-09/contacts/lifecyclestage")["options"]
    assert [one["value"] for one in stages[:3]] == ["subscriber", "lead", "51439524"]
    assert api.read(id_, "hs_v2_date_entered_51439524")["hs_v2_date_entered_51439524"]


def test_webhooks_are_set_and_counted(api: Api) -> None:
    state = api.post("/_sandbox/webhooks", {
        "url": "http://127.0.0.1:9/hook", "secret": "s", "events": ["contact.creation"], "duplicates": 0,
        "shuffles": False,
    })  # fmt: skip
    api.create()

    assert state["webhooks_delivered"] == 0
    assert [one["subscriptionType"] for one in api.portal.webhooks.waiting] == ["contact.creation"]


@pytest.mark.parametrize(
    "url", ["ftp://x/", "http://", "http://x:y/", "nonsense", "http://bücher.example/", "https://x/"]
)
def test_webhooks_go_to_an_address_of_plain_http_only(api: Api, url: str) -> None:
    assert api.ask("POST", "/_sandbox/webhooks", {"url": url}).status == 400


@pytest.mark.parametrize(
    "wrong",
    [{"probability": "often"}, {"count": True}, {"path": 7}, {"hang_s": None}, {"seen": 3}, {"kind": None}],
)
def test_a_fault_with_a_wrong_setting_is_refused_and_strikes_nobody(api: Api, wrong: Body) -> None:
    assert api.ask("POST", "/_sandbox/faults", {"kind": "500"} | wrong).status == 400
    assert api.ask("GET", CONTACTS).status == 200


def test_faults_are_armed_listed_and_disarmed(api: Api) -> None:
    api.post("/_sandbox/faults", {"kind": "500", "path": "*/contacts", "count": None})
    struck = api.ask("GET", CONTACTS).status
    listed = api.get("/_sandbox/faults")
    api.ask("DELETE", "/_sandbox/faults")

    assert (struck, api.ask("GET", CONTACTS).status) == (500, 200)
    assert listed["struck"] == {"500": 1}
    assert (listed["results"][0]["path"], listed["results"][0]["struck"]) == ("*/contacts", 1)


@pytest.mark.parametrize(
    ("name", "source"),
    [("human", "CRM_UI"), ("workflow", "AUTOMATION_PLATFORM"), ("integration", "INTEGRATION")],
)
def test_people_and_programs_leave_their_source(api: Api, name: str, source: str) -> None:
    id_ = api.create(lifecyclestage="opportunity")
    edit(api, name, id_=id_, values={STAGE: "lead", "bant_need": "true"})

    assert api.read(id_, STAGE)[STAGE] == "lead"
    assert last_source(api, id_, STAGE) == source


def test_an_edit_that_cannot_be_is_400_and_changes_nothing(api: Api) -> None:
    id_ = api.create(country="BE")

    for name, body, status in [
        ("human", {"id_": id_, "values": {STAGE: "no such stage"}}, 400),
        ("human", {"id_": id_}, 400),
        ("human", {"id_": id_, "values": {"country": ["BE"]}}, 400),
        ("human", {"id_": "999", "values": {}}, 404),
        ("merge", {"primary": id_, "other": id_}, 400),
        ("create", {"kind": "calls", "values": {}, "contacts": ["999"]}, 404),
        ("associate", {"kind": "contacts", "id_": id_, "to": "companies", "other": "999"}, 404),
        ("submit", {"form": "no such form", "email": "a@x.example"}, 404),
        ("no_such_edit", {}, 404),
    ]:
        assert api.ask("POST", f"/_sandbox/edits/{name}", body).status == status, (name, body)
    assert api.read(id_, "country")["country"] == "BE"


def test_raw_puts_values_no_rule_would_take(api: Api) -> None:
    id_ = api.create()
    edit(api, "raw", id_=id_, values={"mql_returned_at": "31/12/2025", "num_notes": "many"})

    assert api.read(id_, "mql_returned_at", "num_notes")["mql_returned_at"] == "31/12/2025"


def test_company_stage_spreads_to_contacts_a_little_later(api: Api) -> None:
    contact, company = api.create(lifecyclestage="lead"), api.create("companies", name="Acme")
    edit(api, "associate", kind="contacts", id_=contact, to="companies", other=company)
    edit(api, "company_stage", company_id=company, stage="customer")
    api.pass_time(3)

    assert api.read(contact, STAGE)[STAGE] == "customer"
    assert last_source(api, contact, STAGE) == "COMPANIES"


def test_bump_counts_up_and_down_but_not_below_nothing(api: Api) -> None:
    id_ = api.create()
    edit(api, "bump", id_=id_, counter="hs_email_open", by=3)
    edit(api, "bump", id_=id_, counter="hs_email_open", by=-5)

    versions = [one["value"] for one in raw(api, id_)["history"]["hs_email_open"]]
    assert versions == ["0", "3"]


def test_stamp_moves_thousands_to_one_millisecond_and_touch_one_without_a_value(api: Api) -> None:
    ids = [api.create() for _ in range(3)]
    api.pass_time(60)
    at_ms = edit(api, "stamp", count=2)
    api.pass_time(60)
    edit(api, "touch", id_=ids[2])

    assert api.found(where("lastmodifieddate", "EQ", str(at_ms))) == ids[:2]
    assert api.read(ids[2])["lastmodifieddate"] == "2026-11-22T12:02:00.000Z"
    assert "hs_marketable_status" not in raw(api, ids[2])["properties"]


def test_merge_archive_restore_and_erase_are_done_by_a_person(api: Api) -> None:
    one, two, three = api.create(), api.create(), api.create(email="back@x.example")
    merged = edit(api, "merge", primary=one, other=two)
    edit(api, "archive", id_=three)
    gone = api.ask("GET", f"{CONTACTS}/{three}").status
    edit(api, "restore", id_=three)
    back = api.get(f"{CONTACTS}/back@x.example?idProperty=email")["id"]
    edit(api, "erase", id_=merged)

    assert (gone, back) == (404, three)
    assert api.ask("GET", f"{CONTACTS}/{merged}").status == 404
    assert api.ask("GET", f"/_sandbox/contacts/{merged}").json()["message"].endswith("erased: True")


def test_create_associate_and_dissociate_any_two(api: Api) -> None:
    contact, company = api.create(), api.create("companies", name="Acme")
    deal = edit(api, "create", kind="deals", values={"dealname": "Big"}, contacts=[contact])
    edit(api, "associate", kind="deals", id_=deal, to="companies", other=company, types=[5])

    held = raw(api, deal, "deals")["associations"]
    assert held == {
        "contacts": [{"id": contact, "types": [3]}],
        "companies": [{"id": company, "types": [5, 341]}],
    }
    edit(api, "dissociate", kind="deals", id_=deal, to="companies", other=company)
    assert set(raw(api, deal, "deals")["associations"]) == {"contacts"}


def test_an_association_that_comes_or_goes_is_told_at_both_ends(api: Api) -> None:
    contact, company = api.create(), api.create("companies", name="Acme")
    ends = {"kind": "contacts", "id_": contact, "to": "companies", "other": company}
    events = ["contact.associationChange", "company.associationChange"]
    api.post("/_sandbox/webhooks", {"url": "http://127.0.0.1:9/hook", "events": events})
    edit(api, "associate", **ends)
    edit(api, "dissociate", **ends)

    waiting = api.portal.webhooks.waiting
    told = [(one["associationType"], one["fromObjectId"], one["associationRemoved"]) for one in waiting]
    assert told == [
        (kind, int(id_), removed)
        for removed in (False, True)
        for kind, id_ in (("CONTACT_TO_COMPANY", contact), ("COMPANY_TO_CONTACT", company))
    ]


def test_a_deal_that_is_taken_away_is_counted_no_more_a_little_later(api: Api) -> None:
    contact = api.create()
    deal = edit(api, "create", kind="deals", values={"dealname": "Big"}, contacts=[contact])
    api.pass_time(5)
    before = api.read(contact, "num_associated_deals")["num_associated_deals"]
    edit(api, "dissociate", kind="deals", id_=deal, to="contacts", other=contact)
    api.pass_time(5)

    assert (before, api.read(contact, "num_associated_deals")["num_associated_deals"]) == ("1", "0")


def test_submit_is_a_form_filled_in(api: Api) -> None:
    id_ = api.create(email="a@x.example")
    edit(api, "submit", form="Book a demo", email="A@x.example", page="https://www.acme.example/demo")

    newest = api.get(f"/form-integrations/v1/submissions/forms/{DEMO}")["results"][0]
    assert (newest["values"][0]["value"], newest["pageUrl"]) == (
        "A@x.example",
        "https://www.acme.example/demo",
    )
    assert api.read(id_, "recent_conversion_event_name")["recent_conversion_event_name"] == "Book a demo"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "nothing"), ("GET", "contacts/1"), ("POST", "nothing"), ("PUT", "state")]
)
def test_what_is_no_control_is_404(api: Api, method: str, path: str) -> None:
    assert api.ask(method, f"/_sandbox/{path}").status == 404


def test_a_wrong_setting_is_400_and_says_which(api: Api) -> None:
    said = api.ask("POST", "/_sandbox/rules", {"required": [{"value": "x"}]})

    assert said.status == 400
    assert "needs" in said.json()["message"]
