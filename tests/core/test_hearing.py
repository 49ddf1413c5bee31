"""Ctrl-C and SIGTERM: none is missed, whenever it comes, and none finds a lock that its own thread holds."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from crmsync.hearing import SIGNALS, heard, until_told

pytestmark = pytest.mark.timeout(60)


def test_a_signal_ends_the_wait_at_whatever_moment_of_its_beginning_it_comes() -> None:
    main = threading.get_ident()

    def signal_after(steps: int) -> None:
        for _ in range(steps):
            pass
        signal.pthread_kill(main, signal.SIGTERM)

    told: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        for moment in range(1_000):
            with heard(told.append) as wait:
                sent = pool.submit(signal_after, moment)
                while len(told) == moment:
                    wait(None)
                sent.result()

    assert told == [signal.SIGTERM] * 1_000


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_before_the_wait_ends_it_too(number: int) -> None:
    done = []
    with until_told():
        os.kill(os.getpid(), number)
        done.append("what stands inside")

    assert done


def test_a_wait_ends_without_a_signal_when_its_time_is_over() -> None:
    told: list[int] = []
    with heard(told.append) as wait:
        wait(0.001)

    assert told == []


def test_what_heard_signals_before_hears_them_again() -> None:
    before = [signal.getsignal(one) for one in SIGNALS]
    with heard(lambda _: None):
        within = [signal.getsignal(one) for one in SIGNALS]

    assert [signal.getsignal(one) for one in SIGNALS] == before
    assert within != before
    assert signal.set_wakeup_fd(-1) == -1
