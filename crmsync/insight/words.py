"""Machine words of the trail -> the words people use. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from crmsync.insight.actors import foreign_actor, our_actor
from crmsync.model import STAGE, Entry, Own

STAGES: Mapping[str, str] = MappingProxyType(
    {
        "subscriber": "Subscriber",
        "lead": "Lead",
        "marketingqualifiedlead": "MQL",
        "salesqualifiedlead": "SQL",
        "opportunity": "Opportunity",
        "customer": "Customer",
        "evangelist": "Evangelist",
        "other": "Other",
    }
)
LONG_STAGES: Mapping[str, str] = MappingProxyType(
    {"marketingqualifiedlead": "Marketing qualified lead", "salesqualifiedlead": "Sales qualified lead"}
)
PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        STAGE: "Lifecycle stage",
        Own.FIT: "Fit",
        Own.ENGAGEMENT: "Engagement",
        Own.GRADE: "Grade",
        Own.OUTCOME: "Outcome",
        Own.TRACK: "Track",
        Own.DEFINITION: "Definition",
        Own.REASON: "Reason",
        Own.EVALUATED_AT: "Evaluated at",
        Own.STAGE_CHANGED_AT: "Stage changed at",
        Own.SLA_DUE_AT: "First touch due",
    }
)
CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "promoted": "promoted",
        "demoted": "demoted",
        "score_moved": "score moved",
        "grade_moved": "grade moved",
        "outcome_moved": "outcome moved",
        "track_moved": "track moved",
        "definition_changed": "definition changed",
        "sla_moved": "first-touch promise",
        "along": "written along",
        "reverted": "reverted",
        "taken_back": "taken back",
        "conflict": "conflict",
        "foreign": "changed by somebody else",
        "merged": "merged",
        "deleted": "deleted",
        "kept": "kept",
        "human_only": "left to people",
        "unknown_stage": "stage not in the definition",
        "disqualified": "disqualified",
        "recycled": "recycled",
        "unreadable": "cannot be read",
        "unanswered": "no outcome for more than a cycle",
        "untold": "who set the stage cannot be told",
    }
)
HELD: Mapping[str, str] = MappingProxyType(
    {
        "observing": "writes.lifecyclestage is observe",
        "demotion_off": "demotions are off (writes.lifecyclestage)",
        "person": "set by a person lately (writes.respect_manual_for)",
        "ping_pong": "another writer keeps setting the stage back",
        "paused": "the definition is past its review date",
        "untold": "HubSpot cannot say who set the stage",
        "human_only": "left to people by the definition",
        "unknown_stage": "in a stage that the definition does not have",
    }
)
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "run.started": "run started",
        "run.finished": "run finished",
        "plan.parked": "plan parked",
        "plan.approved": "plan approved",
        "plan.rejected": "plan rejected",
        "plan.superseded": "plan superseded",
        "change.intended": "change intended",
        "change.applied": "change applied",
        "change.failed": "change failed",
        "change.abandoned": "change abandoned",
        "change.foreign": "foreign change",
        "definition.activated": "definition activated",
        "definition.signed": "definition signed",
        "revert.asked": "revert asked for",
        "revert.kept": "not reverted",
        "contact.merged": "contact merged",
        "contact.deleted": "contact deleted",
        "contact.erased": "contact erased",
        "finding": "finding",
    }
)
RESULTS: Mapping[str, str] = MappingProxyType(
    {"change.applied": "applied", "change.failed": "failed", "change.abandoned": "abandoned"}
)


def stage(name: str | None, *, is_long: bool = False) -> str:
    if not name:
        return "no stage"
    return (LONG_STAGES.get(name) if is_long else None) or STAGES.get(name, name)


def long_stage(name: str | None) -> str:
    return stage(name, is_long=True)


def property_name(name: str | None) -> str:
    return PROPERTIES.get(name or "", name or "")


def cause(word: str | None) -> str:
    return CAUSES.get(word or "", (word or "").replace("_", " "))


def held(word: str) -> str:
    """Say why a stage change is held, of many contacts together."""
    return HELD.get(word, word.replace("_", " "))


def kind(word: str) -> str:
    return KINDS.get(word, word.replace(".", " "))


def result(outcome_kind: str | None) -> str:
    """Say what became of an intent; an intent without an outcome is open."""
    return RESULTS.get(outcome_kind or "", "open")


def actor(entry: Entry) -> str:
    """Say who an entry says it was."""
    draft = entry.draft
    read = foreign_actor if draft.kind == "change.foreign" else our_actor
    return read(draft.actor).words


def value(name: str | None, text: str | None) -> str:
    """Write a property's value as people read it."""
    if not text:
        return "empty"
    if name == STAGE:
        return stage(text)
    if name in {Own.EVALUATED_AT, Own.STAGE_CHANGED_AT, Own.SLA_DUE_AT}:
        try:
            return instant(datetime.fromisoformat(text))
        except ValueError:
            return text
    return text


def health(value: object) -> str:
    """Write one of the health document's values: yes and no, numbers, instants as on the other pages."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case str() if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.*Z", value):
            return instant(datetime.fromisoformat(value))
        case _:
            return str(value)


def instant(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC" if at else "never"


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"


def iso(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else ""


def day(at: date) -> str:
    return f"{at:%-d %b %Y}"


def ago(at: datetime | None, now: datetime) -> str:
    """Say how long ago, in the largest unit that fits."""
    if at is None:
        return "never"
    return "just now" if timedelta(0) <= now - at < timedelta(seconds=5) else _span(at, now)


def _span(at: datetime, now: datetime) -> str:
    seconds = abs((now - at).total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size or size == 1:
            count = int(seconds // size)
            text = f"{count} {unit}" + ("" if count == 1 else "s")
            return f"{text} ago" if at <= now else f"in {text}"
    return ""


def number(amount: float | None) -> str:
    """Write a number with thin groups and at most two decimals."""
    if amount is None:
        return "unknown"
    text = f"{amount:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def points(amount: float | None) -> str:
    """Write points with their sign."""
    if amount is None:
        return "unknown"
    text = number(float(amount))
    return f"+{text}" if amount > 0 else text


def plain(word: str) -> str:
    """`last_cycle_at` -> `Last cycle at`."""
    text = re.sub(r"[_.]+", " ", word).strip()
    return text[:1].upper() + text[1:]


def short_hash(sha256: str) -> str:
    return sha256[:12]


def count_of(amount: int, one: str, many: str | None = None) -> str:
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"
