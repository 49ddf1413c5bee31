"""
The nouns, in the order they travel: snapshot, contact, evaluation, decision, change, plan, intent, outcome, entry.

All are frozen values. Instants are aware UTC. Ids are the portal's texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, NewType, TypeAlias

ContactId = NewType("ContactId", str)
RunId = NewType("RunId", str)
PlanId = NewType("PlanId", str)
Stage: TypeAlias = str  # the portal's internal name; custom stages are digits
Mode: TypeAlias = Literal["apply", "plan", "observe"]
"""What a cycle may do (writes.mode): write, plan and wait for a person, only evaluate."""
StageMode: TypeAlias = Literal["own", "promote_only", "observe"]
"""What may be done with the lifecycle stage (writes.lifecyclestage): move it both ways, only up, not at all."""
Json: TypeAlias = Mapping[str, Any]  # what goes into the trail as JSON; canonical form in store/canonical.py


class Kind(StrEnum):
    """The portal's object types that crmsync reads; values are the plural names used in paths."""

    CONTACT = "contacts"
    COMPANY = "companies"
    DEAL = "deals"
    CALL = "calls"
    EMAIL = "emails"
    MEETING = "meetings"
    NOTE = "notes"
    TASK = "tasks"
    COMMUNICATION = "communications"


ENGAGEMENTS: tuple[Kind, ...] = (
    Kind.CALL,
    Kind.EMAIL,
    Kind.MEETING,
    Kind.NOTE,
    Kind.TASK,
    Kind.COMMUNICATION,
)

# --- what a contact is -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing that happened with a contact.

    Attributes:
        source: `calls`, `emails`, `meetings`, `notes`, `tasks`, `communications`, `forms`, `pages` or `counter`.
        at: when; None when the portal's instant is not readable (dropped with a finding).
        attributes: as in the definition language, section 5, e.g. `direction`, `duration` in seconds.
        of: counter only: `contact.<property>`.
        count: how many events this stands for; 1 but for counters.
    """

    source: str
    at: datetime | None
    attributes: Mapping[str, str | float | None] = field(default_factory=dict)
    of: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal of a contact: `state` is open, won or lost; `amount` the raw text, None when there is none."""

    state: str
    amount: str | None


@dataclass(frozen=True, slots=True)
class Contact:
    """
    All that an evaluation may know about one contact: section 11 of the definition language as a value.

    Attributes:
        properties: raw texts of the contact, by property name; a missing key and None are both unknown.
        company: raw texts of its primary company; None when there is none.
        events: any order; date events are not here, they come from the contact's property.
        stage_entered_at: when the current lifecycle stage was entered; None when nobody knows.
        findings: what whoever read the contact could not use; evaluations carry them on.
    """

    id: ContactId
    properties: Mapping[str, str | None] = field(default_factory=dict)
    company: Mapping[str, str | None] | None = None
    deals: tuple[Deal, ...] = ()
    events: tuple[Event, ...] = ()
    stage_entered_at: datetime | None = None
    findings: "tuple[Finding, ...]" = ()


# --- what the portal shows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Association:
    """The other end of an association; `is_primary` only ever for a contact's company."""

    id: str
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    One contact, company, deal or engagement as the portal showed it, in crmsync's words.

    Attributes:
        modified_at: the portal's modification instant (the property that searches go by).
        properties: raw texts of the properties asked for; None: known to have no value.
        emails: contacts: primary and additional addresses, trimmed and casefolded, for matching form submissions.
        stage_entered_at: contacts: entry into the current stage, from the best property the portal has.
        merged_ids: contacts: ids that were merged into this one.
        event: engagements: the event it is.
        deal: deals: state and amount.
        associations: by kind, as far as they were asked for; a kind that is absent was not asked for.
    """

    kind: Kind
    id: str
    modified_at: datetime
    properties: Mapping[str, str | None] = field(default_factory=dict)
    archived: bool = False
    emails: tuple[str, ...] = ()
    stage_entered_at: datetime | None = None
    merged_ids: tuple[str, ...] = ()
    event: Event | None = None
    deal: Deal | None = None
    associations: Mapping[Kind, tuple[Association, ...]] = field(default_factory=dict)


ENTRY_SLACK = timedelta(hours=1)
"""Two entries into one stage less apart are the same: ours is noted when it is sent, the portal stamps it later."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A search hit: only who and when; values are read apart, because search values can be stale."""

    id: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Submission:
    """One form submission. `id` is stable over repeated reads; `email` trimmed and casefolded, "" when absent."""

    id: str
    form_id: str
    form: str
    at: datetime | None
    email: str
    page: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """
    One value of a property in the portal's history.

    Attributes:
        source: HubSpot's sourceType, e.g. CRM_UI.
        source_id: HubSpot's sourceId, "" when there is none.
        is_person: a person set it in the portal.
        is_ours: it was written with our credential, as far as crmsync has learnt its app id.
    """

    value: str | None
    at: datetime
    source: str
    source_id: str
    is_person: bool = False
    is_ours: bool = False

    @property
    def actor(self) -> str:
        return f"{self.source} {self.source_id}".strip()


