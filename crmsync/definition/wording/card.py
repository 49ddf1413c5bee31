"""
Evaluation -> the short card a sales rep reads in the portal: why this stage, and what the next one needs.

Words come from the definition, numbers from the evaluation; no text of the contact is repeated.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from crmsync.definition.nouns import (
    All,
    Condition,
    Conditional,
    Counted,
    Criterion,
    Definition,
    Gate,
    Recency,
    Rule,
    Table,
)
from crmsync.definition.text import EPOCH, fold, read_date
from crmsync.definition.wording.told import condition_of, is_about_scores, leaves, told
from crmsync.definition.wording.words import (
    CLASSES,
    TIMES,
    article,
    both,
    count_phrase,
    counted,
    either,
    event_label,
    number,
    phrase,
    signed,
    spaced,
    stage_label,
    stage_name,
)
from crmsync.model import Evaluation, Json, Stage

MAX_REASONS = 5
MAX_CHARS = 30_000  # half of what a property holds: the why and what is missing share it
_MADE = {"promoted": "Became", "demoted": "Back to"}
_WANTED = {"promoted": "Would become", "demoted": "Would go back to"}
_GRADE, _FAST_TRACK, _FROM = " (grade ", " by the fast track", " from "
_ADDRESS = re.compile(r"[^\s@<>(),;:]+@[^\s@<>(),;:]+")


def why(definition: Definition, evaluation: Evaluation, *, is_made: bool = True) -> str:
    """
    Return why the contact is where the decision leads it: a headline and at most five reasons, a line each.

    Args:
        is_made: the stage changes with it; False: it is what the definition would do.
    """
    headline = _headline(evaluation, is_made=is_made)
    reasons = islice(_distinct(_reasons(definition, evaluation)), MAX_REASONS)
    return _private("\n".join([headline, *(f"- {reason}" for reason in reasons)]))


def tells_of_arrival(text: str, stage: Stage | None) -> bool:
    """Tell whether the text is the why of a change that was made and led to this stage."""
    return any(
        text.startswith(f"{became} {stage_name(stage or '')}{after}")
        for became in _MADE.values()
        for after in (".", _GRADE, _FAST_TRACK, _FROM)
    )


def missing(definition: Definition, evaluation: Evaluation) -> str:
    """Return what the next stage needs, in one sentence; "" when no rule leads further up."""
    match evaluation.code:
        case "disqualified":
            return "nothing, while it is disqualified."
        case "recycled":
            return f"nothing {_until(definition, evaluation)}."
        case "human_only" | "unknown_stage":
            return ""
    rule = _next_rule(definition, evaluation)
    if rule is None:
        return ""
    lacking = _lacking(rule, definition, evaluation)
    ways = ["; ".join(parts[:MAX_REASONS]) for parts in lacking if parts]
    return _private(f"{stage_name(rule.stage)} needs: {' - or at once: '.join(ways)}.") if ways else ""


# --- the headline


def _headline(evaluation: Evaluation, *, is_made: bool) -> str:
    grade = f"{_GRADE}{evaluation.grade})" if evaluation.grade else ""
    stage = stage_name(evaluation.to or evaluation.stage or "") or "no stage"
    became = (_MADE if is_made else _WANTED).get(evaluation.code)
    match evaluation.code:
        case "promoted":
            how = _FAST_TRACK if evaluation.via == "fast_track" else ""
            return f"{became} {stage}{how}{grade}."
        case "demoted":
            return f"{became} {stage}{_FROM}{stage_label(evaluation.stage)}{grade}."
        case "disqualified":
            return f"Not qualified; stays {stage}."
        case "recycled":
            return f"Handed back by sales; stays {stage}."
        case "human_only":
            return f"Stays {stage}: only people move contacts in or out of it."
        case "unknown_stage":
            return f"Stays {stage}: the definition does not know this stage."
        case _:
            return f"Stays {stage}{grade}."


# --- the reasons, strongest first


def _reasons(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    match evaluation.code:
        case "disqualified":
            yield from _vetoes(definition, evaluation)
        case "recycled":
            yield from _handed_back(definition, evaluation)
        case "human_only" | "unknown_stage":
            return
        case "demoted":
            yield from _lost(definition, evaluation)
            yield from _faded(definition, evaluation)
        case _:
            yield from _met(definition, evaluation)
            yield from _points(definition, evaluation)


def _vetoes(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    for veto in definition.disqualify:
        if veto.id in evaluation.disqualified:
            reason = f" ({veto.why})" if veto.why else ""
            yield f"{phrase(veto.when, definition)}{reason}"


def _handed_back(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    given = _fact(evaluation, definition.recycle.reason) if definition.recycle else None
    for reason in definition.recycle.reasons if definition.recycle else ():
        if isinstance(given, str) and fold(given) == fold(reason.text):
            yield f"the reason sales gave: {spaced(reason.text)} ({CLASSES[reason.kind]})"
            yield f"nothing moves it up {_until(definition, evaluation)}"


def _until(definition: Definition, evaluation: Evaluation) -> str:
    if evaluation.explanation is None:
        return "until it may come back"
    back_at = _revisit_at(definition, evaluation)
    asked = [
        article(event_label(name)) for name, kind in definition.events.items() if kind.phase == "decision"
    ]
    unless = f", unless there is {either(asked)} after it came back" if asked else ""
    if back_at is None:
        return f"until a person clears the reason{unless}"
    return f"before {back_at:%Y-%m-%d}{unless}"


def _revisit_at(definition: Definition, evaluation: Evaluation) -> datetime | None:
    recycle = definition.recycle
    if recycle is None or recycle.returned_at is None:
        return None
    given, returned = _fact(evaluation, recycle.reason), _fact(evaluation, recycle.returned_at)
    returned_us = read_date(returned) if isinstance(returned, str) else None
    for reason in recycle.reasons:
        if isinstance(given, str) and fold(given) == fold(reason.text) and reason.revisit and returned_us:
            return EPOCH + timedelta(microseconds=returned_us + reason.revisit.us)
    return None


def _fact(evaluation: Evaluation, name: str) -> object:
    fact = (evaluation.explanation or {}).get("facts", {}).get(name)
    return fact["value"] if fact else None


def _met(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield what the rule of the stage asks beyond scores, as far as it is so."""
    stage = evaluation.to or evaluation.stage
    rule = ((evaluation.explanation or {}).get("rules") or {}).get(stage, {})
    way = rule.get(evaluation.via or "enter") if evaluation.to else rule.get("stay") or rule.get("enter")
    for part in leaves(way, truth=True) if way else ():
        if not is_about_scores(part) and part.get("operator") != "known":
            yield told(part, definition)


