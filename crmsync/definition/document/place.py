"""A node with its path: asks for what should stand there, reports what does not fit, and goes on."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from crmsync.definition.document.reports import Reports
from crmsync.definition.document.tree import ListNode, MapNode, Node, TextNode
from crmsync.definition.nouns import DAY_US, Duration, Range

NAME = re.compile(r"[\w-]+")
DOTTED = re.compile(r"[\w.-]+")
DEFINITION_ID = re.compile(r"[a-z0-9-]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION = re.compile(r"([0-9]{1,12})([mhdw])")
_UNIT_US = {"m": 60_000_000, "h": 3_600_000_000, "d": DAY_US, "w": 7 * DAY_US}
MAX_DAYS = 1_000_000  # far beyond any agreement and safe in 64 bits
MAX_POINTS = 1e12  # so that no sum of points can leave the finite numbers


def listed(names: Iterable[str]) -> str:
    """Return the names for a message, at most twelve of them."""
    shown = list(names)
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in the file. Every question returns None (or nothing) after reporting a problem."""

    node: Node
    path: str
    reports: Reports

    # --- reporting

    def problem(self, text: str) -> None:
        self.reports.add(self.node.at, self.path, text)

    def unknown(self, what: str, name: str, known: Collection[str], *, lead: str = "allowed") -> None:
        """Report a name that is not one of the known ones."""
        self.problem(self._no_such(what, name, known, lead))

    def unknown_key(
        self, what: str, key: str, known: Collection[str], *, lead: str = "declared", prefix: str = ""
    ) -> None:
        """Report a key whose name (after the prefix) is not one of the known ones."""
        self.key_problem(prefix + key, self._no_such(what, key, known, lead))

    def _no_such(self, what: str, name: str, known: Collection[str], lead: str) -> str:
        if self.reports.is_full:
            return ""
        return (
            f"unknown {what} `{name}`{self.reports.nearest(name, known)}; {lead}: {listed(known) or 'none'}"
        )

    @property
    def kind(self) -> str:
        match self.node:
            case MapNode():
                return "a mapping"
            case ListNode():
                return "a list"
            case TextNode(value=None):
                return "nothing"
            case TextNode(value=bool()):
                return f"`{self.node.text}`"
            case TextNode(value=float()):
                return f"the number {self.node.text}"
            case TextNode():
                return f"the text `{self.node.text[:60]}`"

    # --- going down

    def child(self, step: str, node: Node) -> "Place":
        dot = "" if step.startswith("[") or not self.path else "."
        return Place(node, f"{self.path}{dot}{step}", self.reports)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MapNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, ListNode)

    @property
    def is_null(self) -> bool:
        return isinstance(self.node, TextNode) and self.node.value is None

    def entries(self) -> dict[str, "Place"]:
        """Return the children of a mapping by key, whatever the keys are."""
        if not isinstance(self.node, MapNode):
            self.problem(f"must be a mapping, not {self.kind}")
            return {}
        return {key: self.child(key, value) for key, value in self.node.entries.items()}

    def key_problem(self, key: str, text: str) -> None:
        """Report a problem with a key rather than its value."""
        at = self.node.keys.get(key, self.node.at) if isinstance(self.node, MapNode) else self.node.at
        self.reports.add(at, f"{self.path}.{key}".lstrip("."), text)

    def keys(self, *allowed: str, required: Collection[str] = ()) -> dict[str, "Place"]:
        """Return the children of a mapping that may hold only these keys."""
        entries = self.entries()
        for key in entries:
            if key not in allowed:
                self.unknown_key("key", key, allowed, lead="allowed")
        if self.is_mapping:
            for key in required:
                if key not in entries:
                    self.problem(f"`{key}` is missing")
        return {key: place for key, place in entries.items() if key in allowed}

    def items(self) -> list["Place"]:
        if not isinstance(self.node, ListNode):
            self.problem(f"must be a list, not {self.kind}")
            return []
        return [self.child(f"[{index}]", item) for index, item in enumerate(self.node.items)]

    def scalars(self) -> list["Place"]:
        """Return the items of a list, or the scalar itself as the only one."""
        return [self] if isinstance(self.node, TextNode) else self.items()

    # --- scalars

    def text(self) -> str | None:
        """Return text; a number or boolean must be quoted."""
        match self.node:
            case TextNode(value=str(value)) if value.strip():
                return value
            case TextNode(value=str()):
                self.problem("must not be empty")
            case TextNode(value=float() | bool()):
                self.problem(f'must be text, not {self.kind}; write "{self.node.text}" in quotes')
            case _:
                self.problem(f"must be text, not {self.kind}")
        return None

    def words(self) -> str | None:
        """Return free text, in which a number is fine."""
        match self.node:
            case TextNode(value=float(), text=text):
                return text
            case _:
                return self.text()

    def name(self, pattern: re.Pattern[str] = NAME) -> str | None:
        text = self.words()
        if text is not None and not pattern.fullmatch(text):
            letters = "a-z, 0-9 and -" if pattern is DEFINITION_ID else "letters, digits, _ and -"
            self.problem(f"`{text}` is not a name; allowed: {letters}{' and .' if pattern is DOTTED else ''}")
            return None
        return text

    def choice(self, what: str, allowed: Collection[str]) -> str | None:
        text = self.words()
        if text is not None and text not in allowed:
            self.unknown(what, text, allowed)
            return None
        return text

    def number(self) -> float | None:
        if isinstance(self.node, TextNode) and isinstance(self.node.value, float):
            return self.node.value
        self.problem(f"must be a number, not {self.kind}")
        return None

    def points(self) -> float | None:
        number = self.number()
        if number is not None and abs(number) > MAX_POINTS:
            self.problem(f"points must be between {-MAX_POINTS:g} and {MAX_POINTS:g}")
            return None
        return number

    def positive(self) -> float | None:
        number = self.number()
        if number is not None and number <= 0:
            self.problem(
                f"must be above zero, not {self.node.text if isinstance(self.node, TextNode) else number}"
            )
            return None
        return number

    def whole(self) -> int | None:
        number = self.number()
        if number is None or (number.is_integer() and number >= 0):
            return None if number is None else int(number)
        self.problem("must be a whole number of at least 0")
        return None

    def boolean(self) -> bool | None:
        if isinstance(self.node, TextNode) and isinstance(self.node.value, bool):
            return self.node.value
        self.problem(f"must be true or false, not {self.kind}")
        return None

    def duration(self, *, zero: bool = False) -> Duration | None:
        text = self.node.text if isinstance(self.node, TextNode) else ""
        match = _DURATION.fullmatch(text)
        if not match:
            self.problem(f"must be a duration like 45m, 12h, 90d or 2w, not {self.kind}")
            return None
        us = int(match[1]) * _UNIT_US[match[2]]
        if us > MAX_DAYS * DAY_US:
            self.problem(f"{text} is too long; at most {MAX_DAYS}d")
            return None
        if us == 0 and not zero:
            self.problem(f"must be above zero, not {text}")
            return None
        return Duration(us, text)

    def day(self) -> date | None:
        text = self.node.text if isinstance(self.node, TextNode) else ""
        try:
            if _DATE.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass  # such a day does not exist; said below
        self.problem(f"must be a date like 2027-02-28, not {self.kind}")
        return None

    # --- small compounds

    def range(self) -> Range | None:
        """Return [low, high]."""
        bounds = self.pair()
        if bounds and bounds[0] > bounds[1]:
            self.problem(f"the low end {bounds[0]:g} is above the high end {bounds[1]:g}")
            return None
        return Range(*bounds) if bounds else None

    def pair(self) -> tuple[float, float] | None:
        if not isinstance(self.node, ListNode) or len(self.node.items) != 2:
            self.problem(f"must be [low, high], not {self.kind}")
            return None
        low, high = (item.number() for item in self.items())
        return None if low is None or high is None else (low, high)

    def texts(self) -> tuple[str, ...]:
        return tuple(text for item in self.items() if (text := item.words()) is not None)

    def names_of(self, what: str, known: Collection[str] | Mapping[str, object]) -> tuple[str, ...]:
        """Return a list of names that must be known."""
        return tuple(name for item in self.items() if (name := item.choice(what, known)) is not None)
