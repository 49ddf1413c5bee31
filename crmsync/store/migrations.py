"""An empty or older database -> the tables of this version, one transaction a step."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import StoreError
from crmsync.store import triggers
from crmsync.store.database import Database
from crmsync.store.instants import to_micros
from crmsync.store.tables import metadata, schema_version

_LOCK = 0x63726D73  # PostgreSQL's advisory lock of migrations: "crms"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. Versions count from 1 without gaps; a published step never changes."""

    version: int
    name: str
    run: Callable[[Connection], None]


def _first_tables(conn: Connection) -> None:
    metadata.create_all(
        conn, tables=[table for table in metadata.sorted_tables if table is not schema_version]
    )
    triggers.create(conn)


MIGRATIONS: tuple[Migration, ...] = (Migration(1, "first tables", _first_tables),)


def migrate(database: Database, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """
    Bring the schema up to date; concurrent starters wait for each other.

    Raises:
        StoreError: the database was written by a newer crmsync; nothing was touched.
    """
    newest = migrations[-1].version
    if _version(database) < newest:
        for migration in migrations:
            _step(database, migration)
    found = _version(database)
    if found > newest:
        raise StoreError(
            f"The store {database.place} has schema version {found}; this crmsync knows {newest} at most.",
            next_step="Install the newer crmsync that wrote it, or name another store in store.url.",
        )


def _version(database: Database) -> int:
    with database.read() as conn:
        return _version_in(conn) if sa.inspect(conn).has_table(schema_version.name) else 0


def _version_in(conn: Connection) -> int:
    return conn.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0


def _step(database: Database, migration: Migration) -> None:
    with database.write_unfenced() as conn:
        if not database.is_sqlite:
            conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        schema_version.create(conn, checkfirst=True)
        if _version_in(conn) >= migration.version:
            return  # another starter was faster
        migration.run(conn)
        conn.execute(
            schema_version.insert().values(
                version=migration.version, name=migration.name, migrated_at=to_micros(database.now())
            )
        )
