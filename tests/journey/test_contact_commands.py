"""`explain`, `history`, `erase`, `revert` and a plan that no longer fits, as a user runs them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crmsync.cycle.apply import CHOSEN_SINCE
from crmsync.model import STAGE
from tests.journey.command import run
from tests.journey.scene import DEFINITION, Scene, assert_fits_80_columns, scene


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One scene for the tests that only look, and for those that touch a contact of their own."""
    with scene(f"sqlite:///{tmp_path_factory.mktemp('told')}/crmsync.db") as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scene]:
    with scene(f"sqlite:///{tmp_path}/crmsync.db", contacts=40) as made:
        yield made


# --- explain


def test_explain_shows_every_criterion_and_the_points_add_up(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    document = told.json("explain", contact)

    evaluation, why = document["evaluation"], document["explanation"]
    assert sum(one["points"] for one in why["fit"]["criteria"]) == pytest.approx(why["fit"]["sum"])
    for name, group in why["groups"].items():
        assert sum(one["points"] for one in group["criteria"]) == pytest.approx(group["sum"], abs=1e-5)
        assert group["value"] == pytest.approx(evaluation["groups"][name], abs=1e-5)
    explained = {one["id"] for one in why["fit"]["criteria"]}
    explained |= {one["id"] for group in why["groups"].values() for one in group["criteria"]}
    assert explained == set(evaluation["points"])
    assert {one["id"]: one["truth"] for one in why["gates"]} == evaluation["gates"]


def test_explain_agrees_with_what_the_portal_shows(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    document = told.json("explain", contact)

    assert document["stage"] == told.shows(contact)
    assert document["evaluation"]["fit"] == pytest.approx(
        float(told.shows(contact, "crmsync_fit") or 0), abs=0.5
    )


def test_explain_for_people_fits_80_columns_and_names_what_is_missing(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    text = told.says("explain", contact)

    assert_fits_80_columns(text)
    assert "Gates" in text
    assert "Next: " in text
    assert "Known from the portal as of" in text
    assert "\x1b" not in text


def test_explain_says_that_a_changed_file_is_not_in_force(told: Scene, tmp_path: Path) -> None:
    contact = told.moved("promoted")[0]["id"]
    changed = tmp_path / "definition.yaml"
    changed.write_text(DEFINITION.read_text().replace("points: 30", "points: 29", 1))

    as_it_is = told.json("explain", contact)["knowledge"]["ends"]
    as_changed = told.json("--set", f"definition.path={changed}", "explain", contact)["knowledge"]["ends"]

    assert as_it_is == []
    assert len(as_changed) == 1
    assert "in force is still definition" in as_changed[0]


def test_explain_asks_nothing_of_the_portal_and_works_without_a_token(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]
    before = len(told.sandbox.portal.log)

    told.says(
        "explain",
        contact,
        env={"CRMSYNC_PORTAL__ACCESS_TOKEN": "", "CRMSYNC_PORTAL__BASE_URL": "http://127.0.0.1:1"},
    )

    assert len(told.sandbox.portal.log) == before


def test_explain_finds_a_contact_by_its_address_in_any_case(told: Scene) -> None:
    contact = next(one["id"] for one in told.moved("promoted") if told.shows(one["id"], "email"))
    address = told.shows(contact, "email") or ""

    document = told.json("explain", f" {address.upper()} ")

    assert document["contact"] == contact


def test_the_card_is_what_sales_read(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    card = told.says("explain", contact, "--card")

    shown = told.shows(contact, "crmsync_reason") or ""
    assert shown.partition("\nNext: ")[2].split(" needs: ")[0] in card.replace("\n", " ")
    assert_fits_80_columns(card)


def test_explain_of_a_time_before_us_says_where_the_knowledge_ends(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    knowledge = told.json("explain", contact, "--at", "30d")["knowledge"]

    assert knowledge["known_since"]
    assert any("has known this contact since" in one for one in knowledge["ends"])
    assert any("No definition was active then" in one for one in knowledge["ends"])


def test_explain_of_the_future_lets_things_fade(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]
    later = (datetime.now(UTC) + timedelta(days=3650)).date().isoformat()

    document = told.json("explain", contact, "--at", later)

    assert "future" in document["knowledge"]["ends"][0]
    assert all(one["points"] <= 0 for one in document["explanation"]["groups"]["product"]["criteria"])


def test_explain_at_uses_the_values_and_the_definition_of_then(own: Scene, tmp_path: Path) -> None:
    contact = own.moved("promoted")[0]["id"]
    before = own.json("explain", contact)
    then = datetime.now(UTC).isoformat()
    changed = tmp_path / "changed.yaml"
    changed.write_text(DEFINITION.read_text().replace('version: "2026.4"', 'version: "2099.1"'))
    own.sandbox.edits.human(contact, {"jobtitle": "student"})
    own.a_minute_later()
    env = {"CRMSYNC_DEFINITION__PATH": str(changed), "CRMSYNC_GUARD__PARK_ON_NEW_DEFINITION": "false"}
    own.says("sync", env=env)

    now, past = own.json("explain", contact, env=env), own.json("explain", contact, "--at", then, env=env)

    assert now["evaluation"]["definition"]["version"] == "2099.1"
    assert past["evaluation"]["definition"]["version"] == "2026.4"
    assert past["evaluation"]["points"].keys() == before["evaluation"]["points"].keys()
    assert now["evaluation"]["disqualified"] == ["dq.student"]
    assert past["evaluation"]["disqualified"] == []
    assert past["evaluation"]["fit"] == before["evaluation"]["fit"]
    assert past["stage"] == before["stage"]
    change = own.json("history", contact, "--all", env=env)["moments"][-1]
    of_the_change = own.json("explain", contact, "--at", change["at"], env=env)
    assert (
        of_the_change["evaluation"]["definition"] == change["definition"] != past["evaluation"]["definition"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody@nowhere.example",), "has that e-mail address"),
        (("101", "--at", "yesterday"), "is not an instant"),
    ],
)
def test_bad_input_is_a_sentence_with_the_next_step(
    told: Scene, arguments: tuple[str, ...], said: str
) -> None:
    refused = told.refuses("explain", *arguments)

    assert said in refused
    assert "Next: " in refused
    assert "nobody@nowhere.example" not in refused


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"CRMSYNC_WRITES__LIFECYCLESTAGE": "observe"}, "writes.lifecyclestage is observe"),
        ({"CRMSYNC_GUARD__MAX_STAGE_CHANGES": "0"}, "which is parked"),
    ],
)
def test_explain_says_why_a_wanted_change_is_not_made(own: Scene, setting: dict[str, str], said: str) -> None:
    contact = own.sandbox.edits.create("contacts", {"email": "new@acme.example"})
    own.sandbox.edits.submit("Ebook: Clean data in 30 days", "new@acme.example")
    own.a_minute_later()
    own.says("sync", env=setting, status=5 if "parked" in said else 0)

    text = own.says("explain", contact, env=setting)

    assert said in text.replace("\n", " ")
    assert_fits_80_columns(text)


# --- history


def test_history_says_who_when_from_to_why_and_by_which_definition(told: Scene) -> None:
    entry = told.moved("promoted")[0]

    text, document = told.says("history", entry["id"]), told.json("history", entry["id"])

    (moment,) = document["moments"]
    assert (moment["from"], moment["to"], moment["who"]) == (entry["before"], entry["after"], "crmsync")
    assert moment["why"].startswith("Became")
    assert moment["definition"]["version"] == "2026.4"
    assert moment["run"] == told.first["run"]
    assert entry["after"] in text
    assert_fits_80_columns(text)


def test_history_shows_other_peoples_changes_and_merges(own: Scene) -> None:
    first, second, third, *_ = (one["id"] for one in own.moved("promoted"))
    own.sandbox.edits.human(first, {STAGE: "evangelist"}, user_id=9_586_504)
    own.sandbox.edits.workflow(second, {STAGE: "evangelist"})
    own.a_minute_later()
    own.says("sync")
    own.sandbox.edits.merge(first, third)
    own.a_minute_later()
    own.says("sync")

    by_person = own.json("history", first)["moments"]
    by_workflow = own.json("history", second)["moments"]

    foreign = [one for one in by_person if one["what"] == "foreign"]
    assert [(one["to"], one["who"]) for one in foreign][:1] == [("evangelist", "a person (user 9586504)")]
    assert any(one["what"] == "foreign" and one["source"] == "workflow" for one in by_workflow)
    assert any(one["what"] == "merged" for one in by_person)
    assert own.json("history", third)["moments"] == by_person  # also for the one merged away


def test_history_of_everything_includes_the_scores(told: Scene) -> None:
    contact = told.moved("promoted")[0]["id"]

    properties = {one["property"] for one in told.json("history", contact, "--all")["moments"]}

    assert {STAGE, "crmsync_fit", "crmsync_engagement", "crmsync_grade"} <= properties


# --- erase


def test_erase_asks_first_and_leaves_a_trail_that_verifies(own: Scene) -> None:
    contact = next(one["id"] for one in own.moved("promoted") if own.shows(one["id"], "email"))
    address = own.shows(contact, "email") or ""
    assert "--yes" in own.refuses("erase", contact)

    done = own.json("erase", contact, "--yes", "--who", "anna")

    assert done["erased"] == [contact]
    assert done["entries"] > 0
    assert own.json("audit", "verify")["erased"] == done["entries"]
    assert "has that e-mail address" in own.refuses("explain", address)
    assert f"Contact {contact} was erased here on " in own.refuses("explain", contact)
    moments = own.json("history", contact)["moments"]
    assert moments[-1]["what"] == "erased"
    assert moments[-1]["who"] == "anna"
    assert all(one["from"] is one["to"] is None for one in moments)
    assert address not in own.says("audit", "export")


@pytest.mark.parametrize("arguments", [("424242", "--yes")])
def test_erase_refuses_whom_it_does_not_know(told: Scene, arguments: tuple[str, ...]) -> None:
    assert "Next: " in told.refuses("erase", *arguments)


# --- revert


def test_revert_plans_and_apply_restores(own: Scene) -> None:
    entries = own.moved("promoted")

    text = own.says("revert", own.first["run"])
    planned = own.json("revert", own.first["run"], "--only", "promotions")

    assert f"{entries[0]['after']} → {entries[0]['before']}" in text
    assert "crmsync_evaluated_at" not in text
    assert_fits_80_columns(text)
    assert planned["status"] == "open"
    assert planned["conflicts"] == []
    assert any("Workflows" in one for one in planned["remains"])
    assert {own.shows(one["id"]) for one in entries} <= {one["after"] for one in entries}
    applied = own.json("apply", planned["plan"])
    assert applied["changes"]["failed"] == applied["changes"]["abandoned"] == 0
    assert [own.shows(one["id"]) for one in entries] == [one["before"] for one in entries]
    assert own.json("sync")["status"] == "nothing"
    own.says("audit", "verify")
    (held,) = own.json("explain", entries[0]["id"])["held"]
    assert "a person set the stage on" in held  # who reverts is a person
    last = own.json("history", entries[0]["id"])["moments"][-1]
    assert (last["what"], last["to"]) == ("reverted", entries[0]["before"])


def test_revert_lists_what_somebody_changed_since(own: Scene) -> None:
    contact = own.moved("promoted")[0]["id"]
    own.sandbox.edits.human(contact, {STAGE: "evangelist"})
    own.a_minute_later()

    text = own.says("revert", own.first["run"], "--only", "promotions", "--contact", contact, status=4)

    assert "Nothing of run" in text
    assert contact in text
    assert_fits_80_columns(text)
    assert own.shows(contact) == "evangelist"
    planned = own.json("revert", own.first["run"], "--contact", contact, "--who", "anna", status=4)
    shown = own.json("plans", planned["plan"])
    assert shown["conflicts"] == planned["conflicts"] != []
    assert "1 value stays as it is" in own.says("plans", planned["plan"])
    (asked,) = [one for one in own.export("--kind", "revert.asked") if one["actor"] == "anna"]
    assert asked["reason"]["plan"] == planned["plan"]


def test_a_large_revert_waits_for_a_person(own: Scene) -> None:
    careful = {"CRMSYNC_GUARD__MAX_DEMOTIONS": "0"}

    planned = own.json("revert", own.first["run"], status=5, env=careful)

    assert planned["guard"]["parked"]
    assert "guard.max_demotions allows 0" in planned["guard"]["reasons"][0]
    assert "is parked" in own.refuses("apply", planned["plan"], status=5, env=careful)
    own.says("approve", planned["plan"], "--who", "anna")
    assert own.json("sync", env=careful)["changes"]["applied"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("r-20200101-0000-beef",), "crmsync audit list"),
        (("r-1", "--only", "everything"), "'everything' is not one of"),
    ],
)
def test_a_revert_of_nothing_known_is_refused(told: Scene, arguments: tuple[str, ...], said: str) -> None:
    assert said in told.refuses("revert", *arguments)


