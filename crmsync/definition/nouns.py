"""
The agreement as values: what `load` makes of the YAML and everything else reads. Frozen, in file order.

Literals are kept as they were written, for people; `fold` of text.py is applied where they are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from crmsync.model import DefinitionRef, Json, Stage

ENGAGEMENT_SOURCES = ("calls", "emails", "meetings", "notes", "tasks", "communications")
ANY_SOURCES = (*ENGAGEMENT_SOURCES, "forms", "pages")  # what `event: any` means
SOURCES = (*ANY_SOURCES, "counter", "date")
DAY_US = 86_400_000_000


class FactType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOL = "bool"
    LIST = "list"


ATTRIBUTES: Mapping[str, Mapping[str, FactType]] = MappingProxyType(
    {
        "calls": {
            "direction": FactType.TEXT,
            "disposition": FactType.TEXT,
            "status": FactType.TEXT,
            "title": FactType.TEXT,
            "duration": FactType.NUMBER,
        },
        "emails": {
            "direction": FactType.TEXT,
            "status": FactType.TEXT,
            "subject": FactType.TEXT,
            "opens": FactType.NUMBER,
            "clicks": FactType.NUMBER,
            "replies": FactType.NUMBER,
        },
        "meetings": {"outcome": FactType.TEXT, "type": FactType.TEXT, "title": FactType.TEXT},
        "notes": {},
        "tasks": {
            "status": FactType.TEXT,
            "type": FactType.TEXT,
            "priority": FactType.TEXT,
            "subject": FactType.TEXT,
        },
        "communications": {"channel": FactType.TEXT},
        "forms": {"form": FactType.TEXT, "form_id": FactType.TEXT, "page": FactType.TEXT},
        "pages": {"url": FactType.TEXT, "path": FactType.TEXT},
        "counter": {},
        "date": {},
    }
)
"""Attributes of an event by source: the table of section 5."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time: microseconds, and how it was written (`90d`)."""

    us: int
    text: str

    @property
    def days(self) -> float:
        return self.us / DAY_US

    def __str__(self) -> str:
        return self.text


# --- conditions --------------------------------------------------------------------------------------------


class Operator(StrEnum):
    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    CONTAINS_ANY = "contains_any"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    AT_LEAST = "at_least"
    MORE_THAN = "more_than"
    AT_MOST = "at_most"
    LESS_THAN = "less_than"
    BETWEEN = "between"
    WITHIN = "within"
    BEFORE = "before"
    KNOWN = "known"


Scalar: TypeAlias = str | float | bool
Wanted: TypeAlias = Scalar | tuple[Scalar, ...] | Duration
"""A scalar, the choices of a list, (low, high) of between, or the span of within and before."""


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one fact, declared, derived or an event's attribute; `type` is the fact's."""

    fact: str
    type: FactType
    operator: Operator
    value: Wanted


@dataclass(frozen=True, slots=True)
class Count:
    """
    How many events there were, against number tests which must all hold. Never unknown.

    Attributes:
        events: names, each occurrence counted once; `any` among them is every event of ANY_SOURCES.
        within: None: ever (up to as_of).
    """

    events: tuple[str, ...]
    within: Duration | None
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class EvidenceSatisfied:
    """`evidence: satisfied`."""


@dataclass(frozen=True, slots=True)
class All:
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class Gate:
    """A named condition: reported for every contact, replaceable by a campaign."""

    id: str
    condition: "Condition"


Condition: TypeAlias = Test | Count | EvidenceSatisfied | All | AnyOf | Not | Gate


def walk(condition: Condition) -> Iterator[Condition]:
    """Yield the condition and every part below it, in the order of the file."""
    yield condition
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from walk(part)
        case Not(part) | Gate(condition=part):
            yield from walk(part)
        case _:
            return


# --- the sections ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """`contact.<name>`, `company.<name>` or `deals.<name>`."""

    of: str
    name: str

    def __str__(self) -> str:
        return f"{self.of}.{self.name}"


@dataclass(frozen=True, slots=True)
class Fact:
    """
    A named input.

    Attributes:
        paths: read in order, the first known result wins.
        map: text -> text as written; None: no map.
        otherwise: the result for a value that is not in the map (`else`).
    """

    name: str
    paths: tuple[Path, ...]
    type: FactType = FactType.TEXT
    map: Mapping[str, str] | None = None
    otherwise: str | None = None


@dataclass(frozen=True, slots=True)
class EventKind:
    """A named kind of event. `of` is the contact property of a counter or date event."""

    name: str
    source: str
    where: Condition | None = None
    of: str | None = None
    intent: str | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Range:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Recency:
    """points * 0.5 ** (age / half_life), summed, then limited to cap in the direction of its sign."""

    id: str
    events: tuple[str, ...]
    points: float
    within: Duration | None = None
    half_life: Duration | None = None
    cap: float | None = None
    when: Condition | None = None
    name: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    id: str
    count: Count
    points: float
    when: Condition | None = None
    name: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Conditional:
    """`points` where the condition is true, `else_points` where it is false, 0 where it is unknown."""

    id: str
    when: Condition
    points: float
    else_points: float | None = None
    name: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`tests` must all hold; empty means `else: true`, any known value."""

    tests: tuple[Test, ...]
    points: float


