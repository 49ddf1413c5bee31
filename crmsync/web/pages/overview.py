"""How the funnel stands, what changed today and why, what waits for a person, how the daemon is."""

from datetime import date, timedelta

from starlette.responses import Response

from crmsync.insight.period import flows, moves, totals, whys
from crmsync.web.asking import Ask
from crmsync.web.desk import Funnel

_RUNS_SHOWN = 5
_DAYS_SHOWN = 30


def show(ask: Ask) -> Response:
    today = ask.desk.today()
    return ask.page(
        "overview.html",
        portal=ask.desk.portal(),
        funnel=stages_of(ask.desk.funnel()),
        today=today,
        totals=totals(today.counts),
        days=ask.desk.days(_since(ask)),
        moves=moves(today.counts),
        causes=whys(today.counts),
        runs=ask.desk.runs(limit=_RUNS_SHOWN),
        waiting=ask.desk.waiting(),
        health=ask.desk.health(),
    )


def funnel_picture(ask: Ask) -> Response:
    return ask.picture(ask.plots.funnel(stages_of(ask.desk.funnel())))


def days_picture(ask: Ask) -> Response:
    return ask.picture(ask.plots.days(ask.desk.days(_since(ask))))


def _since(ask: Ask) -> date:
    return ask.now.date() - timedelta(days=_DAYS_SHOWN - 1)


def stages_of(funnel: Funnel) -> tuple[tuple[str | None, int], ...]:
    """Return every stage with its contacts: those of the definition in order, then others, then none at all."""
    found = flows(funnel.counts, funnel.order, ())
    return tuple((one.stage, one.contacts) for one in found if one.stage or one.contacts)
