"""What a faithful sandbox reproduces, part one (portal facts, section 13, points 1 to 5 and 25): access and limits."""

from datetime import UTC, datetime

import pytest

from tests.contract.sandbox_api import CONTACTS, START, an_api, where


def test_01_a_wrong_token_is_401_and_a_missing_scope_403_that_names_it() -> None:
    api = an_api()
    api.portal.app.scopes.discard("crm.objects.contacts.read")

    missing = api.ask("GET", CONTACTS)
    api.token = "wrong"
    unknown = api.ask("GET", CONTACTS)

    assert (unknown.status, unknown.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    assert (missing.status, missing.json()["category"]) == (403, "MISSING_SCOPES")
    assert missing.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.contacts.read"]


@pytest.mark.parametrize(
    "path", ["/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/objects/2026-09/0-1"]
)
def test_02_every_path_family_reads_one_store(path: str) -> None:
    api = an_api()
    id_ = api.create(email="one@store.example")

    assert [one["id"] for one in api.get(path)["results"]] == [id_]


def test_02_only_2026_09_enforces_conditionally_required_properties() -> None:
    api = an_api()
    id_ = api.create(lifecyclestage="lead")
    rule = {"name": "lifecyclestage", "value": "salesqualifiedlead", "needs": ["hubspot_owner_id"]}
    api.post("/_sandbox/rules", {"required": [rule]})
    write = {"properties": {"lifecyclestage": "salesqualifiedlead"}}

    new = api.ask("PATCH", f"{CONTACTS}/{id_}", write)
    old = api.ask("PATCH", f"/crm/v3/objects/contacts/{id_}", write)

    assert (new.status, old.status) == (400, 200)
    assert new.json()["errors"][0]["context"]["propertyName"] == ["hubspot_owner_id"]


def test_02_a_version_nobody_knows_is_404_and_a_wrong_method_405() -> None:
    api = an_api()

    assert api.ask("GET", "/crm/objects/2031-03/contacts").status == 404
    assert api.ask("GET", "/crm/v4/objects/contacts").status == 404
    assert api.ask("DELETE", CONTACTS).status == 405


@pytest.mark.parametrize(("tier", "limit"), [("free", 100), ("pro", 190), ("enterprise", 190)])
def test_03_the_burst_window_slides_over_ten_seconds(tier: str, limit: int) -> None:
    api = an_api(limits=True, tier=tier)
    statuses = [api.ask("GET", CONTACTS).status for _ in range(limit)]
    refused = api.ask("GET", CONTACTS)
    api.pass_time(9.9)
    still = api.ask("GET", CONTACTS)
    api.pass_time(0.2)
    again = api.ask("GET", CONTACTS)

    assert set(statuses) == {200}
    assert (refused.status, refused.json()["policyName"], refused.json()["errorType"]) == (
        429,
        "TEN_SECONDLY_ROLLING",
        "RATE_LIMIT",
    )
    assert refused.json()["groupName"] == "publicapi:private_app-api-calls-ten-secondly:8111608:148001"
    assert refused.header("Retry-After") is None
    assert (still.status, again.status) == (429, 200)


def test_04_search_takes_five_a_second_apart_from_the_burst_and_shows_no_rate_headers() -> None:
    api = an_api(limits=True)
    answers = [api.ask("POST", f"{CONTACTS}/search", {}) for _ in range(6)]
    plain = api.ask("GET", CONTACTS)
    api.pass_time(1.0)

    assert [one.status for one in answers] == [200] * 5 + [429]
    assert answers[5].json()["message"] == "You have reached your secondly limit."
    assert not [name for one in answers for name, _ in one.headers if "RateLimit" in name]
    assert plain.header("X-HubSpot-RateLimit-Remaining") == "189"
    assert api.ask("POST", f"{CONTACTS}/search", {}).status == 200


def test_04_association_batches_have_a_window_of_their_own() -> None:
    api = an_api(limits=True)
    path = "/crm/associations/2026-09/contacts/companies/batch/read"
    statuses = [api.ask("POST", path, {"inputs": []}).status for _ in range(151)]

    assert statuses == [200] * 150 + [429]
    assert api.ask("GET", CONTACTS).header("X-HubSpot-RateLimit-Remaining") == "189"


def test_05_the_day_starts_anew_at_midnight_of_the_accounts_time_zone() -> None:
    api = an_api(limits=True, time_zone="America/New_York")
    api.post("/_sandbox/budget", {"daily_limit": 2})
    first = api.ask("GET", CONTACTS)
    api.ask("GET", CONTACTS)
    refused = api.ask("GET", CONTACTS)
    api.pass_time((datetime(2026, 11, 23, 4, 59, 59, tzinfo=UTC) - START).total_seconds())
    late = api.ask("GET", CONTACTS)
    api.pass_time(1)

    assert first.header("X-HubSpot-RateLimit-Daily") == "2"
    assert first.header("X-HubSpot-RateLimit-Daily-Remaining") == "1"
    assert first.header("X-HubSpot-RateLimit-Interval-Milliseconds") == "10000"
    assert first.header("X-HubSpot-RateLimit-Secondly") == "19"
    assert (refused.status, refused.json()["policyName"], late.status) == (429, "DAILY", 429)
    assert api.ask("GET", CONTACTS).status == 200


def test_05_an_installed_app_has_no_daily_limit_and_tokens_that_expire() -> None:
    from crmsync.sandbox.gate.access import App

    api = an_api(limits=True)
    app = App("5150", set(api.portal.app.scopes), oauth=True, client_id="cid", client_secret="sec")
    refresh = api.portal.access.install(app)
    form = f"grant_type=refresh_token&client_id=cid&client_secret=sec&refresh_token={refresh}".encode()

    granted = api.ask("POST", "/oauth/v3/token", form).json()
    api.token = granted["access_token"]
    answer = api.ask("GET", CONTACTS)
    api.pass_time(granted["expires_in"] + 301)
    late = api.ask("GET", CONTACTS)
    bad = api.ask("POST", "/oauth/2026-09/token", form + b"x")

    assert answer.header("X-HubSpot-RateLimit-Daily") is None
    assert answer.header("X-HubSpot-RateLimit-Max") == "110"
    assert (late.status, late.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert "expired 5 minute(s) ago" in late.json()["message"]
    assert (bad.status, bad.json()["status"]) == (400, "BAD_REFRESH_TOKEN")


def test_05_others_eat_the_budget() -> None:
    api = an_api(limits=True)
    api.post("/_sandbox/budget", {"others": {"burst": 95, "search": 2}, "eat": {"burst": 90}})
    left = api.ask("GET", CONTACTS).header("X-HubSpot-RateLimit-Remaining")
    searches = [api.ask("POST", f"{CONTACTS}/search", {}).status for _ in range(4)]

    assert left == "4"
    assert searches == [200, 200, 200, 429]


def test_25_a_long_address_is_414_and_lists_come_repeated_or_with_commas() -> None:
    api = an_api()
    api.create(firstname="Ann", country="BE")
    one = api.get(f"{CONTACTS}?properties=firstname,country")["results"][0]["properties"]
    other = api.get(f"{CONTACTS}?properties=firstname&properties=country")["results"][0]["properties"]

    assert one == other
    assert (one["firstname"], one["country"]) == ("Ann", "BE")
    assert api.ask("GET", f"{CONTACTS}?properties={'x' * 8_200}").status == 414


def test_the_log_keeps_every_request_and_the_body_of_writes() -> None:
    api = an_api()
    id_ = api.create(firstname="Ann")
    api.ask("PATCH", f"{CONTACTS}/{id_}", {"properties": {"country": "BE"}})
    api.search(where("firstname", "EQ", "ann"))

    logged = api.get("/_sandbox/log")["results"]
    effects = [one for one in api.get("/_sandbox/effects")["results"] if one["property"] == "country"]

    assert [(one["method"], one["status"]) for one in logged] == [
        ("POST", 201),
        ("PATCH", 200),
        ("POST", 200),
    ]
    assert logged[1]["body"] == '{"properties":{"country":"BE"}}'
    assert [(one["request"], one["before"], one["after"], one["sourceType"]) for one in effects] == [
        (2, "", "BE", "INTEGRATION")
    ]
