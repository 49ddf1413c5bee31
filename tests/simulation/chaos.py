"""Where a process can die: at each commit and each request; and what a dead one can still do: nothing."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crmsync.store import Store


class Crash(BaseException):
    """kill -9, as far as a process can do it to itself: nobody catches it, and nothing works after it."""


@dataclass(slots=True)
class Reaper:
    """
    Decides where the process dies.

    Attributes:
        share: of the failpoints that kill.
        at: the number of the failpoint that kills; 0: none in particular.
        passed: failpoints reached so far, with their names.
    """

    rng: random.Random
    share: float = 0.0
    at: int = 0
    is_dead: bool = False
    crashes: int = 0
    count: int = 0
    names: list[str] = field(default_factory=list)
    last: str = ""

    def point(self, name: str) -> None:
        """*Raises* Crash here, or because it already died."""
        self.check()
        self.count += 1
        if self.at:
            self.names.append(name)
        if self.count == self.at or (self.share and self.rng.random() < self.share):
            self.crashes += 1
            self.is_dead = True
            self.last = name
            raise Crash(name)

    def check(self) -> None:
        if self.is_dead:
            raise Crash(f"{self.last}, and dead since")

    def revive(self) -> None:
        self.is_dead = False


def mortal(store: Store, reaper: Reaper) -> Store:
    """Let the process die before and after each commit of this store; a dead one reaches it no more."""
    database: Any = store.database
    for name in ("write", "write_unfenced"):
        setattr(database, name, _dying(getattr(database, name), reaper))
    read = database.read

    @contextmanager
    def reading() -> Iterator[Any]:
        reaper.check()
        with read() as conn:
            yield conn

    database.read = reading
    return store


def _dying(write: Any, reaper: Reaper) -> Any:
    @contextmanager
    def writing() -> Iterator[Any]:
        reaper.check()
        with write() as conn:
            yield conn
            reaper.point("before commit")
        reaper.point("after commit")

    return writing
