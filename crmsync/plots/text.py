"""Segments, readings and counts -> pictures in plain text: 80 columns, no colour, read the same in a log or a mail."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from crmsync.insight import words
from crmsync.insight.pictures import Reading, Segment

WIDTH = 80
_LABEL = 13  # columns for the name in front
_ROOM = 51  # and for a life; behind it stand the numbers
_LEVELS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_TWO_DAYS = timedelta(days=2)  # of a shorter life the hours are told
_IN, _OUT = "█", "·"


def life(
    segments: Sequence[Segment], readings: Sequence[Reading], order: Sequence[str], now: datetime
) -> tuple[str, ...]:
    """
    Draw the stages a contact was in, the highest on top, and its scores below them on the same axis of time.

    Args:
        order: the stages of the definition, lowest first; others stand below.
    """
    instants = [*(one.begins_at for one in segments), *(one.at for one in readings)]
    if not instants:
        return ()
    begin = min(instants)
    return (
        *_lanes(segments, order, begin, now),
        *_scores(readings, begin, now),
        _axis(begin, now),
    )


def bars(rows: Sequence[tuple[str, int]], width: int = WIDTH) -> tuple[str, ...]:
    """Draw a bar for each name; the longest is as long as fits beside its number."""
    most = max((count for _, count in rows), default=0)
    room = width - _LABEL - len(f" {most:,}")
    return tuple(
        f"{_label(name)}{_bar(count / most * room if most else 0)} {count:,}" for name, count in rows
    )


def spark(values: Sequence[float], width: int = WIDTH - _LABEL) -> str:
    """Draw a line of blocks, nothing for zero; more values than columns are added up, neighbour by neighbour."""
    folded = _folded(values, width)
    most = max(folded, default=0)
    return "".join(_level(value, 0, most) if value else " " for value in folded)


def _lanes(
    segments: Sequence[Segment], order: Sequence[str], begin: datetime, end: datetime
) -> Iterator[str]:
    ranks = {stage: rank for rank, stage in enumerate(order)}
    ordered = sorted(segments, key=lambda one: (-ranks.get(one.stage or "", -1), one.stage or ""))
    for stage, some in groupby(ordered, key=lambda one: one.stage):
        lane = [_OUT] * _ROOM
        for one in some:
            first = min(_column(one.begins_at, begin, end), _ROOM - 1)
            last = _column(one.ends_at, begin, end)
            lane[first : max(last, first + 1)] = _IN * max(last - first, 1)
        yield _label(words.stage(stage)) + "".join(lane)


def _scores(readings: Sequence[Reading], begin: datetime, end: datetime) -> Iterator[str]:
    """Draw each score column by column, what held at its end, on a scale from 0 to 100, wider where needed."""
    ordered = sorted(readings, key=lambda one: one.at)
    low, high = min([0.0, *(one.value for one in ordered)]), max([100.0, *(one.value for one in ordered)])
    for name in dict.fromkeys(one.score for one in ordered):
        columns = [" "] * _ROOM
        mine = [one for one in ordered if one.score == name]
        for one in mine:
            start = min(_column(one.at, begin, end), _ROOM - 1)
            columns[start:] = _level(one.value, low, high) * (_ROOM - start)
        first, last = words.number(round(mine[0].value)), words.number(round(mine[-1].value))
        numbers = last if first == last else f"{first} to {last}"
        yield f"{_label(name)}{''.join(columns)} {numbers}"


def _axis(begin: datetime, end: datetime) -> str:
    told = words.instant if end - begin < _TWO_DAYS else words.day
    first, last = told(begin), told(end)
    return f"{_label('')}{first}{last:>{_ROOM - len(first)}}"


def _column(at: datetime, begin: datetime, end: datetime) -> int:
    span = (end - begin).total_seconds()
    return min(int((at - begin).total_seconds() / span * _ROOM), _ROOM) if span > 0 else 0


def _level(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.0
    return _LEVELS[min(int(share * len(_LEVELS)), len(_LEVELS) - 1)]


def _bar(length: float) -> str:
    eighths = round(length * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _folded(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [len(values) * column // width for column in range(width + 1)]
    return [sum(values[start:end]) for start, end in pairwise(edges)]


def _label(name: str) -> str:
    return f"{name[: _LABEL - 1]:<{_LABEL}}"
