"""A sandbox on real HTTP and a gateway to it, on a clock that only moves when somebody waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from crmsync.model import Change, ContactId, Intent, Outcome, RunId
from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import Sandbox
from tests.inprocess import FakeTime

VERSIONS = ("v3", "2026-03", "2026-09")


@dataclass
class Served:
    """Both ends: what the portal is, and what crmsync sees of it."""

    sandbox: Sandbox
    gateway: Gateway
    time: FakeTime

    def create(self, **values: str) -> ContactId:
        """Let a person create a contact."""
        return ContactId(self.sandbox.edits.create("contacts", values))

    def sees(self, contact: str, name: str) -> str | None:
        """Say what the portal really holds."""
        return self.sandbox.edits.record(contact).text(name) or None

    def requests(self, part: str = "") -> int:
        """Count the requests the portal got, those with this part in their path."""
        return sum(part in one.target for one in self.sandbox.portal.log)

    def forget_requests(self) -> None:
        self.sandbox.portal.reset_log()

    def update(self, *changes: Change) -> list[Outcome]:
        return list(self.gateway.update([an_intent(one) for one in changes]))


_seq = count(1)


def a_change(contact: str, name: str, after: str, *, before: str | None = None, step: int = 0) -> Change:
    return Change(ContactId(contact), name, before, after, "test", {}, step)


def an_intent(change: Change) -> Intent:
    return Intent(next(_seq), RunId("r-1"), change, FakeTime().wall())


@contextmanager
def served(contacts: int = 0, *, sandbox: dict[str, Any] | None = None, **config: Any) -> Iterator[Served]:
    """
    Start both.

    Args:
        sandbox: settings of the sandbox; by default it has no limits.
        config: settings of PortalConfig.
    """
    time = FakeTime()
    given: dict[str, Any] = {"limits": False, "clock": time.wall} | (sandbox or {})
    with Sandbox(contacts, **given) as running:
        fast: dict[str, Any] = {"burst_per_10s": 100_000, "search_per_s": 1_000, "timeout_s": 5.0}
        settings = PortalConfig(base_url=running.url, access_token=running.token, **(fast | config))
        gateway = connect(settings, monotonic=time.monotonic, sleep=time.sleep, utcnow=time.wall)
        yield Served(running, gateway, time)
        gateway.close()
