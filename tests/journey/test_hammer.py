"""People edit over HTTP at any moment while the daemon works, is killed and goes on: nobody is overwritten."""

import json
import random
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from crmsync.model import STAGE
from crmsync.sandbox import Sandbox
from crmsync.sandbox.portal import APP_ID
from crmsync.sandbox.state.world import Effect
from tests.journey.command import crmsync
from tests.journey.test_crash import assert_the_trail_tells_what_happened, trail
from tests.journey.test_daemon import daemon, settings_for
from tests.waiting import meanwhile, wait_for

pytestmark = pytest.mark.slow

STAGES = ("salesqualifiedlead", "subscriber", "")
OTHERS = (
    {"crmsync_fit": "7"},
    {"crmsync_grade": "mine"},
    {"crmsync_outcome": ""},
    {"jobtitle": "VP Sales"},
    {"jobtitle": "student"},
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=40, engagements=120, limits=False, latency_s=0.01) as running:
        running.settle()
        yield running


def people(sandbox: Sandbox) -> AbstractContextManager[None]:
    """Edit one contact after the other until the block ends."""
    rng, edits = random.Random(7), edits_of(sandbox)

    def edit(is_over: threading.Event) -> None:
        contact = rng.choice(list(edits))
        values = edits[contact].pop() if edits[contact] and rng.random() < 0.5 else rng.choice(OTHERS)
        body = json.dumps({"id_": contact, "values": values}).encode()
        request = urllib.request.Request(f"{sandbox.url}/_sandbox/edits/human", body, method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass
        is_over.wait(rng.random() / 10)

    return meanwhile(edit)


def edits_of(sandbox: Sandbox) -> dict[int, list[dict[str, str]]]:
    """Give each contact stages to be set to, each once and none it has had: going back to one leaves nothing to see."""
    contacts = sandbox.portal.world.shelf("contacts").live
    return {
        id_: [{STAGE: stage} for stage in STAGES if stage != record.text(STAGE)]
        for id_, record in contacts.items()
    }


def cycles_written(sandbox: Sandbox) -> int:
    return sum("/batch/update" in one.target for one in list(sandbox.portal.log))


def test_g4_no_value_is_overwritten_that_was_visible_before_we_compared(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = settings_for(sandbox, tmp_path) | {"CRMSYNC_WRITES__RESPECT_MANUAL_FOR": "30d"}
    crmsync("setup", env=env)
    with people(sandbox):
        with daemon(env):  # killed at the end of the block
            wait_for(lambda: cycles_written(sandbox) >= 6, 120)
        with daemon(env):
            wait_for(lambda: cycles_written(sandbox) >= 12, 120)
    crmsync("sync", env=env)

    entries = trail(env)
    assert overwritten(sandbox, entries) == []
    assert_the_trail_tells_what_happened(sandbox, entries)
    assert not [one for one in entries if one["kind"] == "change.foreign" and APP_ID in one["actor"]]
    crmsync("audit", "verify", env=env)


def overwritten(sandbox: Sandbox, entries: list[dict[str, Any]]) -> list[str]:
    """Find our writes over a value that we could have seen: not the one intended over, or a stage a person chose."""
    wrong: list[str] = []
    befores: dict[tuple[str, str, str], set[str]] = {}
    for one in entries:
        if one["kind"] == "change.intended":
            befores.setdefault((one["id"], one["property"], one["after"] or ""), set()).add(
                one["before"] or ""
            )
    lives: dict[tuple[str, str], list[Effect]] = {}
    for effect in sandbox.portal.effects:
        key = effect.id, effect.property
        life = lives.setdefault(key, [])
        known = life[-1] if life else None
        life.append(effect)
        if effect.act.source.id != APP_ID or known is None or known.act.source.type != "CRM_UI":
            continue
        if known.act.at_ms >= compared_at(sandbox, effect):
            continue  # in the moment between: no client can exclude it
        intended = (effect.before or "") in befores.get((*key, effect.after), set())
        if not intended or effect.property == STAGE:
            told = " ".join(f"{one.act.source.type}@{one.act.at_ms}:{one.after}" for one in life[-6:])
            wrong.append(f"{key} {intended=}, compared at {compared_at(sandbox, effect)}: {told}")
    return wrong


def compared_at(sandbox: Sandbox, write: Effect) -> int:
    """Tell when the last batch read before a write came in."""
    return max(
        (
            one.at_ms
            for one in sandbox.portal.log
            if one.n < write.request and one.target.endswith("/contacts/batch/read")
        ),
        default=0,
    )
