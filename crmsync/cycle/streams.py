"""One stream (a kind of the portal, or a form) at a time: list pages, search windows -> intakes into the mirror."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Protocol

from crmsync.cycle.foreign import Ours, foreign_entries, setters, stages
from crmsync.cycle.news import Wanted, gone_entry, news
from crmsync.cycle.pull import Mirror, Portal
from crmsync.cycle.record import Findings, untold
from crmsync.cycle.watching import FORMS, Nobody, Watcher, stop_if, unknown
from crmsync.model import (
    Association,
    ContactId,
    Cursor,
    Draft,
    Form,
    Gone,
    Intake,
    Kind,
    Reading,
    Sighting,
    Snapshot,
)

_BATCH = 100
_FORMS = "forms"  # the stream whose position says that all forms were read once


@dataclass(frozen=True, slots=True)
class Pulled:
    """
    What a pull brought.

    Attributes:
        counts: stream -> snapshots (or submissions) taken.
        foreign: changes by others that were recorded.
        unreadable: answers that were set aside as findings.
        shrunk: (missing, known) contacts when more vanished than the guard accepts; they were not marked as gone.
        submitters: contacts that have submitted a form since they were last seen.
        latest_at: the newest submission taken: the portal's clock was at least there.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    foreign: int = 0
    unreadable: int = 0
    shrunk: tuple[int, int] | None = None
    submitters: int = 0
    latest_at: datetime | None = None

    def __add__(self, other: "Pulled") -> "Pulled":
        streams = [*self.counts, *(name for name in other.counts if name not in self.counts)]
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in streams}
        return Pulled(
            counts,
            self.foreign + other.foreign,
            self.unreadable + other.unreadable,
            self.shrunk or other.shrunk,
            self.submitters + other.submitters,
            max(filter(None, (self.latest_at, other.latest_at)), default=None),
        )


class Told(Findings, Ours, Protocol):
    """What the trail already says: findings, and what crmsync intended itself."""


