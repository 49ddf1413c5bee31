"""Cursors -> news in the mirror: snapshots, signals, foreign changes, and who must be evaluated again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from crmsync.model import (
    Association,
    ContactId,
    Draft,
    Kind,
    Sighting,
    Signal,
    Snapshot,
    Submission,
    Version,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One list page. `after` is where the next one starts; None: this was the last."""

    snapshots: tuple[Snapshot, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a batch read brought.

    Attributes:
        snapshots: by the id that was asked for; a merged contact answers under another `snapshot.id`.
        missing: ids the portal does not know (any more).
        unreadable: id -> why: answers that are not what the API promises (findings, read again later).
    """

    snapshots: Mapping[str, Snapshot]
    missing: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SubmissionPage:
    """Submissions of one form, newest first."""

    submissions: tuple[Submission, ...]
    after: str | None


class Portal(Protocol):
    """
    Where news comes from. The portal's gateway is one; so is the fake in tests/fakes.py.

    Every method may raise PortalError. The gateway adds by itself the properties it needs to fill a Snapshot's
    own attributes (modification instant, e-mail addresses, stage entry, event, deal).
    """

    def now(self) -> datetime:
        """Tell the portal's clock (from its answers), never ours: cursors must not suffer from skew."""

    def page(
        self,
        kind: Kind,
        *,
        properties: Sequence[str],
        associations: Sequence[Kind],
        after: str | None,
        archived: bool = False,
    ) -> Page:
        """Read one list page of up to 100 in id order, inline associations completed where the portal cut them."""

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        """Search what was modified in [since, until], keyset by id, in pages; safe for equal instants and moving hits."""

    def read(self, kind: Kind, ids: Sequence[str], *, properties: Sequence[str]) -> Reading:
        """Batch read any number of ids (100 a request), values from the primary store."""

    def associations(self, kind: Kind, to: Kind, ids: Sequence[str]) -> Mapping[str, tuple[Association, ...]]:
        """Read associations (1,000 a request), all of them; an id with none maps to ()."""

    def history(
        self, property_name: str, ids: Sequence[ContactId]
    ) -> Mapping[ContactId, tuple[Version, ...]]:
        """Read a contact property's versions, newest first (50 contacts a request)."""

    def forms(self) -> tuple[Form, ...]:
        """List the forms whose submissions the portal gives out."""

    def submissions(self, form: Form, after: str | None) -> SubmissionPage:
        """Read one page of 50 submissions, newest first."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    How far a stream has been read.

    Attributes:
        stream: `contacts`, `calls`, ..., `forms:<id>`.
        until: everything modified up to here (portal's clock) has been taken; None before the first sweep is complete.
        after: inside an unfinished sweep: where its next list page starts.
        sweep: number of the sweep (full list) under way or done last.
        sweep_started_at: portal's clock when that sweep began: the first `until` after it.
    """

    stream: str
    until: datetime | None = None
    after: str | None = None
    sweep: int = 0
    sweep_started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A contact, company, deal or engagement that is no longer there; `into`: merged into this contact."""

    kind: Kind
    id: str
    into: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """
    A page of news: taken whole, in one transaction with its audit entries and its cursor, or not at all.

    Attributes:
        snapshots: what the portal shows now; associations replace the known ones of the kinds they name.
        due: contacts, companies, deals and engagements whose news changes an evaluation: every contact associated
            with one, before or after this intake, is evaluated again; so is every contact that a new submission's
            e-mail address belongs to.
        versions: who set the current stage, for contacts where that was looked up.
        gone: deleted, archived or merged away.
        entries: audit drafts (`change.foreign`, `contact.merged`, `contact.deleted`, `finding`).
        cursor: the stream's new position.
        sweep: the snapshots' sweep number, when they come from a full list.
    """

    snapshots: tuple[Snapshot, ...] = ()
    submissions: tuple[Submission, ...] = ()
    signals: tuple[Signal, ...] = ()
    due: tuple[tuple[Kind, str], ...] = ()
    versions: Mapping[ContactId, Version] = field(default_factory=dict)
    gone: tuple[Gone, ...] = ()
    entries: tuple[Draft, ...] = ()
    cursor: Cursor | None = None
    sweep: int | None = None


class Mirror(Protocol):
    """The store's copy of the portal, as far as pull needs it. Every method may raise StoreError."""

    def cursor(self, stream: str) -> Cursor:
        """Return the stream's position; a stream never read is at Cursor(stream)."""

    def modified(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return `modified_at` of those that are known (and not gone)."""

    def snapshots(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Return those that are known (gone ones included, `archived` true), with properties and associations as taken."""

    def known_submissions(self, form_id: str, ids: Sequence[str]) -> frozenset[str]:
        """Return which of these submissions were taken before."""

    def take(self, intake: Intake) -> None:
        """Store it all in one transaction. Taking the same intake twice changes nothing more (signals aside)."""

    def unseen(self, kind: Kind, sweep: int) -> Iterator[tuple[str, ...]]:
        """Yield, a few hundred at a time, ids that are not gone and were not in that sweep."""

    def mark_all_due(self) -> int:
        """Make every living contact due; return how many there are."""