@dataclass(frozen=True, slots=True)
class Table:
    """The points of the first row that is true."""

    id: str
    fact: str
    type: FactType
    rows: tuple[Row, ...]
    when: Condition | None = None
    name: str | None = None
    why: str | None = None


Criterion: TypeAlias = Recency | Counted | Conditional | Table


@dataclass(frozen=True, slots=True)
class Band:
    """A letter or level and the least score that reaches it."""

    name: str
    least: float


@dataclass(frozen=True, slots=True)
class Fit:
    range: Range | None = None
    key_facts: tuple[str, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    tiers: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    criteria: tuple[Criterion, ...]
    range: Range | None = None


@dataclass(frozen=True, slots=True)
class Engagement:
    range: Range | None = None
    groups: tuple[Group, ...] = ()
    levels: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True)
class Veto:
    """An item of `disqualify`; `kind` is fit, data or timing (`class` in the file)."""

    id: str
    when: Condition
    kind: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    items: tuple[EvidenceItem, ...]
    require: int
    must_include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What moves a contact to `stage`, and what keeps it there."""

    stage: Stage
    enter: Condition | None = None
    fast_track: Condition | None = None
    stay: Condition | None = None
    min_stay: Duration | None = None
    triage: Condition | None = None
    borderline: Condition | None = None

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Yield the conditions that are there, by key, always in the same order."""
        for key in ("enter", "fast_track", "stay", "triage", "borderline"):
            condition: Condition | None = getattr(self, key)
            if condition is not None:
                yield key, condition


@dataclass(frozen=True, slots=True)
class Stages:
    """`rules` in funnel order."""

    order: tuple[Stage, ...]
    rules: tuple[Rule, ...]
    human_only: tuple[Stage, ...] = ()
    never_demote_from: tuple[Stage, ...] = ()

    def rule(self, stage: Stage) -> Rule | None:
        return next((rule for rule in self.rules if rule.stage == stage), None)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why sales handed a lead back; `revisit` None: until a person clears the reason."""

    text: str
    kind: str
    revisit: Duration | None = None


@dataclass(frozen=True, slots=True)
class Recycle:
    """`reason` names a text fact, `returned_at` a date fact."""

    reason: str
    reasons: tuple[Reason, ...]
    returned_at: str | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business time: days are 0 (Monday) to 6, hours minutes after local midnight, holidays a country."""

    timezone: str = "UTC"
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens_min: int = 0
    closes_min: int = 24 * 60
    holidays: str | None = None


