"""When: APScheduler in memory, one cycle at a time, signals. Knows nothing about contacts."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler

from crmsync.errors import CrmsyncError, RateLimited, Stopped, Unauthorized, places_of
from crmsync.hearing import heard

_GRACE_S = 18.0  # what is in flight gets this long after SIGTERM; the process is gone within 20 s


@dataclass(slots=True)
class Health:
    """
    How the daemon is, for /healthz and the overview page.

    Attributes:
        problem: what is wrong and what to do next; "" when nothing is.
        may_write: False while the token is revoked or a scope is missing.
        definition_problem: the definition file cannot be used, so the one before stays in force; "" when it can.
        last_success_at: end of the last cycle that did not fail.
        last_cycle_s: how long the last cycle took.
        results: changes by what became of them, since the start.
        paused_until: no cycle before this (daily limit used up, portal migrating).
    """

    problem: str = ""
    may_write: bool = True
    last_cycle_at: datetime | None = None
    last_status: str = ""
    cycles: int = 0
    failures: int = 0
    definition_problem: str = ""
    last_success_at: datetime | None = None
    last_cycle_s: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    paused_until: datetime | None = None


@dataclass(slots=True)
class Daemon:
    """
    Runs `cycle` every so often until it is told to stop.

    Attributes:
        cycle: one cycle; returns its status word. Raises CrmsyncError.
        now: our clock, aware UTC; it may jump.
        monotonic: seconds that only pass.
        stopping: set by the first SIGTERM or SIGINT; the cycle looks at it between batches.
    """

    cycle: Callable[[], str]
    every: timedelta
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    health: Health = field(default_factory=Health)
    stopping: threading.Event = field(default_factory=threading.Event)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    _overlap_told_in: int = -1

    def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        """
        Run until SIGTERM or SIGINT; then finish the batch in flight, within 20 seconds.

        Args:
            on_started: called once signals are heard.
        """
        scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
        job = scheduler.add_job(
            self.run_cycle,
            "interval",
            seconds=self.every.total_seconds(),
            next_run_time=self.now(),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            id="cycle",
        )
        scheduler.add_listener(self._tell_overlap, EVENT_JOB_MAX_INSTANCES)
        with heard(self._hear) as wait:
            scheduler.start()
            on_started()
            while not self.stopping.is_set():
                self.heed_clock(job)
                wait(self.every.total_seconds())
            scheduler.shutdown(wait=False)
            finished = self._one_at_a_time.acquire(timeout=_GRACE_S)
        structlog.get_logger().info("daemon.stopped", in_flight_finished=finished)
        if not finished:
            os._exit(
                0
            )  # a pull under way is left where its last page was committed; threads would hold the exit up

    def run_cycle(self) -> None:
        """Run one cycle; what goes wrong is logged with what to do next, and the daemon goes on."""
        if self.stopping.is_set() or self._is_paused():
            return
        began = self.monotonic()
        with self._one_at_a_time:
            try:
                status = self.cycle()
            except Stopped:
                return  # at a safe place, as it was asked to
            except CrmsyncError as error:
                self._note_failure(error)
            except Exception as error:  # noqa: BLE001 - the top loop: a bug in one cycle must not end the daemon
                self._note_failure(error)
            else:
                self.health.problem, self.health.may_write = "", True
                self.health.last_status, self.health.last_success_at = status, self.now()
            self.health.last_cycle_at, self.health.last_cycle_s = self.now(), self.monotonic() - began
            self.health.cycles += 1

    def heed_clock(self, job: Job) -> None:
        """Bring the next cycle forward when our clock went back; else none would run until it has caught up."""
        now = self.now()
        if job.next_run_time is None or job.next_run_time - now <= self.every:
            return
        structlog.get_logger().warning(
            "clock.went_back", next_step="Nothing for crmsync: cycles go on. Check this machine's clock."
        )
        self.health.paused_until = None  # the portal says again how long to wait
        job.modify(next_run_time=now)

    def _tell_overlap(self, event: JobEvent) -> None:
        """Say once a cycle that it takes longer than the time between two."""
        if self._overlap_told_in != self.health.cycles:
            self._overlap_told_in = self.health.cycles
            structlog.get_logger().warning(
                "cycle.overlapped",
                job=event.job_id,
                next_step="Nothing during a first pull; raise schedule.cycle_every if this stays.",
            )

    def _is_paused(self) -> bool:
        until = self.health.paused_until
        return until is not None and self.now() < until

    def _note_failure(self, error: Exception) -> None:
        health, log = self.health, structlog.get_logger()
        health.failures += 1
        health.last_status = "failed"
        match error:
            case Unauthorized():
                health.may_write, health.problem = False, str(error)
            case RateLimited(retry_after_s=seconds):
                health.paused_until = self.now() + timedelta(seconds=seconds)
                health.problem = f"{error.message} Paused until {health.paused_until:%Y-%m-%d %H:%M} UTC."
            case CrmsyncError():
                health.problem = str(error)
            case _:
                health.problem = f"A bug ended the last cycle ({type(error).__name__}); see the log."
                log.error(
                    "cycle.crashed",
                    error=type(error).__name__,
                    at=places_of(error),
                    next_step="Report this line; the next cycle runs as planned.",
                )
                return
        log.warning(
            "cycle.failed", error=type(error).__name__, problem=error.message, next_step=_next_step(error)
        )

    def _hear(self, number: int) -> None:
        """First signal: stop gently. Second: at once."""
        if self.stopping.is_set():
            os._exit(
                128 + number
            )  # everything that counts is committed: what is open is settled at the next start
        self.stopping.set()


def _next_step(error: CrmsyncError) -> str:
    return error.next_step or "Nothing to do unless it stays: the next cycle tries again."
