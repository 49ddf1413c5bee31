"""How commands end: a reader that leaves, a full disk, Ctrl-C, and with --json one document whatever happens."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from crmsync.clock import utcnow
from crmsync.model import Draft
from crmsync.sandbox import Sandbox
from crmsync.store import open_store
from tests.journey.command import CRMSYNC, crmsync, environment_of, run
from tests.waiting import running, wait_for


@pytest.fixture
def store(tmp_path: Path) -> dict[str, str]:
    """A store in which nothing has happened yet."""
    url = f"sqlite:///{tmp_path}/crmsync.db"
    open_store(url, portal=None, now=utcnow).close()
    return {"CRMSYNC_STORE__URL": url}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=40, engagements=80, limits=False) as running:
        running.settle()
        yield running


def settings_for(sandbox: Sandbox, store: Mapping[str, str]) -> dict[str, str]:
    definition = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
    return {
        **store,
        "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
        "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
        "CRMSYNC_DEFINITION__PATH": str(definition),
    }


def printing_to(out: "IO[Any] | int", *arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [*CRMSYNC, *arguments],
        env=environment_of(env),
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["settings", "settings --json", "audit export --csv", "plans --json"])
def test_a_reader_that_has_left_is_no_error(command: str, store: dict[str, str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)

    status, said = printing_to(writes, *command.split(), env=store)
    os.close(writes)

    assert (status, said) == (0, "")


def test_the_work_is_done_and_its_exit_status_counts_though_the_reader_has_left(
    sandbox: Sandbox, store: dict[str, str]
) -> None:
    env = settings_for(sandbox, store)
    crmsync("setup", env=env)
    reads, writes = os.pipe()
    os.close(reads)

    status, said = printing_to(writes, "sync", env=env)
    os.close(writes)

    assert status == 5, said
    assert json.loads(crmsync("plans", "--json", env=env))[0]["status"] == "parked"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["settings", "settings --json", "audit export --csv"])
def test_standard_output_on_a_full_disk_is_a_sentence(command: str, store: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        status, said = printing_to(full, *command.split(), env=store)

    assert status == 2
    assert "Standard output cannot be written (No space left on device)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "status", "kind", "message"),
    [
        pytest.param("plans nothing", 2, "OperatorError", "There is no plan nothing.", id="usage"),
        pytest.param(
            "plnas", 2, "UsageError", "Did you mean one of: 'plan', 'plans'?", id="an unknown command"
        ),
        pytest.param("plans --colour", 2, "UsageError", "No such option '--colour'.", id="an unknown option"),
        pytest.param("doctor", 2, "SettingsError", "portal.access_token is not set.", id="settings"),
        pytest.param("audit verify --head " + "0" * 63 + "1", 7, "VerificationError", "", id="verification"),
    ],
)
def test_with_json_an_error_is_one_document_too(
    command: str, status: int, kind: str, message: str, store: dict[str, str]
) -> None:
    done = run(*command.split(), "--json", env=store)

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_status"], error["kind"]) == (status, status, kind)
    assert message in error["message"]
    assert error["next_step"]
    assert error["message"] in done.stderr


def test_ctrl_c_ends_a_cycle_at_a_safe_place_and_the_next_goes_on(
    sandbox: Sandbox, store: dict[str, str]
) -> None:
    env = settings_for(sandbox, store)
    crmsync("setup", env=env)
    before = len(sandbox.portal.log)
    sandbox.latency_s = 0.5
    with running([*CRMSYNC, "sync"], env=environment_of(env), stderr=subprocess.PIPE) as process:
        wait_for(lambda: any("/objects/" in one.target for one in list(sandbox.portal.log)[before:]))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    sandbox.latency_s = 0.0

    said = told.decode()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "stopping after what is in flight" in said
    assert "it goes on from there" in said
    assert json.loads(crmsync("sync", "--json", env=env, status=5))["evaluated"] > 0


def test_sigterm_while_it_still_starts_ends_as_quietly_as_ctrl_c(store: dict[str, str]) -> None:
    told_to_stop = (
        "import os, signal, sys; from crmsync import __main__; sys.argv = ['crmsync', 'plans'];"
        "sys.meta_path.insert(0, type('Stop', (), {'find_spec': lambda *_: os.kill(os.getpid(), signal.SIGTERM)})());"
        "__main__.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", told_to_stop],
        env=environment_of(store),
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_at_a_question_ends_it_at_once_and_does_nothing(store: dict[str, str]) -> None:
    known = open_store(store["CRMSYNC_STORE__URL"], portal=None, now=utcnow)
    known.trail.append([Draft("finding", object="contact", id="108")])
    known.close()

    statuses = [pressed_at_the_question(store) for _ in range(5)]  # it came too early for one in five or ten

    assert statuses == [-signal.SIGINT] * 5  # which a shell tells as 130
    assert "contact.erased" not in crmsync("audit", "list", env=store)


def pressed_at_the_question(store: Mapping[str, str]) -> int:
    """Erase on a terminal of its own, press Ctrl-C as soon as the question is seen, return the exit status."""
    ours, theirs = pty.openpty()
    owning_the_terminal = (
        "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "from crmsync.__main__ import main; sys.argv = ['crmsync', 'erase', '108']; main()"
    )
    command = [sys.executable, "-c", owning_the_terminal]
    inside = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with (
        os.fdopen(ours, "r+b", buffering=0) as terminal,
        running(command, env=environment_of(store), start_new_session=True, **inside) as process,
    ):
        os.close(theirs)
        said = b""
        while b"undone" not in said:
            said += terminal.read(1000)
        terminal.write(b"\x03")
        status: int = process.wait(timeout=60)
        return status


def test_a_terminal_shows_bars_that_end_and_standard_output_stays_one_document(
    sandbox: Sandbox, store: dict[str, str], tmp_path: Path
) -> None:
    env = {**settings_for(sandbox, store), "TERM": "xterm", "COLUMNS": "80"}
    crmsync("setup", env=env)
    terminal, inside = pty.openpty()
    with (
        (tmp_path / "out.json").open("wb") as out,
        running([*CRMSYNC, "plan", "--json"], env=environment_of(env), stdout=out, stderr=inside) as process,
    ):
        os.close(inside)
        shown = everything_from(terminal).decode(errors="replace")
        status = process.wait(timeout=60)

    assert status == 5, shown
    assert "contacts" in shown
    assert "40 of 40" in shown or "of 4" in shown or "of 3" in shown
    assert set(json.loads((tmp_path / "out.json").read_text())) == {
        "run",
        "plan",
        "as_of",
        "changes",
        "guard",
        "held",
        "unreadable",
    }


def everything_from(terminal: int) -> bytes:
    read = bytearray()
    try:
        while some := os.read(terminal, 65_536):
            read += some
    except OSError:  # Linux says EIO when the other end is closed
        pass
    os.close(terminal)
    return bytes(read)


def test_g13_a_bug_is_shown_with_its_place_and_without_the_value_it_may_quote() -> None:
    code = """
import click
from crmsync.cli.ending import run_to_the_end
@click.command()
def broken():
    raise ValueError("cannot read 'ann@" + "example.com'")
raise SystemExit(run_to_the_end(broken, []))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 1
    assert "in broken" in done.stderr
    assert "ValueError" in done.stderr
    assert "ann@example.com" not in done.stderr
