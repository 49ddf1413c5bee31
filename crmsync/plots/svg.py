"""Segments, readings and counts -> SVG made by Altair and vl-convert, cached, for light and dark pages."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Any, TypeAlias

from crmsync.insight import words
from crmsync.insight.period import Day
from crmsync.insight.pictures import Reading, Segment

Rows: TypeAlias = list[dict[str, Any]]

_KEPT = 256
_LABELS = (  # of an axis: the shortest span that is longer says how instants are written, and how many or which
    (timedelta(minutes=10), "%H:%M:%S", 3),
    (timedelta(days=2), "%-d %b, %H:%M", 3),
    (timedelta(days=6), "%-d %b", "day"),  # a number of them would stand at noon too, under the same label
    (timedelta(days=400), "%-d %b", 6),
    (timedelta.max, "%b %Y", 6),
)
_WIDTH = 440  # of what is drawn: with its axis it fits half a page as it is
_PADDING = {
    "left": 14,
    "right": 8,
    "top": 6,
    "bottom": 4,
}  # a browser's letters may be wider than those measured
_INK, _LINE, _ACCENT, _SECOND, _THIRD = "#1c2126", "#d5d9de", "#0b5cad", "#a85a00", "#7d858d"
# the one style sheet in every picture: who serves one allows it by its hash
# vl-convert writes colours as attributes: a style sheet that names them turns them over in the dark
STYLE = (
    "text{font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){"
    f'[fill="{_INK}"]{{fill:#e6e8ea}}[stroke="{_INK}"]{{stroke:#e6e8ea}}[stroke="{_LINE}"]{{stroke:#3a4249}}'
    f'[fill="{_ACCENT}"]{{fill:#6aaeff}}[stroke="{_ACCENT}"]{{stroke:#6aaeff}}'
    f'[fill="{_THIRD}"]{{fill:#8f99a3}}'
    f'[fill="{_SECOND}"]{{fill:#f0b069}}[stroke="{_SECOND}"]{{stroke:#f0b069}}'
    "}"
)


@dataclass(slots=True)
class Plots:
    """
    Draws, one picture at a time, and keeps the last ones: the same numbers are drawn once.

    Altair and vl-convert are loaded with the first picture: a daemon that nobody watches stays small.
    """

    _kept: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def funnel(self, stages: Sequence[tuple[str | None, int]]) -> str:
        rows = [{"stage": words.stage(stage), "contacts": count} for stage, count in stages]
        told = ", ".join(f"{row['stage']} {row['contacts']}" for row in rows)
        return self._drawn(_funnel, rows, ("Contacts by lifecycle stage", told))

    def stages(self, segments: Sequence[Segment], order: Sequence[str]) -> str:
        rows = [
            {
                "stage": words.stage(one.stage),
                "rank": order.index(one.stage) if one.stage in order else -1,
                "from": words.iso(one.begins_at),
                "to": words.iso(one.ends_at),
            }
            for one in segments
        ]
        told = "; ".join(f"{words.stage(one.stage)} from {words.instant(one.begins_at)}" for one in segments)
        return self._drawn(_ribbon, rows, ("Lifecycle stage over time", told))

    def scores(self, readings: Sequence[Reading], until: datetime) -> str:
        """Draw steps: a score holds until the next one is written, the last until `until`."""
        last = {one.score: one for one in readings}
        shown = [*readings, *(Reading(one.score, until, one.value) for one in last.values())]
        rows = [{"score": one.score, "at": words.iso(one.at), "value": one.value} for one in shown]
        told = "; ".join(
            f"{one.score} {words.number(one.value)} on {words.instant(one.at)}" for one in readings[-20:]
        )
        return self._drawn(_scores, rows, ("Fit and engagement over time", told))

    def days(self, days: Sequence[Day]) -> str:
        """Draw the stage changes of each day, promotions above the line, demotions below it."""
        series = (("Promoted", 1), ("By others", 1), ("Demoted", -1))
        rows = [
            {"day": day.day.isoformat(), "what": name, "order": order, "contacts": sign * count}
            for day in days
            for order, ((name, sign), count) in enumerate(
                zip(series, (day.promoted, day.by_others, day.demoted), strict=True)
            )
        ]
        told = "; ".join(
            f"{words.day(day.day)}: {day.promoted} promoted, {day.demoted} demoted, {day.by_others} by others"
            for day in days
            if not day.is_quiet
        )
        return self._drawn(_days, rows, ("Stage changes a day", told))

    def _drawn(
        self, draw: Callable[[list[dict[str, Any]]], Any], rows: list[dict[str, Any]], said: tuple[str, str]
    ) -> str:
        if not rows:
            return _empty(*said)
        key = hashlib.sha256(repr((draw.__name__, rows)).encode()).hexdigest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            self._kept[key] = svg = _svg(draw(rows), *said)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return svg


def _svg(chart: Any, title: str, told: str) -> str:
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(chart.to_dict())
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]  # several pictures may stand in one page
    text = text.replace('id="clip', f'id="{mark}-clip').replace("url(#clip", f"url(#{mark}-clip")
    opening, _, rest = text.partition(">")
    told_too = f"<title>{escape(title)}</title><desc>{escape(told)}</desc>"
    return f'{opening} role="img">{told_too}<style>{STYLE}</style>{rest}'


def _empty(title: str, told: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="60" role="img"><title>{escape(title)}</title>'
        f'<desc>{escape(told)}</desc><style>{STYLE}</style><text x="8" y="34" fill="{_INK}">Nothing yet.</text></svg>'
    )


def _funnel(rows: Rows) -> Any:
    import altair as alt

    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("stage:N", sort=None, title=None),
        x=alt.X("contacts:Q", title=None, axis=None),
    )
    bars = base.mark_bar(color=_ACCENT, height={"band": 0.7}, cornerRadiusEnd=2)
    numbers = base.mark_text(align="left", dx=6, fontSize=13, color=_INK).encode(
        text=alt.Text("contacts:Q", format=",")
    )
    return _themed(alt.layer(bars, numbers).properties(width=_WIDTH - 60, height=26 * len(rows)))


def _ribbon(rows: Rows) -> Any:
    import altair as alt

    axis = _time_axis(min(row["from"] for row in rows), max(row["to"] for row in rows))
    lanes = [row["stage"] for row in sorted(rows, key=lambda row: -row["rank"])]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_ACCENT, stroke=_ACCENT, strokeWidth=2, height={"band": 0.55}, cornerRadius=1)
        .encode(
            x=alt.X("from:T", title=None, axis=axis, scale=alt.Scale(type="utc")),
            x2="to:T",
            y=alt.Y("stage:N", sort=list(dict.fromkeys(lanes)), title=None),
        )
    )
    return _themed(chart.properties(width=_WIDTH, height=32 * len(set(lanes))))


def _scores(rows: Rows) -> Any:
    import altair as alt

    colour = alt.Color(
        "score:N",
        scale=alt.Scale(domain=["Fit", "Engagement"], range=[_SECOND, _ACCENT]),
        legend=alt.Legend(title=None, orient="top"),
    )
    dash = alt.StrokeDash(
        "score:N", scale=alt.Scale(domain=["Fit", "Engagement"], range=[[5, 3], [1, 0]]), legend=None
    )
    axis = _time_axis(min(row["at"] for row in rows), max(row["at"] for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("at:T", title=None, axis=axis, scale=alt.Scale(type="utc")),
        y=alt.Y("value:Q", title=None),
        color=colour,
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2).encode(strokeDash=dash)
    return _themed(
        alt.layer(lines, base.mark_point(filled=True, size=36, opacity=1)).properties(
            width=_WIDTH, height=150
        )
    )


def _days(rows: Rows) -> Any:
    import altair as alt

    names = ["Promoted", "By others", "Demoted"]
    most = max(abs(row["contacts"]) for row in rows)  # whole contacts only
    axis = _time_axis(rows[0]["day"], rows[-1]["day"])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("utcyearmonthdate(day):T", title=None, axis=axis, scale=alt.Scale(type="utc")),
            y=alt.Y("contacts:Q", title=None, axis=alt.Axis(tickCount=min(4, most), format="d")),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=names, range=[_ACCENT, _THIRD, _SECOND]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            order=alt.Order("order:Q"),
        )
    )
    return _themed(chart.properties(width=_WIDTH, height=150))


def _time_axis(begin: str, end: str) -> Any:
    """Make an axis whose labels differ: seconds on the first minutes, hours, days, months where years go by."""
    import altair as alt

    span = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    written, ticks = next((written, ticks) for longest, written, ticks in _LABELS if span < longest)
    return alt.Axis(labelOverlap=True, labelSeparation=8, tickCount=ticks, format=written)


def _themed(chart: Any) -> Any:
    return (
        chart.configure(background="transparent", font="sans-serif", padding=_PADDING)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK, titleColor=_INK, domainColor=_LINE, tickColor=_LINE, gridColor=_LINE, labelFontSize=12,
            labelLimit=160,
        )
        .configure_legend(labelColor=_INK, labelFontSize=12)
    )  # fmt: skip
