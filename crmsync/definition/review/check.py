"""Definition file -> everything `crmsync check` has to say: errors, cautions, agreed examples. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition
from crmsync.definition.review.examples import Verdict, run_examples
from crmsync.definition.review.lint import Caution, Circumstances, lint, waiver_problems
from crmsync.errors import DefinitionError, Problem


@dataclass(frozen=True, slots=True)
class Checkup:
    """
    What a check found.

    Attributes:
        definition: None when the file has errors.
        problems: errors, in file order; nothing else was looked at when the file could not be read.
        cautions: warnings, the waived ones among them.
        verdicts: one for each agreed example, in file order.
    """

    name: str
    definition: Definition | None = None
    problems: tuple[Problem, ...] = ()
    cautions: tuple[Caution, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def warnings(self) -> tuple[Caution, ...]:
        return tuple(caution for caution in self.cautions if caution.waived is None)

    @property
    def is_sound(self) -> bool:
        """True when nothing is wrong and every example holds; warnings alone do not count."""
        return not self.problems and all(verdict.is_met for verdict in self.verdicts)


def check(
    source: Path | bytes, *, name: str, as_of: datetime, delivers: Collection[str] | None = None
) -> Checkup:
    """
    Look at all of it.

    Args:
        as_of: the moment of the check, for review dates and examples.
        delivers: event sources this portal can deliver; None offline, then none is judged.
    """
    try:
        definition = load(source, name=name)
    except DefinitionError as error:
        return Checkup(name, problems=error.problems)
    problems = waiver_problems(definition)
    around = Circumstances(as_of.date(), delivers)
    return Checkup(
        name,
        definition,
        tuple(sorted(problems)),
        lint(definition, around),
        run_examples(definition, as_of),
    )
