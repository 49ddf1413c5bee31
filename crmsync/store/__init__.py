"""
A database URL -> the store: mirror, audit trail, plans and lease in one SQLite file or PostgreSQL database.

The only part that imports SQLAlchemy. Everything of one step is one transaction: a page of news with its entries and
cursor, intents, outcomes with what the mirror then shows.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from crmsync.store.audit import Writer
from crmsync.store.database import BUSY_TIMEOUT_S, Database
from crmsync.store.definitions import Definitions
from crmsync.store.lease import DEFAULT_TTL, Holder, Lease
from crmsync.store.meta import Meta
from crmsync.store.migrations import migrate
from crmsync.store.mirror import Mirror
from crmsync.store.plans import Plans
from crmsync.store.trail import Trail

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of one open store. Usable from several threads; a web reader never waits for the cycle."""

    mirror: Mirror
    trail: Trail
    plans: Plans
    definitions: Definitions
    lease: Lease
    meta: Meta
    database: Database

    def close(self) -> None:
        self.database.close()


def open_store(
    url: str,
    *,
    portal: str | None,
    now: Callable[[], datetime],
    salt: Callable[[], bytes] = lambda: secrets.token_bytes(_SALT_BYTES),
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    holder: Holder | None = None,
    lease_ttl: timedelta = DEFAULT_TTL,
) -> Store:
    """
    Open a store, making or migrating its tables.

    Args:
        url: `sqlite:///FILE` (relative to the working directory; directories are made) or `postgresql://...`.
        portal: the portal's id; None: not known (yet), the one the store remembers stays.
        now: the clock: when entries are appended, and when the mirror sees things.
        salt: gives the random salt of a contact that has none yet.
        busy_timeout_s: how long a writer waits for another one.
        holder: who takes the lease; None: this process.
        lease_ttl: how long a silent holder of the lease is waited for.

    Raises:
        StoreError: it cannot be opened, is newer than this crmsync, or belongs to another portal.
    """
    database = Database(url, now=now, busy_timeout_s=busy_timeout_s)
    try:
        migrate(database)
        meta = Meta(database)
        if portal is not None:
            meta.bind(portal)
    except BaseException:
        database.close()
        raise
    writer = Writer(database, meta, salt)
    return Store(
        Mirror(database, writer),
        Trail(database, writer),
        Plans(database, writer),
        Definitions(database),
        Lease(database, holder or Holder.this_process(), lease_ttl),
        meta,
        database,
    )
