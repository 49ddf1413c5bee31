"""Throws damaged definitions at the loader. `python tests/core/fuzz_loader.py SECONDS [SEED]` runs for that long."""

import contextlib
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import evaluation_json, parse_contact
from crmsync.definition.load import load
from crmsync.errors import DefinitionError, Problem

HERE = Path(__file__).parent
SEEDS = [path.read_text("utf-8") for path in sorted(HERE.glob("definitions/*.yaml"))]
SEEDS += [(HERE / "conformance" / name / "definition.yaml").read_text("utf-8") for name in ("01", "09", "16")]
MARKS = ": - , { } [ ] & * ! | > ' \" % @ ` # ? ~ \\ / . + 0 1 e"
STRANGE = "\n \t \r \0 \x85 \u2028 \ufeff \ud800 \U0001f600 é \ufb01 \u0130"
VALUES = "null true false .inf .nan -0 1e400 0x10 0o7 1_000 2026-02-30 99999999999999999999d 0d -1 <<"
WORDS = "id when all any not event count table rows points within half_life cap known else from of map"
YAML_WORDS = (
    "!!python/object &a *a %YAML %TAG --- ... is in between at_least fit tier engagement stage outcome"
)
PIECES = [
    *(piece for line in (MARKS, STRANGE, VALUES, WORDS, YAML_WORDS) for piece in line.split(" ")),
    "\n  - ",
    "\n    ",
    ": {",
    "[[",
    '"\\ud800"',
    '"\\U00110000"',
    "'" * 3,
    "a" * 300,
]
UNITS = [
    "a",
    "a ",
    "word ",
    r"\n",
    r"\x41",
    "''",
    "  ",
    "\t",
    ",",
    "i,",
    "ki: v\n",
    "- i\n",
    "{a: b}, ",
    "# c\n",
]
UNITS += ["a\r", "\u2028", "\ufeff", "[[]],", "*a, ", "&a ", "!t ", "!" + "t" * 150 + " b\n", "? a\n: b\n"]
UNITS += ["|\n  a\n", "---\n", "%YAML 1.2\n", "%TAG ! t:\n", "<<: *a\n", "\u0301\u0316", "\U0001f600", "a:\n"]
UNITS += ["a: ", ":", "-", "'a'\n", '"a" ']
FRAMES = [
    ("", ""),
    ('"', '"'),
    ("'", "'"),
    ("[", "]"),
    ("{", "}"),
    ("|\n ", "\n"),
    ("a: >\n ", "\n"),
    ("#", "\n"),
]
FRAMES += [("a: b\n", ""), ("!", ""), ("%", ""), ("- " * 60, ""), ("[" * 60, "]" * 60)]
FRAMES += [("definition: {id: x, version: '1'}\nstages: {order: [", "], rules: {}}")]
FRAMES += [("definition: {id: x, version: '1', scope: \"", '"}')]
ASKING = (
    "fit:\n  key_facts: [{}]\n",
    "fit:\n  criteria:\n    - {{id: c, points: 1, when: {{any: [{{x: 1}}, {}]}}}}\n",
    "recycle: {{reason: {}}}\n",
    "tracks: [{}]\n",
    "examples: [{{name: x, given: {{facts: {{{}}}}}, expect: {{}}}}]\n",
)
LARGE = 2**20
KEYS = ["id", "when", "x", "any", "fit", "event.any", "tier", "\u0130", ""]
SCALARS: list[Any] = [None, True, False, 0, -0.0, -1, 0.5, 1e308, 10**400, "", " ", "x", "90d", "0d"]
SCALARS += [[], {}, [[]], {"": None}, [None], {"is": None}, {"all": []}, {"not": {}}, {"between": [2, 1]}]
SCALARS += ["2026-13-01", "any", "\u0130", "\x1f"]
CONTACTS = [
    parse_contact(line)
    for line in (HERE / "conformance" / "01" / "records.jsonl").read_text("utf-8").splitlines()[:6]
]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def damaged_text(rng: random.Random) -> str:
    """Return a valid file with some characters removed, doubled, moved or put in."""
    text = rng.choice(SEEDS)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 10, 50))):
        at = rng.randrange(len(text) + 1)
        until = min(len(text), at + rng.choice((0, 0, 1, 1, 5, 80)))
        piece = rng.choice((rng.choice(PIECES), text[at:until] * 2, "", chr(rng.randrange(0x300))))
        text = text[:at] + piece + text[until:]
    return text


def damaged_tree(rng: random.Random) -> str:
    """Return a valid file in which some values were replaced, removed, renamed or moved: it is YAML, still."""
    tree = YAML(typ="safe", pure=True).load(rng.choice(SEEDS))
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        _damage(tree, rng)
    return _dumped(tree)


def _damage(tree: Any, rng: random.Random) -> None:
    places = list(_places(tree))
    if not places:
        return
    holder, key = rng.choice(places)
    donor, donor_key = rng.choice(places)
    what = rng.randrange(5)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[
            rng.choice(["id", "when", "x", "any", "fit", "event.any", "tier", "İ", "", *map(str, holder)])
        ] = holder[key]
    elif what == 2:
        holder[key] = _copied(donor[donor_key])
    else:
        holder[key] = _copied(rng.choice(SCALARS))


