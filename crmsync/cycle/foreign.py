"""What of ours shows another value than the mirror knew -> who set it, and what the trail says of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from crmsync.model import STAGE, ContactId, Draft, Entry, Sent, Snapshot, Version

CAME_LATE = "It arrived after it had been given up."
CAME_AGAIN = "A request of ours whose answer was lost took effect late, over a value that had been set since."


class Historian(Protocol):
    """The portal's memory of who set a value. It may raise PortalError."""

    def history(
        self, property_name: str, ids: Sequence[ContactId]
    ) -> Mapping[ContactId, tuple[Version, ...]]:
        """Return the values a property had, newest first; contacts whose history cannot be read are absent."""


class Ours(Protocol):
    """What crmsync itself intended to write. It may raise StoreError."""

    def sent(self, contact: ContactId, property_name: str, value: str) -> Sent | None:
        """Return the newest intent to give this property this value; None: there was none."""


@dataclass(frozen=True, slots=True)
class _Move:
    """A property that shows another value; `version`: who set it, None where the portal does not say."""

    contact: ContactId
    property: str
    before: str | None
    after: str | None
    version: Version | None


def setters(
    historian: Historian, foreign: Mapping[ContactId, Sequence[str]]
) -> Mapping[tuple[ContactId, str], Version]:
    """Ask the portal who set these properties; a request for each property and 50 contacts."""
    by_property: dict[str, list[ContactId]] = {}
    for contact, properties in foreign.items():
        for name in properties:
            by_property.setdefault(name, []).append(contact)
    found: dict[tuple[ContactId, str], Version] = {}
    for name, contacts in by_property.items():
        for contact, versions in historian.history(name, contacts).items():
            if (version := setter(versions)) is not None:
                found[contact, name] = version
    return found


def setter(versions: Sequence[Version]) -> Version | None:
    """
    Find who set the current value, of versions newest first.

    Writing a value once more changes nothing, so the first of equal versions counts; but a person's before all.
    """
    equal = list(takewhile(lambda one: one.value == versions[0].value, versions))
    persons = [one for one in equal if one.is_person]
    return next(iter([*persons, *reversed(equal)]), None)


def foreign_entries(
    ours: Ours,
    foreign: Mapping[ContactId, Sequence[str]],
    known: Mapping[str, Snapshot],
    shown: Mapping[str, Snapshot],
    versions: Mapping[tuple[ContactId, str], Version],
) -> Iterator[Draft]:
    """
    Yield what the trail says of each: a `change.foreign` with the source HubSpot names, `unknown` without one.

    What we wrote ourselves is not foreign: a write whose answer was lost can be seen here for the first time.
    """
    for contact, properties in foreign.items():
        for name in properties:
            before, after = known[contact].properties.get(name), shown[contact].properties.get(name)
            yield from _entries(ours, _Move(contact, name, before, after, versions.get((contact, name))))


def stages(versions: Mapping[tuple[ContactId, str], Version]) -> dict[ContactId, Version]:
    """Keep who set the stage."""
    return {contact: version for (contact, name), version in versions.items() if name == STAGE}


def _entries(ours: Ours, move: _Move) -> Iterator[Draft]:
    is_ours = move.version is not None and move.version.is_ours
    sent = ours.sent(move.contact, move.property, move.after or "") if is_ours else None
    if sent is None:
        yield _foreign(move)
    elif sent.outcome is not None:
        yield _arrived(sent.intent, sent.outcome)


def _foreign(move: _Move) -> Draft:
    version = move.version
    return Draft(
        kind="change.foreign",
        object="contact",
        id=move.contact,
        property=move.property,
        before=move.before,
        after=move.after,
        cause="foreign",
        actor=version.actor if version else "unknown",
        reason={"changed_at": version.at.isoformat()} if version else None,
    )


def _arrived(intent: Entry, outcome: Entry) -> Draft:
    """Correct an outcome that was told too early; where it was told right, say that it took effect once more."""
    was_applied = outcome.draft.kind == "change.applied"
    draft = intent.draft
    return Draft(
        kind="finding" if was_applied else "change.applied",
        run=draft.run,
        object="contact",
        id=draft.id,
        property=draft.property,
        before=draft.before,
        after=draft.after,
        of=intent.seq,
        cause="came_again" if was_applied else draft.cause,
        definition=draft.definition,
        reason={"problem": CAME_AGAIN if was_applied else CAME_LATE},
    )
