"""What the pages say, over real HTTP: on six weeks of a real company, and where there is nothing yet."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest

from crmsync.cycle.reconcile import Policy
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.load import load
from crmsync.model import (
    STAGE,
    ContactId,
    Draft,
    Gone,
    Intake,
    Kind,
    Own,
    PlanStatus,
    Snapshot,
    Tally,
    Version,
)
from crmsync.store.audit.filtering import AuditFilter
from tests.edge.web_desk import EMAIL, PLAN, REVERT, RUN, Visit, visit
from tests.edge.web_scene import Scene, a_company
from tests.waiting import wait_for

DAY = datetime(2026, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with a_company(tmp_path_factory.mktemp("company")) as lived:
        yield lived


@pytest.fixture(scope="module")
def http(scene: Scene) -> Iterator[httpx.Client]:
    running = scene.service.pages()
    with httpx.Client(base_url=running.address, timeout=30) as client:
        yield client
    running.stop()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Visit]:
    with visit(tmp_path, empty=True) as visited:
        yield visited


def words(answer: httpx.Response) -> str:
    """What a page says, without its markup."""
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def stage_word(stage: str) -> str:
    return {"none": "empty", "lead": "Lead", "subscriber": "Subscriber", "marketingqualifiedlead": "MQL"}[
        stage
    ]


# --- overview ----------------------------------------------------------------------------------------------


def test_the_overview_counts_every_contact_once(scene: Scene, http: httpx.Client) -> None:
    table = http.get("/").text.partition("Contacts by stage</caption>")[2].partition("</table>")[0]

    counted = [int(number) for number in re.findall(r'class="num">(\d+)<', table)]

    assert sum(counted) == scene.app.store.mirror.size()


def test_the_overview_says_what_changed_today_and_why(scene: Scene, http: httpx.Client) -> None:
    said = words(http.get("/"))

    assert "Lead → to MQL promoted 1" in said
    applied = [one for one in scene.desk.today().counts if one.kind == "change.applied"]
    assert f"{sum(one.count for one in applied)} changes applied" in said


def test_the_overview_shows_the_plan_that_waits_and_why(scene: Scene, http: httpx.Client) -> None:
    plan = scene.app.store.plans.plans(status=PlanStatus.PARKED)[0]

    assert f"1 plan waits for you {plan.id} : {' '.join(plan.reasons)}" in words(http.get("/"))


def test_what_needs_a_person_stands_on_top_while_cycles_go_well(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        told = {
            "ok": True,
            "problems": ["The file has 2 problems."],
            "definition_problem": "The file has 2 problems.",
        }
        visited.desk.daemon = replace(visited.desk.daemon, health=lambda: told)

        said = words(visited.http.get("/"))

        assert visited.http.get("/healthz").status_code == 200
        assert "Something needs you The file has 2 problems." in said.partition("Funnel")[0]
        assert "State degraded" in said
        assert said.count("The file has 2 problems.") == 1


# --- contact -----------------------------------------------------------------------------------------------


def test_the_contact_page_says_why_the_contact_is_an_mql(scene: Scene, http: httpx.Client) -> None:
    said = words(http.get(f"/contacts/{scene.contact}"))

    view = scene.desk.contact(scene.contact)
    assert view is not None
    evaluation = view.evaluation
    assert evaluation is not None
    assert "Stays MQL (marketing qualified lead)" in said
    assert "demo request, " in said
    for criterion in evaluation.points:
        assert criterion in said
    for gate in evaluation.gates:
        assert gate in said


def test_a_change_that_waits_or_is_held_back_says_why_before_anything_else(
    scene: Scene, http: httpx.Client
) -> None:
    plans = scene.app.store.plans
    plan = plans.plans(status=PlanStatus.PARKED)[0].id
    waiting = next(one.contact for slice_ in plans.changes(plan) for one in slice_ if one.property == STAGE)
    observing = replace(scene.desk, policy=lambda: Policy(stages="observe"))
    stage, at = scene.desk.outline(waiting).stage, scene.clock() - timedelta(days=1)  # type: ignore[union-attr]  # it is known

    shown = words(http.get(f"/contacts/{waiting}"))
    view = observing.contact(waiting)

    assert f"The stage change waits in plan {plan} , which is parked." in shown
    assert view is not None
    assert view.held[0] == "The stage is not changed: writes.lifecyclestage is observe."
    assert "is not changed" not in words(http.get(f"/contacts/{scene.contact}"))
    by_a_person = Version(stage, at, "CRM_UI", "userId:1", is_person=True, is_ours=False)
    scene.app.store.mirror.take(Intake(versions={waiting: by_a_person}))
    assert f"a person set the stage on {at:%Y-%m-%d}" in words(http.get(f"/contacts/{waiting}"))


def test_the_arithmetic_of_a_past_change_is_shown_with_its_entry(scene: Scene, http: httpx.Client) -> None:
    promoted = scene.app.store.trail.entries(
        AuditFilter(contact=scene.contact, kind="change.intended", property=STAGE)
    )
    engaged = scene.app.store.trail.entries(
        AuditFilter(contact=scene.contact, kind="change.intended", property=Own.ENGAGEMENT)
    )

    told = (promoted[0].draft.reason or {})["evaluation"]
    assert f"The arithmetic of that moment Fit {told['fit']['value']:g} " in words(
        http.get(f"/audit/{promoted[0].seq}")
    )
    assert "eng.demo" in words(http.get(f"/audit/{engaged[0].seq}"))


def test_as_of_an_earlier_day_the_page_shows_what_was_true_then(scene: Scene, http: httpx.Client) -> None:
    then = words(http.get(f"/contacts/{scene.contact}?at=2026-10-20"))

    assert "As of 20 Oct 2026, 23:59 UTC" in then
    assert "Lead since" in then
    assert "Marketing qualified lead since" not in then


def test_before_the_mirror_knew_a_contact_the_page_says_so(scene: Scene, http: httpx.Client) -> None:
    assert "the oldest known values stand in" in words(http.get(f"/contacts/{scene.contact}?at=2026-09-01"))


def test_a_persons_change_stands_in_the_timeline_with_who_it_was(scene: Scene, http: httpx.Client) -> None:
    foreign = scene.app.store.trail.entries(AuditFilter(kind="change.foreign", property=STAGE))
    assert foreign

    said = words(http.get(f"/contacts/{foreign[0].draft.id}"))

    assert "a person (user 9586504)" in said
    assert "Opportunity" in said


def test_a_contact_merged_away_leads_to_the_one_that_lives(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        visited.store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "102", into="101"),)))

        answer = visited.http.get("/contacts/102")

        assert (answer.status_code, answer.headers["location"]) == (303, "/contacts/101")
        assert "merged with 102" in words(visited.http.get("/contacts/101"))


def test_a_contact_that_is_gone_still_has_its_past(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        visited.store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101"),)))

        said = words(visited.http.get("/contacts/101"))

        assert "no longer in the portal" in said
        assert "Lifecycle stage : Lead → to MQL" in said


@pytest.mark.parametrize("picture", ["stages", "scores"])
def test_a_picture_tells_its_content_in_words_too(scene: Scene, http: httpx.Client, picture: str) -> None:
    answer = http.get(f"/contacts/{scene.contact}/{picture}.svg")

    assert answer.headers["content-type"] == "image/svg+xml"
    assert re.search(r"<title>\w[^<]+</title><desc>\w[^<]+</desc>", answer.text)
    assert "prefers-color-scheme:dark" in answer.text
    assert "<script" not in answer.text


# --- plans and runs ----------------------------------------------------------------------------------------


def test_a_plan_is_grouped_by_stage_cause_and_criterion(scene: Scene, http: httpx.Client) -> None:
    plan = scene.app.store.plans.plans(status=PlanStatus.PARKED)[0]
    contacts = {change.contact for some in scene.app.store.plans.changes(plan.id) for change in some}

    said = words(http.get(f"/plans/{plan.id}"))

    assert plan.tally.promoted == len(contacts)
    assert f"promoted {len(contacts)} {len(contacts)}" in said
    for move, count in plan.tally.stages.items():
        before, after = (stage_word(stage) for stage in move.split(">"))
        assert f"{before} → to {after} : {count}" in said
        assert all(re.search(rf"{contact} (\w+) → to {after} ", said) for contact in contacts)
    assert f"eng.demo {len(contacts)}, +" in said


def test_a_plan_says_who_is_held_and_why(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        plan = visited.store.plans.plan(PLAN)
        assert plan is not None
        shown = {ContactId("101"): "person", ContactId("102"): "human_only"}
        tally = Tally(held=23, withheld={"person": 22, "human_only": 1}, held_shown=shown)
        visited.store.plans.finish(replace(plan, tally=tally))

        said = words(visited.http.get(f"/plans/{PLAN}"))

    assert "set by a person lately (writes.respect_manual_for) 22 101 and 21 more" in said
    assert "left to people by the definition 1 102" in said


def test_an_applied_plan_has_no_buttons(scene: Scene, http: httpx.Client) -> None:
    plan = scene.app.store.plans.plans(status=PlanStatus.APPLIED)[0]

    assert "<button" not in http.get(f"/plans/{plan.id}").text.partition("<main")[2]


def test_a_run_shows_every_change_once_over_its_pages_a_contact_on_one(
    scene: Scene, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmsync.web.pages.runs._CHANGES_A_PAGE", 100)
    first = scene.app.store.trail.runs(limit=100)[-1]
    path, seen, contacts, outcomes = f"/runs/{first.id}", [], [], []

    while path:
        page = http.get(path).text.partition('id="changes"')[2]
        seen += re.findall(r'href="/audit/(\d+)"', page)
        contacts += re.findall(r'<th scope="row"><a href="/contacts/(\d+)"', page)
        outcomes += re.findall(r'<td><span class="tag (\w+)"', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(older[1]) if older else ""

    assert len(seen) == len(set(seen)) == first.kinds["change.intended"]
    assert len(contacts) == len(set(contacts))
    assert outcomes == ["applied"] * len(contacts)


def test_a_run_shows_its_stage_changes_before_all_else(scene: Scene, http: httpx.Client) -> None:
    first = scene.app.store.trail.runs(limit=100)[-1]
    moved = scene.app.store.trail.entries(AuditFilter(run=first.id, kind="change.intended", property=STAGE))
    assert moved

    shown = http.get(f"/runs/{first.id}").text.partition('id="stages"')[2].partition("</table>")[0]

    assert re.findall(r'href="/audit/(\d+)"', shown) == [str(one.seq) for one in moved]


def test_a_revert_says_what_stays_and_what_it_cannot_undo(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        answer = visited.submit(f"/runs/{RUN}/revert", only="promotions", who="Anna")

        assert visited.decisions.made == [("revert", RUN, "promotions", "Anna")]
        said = words(visited.http.get(answer.headers["location"]))
        assert "Workflows that the changes set off in the portal have run" in said
        assert "1 conflict: these stay as they are" in said
        assert "a person set it since: <img" in said
        assert f"{REVERT} : a revert that was planned." in words(visited.http.get("/"))


def test_what_a_revert_left_stands_in_the_life_of_the_contact(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        shown = words(visited.http.get("/contacts/102"))

    assert f"The revert of run {RUN} left it as it was" in shown
    assert "Lifecycle stage : left as it was" in shown
    assert "empty → to empty" not in shown


def test_a_revert_may_be_of_single_contacts(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        form = visited.http.get(f"/runs/{RUN}?contact=101").text
        assert 'name="contacts" value="101"' in form

        visited.submit(f"/runs/{RUN}/revert", who="Anna", contacts=f"101, {EMAIL}\n102")
        unknown = visited.submit(f"/runs/{RUN}/revert", who="Anna", contacts="101 999")
        nameless = visited.submit(f"/runs/{RUN}/revert", contacts="101")

        assert visited.decisions.made == [("revert", RUN, "everything", "Anna", "101", "102")]
        assert unknown.status_code == nameless.status_code == 400
        assert "No contact has this id or e-mail address" in unknown.text
        assert 'name="contacts" value="101 999"' in unknown.text
        assert "Write your name" in nameless.text


# --- audit -------------------------------------------------------------------------------------------------


def test_paging_through_the_trail_shows_every_entry_once_both_ways(scene: Scene, http: httpx.Client) -> None:
    def walk(path: str, direction: str) -> list[int]:
        seen = []
        while path:
            page = http.get(path).text
            seen.append([int(seq) for seq in re.findall(r'<th scope="row"><a href="/audit/(\d+)"', page)])
            onward = re.search(rf'href="([^"]+)" rel="{direction}"', page)
            path = unescape(onward[1]) if onward else ""
        return [seq for page_ in (seen if direction == "next" else reversed(seen)) for seq in page_]

    expected = list(range(scene.app.store.trail.head().seq, 0, -1))

    assert walk("/audit", "next") == expected
    assert walk("/audit?after=0", "prev") == expected


@pytest.mark.parametrize(("query", "where"), [
    ("cause=promoted", AuditFilter(cause="promoted")),
    ("kind=change.foreign", AuditFilter(kind="change.foreign")),
    (f"property={STAGE}&kind=change.applied", AuditFilter(property=STAGE, kind="change.applied")),
    ("actor=crmsync&definition=2026.4", AuditFilter(actor="crmsync", definition="2026.4")),
    ("day=2026-10-12&cause=score_moved", AuditFilter(since=DAY, until=DAY + timedelta(days=1), cause="score_moved")),
])  # fmt: skip
def test_export_gives_exactly_what_the_filter_shows(
    scene: Scene, http: httpx.Client, query: str, where: AuditFilter
) -> None:
    lines = [json.loads(line) for line in http.get(f"/audit/export.jsonl?{query}").text.splitlines()]

    expected = [entry.seq for entry in reversed(scene.app.store.trail.entries(where, limit=10_000))]
    assert [line["seq"] for line in lines] == expected
    assert expected


def test_export_is_the_whole_trail_that_verifies(scene: Scene, http: httpx.Client) -> None:
    lines = http.get("/audit/export.jsonl").text.splitlines()

    assert len(lines) == scene.app.store.trail.head().seq
    assert json.loads(lines[-1])["hash"] == scene.app.store.trail.head().hash


# --- definition --------------------------------------------------------------------------------------------


def test_the_definition_is_told_in_sentences_with_version_and_signatures(http: httpx.Client) -> None:
    said = words(http.get("/definition"))

    assert "Becomes MQL (marketing qualified lead) when fit is A or B g.fit , and" in said
    assert "Signed for marketing void" in said
    assert "28 Feb 2027" in said
    assert re.search(r"b2b-saas 2026\.4 [0-9a-f]{12} 5 Oct 2026, 07:\d\d UTC now", said)


def test_a_definition_is_found_by_the_start_of_its_hash(scene: Scene, http: httpx.Client) -> None:
    assert http.get(f"/definition/{scene.app.definition.ref.sha256[:12]}").status_code == 200
    assert http.get("/definition/a").status_code == 404


def test_the_difference_of_two_definitions_is_told(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        old = visited.desk.current
        text = Path(old.name).read_text(encoding="utf-8")
        later = text.replace("points: 50, within: 90d", "points: 60, within: 90d").replace(
            '"2026.4"', '"2026.5"'
        )
        assert later != text
        new = load(later)
        visited.store.definitions.keep(old.ref, text)
        visited.store.definitions.keep(new.ref, later)

        said = words(
            visited.http.get(f"/definition/difference?old={old.ref.sha256}&new={new.ref.sha256[:12]}")
        )

        assert "eng.demo" in said
        assert "50" in said
        assert "60" in said


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Visit]:
    """Two definitions of the same version: one in force, with a span before another's; one in the file, in PLAN."""
    with visit(tmp_path) as visited:
        old = visited.desk.current
        text = Path(old.name).read_text(encoding="utf-8")
        other, new = (
            load(text.replace("points: 50, within: 90d", f"points: {points}, within: 90d"))
            for points in (55, 60)
        )
        visited.store.definitions.keep(old.ref, text)
        visited.store.definitions.keep(new.ref, text.replace("points: 50, w", "points: 60, w"))
        for one in (old, other, old):
            visited.clock.advance(60)
            visited.store.trail.append([Draft("definition.activated", definition=one.ref)])
        visited.desk.current, visited.desk.qualifier = new, Evaluator(new)
        plan = visited.store.plans.plan(PLAN)
        assert plan is not None
        visited.store.plans.finish(replace(plan, definition=new.ref))
        yield visited


