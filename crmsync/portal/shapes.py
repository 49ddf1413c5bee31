"""
HubSpot's JSON -> texts, numbers, instants and ids, or Unreadable. Nothing is guessed, nothing else is raised.

`Unreadable` concerns one record (a finding); a whole answer of the wrong shape is Unavailable, see `broken_answer`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crmsync.errors import Unavailable

_ID = re.compile(r"[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_SPACES = str.maketrans("", "", " \u00a0\u202f")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_EPOCH_MS = re.compile(r"[0-9]{10,14}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(Exception):  # a finding, not an error
    """One object is not what the API promises; `str()` says what, without its values."""


def broken_answer(what: str) -> Unavailable:
    """Make the error for an answer whose whole shape is wrong; taking it for empty would look like a deletion."""
    return Unavailable(
        f"HubSpot's answer is not what its API promises: {what}.",
        next_step="Try again; if it stays, check that portal.base_url is the API's own address, and report it.",
    )


def a_map(value: object, what: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise Unreadable(f"{what} is not an object")


def an_id(value: object, what: str) -> str:
    """Read an id, sent as a text or a number; the text as HubSpot numbers, without leading zeros."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _ID.fullmatch(text):
        return str(int(text))
    raise Unreadable(f"{what} is not an id")


def a_text(value: object, what: str) -> str | None:
    """
    Read a property value; a JSON number or boolean is read as its text.

    "" means the same as null: HubSpot sends it after a clear.
    """
    match value:
        case None | "":
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            raise Unreadable(f"{what} is not a text")


def a_number(text: str | None) -> float | None:
    """Read a number as the definition language does; None: there is none or it is not one."""
    if text is None:
        return None
    bare = text.translate(_SPACES)
    return float(bare) if len(bare) < 310 and _NUMBER.fullmatch(bare) else None


def an_instant(value: object) -> datetime | None:
    """Read ISO or epoch milliseconds, as the definition language does; without a zone it is UTC. None: not one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    try:
        if _EPOCH_MS.fullmatch(value):
            return EPOCH + timedelta(milliseconds=int(value))
        if _ISO.fullmatch(value):
            found = datetime.fromisoformat(_with_six_digits(value))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None


def ids_joined(text: str | None) -> tuple[str, ...]:
    """Read ids joined by `;`; what is not an id is left out."""
    parts = (part.strip() for part in (text or "").split(";"))
    return tuple(dict.fromkeys(str(int(part)) for part in parts if _ID.fullmatch(part)))


def next_after(paging: object, asked: str | None, *, by_id: bool = False) -> str | None:
    """
    Read where the next page starts; None: this was the last.

    Args:
        by_id: it is the id of the next object, so it can only grow; other tokens mean nothing to us.

    *Raises* Unavailable when paging is there but unreadable or stands still: the end must not be guessed.
    """
    match paging:
        case None:
            return None
        case {"next": {"after": str() | int() as after}} if not isinstance(after, bool) and str(after):
            text = str(after)
        case {"next": None}:
            return None
        case dict() if "next" not in paging:
            return None
        case _:
            raise broken_answer("its paging cannot be read")
    if text == asked or (by_id and _is_back(text, asked)):
        raise broken_answer("its paging does not advance")
    return text


def _is_back(text: str, asked: str | None) -> bool:
    """Both are plain ids and the next is below the asked: it would go round in circles."""
    both = asked is not None and _ID.fullmatch(text) and _ID.fullmatch(asked)
    return bool(both) and int(text) < int(asked or 0)


def _with_six_digits(text: str) -> str:
    """Cut fractions to microseconds, which is all that `fromisoformat` keeps."""
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text) if "." in text else text
