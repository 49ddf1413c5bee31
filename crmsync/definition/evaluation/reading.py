"""Contacts -> frames of typed columns, with a finding for everything present but unusable: sections 3 and 5."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeAlias, TypeVar, assert_never

import narwhals as nw
import polars as pl

from crmsync.definition.evaluation.frames import Frames
from crmsync.definition.evaluation.layout import ANY_KINDS, AT, ENTERED, KIND, ROW, STAGE, WEIGHT, Layout
from crmsync.definition.needs import STAGE_PROPERTY
from crmsync.definition.nouns import Fact, FactType, Path
from crmsync.definition.text import (
    fold,
    iso,
    micros,
    read_bool,
    read_date,
    read_list,
    read_number,
    read_text,
    trimmed,
)
from crmsync.model import Contact, ContactId, Deal, Event, Finding

Value: TypeAlias = str | float | int | bool | None
"""What a typed column holds: folded text, number, epoch microseconds, boolean, or a list as `;a;b;`."""
Shown: TypeAlias = str | float | bool | tuple[str, ...] | None

DTYPES: Mapping[FactType, pl.DataType] = {
    FactType.TEXT: pl.String(),
    FactType.NUMBER: pl.Float64(),
    FactType.DATE: pl.Int64(),
    FactType.BOOL: pl.Boolean(),
    FactType.LIST: pl.String(),
}
_UNREADABLE: Mapping[FactType, str] = {
    FactType.TEXT: "not text",
    FactType.NUMBER: "not a number",
    FactType.DATE: "not a date",
    FactType.BOOL: "not true or false",
    FactType.LIST: "not a list",
}
_NOT_IN_MAP = "not in the map"
_MEMORY = 200_000  # distinct raw texts remembered per fact and slice

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """
    A fact's value as people write it.

    Attributes:
        value: JSON: text as spelt, number, boolean, list of texts, ISO date; None is unknown.
        path: where it was found; None when it is unknown, or stated by an example.
    """

    value: Shown
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One slice of contacts, ready to evaluate.

    Attributes:
        findings: by row; rows without any are absent.
        stages: the current stage of each row as the portal spells it; None when there is none.
        seen: row -> every declared fact as it is shown to people; for explanations.
    """

    frames: Frames
    ids: tuple[ContactId, ...]
    stages: tuple[str | None, ...]
    findings: Mapping[int, tuple[Finding, ...]]
    seen: Callable[[int], Mapping[str, Seen]]


class _Memo(dict[str, T], Generic[T]):
    """Remembers what a raw text was read as; facts have few distinct values."""

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, raw: str) -> T:
        value = self._read(raw)
        if len(self) < _MEMORY:
            self[raw] = value
        return value


def read_value(fact_type: FactType, raw: str) -> Value:
    """Return the typed value of a raw text; None is unknown."""
    match fact_type:
        case FactType.TEXT:
            return read_text(raw)
        case FactType.NUMBER:
            return read_number(raw)
        case FactType.DATE:
            return read_date(raw)
        case FactType.BOOL:
            return read_bool(raw)
        case FactType.LIST:
            parts = read_list(raw)
            return None if parts is None else f";{';'.join(parts)};"
        case _:
            assert_never(fact_type)


class FactReader:
    """Reads one fact of a contact: each path, then the map, the first known result wins."""

    def __init__(self, fact: Fact) -> None:
        self.fact = fact
        self._map = None if fact.map is None else {fold(key): result for key, result in fact.map.items()}
        self._memo: _Memo[tuple[Value, str | None]] = _Memo(self._read)

    def _read(self, raw: str) -> tuple[Value, str | None]:
        """Return the value, and what is wrong with a text that is present but unusable."""
        if not raw.strip():
            return None, None
        text = raw if self._map is None else self._map.get(fold(raw), self.fact.otherwise)
        if text is None:
            return None, _NOT_IN_MAP
        value = read_value(self.fact.type, text)
        return value, None if value is not None else self._complaint()

    def _complaint(self) -> str | None:
        """Return the problem of an unreadable value; text and lists without content are merely empty."""
        return None if self.fact.type in (FactType.TEXT, FactType.LIST) else _UNREADABLE[self.fact.type]

    def value(self, contact: Contact, problems: list[Finding]) -> Value:
        for path in self.fact.paths:
            value, problem = self._at(path, contact)
            if problem is not None:
                problems.append(Finding(path=str(path), problem=problem, fact=self.fact.name))
            if value is not None:
                return value
        return None

    def seen(self, contact: Contact) -> Seen:
        """Return the same value as it is spelt."""
        for path in self.fact.paths:
            value, _ = self._at(path, contact)
            if value is not None:
                return Seen(self._spelt(path, contact, value), str(path))
        return Seen(None)

    def _spelt(self, path: Path, contact: Contact, value: Value) -> Shown:
        raw = "" if path.of == "deals" else raw_of(path, contact) or ""
        if self._map is not None:
            raw = self._map.get(fold(raw), self.fact.otherwise) or raw
        return shown(self.fact.type, value, raw)

    def _at(self, path: Path, contact: Contact) -> tuple[Value, str | None]:
        if path.of == "deals":
            return self._deals(path, contact.deals)
        raw = raw_of(path, contact)
        return (None, None) if raw is None else self._memo[raw]

    def _deals(self, path: Path, deals: Sequence[Deal]) -> tuple[Value, str | None]:
        number, problem = deal_number(path.name, deals)
        if self.fact.type is FactType.NUMBER and self._map is None:
            return number, problem
        value, trouble = self._memo[number_text(number)]
        return value, problem or trouble


