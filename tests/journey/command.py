"""The real command in a process of its own, as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CRMSYNC = (sys.executable, "-m", "crmsync")


def environment_of(env: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without any setting of crmsync but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRMSYNC_")}
    return clean | dict(env)


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CRMSYNC, *arguments],
        env=environment_of(env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def crmsync(*arguments: str, env: Mapping[str, str], status: int = 0) -> str:
    """Run the command, check its exit status, return what it printed."""
    done = run(*arguments, env=env)
    assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
