"""
Columns of an evaluation that was made -> why, as JSON: enough to recompute every score by hand.

Nothing is judged again in Python: truths, decays and subtotals are further columns over the same frame.
"""

from collections.abc import Callable, Iterator, Mapping

import narwhals as nw
import polars as pl

from crmsync.definition.evaluation import scoring
from crmsync.definition.evaluation.conditions import Truths
from crmsync.definition.evaluation.frames import FrameEvaluator, Frames
from crmsync.definition.evaluation.layout import AT, ROW, Layout
from crmsync.definition.evaluation.reading import Seen
from crmsync.definition.evaluation.story import Cells, Story
from crmsync.definition.nouns import (
    Condition,
    Counted,
    Definition,
    Table,
    walk,
)
from crmsync.model import Json


class Explainer:
    """Explains contacts from the collected rows of the evaluation that decided about them."""

    def __init__(self, evaluator: FrameEvaluator) -> None:
        self.definition: Definition = evaluator.definition
        self.layout: Layout = evaluator.layout
        self._evaluator = evaluator
        self._truths = {part: f"t_{i}" for i, part in enumerate(dict.fromkeys(_parts(self.definition)))}

    def explain(
        self, rows: pl.DataFrame, frames: Frames, as_of_us: int, seen: Callable[[int], Mapping[str, Seen]]
    ) -> dict[int, Json]:
        """Return the explanation of each of the rows, which hold every column of FrameEvaluator.evaluate."""
        events = self._events(rows, frames, as_of_us)
        explained = {}
        for cells in self._with_truths(rows, as_of_us).iter_rows(named=True):
            row = cells[ROW]
            explained[row] = Story(
                self.layout, self._truths, cells, events.get(row, ()), seen(row), as_of_us
            ).told()
        return explained

    def _with_truths(self, rows: pl.DataFrame, as_of_us: int) -> pl.DataFrame:
        layout = self.layout
        truths = Truths(as_of_us, layout.column, layout.column_of_sum, layout.gates.__getitem__)
        columns = [truths.of(part).alias(column) for part, column in self._truths.items()]
        for criterion in self.definition.criteria():
            if isinstance(criterion, Table):
                picked = [
                    (scoring.row_truth(row, criterion, truths), nw.lit(index))
                    for index, row in enumerate(criterion.rows)
                ]
                columns.append(
                    scoring.first_true(picked, nw.lit(-1)).alias(f"row_{layout.criteria[criterion.id]}")
                )
        if not columns:
            return rows
        native: pl.LazyFrame = nw.from_native(rows.lazy()).with_columns(*columns).to_native()
        return native.collect()

    def _events(self, rows: pl.DataFrame, frames: Frames, as_of_us: int) -> dict[int, list[Cells]]:
        """Return the events of the rows, oldest first, with what each one adds to each sum."""
        layout = self.layout
        asked = rows[ROW].to_list()
        mine = Frames(frames.contacts, frames.events.filter(nw.col(ROW).is_in(asked)), frames.given)
        matched = self._evaluator.matched_events(mine, as_of_us)
        columns = []
        for key, column in layout.sums.items():
            columns.append(scoring.in_window(key, layout, as_of_us, given=frames.given).alias(f"in_{column}"))
            if key.half_life_us is not None:
                columns.append(scoring.decay(key.half_life_us, as_of_us).alias(f"decay_{column}"))
        if columns:
            matched = matched.with_columns(*columns)
        native: pl.LazyFrame = matched.to_native()
        events: dict[int, list[Cells]] = {}
        for cells in native.collect().sort(ROW, AT, maintain_order=True).iter_rows(named=True):
            events.setdefault(cells[ROW], []).append(cells)
        return events


# --- the parts of a definition


def _parts(definition: Definition) -> Iterator[Condition]:
    """Yield every condition that an explanation speaks of, with all its parts."""
    for condition in _conditions(definition):
        yield from walk(condition)


def _conditions(definition: Definition) -> Iterator[Condition]:
    for criterion in definition.criteria():
        if isinstance(criterion, Counted):
            yield criterion.count
        if criterion.when is not None:
            yield criterion.when
    yield from (veto.when for veto in definition.disqualify)
    if definition.evidence:
        yield from (item.condition for item in definition.evidence.items)
    for rule in definition.stages.rules:
        yield from (condition for _, condition in rule.conditions())
    for campaign in definition.campaigns:
        yield from campaign.gates.values()
