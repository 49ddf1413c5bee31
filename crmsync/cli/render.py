"""Summaries and plans -> JSON documents and lines for people."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from textwrap import fill
from typing import TYPE_CHECKING, Any, assert_never

from rich.console import Console

from crmsync.cli.output import many, plain
from crmsync.insight import words
from crmsync.model import Change, Plan, PlanStatus, Result, Tally

if TYPE_CHECKING:
    from crmsync.cycle.engine import Summary

_UNREADABLE_SHOWN = 3  # more of them are in the document


def summary_document(summary: "Summary", requests: int) -> dict[str, Any]:
    """Make the one object that `sync --json` prints."""
    results = summary.written.results
    return {
        "run": summary.run,
        "status": summary.status,
        "plan": summary.plan.id if summary.plan else None,
        "pulled": pulled(summary),
        "evaluated": summary.tally.evaluated,
        "changes": {
            "intended": summary.written.intended,
            "applied": results[Result.APPLIED],
            "failed": results[Result.FAILED],
            "abandoned": results[Result.ABANDONED],
        },
        "stages": {
            "promoted": summary.tally.promoted,
            "demoted": summary.tally.demoted,
            "held": summary.tally.held,
        },
        "held": dict(summary.tally.withheld),
        "foreign": summary.pulled.foreign,
        "findings": summary.findings,
        "unreadable": _unreadable(summary),
        "requests": requests,
    }


def _unreadable(summary: "Summary") -> dict[str, Any]:
    return {"count": summary.unreadable, "first": [asdict(one) for one in summary.unreadable_shown]}


def pulled(summary: "Summary") -> dict[str, int]:
    """Count by kind, all forms together, contacts always."""
    counts = {"contacts": 0}
    for stream, count in summary.pulled.counts.items():
        kind = stream.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + count
    return counts


def plan_document(summary: "Summary", changes: Iterable[Change]) -> dict[str, Any]:
    """Make the one object that `plan --json` prints; its changes come one by one."""
    plan = summary.plan
    return {
        "run": summary.run,
        "plan": plan.id if plan else None,
        "as_of": plan.as_of.isoformat().replace("+00:00", "Z") if plan else None,
        "changes": map(change_document, changes),
        "guard": {"parked": _is_parked(plan), "reasons": list(plan.reasons) if plan else []},
        "held": dict(summary.tally.withheld),
        "unreadable": _unreadable(summary),
    }


def _is_parked(plan: Plan | None) -> bool:
    return plan is not None and plan.status is PlanStatus.PARKED


def plan_row(plan: Plan) -> dict[str, Any]:
    """Make what `plans --json` tells of one plan."""
    tally = plan.tally
    return {
        "plan": plan.id,
        "run": plan.run,
        "status": plan.status.value,
        "as_of": plan.as_of.isoformat().replace("+00:00", "Z"),
        "changes_count": tally.changes,
        "stages": {"promoted": tally.promoted, "demoted": tally.demoted, "held": tally.held},
        "held": dict(tally.withheld),
        "reasons": list(plan.reasons),
    }


def change_document(change: Change) -> dict[str, Any]:
    return {
        "object": "contact",
        "id": change.contact,
        "property": change.property,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
    }


def print_summary(out: Console, summary: "Summary", requests: int) -> None:
    """Print what a run did, for people."""
    status = "nothing to do" if summary.status == "nothing" else summary.status
    plan = f"  plan {summary.plan.id}" if summary.plan else ""
    out.print(f"[bold]{status}[/]  run {summary.run}{plan}")
    for name, text in _told(summary, requests):
        out.print(plain(fill(text, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13, width=80)))
    for line in _unreadable_lines(summary):
        out.print(plain(line), soft_wrap=True)


def _told(summary: "Summary", requests: int) -> Iterator[tuple[str, str]]:
    tally, results = summary.tally, summary.written.results
    yield "pulled", _news(summary)
    yield "evaluated", many(tally.evaluated, "contact")
    yield "stages", f"{tally.promoted:,} promoted, {tally.demoted:,} demoted, {tally.held:,} held"
    if tally.withheld:
        yield "held", held(tally)
    if summary.written.intended or summary.status not in {PlanStatus.OPEN, PlanStatus.PARKED}:
        shown = (Result.APPLIED, Result.FAILED, Result.ABANDONED)
        yield "changes", ", ".join(f"{results[one]:,} {one.value}" for one in shown)
    seen = (
        f"{many(summary.pulled.foreign, 'change')} by others",
        many(summary.findings, "finding"),
        many(summary.unreadable, "unreadable value"),
        many(requests, "request"),
    )
    yield "seen", ", ".join(seen)


def held(tally: Tally) -> str:
    """Say why stage changes are held, the most frequent reason first."""
    by_count = sorted(tally.withheld.items(), key=lambda one: (-one[1], one[0]))
    return "; ".join(f"{count:,}: {words.held(why)}" for why, count in by_count)


def _unreadable_lines(summary: "Summary") -> Iterator[str]:
    shown = summary.unreadable_shown[:_UNREADABLE_SHOWN]
    for one in shown:
        yield f"             contact {one.contact}: {one.path}: {one.problem}"
    if summary.unreadable > len(shown):
        yield f"             and {summary.unreadable - len(shown):,} more (--json); crmsync explain CONTACT names them"


def _news(summary: "Summary") -> str:
    news = ", ".join(_of_kind(kind, count) for kind, count in pulled(summary).items() if count)
    if not news:
        return "nothing new"
    is_news = summary.tally.evaluated or summary.status == "applied"
    return news if is_news else f"{news} again, nothing new in them"


def _of_kind(kind: str, count: int) -> str:
    if kind == "forms":
        return many(count, "submission")
    return many(count, "company" if kind == "companies" else kind.removesuffix("s"), kind)


def print_guard(out: Console, plan: Plan) -> None:
    """Print why the guard made the plan wait; nothing when it did not."""
    if not plan.reasons:
        return
    waits = f"[yellow]Plan {plan.id} is parked: a person must look first.[/]"
    out.print(waits if _is_parked(plan) else f"Plan {plan.id} was parked, because:")
    for reason in plan.reasons:
        out.print(plain(fill(reason, 80, initial_indent="  - ", subsequent_indent="    ")))


def print_next(out: Console, plan: Plan) -> None:
    """Print what a person can do about a plan, a command a line that can be copied."""
    for step in _next_steps(plan):
        out.print(plain(step), soft_wrap=True)


def _next_steps(plan: Plan) -> tuple[str, ...]:
    match plan.status:
        case PlanStatus.PARKED:
            return (f"Look: crmsync plans {plan.id}", f"Then: crmsync approve {plan.id} (or reject)")
        case PlanStatus.OPEN:
            return (f"Nothing is written yet. Write it: crmsync apply {plan.id}",)
        case PlanStatus.APPROVED:
            return (
                f"Next: crmsync apply {plan.id}",
                "The daemon's next cycle, or crmsync sync, writes it too.",
            )
        case PlanStatus.REJECTED if plan.is_revert:
            return ("It is never written.",)
        case PlanStatus.REJECTED:
            return (
                "It is never written; but the next cycle plans the same again, under a new id.",
                "Change what it comes from: the definition, or the settings of writes and guard.",
            )
        case PlanStatus.APPLIED | PlanStatus.SUPERSEDED:
            return ()
        case _:
            assert_never(plan.status)