@dataclass(frozen=True, slots=True)
class Signal:
    """A counter property went up: `count` events of `contact.<property>` seen at `at`."""

    contact: ContactId
    property: str
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Page:
    """
    One list page.

    Attributes:
        after: where the next one starts; None: this was the last.
        unreadable: id -> why: answers that are not what the API promises (findings, read again later).
    """

    snapshots: tuple[Snapshot, ...]
    after: str | None
    unreadable: Mapping[str, str] = field(default_factory=dict)


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
    """A form whose submissions the portal gives out; `name` is what definitions match."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SubmissionPage:
    """Submissions of one form, newest first."""

    submissions: tuple[Submission, ...]
    after: str | None


# --- what the definition says ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DefinitionRef:
    """Which definition decided: carried by every evaluation and entry. `sha256` is the content hash."""

    id: str
    version: str
    sha256: str

    @property
    def short_hash(self) -> str:
        return self.sha256[:12]

    def beside(self, other: "DefinitionRef") -> str:
        """Name it next to another: with the start of its hash where an unchanged version does not tell them apart."""
        named = f"{self.id} {self.version}"
        return f"{named} {self.short_hash}" if (self.id, self.version) == (other.id, other.version) else named


@dataclass(frozen=True, slots=True)
class Finding:
    """Something present but unusable: reported, never guessed. Exactly one of fact and event is set, or neither."""

    path: str
    problem: str
    fact: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many items of evidence are true, whether that is enough, and which are not."""

    count: int = 0
    satisfied: bool = False
    missing: tuple[str, ...] = ()


class Action(StrEnum):
    """What the definition wants done with the stage; hold: the contact has one that is not the definition's to move."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    KEEP = "keep"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """
    What the definition says about one contact at one instant (definition language, sections 6 to 11).

    Attributes:
        fit, engagement, groups, points: rounded to 6 decimals.
        gates: every gate id; None is unknown.
        to: the stage the decision leads to; None unless it promotes or demotes.
        via: which part of the target's rule was true: `enter` or `fast_track`; None without a target.
        explanation: the arithmetic behind it; None unless it was asked for.
    """

    id: ContactId
    as_of: datetime
    definition: DefinitionRef
    campaign: str | None
    fit: float
    engagement: float
    groups: Mapping[str, float]
    tier: str | None
    level: str | None
    grade: str | None
    completeness: float
    points: Mapping[str, float]
    disqualified: tuple[str, ...]
    evidence: Evidence
    gates: Mapping[str, bool | None]
    target: Stage | None
    action: Action
    to: Stage | None
    code: str
    outcome: str
    track: str | None
    findings: tuple[Finding, ...] = ()
    stage: Stage | None = None
    via: str | None = None
    explanation: Json | None = None


# --- what should change ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mirrored:
    """
    A contact of the mirror with what reconciling needs to know beyond the definition.

    Attributes:
        shown: the texts the portal was last seen to show for each property that crmsync writes.
        stage_version: who set the current stage, when that was looked up; None: not known.
    """

    contact: Contact
    shown: Mapping[str, str | None]
    stage_version: Version | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """
    One property of one contact that should get a new value.

    Attributes:
        before: the value the decision saw; None when the portal never had one.
            The write is sent only while the portal still shows it.
        after: the value to send; "" clears the property.
        cause: machine word of the decision (`promoted`, `score_moved`, ...), see cycle/reconcile.py.
        reason: what to keep in the trail so that the value can be recomputed by hand.
        step: 0, or 1 for a change that may be sent only after all of step 0 were applied:
            a move backward is clear, then set, in two requests.
    """

    contact: ContactId
    property: str
    before: str | None
    after: str
    cause: str
    reason: Json
    step: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """
    The numbers of a plan that the guard judges and a person reads.

    Attributes:
        withheld: why stage changes are held -> how many: a word of cycle/reconcile.py, or the evaluation's code.
        held_shown: the first contacts of each such reason -> the reason.
    """

    contacts: int = 0
    evaluated: int = 0
    changes: int = 0
    promoted: int = 0
    demoted: int = 0
    held: int = 0
    stages: Mapping[str, int] = field(default_factory=dict)  # "lead>marketingqualifiedlead" -> how many
    causes: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)
    held_shown: Mapping[ContactId, str] = field(default_factory=dict)


class PlanStatus(StrEnum):
    """How far a plan has come."""

    OPEN = "open"  # being made, or shown and not yet decided
    PARKED = "parked"  # the guard made it wait for a person
    APPROVED = "approved"
    REJECTED = "rejected"
    APPLIED = "applied"
    SUPERSEDED = "superseded"  # a newer plan, or another definition, took its place


REVERT_PREFIX = "revert-"  # of the ids of plans that restore what a run changed


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What one cycle wants to write. The changes themselves stay in the store, in order, and are read in slices.

    Attributes:
        as_of: the instant everything was evaluated at.
        reasons: why the guard parked it, sentences with numbers; empty when it did not.
        digest: SHA-256 over the ordered changes: the same changes, the same digest.
    """

    id: PlanId
    run: RunId
    as_of: datetime
    definition: DefinitionRef
    status: PlanStatus
    tally: Tally
    reasons: tuple[str, ...] = ()
    digest: str = ""

    @property
    def is_revert(self) -> bool:
        """Tell a plan that restores what a run changed: other plans leave it waiting, and it them."""
        return self.id.startswith(REVERT_PREFIX)


