"""What the mirror knew + what the portal shows now -> what is new: who is due, signals, foreign changes. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from crmsync.definition.nouns import Needs
from crmsync.model import (
    CONVERSIONS,
    ENGAGEMENTS,
    ENTRY_SLACK,
    OWN,
    WRITTEN,
    ContactId,
    Draft,
    Gone,
    Kind,
    Signal,
    Snapshot,
)

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a definition makes crmsync pull.

    Attributes:
        properties: the kinds to pull with the properties to ask for.
        linked: for each kind the kinds whose associations are read with it.
        counters: contact properties watched for increases.
        forms: form submissions count.
        unread: contact properties that are asked for and that no rule reads.
    """

    properties: Mapping[Kind, tuple[str, ...]]
    linked: Mapping[Kind, tuple[Kind, ...]]
    counters: frozenset[str]
    forms: bool
    unread: frozenset[str] = frozenset(OWN)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(self.properties)

    def read_by_rules(self) -> frozenset[str]:
        """Return the contact properties whose change makes an evaluation necessary."""
        return frozenset(self.properties[Kind.CONTACT]) - self.unread


def wanted(needs: Needs) -> Wanted:
    """Say what to pull for what the definition reads. Web page views are not among it: lists do not deliver them."""
    contact_links = ((Kind.COMPANY,) if needs.company else ()) + ((Kind.DEAL,) if needs.deals else ())
    forms = "forms" in needs.sources
    read = needs.contact | needs.counters | needs.dates
    unread = frozenset(OWN) | (frozenset({CONVERSIONS}) - read if forms else frozenset())
    properties: dict[Kind, tuple[str, ...]] = {
        Kind.CONTACT: tuple(sorted(read | set(WRITTEN) | unread)),
    }
    linked: dict[Kind, tuple[Kind, ...]] = {Kind.CONTACT: contact_links}
    if needs.company:
        properties[Kind.COMPANY], linked[Kind.COMPANY] = tuple(sorted(needs.company)), ()
    if needs.deals:
        properties[Kind.DEAL], linked[Kind.DEAL] = (), (Kind.CONTACT,)
    for kind in ENGAGEMENTS:
        if kind.value in needs.sources:
            properties[kind], linked[kind] = (), (Kind.CONTACT,)
    return Wanted(properties, linked, needs.counters, forms, unread)


@dataclass(frozen=True, slots=True)
class News:
    """
    What a page of snapshots means.

    Attributes:
        foreign: contact -> properties that somebody else changed since the mirror last saw or wrote them.
        submitters: how many contacts have submitted a form since.
    """

    due: tuple[tuple[Kind, str], ...] = ()
    signals: tuple[Signal, ...] = ()
    foreign: Mapping[ContactId, tuple[str, ...]] = field(default_factory=dict)
    gone: tuple[Gone, ...] = ()
    submitters: int = 0


def news(
    known: Mapping[str, Snapshot], shown: Sequence[Snapshot], wanted: Wanted, *, seen_at: datetime
) -> News:
    """
    Compare one page with what the mirror knew.

    Args:
        known: by id, also of contacts that were merged into one of the shown.
        seen_at: the portal's clock; the instant of the signals.
    """
    due: list[tuple[Kind, str]] = []
    signals: list[Signal] = []
    foreign: dict[ContactId, tuple[str, ...]] = {}
    gone: list[Gone] = []
    submitters = 0
    for snapshot in shown:
        before = known.get(snapshot.id)
        if _is_due(before, snapshot, wanted):
            due.append((snapshot.kind, snapshot.id))
        if snapshot.kind is Kind.CONTACT:
            signals.extend(_signals(before, snapshot, wanted.counters, seen_at))
            if changed := _foreign(before, snapshot):
                foreign[ContactId(snapshot.id)] = changed
            gone.extend(_merged(known, snapshot))
            submitters += _has_submitted(before, snapshot)
    return News(tuple(due), tuple(signals), foreign, tuple(gone), submitters)


def gone_entry(gone: Gone) -> Draft:
    """Draft what the trail says of a contact that was merged or deleted."""
    kind, cause = ("contact.merged", "merged") if gone.into else ("contact.deleted", "deleted")
    return Draft(kind=kind, object="contact", id=gone.id, after=gone.into, cause=cause, actor="portal")


def _is_due(before: Snapshot | None, now: Snapshot, wanted: Wanted) -> bool:
    if before is None or before.archived != now.archived:
        return True
    if _links_differ(before, now):
        return True
    match now.kind:
        case Kind.CONTACT:
            return set(before.emails) != set(now.emails) or _rules_see_a_change(before, now, wanted)
        case Kind.DEAL:
            return before.deal != now.deal
        case Kind.COMPANY:
            return _differ(before, now, wanted.properties[Kind.COMPANY])
        case _:
            return before.event != now.event


def _rules_see_a_change(before: Snapshot, now: Snapshot, wanted: Wanted) -> bool:
    if before.stage_entered_at is None or now.stage_entered_at is None:
        moved = before.stage_entered_at != now.stage_entered_at
    else:
        moved = abs(before.stage_entered_at - now.stage_entered_at) > ENTRY_SLACK
    return moved or bool(_foreign(before, now)) or _differ(before, now, wanted.read_by_rules())


def _links_differ(before: Snapshot, now: Snapshot) -> bool:
    return any(
        frozenset(before.associations.get(kind, ())) != frozenset(ends)
        for kind, ends in now.associations.items()
    )


def _differ(before: Snapshot, now: Snapshot, properties: Sequence[str] | frozenset[str]) -> bool:
    return any(_value(before, name) != _value(now, name) for name in properties)


def _value(snapshot: Snapshot, name: str) -> str | None:
    return snapshot.properties.get(name) or None  # HubSpot sends "" after a clear: no value


def _signals(
    before: Snapshot | None, now: Snapshot, counters: frozenset[str], seen_at: datetime
) -> Iterator[Signal]:
    if before is None:  # the first value seen is a baseline
        return
    for name in sorted(counters):
        was, is_now = _counted(before, name), _number(_value(now, name))
        if was is not None and is_now is not None and int(is_now - was) >= 1:
            yield Signal(ContactId(now.id), name, seen_at, int(is_now - was))


def _counted(before: Snapshot, name: str) -> Decimal | None:
    """HubSpot leaves a counter without a value until it counts; one never asked for is unknown."""
    text = _value(before, name)
    return Decimal(0) if text is None and name in before.properties else _number(text)


def _number(text: str | None) -> Decimal | None:
    return Decimal(text.strip()) if text and _NUMBER.fullmatch(text.strip()) else None


def _foreign(before: Snapshot | None, now: Snapshot) -> tuple[str, ...]:
    if before is None:
        return ()
    return tuple(name for name in WRITTEN if _value(before, name) != _value(now, name))


def _has_submitted(before: Snapshot | None, now: Snapshot) -> bool:
    return _value(now, CONVERSIONS) != (None if before is None else _value(before, CONVERSIONS))


def _merged(known: Mapping[str, Snapshot], snapshot: Snapshot) -> Iterator[Gone]:
    for old in snapshot.merged_ids:
        if old != snapshot.id and old in known and not known[old].archived:
            yield Gone(Kind.CONTACT, old, into=snapshot.id)
