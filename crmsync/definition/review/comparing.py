"""Parts of two definitions -> differences: what is gone, new, or says something else. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Condition,
    Count,
    Definition,
    Duration,
    EvidenceSatisfied,
    Gate,
    Not,
    Range,
    Test,
)
from crmsync.definition.text import fold
from crmsync.definition.wording.words import number, phrase, spaced

T = TypeVar("T")
_Key: TypeAlias = tuple[str, ...]


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One thing that is not the same.

    Attributes:
        section: of the file, e.g. `engagement`.
        path: where, by names and ids, e.g. `eng.demo.half_life`.
        before, after: in words; None: not there.
        is_meaning: some contact could be decided differently; False for wording, signatures, dates of review.
    """

    section: str
    kind: Kind
    path: str
    sentence: str
    before: str | None = None
    after: str | None = None
    is_meaning: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """One attribute of a thing: its name in the file, its meaning (compared), and its words (shown)."""

    name: str
    meaning: object
    words: str | None


Parts: TypeAlias = Sequence[Part]


def part_of(name: str, value: T | None, words: Callable[[T], str]) -> Part:
    return Part(name, meaning(value), None if value is None else words(value))


def things(
    section: str,
    noun: str,
    old: Mapping[str, Parts],
    new: Mapping[str, Parts],
    told: Callable[[str, bool], str],
) -> Iterator[Difference]:
    """Compare named things: those only here, those only there, and every part of those in both."""
    for name in old:
        if name not in new:
            words = told(name, False)
            yield Difference(section, Kind.REMOVED, name, f"{noun} {name} is gone: {words}", before=words)
    for name, parts in new.items():
        if name not in old:
            words = told(name, True)
            yield Difference(section, Kind.ADDED, name, f"{noun} {name} is new: {words}", after=words)
        else:
            yield from parts_of(section, f"{noun} {name}", name, old[name], parts)


def parts_of(section: str, what: str, path: str, old: Parts, new: Parts) -> Iterator[Difference]:
    before = {part.name: part for part in old}
    after = {part.name: part for part in new}
    for name in dict.fromkeys((*before, *after)):
        was, now = (parts.get(name, Part(name, None, None)) for parts in (before, after))
        if was.meaning != now.meaning:
            yield changed(
                section, f"{what}: {spaced(name)}", f"{path}.{name}" if path else name, was.words, now.words
            )


def changed(section: str, what: str, path: str, before: str | None, after: str | None) -> Difference:
    if before is None:
        return Difference(section, Kind.ADDED, path, f"{what} is new: {after}", None, after)
    if after is None:
        return Difference(section, Kind.REMOVED, path, f"{what} is gone: {before}", before, None)
    return Difference(section, Kind.CHANGED, path, f"{what}: {before} -> {after}", before, after)


def meaning(value: object) -> object:
    """Return what is compared: texts folded, spans by length, conditions without the order of their parts."""
    match value:
        case str():
            return fold(value)
        case Duration(us=us):
            return us
        case All() | AnyOf() | Not() | Gate() | Test() | Count() | EvidenceSatisfied():
            return _sense(value)
        case tuple() | list():
            return tuple(meaning(item) for item in value)
        case _:
            return value


def _sense(condition: Condition) -> object:
    match condition:
        case All() | AnyOf():
            parts = _flat(condition)
            if len(parts) == 1:
                return _sense(parts[0])
            return type(condition).__name__, frozenset(_sense(part) for part in parts)
        case Not(part):
            return "not", _sense(part)
        case Gate(id=name, condition=part):
            return "gate", name, _sense(part)
        case Test(fact=fact, operator=operator, value=value):
            return "test", fact, *_asked(operator.value, value)
        case Count(events, within, tests):
            asked = frozenset(_asked(test.operator.value, test.value) for test in tests)
            return "count", frozenset(events), within.us if within else None, asked
        case EvidenceSatisfied():
            return "evidence"


