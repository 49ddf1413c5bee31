"""Definition -> cautions: what an agreement should not contain, section 10. Each rule is one function; all are pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TypeAlias

from crmsync.definition.document.place import listed
from crmsync.definition.document.reports import nearest
from crmsync.definition.nouns import (
    ANY_SOURCES,
    Condition,
    Conditional,
    Count,
    Counted,
    Criterion,
    Definition,
    EventKind,
    EvidenceSatisfied,
    Operator,
    Position,
    Recency,
    Rule,
    Table,
    Test,
    walk,
)
from crmsync.definition.review.demands import asks_more, required_facts
from crmsync.definition.review.reach import Reach
from crmsync.definition.signing import signature_status
from crmsync.definition.wording.words import event_label, number, stage_label
from crmsync.errors import Problem

MQL = "marketingqualifiedlead"
SQL = "salesqualifiedlead"
OPPORTUNITY = "opportunity"
_AGEING = (Operator.WITHIN, Operator.BEFORE)


@dataclass(frozen=True, slots=True)
class Caution:
    """
    A warning about the agreement.

    Attributes:
        waived: why both teams accept it; None when they did not say so.
    """

    rule: str
    problem: Problem
    waived: str | None = None

    def __str__(self) -> str:
        return f"{self.problem} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What lint knows beside the definition.

    Attributes:
        today: the day to judge `review_by` by.
        delivers: event sources the portal's tier and token can deliver; None: not known, not judged.
    """

    today: date
    delivers: Collection[str] | None = None


Found: TypeAlias = Iterator[tuple[str, str]]
"""(dotted path, what should not be) pairs."""


def lint(definition: Definition, around: Circumstances) -> tuple[Caution, ...]:
    """Return every caution in file order, the waived ones among them."""
    cautions = [
        Caution(rule, _problem(definition, path, text), definition.terms.waive.get(rule))
        for rule, find in RULES.items()
        for path, text in find(definition, around)
    ]
    return tuple(sorted(cautions, key=lambda caution: (caution.problem, caution.rule)))


def waiver_problems(definition: Definition) -> tuple[Problem, ...]:
    """Return the waived rules that do not exist: a misspelt waiver waives nothing."""
    return tuple(
        _problem(
            definition,
            f"definition.waive.{rule}",
            f"unknown rule `{rule}`{nearest(rule, RULES)}; allowed: {', '.join(RULES)}",
        )
        for rule in definition.terms.waive
        if rule not in RULES
    )


def _problem(definition: Definition, path: str, text: str) -> Problem:
    at = position_of(definition, path)
    return Problem(definition.name, at.line, at.column, path, text)


def position_of(definition: Definition, path: str) -> Position:
    """Return where the path stands in the file; for what is not there, where it would belong."""
    while path and path not in definition.positions:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return definition.positions.get(path, Position(1, 1))


# --- the qualifying stages


def fit_gate(definition: Definition, _: Circumstances) -> Found:
    """An MQL or SQL rule without fit: engagement alone would qualify people who can never buy."""
    fit_points = {f"points.{criterion.id}" for criterion in definition.fit.criteria}
    for rule in _rules(definition, MQL, SQL):
        for key in ("enter", "fast_track"):
            condition: Condition | None = getattr(rule, key)
            if condition and not _tested(condition) & {"fit", "tier", "grade", *fit_points}:
                yield (
                    f"stages.rules.{rule.stage}.{key}",
                    f"a contact becomes {stage_label(rule.stage)} without a look at fit; test `tier` or `fit`, too",
                )


def content_only(definition: Definition, _: Circumstances) -> Found:
    """Content events alone are enough for the handoff stage: who only reads has not asked to buy."""
    rule = definition.stages.rule(definition.terms.handoff_stage or "")
    content = frozenset(name for name, kind in definition.events.items() if kind.intent == "content")
    if rule and rule.enter and _is_enough(rule.enter, Reach(definition, content)):
        yield (
            f"stages.rules.{rule.stage}.enter",
            f"content events alone ({listed(content)}) can hand a contact to sales; ask for product intent, too",
        )


def single_event(definition: Definition, _: Circumstances) -> Found:
    """One event alone is enough to enter a stage, and it is not a decision-phase product event."""
    for rule in definition.stages.rules:
        if rule.enter is None:
            continue
        enough = [
            name
            for name in (*definition.events, "any")
            if not _asks_to_buy(definition.events.get(name))
            and _is_enough(rule.enter, Reach(definition, _seen_with(name, definition), most=1))
        ]
        if enough:
            names = listed(event_label(name) for name in enough)
            yield (
                f"stages.rules.{rule.stage}.enter",
                (
                    f"one event alone is enough for {stage_label(rule.stage)} ({names}); ask for more, or for a "
                    "product event in the decision phase"
                ),
            )


