"""What a person types -> what the store is asked: a contact by id or e-mail address, an instant."""

import getpass
import os
import re
from datetime import UTC, datetime, timedelta

from crmsync.errors import OperatorError
from crmsync.model import ContactId
from crmsync.store import Store
from crmsync.store.audit.reading import AuditFilter

_ID_SHOWN = 40
_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def contact_of(store: Store, text: str) -> ContactId:
    """
    Resolve CONTACT; an id merged away leads to the contact that lives on, one only the trail knows is its own.

    Raises:
        OperatorError: neither the mirror nor the trail knows it; the text itself is not repeated if it is an address.
    """
    wanted = text.strip()
    found = store.mirror.find(wanted) if wanted else None
    if found is not None:
        return found
    if "@" not in wanted and wanted and store.trail.entries(AuditFilter(contact=ContactId(wanted)), limit=1):
        return ContactId(wanted)
    named = "has that e-mail address" if "@" in wanted else f"has the id {wanted[:_ID_SHOWN]!r}"
    raise OperatorError(
        f"No contact known here {named}.",
        next_step="Give a contact id or an e-mail address; `crmsync sync` pulls what is new in the portal.",
    )


def instant_of(text: str, now: datetime, option: str) -> datetime:
    """
    Read `2026-11-22`, `2026-11-22T12:00`, with or without an offset (UTC), or an age like `90m`, `24h`, `7d`, `2w`.

    Raises:
        OperatorError: it is none of these.
    """
    wanted = text.strip()
    try:
        if ago := _AGO.fullmatch(wanted):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(wanted)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise OperatorError(
            f"{option} {text!r} is not an instant.",
            next_step="Write 2026-11-22, 2026-11-22T12:00Z, or an age like 24h or 7d.",
        ) from None


def maybe_instant_of(text: str | None, now: datetime, option: str) -> datetime | None:
    return None if text is None else instant_of(text, now, option)


def instant_text(at: datetime) -> str:
    """Write an instant as documents show it: ISO, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def this_user() -> str:
    """Name who sits at the keyboard, for the trail; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
