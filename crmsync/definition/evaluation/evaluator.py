"""Contacts + instant -> evaluations, in slices and in input order. What the cycle, the commands and the tests use."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

import polars as pl

from crmsync.definition.evaluation.explain import Explainer
from crmsync.definition.evaluation.frames import FrameEvaluator, Frames
from crmsync.definition.evaluation.given import read_given
from crmsync.definition.evaluation.layout import ROW, Layout, Lazy
from crmsync.definition.evaluation.reading import Reader, Reading, sliced
from crmsync.definition.nouns import Definition, Example
from crmsync.definition.text import micros
from crmsync.model import Action, Contact, Evaluation, Evidence

Explain: TypeAlias = bool | Callable[[Evaluation], bool]

SLICE = 50_000  # contacts evaluated at once; memory follows it, speed hardly does

_LARGE = 10_000

_ACTIONS: Mapping[str, Action] = {
    "human_only": Action.HOLD,
    "unknown_stage": Action.HOLD,
    "disqualified": Action.KEEP,
    "recycled": Action.KEEP,
    "promoted": Action.PROMOTE,
    "demoted": Action.DEMOTE,
    "kept": Action.KEEP,
}
_SAID = (
    "campaign",
    "fit",
    "engagement",
    "tier",
    "level",
    "grade",
    "completeness",
    "evidence_count",
    "evidence_satisfied",
    "target",
    "to",
    "code",
    "outcome",
    "track",
    "via",
)


class Evaluator:
    """A definition, compiled: build it once, use it for any number of contacts and instants."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.layout = Layout(definition)
        self._reader = Reader(self.layout)
        self._frames = FrameEvaluator(definition, self.layout)
        self._explainer = Explainer(self._frames)

    def read(self, contacts: Iterable[Contact]) -> Reading:
        """Return contacts as typed columns, for evaluate_frames; all of them at once, so mind the memory."""
        return self._reader.read(contacts)

    def read_examples(self, examples: Sequence[Example], as_of: datetime) -> Reading:
        """Return agreed examples, for evaluate_reading at the same instant; their ids are the examples' names."""
        return read_given(self.layout, examples, micros(as_of))

    def evaluate_frames(self, frames: Frames, as_of: datetime) -> Lazy:
        """
        Return one row per contact with everything an evaluation says, in any order, on the frames' engine.

        Columns: `row`, `fit`, `engagement`, `completeness`, `tier`, `level`, `grade`, `campaign`, `target`, `to`,
        `code`, `outcome`, `track`, `via`, `disqualified`, `recycled`, `evidence_count`, `evidence_satisfied`, and
        those that `layout` names for criteria, groups, gates, vetoes and evidence items.
        """
        return self._frames.evaluate(frames, micros(as_of))

    def evaluate(
        self, contacts: Iterable[Contact], as_of: datetime, *, explain: Explain = False
    ) -> Iterator[Evaluation]:
        """
        Yield one evaluation per contact, in input order, holding one slice at a time.

        Args:
            explain: True, or which evaluations should carry their explanation: it is made from the very columns
                that decided, so asking afterwards (for those that change something) costs only those asked for.
        """
        for slice_ in sliced(contacts, SLICE):
            yield from self.evaluate_reading(self.read(slice_), as_of, explain=explain)

    def evaluate_reading(
        self, reading: Reading, as_of: datetime, *, explain: Explain = False
    ) -> Iterator[Evaluation]:
        """Yield the evaluations of contacts that were already read."""
        planned = self.evaluate_frames(reading.frames, as_of)
        rows = self._collected(planned, reading, is_whole=explain is not False)
        evaluations = self._evaluations(rows, reading, as_of)
        if explain is False:
            yield from evaluations
        else:
            yield from self._explained(list(evaluations), rows, reading, as_of, explain)

    def _explained(
        self,
        evaluations: list[Evaluation],
        rows: pl.DataFrame,
        reading: Reading,
        as_of: datetime,
        explain: Explain,
    ) -> Iterator[Evaluation]:
        asked = [
            row for row, made in enumerate(evaluations) if explain is True or (explain and explain(made))
        ]
        if asked:
            stages = pl.Series("stage_shown", [reading.stages[row] for row in asked], dtype=pl.String)
            chosen = rows[asked].with_columns(stages)
            told = self._explainer.explain(chosen, reading.frames, micros(as_of), reading.seen)
            for row in asked:
                evaluations[row] = replace(evaluations[row], explanation=told[row])
        yield from evaluations

    def _collected(self, frame: Lazy, reading: Reading, *, is_whole: bool) -> pl.DataFrame:
        layout = self.layout
        if not is_whole:
            generated = (layout.criteria, layout.groups, layout.gates, layout.vetoes, layout.items)
            frame = frame.select(ROW, *_SAID, *(column for names in generated for column in names.values()))
        return collected(frame, is_large=len(reading.ids) > _LARGE).sort(ROW)

    def _evaluations(self, rows: pl.DataFrame, reading: Reading, as_of: datetime) -> Iterator[Evaluation]:
        values = {name: rows[name].to_list() for name in rows.columns}
        for index, row in enumerate(values[ROW]):
            yield self._evaluation(values, index, reading, as_of, row)

    def _evaluation(
        self, values: Mapping[str, list[Any]], index: int, reading: Reading, as_of: datetime, row: int
    ) -> Evaluation:
        layout = self.layout
        said = {name: values[name][index] for name in _SAID}
        code = said.pop("code")
        missing = tuple(name for name, column in layout.items.items() if values[column][index] is not True)
        evidence = Evidence(int(said.pop("evidence_count")), said.pop("evidence_satisfied"), missing)
        return Evaluation(
            id=reading.ids[row],
            as_of=as_of,
            definition=self.definition.ref,
            groups=_picked(layout.groups, values, index),
            points=_picked(layout.criteria, values, index),
            gates=_picked(layout.gates, values, index),
            disqualified=tuple(
                name for name, column in layout.vetoes.items() if values[column][index] is True
            ),
            evidence=evidence,
            action=_ACTIONS[code],
            code=code,
            findings=reading.findings.get(row, ()),
            stage=reading.stages[row],
            **said,
        )


def collected(frame: Lazy, *, is_large: bool) -> pl.DataFrame:
    """Run the plan on its engine and return the rows, in any order. Polars streams large ones: half the time."""
    native = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        return native.collect(engine="streaming" if is_large else "in-memory")
    made: pl.DataFrame = frame.collect("polars").to_native()
    return made


def _picked(columns: Mapping[str, str], values: Mapping[str, Sequence[Any]], index: int) -> dict[str, Any]:
    return {name: values[column][index] for name, column in columns.items()}
