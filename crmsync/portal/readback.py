"""Intents whose answer is unknown -> what became of them, told by the portal's values and by its history of them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import takewhile

from crmsync.model import ContactId, Fate, Intent, Reading, Seen, Snapshot, Version
from crmsync.portal.owned import means_the_same
from crmsync.portal.reading import Reader
from crmsync.portal.versions import Versions

_SLACK = timedelta(seconds=2)  # the portal's clock is told by Date headers, which have whole seconds

Histories = Mapping[str, Mapping[ContactId, tuple[Version, ...]]]
"""Property -> contact -> versions, newest first."""


class ReadBack:
    """Looks at one portal."""

    def __init__(self, reader: Reader, versions: Versions) -> None:
        self._reader = reader
        self._versions = versions

    def look_back(self, intents: Sequence[Intent]) -> tuple[Seen, ...]:
        """Read what became of them, see `Sink.look_back`."""
        if not intents:
            return ()
        names = sorted({one.change.property for one in intents})
        reading = self._reader.shown(list(dict.fromkeys(one.change.contact for one in intents)), names)
        histories = self._histories(intents, reading) if self._versions.app_id else {}
        return tuple(_seen(one, reading, histories) for one in intents)

    def _histories(self, intents: Sequence[Intent], reading: Reading) -> Histories:
        asked: dict[str, list[ContactId]] = {}
        for one in intents:
            if one.change.contact in reading.snapshots:
                asked.setdefault(one.change.property, []).append(one.change.contact)
        return {name: self._versions.history(name, list(dict.fromkeys(ids))) for name, ids in asked.items()}


def _seen(intent: Intent, reading: Reading, histories: Histories) -> Seen:
    contact, name = intent.change.contact, intent.change.property
    if contact in reading.unreadable:
        return Seen(intent, Fate.UNREAD)
    snapshot = reading.snapshots.get(contact)
    if snapshot is None:
        return Seen(intent, Fate.GONE)
    versions = histories.get(name, {}).get(contact, ())
    into = ContactId(snapshot.id)
    if versions:  # read after the value, so its newest version is what the portal shows
        return Seen(intent, _by_history(intent, into, versions), into, versions[0].value or None)
    return Seen(intent, _by_value(intent, snapshot), into, snapshot.properties.get(name))


def _by_history(intent: Intent, contact: ContactId, versions: Sequence[Version]) -> Fate:
    """Ours is the value we sent, with our own app as its source: of the current run of values, or since the intent."""
    change, newest = intent.change, versions[0]
    if _arrived(intent, versions):
        return Fate.ARRIVED
    if contact != change.contact:
        return Fate.UNTOLD  # what the one that was merged away showed may not have come along
    set_again = newest.is_person and newest.at > intent.at
    if means_the_same(change.property, newest.value, change.before) and not set_again:
        return Fate.AS_BEFORE
    return Fate.OVERTAKEN


def _arrived(intent: Intent, versions: Sequence[Version]) -> bool:
    change = intent.change
    current = takewhile(lambda one: means_the_same(change.property, one.value, change.after), versions)
    since = takewhile(lambda one: one.at >= intent.at - _SLACK, versions)
    sent = (one for one in since if means_the_same(change.property, one.value, change.after))
    return any(one.is_ours for one in (*current, *sent))


def _by_value(intent: Intent, snapshot: Snapshot) -> Fate:
    """Without a history, or not knowing our own app in it, the value is all there is to go by."""
    change, shown = intent.change, snapshot.properties.get(intent.change.property)
    if means_the_same(change.property, shown, change.after):
        return Fate.ARRIVED
    if means_the_same(change.property, shown, change.before) and snapshot.id == change.contact:
        return Fate.AS_BEFORE
    return Fate.UNTOLD
