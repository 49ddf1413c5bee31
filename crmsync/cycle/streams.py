"""One stream (a kind of the portal, or a form) at a time: list pages, search windows -> intakes into the mirror."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from crmsync.cycle.news import Wanted
from crmsync.cycle.patience import Impatient, Patience
from crmsync.cycle.taking import Known, Pulled, Source, Taking, Told
from crmsync.cycle.watching import FORMS, Nobody, Watcher, stop_if, unknown
from crmsync.model import ContactId, Cursor, Form, Intake, Kind, Page, Sighting, SubmissionPage
from crmsync.paging import Way

_AT_ONCE = 1_000  # what one request for associations takes
_FORMS = "forms"  # the stream whose position says that all forms were read once
_T = TypeVar("_T")


class Portal(Source, Protocol):
    """
    Where news comes from. The portal's gateway is one; so is the fake in tests/fakes.py.

    Every method may raise PortalError. The gateway adds by itself the properties it needs to fill a Snapshot's
    own attributes (modification instant, e-mail addresses, stage entry, event, deal).
    """

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
        """
        Search what was modified in [since, until], keyset by id, in pages; safe for equal instants.

        A page may be empty and not the last: each is a place to stop at.
        """

    def forms(self) -> tuple[Form, ...]:
        """List the forms whose submissions the portal gives out."""

    def submissions(self, form: Form, after: str | None) -> SubmissionPage:
        """Read one page of 50 submissions, newest first."""


class Mirror(Known, Protocol):
    """The store's copy of the portal, as far as pull needs it. Every method may raise StoreError."""

    def cursor(self, stream: str) -> Cursor:
        """Return the stream's position; a stream never read is at Cursor(stream)."""

    def modified(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return `modified_at` of those that are known (and not gone)."""

    def known_submissions(self, form_id: str, ids: Sequence[str]) -> frozenset[str]:
        """Return which of these submissions were taken before."""

    def unseen(self, kind: Kind, sweep: int) -> Iterator[tuple[str, ...]]:
        """Yield, a few hundred at a time, ids that are not gone and were not in that sweep."""

    def size(self) -> int:
        """Count the living contacts."""

    def mark_all_due(self) -> int:
        """Make every living contact due; return how many there are."""


@dataclass(frozen=True, slots=True)
class Streams:
    """
    The verbs of pull, for one stream each. Safe to call for different streams from several threads.

    Attributes:
        max_shrink: share of the known contacts that may vanish in one sweep before it is not believed.
        patience: what a failure of one stream means for the others.
        should_stop: looked at before each page of a list, window or form; then Stopped is raised.
    """

    portal: Portal
    mirror: Mirror
    told: Told
    wanted: Wanted
    lag: timedelta
    overlap: timedelta
    max_shrink: float
    watcher: Watcher = field(default_factory=Nobody)
    patience: Patience = field(default_factory=Impatient)
    should_stop: Callable[[], bool] = lambda: False

    def sweep(self, kind: Kind) -> Pulled:
        """Read the whole list, from where an interrupted sweep stopped; then look after those it no longer had."""
        cursor = self._begin(kind)
        self.watcher.begin(kind.value, partial(self.portal.count, kind))
        pulled, way = Pulled(), Way(kind.value)
        while True:
            stop_if(self.should_stop())
            page = self.portal.page(
                kind,
                properties=self.wanted.properties[kind],
                associations=self.wanted.linked[kind],
                after=cursor.after,
            )
            cursor = replace(cursor, after=way.on(page.after, next((one.id for one in page.snapshots), None)))
            is_last = page.after is None
            pulled += self._taking.take(
                kind,
                page.snapshots,
                unreadable=page.unreadable,
                cursor=None if is_last else cursor,
                sweep=cursor.sweep,
            )
            self.watcher.advance(kind.value, len(page.snapshots))
            if is_last:
                return pulled + self._finish(kind, cursor)

    def catch_up(self, kind: Kind) -> Pulled:
        """
        Take what was modified since the last window, which it overlaps, up to `lag` before now.

        A list that was interrupted goes on too: the whole of it, where there is no window to go on from.
        """
        cursor = self.mirror.cursor(kind.value)
        if cursor.until is None:
            return self.sweep(kind)
        pulled = self._catch_up(kind, cursor, cursor.until)
        return pulled if cursor.after is None else pulled + self.sweep(kind)

    def _catch_up(self, kind: Kind, cursor: Cursor, read_until: datetime) -> Pulled:
        self.watcher.begin(kind.value, unknown)
        until = self.portal.now() - self.lag
        # a portal's clock that ran ahead and was set back must not make the window empty
        pulled = self._window(kind, min(read_until, until) - self.overlap, until, again=False)
        if until > read_until:  # never backwards, whatever the portal's clock says
            self.mirror.take(Intake(cursor=replace(cursor, until=until)))
        return pulled

    def is_known(self, kind: Kind) -> bool:
        """Tell whether the whole of it was read once."""
        return self.mirror.cursor(kind.value).until is not None

    def begin_again(self, kind: Kind) -> None:
        """Forget how far it was read: the next catch-up reads the whole list."""
        cursor = self.mirror.cursor(kind.value)
        if cursor.until is not None or cursor.after is not None:
            self.mirror.take(Intake(cursor=replace(cursor, until=None, after=None)))

    def rescan(self, kind: Kind, back: timedelta) -> Pulled:
        """Read a longer stretch again: late index entries, and associations, whose changes bump nothing."""
        until = self.portal.now() - self.lag
        return self._window(kind, until - back, until, again=True)

    def has_read_forms(self) -> bool:
        """Tell whether every form was read once."""
        return self.mirror.cursor(_FORMS).until is not None

    def note_forms_read(self) -> None:
        if not self.has_read_forms():
            self.mirror.take(Intake(cursor=Cursor(_FORMS, until=self.portal.now())))

    def look_again(self, contacts: Iterable[ContactId]) -> Pulled:
        """Take what the portal shows of contacts that turned out to be other than the mirror had them."""
        batches = _batches(dict.fromkeys(contacts))
        return sum((self._taking.read_again(Kind.CONTACT, batch) for batch in batches), Pulled())

    def submissions(self, form: Form, *, whole: bool) -> Pulled:
        """Take the newest submissions of a form down to the first known one; `whole`: all of them."""
        stream = f"forms:{form.id}"
        cursor = self.mirror.cursor(stream)
        stop_at_known = cursor.until is not None and cursor.after is None and not whole
        started_at, after, taken = self.portal.now(), cursor.after, 0
        just_taken, way = frozenset[str](), Way(f"form {form.id}")
        latest_at: datetime | None = None
        self.watcher.begin(FORMS, unknown)
        while True:
            stop_if(self.should_stop())
            page = self.portal.submissions(form, after)
            known = self.mirror.known_submissions(form.id, [one.id for one in page.submissions])
            fresh = tuple(one for one in page.submissions if one.id not in known)
            taken += len(fresh)
            self.watcher.advance(FORMS, len(fresh))
            latest_at = max(filter(None, (latest_at, *(one.at for one in fresh))), default=None)
            # a submission that arrives meanwhile shifts the pages: what was taken a page ago is no sign of the end
            after = None if known - just_taken and stop_at_known else page.after
            after = way.on(after, next((one.id for one in page.submissions), None))
            just_taken = frozenset(one.id for one in fresh)
            done = after is None
            position = replace(cursor, after=after, until=started_at if done else cursor.until)
            if fresh or not done or cursor != replace(position, until=cursor.until) or cursor.until is None:
                self.mirror.take(Intake(submissions=fresh, cursor=position))
            if done:
                return Pulled({stream: taken} if taken else {}, latest_at=latest_at)

    def _begin(self, kind: Kind) -> Cursor:
        cursor = self.mirror.cursor(kind.value)
        if cursor.after is not None:
            return cursor
        return replace(cursor, sweep=cursor.sweep + 1, sweep_started_at=self.portal.now())

    def _finish(self, kind: Kind, cursor: Cursor) -> Pulled:
        """Move the cursor last: only when those that the list no longer had are looked after."""
        unseen = [one for batch in self.mirror.unseen(kind, cursor.sweep) for one in batch]
        pulled = Pulled()
        if kind is Kind.CONTACT and unseen and (size := self.mirror.size()) * self.max_shrink < len(unseen):
            pulled = Pulled(shrunk=(len(unseen), size))
        else:
            for batch in _batches(unseen):
                pulled += self._taking.read_again(kind, batch, sweep=cursor.sweep)
        self.mirror.take(Intake(cursor=replace(cursor, after=None, until=cursor.sweep_started_at)))
        return pulled

    def _window(self, kind: Kind, since: datetime, until: datetime, *, again: bool) -> Pulled:
        pulled = Pulled()
        for sightings in _batches(self._sightings(kind, since, until)):
            news, known = self._sorted_out(kind, sightings)
            pulled += self._taking.read_again(kind, news) if news else Pulled()
            self.watcher.advance(kind.value, len(news))
            if again and kind is not Kind.CONTACT:
                pulled += self._taking.associations_again(kind, known)
        return pulled

    def _sightings(self, kind: Kind, since: datetime, until: datetime) -> Iterator[Sighting]:
        for page in self.portal.changed(kind, since, until):
            stop_if(self.should_stop())
            yield from page

    def _sorted_out(self, kind: Kind, sightings: Sequence[Sighting]) -> tuple[list[str], list[str]]:
        """Tell those worth reading from those the mirror has as they are."""
        known = self.mirror.modified(kind, [one.id for one in sightings])
        news = [one.id for one in sightings if one.id not in known or one.modified_at > known[one.id]]
        worth = frozenset(news)
        return news, [one.id for one in sightings if one.id not in worth]

    @property
    def _taking(self) -> Taking:
        return Taking(self.portal, self.mirror, self.told, self.wanted)


def _batches(all_of_them: Iterable[_T]) -> Iterator[list[_T]]:
    batch: list[_T] = []
    for one in all_of_them:
        batch.append(one)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
