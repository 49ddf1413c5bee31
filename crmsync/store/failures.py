"""What a database said -> a StoreError with what, where and the next step, without the values of any row."""

import re

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crmsync.errors import StoreError, StoreLocked

# what a driver says (lower case) -> what happened, what to do; the first match counts
_SAYINGS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("disk is full", "no space left", "could not extend file", "disk full"),
        "cannot grow: the disk is full",
        "Free space on its disk, then run again; nothing of the last step was stored.",
    ),
    (
        ("readonly database", "read-only transaction", "read-only"),
        "cannot be written",
        "Let this user write the file and its directory, then run again.",
    ),
    (
        ("unable to open database file",),
        "cannot be opened",
        "Check that the path of store.url is a file in a directory this user can write.",
    ),
    (
        ("not a database", "malformed"),
        "is not an intact SQLite database",
        "Name another file in store.url, or restore this one from a backup.",
    ),
    (
        ("could not decode to utf-8",),
        "holds a text that is not UTF-8: crmsync did not write it",
        "Keep the file as it is, and compare it with an export or a backup from before.",
    ),
    (
        ("disk i/o error",),
        "cannot be read or written: the disk reports an error",
        "Check the disk, then run again.",
    ),
)
_LOCKED = ("database is locked", "database table is locked", "lock timeout", "lock_timeout")
_SILENT = "idle-in-transaction timeout"
_REFUSED = re.compile(
    'password authentication failed|no pg_hba.conf entry|role ".*" does not exist|permission denied'
)
_ABSENT = re.compile('database ".*" does not exist')
_UNREACHABLE = (
    "connection failed",
    "could not connect",
    "connection refused",
    "server closed the connection",
    "terminating connection",
    "the connection is closed",
    "connection is lost",
    "consuming input failed",
    "is starting up",
    "is shutting down",
    "failed to resolve host",
    "timeout expired",
    "no such file or directory",
    "ssl connection has been closed",
)


def locked(place: str) -> StoreLocked:
    return StoreLocked(
        f"The store {place} is locked: another process has been writing to it for too long.",
        next_step="End the other process (`crmsync run` or a database shell) or wait for it, then run again.",
    )


def as_store_error(error: DBAPIError | PoolTimeout, place: str) -> StoreError:
    said = str(getattr(error, "orig", None) or error).lower()
    if _REFUSED.search(said):
        return StoreError(
            f"The store {place} refuses this user.", next_step="Check user, password and rights in store.url."
        )
    if _ABSENT.search(said):
        return StoreError(
            f"The store {place} does not exist.", next_step="Create the database (createdb), then run again."
        )
    if _SILENT in said:
        return StoreError(
            f"The store {place} ended a transaction of this process, which had stood still in the middle of it.",
            next_step="Nothing for crmsync: nothing of that step was stored. See what held this process up.",
        )
    if any(saying in said for saying in _UNREACHABLE):
        return StoreError(
            f"The store {place} does not answer.",
            next_step="Check that PostgreSQL runs and store.url is right; the next try connects anew.",
        )
    if any(saying in said for saying in _LOCKED):
        return locked(place)
    for sayings, what, next_step in _SAYINGS:
        if any(saying in said for saying in sayings):
            return StoreError(f"The store {place} {what}.", next_step=next_step)
    if isinstance(error, PoolTimeout):
        return StoreError(f"The store {place} has no connection free.", next_step="Run again.")
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    return StoreError(
        f"The store {place} refused a statement ({type(error.orig).__name__} {code}).".replace(" )", ")"),
        next_step="Run again; if it stays, report it with this message.",
    )
