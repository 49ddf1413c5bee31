"""A HubSpot portal in a process: for trying crmsync without an account, and for testing it under every fault."""

from types import TracebackType
from typing import Self

from crmsync.sandbox.changes.edits import Edits
from crmsync.sandbox.control import Controlled
from crmsync.sandbox.network.postman import Postman
from crmsync.sandbox.network.server import Server
from crmsync.sandbox.portal import Options, Portal
from crmsync.sandbox.seed.company import fill
from crmsync.sandbox.state.index import Lag
from crmsync.sandbox.times import Clock, ManualClock
from crmsync.sandbox.wire import Body, Request, Reset, Response

__all__ = [
    "Body",
    "Lag",
    "ManualClock",
    "Options",
    "Portal",
    "Request",
    "Reset",
    "Response",
    "Sandbox",
    "seeded_portal",
]


def seeded_portal(
    contacts: int = 200,
    *,
    engagements: int | None = None,
    options: Options | None = None,
    clock: Clock | None = None,
) -> Portal:
    """
    A portal with a believable company in it, without a server.

    Args:
        engagements: about four for each contact when None.
    """
    portal = Portal(options, clock)
    fill(portal, contacts, _usual(contacts) if engagements is None else engagements)
    return portal


def _usual(contacts: int) -> int:
    return 4 * contacts


class Sandbox:
    """
    A seeded portal on real HTTP; a context manager.

    Attributes:
        portal: the portal itself, for looking inside.
        edits: what others do to it.
    """

    def __init__(
        self,
        contacts: int = 200,
        *,
        engagements: int | None = None,
        seed: int = 1,
        tier: str = "pro",
        limits: bool = True,
        lag: Lag | None = None,
        clock: Clock | None = None,
        token: str | None = None,
        time_zone: str = "Europe/Brussels",
        port: int = 0,
        latency_s: float = 0.0,
    ) -> None:
        """*Raises* OSError when the port is taken."""
        options = Options(seed=seed, tier=tier, limits=limits, lag=lag, token=token, time_zone=time_zone)
        self.portal = Portal(options, clock)
        self._server = Server(
            Controlled(self.portal), port=port, latency_s=latency_s
        )  # a taken port is told before the work
        fill(self.portal, contacts, _usual(contacts) if engagements is None else engagements)
        self._postman = Postman(self.portal.world, self.portal.webhooks)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def token(self) -> str:
        return self.portal.token

    @property
    def edits(self) -> Edits:
        return self.portal.edits

    @property
    def latency_s(self) -> float:
        return self._server.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self._server.latency_s = seconds

    def start(self) -> Self:
        self._server.start()
        self._postman.start()
        return self

    def stop(self) -> None:
        self._postman.stop()
        self._server.stop()

    def arm(self, kind: str, **settings: object) -> None:
        """Arm a fault, see gate.faults.Rule."""
        with self.portal.lock:
            self.portal.faults.arm({"kind": kind, **settings})

    def settle(self) -> None:
        """Automation and the search index catch up at once."""
        with self.portal.lock:
            self.portal.world.settle_everything()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
