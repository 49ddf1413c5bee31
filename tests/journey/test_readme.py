"""Every command of the README runs, in its order, against a portal; every link leads somewhere."""

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmsync.cli import root
from crmsync.sandbox import Sandbox
from tests.journey.command import CRMSYNC, environment_of, run
from tests.waiting import running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=80, engagements=300, limits=False) as running:
        running.settle()
        yield running


def test_every_crmsync_command_runs_in_the_order_of_the_readme(sandbox: Sandbox, tmp_path: Path) -> None:
    env = {"CRMSYNC_PORTAL__BASE_URL": sandbox.url, "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token}
    known = {"PLAN": "", "CONTACT": "101", "RUN": ""}
    for command in (line for line in COMMANDS if line.startswith("crmsync ")):
        words = [known.get(word, word) for word in shlex.split(command)[1:]]
        if words == ["run"]:
            runs_until_it_is_told_to_stop(env, tmp_path)
            continue
        done = run(*words, env=env, cwd=tmp_path)
        assert done.returncode in expected_of(words), (
            f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        plans = json.loads(run("plans", "--json", env=env, cwd=tmp_path).stdout) if words[0] == "plan" else ()
        known |= {"PLAN": plans[0]["plan"], "RUN": plans[0]["run"]} if plans else {}
        if words[0] == "apply":
            known["RUN"] = re.search(r"r-\d{8}-\d{4}-\w+", done.stdout)[0]  # type: ignore[index]  # it prints its run


def expected_of(words: list[str]) -> tuple[int, ...]:
    match words[0]:
        case "plan":
            return (5,)  # the first plan of this portal moves many contacts: parked, as the README says
        case "revert":
            return (0, 5)
        case _:
            return (0,)


def runs_until_it_is_told_to_stop(env: dict[str, str], folder: Path) -> None:
    command = [*CRMSYNC, "--set", "web.port=0", "run"]
    pipe = {"stderr": subprocess.PIPE, "text": True}
    with running(command, env=environment_of(env), cwd=folder, **pipe) as process:
        assert process.stderr is not None
        assert any(line.startswith("pages: http://127.0.0.1:") for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_the_other_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    others = [line for line in COMMANDS if not line.startswith(("crmsync ", "make "))]
    assert others == [". .venv/bin/activate", "export CRMSYNC_PORTAL__ACCESS_TOKEN=pat-eu1-..."]


def test_the_table_of_commands_names_each_of_them() -> None:
    import click

    table = README.partition("## Commands")[2].partition("## Glossary")[0]
    for name in root.list_commands(click.Context(root)):
        assert re.search(rf"`{name}[` ]", table), name


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
