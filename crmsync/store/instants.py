"""Instants as the tables hold them: whole microseconds since 1970, or the trail's text."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def maybe_to_micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def maybe_from_micros(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def to_text(instant: datetime) -> str:
    """Write the trail's form: `2026-11-22T12:00:00.000Z`, cut to milliseconds; sorts as text."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_text(text: str) -> datetime:
    return datetime.fromisoformat(text)
