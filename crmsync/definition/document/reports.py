"""What is wrong with one file, as it is found -> problems that a person can read, with the name that was meant."""

import difflib
from collections.abc import Collection

from crmsync.definition.nouns import Position
from crmsync.errors import Problem

MAX_PROBLEMS = 200
MAX_EFFORT = (
    5_000_000  # pairs of characters compared in search of what was meant: a third of a second at worst
)
_LEAST_NAME = 10  # characters that the shortest name costs as well
MAX_NAME = 60  # characters of a name that somebody may have misspelt


def nearest(name: str, known: Collection[str]) -> str:
    """Return `; did you mean `x`?` for the closest known name; nothing when none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    hits = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean `{by_folded[hits[0]]}`?" if hits else ""


class Reports:
    """Collects problems while one file is read, the first MAX_PROBLEMS of them, each short enough to read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._effort = MAX_EFFORT

    def add(self, at: Position, path: str, text: str) -> None:
        if not self.is_full:
            self.problems.append(Problem(self.file, at.line, at.column, _cut(path, 200), _cut(text, 800)))

    def nearest(self, name: str, known: Collection[str]) -> str:
        """Return `; did you mean `x`?` for the closest known name; nothing when none is close."""
        effort = (len(name) + _LEAST_NAME) ** 2 * len(known)
        if self.is_full or len(name) > MAX_NAME or effort > self._effort:
            return ""
        self._effort -= effort
        return nearest(name, known)

    @property
    def is_full(self) -> bool:
        return len(self.problems) >= MAX_PROBLEMS

    def in_file_order(self) -> list[Problem]:
        return sorted(set(self.problems))


def _cut(text: str, most: int) -> str:
    """Return the text; of one that nobody would read, its first and last part."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"