def test_a_changed_file_is_not_shown_as_the_definition_but_as_what_waits(changed: Visit) -> None:
    new, old = changed.desk.current.ref, changed.store.definitions.active_at()
    assert old is not None

    here, there = (
        words(changed.http.get("/definition")),
        words(changed.http.get(f"/definition/{new.short_hash}")),
    )

    assert re.search(rf"b2b-saas 2026\.4 in force [^·]+ · {old.short_hash}", here)
    assert f"The file holds a newer one, b2b-saas 2026.4 {new.short_hash} : it waits in plan {PLAN}" in here
    assert f"until then b2b-saas 2026.4 {old.short_hash} is in force" in there
    assert "no longer in force" not in here + there


def test_a_changed_file_does_not_decide_what_the_contact_page_says(changed: Visit) -> None:
    view = changed.desk.contact(ContactId("101"))

    assert view is not None
    assert view.evaluation is not None
    assert view.evaluation.definition == changed.store.definitions.active_at()


def test_while_a_definition_waits_nothing_is_promised_under_the_one_in_force(changed: Visit) -> None:
    long_since = changed.clock() - timedelta(days=200)
    silent = Snapshot(
        Kind.CONTACT, "103", long_since, {STAGE: "marketingqualifiedlead"}, stage_entered_at=long_since
    )
    changed.store.mirror.take(Intake(snapshots=(silent,)))
    changed.desk.policy = lambda: Policy(stages="own")

    said = words(changed.http.get("/contacts/103"))

    assert "The definition was changed: its first plan says what becomes of this." in said
    assert "The next cycle changes the stage" not in said


