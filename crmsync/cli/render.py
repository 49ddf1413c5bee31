"""Summaries and plans -> JSON documents and tables."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from rich.console import Console

from crmsync.cli.output import many, plain, table
from crmsync.model import Change, Plan, Result

if TYPE_CHECKING:
    from crmsync.cycle.engine import Summary

_SHOWN = 40  # changes a person is shown before "and so many more"


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
        "foreign": summary.pulled.foreign,
        "findings": summary.findings,
        "requests": requests,
    }


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
        "guard": {"parked": bool(plan and plan.reasons), "reasons": list(plan.reasons) if plan else []},
    }


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
    document = summary_document(summary, requests)
    changes, stages = document["changes"], document["stages"]
    status = "nothing to do" if document["status"] == "nothing" else document["status"]
    plan = f"  plan {summary.plan.id}" if summary.plan else ""
    out.print(f"[bold]{status}[/]  run {summary.run}{plan}")
    told = {
        "pulled": _news(summary),
        "evaluated": many(summary.tally.evaluated, "contact"),
        "stages": ", ".join(f"{count:,} {what}" for what, count in stages.items()),
        "changes": f"{changes['applied']:,} applied, {changes['failed']:,} failed, {changes['abandoned']:,} abandoned",
        "seen": f"{many(summary.pulled.foreign, 'change')} by others, "
        f"{many(summary.findings, 'finding')}, {many(requests, 'request')}",
    }
    for name, text in told.items():
        out.print(plain(fill(text, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13, width=80)))
    print_parked(out, summary.plan)


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
