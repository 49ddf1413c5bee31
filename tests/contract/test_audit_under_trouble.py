"""A database that is locked, full, gone, broken or restarted: said with the next step, and nothing half done. G12."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from crmsync.errors import StoreError, StoreLocked
from crmsync.model import Cursor, Draft, Intake, Kind
from crmsync.store import Store, open_store
from tests.conftest import Postgres
from tests.stores import NOON, RUN, Clock, a_contact, an_intent_draft, applied, due_ids, intend, take
from tests.waiting import joined, meanwhile


@pytest.fixture
def on_sqlite(sqlite_url: str, clock: Clock) -> Iterator[Store]:
    store = open_store(sqlite_url, portal="1", now=clock, busy_timeout_s=0.05)
    yield store
    store.close()


def test_g12_a_locked_database_is_said_so_and_works_again(on_sqlite: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crmsync.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as caught:
            on_sqlite.trail.append([Draft("finding")])
        assert on_sqlite.mirror.size() == 0  # readers never wait
        other.execute("ROLLBACK")

    assert "crmsync.db" in caught.value.message
    assert caught.value.exit_status == 6
    assert on_sqlite.trail.append([Draft("finding")]) == (1,)


def test_threads_of_one_process_queue_to_write_however_long_it_takes(on_sqlite: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        with on_sqlite.database.write():
            waiting = pool.submit(on_sqlite.trail.append, [Draft("finding")])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)  # six times as long as another process would be waited for

        assert waiting.result(timeout=30) == (1,)


def test_who_queued_behind_a_thread_that_met_a_lock_does_not_wait_for_the_lock_again(
    on_sqlite: Store,
) -> None:
    met = OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))
    with ThreadPoolExecutor(1) as pool:
        with suppress(StoreLocked), on_sqlite.database.write():
            waiting = pool.submit(on_sqlite.trail.append, [Draft("finding")])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            raise met

        with pytest.raises(StoreLocked):
            waiting.result(timeout=30)
    assert on_sqlite.trail.append([Draft("finding")]) == (1,)


def test_g12_a_full_disk_is_said_so_and_nothing_is_half_done(on_sqlite: Store) -> None:
    (intent,) = intend(on_sqlite, an_intent_draft())
    take(on_sqlite, a_contact(), due=[(Kind.CONTACT, "101")])
    with on_sqlite.database.write() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    large = Draft("finding", reason={"long": "x" * 100_000})
    for write in (
        lambda: on_sqlite.trail.append([Draft("finding"), large]),
        lambda: on_sqlite.mirror.take(Intake(entries=(large,), cursor=Cursor("contacts", NOON))),
    ):
        with pytest.raises(StoreError, match="disk is full"):
            write()

    assert on_sqlite.mirror.cursor("contacts") == Cursor("contacts")
    assert on_sqlite.trail.verify().entries == 1
    with on_sqlite.database.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
    on_sqlite.trail.settle([applied(intent)], RUN)
    assert due_ids(on_sqlite) == []


def test_a_file_that_is_no_database_is_said_so_and_left_alone(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, but quite long enough to be taken for one. " * 20)
    before = file.read_bytes()

    with pytest.raises(StoreError, match="not an intact SQLite database"):
        open_store(f"sqlite:///{file}", portal=None, now=clock)
    assert file.read_bytes() == before


def test_a_path_through_a_file_cannot_be_made(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/crmsync.db", portal=None, now=clock)


def test_a_directory_is_no_store(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}", portal=None, now=clock)


def test_a_read_only_database_cannot_be_written(on_sqlite: Store, tmp_path: Path, clock: Clock) -> None:
    on_sqlite.trail.append([Draft("finding")])
    read_only = f"sqlite:///file:{tmp_path}/crmsync.db?mode=ro&uri=true"
    store = open_store(read_only, portal=None, now=clock)

    assert store.trail.verify().entries == 1
    with pytest.raises(StoreError, match="cannot be written"):
        store.trail.append([Draft("finding")])
    store.close()


def test_an_unreachable_postgresql_is_said_so_without_the_password(clock: Clock) -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        open_store("postgresql://ann:s3cret@127.0.0.1:1/crmsync", portal=None, now=clock)
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.postgres
def test_a_postgresql_database_that_does_not_exist_is_said_so(postgres_url: str, clock: Clock) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_store(postgres_url.replace("/crmsync_", "/absent_"), portal=None, now=clock)


@pytest.mark.postgres
def test_a_writer_that_waits_too_long_for_postgresql_is_told(postgres_url: str, clock: Clock) -> None:
    patient = open_store(postgres_url, portal="1", now=clock)
    hasty = open_store(postgres_url, portal="1", now=clock, busy_timeout_s=0.05)
    with patient.database.write() as conn:
        conn.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="locked"):
            hasty.trail.append([Draft("finding")])

    assert hasty.trail.append([Draft("finding")]) == (1,)
    patient.close()
    hasty.close()


@pytest.mark.postgres
def test_an_append_and_a_vacuum_do_not_wait_for_each_other(postgres_url: str, clock: Clock) -> None:
    """An appender that made autovacuum give up each time would leave PostgreSQL without statistics."""
    store = open_store(postgres_url, portal="1", now=clock, busy_timeout_s=0.05)
    with psycopg.connect(postgres_url) as vacuum:
        vacuum.execute("LOCK TABLE audit IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM and ANALYZE do

        assert store.trail.append([Draft("finding")]) == (1,)
    store.close()


@pytest.mark.postgres
def test_g3_postgresql_restarted_in_the_middle_loses_nothing_that_was_committed(
    postgres: Postgres, postgres_url: str, clock: Clock
) -> None:
    store = open_store(postgres_url, portal="1", now=clock)
    take(store, a_contact())
    (intent,) = intend(store, an_intent_draft())
    with pytest.raises(StoreError, match="does not answer"):
        _write_through_a_restart(store, postgres)

    assert [one.seq for one in store.trail.open_intents()] == [intent.seq]
    store.trail.settle([applied(intent)], RUN)
    assert store.trail.verify().entries == 2
    store.close()


def _write_through_a_restart(store: Store, postgres: Postgres) -> None:
    with store.database.write() as conn:
        conn.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
        postgres.restart()
        conn.exec_driver_sql("SELECT 1")


def test_readers_in_other_threads_see_whole_steps_only(store: Store) -> None:
    seen: list[tuple[object, object]] = []

    def read(_: threading.Event) -> None:
        with store.database.read() as conn:
            entries = conn.exec_driver_sql("SELECT count(*) FROM audit").scalar()
            contacts = conn.exec_driver_sql("SELECT count(*) FROM contacts").scalar()
        seen.append((entries, contacts))

    with meanwhile(read, threads=3):
        for number in range(20):
            store.mirror.take(Intake(snapshots=(a_contact(str(number)),), entries=(Draft("finding"),)))

    assert seen
    assert all(entries == contacts for entries, contacts in seen)


def test_writers_in_several_threads_keep_one_chain(store: Store) -> None:
    def write(kind: str) -> None:
        for _ in range(10):
            store.trail.append([Draft(kind), Draft(kind)])

    writers = [threading.Thread(target=write, args=(f"finding.{n}",), daemon=True) for n in range(4)]
    for writer in writers:
        writer.start()
    joined(writers)

    assert store.trail.verify().entries == 80
