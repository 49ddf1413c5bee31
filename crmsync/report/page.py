"""A report -> one HTML page to read, mail and print. Needs nothing but itself: no script, font, image or link."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from crmsync import __version__
from crmsync.insight import decisions, words
from crmsync.plots.svg import Plots
from crmsync.report.gather import Report

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_FILTERS = {
    "cause": words.cause,
    "day": words.day,
    "instant": words.instant,
    "iso": words.iso,
    "long_stage": words.long_stage,
    "number": words.number,
    "property": words.property_name,
    "told": decisions.told,
}


def as_html(report: Report, plots: Plots) -> str:
    """Return the page; every text but the pictures, which escape theirs, is escaped."""
    funnel = [(flow.stage, flow.contacts) for flow in report.flows if flow.stage or flow.contacts]
    return _template().render(
        report=report,
        style=Markup(_style()),  # noqa: S704 - a file of ours
        policy=_POLICY,
        version=__version__,
        funnel=Markup(plots.funnel(funnel)) if report.contacts else "",  # noqa: S704 - escaped by plots
        days=Markup(plots.days(report.days)) if _has_moves(report) else "",  # noqa: S704 - escaped by plots
    )


def _has_moves(report: Report) -> bool:
    return not all(day.is_quiet for day in report.days)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("crmsync.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment.get_template("page.html")


@cache
def _style() -> str:
    return (files("crmsync.report") / "page.css").read_text(encoding="utf-8")
