"""A portal in memory: Portal and Sink of crmsync/cycle. Held to the real gateway by tests/contract/test_portal.py."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from crmsync.errors import Unavailable
from crmsync.model import (
    STAGE,
    Association,
    ContactId,
    Fate,
    Form,
    Intent,
    Kind,
    Outcome,
    Page,
    Reading,
    Result,
    Seen,
    Sighting,
    Snapshot,
    Stage,
    Submission,
    SubmissionPage,
    Version,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAGES: tuple[Stage, ...] = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
_PAGE = 100
_OURS = "8111608"


@dataclass
class FakePortal:
    """
    Everything visible at once, no limits. Tests reach in through `put`, `edit` and the attributes.

    Attributes:
        clock: the portal's; every change stamps it and moves it on by a millisecond.
        writes: (contact, {property: value}) of every input that was sent, in order.
        reads: how many ids were batch read.
        refuses, refuses_stages: contacts of which, and stages with which, no input is taken.
        silent_about: contacts whose histories cannot be read.
        unreadable: contacts that cannot be read at all, but for lists.
        fails: what is answered with an error each time: `list meetings`, `search contacts`, `forms`, `form f1`.
    """

    clock: datetime = NOW
    snapshots: dict[Kind, dict[str, Snapshot]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    versions: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    form_list: tuple[Form, ...] = ()
    form_submissions: dict[str, list[Submission]] = field(default_factory=dict)
    writes: list[tuple[ContactId, dict[str, str]]] = field(default_factory=list)
    reads: int = 0
    searches: int = 0
    form_reads: int = 0
    merged: dict[str, str] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    refuses_stages: set[str] = field(default_factory=set)
    silent_about: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    loses_answers: bool = False
    loses_requests: bool = False

    # --- what tests do to it -------------------------------------------------------------------------------

    def put(self, snapshot: Snapshot) -> None:
        """Add or replace, stamped now."""
        self.snapshots[snapshot.kind][snapshot.id] = replace(snapshot, modified_at=self._stamp())

    def edit(
        self, contact: str, name: str, value: str | None, source: str = "CRM_UI", by: str = "userId:7"
    ) -> None:
        """Let somebody else set a property."""
        self._set(contact, {name: value or ""}, source, by, is_person=source.startswith("CRM_UI"))

    def arrives(self, contact: str, values: dict[str, str]) -> None:
        """Let a request of ours take effect that was under way for long."""
        self._set(contact, values, "INTEGRATION", _OURS, is_ours=True)

    def remove(self, kind: Kind, one: str) -> None:
        del self.snapshots[kind][one]

    def shows(self, contact: str, name: str) -> str | None:
        return self.snapshots[Kind.CONTACT][contact].properties.get(name)

    # --- Portal --------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.clock

    def count(self, kind: Kind) -> int | None:
        return sum(not one.archived for one in self.snapshots[kind].values())

    def page(
        self,
        kind: Kind,
        *,
        properties: Sequence[str],
        associations: Sequence[Kind],
        after: str | None,
        archived: bool = False,
    ) -> Page:
        self._fail_if(f"list {kind.value}")
        ids = sorted((one for one in self.snapshots[kind] if int(one) >= int(after or 0)), key=int)
        shown = [self.snapshots[kind][one] for one in ids if self.snapshots[kind][one].archived is archived]
        rest = shown[_PAGE].id if len(shown) > _PAGE else None
        return Page(tuple(_asked(one, properties, associations) for one in shown[:_PAGE]), rest)

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        self.searches += 1
        self._fail_if(f"search {kind.value}")
        hits = [
            Sighting(one.id, one.modified_at)
            for one in self.snapshots[kind].values()
            if since <= one.modified_at <= until
        ]
        yield tuple(sorted(hits, key=lambda hit: int(hit.id)))

    def read(self, kind: Kind, ids: Sequence[str], *, properties: Sequence[str]) -> Reading:
        self.reads += len(ids)
        known = self.snapshots[kind]
        asked = [one for one in ids if one not in self.unreadable]
        found = {one: known[self.merged.get(one, one)] for one in asked if self.merged.get(one, one) in known}
        return Reading(
            {one: _asked(snapshot, properties, ()) for one, snapshot in found.items()},
            tuple(one for one in asked if one not in found),
            {one: "refused" for one in ids if one in self.unreadable},
        )

    def associations(self, kind: Kind, to: Kind, ids: Sequence[str]) -> Mapping[str, tuple[Association, ...]]:
        known = self.snapshots[kind]
        return {one: known[one].associations.get(to, ()) if one in known else () for one in ids}

    def history(
        self, property_name: str, ids: Sequence[ContactId]
    ) -> Mapping[ContactId, tuple[Version, ...]]:
        told = [one for one in ids if one not in self.silent_about]
        return {one: tuple(reversed(self.versions.get((one, property_name), []))) for one in told}

    def forms(self) -> tuple[Form, ...]:
        self._fail_if("forms")
        return self.form_list

    def submissions(self, form: Form, after: str | None) -> SubmissionPage:
        self.form_reads += 1
        self._fail_if(f"form {form.id}")
        start = int(after or 0)
        newest = sorted(self.form_submissions.get(form.id, []), key=lambda one: one.at or NOW, reverse=True)
        rest = str(start + 50) if len(newest) > start + 50 else None
        return SubmissionPage(tuple(newest[start : start + 50]), rest)

    # --- Sink ----------------------------------------------------------------------------------------------

    def shown(self, contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        return self.read(Kind.CONTACT, contacts, properties=properties)

    def look_back(self, intents: Sequence[Intent]) -> tuple[Seen, ...]:
        return tuple(self._look_back(one) for one in intents)

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        by_contact: dict[ContactId, list[Intent]] = {}
        for one in intents:
            by_contact.setdefault(one.change.contact, []).append(one)
        for contact, some in by_contact.items():
            values = {one.change.property: one.change.after for one in some}
            self.writes.append((contact, values))
            is_refused = contact in self.refuses or values.get(STAGE) in self.refuses_stages
            if not is_refused and not self.loses_requests:
                self._set(contact, self._forward_only(contact, values), "INTEGRATION", _OURS, is_ours=True)
            for one in some:
                yield self._outcome(one)

    # --- how it behaves ------------------------------------------------------------------------------------

    def _look_back(self, intent: Intent) -> Seen:
        change = intent.change
        if change.contact in self.unreadable:
            return Seen(intent, Fate.UNREAD)
        now = self.merged.get(change.contact, change.contact)
        if now not in self.snapshots[Kind.CONTACT]:
            return Seen(intent, Fate.GONE)
        shown = self.shows(now, change.property) or ""
        if now != change.contact:
            return Seen(intent, Fate.UNTOLD, ContactId(now), shown or None)
        since = [one for one in self.versions.get((now, change.property), []) if one.at > intent.at]
        for one in since:
            if one.is_ours and one.value == (change.after or None):
                return Seen(intent, Fate.ARRIVED, ContactId(now), shown or None)
        is_chosen_again = bool(since) and since[-1].is_person
        is_before = shown == (change.before or "") and not is_chosen_again
        fate = Fate.AS_BEFORE if is_before else Fate.OVERTAKEN
        return Seen(intent, fate, ContactId(now), shown or None)

    def _outcome(self, intent: Intent) -> Outcome:
        change = intent.change
        if self.loses_answers or self.loses_requests:
            return Outcome(intent, Result.OPEN, "the answer was lost")
        shown = self.shows(change.contact, change.property)
        if (shown or "") == change.after:
            return Outcome(intent, Result.APPLIED, contact=change.contact, shown=shown)
        return Outcome(intent, Result.FAILED, "the portal still shows another value", shown=shown)

    def _forward_only(self, contact: str, values: dict[str, str]) -> dict[str, str]:
        """Ignore a stage that goes backward, silently, as HubSpot does."""
        now, to = self.shows(contact, STAGE), values.get(STAGE)
        if now in STAGES and to in STAGES and STAGES.index(to) < STAGES.index(now):
            return {name: value for name, value in values.items() if name != STAGE}
        return values

    def _set(
        self,
        contact: str,
        values: Mapping[str, str],
        source: str,
        by: str,
        *,
        is_person: bool = False,
        is_ours: bool = False,
    ) -> None:
        at, before = self._stamp(), self.snapshots[Kind.CONTACT][contact]
        for name, value in values.items():
            version = Version(value or None, at, source, by, is_person, is_ours)
            self.versions.setdefault((contact, name), []).append(version)
        texts = {name: value or None for name, value in values.items()}
        entered_at = at if texts.get(STAGE) else before.stage_entered_at
        self.snapshots[Kind.CONTACT][contact] = replace(
            before, properties={**before.properties, **texts}, modified_at=at, stage_entered_at=entered_at
        )

    def _fail_if(self, what: str) -> None:
        if what in self.fails:
            raise Unavailable(f"{what} failed")

    def _stamp(self) -> datetime:
        self.clock += timedelta(milliseconds=1)
        return self.clock


def _asked(snapshot: Snapshot, properties: Sequence[str], associations: Sequence[Kind]) -> Snapshot:
    texts = {name: snapshot.properties.get(name) for name in properties}
    ends = {kind: snapshot.associations.get(kind, ()) for kind in associations}
    return replace(snapshot, properties=texts, associations=ends)
