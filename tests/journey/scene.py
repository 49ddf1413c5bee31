"""A portal with a company in it and a store after the first sync: where the commands about the past start from."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crmsync.model import STAGE
from crmsync.sandbox import Lag, ManualClock, Sandbox
from tests.journey.command import crmsync, run

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
OPEN = {
    "CRMSYNC_WRITES__LIFECYCLESTAGE": "own",
    "CRMSYNC_GUARD__MAX_STAGE_CHANGES": "100000",
    "CRMSYNC_GUARD__MAX_STAGE_CHANGE_SHARE": "1",
    "CRMSYNC_GUARD__MAX_DEMOTIONS": "100000",
}


@dataclass(frozen=True)
class Scene:
    """
    Attributes:
        clock: the portal's; it stands still until a test moves it.
        first: what the first sync printed.
    """

    sandbox: Sandbox
    clock: ManualClock
    env: dict[str, str]
    first: dict[str, Any]

    def a_minute_later(self) -> None:
        """Let the portal's time pass, so that the next search looks at what was edited."""
        self.clock.advance(60)
        self.sandbox.settle()

    def says(self, *arguments: str, status: int = 0, env: Mapping[str, str] | None = None) -> str:
        return crmsync(*arguments, env=self.env | dict(env or {}), status=status)

    def json(self, *arguments: str, status: int = 0, env: Mapping[str, str] | None = None) -> Any:
        return json.loads(self.says(*arguments, "--json", status=status, env=env))

    def refuses(self, *arguments: str, status: int = 2, env: Mapping[str, str] | None = None) -> str:
        """Return what a command that must fail said on standard error, without a traceback."""
        done = run(*arguments, env=self.env | dict(env or {}))
        assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert "error" in json.loads(done.stdout) if "--json" in arguments else done.stdout == ""
        return done.stderr

    def export(self, *filters: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.says("audit", "export", *filters).splitlines()]

    def shows(self, contact: str, name: str = STAGE) -> str | None:
        """Say what the portal really holds."""
        with self.sandbox.portal.lock:
            return self.sandbox.edits.record(contact).text(name) or None

    def moved(self, cause: str) -> list[dict[str, Any]]:
        """Return the applied stage changes of the first sync with this cause, the first of each contact."""
        filters = (
            "--kind",
            "change.intended",
            "--cause",
            cause,
            "--property",
            STAGE,
            "--run",
            self.first["run"],
        )
        found = {one["id"]: one for one in reversed(self.export(*filters))}
        return [found[one] for one in sorted(found, key=int)]


@contextmanager
def scene(store: str, contacts: int = 60) -> Iterator[Scene]:
    """Set up, sync once."""
    clock = ManualClock(datetime.now(UTC))
    with Sandbox(
        contacts, engagements=4 * contacts, limits=False, lag=Lag(0, 0, 0.0), clock=clock
    ) as sandbox:
        env = OPEN | {
            "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
            "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
            "CRMSYNC_STORE__URL": store,
            "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
        }
        sandbox.settle()
        crmsync("setup", env=env)
        yield Scene(sandbox, clock, env, json.loads(crmsync("sync", "--json", env=env)))


def assert_fits_80_columns(text: str) -> None:
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert wide == []