def test_a_newer_definition_whose_plan_was_rejected_waits_for_the_next_one(changed: Visit) -> None:
    changed.store.plans.decide(PLAN, PlanStatus.REJECTED, "Anna")

    assert "it waits for the next cycle to make its first plan" in words(changed.http.get("/definition"))


def test_versions_of_one_name_are_told_apart_and_every_span_is_listed(changed: Visit) -> None:
    table = changed.http.get("/definition").text.partition('id="versions"')[2]
    spans = re.findall(r"<code>([0-9a-f]{12})</code>", table)

    assert spans == [one.ref.short_hash for one in changed.desk.versions()]
    assert len(spans) == 3
    assert f"since b2b-saas 2026.4 {spans[1]}" in table


def test_the_plan_of_a_changed_definition_leads_to_what_changed(changed: Visit) -> None:
    link = re.search(r'href="(/definition/difference[^"]+)"', changed.http.get(f"/plans/{PLAN}").text)
    assert link is not None

    said = words(changed.http.get(unescape(link[1])))

    old, new = changed.desk.versions()[0].ref, changed.desk.current.ref
    assert f"From b2b-saas 2026.4 {old.short_hash} to b2b-saas 2026.4 {new.short_hash}" in said
    assert "eng.demo" in said


# --- nothing yet -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "said"), [
    ("/", "No contacts yet."),
    ("/", "Nothing was changed today."),
    ("/", "No run has written anything yet."),
    ("/plans", "No plan yet."),
    ("/runs", "No run has written anything yet."),
    ("/runs?before=5", "There are no older runs."),
    ("/audit", "The trail is empty."),
    ("/audit?cause=promoted", "No entry matches."),
    ("/audit/verify", "Not checked since crmsync was started."),
    ("/definition", "No definition has been in force yet"),
])  # fmt: skip
def test_where_there_is_nothing_a_page_says_what_comes_next(empty: Visit, path: str, said: str) -> None:
    assert said in words(empty.http.get(path))


