"""Waiting for processes and threads: never for ever, and none of them outlives its block."""

import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any


def wait_for(claim: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again until it holds: another process is at work, there is nothing to wait on but what it shows."""
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < deadline, "it did not happen in time"
        select.select([], [], [], 0.1)
    return found


@contextmanager
def running(
    command: Sequence[str], *, seconds: float = 240.0, **how: Any
) -> Iterator["subprocess.Popen[Any]"]:
    """
    Start a process, and end it with the block.

    It lives no longer than so many seconds: so whoever reads what it says, or waits for its end, sees that.
    """
    process = subprocess.Popen(command, **how)
    last_hour = threading.Timer(seconds, process.kill)
    last_hour.daemon = True
    last_hour.start()
    try:
        yield process
    finally:
        last_hour.cancel()
        process.kill()
        process.wait(timeout=30)
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            with suppress(OSError):  # what it was not yet told, nobody hears any more
                pipe.close()


@contextmanager
def meanwhile(act: Callable[[threading.Event], None], threads: int = 1) -> Iterator[None]:
    """Let threads act again and again until the block ends; `act` is given what says so, to wait on it."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            act(is_over)

    at_work = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for one in at_work:
        one.start()
    try:
        yield
    finally:
        is_over.set()
        joined(at_work)


def joined(threads: Sequence[threading.Thread], seconds: float = 60.0) -> None:
    """Wait until they have all ended."""
    deadline = time.monotonic() + seconds
    for one in threads:
        one.join(max(0.0, deadline - time.monotonic()))
        assert not one.is_alive(), f"{one.name} does not end"
