"""HubSpot's property history -> versions: who set a value, a person, ourselves, or something else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any

from crmsync.model import ContactId, Kind, Version
from crmsync.portal.batching import read_objects
from crmsync.portal.client import Client
from crmsync.portal.shapes import Unreadable, a_map, a_text, an_instant

_PEOPLE = ("CRM_UI", "MOBILE_", "CONTACTS_WEB")
_USER = "userId:"
_APPS = frozenset({"INTEGRATION", "API", "INTEGRATIONS_PLATFORM"})
_MOST_ATTEMPTS = 3


class Versions:
    """
    Reads histories, and learns HubSpot's id of our own app: what a write of ours leaves behind as its source.

    Attributes:
        app_id: None until learnt (or told by the settings); `keep` is told it at once, for the store to remember.
    """

    def __init__(self, client: Client, app_id: str | None, keep: Callable[[str], None]) -> None:
        self._client = client
        self._keep = keep
        self._lock = Lock()
        self._attempts = 0
        self.app_id = app_id

    def history(
        self, property_name: str, ids: Sequence[ContactId]
    ) -> Mapping[ContactId, tuple[Version, ...]]:
        """Read versions newest first; one that is gone has none, those that cannot be read are left out."""
        found = read_objects(self._client, Kind.CONTACT, ids, [property_name], [property_name])
        histories: dict[ContactId, tuple[Version, ...]] = {ContactId(one): () for one in found.missing}
        for contact, raw in found.objects.items():
            try:
                histories[ContactId(contact)] = self._versions(raw, property_name)
            except Unreadable:
                continue  # who set it stays unknown; a guess could overwrite a person
        return histories

    def may_be_ours(self, version: Version) -> bool:
        """Tell whether we wrote it; as long as our own app is not known, whether any app did: it could be ours."""
        return version.is_ours or (self.app_id is None and version.source in _APPS and not version.is_person)

    def learn(self, contact: ContactId, property_name: str, value: str, not_before: datetime) -> None:
        """Look once at what our own write left behind. Tells nothing when somebody has written since."""
        with self._lock:
            if self.app_id is not None or self._attempts >= _MOST_ATTEMPTS:
                return
            self._attempts += 1
        versions = self.history(property_name, [contact]).get(contact, ())
        if not versions:
            return
        newest = versions[0]
        is_ours = newest.value == (value or None) and newest.at >= not_before
        if is_ours and newest.source in _APPS and newest.source_id and not newest.is_person:
            self.app_id = newest.source_id
            self._keep(newest.source_id)

    def _versions(self, raw: Mapping[str, Any], property_name: str) -> tuple[Version, ...]:
        by_name = a_map(raw.get("propertiesWithHistory"), "its history")
        listed = by_name.get(property_name) or []
        if not isinstance(listed, list):
            raise Unreadable("its history is not a list")
        versions = [self._version(one) for one in listed]
        # HubSpot sends them newest first; a stable sort keeps its order among equal instants
        return tuple(sorted(versions, key=lambda one: one.at, reverse=True))

    def _version(self, raw: object) -> Version:
        one = a_map(raw, "a version")
        at = an_instant(one.get("timestamp"))
        if at is None:
            raise Unreadable("a version has no instant")
        source = a_text(one.get("sourceType"), "a version's source") or "UNKNOWN"
        source_id = a_text(one.get("sourceId"), "a version's source") or ""
        is_person = source.startswith(_PEOPLE) or source_id.startswith(_USER)
        return Version(
            value=a_text(one.get("value"), "a version's value"),
            at=at,
            source=source,
            source_id=source_id,
            is_person=is_person,
            is_ours=not is_person and self.app_id is not None and source_id == self.app_id,
        )