def test_an_unknown_contact_is_answered_beside_the_question(empty: Visit) -> None:
    unknown, blank = (
        empty.submit("/contacts/find", contact="nobody@x.example"),
        empty.submit("/contacts/find", contact=" "),
    )

    assert (unknown.status_code, blank.status_code) == (404, 400)
    assert "No contact has this id or e-mail address." in unknown.text
    assert "nobody@x.example" not in unknown.text


def test_every_page_answers_on_either_database(store_url: str) -> None:
    with visit(store_url) as visited:
        paths = [
            "/",
            "/contacts/101",
            "/plans",
            f"/plans/{PLAN}",
            "/runs",
            f"/runs/{RUN}",
            "/audit",
            "/definition",
        ]
        paths += [
            "/audit?kind=change.&cause=promoted&day=2026-11-22",
            "/audit/1",
            "/audit/export.jsonl",
            "/metrics",
        ]

        answers = {path: visited.http.get(path).status_code for path in paths}

        assert set(answers.values()) == {200}
        assert "applied entry 4" in words(visited.http.get("/audit/1"))
        assert "The chain holds" in checked(visited)


# --- verification ------------------------------------------------------------------------------------------


def checked(visited: Visit) -> str:
    """Begin a check and ask until it has ended."""
    visited.submit("/audit/verify")
    said: str = wait_for(
        lambda: "Look again" not in (text := visited.http.get("/audit/verify").text) and text
    )
    return re.sub(r"<[^>]+>", " ", said)


def test_a_whole_chain_is_found_whole(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        said = checked(visited)

        assert "The chain holds" in said
        assert visited.store.trail.head().hash in said


def test_a_changed_entry_is_named(tmp_path: Path) -> None:
    with visit(tmp_path) as visited:
        with visited.store.database.write() as conn:
            for (name,) in conn.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).all():
                conn.exec_driver_sql(f"DROP TRIGGER {name}")
            conn.exec_driver_sql("UPDATE audit SET actor = 'nobody' WHERE seq = 4")

        said = checked(visited)

        assert "The chain does not hold" in said
        assert "Audit entry 4 was changed." in said