# --- what was done ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intent:
    """
    A change as the trail recorded it before the portal was touched.

    Attributes:
        at: the portal's clock when it was recorded.
    """

    seq: int
    run: RunId
    change: Change
    at: datetime
    definition: DefinitionRef | None = None


class Result(StrEnum):
    """What became of an intent; all but OPEN are final."""

    APPLIED = "applied"  # the portal's answer, or a read-back, shows the value we sent
    FAILED = "failed"  # the portal refused, or answered and did not do it
    ABANDONED = "abandoned"  # not sent: the value before is no longer there, or a person wants it otherwise
    OPEN = "open"  # the answer was lost; settled by reading back


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one intent.

    Attributes:
        problem: why it failed or was abandoned, one sentence without personal data; "" when applied.
        contact: the id the portal answered with; differs from the change's when contacts were merged.
        shown: the text the portal shows now, where it is known.
    """

    intent: Intent
    result: Result
    problem: str = ""
    contact: ContactId | None = None
    shown: str | None = None


class Fate(StrEnum):
    """What became of a change whose answer is unknown."""

    ARRIVED = "arrived"  # the portal took it; it may show another value since
    AS_BEFORE = "as_before"  # it did not arrive, and nobody has touched the value: it may be sent
    OVERTAKEN = "overtaken"  # it did not arrive, and somebody else has set the value since
    UNTOLD = "untold"  # neither can be told
    GONE = "gone"  # the portal has no such contact any more
    UNREAD = "unread"  # the contact could not be read now


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What the portal tells of an intent whose answer is unknown.

    Attributes:
        contact: the id the portal answered with; differs from the change's when contacts were merged.
        shown: the text the portal shows now.
    """

    intent: Intent
    fate: Fate
    contact: ContactId | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """
    An audit entry before the trail gives it number, instant and hash; docs/audit.md describes both.

    Attributes:
        kind: `change.intended`, `run.started`, ... docs/audit.md lists them.
        object, id: `contact` and its id; None for entries about a run or definition.
        of: seq of the intent this is the outcome of.
    """

    kind: str
    run: RunId | None = None
    object: str | None = None
    id: str | None = None
    property: str | None = None
    before: str | None = None
    after: str | None = None
    of: int | None = None
    cause: str | None = None
    definition: DefinitionRef | None = None
    reason: Json | None = None
    actor: str = "crmsync"


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit entry as it stands in the trail; `draft` holds the fields that were given, the rest was added."""

    seq: int
    at: datetime
    portal: str
    draft: Draft
    values_digest: str
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """
    Somebody set the stage back to what it was before crmsync's change.

    Attributes:
        at: the portal's clock when it was set; ours when it was seen, where the portal did not say.
        by: as `change.foreign` names the actor: `<sourceType> <sourceId>`.
    """

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Sent:
    """An intent as it stands in the trail, and its newest outcome; None: it is still open."""

    intent: Entry
    outcome: Entry | None


# --- what a page of news brings into the mirror -----------------------------------------------------------


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


# --- what crmsync writes ----------------------------------------------------------------------------------

STAGE = "lifecyclestage"  # the property of the portal that holds the stage
CONVERSIONS = "num_conversion_events"  # counts a contact's form submissions: when it moves, a form has news


class Own:
    """The portal properties that crmsync owns (types in portal/owned.py)."""

    FIT: Final = "crmsync_fit"
    ENGAGEMENT: Final = "crmsync_engagement"
    GRADE: Final = "crmsync_grade"
    OUTCOME: Final = "crmsync_outcome"
    TRACK: Final = "crmsync_track"
    DEFINITION: Final = "crmsync_definition"
    REASON: Final = "crmsync_reason"
    EVALUATED_AT: Final = "crmsync_evaluated_at"
    STAGE_CHANGED_AT: Final = "crmsync_stage_changed_at"
    SLA_DUE_AT: Final = "crmsync_sla_due_at"


OWN: tuple[str, ...] = tuple(value for name, value in vars(Own).items() if name.isupper())  # in plan order
WRITTEN: tuple[str, ...] = (STAGE, *OWN)  # everything crmsync may write, in plan order
BOUND_TO_STAGE = frozenset({Own.REASON, Own.STAGE_CHANGED_AT, Own.SLA_DUE_AT})  # written because of a move
