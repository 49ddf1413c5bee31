"""Explanation -> the whole arithmetic as text of 80 columns, for people: two decimals; the document has all of them."""

import textwrap
from collections.abc import Iterator, Sequence

from crmsync.definition.nouns import Definition
from crmsync.definition.wording.told import condition_of
from crmsync.definition.wording.words import (
    TIMES,
    both,
    counted,
    number,
    percent,
    phrase,
    short,
    signed,
    spaced,
    stage_label,
    stage_name,
)
from crmsync.model import Evaluation, Json

WIDTH = 80
_TRUTHS = {True: "yes", False: "no", None: "unknown"}
_SHOWN_EVENTS = 8  # of one criterion; older ones are added up


def arithmetic(definition: Definition, evaluation: Evaluation) -> str:
    """Return all of it; the evaluation must carry its explanation."""
    return "\n".join(_all(definition, evaluation)) + "\n"


def _all(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    told = evaluation.explanation or {}
    yield from _head(evaluation)
    if evaluation.campaign:
        yield from _wrapped(f"Under the campaign {evaluation.campaign}.", "")
    yield ""
    yield from fit_lines(definition, evaluation)
    yield ""
    yield from engagement_lines(definition, evaluation)
    if told.get("gates"):
        yield from ("", "Gates")
        yield from (line for gate in told["gates"] for line in _truth_lines(gate, definition, gate["id"]))
    yield from _rest(definition, evaluation, told)


def _head(evaluation: Evaluation) -> Iterator[str]:
    at = f"{evaluation.as_of:%Y-%m-%d %H:%M} UTC"
    ref = evaluation.definition
    yield from _wrapped(f"Contact {evaluation.id} at {at}, by {ref.id} {ref.version} ({ref.sha256[:12]})", "")
    stage, days = evaluation.stage, (evaluation.explanation or {}).get("stage", {}).get("days")
    since = f" for {counted(round(days, 1), 'day')}" if days is not None else ""
    yield f"Stage: {stage_name(stage) if stage else 'none'}{since}"
    to = f" to {stage_name(evaluation.to)}" if evaluation.to else ""
    via = " by the fast track" if evaluation.code == "promoted" and evaluation.via == "fast_track" else ""
    decision = (
        f"Decision: {evaluation.action.value}{to}{via} ({evaluation.code}), outcome {evaluation.outcome}"
    )
    yield from _wrapped(decision, "")
    target = f"Target: {stage_label(evaluation.target)}"
    yield from _wrapped(f"{target}, track {evaluation.track}" if evaluation.track else target, "")


def fit_lines(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield how the fit score adds up, and what it makes the tier."""
    fit = (evaluation.explanation or {})["fit"]
    tiers = ", ".join(f"{band.name} from {number(band.least)}" for band in definition.fit.tiers)
    tier = f", tier {evaluation.tier} ({tiers})" if evaluation.tier else ""
    score = short(evaluation.fit, [band.least for band in definition.fit.tiers])
    yield from _wrapped(f"Fit {score}{_limited(fit)}{tier}", "")
    yield from _criteria(fit["criteria"], definition)
    known = (evaluation.explanation or {})["completeness"]
    if known["known"] or known["unknown"]:
        lacking = f", not known: {both(map(spaced, known['unknown']))}" if known["unknown"] else ""
        yield from _wrapped(f"Completeness {percent(evaluation.completeness)}{lacking}", "  ")


def engagement_lines(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield how engagement adds up, group by group, and what it makes the level."""
    told = evaluation.explanation or {}
    levels = ", ".join(f"{band.name} from {number(band.least)}" for band in definition.engagement.levels)
    level = f", level {evaluation.level} ({levels})" if evaluation.level else ""
    score = short(evaluation.engagement, [band.least for band in definition.engagement.levels])
    yield from _wrapped(f"Engagement {score}{_limited(told['engagement'])}{level}", "")
    for name, group in told["groups"].items():
        yield from _wrapped(f"{spaced(name)} {short(group['value'])}{_limited(group)}", "  ")
        yield from _criteria(group["criteria"], definition)


def stage_lines(definition: Definition, evaluation: Evaluation) -> Iterator[str]:
    """Yield the truth of every rule, down to the single tests."""
    for stage, rule in (evaluation.explanation or {})["rules"].items():
        for key, part in rule.items():
            yield from _truth_lines(part, definition, f"{stage_label(stage)} {spaced(key)}")


def _limited(score: Json) -> str:
    """Return the range, and the sum where the range changed it."""
    if score["range"] is None:
        return ""
    low, high = score["range"]
    cut = f", sum {short(score['sum'])}" if abs(score["sum"] - score["value"]) > 1e-5 else ""
    return f" ({number(low)} to {number(high)}{cut})"


# --- criteria


def _criteria(criteria: Sequence[Json], definition: Definition) -> Iterator[str]:
    width = max((len(_points(criterion["points"])) for criterion in criteria), default=0)
    for criterion in criteria:
        points = _points(criterion["points"])
        head = f"    {points:>{width}}  {criterion['id']}"
        name = f" ({criterion['name']})" if criterion["name"] else ""
        yield from _wrapped(f"{name.strip()} {_how(criterion, definition)}".strip(), f"{head}: ", 8 + width)
        yield from _events(criterion, width)


def _how(criterion: Json, definition: Definition) -> str:
    match criterion["kind"]:
        case "recency":
            text = _recency(criterion)
        case "table":
            text = _table(criterion, definition)
        case _:
            text = _judged(criterion, definition)
    if "when" in criterion:
        text += f"; only when {_judged(criterion['when'], definition)}"
    return text


def _recency(criterion: Json) -> str:
    if not criterion["events"]:
        return f"none in {criterion['within']}" if criterion["within"] else "none so far"
    half = f", half every {criterion['half_life']}" if criterion["half_life"] else ""
    cap = f", at most {number(criterion['cap'])}" if criterion["cap"] is not None else ""
    cut = (
        ""
        if abs(criterion["uncapped"] - criterion["points"]) < 1e-6
        else f" of {short(criterion['uncapped'])}"
    )
    return f"{signed(criterion['points_per_event'])} each{half}{cap}{cut}"


def _table(criterion: Json, definition: Definition) -> str:
    saw = f"{spaced(criterion['fact'])} is {_saw(criterion)}"
    row = criterion["row"]
    if row is None:
        return f"{saw}: no row"
    tests = [phrase(condition_of(test, definition), definition) for test in row["tests"]]
    return f"{saw}: {both(tests) if tests else 'anything else that is known'}"


def _judged(part: Json, definition: Definition) -> str:
    """Return the condition, what it saw and its truth."""
    text = phrase(condition_of(part, definition), definition)
    saw = f" (saw {_saw(part)})" if "saw" in part else ""
    return f"{text}{saw}: {_TRUTHS[part['truth']]}"


def _saw(part: Json) -> str:
    match value := part["saw"]:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case float() | int() if part.get("fact") == "completeness":
            return percent(round(value, 4))
        case float() | int():
            wants = part.get("wants")
            return short(value, wants if isinstance(wants, list) else [wants])
        case dict():
            return f"{value['count']}, missing {both(value['missing'])}" if value["missing"] else "all"
        case list() | tuple():
            return both(map(str, value))
        case _:
            return str(value)


def _events(criterion: Json, width: int) -> Iterator[str]:
    events = criterion.get("events") or ()
    indent = " " * (width + 8)
    for event in events[-_SHOWN_EVENTS:]:
        yield from _wrapped(_event(event), indent)
    if len(events) > _SHOWN_EVENTS:
        older = events[:-_SHOWN_EVENTS]
        points = f": {_points(sum(e['points'] for e in older))}" if "points" in older[0] else ""
        yield f"{indent}and {len(older)} older ones{points}"


def _event(event: Json) -> str:
    what = both(map(spaced, event["names"])) if event["names"] else event["source"]
    times = f"{event['count']} {TIMES} " if event["count"] != 1 else ""
    text = f"{times}{what} {event['at'][:16].replace('T', ' ')}, {short(event['age_days'])} d"
    if "points" not in event:
        return text
    factor = short(event["factor"])
    return f"{text}: {_points(event['points'])}" + (f" ({TIMES} {factor})" if factor != "1" else "")


def _points(value: float) -> str:
    return signed(round(value, 2))


# --- truths


def _truth_lines(part: Json, definition: Definition, name: str = "", depth: int = 1) -> Iterator[str]:
    indent = "  " * depth + f"{_TRUTHS[part['truth']]:<9}" + (f"{name}: " if name else "")
    if part.get("gate") and "condition" in part:
        yield from _truth_lines(part["condition"], definition, part["gate"], depth)
        return
    if "condition" in part:
        yield from _truth_lines({**part["condition"], "truth": part["truth"]}, definition, name, depth)
        return
    joint = next((key for key in ("all", "any") if key in part), None)
    if joint and part[joint]:
        yield f"{indent}{joint} of"
        for inner in part[joint]:
            yield from _truth_lines(inner, definition, depth=depth + 1)
        return
    text = phrase(condition_of(part, definition), definition)
    saw = f" (saw {_saw(part)})" if "saw" in part else ""
    yield from _wrapped(f"{text}{saw}", indent, 2 * depth + 9)


def _rest(definition: Definition, evaluation: Evaluation, told: Json) -> Iterator[str]:
    if told.get("rules"):
        yield from ("", "Stages")
        yield from stage_lines(definition, evaluation)
    if told.get("evidence"):
        count = evaluation.evidence.count
        yield from ("", f"Evidence {count} of {len(told['evidence'])}")
        for item in told["evidence"]:
            yield from _truth_lines(item, definition, spaced(item["name"]))
    if told.get("disqualify"):
        yield from ("", "Vetoes")
        for veto in told["disqualify"]:
            yield from _truth_lines(veto, definition, veto["id"])
    if evaluation.findings:
        yield from ("", "Present but unusable")
        for finding in evaluation.findings:
            yield from _wrapped(f"{finding.fact or finding.event} ({finding.path}): {finding.problem}", "  ")


def _wrapped(text: str, first: str, indent: int | None = None) -> Iterator[str]:
    """Yield the text in lines of 80; those after the first stand under the text."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * (min(len(first), 30) if indent is None else indent),
        break_on_hyphens=False,
    )
