"""Agreed examples -> what the real evaluation makes of them, expected against got, and why they differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.nouns import Definition, Example, Operator, Position, Test
from crmsync.definition.text import fold
from crmsync.definition.wording.arithmetic import engagement_lines, fit_lines, stage_lines
from crmsync.definition.wording.words import number, spaced, tests_phrase
from crmsync.model import Evaluation

TOLERANCE = 1e-5  # what two implementations of the language may differ by
_OF_FIT = {"fit", "tier", "grade"}
_OF_ENGAGEMENT = {"engagement", "level", "grade"}
_OF_STAGES = {"stage", "outcome", "action", "gates"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """
    One expectation that was not met.

    Attributes:
        key: what was expected of, e.g. `tier`, `engagement` or `gates.g.fit`.
        by: how far a score is from what was expected, e.g. `5 too low`; "" for anything else.
    """

    key: str
    expected: str
    got: str
    by: str = ""

    def __str__(self) -> str:
        return f"{self.key}: expected {self.expected}, got {self.got}{f' ({self.by})' if self.by else ''}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of one example.

    Attributes:
        arithmetic: the sums behind what was not met, as lines of text; empty when all was met.
    """

    name: str
    at: Position
    mismatches: tuple[Mismatch, ...] = ()
    arithmetic: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        return not self.mismatches


def run_examples(definition: Definition, as_of: datetime) -> tuple[Verdict, ...]:
    """Evaluate every agreed example at the moment of the check; verdicts come in file order."""
    if not definition.examples:
        return ()
    evaluator = Evaluator(definition)
    reading = evaluator.read_examples(definition.examples, as_of)
    made = evaluator.evaluate_reading(reading, as_of, explain=True)
    return tuple(
        _verdict(definition, index, example, evaluation)
        for index, (example, evaluation) in enumerate(zip(definition.examples, made, strict=True))
    )


def _verdict(definition: Definition, index: int, example: Example, evaluation: Evaluation) -> Verdict:
    mismatches = tuple(_mismatches(example, evaluation))
    arithmetic = tuple(_arithmetic(definition, evaluation, mismatches)) if mismatches else ()
    return Verdict(example.name, definition.positions[f"examples[{index}]"], mismatches, arithmetic)


def _mismatches(example: Example, evaluation: Evaluation) -> Iterator[Mismatch]:
    got = {
        "stage": evaluation.to or evaluation.stage,
        "tier": evaluation.tier,
        "level": evaluation.level,
        "grade": evaluation.grade,
        "outcome": evaluation.outcome,
        "action": evaluation.action.value,
        "track": evaluation.track,
    }
    for key, wanted in example.expect.items():
        if _folded(wanted) != _folded(got[key]):
            yield Mismatch(key, wanted or "none", got[key] or "none")
    for key, tests in example.scores.items():
        score = evaluation.fit if key == "fit" else evaluation.engagement
        if failed := [test for test in tests if not _passes(test, score)]:
            yield Mismatch(key, _asked(tests), number(score), _distance(failed, score))
    for gate, truth in example.gates.items():
        if evaluation.gates[gate] is not truth:
            yield Mismatch(f"gates.{gate}", _truth(truth), _truth(evaluation.gates[gate]))


def _folded(text: str | None) -> str | None:
    return fold(text) or None if text else None


def _passes(test: Test, score: float) -> bool:
    match test.operator, test.value:
        case Operator.IS, float(value):
            return abs(score - value) <= TOLERANCE
        case Operator.IS_NOT, float(value):
            return abs(score - value) > TOLERANCE
        case Operator.IN, tuple(values):
            return any(isinstance(value, float) and abs(score - value) <= TOLERANCE for value in values)
        case Operator.NOT_IN, tuple(values):
            return all(not isinstance(value, float) or abs(score - value) > TOLERANCE for value in values)
        case Operator.AT_LEAST, float(value):
            return score >= value
        case Operator.MORE_THAN, float(value):
            return score > value
        case Operator.AT_MOST, float(value):
            return score <= value
        case Operator.LESS_THAN, float(value):
            return score < value
        case Operator.BETWEEN, (float(low), float(high)):
            return low <= score <= high
        case _:
            return test.value is True  # `known`: a score always is


def _asked(tests: Sequence[Test]) -> str:
    return tests_phrase(tests).removeprefix("is ")


def _distance(failed: Sequence[Test], score: float) -> str:
    """Return how far the score is off the nearest number that would have done."""
    limits = [
        value
        for test in failed
        for value in (test.value if isinstance(test.value, tuple) else (test.value,))
        if isinstance(value, float) and not isinstance(value, bool)
    ]
    if not limits:
        return ""
    nearest = min(limits, key=lambda limit: abs(limit - score))
    off = round(score - nearest, 6)
    if off == 0:
        return ""
    return f"{number(abs(off))} too {'high' if off > 0 else 'low'}"


def _truth(truth: bool | None) -> str:  # noqa: FBT001 - a gate's truth is the value itself
    return {True: "true", False: "false", None: "unknown"}[truth]


def _arithmetic(
    definition: Definition, evaluation: Evaluation, mismatches: Sequence[Mismatch]
) -> Iterator[str]:
    keys = {mismatch.key.split(".")[0] for mismatch in mismatches}
    about_stage = bool(keys & _OF_STAGES)
    if keys & _OF_FIT or about_stage:
        yield from fit_lines(definition, evaluation)
    if keys & _OF_ENGAGEMENT or about_stage:
        yield from engagement_lines(definition, evaluation)
    if about_stage:
        yield f"Decision: {evaluation.action.value} ({spaced(evaluation.code)}), target {evaluation.target or 'none'}"
        yield from stage_lines(definition, evaluation)
