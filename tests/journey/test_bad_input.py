"""Every mistake gets a sentence with the next step and its exit status; nothing is half done; no secret is told."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmsync.clock import utcnow
from crmsync.sandbox import Sandbox
from crmsync.store import open_store
from tests.journey.command import run

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=30, engagements=30, limits=False) as running:
        yield running


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
        "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
        "CRMSYNC_STORE__URL": f"sqlite:///{tmp_path}/crmsync.db",
        "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
    }


def assert_says(command: str, env: dict[str, str], status: int, *words: str) -> None:
    done = run(*command.split(), env=env)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_an_unknown_setting_is_named_with_the_nearest_one(env: dict[str, str]) -> None:
    env["CRMSYNC_PORTAL__ACESS_TOKEN"] = "x"
    assert_says("sync", env, 2, "CRMSYNC_PORTAL__ACESS_TOKEN", "did you mean CRMSYNC_PORTAL__ACCESS_TOKEN")


def test_a_setting_out_of_range_says_where_it_came_from(env: dict[str, str]) -> None:
    env["CRMSYNC_GUARD__MAX_SHRINK"] = "2"
    assert_says(
        "sync", env, 2, "guard.max_shrink = '2' (CRMSYNC_GUARD__MAX_SHRINK)", "less than or equal to 1"
    )


def test_without_a_token_it_says_where_to_get_one(env: dict[str, str]) -> None:
    del env["CRMSYNC_PORTAL__ACCESS_TOKEN"]
    assert_says("sync", env, 2, "portal.access_token is not set", "Service keys")


def test_a_revoked_token_is_a_portal_error_and_is_not_repeated(env: dict[str, str]) -> None:
    env["CRMSYNC_PORTAL__ACCESS_TOKEN"] = "pat-eu1-secret-that-was-revoked"
    assert_says("sync", env, 3, "token")
    assert "secret-that-was-revoked" not in run("sync", env=env).stderr


def test_a_missing_scope_is_named(env: dict[str, str]) -> None:
    with Sandbox(contacts=5, engagements=5, limits=False) as sandbox:
        sandbox.portal.app.scopes.discard("crm.objects.companies.read")
        narrow = env | {
            "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
            "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
        }
        run("setup", env=narrow)
        assert_says("sync", narrow, 3, "crm.objects.companies.read")


def test_missing_properties_send_to_setup_before_anything_is_written(env: dict[str, str]) -> None:
    with Sandbox(contacts=5, engagements=5, limits=False) as bare:
        env |= {"CRMSYNC_PORTAL__BASE_URL": bare.url, "CRMSYNC_PORTAL__ACCESS_TOKEN": bare.token}
        assert_says("sync", env, 3, "crmsync_fit", "crmsync setup")
        assert not [one for one in bare.portal.log if one.target.endswith("/batch/update")]


def test_every_problem_of_a_definition_is_told_with_its_place(env: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        DEFINITION.read_text().replace("at_least: 0.75", "at_lest: 0.75").replace("cap: 36", "cap: x")
    )
    env["CRMSYNC_DEFINITION__PATH"] = str(broken)
    assert_says("sync", env, 2, "broken.yaml:", "at_lest", "at_least", "cap")
    told = run("check", env=env)
    assert told.returncode == 2
    assert "at_lest" in told.stdout


def test_an_unwritable_store_is_a_store_error(env: dict[str, str]) -> None:
    env["CRMSYNC_STORE__URL"] = "sqlite:////proc/crmsync.db"
    assert_says("sync", env, 6, "/proc/crmsync.db")


def test_a_file_that_is_no_database_is_a_store_error(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "crmsync.db").write_text("this is not a database, and long enough to be read as one" * 20)
    assert_says("sync", env, 6, "crmsync.db")


def test_a_store_of_a_newer_crmsync_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    open_store(env["CRMSYNC_STORE__URL"], portal=None, now=utcnow).close()
    with sqlite3.connect(tmp_path / "crmsync.db") as database:
        table = "schema_version"
        (column,) = [row[1] for row in database.execute(f"PRAGMA table_info({table})")][:1]
        database.execute(f"UPDATE {table} SET {column} = 9999")
    database.close()
    assert_says("sync", env, 6, "newer")


def test_a_port_in_use_is_told_before_anything_starts(env: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env["CRMSYNC_WEB__PORT"] = str(taken.getsockname()[1])
        assert_says("run", env, 2, "in use", "web.port")


@pytest.mark.parametrize(
    "command", ["plans", "history 101", "explain 101", "audit head", "report", "revert r-1"]
)
def test_asking_about_the_past_makes_no_store(command: str, env: dict[str, str], tmp_path: Path) -> None:
    env["CRMSYNC_STORE__URL"] = f"sqlite:///{tmp_path}/mistyped/crmsync.db"

    assert_says(command, env, 2, f"There is no store at {tmp_path}/mistyped/crmsync.db yet", "crmsync plan")

    assert list(tmp_path.iterdir()) == []


def test_check_tells_all_mistakes_in_the_settings_at_once_with_their_lines(
    env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        '[guard]\nmax_demotion = 3\n[schedule]\ncycle_every = "60"\n[web]\nport = "abc"\n[writes]\nmode = "aply"\n'
    )
    done = run("--config", str(file), "check", env=env)

    assert done.returncode == 2
    assert f"guard.max_demotion ({file}:2): no such setting; did you mean guard.max_demotions?" in done.stdout
    assert f"schedule.cycle_every = '60' ({file}:4): write a duration" in done.stdout
    assert f"web.port = 'abc' ({file}:6)" in done.stdout
    assert f"writes.mode = 'aply' ({file}:8): should be 'apply', 'plan' or 'observe'" in done.stdout


def test_check_tells_what_the_settings_cannot_be_used_for(env: dict[str, str]) -> None:
    env |= {"CRMSYNC_STORE__URL": "mysql://host/db", "CRMSYNC_WEB__HOST": "0.0.0.0"}
    done = run("check", env=env)

    assert done.returncode == 2
    assert "mysql is not a database crmsync knows" in done.stdout
    assert "web.token is not set" in done.stdout


def test_check_without_a_definition_sends_to_init(env: dict[str, str], tmp_path: Path) -> None:
    del env["CRMSYNC_DEFINITION__PATH"]
    done = run("check", env=env, cwd=tmp_path)

    assert done.returncode == 2
    assert "`crmsync init` writes one" in done.stdout


def test_a_plan_that_is_not_there_sends_to_the_list(env: dict[str, str]) -> None:
    open_store(env["CRMSYNC_STORE__URL"], portal=None, now=utcnow).close()
    assert_says("plans nothing", env, 2, "There is no plan nothing", "crmsync plans")


def test_a_secret_comes_from_a_file(env: dict[str, str], tmp_path: Path, sandbox: Sandbox) -> None:
    secret = tmp_path / "token"
    secret.write_text(sandbox.token + "\n")
    del env["CRMSYNC_PORTAL__ACCESS_TOKEN"]
    env["CRMSYNC_PORTAL__ACCESS_TOKEN_FILE"] = str(secret)

    assert run("doctor", env=env).returncode in (0, 3)
    shown = run("settings", env=env).stdout

    assert sandbox.token not in shown
    assert "CRMSYNC_PORTAL__ACCESS_TOKEN_FILE" in shown


@pytest.mark.skipif(os.name != "posix", reason="the exit status of signals is POSIX")
def test_json_is_exactly_one_document(env: dict[str, str]) -> None:

    run("setup", env=env)
    done = run("plan", "--json", env=env)

    assert set(json.loads(done.stdout)) == {"run", "plan", "as_of", "changes", "guard", "held", "unreadable"}


def test_a_portal_before_setup_is_not_ready_and_nobody_says_it_is(env: dict[str, str]) -> None:
    with Sandbox(contacts=30, engagements=30, limits=False) as sandbox:
        env |= {"CRMSYNC_PORTAL__BASE_URL": sandbox.url, "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token}
        looked, refused = run("doctor", env=env), run("sync", env=env)

    assert looked.returncode == 0
    assert "! own properties: 0 of 10 there" in looked.stdout
    assert looked.stdout.endswith("Next: crmsync setup\n")
    assert "All is well" not in looked.stdout
    assert refused.returncode == 3
    assert "10 properties (crmsync_fit, crmsync_engagement, " in refused.stderr
    assert refused.stderr.count("not in the portal") == 1


def test_doctor_looks_at_everything_though_scopes_are_missing(env: dict[str, str]) -> None:
    with Sandbox(contacts=30, engagements=30, limits=False) as sandbox:
        for scope in ("crm.objects.companies.read", "forms"):
            sandbox.portal.app.scopes.discard(scope)
        env |= {"CRMSYNC_PORTAL__BASE_URL": sandbox.url, "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token}
        done = run("doctor", "--json", env=env)

    told = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 3
    assert "crm.objects.companies.read" in told["scopes"]["found"]
    assert "forms" in told["scopes"]["found"]
    assert told["own properties"]["next_command"] == "crmsync setup"
    assert "`forms`" in told["events"]["lacks"]
    assert told["who else writes the stage"]["problem"] == ""
    assert told["stages"]["problem"] == ""
