"""The main job as a user runs it: real command, real portal over HTTP, real database; judged by a second reader."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import parse_contact
from crmsync.definition.load import load
from crmsync.model import OWN, STAGE, Evaluation
from crmsync.sandbox import Sandbox
from tests.journey.command import crmsync
from tests.journey.portal_reader import PortalReader

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
WIDE_OPEN = {
    "CRMSYNC_WRITES__LIFECYCLESTAGE": "own",
    "CRMSYNC_WRITES__RESPECT_MANUAL_FOR": "0s",
    "CRMSYNC_GUARD__MAX_STAGE_CHANGES": "100000",
    "CRMSYNC_GUARD__MAX_STAGE_CHANGE_SHARE": "1",
    "CRMSYNC_GUARD__MAX_DEMOTIONS": "100000",
}


def environment(sandbox: Sandbox, store: str, api_version: str = "2026-09") -> dict[str, str]:
    return WIDE_OPEN | {
        "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
        "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
        "CRMSYNC_PORTAL__API_VERSION": api_version,
        "CRMSYNC_STORE__URL": store,
        "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
    }


def expected_of(records: list[dict[str, Any]], as_of: datetime) -> dict[str, Evaluation]:
    contacts = [parse_contact(json.dumps(record)) for record in records]
    return {one.id: one for one in Evaluator(load(DEFINITION)).evaluate(contacts, as_of)}


def writes_seen(sandbox: Sandbox) -> Counter[tuple[str, str, str]]:
    seen: Counter[tuple[str, str, str]] = Counter()
    for request in sandbox.portal.log:
        if request.target.endswith("/batch/update") and request.status in (200, 207):
            for one in json.loads(request.body)["inputs"]:
                seen.update((one["id"], name, value) for name, value in one["properties"].items())
    return seen


def prove_main_job(sandbox: Sandbox, env: dict[str, str]) -> None:
    definition = load(DEFINITION)
    reader = PortalReader(sandbox.url, sandbox.token)
    sandbox.settle()
    records = reader.records(sorted(definition.needs.contact | {STAGE}), sorted(definition.needs.company))
    crmsync("setup", env=env)
    sandbox.portal.reset_log()

    first = json.loads(crmsync("sync", "--json", env=env))

    assert first["status"] == "applied"
    assert first["pulled"]["contacts"] == len(records)
    assert first["changes"]["applied"] == first["changes"]["intended"] > len(records)
    portal_now = {one["id"]: one["properties"] for one in reader.listed("contacts", (STAGE, *OWN))}
    as_of = {shown["crmsync_evaluated_at"] for shown in portal_now.values()}
    assert len(as_of) == 1
    assert_portal_agrees(portal_now, expected_of(records, datetime.fromisoformat(as_of.pop())))
    assert_trail_matches(sandbox, env)
    sandbox.portal.reset_log()
    sandbox.settle()

    second = json.loads(crmsync("sync", "--json", env=env))

    assert second["status"] == "nothing"
    assert writes_seen(sandbox) == Counter()
    crmsync("audit", "verify", env=env)
    reader.close()


def assert_portal_agrees(
    portal_now: Mapping[str, Mapping[str, str | None]], expected: Mapping[str, Evaluation]
) -> None:
    """Compare the stage and the ten properties, contact by contact."""
    wrong: list[tuple[object, ...]] = []
    for contact, evaluation in expected.items():
        shown = portal_now[contact]
        stage = evaluation.to or evaluation.stage
        told = {
            STAGE: stage,
            "crmsync_grade": evaluation.grade,
            "crmsync_outcome": evaluation.outcome,
            "crmsync_track": evaluation.track,
        }
        wrong += [
            (contact, name, shown[name], value)
            for name, value in told.items()
            if (shown[name] or None) != value
        ]
        for name, score in (("crmsync_fit", evaluation.fit), ("crmsync_engagement", evaluation.engagement)):
            if shown[name] is None or abs(float(shown[name] or 0) - score) > 0.5:
                wrong.append((contact, name, shown[name], score))
        if (
            not (shown["crmsync_definition"] or "").startswith("b2b-saas 2026.4")
            or not shown["crmsync_reason"]
        ):
            wrong.append(
                (
                    contact,
                    "crmsync_definition or _reason",
                    shown["crmsync_definition"],
                    shown["crmsync_reason"],
                )
            )
        moved = evaluation.to is not None
        if (shown["crmsync_stage_changed_at"] == shown["crmsync_evaluated_at"]) is not moved:
            wrong.append((contact, "crmsync_stage_changed_at", shown["crmsync_stage_changed_at"], moved))
        if (shown["crmsync_sla_due_at"] is not None) is not (stage == "marketingqualifiedlead"):
            wrong.append((contact, "crmsync_sla_due_at", shown["crmsync_sla_due_at"], stage))
    assert wrong == []


def assert_trail_matches(sandbox: Sandbox, env: Mapping[str, str]) -> None:
    """Each write that the server saw has its intent and its outcome in the exported trail, and the other way round."""
    entries = [json.loads(line) for line in crmsync("audit", "export", env=env).splitlines()]
    intents = {one["seq"]: one for one in entries if one["kind"] == "change.intended"}
    outcomes = Counter(one["of"] for one in entries if one["kind"] in ("change.applied", "change.failed"))
    intended = Counter((one["id"], one["property"], one["after"]) for one in intents.values())
    assert writes_seen(sandbox) == intended
    assert outcomes == Counter(intents.keys())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=120, engagements=480, limits=False) as running:
        yield running


@pytest.mark.parametrize("api_version", ["v3", "2026-03", "2026-09"])
def test_a_sync_brings_every_contact_to_what_the_definition_gives(
    sandbox: Sandbox, tmp_path: Path, api_version: str
) -> None:
    prove_main_job(sandbox, environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db", api_version))


@pytest.mark.postgres
def test_the_same_on_postgresql(sandbox: Sandbox, postgres_url: str) -> None:
    prove_main_job(sandbox, environment(sandbox, postgres_url))


@pytest.mark.slow
def test_two_thousand_contacts_with_eight_thousand_engagements(tmp_path: Path) -> None:
    with Sandbox(contacts=2000, engagements=8000, limits=False) as sandbox:
        prove_main_job(sandbox, environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db"))
