"""The seeded company: the same for the same seed, invented through and through, and as untidy as a real one."""

import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from crmsync.sandbox import Body
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.times import DAY, read_instant
from tests.contract.sandbox_api import CONTACTS, Api, an_api, ms

KINDS_OF_TALK = ("calls", "emails", "meetings", "notes")


@pytest.fixture(scope="module")
def api() -> Api:
    return an_api(200)


def held(api: Api, kind: str) -> list[Record]:
    return [*api.portal.world.shelf(kind).live.values()]


def test_the_same_seed_gives_the_same_portal() -> None:
    def told(seed: int) -> list[Body]:
        api = an_api(120, seed=seed)
        return [
            one["properties"]
            for one in api.get(f"{CONTACTS}?limit=100&properties=email,lifecyclestage,country")["results"]
        ]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_the_seeded_company_has_everything_that_makes_life_hard(api: Api) -> None:
    world = api.portal.world
    contacts = [*world.shelf("contacts").live.values()]
    companies = [len(world.linked("contacts", one.id, "companies")) for one in contacts]
    activities = [sum(len(world.linked("contacts", one.id, kind)) for kind in ("calls", "emails", "meetings", "notes"))
                  for one in contacts]  # fmt: skip
    stages = [version for one in contacts for version in one.versions("lifecyclestage")]
    typed = [one.email for form in api.portal.world.marketing.forms.values() for one in form.submissions]
    employees = {one.text("numberofemployees") for one in world.shelf("companies").live.values()}

    assert 0 in companies
    assert max(companies) > 1
    assert max(activities) >= 100
    assert {"CRM_UI", "IMPORT", "FORM"} < {version.source.type for version in stages}
    assert world.shelf("contacts").merged
    assert world.shelf("contacts").archived
    assert any(email.isupper() for email in typed)
    assert any(one.text("hs_additional_emails") for one in contacts)
    assert employees & {"1,200", "ca. 50", "50-100"}
    assert max(one.updated_ms for one in contacts) < ms(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


def test_every_address_and_number_is_reserved_so_that_nobody_can_be_reached_by_it(api: Api) -> None:
    people = held(api, "contacts")
    addresses = [
        address
        for one in people
        for address in (one.text("email"), *one.text("hs_additional_emails").split(";"))
        if address
    ]
    submitted = [one.email for form in api.portal.world.marketing.forms.values() for one in form.submissions]
    domains = [one.text("domain") for one in held(api, "companies")]
    numbers = [re.sub(r"\D", "", one.text("phone")) for one in people if re.search(r"\d", one.text("phone"))]

    assert all(text.lower().endswith(".example") for text in (*addresses, *submitted, *domains))
    assert all(number[-7:-2] == "55501" for number in numbers)
    assert all(address.isascii() for address in addresses)


def test_most_people_have_their_address_at_their_company_and_no_two_share_one(api: Api) -> None:
    world = api.portal.world
    addresses = [one.text("email") for one in held(api, "contacts") if one.text("email")]
    at_work = [one for one in held(api, "contacts") if one.text("email").partition("@")[2] in {
        world.shelf("companies").live[id_].text("domain") for id_ in world.linked("contacts", one.id, "companies")
    }]  # fmt: skip

    assert len(at_work) > 0.8 * len(addresses)
    assert len(set(addresses)) == len(addresses)


def test_a_companys_name_fits_its_industry(api: Api) -> None:
    finance = [one.text("name") for one in held(api, "companies") if one.text("industry") == "FINANCE"]

    assert all(re.search(r"Bank|Finance|Capital", name) for name in finance)


def test_work_is_done_on_working_days_but_for_a_few(api: Api) -> None:
    instants = [
        read_instant(one.text("hs_timestamp")) or 0 for kind in KINDS_OF_TALK for one in held(api, kind)
    ]
    weekend = [at_ms for at_ms in instants if (at_ms // DAY + 3) % 7 > 4]

    assert len(weekend) < 0.05 * len(instants)


def test_a_call_nobody_took_was_short(api: Api) -> None:
    calls = Counter(
        (one.text("hs_call_status"), one.text("hs_call_duration"))
        for one in held(api, "calls") if one.text("hs_call_disposition").startswith("73a0d17f")
    )  # fmt: skip

    assert set(calls) == {("NO_ANSWER", "0")}


def test_a_stage_lags_behind_what_happened_for_some(api: Api) -> None:
    world = api.portal.world
    won = {
        id_
        for deal in held(api, "deals")
        if deal.text("hs_is_closed_won") == "true"
        for id_ in world.linked("deals", deal.id, "contacts")
    }
    stages = Counter(world.shelf("contacts").live[id_].text("lifecyclestage") for id_ in won)

    assert stages["customer"] > len(won) / 2
    assert stages["lead"] + stages["opportunity"] > 0


def test_a_portal_without_contacts_is_empty_but_has_its_owners_and_forms() -> None:
    api = an_api(0)

    assert api.get(CONTACTS) == {"results": []}
    assert api.get("/crm/owners/2026-09")["results"]
    assert api.get("/marketing/v3/forms")["results"]
