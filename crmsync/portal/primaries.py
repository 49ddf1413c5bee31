"""Whether a contact's own word on its primary company can be trusted on this portal."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from crmsync.model import Association
from crmsync.portal.shapes import Unreadable, an_id
from crmsync.portal.snapshots import PRIMARY_COMPANY

_ENOUGH = 25


class Primaries:
    """
    Finds the primary company among several without a request a page, where the portal allows it.

    HubSpot keeps `associatedcompanyid` equal to the primary company. Whether this portal does is learnt on the way:
    that the property names one of the contact's companies speaks for it, once it names another one it is never
    believed again. Only with enough in favour does an empty one mean that no company is primary.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._agreed = 0
        self._is_doubtful = False

    def marked(
        self, companies: Sequence[Association], raw: Mapping[str, Any]
    ) -> tuple[Association, ...] | None:
        """Mark the primary one; None: only the labels tell."""
        named, is_empty = _named(raw)
        self._learn(companies, named)
        if len(companies) <= 1:
            return tuple(Association(one.id, is_primary=True) for one in companies)
        if self._is_doubtful:
            return None
        if named is not None:
            return tuple(Association(one.id, is_primary=one.id == named) for one in companies)
        return tuple(companies) if is_empty and self._agreed >= _ENOUGH else None

    def _learn(self, companies: Sequence[Association], named: str | None) -> None:
        if named is None:
            return
        with self._lock:
            if any(one.id == named for one in companies):
                self._agreed += 1
            else:
                self._is_doubtful = True


def _named(raw: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the company it names, and whether it is there and empty."""
    properties = raw.get("properties")
    if not isinstance(properties, dict) or PRIMARY_COMPANY not in properties:
        return None, False
    value = properties[PRIMARY_COMPANY]
    try:
        return an_id(value, PRIMARY_COMPANY), False
    except Unreadable:
        return None, value in {None, ""} if isinstance(value, str | None) else False