def sql_evidence(definition: Definition, _: Circumstances) -> Found:
    """`salesqualifiedlead` asks for no evidence: sales could not check what it is given."""
    for rule in _rules(definition, SQL):
        for key in ("enter", "fast_track"):
            condition: Condition | None = getattr(rule, key)
            if condition and not _asks_for_evidence(condition):
                yield (
                    f"stages.rules.{rule.stage}.{key}",
                    f"a contact becomes {stage_label(rule.stage)} without evidence; ask for `evidence: satisfied`",
                )


def sql_subset(definition: Definition, _: Circumstances) -> Found:
    """A company fact is required for SQL and not for MQL: sales would hand such leads back."""
    mql, sql = definition.stages.rule(MQL), definition.stages.rule(SQL)
    if mql is None or sql is None or mql.enter is None or sql.enter is None:
        return
    company = {name for name, fact in definition.facts.items() if any(p.of == "company" for p in fact.paths)}
    late = (required_facts(sql.enter, definition) - required_facts(mql.enter, definition)) & company
    for fact in sorted(late):
        yield (
            f"stages.rules.{SQL}.enter",
            f"`{fact}` of the company is required for {stage_label(SQL)}, but not for {stage_label(MQL)}",
        )


def no_hysteresis(definition: Definition, _: Circumstances) -> Found:
    """No `stay`, or one that asks more than `enter`: decay moves a contact out and the next click back in."""
    for rule in _below_opportunity(definition):
        if rule.enter and rule.stay is None:
            yield (
                f"stages.rules.{rule.stage}.enter",
                f"{stage_label(rule.stage)} has `enter` but no `stay`: nothing says when it is over",
            )
        elif rule.enter and rule.stay:
            for fact in asks_more(rule.stay, rule.enter):
                yield (
                    f"stages.rules.{rule.stage}.stay",
                    f"`stay` asks more of `{fact}` than `enter` does; a contact would leave as it enters",
                )


# --- the points


def phase_order(definition: Definition, _: Circumstances) -> Found:
    """An awareness event is worth more than a decision event."""
    paths = _criterion_paths(definition)
    worth = [
        (criterion, {_phase(definition, name) for name in criterion.events})
        for criterion in definition.criteria()
        if isinstance(criterion, Recency) and criterion.points > 0
    ]
    decisions = [criterion for criterion, phases in worth if phases == {"decision"}]
    for criterion, phases in worth:
        weaker = [other for other in decisions if other.points < criterion.points]
        if phases == {"awareness"} and weaker:
            least = min(weaker, key=lambda other: other.points)
            yield (
                f"{paths[criterion.id]}.points",
                (
                    f"an awareness event ({number(criterion.points)} points) is worth more than a decision event"
                    f" (`{least.id}`: {number(least.points)})"
                ),
            )


def no_why(definition: Definition, _: Circumstances) -> Found:
    """A criterion without `why`: nobody can say later where its number came from."""
    paths = _criterion_paths(definition)
    for criterion in definition.criteria():
        if not criterion.why:
            yield (
                paths[criterion.id],
                f"`{criterion.id}` does not say why; add `why:` with the reason or the figure",
            )


def no_negative(definition: Definition, _: Circumstances) -> Found:
    """No criterion takes points away: scores only rise, until everybody qualifies."""
    if not any(value < 0 for criterion in definition.criteria() for value in _values(criterion)):
        yield "engagement" if definition.engagement.groups else "fit", "no criterion takes points away"


def no_inactivity(definition: Definition, _: Circumstances) -> Found:
    """Nothing lowers the score of a contact that has gone silent."""
    criteria = tuple(definition.criteria())
    counts_events = any(isinstance(c, Recency | Counted) for c in criteria)
    if counts_events and not any(_ages(criterion) for criterion in criteria):
        yield (
            "engagement",
            "nothing ages a silent contact; give events `half_life` or `within`, or take points for silence",
        )


# --- the agreement itself


def timing_veto(definition: Definition, _: Circumstances) -> Found:
    """A veto of class timing: who cannot buy now should be recycled, not disqualified."""
    for index, veto in enumerate(definition.disqualify):
        if veto.kind == "timing":
            yield (
                f"disqualify[{index}].class",
                f"`{veto.id}` disqualifies for timing; use `recycle` with `revisit`, timing passes",
            )