# --- approved plans that no longer fit


def test_an_approved_plan_that_no_longer_fits_is_replanned_never_forced(own: Scene) -> None:
    people = [one["id"] for one in own.moved("promoted")][:2]
    planned = own.json(
        "revert", own.first["run"], "--only", "promotions", *_of(people), status=5, env=_PARKING
    )
    own.says("approve", planned["plan"], "--who", "anna")
    own.a_minute_later()  # the portal's clock stood still meanwhile, ours did not
    own.sandbox.edits.human(people[0], {STAGE: "evangelist"})
    own.a_minute_later()

    done = run("sync", env=own.env)

    assert done.returncode == 4
    assert "Not written" in done.stdout
    assert CHOSEN_SINCE in " ".join(done.stdout.split())
    assert own.shows(people[0]) == "evangelist"
    assert own.shows(people[1]) == own.moved("promoted")[1]["before"]
    abandoned = own.export("--kind", "change.abandoned")
    assert {one["id"] for one in abandoned} == {people[0]}


def test_what_an_approved_plan_could_not_write_is_planned_again(own: Scene) -> None:
    contact = own.moved("promoted")[0]["id"]
    own.sandbox.edits.human(contact, {"jobtitle": "student"})
    own.a_minute_later()
    parked = own.json("plan", status=5, env=_PARKING)
    assert {one["id"] for one in parked["changes"]} == {contact}
    own.says("approve", parked["plan"], "--who", "anna")
    own.sandbox.edits.human(contact, {"crmsync_outcome": "nurture", "crmsync_fit": "1"})
    own.a_minute_later()

    summary = own.json("sync", status=4)

    assert summary["changes"]["abandoned"] > 0
    assert summary["evaluated"] == 1
    assert own.shows(contact, "crmsync_outcome") == "disqualified"
    assert own.json("sync")["status"] == "nothing"


_PARKING = {"CRMSYNC_WRITES__MODE": "plan"}


def _of(contacts: list[str]) -> list[str]:
    return [part for contact in contacts for part in ("--contact", contact)]


# --- the same on PostgreSQL


@pytest.mark.postgres
def test_the_commands_on_postgresql(postgres_url: str) -> None:
    with scene(postgres_url, contacts=30) as here:
        entry = here.moved("promoted")[0]
        assert here.json("explain", entry["id"])["stage"] == entry["after"]
        assert here.json("explain", entry["id"], "--at", "1h")["knowledge"]["ends"]
        planned: dict[str, Any] = here.json("revert", here.first["run"], "--contact", entry["id"])
        here.says("apply", planned["plan"])
        assert here.shows(entry["id"]) == entry["before"]
        moments = here.json("history", entry["id"])["moments"]
        assert [one["what"] for one in moments] == ["changed", "reverted"]
        assert here.json("erase", entry["id"], "--yes")["entries"] > 0
        assert here.json("audit", "verify")["erased"] > 0
        assert json.loads(here.says("audit", "export").splitlines()[0])["seq"] == 1
