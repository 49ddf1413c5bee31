"""Throws damaged definitions at the loader. `python tests/core/fuzz_loader.py SECONDS [SEED]` runs for that long."""

import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.records import evaluation_json, parse_record
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
KEYS = ["id", "when", "x", "any", "fit", "event.any", "tier", "\u0130", ""]
SCALARS: list[Any] = [None, True, False, 0, -0.0, -1, 0.5, 1e308, 10**400, "", " ", "x", "90d", "0d"]
SCALARS += [[], {}, [[]], {"": None}, [None], {"is": None}, {"all": []}, {"not": {}}, {"between": [2, 1]}]
SCALARS += ["2026-13-01", "any", "\u0130", "\x1f"]
CONTACTS = [
    parse_record(line)
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


def main(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    tried = loaded = crashes = 0
    slowest_s = 0.0
    while time.monotonic() < until:
        raw = rng.choice(MAKERS)(rng)
        started = time.monotonic()
        try:
            loaded += survives(raw)
        except Exception as error:  # noqa: BLE001 -- a fuzzer reports whatever comes
            crashes += 1
            print(f"CRASH {type(error).__name__}: {error}\n{raw!r}\n", flush=True)
        slowest_s = max(slowest_s, time.monotonic() - started)
        tried += 1
    print(
        f"seed {seed}: {tried} files in {seconds:.0f} s, {loaded} still valid and evaluated, {crashes} crashes"
    )
    print(f"slowest {slowest_s:.2f} s")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
