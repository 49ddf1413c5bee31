"""
Text -> events of the YAML parser, fast enough that no file of MAX_BYTES takes a second.

The scanner of ruamel.yaml looks at one character at a time. Here it takes whole runs of characters that mean
nothing to YAML (words of a text, comments, blank lines) at once, and what still costs much is refused before.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import Event
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import ScalarToken

from crmsync.definition.nouns import Position

MAX_LINES = 50_000
MAX_ESCAPES = 50_000  # backslashes; each costs the parser a microsecond, agreements have none
_LONGEST_KEY = 1024  # of YAML's own, for a key without `?`
_MAX_TAG = 200  # the parser's time is quadratic in the length of a tag

_LINE_BREAK = re.compile("\r\n|\r|\n")
_LONG_TAG = re.compile(rf"(?<![^\s\[{{,])![^\s]{{{_MAX_TAG}}}")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(Exception):
    """Nothing after this place can be read."""

    def __init__(self, at: Position, text: str) -> None:
        super().__init__(text)
        self.at = at
        self.text = text


def yaml_events(text: str) -> Iterator[Event]:
    """
    Yield the events of YAML 1.2.

    Raises:
        Unreadable: the text is not YAML, or more of it than anybody agrees on.
    """
    _refuse_slow_text(text)
    try:
        yield from _parser().parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        what = " ".join(str(error.problem or error.context or "cannot be read").split())
        raise Unreadable(at, f"not YAML: {what}") from error
    except (YAMLError, ValueError, OverflowError, IndexError, AttributeError, AssertionError) as error:
        # the parser's own slips on hostile text (a code point out of range in an escape, an odd directive)
        raise Unreadable(Position(1, 1), f"not YAML: cannot be read ({type(error).__name__})") from error


def place(text: str, offset: int) -> Position:
    """Return where the character with this number stands."""
    ends = [found.end() for found in _LINE_BREAK.finditer(text, 0, offset)]
    return Position(len(ends) + 1, offset - (ends[-1] if ends else 0) + 1)


def _refuse_slow_text(text: str) -> None:
    if unprintable := _UNPRINTABLE.search(text):
        code = ord(unprintable.group())
        raise Unreadable(
            place(text, unprintable.start()), f"the character U+{code:04X} is not allowed; remove it"
        )
    lines = sum(map(text.count, _BREAKS)) - text.count("\r\n") + 1
    if lines > MAX_LINES:
        raise Unreadable(Position(MAX_LINES, 1), f"{lines:,} lines, allowed are {MAX_LINES:,}")
    escapes = text.count("\\")
    if escapes > MAX_ESCAPES:
        at = place(text, text.index("\\"))
        raise Unreadable(at, f"{escapes:,} backslashes, allowed are {MAX_ESCAPES:,}")
    if long_tag := _LONG_TAG.search(text):
        raise Unreadable(place(text, long_tag.start()), "a tag is not allowed; types follow from the text")


def _parser() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    yaml.Reader = _RunReader
    yaml.Scanner = _RunScanner
    return yaml


class _RunReader(Reader):
    """Moves over a run of characters at once, with the lines and columns of the reader that goes one by one."""

    def forward(self, length: int = 1) -> None:
        run = self.buffer[self.pointer : self.pointer + length]
        if length < 2 or "\r" in run or "\ufeff" in run:
            super().forward(length)
            return
        self.pointer += length
        self.index += length
        if lines := run.count("\n"):
            self.line += lines
            self.column = length - run.rfind("\n") - 1
        else:
            self.column += length


_BREAKS = "\r\n\x85\u2028\u2029"  # what ends a line for the parser
_ENDS = rf"\0{_BREAKS} \t"


def _words(excluded: str) -> re.Pattern[str]:
    """Return what matches the words of a plain text up to the end of the line, with the spaces between them."""
    word = rf"[^{_ENDS}:{excluded}]*+(?::(?![{_ENDS}])[^{_ENDS}:{excluded}]*+)*+"
    return re.compile(rf"{word}(?: ++(?![#{_ENDS}:{excluded}]){word})*+")


_BLOCK_WORDS = _words("")
_FLOW_WORDS = _words(r",\[\]{}")
_QUOTED_RUN = {
    quote: re.compile(rf"[^{_ENDS}\\{quote}]++(?:[ \t]++[^{_ENDS}\\{quote}]++)*+") for quote in ('"', "'")
}
_SPACES = re.compile(" *+")
_COMMENT = rf"(?:#[^\0{_BREAKS}]*+)?+"
_BLOCK_BLANK = re.compile(rf"(?: *+{_COMMENT}\n)*+ *+{_COMMENT}")
_FLOW_BLANK = re.compile(rf"(?:[ \t]*+{_COMMENT}\n)*+[ \t]*+{_COMMENT}")


class _RunScanner(Scanner):
    """The scanner of ruamel.yaml; only the loops over characters without meaning are replaced."""

    def need_more_tokens(self) -> bool:
        if self.tokens and not self.possible_simple_keys:
            return False
        return bool(super().need_more_tokens())

    def stale_possible_simple_keys(self) -> None:
        line, index = self.reader.line, self.reader.index
        for key in self.possible_simple_keys.values():
            if key.line != line or index - key.index > _LONGEST_KEY:
                super().stale_possible_simple_keys()
                return

    def scan_to_next_token(self) -> None:
        reader = self.reader
        if reader.index == 0 and reader.peek() == "\ufeff":
            reader.forward()
        blank = _FLOW_BLANK if self.flow_level else _BLOCK_BLANK
        while True:
            run = self._take(blank)
            if not self.scan_line_break() and "\n" not in run:
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain(self) -> ScalarToken:
        words = _FLOW_WORDS if self.flow_level else _BLOCK_WORDS
        start_mark = end_mark = self.reader.get_mark()
        chunks: list[str] = []
        spaces: list[str] = []
        while run := self._take(words):
            self.allow_simple_key = False
            chunks += [*spaces, run]
            end_mark = self.reader.get_mark()
            spaces = self.scan_plain_spaces(self.indent + 1, start_mark)
            is_outside = not self.flow_level and self.reader.column < self.indent + 1
            if not spaces or self.reader.peek() == "#" or is_outside:
                break
        return ScalarToken("".join(chunks), True, start_mark, end_mark)

    def scan_block_scalar_indentation(self) -> tuple[list[str], int, Any]:
        first_indent, indent = -1, 0
        breaks: list[str] = []
        end_mark = self.reader.get_mark()
        while True:
            if self._take(_SPACES):
                indent = max(indent, self.reader.column)
            column = self.reader.column
            line_break = self.scan_line_break()
            if not line_break:
                break
            first_indent = column if first_indent < 0 else first_indent
            breaks.append(line_break)
            end_mark = self.reader.get_mark()
        if 0 < first_indent < indent:
            problem = "more indented follow up line than first in a block scalar"
            raise ScannerError(problem, problem_mark=self.reader.get_mark())
        return breaks, indent, end_mark

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[str], Any]:
        breaks: list[str] = []
        while True:
            end_mark = self.reader.get_mark()
            self._take(re.compile(f" {{0,{max(0, indent - self.reader.column)}}}"))
            line_break = self.scan_line_break()
            if not line_break:
                return breaks, end_mark
            breaks.append(line_break)

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: Any) -> list[str]:  # noqa: FBT001 - the signature is that of ruamel.yaml
        run = self._take(_QUOTED_RUN['"' if double else "'"])
        return [run, *super().scan_flow_scalar_non_spaces(double, start_mark)]

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Move over what matches here and return it."""
        reader = self.reader
        match = pattern.match(reader.buffer, reader.pointer)
        run = match.group() if match else ""
        if run:
            reader.forward(len(run))
        return run