@dataclass(frozen=True, slots=True)
class Sla:
    """`first_touch` and `fast_track_first_touch` are business time; `verdict` is elapsed time."""

    calendar: Calendar = Calendar()
    first_touch: Duration | None = None
    fast_track_first_touch: Duration | None = None
    touch: tuple[str, ...] = ()
    verdict: Duration | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """
    An agreed exception, from `from_us` up to but not including `until_us` (epoch microseconds, midnight UTC).

    Attributes:
        gates, groups, points: what replaces a gate's condition, a group's range, a criterion's points, by id.
    """

    id: str
    owner: str
    applies_when: Condition
    starts_on: date
    ends_on: date
    from_us: int
    until_us: int
    hypothesis: str | None = None
    gates: Mapping[str, Condition] = field(default_factory=dict)
    groups: Mapping[str, Range | None] = field(default_factory=dict)
    points: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    id: str
    when: Condition


Given: TypeAlias = str | float | bool | tuple[str, ...] | None
"""A fact as an example states it, already of the fact's type; dates are ISO texts."""


@dataclass(frozen=True, slots=True)
class Example:
    """
    A contact that both teams agreed on.

    Attributes:
        facts: typed values that stand for the facts themselves.
        events: (name, how long before the check) pairs.
        expect: the keys of section 12 as plain values; `fit` and `engagement` are number tests.
    """

    name: str
    facts: Mapping[str, Given]
    events: tuple[tuple[str, Duration], ...]
    expect: Mapping[str, str | None]
    stage: Stage | None = None
    days_in_stage: float | None = None
    scores: Mapping[str, tuple[Test, ...]] = field(default_factory=dict)
    gates: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signature:
    """Who agreed, for which team, when, to which content (`sha256`); it is void for any other content."""

    role: str
    who: str
    at: datetime | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The head of the file, beside id and version: what it is for, who agreed, until when."""

    scope: str | None = None
    review_by: date | None = None
    handoff_stage: Stage | None = None
    agreed_by: tuple[Signature, ...] = ()
    learnings: tuple[str, ...] = ()
    waive: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Needs:
    """
    What an evaluation reads from a portal.

    Attributes:
        contact, company: property names, `lifecyclestage` included.
        sources: event sources, counter and date included; all of ANY_SOURCES when `event: any` is used.
        counters, dates: contact properties watched by counter and date events (among `contact`, too).
    """

    contact: frozenset[str]
    company: frozenset[str]
    deals: bool
    sources: frozenset[str]
    counters: frozenset[str]
    dates: frozenset[str]
    any_event: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """
    The whole agreement, free of errors.

    Attributes:
        name: the file it was read from, for messages.
        positions: dotted path -> where its value stands, e.g. `fit.criteria[0].points`.
        plain: the mapping as loaded, JSON types only, keys as text.
    """

    name: str
    ref: DefinitionRef
    terms: Terms
    facts: Mapping[str, Fact]
    events: Mapping[str, EventKind]
    fit: Fit
    engagement: Engagement
    disqualify: tuple[Veto, ...]
    evidence: EvidenceRule | None
    stages: Stages
    recycle: Recycle | None
    sla: Sla | None
    campaigns: tuple[Campaign, ...]
    tracks: tuple[Track, ...]
    examples: tuple[Example, ...]
    needs: Needs
    positions: Mapping[str, Position]
    plain: Json

    def criteria(self) -> Iterator[Criterion]:
        """Yield every criterion: those of fit, then those of each group."""
        yield from self.fit.criteria
        for group in self.engagement.groups:
            yield from group.criteria

    def gates(self) -> Iterator[Gate]:
        """Yield every gate, in the order of the rules."""
        for rule in self.stages.rules:
            for _, condition in rule.conditions():
                yield from (part for part in walk(condition) if isinstance(part, Gate))

    def is_signed_by(self, role: str) -> bool:
        """True when somebody signed in this role for exactly this content."""
        return any(s.role == role and s.sha256 == self.ref.sha256 for s in self.terms.agreed_by)
