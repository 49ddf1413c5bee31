"""Intents whose answer is unknown -> what became of them, told by the portal's values and by its history of them."""

from collections.abc import Iterator, Mapping, Sequence
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
        histories = self._histories(intents, reading)
        return tuple(self._seen(one, reading, histories) for one in intents)

    def _histories(self, intents: Sequence[Intent], reading: Reading) -> Histories:
        asked: dict[str, list[ContactId]] = {}
        for one in intents:
            if one.change.contact in reading.snapshots:
                asked.setdefault(one.change.property, []).append(one.change.contact)
        return {name: self._versions.history(name, list(dict.fromkeys(ids))) for name, ids in asked.items()}

    def _seen(self, intent: Intent, reading: Reading, histories: Histories) -> Seen:
        contact, name = intent.change.contact, intent.change.property
        if contact in reading.unreadable:
            return Seen(intent, Fate.UNREAD)
        snapshot = reading.snapshots.get(contact)
        if snapshot is None:
            return Seen(intent, Fate.GONE)
        versions = histories.get(name, {}).get(contact, ())
        into = ContactId(snapshot.id)
        if versions:  # read after the value, so its newest version is what the portal shows
            return Seen(intent, self._by_history(intent, into, versions), into, versions[0].value or None)
        return Seen(intent, _by_value(intent, snapshot), into, snapshot.properties.get(name))

    def _by_history(self, intent: Intent, contact: ContactId, versions: Sequence[Version]) -> Fate:
        """Ours is the value we sent, written by our own app: in the current run of values, or since the intent."""
        change, newest = intent.change, versions[0]
        if contact != change.contact:
            return Fate.UNTOLD  # what it showed may be the other one's, who may have been sent the same
        if any(self._versions.may_be_ours(one) for one in _as_sent(intent, versions)):
            return Fate.ARRIVED
        set_again = newest.is_person and newest.at > intent.at
        if means_the_same(change.property, newest.value, change.before) and not set_again:
            return Fate.AS_BEFORE
        return Fate.OVERTAKEN


def _as_sent(intent: Intent, versions: Sequence[Version]) -> Iterator[Version]:
    """Yield the versions with our value that the portal still shows, or that are younger than the intent."""

    def is_same(one: Version) -> bool:
        return means_the_same(intent.change.property, one.value, intent.change.after)

    yield from takewhile(is_same, versions)
    yield from filter(is_same, takewhile(lambda one: one.at >= intent.at - _SLACK, versions))


def _by_value(intent: Intent, snapshot: Snapshot) -> Fate:
    """Without a history the value is all there is to go by."""
    change, shown = intent.change, snapshot.properties.get(intent.change.property)
    if snapshot.id != change.contact:
        return Fate.UNTOLD
    if means_the_same(change.property, shown, change.after):
        return Fate.ARRIVED
    return Fate.AS_BEFORE if means_the_same(change.property, shown, change.before) else Fate.UNTOLD