def _places(node: Any) -> Any:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(child) for key, child in node.items()}
    return [_copied(child) for child in node] if isinstance(node, list) else node


def _dumped(node: Any) -> str:
    """Return YAML in flow style, every text quoted half of the time by its length."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{_dumped(str(key))}: {_dumped(child)}" for key, child in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(_dumped(child) for child in node) + "]"
    if isinstance(node, str):
        escaped = node.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\x1f", "\\x1f")
        return f'"{escaped}"'
    return (
        {None: "null", True: "true", False: "false"}.get(node) or str(node)
        if not isinstance(node, float)
        else repr(node)
    )


def damaged_bytes(rng: random.Random) -> bytes:
    text = bytearray(rng.choice(SEEDS).encode())
    for _ in range(rng.randrange(1, 20)):
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text) if rng.random() < 0.8 else rng.randbytes(rng.randrange(2000))


def large(rng: random.Random) -> str | bytes:
    """Return a file of nearly 1 MiB: a few pieces over and over, in a frame that makes them one value or many."""
    unit = "".join(rng.choices([*UNITS, *PIECES], k=rng.choice((1, 1, 2, 3, 6))))
    if rng.random() < 0.5:
        unit = (
            rng.choice(("- ", "k: ", "  ", ""))
            + unit * rng.choice((1, 5, 40))
            + rng.choice(("\n", ", ", "\r"))
        )
    before, after = rng.choice(FRAMES)
    room = LARGE - len((before + after).encode("utf-8", "surrogatepass"))
    times = room // max(1, len(unit.encode("utf-8", "surrogatepass")))
    if rng.random() < 0.3:
        times = rng.randrange(times + 1)
    return before + (unit * times if rng.random() < 0.8 else _numbered(unit, room)) + after


def _numbered(unit: str, room: int) -> str:
    """Return the unit with a number wherever an `i` stands, so that keys and names differ."""
    return "".join(unit.replace("i", str(n)) for n in range(room // (4 * len(unit) + 1) + 1))


def wordy(rng: random.Random) -> str:
    """Return a definition with thousands of names of which half are not declared."""
    known, wrong = rng.choice((10, 500, 3000)), rng.choice((10, 300, 2500))
    stem = rng.choice(("some_fact_", "a" * 50, "\u0301" * 40, "İ", "f-"))
    facts = "".join(f"  {stem}{n}: contact.x{n}\n" for n in range(known))
    asked = rng.choice(ASKING).format(", ".join(f"{stem}{n}x" for n in range(wrong)))
    return f"definition: {{id: x, version: '1'}}\nfacts:\n{facts}{asked}stages: {{order: [a], rules: {{}}}}\n"


MAKERS = (damaged_text, damaged_tree, damaged_bytes)


def survives(raw: str | bytes) -> bool:
    """
    Return whether it loaded, and then evaluate and explain with it; a DefinitionError with places is fine, too.

    Anything else is a crash.
    """
    problems: tuple[Problem, ...] = ()
    try:
        definition = load(raw, name="fuzz.yaml")
    except DefinitionError as error:
        problems = error.problems
    else:
        evaluator = Evaluator(definition)
        evaluations = [*evaluator.evaluate(CONTACTS, NOW, explain=True)]
        evaluations += evaluator.evaluate_reading(evaluator.read_examples(definition.examples, NOW), NOW)
        for evaluation in evaluations:
            json.dumps([evaluation_json(evaluation), evaluation.explanation], allow_nan=False)
        return True
    assert problems
    assert all(problem.line >= 1 and problem.column >= 1 and problem.text for problem in problems)
    return False


def refused_after(raw: str | bytes) -> float:
    """Return the seconds of processor time until the file was loaded or refused."""
    started = time.process_time()
    with contextlib.suppress(DefinitionError):
        load(raw, name="fuzz.yaml")
    return time.process_time() - started


def main(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    tried = loaded = crashes = 0
    slow: list[tuple[float, str]] = []
    while time.monotonic() < until:
        raw = rng.choice((*MAKERS, large, large, wordy))(rng)
        try:
            took_s = refused_after(raw)
            loaded += len(raw) < 20_000 and survives(raw)
        except Exception as error:  # noqa: BLE001 - a fuzzer reports whatever comes
            crashes += 1
            print(f"CRASH {type(error).__name__}: {error}\n{raw[:2000]!r}\n", flush=True)
        slow = sorted([*slow, (took_s, f"{len(raw):,} of {raw[:120]!r}")], reverse=True)[:5]
        tried += 1
    print(f"seed {seed}: {tried} files in {seconds:.0f} s, {loaded} valid and evaluated, {crashes} crashes")
    print("slowest, in seconds of processor time until loaded or refused:")
    for took_s, what in slow:
        print(f"  {took_s:.2f}  {what}")
    return 1 if crashes or slow[0][0] > 1 else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
