"""The explanation of an evaluation (definition/evaluation/explain.py makes it) -> rows of tables. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from crmsync.definition.wording.words import percent, short
from crmsync.insight import words
from crmsync.model import Json

_EVENTS_SHOWN = 8
_OPERATORS: Mapping[str, str] = {
    "is": "is",
    "is_not": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "contains_any": "contains any of",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "at_least": "at least",
    "more_than": "more than",
    "at_most": "at most",
    "less_than": "less than",
    "between": "between",
    "within": "within",
    "before": "longer ago than",
    "known": "known",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion: what it saw, line by line, and the points it gave."""

    id: str
    title: str
    why: str
    saw: tuple[str, ...]
    points: float


@dataclass(frozen=True, slots=True)
class Sum:
    """
    Criteria that add up.

    Attributes:
        total: before the limits; `value` after them.
        limits: "0 to 100"; "" without.
    """

    title: str
    lines: tuple[Line, ...]
    total: float
    value: float
    limits: str

    @property
    def is_limited(self) -> bool:
        return abs(self.total - self.value) > 1e-6


@dataclass(frozen=True, slots=True)
class GateLine:
    """`state`: pass, fail or unknown. `parts`: what the condition wanted and saw."""

    id: str
    state: str
    parts: tuple[str, ...]
    is_replaced: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the next stage (`enter` or `fast_track`) and what it still lacks."""

    name: str
    lacking: tuple[GateLine, ...]


@dataclass(frozen=True, slots=True)
class Next:
    stage: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Everything the contact page lays out below the one-sentence why; `engagement` adds up the groups."""

    fit: Sum | None
    groups: tuple[Sum, ...]
    engagement: Sum | None
    gates: tuple[GateLine, ...]
    vetoes: tuple[GateLine, ...]
    evidence: tuple[GateLine, ...]
    facts: tuple[tuple[str, str, str], ...]
    next: Next | None
    campaign: str


def arithmetic(told: Json) -> Arithmetic:
    """Lay out an explanation; a part that is not in it is left out (an older one may have fewer)."""
    groups: Mapping[str, Json] = told.get("groups") or {}
    engagement: Json | None = told.get("engagement")
    campaign: Json = told.get("campaign") or {}
    return Arithmetic(
        fit=_sum("Fit", told["fit"]) if told.get("fit") else None,
        groups=tuple(_sum(name.replace("_", " "), group) for name, group in groups.items()),
        engagement=_total(engagement) if engagement else None,
        gates=tuple(_gate(gate) for gate in told.get("gates") or ()),
        vetoes=tuple(_veto(veto) for veto in told.get("disqualify") or ()),
        evidence=tuple(
            GateLine(item["name"], state(item["truth"]), tuple(parts(item)))
            for item in told.get("evidence") or ()
        ),
        facts=tuple(_facts(told.get("facts") or {})),
        next=_next(told.get("missing")),
        campaign=campaign.get("id", ""),
    )


def state(truth: bool | None) -> str:  # noqa: FBT001 - one of three truths, not a mode
    return {True: "pass", False: "fail", None: "unknown"}[truth]


def parts(truth: Json) -> Iterator[str]:
    """Say what a condition wanted and saw, a sentence for each of its tests."""
    if "gate" in truth and "condition" in truth:
        yield from parts(truth["condition"])
    elif "all" in truth or "any" in truth:
        inner: Sequence[Json] = truth.get("all") or truth.get("any") or ()
        sentences = [sentence for part in inner for sentence in parts(part)]
        if "any" in truth and len(sentences) > 1:
            yield "any of: " + "; ".join(sentences)
        else:
            yield from sentences
    elif "not" in truth:
        yield "not: " + "; ".join(parts(truth["not"]))
    elif "counts" in truth:
        yield _count(truth)
    elif truth.get("fact") == "evidence" and isinstance(truth.get("saw"), Mapping):
        yield _evidence(truth["saw"])
    elif "fact" in truth:
        yield _test(truth)


def _evidence(saw: Json) -> str:
    missing = ", ".join(str(name).replace("_", " ") for name in saw.get("missing") or ())
    return f"evidence is satisfied: {saw['count']} known" + (f"; still open: {missing}" if missing else "")


def _test(test: Json) -> str:
    name, wants = str(test["fact"]).replace("_", " "), test["wants"]
    limits = wants if isinstance(wants, list) else [wants]
    write = _share if test["fact"] == "completeness" else partial(shown, limits=limits)
    saw = write(test.get("saw"))
    if test["operator"] == "known":
        return f"{name} is {'known' if wants else 'unknown'}: saw {saw}"
    return f"{name} {_limit(test, write)}: saw {saw}"


def _share(value: Any) -> str:
    return percent(round(value, 4)) if isinstance(value, float | int) else shown(value)


def _wanted(test: Json, write: Callable[[Any], str]) -> str:
    wants = test["wants"]
    if isinstance(wants, list):
        return (" and " if test["operator"] == "between" else ", ").join(map(write, wants))
    return write(wants)


