"""Ctrl-C and SIGTERM for one cycle by hand: the first ends it at its next safe place, the second at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from crmsync.app import App
from crmsync.errors import Stopped
from crmsync.hearing import heard

_STDERR = 2
_SAID = b"crmsync: stopping after what is in flight; once more stops at once.\n"


@contextmanager
def stoppable(app: App) -> Iterator[None]:
    """
    Hear signals while a cycle runs and is reported.

    Raises:
        Stopped: it was told to stop; what is not written stays in its plan.
    """
    told: list[int] = []

    def hear(number: int) -> None:
        if told:
            os._exit(128 + number)  # all that counts is committed: the next cycle settles what is open
        told.append(number)
        if not sys.stderr.isatty():  # there the bars say it
            os.write(_STDERR, _SAID)  # a stream may be in the middle of a line

    app.should_stop = lambda: bool(told)
    with heard(hear):
        yield
    if told:
        raise Stopped(
            "Stopped; what was not written stays in its plan.",
            next_step="Run `crmsync sync`: it goes on from there.",
        )
