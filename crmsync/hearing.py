"""Ctrl-C and SIGTERM -> a call in the main thread, a wait that ends when one comes, or the end of the process."""

import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

SIGNALS = (signal.SIGTERM, signal.SIGINT)
Wait = Callable[[float | None], None]


@contextmanager
def heard(hear: Callable[[int], None]) -> Iterator[Wait]:
    """
    Call `hear` with the number of each signal; yield what waits for the next one, so many seconds at most.

    The wait may also end for nothing: ask again what it was for. A threading.Event does not do: a handler that sets
    it while the main thread begins to wait stands before the lock of the very thread it interrupted, for ever, and a
    signal between two steps of Python does not end a wait that has just begun.
    """
    told, bell = socket.socketpair()
    with told, bell:
        for end in (told, bell):
            end.setblocking(False)
        fd_before = signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        before = {one: signal.signal(one, lambda number, _: hear(number)) for one in SIGNALS}
        try:
            yield partial(_wait, told)
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
            signal.set_wakeup_fd(fd_before)


@contextmanager
def until_told() -> Iterator[None]:
    """Do what stands inside, then wait for Ctrl-C or SIGTERM; one that came meanwhile counts."""
    told: list[int] = []
    with heard(told.append) as wait:
        yield
        while not told:
            wait(None)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """
    Let the system end the process while it asks a person something.

    A handler of Python's runs between two steps of Python: a signal that comes just before the answer is read would
    wait for that answer.
    """
    before = {one: signal.signal(one, signal.SIG_DFL) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _wait(told: socket.socket, seconds: float | None) -> None:
    readable, _, _ = select.select([told], [], [], seconds)
    if readable:
        told.recv(64)