def _count(count: Json) -> str:
    names = " or ".join(_event_name(name) for name in count["counts"])
    tests = " and ".join(map(_limit, count["tests"]))
    within = f" within {count['within']}" if count.get("within") else ""
    return f"{names}{within}: {tests}; saw {shown(count.get('saw'))}"


def _event_name(name: str) -> str:
    return "event of any kind" if name == "any" else name.replace("_", " ")


def _limit(test: Json, write: Callable[[Any], str] | None = None) -> str:
    return f"{_OPERATORS.get(test['operator'], test['operator'])} {_wanted(test, write or shown)}"


def shown(value: Any, limits: Sequence[Any] = ()) -> str:
    """Write a value as it was seen; a number so that it does not seem to reach a limit that it misses."""
    match value:
        case None:
            return "nothing known"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return short(value, limits)
        case list() | tuple():
            return ", ".join(shown(one) for one in value) or "none"
        case Mapping():
            return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
        case _:
            return str(value)


def _sum(title: str, part: Json) -> Sum:
    lines = tuple(_line(criterion) for criterion in part["criteria"])
    return Sum(title, lines, part["sum"], part["value"], _limits(part.get("range")))


def _total(engagement: Json) -> Sum:
    lines = tuple(
        Line("", name, "", (), subtotal) for name, subtotal in (engagement.get("groups") or {}).items()
    )
    return Sum("Engagement", lines, engagement["sum"], engagement["value"], _limits(engagement.get("range")))


def _limits(limits: Sequence[float] | None) -> str:
    return f"{words.number(limits[0])} to {words.number(limits[1])}" if limits else ""


def _line(criterion: Json) -> Line:
    saw = tuple(_saw(criterion))
    return Line(
        criterion["id"], criterion.get("name") or "", criterion.get("why") or "", saw, criterion["points"]
    )


def _saw(criterion: Json) -> Iterator[str]:
    match criterion.get("kind"):
        case "recency":
            yield from _recency(criterion)
        case "count":
            yield _count(criterion)
        case "condition":
            yield from parts(criterion)
            if criterion.get("truth") is None:
                yield "unknown gives no points"
        case "table":
            yield f"{str(criterion['fact']).replace('_', ' ')}: saw {shown(criterion.get('saw'))}"
            if criterion.get("row"):
                yield _row(criterion["row"])
    if criterion.get("when"):
        yield f"only when {'; '.join(parts(criterion['when']))} ({state(criterion['when']['truth'])})"


def _recency(criterion: Json) -> Iterator[str]:
    events: Sequence[Json] = criterion.get("events") or ()
    if not events:
        yield "no such event" + (f" within {criterion['within']}" if criterion.get("within") else "")
    newest = sorted(events, key=lambda event: event["age_days"])
    for event in newest[:_EVENTS_SHOWN]:
        yield _event(event)
    if len(newest) > _EVENTS_SHOWN:
        rest = newest[_EVENTS_SHOWN:]
        yield f"and {len(rest)} older: {words.points(sum(event['points'] for event in rest))}"
    cap = criterion.get("cap")
    if cap is not None and abs(criterion["uncapped"]) > abs(cap):
        yield f"capped from {words.points(criterion['uncapped'])} to {words.points(criterion['points'])}"


def _event(event: Json) -> str:
    name = (event.get("names") or [event["source"]])[0].replace("_", " ")
    times = f" \N{MULTIPLICATION SIGN} {event['count']}" if event.get("count", 1) > 1 else ""
    decay = f", decayed to {percent(round(event['factor'], 2))}" if event.get("factor", 1) < 0.995 else ""
    return (
        f"{name}{times}, {event['at'][:10]}, {words.number(round(event['age_days'], 1))} days ago{decay}: "
        f"{words.points(round(event['points'], 2))}"
    )


def _row(row: Json) -> str:
    return f"row: {' and '.join(map(_limit, row['tests'])) or 'anything else'}"


def _gate(gate: Json) -> GateLine:
    told = tuple(parts(gate["condition"]))
    return GateLine(gate["id"], state(gate["truth"]), told, is_replaced=bool(gate.get("overridden")))


def _veto(veto: Json) -> GateLine:
    """A veto that is true speaks against the contact."""
    told = (*parts(veto), *((veto["why"],) if veto.get("why") else ()))
    return GateLine(veto["id"], {True: "fail", False: "pass", None: "unknown"}[veto["truth"]], told)


def _facts(facts: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    for name, fact in facts.items():
        yield name.replace("_", " "), shown(fact.get("value")), fact.get("path") or ""


def _next(missing: Json | None) -> Next | None:
    if missing is None:
        return None
    ways = tuple(
        Way(name, tuple(map(_lacking, missing[key])))
        for key, name in (("enter", "the usual way"), ("fast_track", "the fast track"))
        if key in missing
    )
    return Next(missing["stage"], ways)


def _lacking(part: Json) -> GateLine:
    bare = {key: value for key, value in part.items() if key != "gate"}
    return GateLine(part.get("gate") or "", state(part["truth"]), tuple(parts(bare)))
