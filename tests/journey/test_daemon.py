"""The daemon as an operator meets it: health, metrics, a revoked token, SIGTERM."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crmsync.sandbox import Sandbox
from tests.journey.command import crmsync, environment_of
from tests.journey.test_main_job import environment


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=60, engagements=120, limits=False) as running:
        running.settle()
        yield running


@contextmanager
def daemon(env: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "crmsync", "run"], env=environment_of(env), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        address = next(line.split()[1] for line in process.stderr if line.startswith("pages:"))
        yield process, address
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(claim: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again until it holds: another process is at work, there is nothing to wait on but what it shows."""
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < deadline, "it did not happen in time"
        select_nothing(0.1)
    return found


def select_nothing(seconds: float) -> None:
    import select

    select.select([], [], [], seconds)


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
        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        took = time.monotonic() - asked_at

    assert (status, json.loads(health)["ok"]) == (200, True)
    assert "crmsync_cycles_total" in metrics
    assert 'crmsync_contacts{stage="lead"}' in metrics
    assert process.returncode == 0
    assert took < 20
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
    sandbox.latency_s = 1.0
    env = settings_for(sandbox, tmp_path)
    sandbox.latency_s = 0.0
    crmsync("setup", env=env)
    sandbox.latency_s = 5.0
    with daemon(env) as (process, _):
        select_nothing(1.0)
        process.send_signal(signal.SIGTERM)
        select_nothing(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=5)

    assert process.returncode != 0
