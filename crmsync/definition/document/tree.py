"""
Text -> tree of nodes with positions, by the YAML 1.2 core schema. All problems are collected, none is raised.

Anchors, aliases, tags and duplicate keys are problems, so a small text can never grow into a large tree.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from crmsync.definition.document.reports import MAX_PROBLEMS, Reports
from crmsync.definition.document.scan import Unreadable, yaml_events
from crmsync.definition.nouns import Position

MAX_BYTES = 2**20
MAX_DEPTH = 64  # a condition that deep has no reader
MAX_VALUES = 20_000  # what the pure Python parser reads in half a second; agreements have hundreds

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class TextNode:
    """
    A scalar.

    Attributes:
        text: as it stands in the file, without quotes.
        value: what the core schema makes of it.
    """

    at: Position
    text: str
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class ListNode:
    at: Position
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class MapNode:
    """`entries` maps the key's text to the node; `keys` to where the key itself stands."""

    at: Position
    entries: "dict[str, Node]"
    keys: dict[str, Position]


Node: TypeAlias = TextNode | ListNode | MapNode


def read_document(raw: str | bytes, reports: Reports) -> MapNode | None:
    """Return the root mapping; None, with the reason reported, when there is none to work with."""
    try:
        return _root(_decoded(raw), reports)
    except Unreadable as problem:
        reports.add(problem.at, "", problem.text)
    return None


def plain(node: Node) -> Any:
    """Return the node as JSON types: keys are text, nothing expanded or added."""
    match node:
        case TextNode(value=value):
            return value
        case ListNode(items=items):
            return [plain(item) for item in items]
        case MapNode(entries=entries):
            return {key: plain(value) for key, value in entries.items()}


def positions(node: Node, path: str = "") -> Iterator[tuple[str, Position]]:
    """Yield dotted path and position of every value."""
    yield path, node.at
    match node:
        case ListNode(items=items):
            for index, item in enumerate(items):
                yield from positions(item, f"{path}[{index}]")
        case MapNode(entries=entries):
            for key, value in entries.items():
                yield from positions(value, f"{path}.{key}" if path else key)
        case _:
            return


def _decoded(raw: str | bytes) -> str:
    start = Position(1, 1)
    size_bytes = len(raw) if isinstance(raw, bytes) else len(raw.encode("utf-8", "surrogatepass"))
    if size_bytes > MAX_BYTES:
        raise Unreadable(start, f"the file has {size_bytes:,} bytes, allowed are {MAX_BYTES:,} (1 MiB)")
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        at = Position(before.count(b"\n") + 1, column)
        raise Unreadable(at, f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


def _root(text: str, reports: Reports) -> MapNode | None:
    composer = _Composer(reports)
    composer.compose(yaml_events(text))
    if composer.root is None:
        reports.add(Position(1, 1), "", "the file is empty; a mapping with `definition:` is required")
        return None
    if isinstance(composer.root, MapNode):
        return composer.root
    reports.add(composer.root.at, "", "the file must be a mapping with `definition:`")
    return None


class _Composer:
    """Builds the tree from events without recursion: depth is data, not stack."""

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self.root: Node | None = None
        self.values = 0
        self.documents = 0
        self.open: list[_Open] = []

    def compose(self, events: Iterator[Event]) -> None:
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self.start_document(_at(event))
            case AliasEvent():
                self.reports.add(
                    _at(event), self.path(), f"alias *{event.anchor} is not allowed; write it out"
                )
                self.add(TextNode(_at(event), "", None))
            case ScalarEvent():
                self.check_plainness(event)
                self.add(self.scalar(event))
            case MappingStartEvent() | SequenceStartEvent():
                self.check_plainness(event)
                self.descend(event)
            case MappingEndEvent() | SequenceEndEvent():
                self.add(self.open.pop().node())
            case DocumentEndEvent():
                return
            case _:
                return

    def start_document(self, at: Position) -> None:
        self.documents += 1
        if self.documents > 1:
            raise Unreadable(at, "a second document starts here; one file holds one definition")

    def descend(self, event: Event) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise Unreadable(_at(event), f"nested more than {MAX_DEPTH} levels deep")
        self.open.append(_Open(_at(event), is_mapping=isinstance(event, MappingStartEvent)))

    def add(self, node: Node) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise Unreadable(node.at, f"more than {MAX_VALUES:,} values; no two teams can agree on that many")
        if self.reports.is_full:
            raise Unreadable(node.at, f"stopped after {MAX_PROBLEMS} problems")
        if not self.open:
            self.root = node
        elif problem := self.open[-1].add(node):
            self.reports.add(node.at, self.path(), problem)

    def path(self) -> str:
        return "".join(level.step() for level in self.open).removeprefix(".")

    def check_plainness(self, event: Event) -> None:
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.reports.add(_at(event), self.path(), f"anchor &{anchor} is not allowed")
        tag = getattr(event, "tag", None)
        if tag:
            self.reports.add(_at(event), self.path(), f"tag {tag} is not allowed; types follow from the text")

    def scalar(self, event: ScalarEvent) -> TextNode:
        is_plain = event.style in (None, "")
        value = _resolved(event.value) if is_plain else event.value
        if isinstance(value, float) and not math.isfinite(value):
            self.reports.add(_at(event), self.path(), f"{event.value} is not a finite number")
            value = 0.0
        if isinstance(value, str) and _HALF_PAIR.search(value):
            self.reports.add(_at(event), self.path(), "half a surrogate pair is not text")
            value = value.encode("utf-8", "replace").decode()
        return TextNode(_at(event), event.value, value)


class _Open:
    """A mapping or sequence that is still being read."""

    def __init__(self, at: Position, *, is_mapping: bool) -> None:
        self.at = at
        self.is_mapping = is_mapping
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Position] = {}
        self.key: str | None = None
        self.skips_value = False

    def add(self, node: Node) -> str | None:
        """Take a key, value or item; return what is wrong with it."""
        if not self.is_mapping:
            self.items.append(node)
            return None
        if self.key is None:
            return self.add_key(node)
        if not self.skips_value:
            self.entries[self.key] = node
        self.key, self.skips_value = None, False
        return None

    def add_key(self, node: Node) -> str | None:
        if not isinstance(node, TextNode):
            self.key, self.skips_value = "?", True
            return "a key must be text"
        self.key = node.text
        if node.text in self.keys:
            self.skips_value = True
            first = self.keys[node.text]
            return f"key `{node.text}` stands twice; the first is on line {first.line}"
        self.keys[node.text] = node.at
        return None

    def step(self) -> str:
        if not self.is_mapping:
            return f"[{len(self.items)}]"
        return f".{self.key}" if self.key is not None else ""

    def node(self) -> Node:
        if self.is_mapping:
            return MapNode(self.at, self.entries, self.keys)
        return ListNode(self.at, tuple(self.items))


def _at(event: Event) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _resolved(text: str) -> str | float | bool | None:
    """Return what a plain scalar is by the YAML 1.2 core schema; every number becomes a float."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return math.inf
    return text


def _whole(text: str) -> float:
    if text.startswith(("0x", "0o")):
        text, base = text[2:], 16 if text[1] == "x" else 8
        return float(int(text, base)) if len(text) < 250 else math.inf
    return float(text)