def shown(fact_type: FactType, value: Value, raw: str) -> Shown:
    """Return a typed value for people; texts keep the spelling of `raw`."""
    if value is None:
        return None
    match fact_type:
        case FactType.TEXT:
            return trimmed(raw) or str(value)
        case FactType.LIST:
            return tuple(part for piece in raw.split(";") if (part := trimmed(piece)))
        case FactType.DATE:
            return iso(int(value))
        case _:
            return value


def raw_of(path: Path, contact: Contact) -> str | None:
    source = contact.properties if path.of == "contact" else contact.company
    return source.get(path.name) if source is not None else None


def deal_number(name: str, deals: Sequence[Deal]) -> tuple[float, str | None]:
    """Return the number behind `deals.<name>`, and the problem when an amount was unreadable (it counts 0)."""
    state, _, amount = name.partition("_")
    mine = [deal for deal in deals if deal.state == state]
    if not amount:
        return float(len(mine)), None
    present = [deal.amount for deal in mine if deal.amount is not None and deal.amount.strip()]
    numbers = [read_number(text) for text in present]
    total = sum(number for number in numbers if number is not None)
    if math.isinf(total):
        return 0.0, "the amounts are too large"
    return float(total), "an amount is not a number" if None in numbers else None


def number_text(number: float) -> str:
    """Return a number as the digits a person would write."""
    return format(Decimal(repr(number)).normalize(), "f")


# --- a slice


