"""`report`: what happened in a period, for colleagues who cannot look at the pages."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from crmsync.cli.asking import instant_of, instant_text
from crmsync.cli.output import json_option, print_json
from crmsync.cli.session import Call, past_session
from crmsync.errors import OperatorError
from crmsync.insight import decisions
from crmsync.report import text
from crmsync.report.gather import Report, gather


@click.command("report")
@click.option(
    "--since", metavar="INSTANT", default="30d", show_default=True, help="2026-11-01, or an age: 7d."
)
@click.option("--until", metavar="INSTANT", help="Up to, not including [now].")
@click.option(
    "--html", metavar="FILE", help="Write one HTML page that needs nothing else; - is standard output."
)
@json_option
@click.pass_obj
def report(call: Call, since: str, *, until: str | None, html: str | None, as_json: bool) -> None:
    """Tell what changed in a period and why: funnel, runs, decisions, other people's changes. Ids only, no names."""
    if html and as_json:
        raise click.UsageError("--html and --json are two formats: choose one.")
    with past_session(call) as app:
        now = app.now()
        first, last = (
            instant_of(since, now, "--since"),
            now if until is None else instant_of(until, now, "--until"),
        )
        if first >= last:
            raise OperatorError("--since lies after --until.", next_step="Swap them.")
        found = gather(app.store, app.definition.stages.order, since=first, until=last, now=now)
    if as_json:
        print_json(_document(found))
    elif html:
        _write(found, html)
    else:
        for line in text.lines(found):
            click.echo(line)


def _write(found: Report, html: str) -> None:
    from crmsync.plots.svg import Plots
    from crmsync.report.page import as_html

    page = as_html(found, Plots())
    if html == "-":
        click.echo(page, nl=False)
        return
    try:
        Path(html).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"{html}: the report cannot be written ({error.strerror}).", next_step="Name another file."
        ) from None
    click.echo(
        f"{html}: {found.contacts:,} contacts, {found.totals['change.applied']:,} changes. Open it in a browser."
    )


def _document(found: Report) -> Mapping[str, Any]:
    return {
        "portal": found.portal or None,
        "since": instant_text(found.since),
        "until": instant_text(found.until),
        "made_at": instant_text(found.made_at),
        "contacts": found.contacts,
        "funnel": [asdict(flow) for flow in found.flows],
        "days": [asdict(day) | {"day": day.day.isoformat()} for day in found.days],
        "changes": [asdict(one) for one in found.whys],
        "by_others": [
            {"source": one.source.value, "count": one.count, "properties": dict(one.names)}
            for one in found.others
        ],
        "entries": dict(found.totals),
        "runs": [
            {"run": run.id, "started_at": instant_text(run.started.at), "entries": dict(run.kinds)}
            for run in found.runs
        ],
        "decisions": [
            {"seq": one.seq, "at": instant_text(one.at), "kind": one.draft.kind, "text": decisions.told(one)}
            for one in found.decisions
        ],
        "waiting": [
            {"plan": plan.id, "status": plan.status.value, "reasons": list(plan.reasons)}
            for plan in found.waiting
        ],
        "head": asdict(found.head),
    }


COMMANDS = (report,)
