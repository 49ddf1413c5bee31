"""
A database URL -> the store: mirror, audit trail, plans and lease in one SQLite file or PostgreSQL database.

The only part that imports SQLAlchemy. Everything of one step is one transaction: a page of news with its entries and
cursor, intents, outcomes with what the mirror then shows.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crmsync.model import ContactId
from crmsync.store.audit.bundle import export_bundle
from crmsync.store.audit.checkpoints import (
    check_chain,
    check_signatures,
    load_key,
    read_checkpoints,
    write_checkpoint,
)
from crmsync.store.audit.trail import Trail
from crmsync.store.database import BUSY_TIMEOUT_S, SILENCE_S, Database
from crmsync.store.definitions import Definitions
from crmsync.store.erasure import Erased, erase
from crmsync.store.lease import DEFAULT_TTL, Holder, Lease
from crmsync.store.meta import Meta
from crmsync.store.migrations import migrate
from crmsync.store.mirror.mirror import Mirror
from crmsync.store.plans import Plans
from crmsync.store.writer import Writer

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
    writer: Writer

    def erase(self, contact: ContactId, who: str) -> Erased:
        """
        Forget a contact and all that were merged with it; the trail still verifies and says who erased it.

        Raises:
            OperatorError: nothing is known of it.
        """
        return erase(self.database, self.writer, contact, who)

    def checkpoint(self, directory: Path, key_file: Path | None = None) -> Path | None:
        """
        Write the trail's head, signed if there is a key, as a file of its own; None: nothing new since the last.

        Raises:
            OperatorError: the key cannot be used.
        """
        key = None if key_file is None else load_key(key_file)
        portal = self.meta.portal_id or ""
        return write_checkpoint(self.trail.head(), directory, portal=portal, at=self.database.now(), key=key)

    def verify_checkpoints(self, directory: Path, public_key: str | None = None) -> int:
        """
        Check that the trail still holds what each checkpoint saw; return how many there are.

        Raises:
            VerificationError: it does not, or a signature is false or not by `public_key` (hex).
        """
        checkpoints = read_checkpoints(directory)
        check_signatures(checkpoints, public_key)
        check_chain(checkpoints, self.trail.hashes([checkpoint.seq for checkpoint in checkpoints]))
        return len(checkpoints)

    def export_bundle(self, path: Path, checkpoints: Path | None = None) -> int:
        """Write everything a verifier needs into one zip; return how many entries it holds. See bundle.py."""
        found = () if checkpoints is None else read_checkpoints(checkpoints)
        return export_bundle(self.database, path, portal=self.meta.portal_id or "", checkpoints=found)

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
    silence_s: float = SILENCE_S,
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
        silence_s: how long one that holds a lock is waited for; where the database can end that: PostgreSQL.

    Raises:
        StoreError: it cannot be opened, is newer than this crmsync, or belongs to another portal.
    """
    database = Database(url, now=now, busy_timeout_s=busy_timeout_s, silence_s=silence_s)
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
        writer,
    )
