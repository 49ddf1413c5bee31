"""A URL -> transactions on SQLite or PostgreSQL, fenced by the lease, with every failure said as a StoreError."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crmsync.errors import SettingsError, StoreError, StoreLocked
from crmsync.store.failures import as_store_error, locked

BUSY_TIMEOUT_S = 10.0
SILENCE_S = 60.0
IDS_A_QUERY = 500
_QUEUE_S = 120.0  # longer than the longest transaction of a large portal
_READER_CACHE_KB = 2_000  # of each connection, one a thread: the system's own cache serves them all
_WRITER_CACHE_KB = 6_000
_Id = TypeVar("_Id", str, int)


class Fence(Protocol):
    """What stands before every write: the lease, once it has been taken."""

    def check(self, conn: Connection) -> None:
        """Raise LeaseLost unless the lease is still ours; hold it until the transaction ends."""


class Database:
    """
    Transactions: `read()` sees one state and blocks nobody, `write()` is all or nothing and one at a time.

    Safe to use from several threads. A connection that died is replaced when the next transaction begins. SQLite has
    one writing connection: this process's writers queue for it, and only other processes meet SQLite's own lock, whose
    waiters are not served in order.

    A process that stands still inside a transaction holds its locks. PostgreSQL ends the transaction of one that was
    silent for `silence_s`, so that another process can take over; SQLite leaves the lock to the process as long as it
    lives.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Callable[[], datetime],
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._url = parsed(url)
        self.place = self._url.render_as_string(hide_password=True)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.now = now
        self.fence: Fence | None = None
        self._locks_met = 0
        if self.is_sqlite:
            self._writer, self._reader = _sqlite(self._url, busy_timeout_s)
        else:
            self._writer, self._reader = _postgres(self._url, busy_timeout_s, silence_s)

    @property
    def url(self) -> str:
        """What opens it again, in another process; with the password."""
        return self._url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._translated(), self._reader.begin() as conn:
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Begin a transaction; when this returns it is committed. Raises LeaseLost when fenced off."""
        with self._begun() as conn:
            if self.fence is not None:
                self.fence.check(conn)
            yield conn

    @contextmanager
    def write_unfenced(self) -> Iterator[Connection]:
        """Begin a transaction that is allowed without the lease: taking it, migrating."""
        with self._begun() as conn:
            yield conn

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        """Begin in turn. Who queued while another one met a lock that stayed does not wait for it all over again."""
        met = self._locks_met
        with self._translated(), self._writer.connect() as conn:
            if self._locks_met != met:
                raise locked(self.place)
            with conn.begin():
                yield conn

    def forget_freed_pages(self) -> None:
        """Make what was just deleted unreadable in the files too, as far as the database can."""
        with self._translated():
            pooled = self._writer.raw_connection()
        try:
            if self.is_sqlite:
                pooled.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                connection: Any = pooled.driver_connection
                connection.autocommit = True  # VACUUM refuses a transaction
                connection.execute("VACUUM")
                connection.autocommit = False
        finally:
            pooled.close()

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            failure = as_store_error(error, self.place)
            self._locks_met += isinstance(failure, StoreLocked)
            # `from None`: a driver's text can quote the values of a row
            raise failure from None

    def upsert(
        self,
        conn: Connection,
        table: sa.Table,
        rows: Sequence[Mapping[str, Any]],
        *,
        keep: Iterable[str] = (),
    ) -> None:
        """Insert rows; one whose key exists replaces all columns but those of `keep`."""
        if rows:
            conn.execute(_upsert(table, tuple(rows[0]), tuple(keep), is_sqlite=self.is_sqlite), rows)


def parsed(url: str) -> URL:
    """
    Read a store URL.

    Raises:
        SettingsError: it is no URL, or names a database crmsync does not know.
    """
    choice = "Use sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DB."
    try:
        known = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("store.url is not a database URL.", next_step=choice) from None
    match known.get_backend_name():
        case "sqlite":
            if known.database in {None, "", ":memory:"}:
                raise SettingsError(
                    "store.url names no file: the audit trail must outlive the process.", next_step=choice
                )
            return known.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return known.set(drivername="postgresql+psycopg")
        case other:
            raise SettingsError(f"store.url: {other} is not a database crmsync knows.", next_step=choice)


def is_there(url: str) -> bool:
    """Tell whether there is a store; of a server's database only opening it can tell. *Raises* SettingsError."""
    known = parsed(url)
    file = known.database or ""
    return known.get_backend_name() != "sqlite" or file.startswith("file:") or Path(file).exists()


@lru_cache(maxsize=256)  # a statement that is kept keeps its cache key too
def _upsert(
    table: sa.Table, names: tuple[str, ...], keep: tuple[str, ...], *, is_sqlite: bool
) -> sqlite.Insert | postgresql.Insert:
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    replaced = {name: insert.excluded[name] for name in names if name not in {*keys, *keep}}
    if replaced:
        return insert.on_conflict_do_update(index_elements=keys, set_=replaced)
    return insert.on_conflict_do_nothing(index_elements=keys)


def chunks(ids: Sequence[_Id], size: int = IDS_A_QUERY) -> Iterator[Sequence[_Id]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _sqlite(url: URL, busy_timeout_s: float) -> tuple[Engine, Engine]:
    """Return the writer and the readers; SQLite's readers see one state anyway."""
    assert url.database is not None
    if not url.database.startswith("file:"):
        _make_file(Path(url.database))
    given = {"timeout": busy_timeout_s, "check_same_thread": False}
    # a writer takes the lock at once: a read that turns into a write later could fail half-way
    writer = sa.create_engine(
        url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=_QUEUE_S, connect_args=given
    )
    _prepare(writer, "IMMEDIATE", _WRITER_CACHE_KB)
    readers = sa.create_engine(url, hide_parameters=True, pool_size=8, max_overflow=32, connect_args=given)
    _prepare(readers, "DEFERRED", _READER_CACHE_KB)
    return writer, readers


def _prepare(engine: Engine, kind: str, cache_kb: int) -> None:
    """Set up each connection and say which kind of BEGIN it begins with."""

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache_kb}",
            "temp_store=MEMORY",
            "journal_size_limit=67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        conn.exec_driver_sql(f"BEGIN {kind}")


def _make_file(file: Path) -> None:
    """Make the directory, and the file for its owner's eyes only: it holds personal values."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The directory {file.parent} of the store cannot be made ({error.strerror}).",
            next_step="Name a place that can be written in store.url.",
        ) from None
    with suppress(OSError):  # SQLite will say better what is wrong with it
        file.touch(mode=0o600)


def _postgres(url: URL, busy_timeout_s: float, silence_s: float) -> tuple[Engine, Engine]:
    """Return the writer and the readers, who see one state."""
    settings = {
        "lock_timeout": int(busy_timeout_s * 1000),
        "idle_in_transaction_session_timeout": int(silence_s * 1000),
        "timezone": "UTC",
    }
    try:
        writer = sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=32,
            connect_args={
                "connect_timeout": 10,
                "application_name": f"crmsync {os.getpid()}",
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
                "keepalives_idle": 30,
            },
        )
    except ModuleNotFoundError:
        raise StoreError(
            "store.url names PostgreSQL, but its driver is not installed.",
            next_step="Install crmsync with the extra `postgres`.",
        ) from None
    return writer, writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