def unsigned(definition: Definition, _: Circumstances) -> Found:
    """A team has not signed this content."""
    status = signature_status(definition)
    for role in status.missing:
        changed = " (an earlier signature is void)" if any(s.role == role for s in status.void) else ""
        yield (
            "definition.agreed_by",
            f"{role} has not signed this content{changed}; sign with `crmsync sign --role {role} --who EMAIL`",
        )


def review_due(definition: Definition, around: Circumstances) -> Found:
    """The day on which both teams wanted to look at it again is past."""
    due = definition.terms.review_by
    if due is not None and around.today > due:
        yield "definition.review_by", f"the review was due on {due}; review it, then set the next date"


def unsupported_here(definition: Definition, around: Circumstances) -> Found:
    """An event whose source this portal does not deliver: its points are never given."""
    if around.delivers is None:
        return
    for name, kind in definition.events.items():
        if kind.source not in around.delivers and kind.source not in ("counter", "date"):
            yield (
                f"events.{name}.from",
                f"this portal's tier or token cannot deliver `{kind.source}`; `{name}` will never happen here",
            )


RULES: Mapping[str, Callable[[Definition, Circumstances], Found]] = MappingProxyType(
    {
        "fit-gate": fit_gate,
        "content-only": content_only,
        "single-event": single_event,
        "phase-order": phase_order,
        "sql-evidence": sql_evidence,
        "sql-subset": sql_subset,
        "no-hysteresis": no_hysteresis,
        "no-why": no_why,
        "timing-veto": timing_veto,
        "unsigned": unsigned,
        "review-due": review_due,
        "no-negative": no_negative,
        "no-inactivity": no_inactivity,
        "unsupported-here": unsupported_here,
    }
)


# --- what the rules share


def _rules(definition: Definition, *stages: str) -> Iterator[Rule]:
    return (rule for rule in definition.stages.rules if rule.stage in stages)


def _below_opportunity(definition: Definition) -> Iterator[Rule]:
    order = definition.stages.order
    end = order.index(OPPORTUNITY) if OPPORTUNITY in order else len(order)
    kept = definition.stages.never_demote_from
    return (r for r in definition.stages.rules if r.stage in order[:end] and r.stage not in kept)


def _tested(condition: Condition) -> set[str]:
    return {part.fact for part in walk(condition) if isinstance(part, Test)}


def _asks_for_evidence(condition: Condition) -> bool:
    return "evidence.count" in _tested(condition) or any(
        isinstance(part, EvidenceSatisfied) for part in walk(condition)
    )


def _is_enough(condition: Condition, happened: Reach) -> bool:
    """Return whether these events make the condition true where without them it would not be."""
    return happened.needs(condition, Reach(happened.definition, frozenset()))


def _asks_to_buy(kind: EventKind | None) -> bool:
    return kind is not None and kind.intent == "product" and kind.phase == "decision"


def _seen_with(name: str, definition: Definition) -> frozenset[str]:
    """Return the names that one occurrence matches: its own and those that take everything of its source."""
    kind = definition.events.get(name)
    return frozenset(
        {name}
        | {
            other.name
            for other in definition.events.values()
            if kind and other.source == kind.source in ANY_SOURCES and other.where is None
        }
    )


def _phase(definition: Definition, event: str) -> str | None:
    kind = definition.events.get(event)
    return kind.phase if kind else None


def _criterion_paths(definition: Definition) -> Mapping[str, str]:
    paths = {c.id: f"fit.criteria[{index}]" for index, c in enumerate(definition.fit.criteria)}
    for group in definition.engagement.groups:
        for index, criterion in enumerate(group.criteria):
            paths[criterion.id] = f"engagement.groups.{group.name}.criteria[{index}]"
    return paths


def _values(criterion: Criterion) -> Iterator[float]:
    match criterion:
        case Table(rows=rows):
            yield from (row.points for row in rows)
        case Conditional(points=points, else_points=else_points):
            yield from (points, else_points or 0)
        case Recency(points=points) | Counted(points=points):
            yield points


def _ages(criterion: Criterion) -> bool:
    match criterion:
        case Recency(within=within, half_life=half_life):
            return within is not None or half_life is not None
        case Counted(count=Count(within=within)):
            return within is not None
        case Conditional(when=when):
            return any(
                part.operator in _AGEING if isinstance(part, Test) else part.within is not None
                for part in walk(when)
                if isinstance(part, Test | Count)
            )
        case Table():
            return False
