"""A report -> lines of at most 80 columns: what a terminal shows, and what a mail or a log keeps."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from crmsync.insight import decisions, words
from crmsync.plots import text as plots
from crmsync.report.gather import Report

_NOT_SHOWN_IN_WHYS = 12


def lines(report: Report) -> Iterator[str]:
    """Yield the report line by line."""
    yield f"Portal {report.portal or 'not known yet'}: {words.day(report.since)} to {words.day(report.until)}"
    head = f"{report.head.seq:,} {report.head.hash[:12]}"
    yield f"Made {words.instant(report.made_at)} by crmsync; head of the trail: {head}"
    yield from _part("Funnel", _funnel(report))
    yield from _part("Stage changes a day", _days(report))
    yield from _part("What changed, and why", _whys(report))
    yield from _part("What others changed", _others(report))
    yield from _part("Decisions", _decisions(report))
    yield from _part("Waiting for a person", _waiting(report))
    yield from _part("Runs", _runs(report))


def _part(title: str, told: Iterable[str]) -> Iterator[str]:
    found = list(told)
    if found:
        yield from ("", title, *found)


def _funnel(report: Report) -> Iterator[str]:
    shown = [flow for flow in report.flows if flow.stage or flow.contacts]
    if not report.contacts:
        yield "No contacts yet."
        return
    bars = plots.bars([(words.stage(flow.stage), flow.contacts) for flow in shown], width=52)
    yield f"{'':<52}{'arrived':>10}{'by others':>10}{'left':>8}"
    for flow, bar in zip(shown, bars, strict=True):
        yield f"{bar:<52}{flow.arrived:>10,}{flow.by_others:>10,}{flow.left:>8,}"


def _days(report: Report) -> Iterator[str]:
    for name, values in (
        ("promoted", [day.promoted for day in report.days]),
        ("demoted", [day.demoted for day in report.days]),
        ("by others", [day.by_others for day in report.days]),
    ):
        if any(values):
            count = f" {sum(values):,}"
            yield f"{name:<13}{plots.spark(values, plots.WIDTH - 13 - len(count))}{count}"


def _whys(report: Report) -> Iterator[str]:
    if not report.whys:
        yield "Nothing was changed."
        return
    rows = [(one.count, words.cause(one.cause), words.property_name(one.property)) for one in report.whys]
    for count, cause, name in rows[:_NOT_SHOWN_IN_WHYS]:
        yield f"{count:>9,}  {name}: {cause}"[: plots.WIDTH]
    kinds = report.totals
    yield (
        f"{kinds['change.applied']:>9,}  applied in all; {kinds['change.failed']:,} failed, "
        f"{kinds['change.abandoned']:,} abandoned"
    )


def _others(report: Report) -> Iterator[str]:
    for one in report.others:
        names = ", ".join(f"{words.property_name(name)} {count:,}" for name, count in one.names.items())
        yield from _wrapped(f"{one.count:>9,}  {one.source}: {names}", "           ")


def _decisions(report: Report) -> Iterator[str]:
    for entry in report.decisions:
        yield from _wrapped(f"{entry.at:%Y-%m-%d %H:%M}  {decisions.told(entry)}", " " * 18)


def _waiting(report: Report) -> Iterator[str]:
    for plan in report.waiting:
        why = " ".join(plan.reasons) or "a revert that was planned."
        yield from _wrapped(f"{plan.id}: {why}", "  ")


def _runs(report: Report) -> Iterator[str]:
    if report.runs_in_all > len(report.runs):
        yield f"{report.runs_in_all:,} runs wrote something; the newest {len(report.runs)}:"
    for run in report.runs:
        done = ", ".join(_results(run.kinds.get(f"change.{name}", 0), name) for name in _RESULTS)
        yield f"{run.started.at:%Y-%m-%d %H:%M}  {run.id}  {done}"[: plots.WIDTH]


_RESULTS: Sequence[str] = ("applied", "failed", "abandoned")


def _results(count: int, name: str) -> str:
    return f"{count:,} {name}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, plots.WIDTH, subsequent_indent=indent, break_on_hyphens=False)
