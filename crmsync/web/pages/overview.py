"""How the funnel stands, what changed today and why, what waits for a person, how the daemon is."""

from collections import Counter
from collections.abc import Iterable

from starlette.responses import Response

from crmsync.model import STAGE
from crmsync.store.audit.reading import Count
from crmsync.web.asking import Ask
from crmsync.web.desk import Funnel

_RUNS_SHOWN = 5


def show(ask: Ask) -> Response:
    today = ask.desk.today()
    return ask.page(
        "overview.html",
        portal=ask.desk.portal(),
        funnel=stages_of(ask.desk.funnel()),
        today=today,
        totals=_totals(today.counts),
        causes=_causes(today.counts),
        runs=ask.desk.runs(limit=_RUNS_SHOWN),
        waiting=ask.desk.waiting(),
        health=ask.desk.health(),
    )


def funnel_picture(ask: Ask) -> Response:
    return ask.picture(ask.plots.funnel(stages_of(ask.desk.funnel())))


def stages_of(funnel: Funnel) -> tuple[tuple[str | None, int], ...]:
    """Return every stage with its contacts: those of the definition in order, then others, then none at all."""
    order = list(funnel.order)
    others = sorted(stage for stage in funnel.counts if stage and stage not in order)
    without = [None] if funnel.counts.get(None) else []
    return tuple((stage, funnel.counts.get(stage, 0)) for stage in [*order, *others, *without])


def _totals(counts: Iterable[Count]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for one in counts:
        totals[one.kind] += one.count
    return totals


def _causes(counts: Iterable[Count]) -> list[tuple[str, str, int]]:
    """Return (cause, property, count) of what was applied today, stage changes first, then the most frequent."""
    applied: Counter[tuple[str, str]] = Counter()
    for one in counts:
        if one.kind == "change.applied" and one.cause not in {None, "", "along"}:
            applied[one.cause or "", one.property or ""] += one.count
    ranked = sorted(applied.items(), key=lambda item: (item[0][1] != STAGE, -item[1], item[0]))
    return [(cause, name, count) for (cause, name), count in ranked]
