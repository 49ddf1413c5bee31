"""Raw text -> typed values: the fact table of section 3. None means unknown."""

import itertools
import re
import unicodedata
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SPACES = str.maketrans("", "", " \u00a0\u202f")
_MANY_MARKS = re.compile("[^\0-\u02ff]{100,}")  # a text without spaces in a script that may have marks
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_EPOCH_MS = re.compile(r"[0-9]{10,14}")
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def trimmed(raw: str) -> str:
    """Return the text in NFC without white space around it: what is shown."""
    if not raw.isascii():
        raw = unicodedata.normalize("NFC", _MANY_MARKS.sub(_in_canonical_order, raw))
    return raw.strip()


def _in_canonical_order(run: re.Match[str]) -> str:
    """Return the same text with its combining marks sorted: `normalize` takes a quadratic time to do so."""
    decomposed = "".join(unicodedata.normalize("NFD", character) for character in run.group())
    ordered: list[str] = []
    for _, marks in itertools.groupby(decomposed, key=lambda character: unicodedata.combining(character) > 0):
        ordered += sorted(marks, key=unicodedata.combining)
    return "".join(ordered)


def fold(raw: str) -> str:
    """Return the form in which texts are compared."""
    return trimmed(raw).casefold()


def read_text(raw: str) -> str | None:
    return fold(raw) or None


def read_number(raw: str) -> float | None:
    text = raw.translate(_SPACES)
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) != float("inf") else None


def read_bool(raw: str) -> bool | None:
    return {"true": True, "false": False}.get(raw.lower())


def read_list(raw: str) -> tuple[str, ...] | None:
    """Return the folded parts in order; None when nothing but separators is there."""
    return tuple(part for piece in raw.split(";") if (part := fold(piece))) or None


def read_date(raw: str) -> int | None:
    """Return epoch microseconds."""
    if _EPOCH_MS.fullmatch(raw):
        return int(raw) * 1000
    match = _DATE.fullmatch(raw)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        at = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return None
    offset_min = _offset_min(zone)
    if offset_min is None:
        return None
    return micros(at) + int((fraction or "0")[:6].ljust(6, "0")) - offset_min * 60_000_000


def _offset_min(zone: str | None) -> int | None:
    if zone in (None, "Z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def micros(at: datetime) -> int:
    """Return epoch microseconds of an aware instant."""
    return (at - EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """Return the aware UTC instant. Raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=us)


def iso(us: int) -> str:
    """Return ISO 8601 in UTC with Z; fractions only where there are some."""
    try:
        return instant(us).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:  # an offset can push the first or last day of the calendar out of it
        return f"{us} microseconds since 1970"
