"""
Ctrl-C and SIGTERM: the first ends a cycle by hand at its next safe place, the second at once.

At a question, where nothing is under way, the first one does.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from crmsync.app import App
from crmsync.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2
_SAID = b"crmsync: stopping after what is in flight; once more stops at once.\n"


@contextmanager
def stoppable(app: App) -> Iterator[None]:
    """
    Hear signals while a cycle runs and is reported.

    Raises:
        Stopped: it was told to stop; what is not written stays in its plan.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if heard:
            os._exit(128 + number)  # all that counts is committed: the next cycle settles what is open
        heard.append(number)
        if not sys.stderr.isatty():  # there the bars say it
            os.write(_STDERR, _SAID)  # a stream may be in the middle of a line

    app.should_stop = lambda: bool(heard)
    before = {one: signal.signal(one, hear) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if heard:
        raise Stopped(
            "Stopped; what was not written stays in its plan.",
            next_step="Run `crmsync sync`: it goes on from there.",
        )


@contextmanager
def ended_at_once() -> Iterator[None]:
    """
    Let the system end the process while it asks a person something.

    A handler of Python's runs between two steps of Python: a signal that comes just before the answer is read would
    wait for that answer.
    """
    before = {one: signal.signal(one, signal.SIG_DFL) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def until_told() -> None:
    """Wait until Ctrl-C or SIGTERM."""
    told = threading.Event()
    before = {one: signal.signal(one, lambda *_: told.set()) for one in _SIGNALS}
    try:
        told.wait()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
