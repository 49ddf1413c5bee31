"""Hostile and merely careless files: every problem with its place, quickly, never a traceback."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.document.tree import MAX_BYTES
from crmsync.definition.load import content_hash, load
from crmsync.definition.nouns import Definition
from crmsync.errors import DefinitionError
from tests.core.fuzz_loader import MAKERS, survives
from tests.core.scenes import definition

HERE = Path(__file__).parent
SMALL = """\
definition: {id: small, version: "1"}
facts: {country: contact.country, employees: {from: company.employees, type: number}}
stages:
  order: [lead, customer]
  rules:
    customer: {enter: {country: %s}}
"""


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(text, name="d.yaml")
    return [str(problem) for problem in caught.value.problems]


def laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for above, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]")
    return "\n".join(lines)


def misspelt(known: int, wrong: int) -> str:
    facts = "".join(f"  the_fact_{n}: contact.x{n}\n" for n in range(known))
    return f"facts:\n{facts}fit:\n  key_facts: [{', '.join(f'the_fakt_{n}' for n in range(wrong))}]\n"


HOSTILE: dict[str, Callable[[], str | bytes]] = {
    "over 1 MiB": lambda: "# x\n" * (MAX_BYTES // 4 + 1),
    "over 1 MiB of one word": lambda: "a" * (MAX_BYTES + 1),
    "100 levels of lists": lambda: "a: " + "[" * 100 + "]" * 100,
    "100 levels of mappings": lambda: "\n".join("  " * depth + "a:" for depth in range(100)),
    "a million open brackets": lambda: "[" * (MAX_BYTES - 1),
    "a million question marks": lambda: "? " * (MAX_BYTES // 2 - 1),
    "a billion laughs": laughs,
    "one key 200,000 times": lambda: "x: 1\n" * (MAX_BYTES // 5 - 1),
    "a megabyte of empty lines": lambda: "\n" * (MAX_BYTES - 1),
    "a megabyte of exclamation marks": lambda: "!" * (MAX_BYTES - 1),
    "a megabyte of words": lambda: "a: " + "b " * (MAX_BYTES // 2 - 2),
    "a megabyte of carriage returns": lambda: "a\r" * (MAX_BYTES // 2 - 1),
    "a megabyte of escapes": lambda: 'a: "' + "\\n" * (MAX_BYTES // 2 - 3) + '"',
    "20,000 values of 50 characters": lambda: ("- " + "a" * 49 + "\n") * 20_000,
    "a key of a megabyte": lambda: "? " + "definition" * 100_000,
    "600 misspelt facts of 3,000": lambda: misspelt(3_000, 600),
    "a time zone of 32,000 characters": lambda: f"sla: {{calendar: {{timezone: {'Europe/' * 4_500}}}}}",
    "random bytes": lambda: random.Random(1).randbytes(MAX_BYTES - 1),
    "nothing": lambda: b"",
    "UTF-16": lambda: "definition: {}".encode("utf-16"),
    "a control character": lambda: "a: \x07",
    "a code point out of range": lambda: 'a: "\\U99999999"',
    "half a surrogate pair": lambda: 'a: "\\ud800"',
    "an unclosed bracket": lambda: "a: [1, 2",
    "a tab for indentation": lambda: "a:\n\tb: 1",
    "a YAML 3 directive": lambda: "%YAML 3.1\n---\na: 1",
    "two documents": lambda: "a: 1\n---\nb: 2",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(
    30
)  # what takes time with the square of a file takes minutes; these take a second at most
def test_a_hostile_file_is_an_error_soon(name: str) -> None:
    problems = problems_of(HOSTILE[name]())

    assert problems
    assert all(problem.startswith("d.yaml:") for problem in problems)


def test_what_takes_the_longest_to_read_is_still_a_definition_when_it_is_short() -> None:
    accents = "\u0301\u0316" * 40_000

    loaded = load((SMALL % "BE").replace('version: "1"', f'version: "1", scope: "{accents}"'))
    assert loaded.stages.rules[0].stage == "customer"


def test_a_message_repeats_no_more_of_a_long_name_than_a_person_reads() -> None:
    (problem,) = problems_of((SMALL % "BE") + f"? {'x' * 100_000}\n: 1")

    assert "unknown key `xxxxx" in problem
    assert len(problem) < 1_200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: &x 1", "d.yaml:1:4: a: anchor &x is not allowed", id="anchor"),
        pytest.param("a: 1\nb: *a", "d.yaml:2:4: b: alias *a is not allowed; write it out", id="alias"),
        pytest.param("a: !!str 1", "d.yaml:1:4: a: tag ", id="tag"),
        pytest.param(
            "a: 1\nb: 2\na: 3", "d.yaml:3:1: a: key `a` stands twice; the first is on line 1", id="twice"
        ),
        pytest.param(
            '1: 1\n"1": 2', "d.yaml:2:1: 1: key `1` stands twice", id="a number and its text are one key"
        ),
        pytest.param("[a]: 1", "d.yaml:1:1: ?: a key must be text", id="list as key"),
        pytest.param("a: .inf", "d.yaml:1:4: a: .inf is not a finite number", id="infinite"),
        pytest.param("a: 1e400", "d.yaml:1:4: a: 1e400 is not a finite number", id="beyond doubles"),
        pytest.param("- a", "d.yaml:1:1: the file must be a mapping", id="not a mapping"),
        pytest.param("a: b: c", "d.yaml:1:5: not YAML: mapping values are not allowed here", id="not YAML"),
        pytest.param(b"a: \xff", "d.yaml:1:4: byte 0xff is not UTF-8", id="not UTF-8"),
    ],
)
def test_what_yaml_may_not_hold_is_named_with_its_place(text: str | bytes, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems_of(text)), problems_of(text)


@pytest.mark.parametrize(
    ("literal", "wanted"),
    [
        pytest.param("NO", "NO", id="the country NO is text"),
        pytest.param("on", "on", id="on is text"),
        pytest.param("yes", "yes", id="yes is text"),
        pytest.param("2026-01-02", "2026-01-02", id="a date stays text"),
        pytest.param("1_000", "1_000", id="1_000 is text"),
        pytest.param("12:30:45", "12:30:45", id="no base 60"),
        pytest.param("0123", "0123", id="a number against text is its text"),
        pytest.param("1.50", "1.50", id="with its zeros"),
        pytest.param('"true"', "true", id="quoted"),
    ],
)
def test_scalars_follow_the_core_schema(literal: str, wanted: str) -> None:
    loaded = load(SMALL % literal, name="d.yaml")

    (rule,) = loaded.stages.rules
    assert getattr(rule.enter, "value", None) == wanted


@pytest.mark.parametrize("literal", ["true", "null", "~", ""])
def test_a_boolean_or_nothing_is_not_a_text(literal: str) -> None:
    (problem,) = problems_of(SMALL % (literal or "null"))

    assert problem.startswith("d.yaml:6:33: stages.rules.customer.enter.country: must be text, not ")


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    text = (SMALL % "BE").replace("\n", "\r\n")

    assert load("\ufeff" + text).ref == load(text.encode("utf-8-sig")).ref == load(SMALL % "BE").ref


def test_positions_of_every_value_are_kept() -> None:
    loaded = load(SMALL % "BE", name="d.yaml")

    place = loaded.positions["stages.rules.customer.enter.country"]
    assert (place.line, place.column) == (6, 33)
    assert loaded.positions["stages.order[1]"].line == 4


# --- the content hash


def shuffled(node: Any, rng: random.Random) -> Any:
    if isinstance(node, dict):
        keys = list(node)
        rng.shuffle(keys)
        kept = ("tiers", "levels")  # their limits must fall in the order written
        return {key: node[key] if key in kept else shuffled(node[key], rng) for key in keys}
    return [shuffled(child, rng) for child in node] if isinstance(node, list) else node


def block(node: Any, rng: random.Random, indent: int = 0) -> str:
    """Return block YAML with comments and blank lines strewn in."""
    pad = "\n" + "  " * indent
    note = rng.choice(["", "", "  # why", "\n\n# a comment of its own"])
    if isinstance(node, dict) and node:
        return note + "".join(f"{pad}{json.dumps(key)}: {block(node[key], rng, indent + 1)}" for key in node)
    if isinstance(node, list) and node:
        return note + "".join(f"{pad}- {json.dumps(child, ensure_ascii=False)}" for child in node)
    return json.dumps(node, ensure_ascii=False) + note


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32))
def test_the_hash_does_not_see_layout_comments_or_key_order(seed: int) -> None:
    rng = random.Random(seed)
    made = definition(rng)

    one, other = load(json.dumps(made)), load(block(shuffled(made, rng), rng))

    assert one.ref == other.ref


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_the_hash_sees_every_other_change(seed: int) -> None:
    rng = random.Random(seed)
    made = definition(rng)
    before = content_hash(made)
    made["definition"]["scope"] = "x"
    scoped = content_hash(made)
    made["definition"]["scope"] = "X"

    assert len({before, scoped, content_hash(made)}) == 3


def test_the_hash_ignores_signatures_and_learnings_and_nothing_else() -> None:
    def ref(head: str) -> str:
        return load((SMALL % "BE").replace('version: "1"', f'version: "1", {head}')).ref.sha256

    plain = load(SMALL % "BE").ref.sha256
    signature = "{role: sales, who: bo@acme.example, at: 2026-11-24T10:11:00Z, sha256: 9f2c}"

    assert ref(f"agreed_by: [{signature}]") == ref("learnings: [ask for the budget]") == plain
    assert ref("scope: EU") != plain
    assert ref("waive: {no-why: later}") != plain


def test_the_hash_is_the_sha256_of_the_canonical_form() -> None:
    # echo -n '{"definition":{"id":"a","version":"1"},"x":[1,0.5,"é",true,null]}' | sha256sum
    mapping = {"x": [1.0, 0.5, "é", True, None], "definition": {"version": "1", "id": "a", "agreed_by": []}}

    assert content_hash(mapping) == "28176631f234b2d502535d918923e57e79c8651988efb6712102b714f10b4db9"


def test_a_signature_counts_for_this_content_only() -> None:
    plain = load(SMALL % "BE")
    head = 'version: "1", agreed_by: [{role: sales, who: bo, sha256: %s}]'

    def signed(sha256: str) -> Definition:
        return load((SMALL % "BE").replace('version: "1"', head % sha256))

    assert signed(plain.ref.sha256).is_signed_by("sales")
    assert not signed(plain.ref.sha256).is_signed_by("marketing")
    assert not signed("9f2c").is_signed_by("sales")


# --- fuzzing; ten minutes of it: python tests/core/fuzz_loader.py 600


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(MAKERS), st.integers(0, 2**64))
def test_damaged_files_never_crash_the_loader(
    maker: Callable[[random.Random], str | bytes], seed: int
) -> None:
    survives(maker(random.Random(seed)))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes_or_text_never_crash_the_loader(raw: str | bytes) -> None:
    survives(raw)
