"""Agreed examples -> frames: typed values that stand for the facts themselves, section 12."""

from collections.abc import Mapping, Sequence

import narwhals as nw
import polars as pl

from crmsync.definition.evaluation.frames import Frames
from crmsync.definition.evaluation.layout import AT, ENTERED, KIND, ROW, STAGE, WEIGHT, Layout
from crmsync.definition.evaluation.reading import DTYPES, Reading, Seen, Value, event_schema, read_value
from crmsync.definition.nouns import ANY_SOURCES, DAY_US, Example, Fact, FactType, Given
from crmsync.definition.text import fold
from crmsync.model import ContactId


def read_given(layout: Layout, examples: Sequence[Example], as_of_us: int) -> Reading:
    """Return the examples as contacts whose ids are the examples' names, in order; `as_of` is the check's moment."""
    facts = layout.definition.facts.values()
    columns = {
        layout.facts[fact.name]: pl.Series(
            [_value(fact, example) for example in examples], dtype=DTYPES[fact.type]
        )
        for fact in facts
    }
    stages = [example.stage for example in examples]
    columns[STAGE] = pl.Series([fold(stage) or None if stage else None for stage in stages], dtype=pl.String)
    columns[ENTERED] = pl.Series([_entered_us(example, as_of_us) for example in examples], dtype=pl.Int64)
    columns[ROW] = pl.Series(range(len(examples)), dtype=pl.Int64)
    events = _events(layout, examples, as_of_us)
    return Reading(
        frames=Frames(
            nw.from_native(pl.DataFrame(columns).lazy()), nw.from_native(events.lazy()), given=True
        ),
        ids=tuple(ContactId(example.name) for example in examples),
        stages=tuple(stage or None for stage in stages),
        findings={},
        seen=lambda row: {fact.name: Seen(_stated(fact, examples[row])) for fact in facts},
    )


def _value(fact: Fact, example: Example) -> Value:
    stated = _stated(fact, example)
    if stated is None or fact.type in (FactType.NUMBER, FactType.BOOL):
        return None if isinstance(stated, tuple) else stated
    text = ";".join(stated) if isinstance(stated, tuple) else str(stated)
    return read_value(fact.type, text)


def _stated(fact: Fact, example: Example) -> Given:
    """Return the fact as the example states it; `deals.*` are 0 when it says nothing, other facts unknown."""
    if fact.name in example.facts:
        return example.facts[fact.name]
    is_of_deals = any(path.of == "deals" for path in fact.paths)
    return 0.0 if is_of_deals and fact.type is FactType.NUMBER else None


def _entered_us(example: Example, as_of_us: int) -> int | None:
    return None if example.days_in_stage is None else as_of_us - round(example.days_in_stage * DAY_US)


def _events(layout: Layout, examples: Sequence[Example], as_of_us: int) -> pl.DataFrame:
    happened = [(row, name, age.us) for row, example in enumerate(examples) for name, age in example.events]
    columns: Mapping[str, list[object]] = {
        ROW: [row for row, _, _ in happened],
        KIND: [_kind(layout, name) for _, name, _ in happened],
        AT: [as_of_us - age_us for _, _, age_us in happened],
        WEIGHT: [1.0] * len(happened),
        **{column: [None] * len(happened) for column in layout.attributes.values()},
    }
    return pl.DataFrame(columns, schema=event_schema(layout))


def _kind(layout: Layout, name: str) -> int:
    """Return the kind that stands for this event alone, odd when its source counts for `any`."""
    counts_for_any = layout.definition.events[name].source in ANY_SOURCES
    return layout.given[name] + (1 if counts_for_any else 0)