class Reader:
    """Reads slices of contacts for one definition."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._facts = [FactReader(fact) for fact in layout.definition.facts.values()]
        self._events = EventReader(layout)
        self._stage: _Memo[str | None] = _Memo(read_text)

    def read(self, contacts: Iterable[Contact]) -> Reading:
        slice_ = list(contacts)
        findings: dict[int, list[Finding]] = {}
        for row, contact in enumerate(slice_):
            if contact.findings:
                findings[row] = list(contact.findings)
        columns = self._fact_columns(slice_, findings)
        stages = [contact.properties.get(STAGE_PROPERTY) for contact in slice_]
        columns[STAGE] = pl.Series([None if s is None else self._stage[s] for s in stages], dtype=pl.String)
        entered = [None if c.stage_entered_at is None else micros(c.stage_entered_at) for c in slice_]
        columns[ENTERED] = pl.Series(entered, dtype=pl.Int64)
        columns[ROW] = pl.Series(range(len(slice_)), dtype=pl.Int64)
        frames = Frames(
            contacts=nw.from_native(pl.DataFrame(columns).lazy()),
            events=nw.from_native(self._events.frame(slice_, findings).lazy()),
        )
        return Reading(
            frames=frames,
            ids=tuple(contact.id for contact in slice_),
            stages=tuple(stage if stage and stage.strip() else None for stage in stages),
            findings={row: tuple(dict.fromkeys(found)) for row, found in findings.items()},
            seen=lambda row: {reader.fact.name: reader.seen(slice_[row]) for reader in self._facts},
        )

    def _fact_columns(
        self, contacts: Sequence[Contact], findings: dict[int, list[Finding]]
    ) -> dict[str, pl.Series]:
        columns = {}
        for reader in self._facts:
            values: list[Value] = []
            for row, contact in enumerate(contacts):
                problems: list[Finding] = []
                values.append(reader.value(contact, problems))
                if problems:
                    findings.setdefault(row, []).extend(problems)
            column = self.layout.facts[reader.fact.name]
            columns[column] = pl.Series(values, dtype=DTYPES[reader.fact.type])
        return columns


class EventReader:
    """Reads the events of contacts into columns; what cannot be used becomes a finding."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.wanted = layout.wanted_kinds
        self.attributes = {name: layout.attribute_type(name) for name in layout.attributes}
        self.memos = {name: _attribute_memo(fact_type) for name, fact_type in self.attributes.items()}
        self.dates = {of: kind for (source, of), kind in layout.watched.items() if source == "date"}
        self.date_memo: _Memo[int | None] = _Memo(read_date)

    def frame(self, contacts: Sequence[Contact], findings: dict[int, list[Finding]]) -> pl.DataFrame:
        columns: dict[str, list[Any]] = {ROW: [], KIND: [], AT: [], WEIGHT: []}
        columns.update({column: [] for column in self.layout.attributes.values()})
        for row, contact in enumerate(contacts):
            problems: list[Finding] = []
            for event in contact.events:
                self._take(row, event, columns, problems)
            self._take_dates(row, contact, columns, problems)
            if problems:
                findings.setdefault(row, []).extend(problems)
        return pl.DataFrame(columns, schema=event_schema(self.layout))

    def _take(self, row: int, event: Event, columns: dict[str, list[Any]], problems: list[Finding]) -> None:
        problem = unusable(event)
        if problem is not None:
            problems.append(problem)
            return
        kind = self._kind(event)
        if kind not in self.wanted or event.at is None:
            return
        columns[ROW].append(row)
        columns[KIND].append(kind)
        columns[AT].append(micros(event.at))
        columns[WEIGHT].append(float(event.count))
        for name, column in self.layout.attributes.items():
            columns[column].append(self._attribute(name, event, problems))

    def _kind(self, event: Event) -> int:
        if event.source == "counter":
            of = (event.of or "").partition("contact.")[2]
            return self.layout.watched.get(("counter", of), -1)
        return ANY_KINDS[event.source]

    def _attribute(self, name: str, event: Event, problems: list[Finding]) -> Value:
        raw = event.attributes.get(name)
        if raw is None:
            return None
        if not isinstance(raw, str):
            raw = number_text(float(raw))
        value, problem = self.memos[name][raw]
        if problem is not None:
            problems.append(Finding(path=f"{event.source}.{name}", problem=problem, event=event.source))
        return value

    def _take_dates(
        self, row: int, contact: Contact, columns: dict[str, list[Any]], problems: list[Finding]
    ) -> None:
        for of, kind in self.dates.items():
            raw = contact.properties.get(of)
            if raw is None or not raw.strip():
                continue
            at = self.date_memo[raw]
            if at is None:
                problems.append(Finding(path=f"contact.{of}", problem="not a date", event="date"))
            elif kind in self.wanted:
                columns[ROW].append(row)
                columns[KIND].append(kind)
                columns[AT].append(at)
                columns[WEIGHT].append(1.0)
                for column in self.layout.attributes.values():
                    columns[column].append(None)


def unusable(event: Event) -> Finding | None:
    """Return why an event is dropped."""
    source = event.source
    if source == "date":
        return Finding(path="events", problem="date events come from the contact's property", event=source)
    if source != "counter" and source not in ANY_KINDS:
        return Finding(path="events", problem="unknown source", event=source)
    if source == "counter" and not (event.of or "").startswith("contact."):
        return Finding(path="counter.of", problem="not a contact property", event=source)
    if event.at is None:
        return Finding(path=f"{source}.at", problem="no readable instant", event=source)
    if event.count < 1:
        return Finding(path=f"{source}.count", problem="a count below 1", event=source)
    return None


def contact_schema(layout: Layout) -> dict[str, pl.DataType]:
    """Return the columns of a contacts frame and their types."""
    facts = {layout.facts[fact.name]: DTYPES[fact.type] for fact in layout.definition.facts.values()}
    return {ROW: pl.Int64(), STAGE: pl.String(), ENTERED: pl.Int64(), **facts}


def event_schema(layout: Layout) -> dict[str, pl.DataType]:
    """Return the columns of an events frame and their types."""
    attributes = {column: DTYPES[layout.attribute_type(name)] for name, column in layout.attributes.items()}
    return {ROW: pl.Int64(), KIND: pl.Int32(), AT: pl.Int64(), WEIGHT: pl.Float64(), **attributes}


def _attribute_memo(fact_type: FactType) -> _Memo[tuple[Value, str | None]]:
    def read(raw: str) -> tuple[Value, str | None]:
        value = read_value(fact_type, raw)
        is_unreadable = value is None and bool(raw.strip()) and fact_type is not FactType.TEXT
        return value, _UNREADABLE[fact_type] if is_unreadable else None

    return _Memo(read)


def sliced(contacts: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the contacts in lists of at most `size`, in order."""
    batch: list[T] = []
    for contact in contacts:
        batch.append(contact)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
