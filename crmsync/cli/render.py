"""Summaries and plans -> JSON documents and tables."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from crmsync.cli.output import table
from crmsync.cycle.engine import Summary
from crmsync.model import Change, Plan, Result

_SHOWN = 40  # changes a person is shown before "and so many more"


def summary_document(summary: Summary, requests: int) -> dict[str, Any]:
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
        "foreign": summary.pulled.foreign,
        "findings": summary.findings,
        "requests": requests,
    }


def pulled(summary: Summary) -> dict[str, int]:
    """Count by kind, all forms together, contacts always."""
    counts = {"contacts": 0}
    for stream, count in summary.pulled.counts.items():
        kind = stream.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + count
    return counts


def plan_document(summary: Summary, changes: Iterable[Change]) -> dict[str, Any]:
    """Make the one object that `plan --json` prints."""
    plan = summary.plan
    return {
        "run": summary.run,
        "plan": plan.id if plan else None,
        "as_of": plan.as_of.isoformat().replace("+00:00", "Z") if plan else None,
        "changes": [change_document(change) for change in changes],
        "guard": {"parked": bool(plan and plan.reasons), "reasons": list(plan.reasons) if plan else []},
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


def print_summary(out: Console, summary: Summary, requests: int) -> None:
    """Print what a run did, for people."""
    document = summary_document(summary, requests)
    changes, stages = document["changes"], document["stages"]
    out.print(f"[bold]{document['status']}[/]  run {summary.run}  plan {document['plan'] or '-'}")
    news = ", ".join(f"{count} {kind}" for kind, count in pulled(summary).items() if count) or "nothing new"
    out.print(f"  pulled     {news}")
    out.print(f"  evaluated  {summary.tally.evaluated} contacts")
    moves = f"{stages['promoted']} promoted, {stages['demoted']} demoted, {stages['held']} held"
    out.print(f"  stages     {moves}")
    out.print(
        f"  changes    {changes['applied']} applied, {changes['failed']} failed, {changes['abandoned']} abandoned"
    )
    out.print(
        f"  seen       {document['foreign']} by others, {document['findings']} findings, {requests} requests"
    )
    print_parked(out, summary.plan)


def print_parked(out: Console, plan: Plan | None) -> None:
    if plan is None or not plan.reasons:
        return
    out.print(f"[yellow]Plan {plan.id} is parked: a person must look first.[/]")
    for reason in plan.reasons:
        out.print(f"  - {reason}", markup=False)
    out.print(f"Look: crmsync plans {plan.id}   Then: crmsync approve {plan.id} (or reject)")


def print_changes(out: Console, changes: Sequence[Change], total: int) -> None:
    """Print the first changes of a plan as a table."""
    rows = [(c.contact, c.property, _short(c.before), _short(c.after), c.cause) for c in changes[:_SHOWN]]
    out.print(table("", ("contact", "property", "before", "after", "cause"), rows))
    if total > len(rows):
        out.print(f"... and {total - len(rows)} more changes (all of them: --json)")


def _short(text: str | None, width: int = 18) -> str | None:
    if text is None:
        return None
    line = text.replace("\n", " ")
    return line if len(line) <= width else line[: width - 1] + "…"
