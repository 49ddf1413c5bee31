"""Opening a store: tables, versions, whose portal it is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import SettingsError, StoreError
from crmsync.model import Draft
from crmsync.store import Store, open_store
from crmsync.store.database import Database
from crmsync.store.migrations import MIGRATIONS, Migration, migrate
from tests.stores import NOON, Clock, a_contact, take

NEWEST = MIGRATIONS[-1].version


def tables_of(url: str) -> set[str]:
    database = Database(url, now=Clock())
    with database.read() as conn:
        found = set(sa.inspect(conn).get_table_names())
    database.close()
    return found


def versions_of(database: Database) -> list[tuple[int, str]]:
    with database.read() as conn:
        rows = conn.execute(sa.text("SELECT version, name FROM schema_version ORDER BY version"))
        return [(row.version, row.name) for row in rows]


def _add_table(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE TABLE added_later (id INTEGER)")


def _fail_half_way(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE TABLE half_done (id INTEGER)")
    conn.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")


LATER = Migration(NEWEST + 1, "later", _add_table)


def test_versions_count_without_gaps() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, NEWEST + 1))


def test_an_empty_database_gets_its_tables_and_keeps_what_is_put_there(store_url: str, clock: Clock) -> None:
    for expected in (0, 1):
        store = open_store(store_url, portal="1", now=clock)
        assert store.mirror.size() == expected
        take(store, a_contact())
        store.close()


def test_an_older_schema_is_brought_up_to_date_once(store: Store) -> None:
    for _ in range(2):
        migrate(store.database, (*MIGRATIONS, LATER))

    assert versions_of(store.database)[-1] == (NEWEST + 1, "later")
    with store.database.read() as conn:
        assert conn.execute(sa.text("SELECT * FROM added_later")).all() == []


def test_a_newer_schema_is_refused_untouched(store_url: str, clock: Clock) -> None:
    store = open_store(store_url, portal="1", now=clock)
    migrate(store.database, (*MIGRATIONS, LATER))
    store.close()

    with pytest.raises(
        StoreError, match=f"schema version {NEWEST + 1}; this crmsync knows {NEWEST}"
    ) as caught:
        open_store(store_url, portal="1", now=clock)
    assert caught.value.exit_status == 6
    assert "Install the newer crmsync" in caught.value.next_step


def test_a_migration_that_fails_leaves_the_schema_as_it_was(store: Store, store_url: str) -> None:
    with pytest.raises(StoreError):
        migrate(store.database, (*MIGRATIONS, replace(LATER, run=_fail_half_way)))

    assert "half_done" not in tables_of(store_url)
    assert versions_of(store.database)[-1][0] == NEWEST


def test_concurrent_starters_migrate_once(store_url: str, clock: Clock) -> None:
    def start(_: int) -> int:
        store = open_store(store_url, portal="1", now=clock, busy_timeout_s=60)
        seqs = store.trail.append([Draft("finding")])
        store.close()
        return seqs[0]

    with ThreadPoolExecutor(4) as starters:
        assert sorted(starters.map(start, range(8))) == list(range(1, 9))


def test_a_store_belongs_to_one_portal(store_url: str, clock: Clock) -> None:
    open_store(store_url, portal="148001", now=clock).close()
    with pytest.raises(StoreError, match="belongs to portal 148001, the token to portal 7"):
        open_store(store_url, portal="7", now=clock)
    store = open_store(store_url, portal=None, now=clock)

    assert store.meta.portal_id == "148001"
    store.close()


def test_a_store_can_learn_its_portal_later(store_url: str, clock: Clock) -> None:
    store = open_store(store_url, portal=None, now=clock)
    before = store.meta.portal_id
    store.meta.bind("148001")
    store.trail.append([Draft("finding")])
    (entry,) = store.trail.export()

    assert (before, store.meta.portal_id, entry["portal"]) == (None, "148001", "148001")
    with pytest.raises(StoreError):
        store.meta.bind("7")
    store.close()


def test_small_facts_are_remembered(store: Store, clock: Clock) -> None:
    store.meta.put("last_tick", "then")
    store.meta.put("last_tick", "now")
    store.meta.learn_app_id("123")

    assert (store.meta.get("last_tick"), store.meta.get("other"), store.meta.app_id) == ("now", None, "123")
    assert clock.now == NOON


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url", "not a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://host/db", "mysql is not a database crmsync knows"),
    ],
)
def test_a_url_that_cannot_be_used_is_said_so(url: str, said: str, clock: Clock) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        open_store(url, portal=None, now=clock)
    assert "sqlite:///FILE" in caught.value.next_step


def test_a_relative_path_makes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///var/deep/crmsync.db", portal=None, now=clock).close()

    assert (tmp_path / "var/deep/crmsync.db").is_file()


def test_g13_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path, clock: Clock) -> None:
    store = open_store(f"sqlite:///{tmp_path}/crmsync.db", portal=None, now=clock)
    store.trail.append([Draft("finding")])

    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {"0o600"}
    store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_every_spelling_of_a_postgresql_url_works(postgres_url: str, scheme: str, clock: Clock) -> None:
    store = open_store(postgres_url.replace("postgresql", scheme, 1), portal=None, now=clock)
    assert not store.database.is_sqlite
    store.close()
