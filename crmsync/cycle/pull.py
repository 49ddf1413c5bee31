"""Cursors -> news in the mirror: snapshots, signals, foreign changes, and who must be evaluated again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from crmsync.model import (
    Association,
    ContactId,
    Cursor,
    Form,
    Intake,
    Kind,
    Page,
    Reading,
    Sighting,
    Snapshot,
    SubmissionPage,
    Version,
)


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
        """Search what was modified in [since, until], keyset by id, in pages; safe for equal instants."""

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


class Mirror(Protocol):
    """The store's copy of the portal, as far as pull needs it. Every method may raise StoreError."""

    def cursor(self, stream: str) -> Cursor:
        """Return the stream's position; a stream never read is at Cursor(stream)."""

    def modified(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return `modified_at` of those that are known (and not gone)."""

    def snapshots(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Return those that are known, with properties and associations as taken; gone ones have `archived` true."""

    def known_submissions(self, form_id: str, ids: Sequence[str]) -> frozenset[str]:
        """Return which of these submissions were taken before."""

    def take(self, intake: Intake) -> None:
        """Store it all in one transaction. Taking the same intake twice changes nothing more (signals aside)."""

    def unseen(self, kind: Kind, sweep: int) -> Iterator[tuple[str, ...]]:
        """Yield, a few hundred at a time, ids that are not gone and were not in that sweep."""

    def mark_all_due(self) -> int:
        """Make every living contact due; return how many there are."""