@dataclass(frozen=True, slots=True)
class Streams:
    """
    The verbs of pull, for one stream each. Safe to call for different streams from several threads.

    Attributes:
        max_shrink: share of the known contacts that may vanish in one sweep before it is not believed.
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
    should_stop: Callable[[], bool] = lambda: False

    def sweep(self, kind: Kind) -> Pulled:
        """Read the whole list, from where an interrupted sweep stopped; then look after those it no longer had."""
        cursor = self._begin(kind)
        self.watcher.begin(kind.value, partial(self.portal.count, kind))
        pulled = Pulled()
        while True:
            stop_if(self.should_stop())
            page = self.portal.page(
                kind,
                properties=self.wanted.properties[kind],
                associations=self.wanted.linked[kind],
                after=cursor.after,
            )
            cursor = replace(cursor, after=page.after)
            if page.after is None:
                pulled += self._take(kind, page.snapshots, unreadable=page.unreadable, sweep=cursor.sweep)
                return pulled + self._finish(kind, cursor)
            pulled += self._take(
                kind, page.snapshots, unreadable=page.unreadable, cursor=cursor, sweep=cursor.sweep
            )

    def catch_up(self, kind: Kind) -> Pulled:
        """Take what was modified since the last window, which it overlaps, up to `lag` before now."""
        cursor = self.mirror.cursor(kind.value)
        if cursor.until is None or cursor.after is not None:
            return self.sweep(kind)
        self.watcher.begin(kind.value, unknown)
        until = self.portal.now() - self.lag
        pulled = self._window(kind, cursor.until - self.overlap, until, again=False)
        if until > cursor.until:  # never backwards, whatever the portal's clock says
            self.mirror.take(Intake(cursor=replace(cursor, until=until)))
        return pulled

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
        return sum((self.read_again(Kind.CONTACT, batch) for batch in batches), Pulled())

    def submissions(self, form: Form, *, whole: bool) -> Pulled:
        """Take the newest submissions of a form down to the first known one; `whole`: all of them."""
        stream = f"forms:{form.id}"
        cursor = self.mirror.cursor(stream)
        stop_at_known = cursor.until is not None and cursor.after is None and not whole
        started_at, after, taken = self.portal.now(), cursor.after, 0
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
            after = None if known and stop_at_known else page.after
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
                pulled += self.read_again(kind, batch, sweep=cursor.sweep)
        self.mirror.take(Intake(cursor=replace(cursor, after=None, until=cursor.sweep_started_at)))
        return pulled

    def _window(self, kind: Kind, since: datetime, until: datetime, *, again: bool) -> Pulled:
        pulled = Pulled()
        for sightings in self.portal.changed(kind, since, until):
            ids = self._worth_reading(kind, sightings)
            for batch in _batches(ids):
                stop_if(self.should_stop())
                pulled += self.read_again(kind, batch)
            if again and kind is not Kind.CONTACT:
                rest = [one.id for one in sightings if one.id not in set(ids)]
                pulled += self._associations_again(kind, rest)
        return pulled

    def _worth_reading(self, kind: Kind, sightings: Sequence[Sighting]) -> list[str]:
        known = self.mirror.modified(kind, [one.id for one in sightings])
        return [one.id for one in sightings if one.id not in known or one.modified_at > known[one.id]]

    def read_again(self, kind: Kind, ids: Sequence[str], *, sweep: int | None = None) -> Pulled:
        """Batch read some: what the portal shows of them now, who is gone, who was merged."""
        reading = self.portal.read(kind, ids, properties=self.wanted.properties[kind])
        distinct = {
            one.id: one for one in reading.snapshots.values()
        }  # two merged ids may answer as one contact
        snapshots = self._linked(kind, tuple(distinct.values()))
        gone = _gone(kind, reading)
        return self._take(kind, snapshots, gone=gone, unreadable=reading.unreadable, sweep=sweep)

    def _linked(self, kind: Kind, snapshots: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        """Read what the snapshots are associated with: batch reads do not bring it."""
        links: dict[str, dict[Kind, tuple[Association, ...]]] = {one.id: {} for one in snapshots}
        for to in self.wanted.linked[kind] if snapshots else ():
            for one, ends in self.portal.associations(kind, to, list(links)).items():
                links[one][to] = ends
        return tuple(replace(one, associations=links[one.id]) for one in snapshots)

    def _associations_again(self, kind: Kind, ids: Sequence[str]) -> Pulled:
        known = self.mirror.snapshots(kind, ids) if self.wanted.linked[kind] else {}
        living = tuple(one for one in known.values() if not one.archived)
        relinked = self._linked(kind, living)
        moved = tuple(
            now
            for before, now in zip(living, relinked, strict=True)
            if news({now.id: before}, [now], self.wanted, seen_at=self.portal.now()).due
        )
        return self._take(kind, moved) if moved else Pulled()

    def _take(
        self,
        kind: Kind,
        snapshots: Sequence[Snapshot],
        *,
        gone: Sequence[Gone] = (),
        unreadable: Mapping[str, str] = MappingProxyType({}),
        cursor: Cursor | None = None,
        sweep: int | None = None,
    ) -> Pulled:
        ids = [one for snapshot in snapshots for one in (snapshot.id, *snapshot.merged_ids)]
        known = self.mirror.snapshots(kind, [*ids, *(one.id for one in gone)])
        fresh = news(known, snapshots, self.wanted, seen_at=self.portal.now())
        versions = setters(self.portal, fresh.foreign)
        shown = {one.id: one for one in snapshots}
        foreign = tuple(foreign_entries(self.told, fresh.foreign, known, shown, versions))
        missing = tuple(one for one in gone if one.id in known and not known[one.id].archived)
        vanished = (*fresh.gone, *(one for one in missing if one.id not in {old.id for old in fresh.gone}))
        findings = tuple(_finding(kind, one, why) for one, why in sorted(unreadable.items()))
        departures = tuple(gone_entry(one) for one in vanished if one.kind is Kind.CONTACT)
        self.mirror.take(
            Intake(
                snapshots=tuple(snapshots),
                signals=fresh.signals,
                due=(*fresh.due, *((one.kind, one.id) for one in vanished)),
                versions=stages(versions),
                gone=vanished,
                entries=(*departures, *foreign, *untold(self.told, findings)),
                cursor=cursor,
                sweep=sweep,
            )
        )
        self.watcher.advance(kind.value, len(snapshots))
        counts = {kind.value: len(snapshots)} if snapshots else {}
        return Pulled(counts, len(foreign), len(findings), submitters=fresh.submitters)


def _gone(kind: Kind, reading: Reading) -> tuple[Gone, ...]:
    merged = (Gone(kind, asked, into=one.id) for asked, one in reading.snapshots.items() if asked != one.id)
    return (*merged, *(Gone(kind, one) for one in reading.missing))


def _finding(kind: Kind, one: str, why: str) -> Draft:
    subject = "contact" if kind is Kind.CONTACT else kind.value
    return Draft(kind="finding", object=subject, id=one, cause="unreadable", reason={"problem": why})


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for one in ids:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