def _flat(condition: All | AnyOf) -> tuple[Condition, ...]:
    """Return the parts, those of parts of the same kind among them."""
    flat: list[Condition] = []
    for part in condition.parts:
        flat += _flat(part) if isinstance(part, All | AnyOf) and type(part) is type(condition) else [part]
    return tuple(flat)


def _asked(operator: str, value: object) -> tuple[object, ...]:
    if operator in {"is", "is_not"}:
        return {"is": "in", "is_not": "not_in"}[operator], frozenset([meaning(value)])
    if operator in {"in", "not_in", "contains_any"} and isinstance(value, tuple):
        return operator, frozenset(meaning(item) for item in value)
    return operator, meaning(value)


# --- conditions, part by part


def in_conditions(
    section: str,
    what: str,
    path: str,
    old: tuple[Condition | None, Definition],
    new: tuple[Condition | None, Definition],
) -> Iterator[Difference]:
    """Compare two conditions; where both list parts that must all hold, name the parts that differ."""
    (was, before), (now, after) = old, new
    if was is None or now is None:
        if was is not now:
            yield changed(section, what, path, _said(was, before), _said(now, after))
        return
    if _sense(was) == _sense(now):
        return
    for key, left, right in _pairs(_keyed(was), _keyed(now)):
        gate = next((f" [{part.id}]" for part in (right, left) if isinstance(part, Gate)), "")
        said = _said(left, before), _said(right, after)
        yield _asks(section, what, f"{path}.{key[1]}" if key[0] == "gate" else path, gate, said)


def _pairs(
    was: Mapping[_Key, Condition], now: Mapping[_Key, Condition]
) -> Iterator[tuple[_Key, Condition | None, Condition | None]]:
    """Yield parts that differ, each beside what took its place; where both have but one part, these two."""
    if len(was) == len(now) == 1:
        (left,), ((key, right),) = was.values(), now.items()
        yield key, left, right
        return
    for key in dict.fromkeys((*was, *now)):
        if not _is_same(was.get(key), now.get(key)):
            yield key, was.get(key), now.get(key)


def _is_same(left: Condition | None, right: Condition | None) -> bool:
    return left is not None and right is not None and _sense(left) == _sense(right)


def _asks(section: str, what: str, path: str, gate: str, said: tuple[str | None, str | None]) -> Difference:
    before, after = said
    if before is None:
        return Difference(section, Kind.ADDED, path, f"{what} also asks: {after}{gate}", None, after)
    if after is None:
        return Difference(section, Kind.REMOVED, path, f"{what} no longer asks: {before}{gate}", before, None)
    if before == after:
        return Difference(
            section, Kind.CHANGED, path, f"{what} names a gate differently: {after}{gate}", before, after
        )
    return Difference(section, Kind.CHANGED, path, f"{what}{gate}: {before} -> {after}", before, after)


def _said(condition: Condition | None, definition: Definition) -> str | None:
    return None if condition is None else phrase(condition, definition)


def _keyed(condition: Condition) -> dict[_Key, Condition]:
    """Return the parts that must all hold by what they are about, so that changed limits find each other."""
    parts = _flat(condition) if isinstance(condition, All) else (condition,)
    keyed: dict[_Key, Condition] = {}
    for part in parts:
        key, index = _about(part), 2
        while key in keyed:
            key, index = (*_about(part), str(index)), index + 1
        keyed[key] = part
    return keyed


def _about(part: Condition) -> tuple[str, ...]:
    match part:
        case Gate(id=name):
            return ("gate", name)
        case Test(fact=fact):
            return ("test", fact)
        case Count(events=events):
            return ("count", *sorted(events))
        case _:
            return (type(part).__name__,)


def order(section: str, old: list[str], new: list[str]) -> Iterator[Difference]:
    """The first that matches counts: another order of those that stayed is another meaning."""
    before, after = [name for name in old if name in new], [name for name in new if name in old]
    if before != after:
        yield changed(
            section, f"the order of {section}", f"{section}.order", ", ".join(before), ", ".join(after)
        )


def range_words(limits: Range) -> str:
    return f"{number(limits.low)} to {number(limits.high)}"
