"""One writer a portal: a lease with a fencing epoch, taken over from the dead at once and from the silent on expiry."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import LeaseLost, StoreLocked
from crmsync.store import tables as t
from crmsync.store.database import Database
from crmsync.store.instants import maybe_from_micros, to_micros

DEFAULT_TTL = timedelta(seconds=60)
_NAME = "writer"


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A process that can hold the lease.

    Attributes:
        host: machine, its boot and the process namespace: pids mean nothing elsewhere.
        process_started: the kernel's start time of the process, so that a reused pid is not taken for it; "" unknown.
    """

    host: str
    pid: int
    process_started: str

    @classmethod
    def this_process(cls) -> "Holder":
        return cls(_host(), os.getpid(), _started(os.getpid()))

    def is_dead(self) -> bool:
        """Tell whether the process certainly ended; False when it runs, or on another host."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it exists and belongs to somebody else
        started = _started(self.pid)
        return bool(started and self.process_started and started != self.process_started)


@dataclass(frozen=True, slots=True)
class Held:
    """The lease as somebody holds it. `expires_at` is told by the holder's clock."""

    holder: Holder
    epoch: int
    expires_at: datetime

    def __str__(self) -> str:
        return f"process {self.holder.pid} on {self.holder.host.split('/')[0]}"


class Lease:
    """
    The right to write to the portal. Once taken, every write of this store checks that it is still ours.

    Writing renews it by itself; `keep` is for a holder that waits long between writes.

    Attributes:
        taken_from: whose term was over, or who had died, when this process took it last; None: it was free.
    """

    def __init__(self, database: Database, holder: Holder, ttl: timedelta = DEFAULT_TTL) -> None:
        self._database = database
        self._holder = holder
        self._ttl = ttl
        self._epoch: int | None = None
        self._expires_at: datetime | None = None  # as this process knows it; asked at every short wait
        self.taken_from: Held | None = None

    @property
    def epoch(self) -> int | None:
        """Our epoch: it grows with each taking; None while we do not hold the lease."""
        return self._epoch

    def take(self) -> Held | None:
        """
        Take the lease if it is free, expired, ours, or held by a dead process of this host.

        Returns: None when it is ours now; else who holds it: try again when that has expired.

        Raises:
            StoreLocked: another process stands still in the middle of a write; names the holder.
        """
        try:
            return self._take(self._database.now())
        except StoreLocked as error:
            held = self.held()
            if held is None or held.holder == self._holder:
                raise
            raise StoreLocked(
                f"{error.message} The right to write is with {held}, which may have stopped in the middle of a write.",
                next_step="Let that process go on (SIGCONT) or end it; or end the database shell that holds the lock.",
            ) from error

    def _take(self, now: datetime) -> Held | None:
        with self._database.write_unfenced() as conn:
            self._database.upsert(conn, t.lease, [{"name": _NAME, "epoch": 0}], keep=("epoch",))
            held = _held(conn, for_update=True)
            if held is not None and not _may_be_taken(held, self._holder, now):
                return held
            epoch = 1 + (conn.scalar(sa.select(t.lease.c.epoch).where(t.lease.c.name == _NAME)) or 0)
            _put(conn, epoch, self._holder, now + self._ttl)
        self._epoch, self._expires_at = epoch, now + self._ttl
        self.taken_from = None if held is None or held.holder == self._holder else held
        self._database.fence = self
        return None

    def keep(self) -> None:
        """Renew it once a third of its term is over; nothing happens when it is not ours. *Raises* LeaseLost."""
        if self._expires_at is not None and self._expires_at - self._database.now() < self._ttl * 2 / 3:
            self.renew()

    def renew(self) -> None:
        """
        Hold the lease for another term.

        Raises:
            LeaseLost: somebody took it over.
        """
        with self._database.write() as conn:
            self._extend(conn)

    def assure(self) -> None:
        """*Raises* LeaseLost when somebody took it over since; nothing happens when it was never taken."""
        if self._epoch is not None:
            with self._database.write():
                pass  # every write transaction begins with `check`

    def release(self) -> None:
        """Give the lease back, so that the next process need not wait; nothing happens when it is not ours."""
        if self._epoch is None:
            return
        with self._database.write_unfenced() as conn:
            conn.execute(
                t.lease.update()
                .where(t.lease.c.name == _NAME, t.lease.c.epoch == self._epoch)
                .values(host=None, pid=None, process_started=None, expires_at=None)
            )
        self._epoch = self._expires_at = None
        self._database.fence = None

    def held(self) -> Held | None:
        """Return who holds the lease, expired or not; None: nobody."""
        with self._database.read() as conn:
            return _held(conn, for_update=False)

    def check(self, conn: Connection) -> None:
        """Raise LeaseLost unless ours; keep others from taking it until the transaction ends (see Database.write)."""
        held = _held(conn, for_update=True)
        if held is None or held.epoch != self._epoch:
            by = "somebody else" if held is None else str(held)
            raise LeaseLost(
                f"The right to write to this portal was taken over by {by} while this process was silent; "
                "this run writes nothing more.",
                next_step="Nothing for crmsync: the other one goes on. See what held this process up.",
            )
        if held.expires_at - self._database.now() < self._ttl / 2:
            self._extend(conn)

    def _extend(self, conn: Connection) -> None:
        assert self._epoch is not None, "renew() without take()"
        self._expires_at = self._database.now() + self._ttl
        _put(conn, self._epoch, self._holder, self._expires_at)


def _may_be_taken(held: Held, by: Holder, now: datetime) -> bool:
    return held.holder == by or held.expires_at <= now or held.holder.is_dead()


def _held(conn: Connection, *, for_update: bool) -> Held | None:
    query = sa.select(t.lease).where(t.lease.c.name == _NAME)
    # on SQLite the writing transaction holds the whole database already
    row = conn.execute(query.with_for_update() if for_update else query).one_or_none()
    expires_at = None if row is None else maybe_from_micros(row.expires_at)
    if row is None or expires_at is None:
        return None
    return Held(Holder(row.host, row.pid, row.process_started), row.epoch, expires_at)


def _put(conn: Connection, epoch: int, holder: Holder, expires_at: datetime) -> None:
    conn.execute(
        t.lease.update()
        .where(t.lease.c.name == _NAME)
        .values(
            epoch=epoch,
            host=holder.host,
            pid=holder.pid,
            process_started=holder.process_started,
            expires_at=to_micros(expires_at),
        )
    )


def _host() -> str:
    return f"{socket.gethostname()}/{_boot()}/{_process_namespace()}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux, or no /proc
        return ""


def _process_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and brackets
    state, started = after_name[0], after_name[19]
    return "dead" if state in {"Z", "X"} else started
