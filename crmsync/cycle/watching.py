"""How far a cycle has come, told to whoever watches; and the question whether it should stop."""

from collections.abc import Callable
from typing import Protocol

from crmsync.errors import Stopped

FORMS, EVALUATE, WRITE = "forms", "evaluate", "write"


class Watcher(Protocol):
    """Told by several threads at once; quick, and never raises."""

    def begin(self, step: str, total: Callable[[], int | None]) -> None:
        """
        Hear that a step begins.

        Args:
            step: a kind of the portal, FORMS, EVALUATE or WRITE.
            total: how many there are, None: nobody knows. May cost a request: for those who show it.
        """

    def advance(self, step: str, count: int) -> None:
        """Hear that so many more are done."""


class Nobody:
    """Does not watch."""

    def begin(self, step: str, total: Callable[[], int | None]) -> None:
        pass

    def advance(self, step: str, count: int) -> None:
        pass


def unknown() -> None:
    """Say that nobody knows how many there are."""


def stop_if(should_stop: bool) -> None:  # noqa: FBT001 - it reads as a sentence: stop if ...
    """*Raises* Stopped."""
    if should_stop:
        raise Stopped(
            "Stopped before there was a plan; what was read is kept.",
            next_step="Run it again: it goes on from there.",
        )
