"""
Cursors -> news in the mirror: snapshots, signals, foreign changes, and who must be evaluated again.

The verbs for all streams side by side; streams.py has them for one stream, news.py says what is new.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from crmsync.cycle.agenda import Job
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

if TYPE_CHECKING:
    from crmsync.cycle.streams import Pulled, Streams

_FEW_FORMS = 20
_Verb: TypeAlias = "Callable[[], Pulled]"


class Portal(Protocol):
    """
    Where news comes from. The portal's gateway is one; so is the fake in tests/fakes.py.

    Every method may raise PortalError. The gateway adds by itself the properties it needs to fill a Snapshot's
    own attributes (modification instant, e-mail addresses, stage entry, event, deal).
    """

    def now(self) -> datetime:
        """Tell the portal's clock (from its answers), never ours: cursors must not suffer from skew."""

    def count(self, kind: Kind) -> int | None:
        """Count what a list has, for whoever watches; costs a request. None: the portal does not say."""

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

    def size(self) -> int:
        """Count the living contacts."""

    def mark_all_due(self) -> int:
        """Make every living contact due; return how many there are."""


def pull(streams: "Streams", due: Collection[Job], *, rescan_back: timedelta, workers: int = 1) -> "Pulled":
    """Catch up, or compare the full lists where that is due; and read again what may have come late."""
    lists = reconcile_lists if Job.RECONCILE in due else catch_up
    pulled = lists(streams, workers=workers)
    return pulled + rescan(streams, rescan_back, workers=workers) if Job.RESCAN in due else pulled


def catch_up(streams: "Streams", *, workers: int = 1) -> "Pulled":
    """
    Take everything that changed since the last time; the first time everything there is.

    Forms have no search. A few are cheap to look at each time, a page each; many are read when a contact's count of
    submissions moved, and at each rescan.
    """
    kinds: list[_Verb] = [partial(streams.catch_up, kind) for kind in streams.wanted.kinds]
    if not streams.has_read_forms():
        pulled = _side_by_side([*kinds, *_forms(streams, whole=False)], workers)
        streams.note_forms_read()
        return pulled
    pulled = _side_by_side(kinds, workers)
    forms = _forms(streams, whole=False)
    return pulled + _side_by_side(forms if pulled.submitters or len(forms) <= _FEW_FORMS else [], workers)


def rescan(streams: "Streams", back: timedelta, *, workers: int = 1) -> "Pulled":
    """Read the windows of the last `back` again, with the associations of engagements and deals, and the forms."""
    kinds: list[_Verb] = [partial(streams.rescan, kind, back) for kind in streams.wanted.kinds]
    return _side_by_side([*kinds, *_forms(streams, whole=False)], workers)


def reconcile_lists(streams: "Streams", *, workers: int = 1) -> "Pulled":
    """Compare the full lists with the mirror: deletions, merges, restored contacts, drift, late submissions."""
    kinds: list[_Verb] = [partial(streams.sweep, kind) for kind in streams.wanted.kinds]
    return _side_by_side([*kinds, *_forms(streams, whole=True)], workers)


def _forms(streams: "Streams", *, whole: bool) -> list[_Verb]:
    if not streams.wanted.forms:
        return []
    return [partial(streams.submissions, form, whole=whole) for form in streams.portal.forms()]


def _side_by_side(jobs: Sequence[_Verb], workers: int) -> "Pulled":
    """Run the jobs, in order with one worker; the first error is raised when all that started have ended."""
    from crmsync.cycle.streams import Pulled

    if workers == 1 or not jobs:
        return sum((job() for job in jobs), Pulled())
    with ThreadPoolExecutor(workers, thread_name_prefix="pull") as pool:
        return sum(pool.map(lambda job: job(), jobs), Pulled())
