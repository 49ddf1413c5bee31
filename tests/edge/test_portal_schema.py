"""Setting a portal up, and checking it, over HTTP."""

import json
from collections.abc import Iterator

import pytest

from crmsync.cli.doctor import _portal
from crmsync.errors import PortalError, Rejected, Unauthorized
from crmsync.model import OWN, STAGE, Kind, Own
from crmsync.portal.schema import Setup
from crmsync.sandbox import Request, Response
from tests.served import VERSIONS, Served, served


@pytest.fixture(params=VERSIONS)
def each(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(api_version=request.param) as both:
        yield both


@pytest.fixture
def both() -> Iterator[Served]:
    with served() as running:
        yield running


def ask(both: Served, method: str, path: str, body: object = None) -> Response:
    """Do something to the portal as another app with its own token would."""
    headers = {"authorization": f"Bearer {both.sandbox.token}"}
    said = both.sandbox.portal.handle(Request(method, path, headers, json.dumps(body or {}).encode()))
    assert isinstance(said, Response)
    assert said.status < 300, said.body
    return said


def create_property(both: Served, **more: object) -> None:
    given = {
        "name": Own.FIT,
        "label": "Fit",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
    } | more
    ask(both, "POST", "/crm/v3/properties/contacts", given)


def test_setup_creates_the_group_and_all_properties(each: Served) -> None:
    done = each.gateway.schema.setup()

    assert done == Setup(created=OWN, existing=(), group_created=True)
    there = each.gateway.schema.definitions(Kind.CONTACT)
    assert {name: there[name].type for name in OWN} == {
        Own.FIT: "number",
        Own.ENGAGEMENT: "number",
        Own.GRADE: "string",
        Own.OUTCOME: "string",
        Own.TRACK: "string",
        Own.DEFINITION: "string",
        Own.REASON: "string",
        Own.EVALUATED_AT: "datetime",
        Own.STAGE_CHANGED_AT: "datetime",
        Own.SLA_DUE_AT: "datetime",
    }
    assert each.gateway.schema.problems() == {}


def test_setup_again_sends_no_write(each: Served) -> None:
    each.gateway.schema.setup()
    each.forget_requests()

    assert each.gateway.schema.setup() == Setup(created=(), existing=OWN, group_created=False)
    assert [one.method for one in each.sandbox.portal.log] == ["GET"]


def test_setup_creates_only_what_is_missing_and_alters_nothing(both: Served) -> None:
    create_property(both, label="My own label")

    done = both.gateway.schema.setup()

    assert done.existing == (Own.FIT,)
    assert len(done.created) == len(OWN) - 1
    kept = ask(both, "GET", f"/crm/v3/properties/contacts/{Own.FIT}").json()
    assert (kept["label"], kept["groupName"]) == ("My own label", "contactinformation")


def test_a_property_of_our_name_with_another_type_is_in_the_way(both: Served) -> None:
    create_property(both, type="string", fieldType="text")

    with pytest.raises(PortalError, match=r"crmsync_fit: it has the type string instead of number"):
        both.gateway.schema.setup()
    assert not any(one.method == "POST" for one in both.sandbox.portal.log if "batch/create" in one.target)
    assert Own.FIT in both.gateway.schema.problems()


def test_an_archived_property_of_our_name_is_explained(both: Served) -> None:
    create_property(both)
    ask(both, "DELETE", f"/crm/v3/properties/contacts/{Own.FIT}")

    with pytest.raises(PortalError, match=r"(?i)archived.*crmsync_fit"):
        both.gateway.schema.setup()


@pytest.mark.parametrize("fault", ["500", "reset_before", "reset_after", "truncate", "html_200"])
@pytest.mark.parametrize("path", ["*/batch/create", "*/groups"])
def test_setup_that_lost_an_answer_is_simply_run_again(both: Served, fault: str, path: str) -> None:
    both.sandbox.arm(fault, path=path, method="POST")

    with pytest.raises(PortalError):
        both.gateway.schema.setup()
    both.gateway.schema.setup()

    assert set(OWN) <= set(both.gateway.schema.definitions(Kind.CONTACT))


def test_what_hubspot_did_not_create_is_named(both: Served) -> None:
    answer = {"results": [], "errors": [{"category": "VALIDATION_ERROR", "message": "no"}]}
    both.sandbox.arm("replace", path="*/batch/create", status=207, body=json.dumps(answer))

    with pytest.raises(Rejected, match=r"crmsync_fit.*VALIDATION_ERROR"):
        both.gateway.schema.setup()


def test_the_stages_come_in_display_order(each: Served) -> None:
    each.sandbox.edits.add_stage("51439524", "Trial", 3)

    assert each.gateway.schema.stages() == (
        "subscriber",
        "lead",
        "marketingqualifiedlead",
        "51439524",
        "salesqualifiedlead",
        "opportunity",
        "customer",
        "evangelist",
        "other",
    )


def test_the_stages_are_asked_for_once_by_cycles_and_lists_together(both: Served) -> None:
    for _ in range(2):
        both.gateway.schema.stages()
        both.gateway.page(Kind.CONTACT, properties=(STAGE,), associations=(), after=None)

    assert both.requests("/properties/") == 1


def test_the_account_tells_its_id_and_its_midnight(each: Served) -> None:
    account = each.gateway.account()

    assert (account.portal_id, account.zone.key) == ("148001", "Europe/Brussels")
    assert each.gateway._transport.clock.seconds_to_midnight() == 11 * 3600  # noon UTC is one o'clock there
    each.gateway.account()
    assert each.requests() == 1


def test_an_account_id_may_be_a_text(both: Served) -> None:
    both.sandbox.arm("replace", path="*/details", body='{"portalId": "148001", "timeZone": "US/Eastern"}')

    assert both.gateway.account().portal_id == "148001"


@pytest.mark.parametrize(("said", "is_known"), [("US/Eastern", True), ("Mars/Olympus", False)])
def test_a_time_zone_this_machine_does_not_know_is_told_apart(
    both: Served, said: str, is_known: bool
) -> None:
    both.sandbox.arm("replace", path="*/details", body=f'{{"portalId": 148001, "timeZone": "{said}"}}')

    account = both.gateway.account()

    assert (account.knows_zone, account.zone.key) == (is_known, said if is_known else "UTC")
    assert ("tzdata" in _portal(account).problem) is not is_known


def test_what_a_definition_needs_and_the_portal_lacks_is_listed(both: Served) -> None:
    needed = {Kind.CONTACT: ("country", "no_such"), Kind.COMPANY: ("industry", "nor_this")}

    assert both.gateway.schema.missing(needed) == ((Kind.CONTACT, "no_such"), (Kind.COMPANY, "nor_this"))


@pytest.mark.parametrize(
    "scope",
    [
        "crm.objects.contacts.write",
        "crm.schemas.contacts.write",
        "crm.objects.companies.read",
        "crm.objects.deals.read",
        "sales-email-read",
        "forms",
    ],
)
def test_missing_scopes_are_named_and_trying_changes_nothing(both: Served, scope: str) -> None:
    both.create(email="a@acme.example")
    before = len(both.sandbox.portal.effects)
    assert both.gateway.schema.missing_scopes(forms=True, deals=True, companies=True, emails=True) == ()
    both.sandbox.portal.app.scopes.discard(scope)

    assert both.gateway.schema.missing_scopes(forms=True, deals=True, companies=True, emails=True) == (scope,)
    assert len(both.sandbox.portal.effects) == before


def test_a_scope_that_no_rule_needs_is_not_missed(both: Served) -> None:
    both.sandbox.portal.app.scopes -= {"forms", "sales-email-read", "crm.objects.deals.read"}

    found = both.gateway.schema.missing_scopes(forms=False, deals=False, companies=True, emails=False)

    assert found == ()


def test_a_revoked_token_is_no_missing_scope(both: Served) -> None:
    both.sandbox.portal.access.revoke(both.sandbox.token)

    with pytest.raises(Unauthorized, match="ACCESS_TOKEN"):
        both.gateway.schema.missing_scopes(forms=False, deals=False, companies=False, emails=False)


def test_limits_are_known_after_the_first_answer(both: Served) -> None:
    both.gateway.account()

    assert both.gateway.daily_limit == 625_000
    assert both.gateway.daily_remaining == 624_999


@pytest.mark.parametrize("status", [400, 500])
def test_g12_what_the_portal_no_longer_gives_is_as_it_was_known(both: Served, status: int) -> None:
    both.gateway.schema.setup()
    stages, problems = both.gateway.schema.stages(), both.gateway.schema.problems()
    for path in ("*/contacts", "*/contacts/lifecyclestage"):
        both.sandbox.arm("replace", path=path, status=status, body="{}", count=None)
    both.time.pass_by(3_600)

    assert stages
    assert both.gateway.schema.stages() == stages
    assert both.gateway.schema.problems() == problems


def test_what_the_portal_never_gave_is_not_made_up(both: Served) -> None:
    both.sandbox.arm("replace", path="*/contacts", status=400, body="{}", count=None)

    with pytest.raises(Rejected):
        both.gateway.schema.problems()


def test_g12_one_definition_that_cannot_be_read_is_left_out(both: Served) -> None:
    both.gateway.schema.setup()
    rows = [
        {"name": one.name, "type": one.type} for one in both.gateway.schema.definitions(Kind.CONTACT).values()
    ]
    body = json.dumps({"results": [*rows, {"name": 7, "type": "string"}, None]})
    both.sandbox.arm("replace", path="*/contacts", body=body, count=None)
    both.time.pass_by(3_600)

    assert both.gateway.schema.problems() == {}


def test_a_stage_that_became_read_only_is_known_before_anything_is_written(both: Served) -> None:
    both.gateway.schema.setup()
    both.sandbox.portal.world.settings.frozen = {("contacts", STAGE), ("contacts", Own.FIT)}
    both.time.pass_by(3_600)

    assert set(both.gateway.schema.problems()) == {STAGE, Own.FIT}
