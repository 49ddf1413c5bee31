"""The daemon as an operator meets it: health, metrics, a revoked token, SIGTERM."""

import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from crmsync.sandbox import Sandbox
from tests.journey.command import CRMSYNC, crmsync, environment_of
from tests.journey.test_main_job import environment
from tests.waiting import running, wait_for


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=60, engagements=120, limits=False) as running:
        running.settle()
        yield running


@contextmanager
def daemon(env: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Start it; yield it with the address of its pages. What it logs goes to a file, which never fills like a pipe."""
    with (
        tempfile.TemporaryFile() as log,
        running([*CRMSYNC, "run"], env=environment_of(env), stderr=log) as process,
    ):
        yield process, wait_for(lambda: address_in(log, process))


def address_in(log: IO[bytes], process: "subprocess.Popen[bytes]") -> str | None:
    said = os.pread(log.fileno(), 65_536, 0).decode()  # without moving the place where the daemon writes on
    assert process.poll() is None, said
    found = re.search(r"^pages: (\S+)\n", said, re.MULTILINE)
    return found[1] if found else None


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def settings_for(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    every = {"CRMSYNC_WEB__PORT": "0", "CRMSYNC_SCHEDULE__CYCLE_EVERY": "1s", "CRMSYNC_PORTAL__LAG_S": "0"}
    return environment(sandbox, f"sqlite:///{tmp_path}/crmsync.db") | every


def test_it_syncs_says_how_it_is_and_stops_within_twenty_seconds(sandbox: Sandbox, tmp_path: Path) -> None:
    env = settings_for(sandbox, tmp_path)
    crmsync("setup", env=env)
    with daemon(env) as (process, address):
        wait_for(lambda: json.loads(get(f"{address}healthz")[1]).get("cycles", 0) >= 2)
        status, health = get(f"{address}healthz")
        _, metrics = get(f"{address}metrics")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)

    assert (status, json.loads(health)["ok"]) == (200, True)
    assert "crmsync_cycles_total" in metrics
    assert 'crmsync_contacts{stage="lead"}' in metrics
    assert process.returncode == 0
    assert [one for one in sandbox.portal.log if one.target.endswith("/batch/update")]


def test_a_revoked_token_stops_writing_and_health_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    env = settings_for(sandbox, tmp_path)
    crmsync("setup", env=env)
    with daemon(env) as (process, address):
        wait_for(lambda: json.loads(get(f"{address}healthz")[1]).get("cycles", 0) >= 1)
        sandbox.portal.access.revoke(sandbox.token)
        status, health = wait_for(lambda: (found := get(f"{address}healthz"))[0] == 503 and found)
        assert process.poll() is None

    assert json.loads(health)["may_write"] is False
    assert status == 503


def test_a_second_signal_ends_it_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    env = settings_for(sandbox, tmp_path)
    crmsync("setup", env=env)
    sandbox.latency_s, before = 5.0, len(sandbox.portal.log)
    with daemon(env) as (process, _):
        wait_for(
            lambda: len(sandbox.portal.log) > before
        )  # a cycle has begun; its first answer takes five seconds
        wait_for(lambda: has_ended(process, signal.SIGTERM))

    assert process.returncode != 0


def has_ended(process: "subprocess.Popen[bytes]", told: signal.Signals) -> bool:
    """Look whether it has ended, and tell it to again."""
    process.send_signal(told)
    return process.poll() is not None
