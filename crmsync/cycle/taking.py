"""Snapshots, and those that are gone -> one intake into the mirror: who is due, who set what is ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from crmsync.cycle.foreign import Historian, Ours, foreign_entries, setters, stages
from crmsync.cycle.news import Wanted, gone_entry, news
from crmsync.cycle.record import Findings, untold
from crmsync.model import Association, Cursor, Draft, Gone, Intake, Kind, Reading, Snapshot


class Source(Historian, Protocol):
    """What the portal shows of some that are named. Every method may raise PortalError."""

    def now(self) -> datetime:
        """Tell the portal's clock (from its answers), never ours: cursors must not suffer from skew."""

    def read(self, kind: Kind, ids: Sequence[str], *, properties: Sequence[str]) -> Reading:
        """Batch read any number of ids (100 a request), values from the primary store."""

    def associations(self, kind: Kind, to: Kind, ids: Sequence[str]) -> Mapping[str, tuple[Association, ...]]:
        """Read all associations (1,000 a request); an id with none maps to (), an unreadable one is left out."""


class Known(Protocol):
    """The mirror, as far as taking needs it. Every method may raise StoreError."""

    def snapshots(self, kind: Kind, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Return those that are known, with properties and associations as taken; gone ones have `archived` true."""

    def take(self, intake: Intake) -> None:
        """Store it all in one transaction. Taking the same intake twice changes nothing more (signals aside)."""


class Told(Findings, Ours, Protocol):
    """What the trail already says: findings, and what crmsync intended itself."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """
    What a pull brought.

    Attributes:
        counts: stream -> how many brought something new; the echo of our own write does not.
        foreign: changes by others that were recorded.
        unreadable: answers that were set aside as findings.
        shrunk: (missing, known) contacts when more vanished than the guard accepts; they were not marked as gone.
        submitters: contacts that have submitted a form since they were last seen.
        latest_at: the newest submission taken: the portal's clock was at least there.
        set_aside: what could not be read, and was gone on without.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    foreign: int = 0
    unreadable: int = 0
    shrunk: tuple[int, int] | None = None
    submitters: int = 0
    latest_at: datetime | None = None
    set_aside: tuple[str, ...] = ()

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
            (*self.set_aside, *other.set_aside),
        )


@dataclass(frozen=True, slots=True)
class Taking:
    """Takes what the portal shows into the mirror. Safe to use from several threads, for different kinds."""

    portal: Source
    mirror: Known
    told: Told
    wanted: Wanted

    def take(
        self,
        kind: Kind,
        snapshots: Sequence[Snapshot],
        *,
        gone: Sequence[Gone] = (),
        unreadable: Mapping[str, str] = MappingProxyType({}),
        cursor: Cursor | None = None,
        sweep: int | None = None,
    ) -> Pulled:
        """
        Take them in one transaction.

        Args:
            gone: those the portal no longer has, or only merged into another.
            unreadable: id -> why its answer was set aside.
            cursor: where the stream goes on from here.
            sweep: the full list they were seen in.
        """
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
        counts = {kind.value: len(fresh.due)} if fresh.due else {}
        return Pulled(counts, len(foreign), len(findings), submitters=fresh.submitters)

    def read_again(self, kind: Kind, ids: Sequence[str], *, sweep: int | None = None) -> Pulled:
        """Batch read some: what the portal shows of them now, who is gone, who was merged."""
        reading = self._linked(kind, self.portal.read(kind, ids, properties=self.wanted.properties[kind]))
        gone = _gone(kind, reading)
        return self.take(kind, _distinct(reading), gone=gone, unreadable=reading.unreadable, sweep=sweep)

    def associations_again(self, kind: Kind, ids: Sequence[str]) -> Pulled:
        """Read what known ones are associated with; take those where that has changed."""
        known = self.mirror.snapshots(kind, ids) if self.wanted.linked[kind] else {}
        reading = self._linked(kind, Reading({id_: one for id_, one in known.items() if not one.archived}))
        moved = tuple(
            now
            for id_, now in reading.snapshots.items()
            if news({id_: known[id_]}, [now], self.wanted, seen_at=self.portal.now()).due
        )
        if not moved and not reading.unreadable:
            return Pulled()
        return self.take(kind, moved, unreadable=reading.unreadable)

    def _linked(self, kind: Kind, reading: Reading) -> Reading:
        """Read what the snapshots are associated with: batch reads do not bring it. Half a snapshot is none."""
        snapshots, unreadable = dict(reading.snapshots), dict(reading.unreadable)
        for to in self.wanted.linked[kind]:
            shown = dict.fromkeys(one.id for one in snapshots.values())
            links = self.portal.associations(kind, to, list(shown))
            for asked, one in list(snapshots.items()):
                if one.id in links:
                    snapshots[asked] = replace(one, associations={**one.associations, to: links[one.id]})
                else:
                    del snapshots[asked]
                    unreadable[asked] = f"its associations with {to.value} could not be read"
        return Reading(snapshots, reading.missing, unreadable)


def _distinct(reading: Reading) -> tuple[Snapshot, ...]:
    """Keep each once: two merged ids may answer as one contact."""
    return tuple({one.id: one for one in reading.snapshots.values()}.values())


def _gone(kind: Kind, reading: Reading) -> tuple[Gone, ...]:
    merged = (Gone(kind, asked, into=one.id) for asked, one in reading.snapshots.items() if asked != one.id)
    return (*merged, *(Gone(kind, one) for one in reading.missing))


def _finding(kind: Kind, one: str, why: str) -> Draft:
    subject = "contact" if kind is Kind.CONTACT else kind.value
    return Draft(kind="finding", object=subject, id=one, cause="unreadable", reason={"problem": why})