def _lost(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield what staying asks and is no longer so."""
    rules = (evaluation.explanation or {}).get("rules") or {}
    stay = rules.get(evaluation.stage, {}).get("stay")
    for part in leaves(stay, truth=False) if stay else ():
        yield f"no longer so: {told(part, definition)}"


def _points(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield what makes up the scores, the largest gains first, then the losses."""
    for points, criterion, telling in _scored(definition, evaluation):
        yield f"{_what(criterion, telling, definition)}: {signed(round(points, 1))} points"


def _faded(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield what takes points away, then what counts less than it did."""
    scored = list(_scored(definition, evaluation))
    for points, criterion, telling in reversed(scored):
        if points < 0:
            yield f"{_what(criterion, telling, definition)}: {signed(round(points, 1))} points"
    for points, criterion, telling in scored:
        if isinstance(criterion, Recency) and telling and points > 0:
            fresh = telling["points_per_event"] * sum(event["count"] for event in telling["events"])
            fresh = min(fresh, criterion.cap or fresh)
            if points < fresh:
                what = _what(criterion, telling, definition)
                yield f"{what}: faded from {signed(fresh)} to {signed(round(points, 1))} points"


def _scored(definition: Definition, evaluation: Evaluation) -> Iterator[tuple[float, Criterion, Json | None]]:
    told_of = _criteria(evaluation)
    scored = [(evaluation.points.get(criterion.id, 0.0), criterion) for criterion in definition.criteria()]
    for points, criterion in sorted(scored, key=lambda pair: -pair[0]):
        if round(points, 1):
            yield points, criterion, told_of.get(criterion.id)


def _criteria(evaluation: Evaluation) -> dict[str, Json]:
    explanation = evaluation.explanation or {}
    groups = [explanation.get("fit") or {}, *(explanation.get("groups") or {}).values()]
    return {criterion["id"]: criterion for group in groups for criterion in group.get("criteria", ())}


def _what(criterion: Criterion, telling: Json | None, definition: Definition) -> str:
    if criterion.name:
        return criterion.name
    match criterion:
        case Recency(events=events):
            return _happened(events, telling)
        case Counted(count=count):
            return count_phrase(count)
        case Conditional(when=when):
            is_so = telling is None or telling["truth"] is True
            return phrase(when, definition) if is_so else f"not so: {phrase(when, definition)}"
        case Table(fact=fact):
            tests = [condition_of(t, definition) for t in ((telling or {}).get("row") or {}).get("tests", ())]
            if not tests:
                return spaced(fact)
            return both(phrase(test, definition) for test in tests)


def _happened(events: Sequence[str], telling: Json | None) -> str:
    what = either(map(event_label, events))
    seen = telling["events"] if telling else []
    if not seen:
        return what
    times, age_days = sum(event["count"] for event in seen), min(event["age_days"] for event in seen)
    ago = "today" if age_days < 1 else f"{counted(int(age_days), 'day')} ago"
    return f"{what}, {ago}" if times == 1 else f"{number(times)} {TIMES} {what}, the last one {ago}"


# --- what is missing


def _next_rule(definition: Definition, evaluation: Evaluation) -> Rule | None:
    order = definition.stages.order
    stage = evaluation.to or evaluation.stage
    at = order.index(stage) if stage in order else -1
    above = (rule for rule in definition.stages.rules if order.index(rule.stage) > at)
    return next((rule for rule in above if rule.enter or rule.fast_track), None)


def _lacking(rule: Rule, definition: Definition, evaluation: Evaluation) -> Iterator[list[str]]:
    """Yield, for each way into the stage, what it still lacks; without an explanation only gates are known."""
    known = (evaluation.explanation or {}).get("missing")
    for way, condition in (("enter", rule.enter), ("fast_track", rule.fast_track)):
        if known:
            yield [told(part, definition) for part in known.get(way, ())]
        elif condition:
            parts = condition.parts if isinstance(condition, All) else (condition,)
            yield [phrase(part, definition) for part in parts if not _is_met(part, evaluation)]


def _is_met(part: Condition, evaluation: Evaluation) -> bool:
    return isinstance(part, Gate) and evaluation.gates.get(part.id) is True


def _distinct(reasons: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for reason in reasons:
        if reason not in seen:
            seen.add(reason)
            yield reason


def _private(text: str) -> str:
    """Return the text without e-mail addresses that somebody may have written into the definition."""
    text = _ADDRESS.sub("(address)", text)
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}\N{HORIZONTAL ELLIPSIS}"
