"""The clock of the process: read here alone; everything below is given an instant or a function that tells one."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    return datetime.now(UTC)
