"""Reading in runs gives what the one-by-one scanner of ruamel.yaml gives, event by event."""

import io
import random
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import Event
from ruamel.yaml.reader import ReaderError

from crmsync.definition.document.scan import Unreadable, place, yaml_events
from crmsync.definition.nouns import Position
from crmsync.definition.text import trimmed
from tests.core.fuzz_loader import damaged_text

PIECES = (
    *"ab:-,[]{}#'\"\\?!&*|>%@~0\t\r \n",
    *(
        " ",
        "  ",
        "\n",
        "\n  ",
        "\r\n",
        ": ",
        "- ",
        " #c",
        "''",
        "\\n",
        '\\"',
        "\\\n",
        "\n\n",
        " \n",
        "\n ",
        "\n    ",
    ),
    *(
        "|\n",
        ">-\n  ",
        "|2\n",
        "---\n",
        "...\n",
        "key: ",
        "word word",
        "\ufeff",
        "\x85",
        "\u2028",
        "é",
        "\u4e2d",
    ),
)
MADE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def told(event: Event) -> tuple[object, ...]:
    said = (
        getattr(event, name, None) for name in ("value", "style", "anchor", "tag", "flow_style", "explicit")
    )
    return type(event).__name__, event.start_mark.line, event.start_mark.column, *said


def in_runs(text: str) -> list[object]:
    seen: list[object] = []
    try:
        seen += map(told, yaml_events(text))
    except Unreadable as problem:
        seen.append(problem.at)
    return seen


def one_by_one(text: str) -> list[object]:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    seen: list[object] = []
    try:
        seen += map(told, yaml.parse(io.StringIO(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        assert mark is not None
        seen.append(Position(mark.line + 1, mark.column + 1))
    except ReaderError as error:
        seen.append(place(text, error.position))
    except Exception:  # noqa: BLE001 - the parser's own slips, whatever they are
        seen.append(Position(1, 1))
    return seen


@settings(max_examples=120, deadline=None)
@given(MADE)
@example("a: |\n\n   x\n  y\n")
@example("- |2\n     \n    \n  x\n")
@example("a: b c :d #e\n  f\n\n  g\t h\n")
@example("[a b:c, ?d, 'e  ''f' , \"g\\\n  h\"]")
def test_reading_in_runs_is_reading_one_by_one(text: str) -> None:
    assert in_runs(text) == one_by_one(text)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_definitions_read_in_runs_are_the_same_too(seed: int) -> None:
    text = damaged_text(random.Random(seed))

    assert in_runs(text) == one_by_one(text)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("a\u0301\u0316\u0345\u0f73\u0344\u1ed9\uac00\u1161"), max_size=300))
def test_many_accents_are_normalised_as_few_are(text: str) -> None:
    assert trimmed(text) == unicodedata.normalize("NFC", text).strip()
