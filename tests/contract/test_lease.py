"""G11: one writer a portal, on SQLite and on PostgreSQL, with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crmsync.errors import LeaseLost
from crmsync.model import ContactId, Cursor, Draft, Intake, Kind
from crmsync.store import Store, open_store
from crmsync.store.lease import Holder
from tests.stores import NOON, RUN, Clock, a_contact, an_intent_draft, applied, intend, take
from tests.waiting import running, wait_for

ELSEWHERE = Holder("another-host/boot/ns", 4711, "1")
ELSEWHERE_TOO = Holder("a-third-host/boot/ns", 4711, "1")


@pytest.fixture
def open_as(store_url: str, clock: Clock) -> Iterator[Callable[[Holder], Store]]:
    with ExitStack() as opened:

        def open_it(holder: Holder) -> Store:
            store = open_store(store_url, portal="1", now=clock, holder=holder)
            opened.callback(store.close)
            return store

        yield open_it


def test_a_free_lease_is_taken(store: Store) -> None:
    assert store.lease.held() is None
    assert store.lease.take() is None

    held = store.lease.held()
    assert held is not None
    assert (held.holder, held.epoch) == (Holder.this_process(), 1)
    assert held.expires_at == NOON + timedelta(seconds=60)


def test_a_lease_held_elsewhere_is_waited_for_until_it_expires(
    open_as: Callable[[Holder], Store], clock: Clock
) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    held = two.lease.take()
    clock.forward(seconds=59)
    still_held = two.lease.take()
    clock.forward(seconds=1)

    assert held is not None
    assert still_held is not None
    assert str(held) == "process 4711 on another-host"
    assert two.lease.take() is None


def test_a_released_lease_is_free_at_once(open_as: Callable[[Holder], Store]) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    one.lease.release()
    one.lease.release()

    assert two.lease.take() is None
    assert one.trail.append([Draft("plan.approved")]) == (1,)  # without the lease nothing is fenced


def test_writing_renews_the_lease(open_as: Callable[[Holder], Store], clock: Clock) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    for _ in range(4):
        clock.forward(seconds=40)
        one.trail.append([Draft("finding")])

    assert two.lease.take() is not None
    clock.forward(seconds=40)
    one.lease.renew()
    clock.forward(seconds=40)
    assert two.lease.take() is not None


def test_a_holder_that_only_waits_keeps_the_lease(open_as: Callable[[Holder], Store], clock: Clock) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.keep()  # not ours yet: nothing happens
    one.lease.take()
    for _ in range(4):
        clock.forward(seconds=15)
        one.lease.keep()
        clock.forward(seconds=15)
        one.lease.keep()

    assert two.lease.take() is not None


def test_who_takes_over_is_told_from_whom(open_as: Callable[[Holder], Store], clock: Clock) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    assert one.lease.taken_from is None
    clock.forward(minutes=5)
    two.lease.take()

    assert two.lease.taken_from is not None
    assert two.lease.taken_from.holder == ELSEWHERE
    two.lease.release()
    two.lease.take()
    assert two.lease.taken_from is None


def test_an_expired_lease_nobody_took_is_still_ours(open_as: Callable[[Holder], Store], clock: Clock) -> None:
    one = open_as(ELSEWHERE)
    one.lease.take()
    clock.forward(hours=9)

    assert one.trail.append([Draft("finding")]) == (1,)


def test_g11_whoever_was_taken_over_writes_nothing_more(
    open_as: Callable[[Holder], Store], clock: Clock
) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    take(one, a_contact(), due=[(Kind.CONTACT, "101")])
    (intent,) = intend(one, an_intent_draft())
    clock.forward(minutes=5)
    two.lease.take()

    for write in (
        lambda: one.trail.append([Draft("finding")]),
        lambda: one.trail.settle([applied(intent)], RUN),
        lambda: one.mirror.take(Intake(cursor=Cursor("contacts", NOON))),
        lambda: one.mirror.settled([ContactId("101")], NOON),
        one.mirror.mark_all_due,
        one.lease.renew,
        lambda: one.meta.put("a", "b"),
    ):
        with pytest.raises(LeaseLost, match="process 4711 on a-third-host"):
            write()
    assert one.mirror.size() == 1  # reading is free
    assert two.trail.append([Draft("finding")]) == (2,)


def test_g11_a_release_by_the_one_that_was_fenced_off_takes_nothing_away(
    open_as: Callable[[Holder], Store], clock: Clock
) -> None:
    one, two = open_as(ELSEWHERE), open_as(ELSEWHERE_TOO)
    one.lease.take()
    clock.forward(minutes=5)
    two.lease.take()
    one.lease.release()

    assert two.trail.append([Draft("finding")]) == (1,)


def test_a_process_that_takes_its_own_lease_again_gets_a_new_epoch(store: Store) -> None:
    store.lease.take()
    store.lease.take()

    assert store.lease.epoch == 2
    assert store.trail.append([Draft("finding")]) == (1,)


def test_the_pid_of_a_dead_process_given_to_another_is_not_taken_for_it() -> None:
    me = Holder.this_process()

    assert not me.is_dead()
    assert Holder(me.host, me.pid, f"{me.process_started}0").is_dead()
    assert not Holder("elsewhere", 2**22, "1").is_dead()


# --- real processes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crmsync:
    """A process of lease_process.py."""

    process: "subprocess.Popen[str]"

    def __call__(self, word: str) -> str:
        self.say(word)
        return self.hear()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer, "it has ended"
        return answer.strip()


@pytest.fixture
def start(store_url: str) -> Iterator[Callable[..., Crmsync]]:
    with ExitStack() as alive:

        def run(ttl_s: float, silence_s: float = 60.0) -> Crmsync:
            command = [
                sys.executable,
                str(Path(__file__).with_name("lease_process.py")),
                store_url,
                str(ttl_s),
                str(silence_s),
            ]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            env = os.environ | {"PYTHONPATH": "."}
            return Crmsync(alive.enter_context(running(command, env=env, **pipes)))

        yield run


def test_g11_two_processes_cannot_both_hold_the_lease(start: Callable[..., Crmsync]) -> None:
    one, two = start(60), start(60)

    assert one("take") == "taken"
    assert two("take") == f"held by {one.process.pid}"
    assert one("release") == "released"
    assert two("take") == "taken"


def test_g11_the_lease_of_a_dead_process_is_taken_over_at_once(start: Callable[..., Crmsync]) -> None:
    one, two = start(3_600), start(3_600)
    one("take")
    one.process.send_signal(signal.SIGKILL)
    one.process.wait(30)

    assert two("take") == "taken"


def test_g11_a_process_killed_but_not_yet_buried_is_dead(start: Callable[..., Crmsync]) -> None:
    one, two = start(3_600), start(3_600)
    one("take")
    one.process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, one.process.pid, os.WEXITED | os.WNOWAIT)  # ended, and left as a zombie

    assert two("take") == "taken"


def test_g11_a_paused_process_that_wakes_up_is_fenced_off(
    start: Callable[..., Crmsync], store_url: str
) -> None:
    one, two = start(0.05), start(60)
    assert one("take") == "taken"
    assert one("append") == "appended 1"
    one.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, one.process.pid, os.WSTOPPED | os.WNOWAIT)
    wait_for(lambda: two("take") == "taken")  # the paused one's 50 ms are over
    one.say("append")
    one.process.send_signal(signal.SIGCONT)

    assert one.hear() == "lost"
    assert two("append") == "appended 2"


def stopped_inside(one: Crmsync) -> Crmsync:
    """Let it take the lease and stop in the middle of a transaction."""
    assert one("take") == "taken"
    one.say("stop-inside")
    os.waitid(os.P_PID, one.process.pid, os.WSTOPPED | os.WNOWAIT)
    return one


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_g11_sqlites_lock_stays_with_a_process_that_stopped_inside_and_the_error_names_it(
    start: Callable[..., Crmsync],
) -> None:
    one, two = stopped_inside(start(0.05)), start(60)
    said = two("take")
    one.process.send_signal(signal.SIGCONT)

    assert "is locked" in said
    assert f"The right to write is with process {one.process.pid} on" in said
    assert one.hear() == "went on"
    assert two("take") == "taken"


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_g11_postgresql_ends_the_transaction_of_a_process_that_stopped_inside(
    start: Callable[..., Crmsync],
) -> None:
    one, two = stopped_inside(start(0.05, 1.0)), start(60)
    wait_for(lambda: takes_its_turn(two))
    one.process.send_signal(signal.SIGCONT)

    assert "had stood still in the middle of it" in one.hear()
    assert one("append") == "lost"
    assert two("append") == "appended 1"


def takes_its_turn(one: Crmsync) -> bool:
    said = one("take")
    assert said == "taken" or "is locked" in said or "held by" in said
    return said == "taken"


def test_g3_killed_in_the_middle_of_appending_the_chain_holds(
    start: Callable[..., Crmsync], store_url: str
) -> None:
    one, two = start(3_600), start(3_600)
    one("take")
    assert one("append-forever") == "appending"
    store = open_store(store_url, portal=None, now=lambda: datetime.now(UTC))
    wait_for(lambda: store.trail.head().seq >= 400)  # it is in full swing
    one.process.send_signal(signal.SIGKILL)
    one.process.wait(30)

    assert two("take") == "taken"
    appended = int(two("append").removeprefix("appended "))
    assert appended % 200 == 1  # whole batches or nothing
    assert store.trail.verify().entries == appended
    store.close()
