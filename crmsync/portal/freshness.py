"""When crmsync last looked at what it is about to write -> whether a write may still leave."""

from collections.abc import Callable
from threading import local

SINCE_ANSWER_S = 1.0
SINCE_REQUEST_S = (
    10.0  # a slow answer must not stop all writing; a process that stood still while it waited must
)
"""How old a comparison may be when its write leaves. HubSpot has no conditional write: this window is what remains."""


class Stale(Exception):
    """The write waited (for a rate limit, a lock, a stopped process) after it was compared: compare again."""


class Freshness:
    """
    Asked for each write after all waiting, right before it goes out.

    Args:
        may_write: raises when somebody else writes to this portal by now.
    """

    def __init__(self, monotonic: Callable[[], float], may_write: Callable[[], None]) -> None:
        self._monotonic = monotonic
        self._may_write = may_write
        self._sent = local()
        self._asked_at: float | None = None
        self._answered_at = 0.0

    def note_sent(self) -> None:
        """Note that a request leaves this thread now."""
        self._sent.count = getattr(self._sent, "count", 0) + 1
        if self._sent.count == 1:
            self._sent.first = self._monotonic()

    def looking(self) -> None:
        """Begin to look at what will be written over, in this thread."""
        self._sent.count = 0

    def looked(self) -> None:
        """Note that it is here now; what took several requests is as old as the first of them."""
        self._answered_at = self._monotonic()
        self._asked_at = self._sent.first if self._sent.count else self._answered_at
        if self._sent.count > 1:
            self._answered_at = self._asked_at

    def begin(self) -> None:
        """Begin to write what somebody compared; who never looks here is believed once."""
        if self._asked_at is None:
            self.looking()
            self.looked()

    def check(self) -> None:
        """*Raises* Stale, and whatever `may_write` raises."""
        self._may_write()
        now = self._monotonic()
        if (
            self._asked_at is None
            or now - self._answered_at > SINCE_ANSWER_S
            or now - self._asked_at > SINCE_REQUEST_S
        ):
            raise Stale
