"""A definition -> its evaluations, compiled when the first contact comes: data frames take a moment and 50 MB."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from crmsync.definition.nouns import Definition
from crmsync.model import Contact, Evaluation

if TYPE_CHECKING:
    from crmsync.definition.evaluation.evaluator import Evaluator


class Compiled:
    """An Evaluator that is compiled when the first contact comes: an idle daemon may never need it."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    def evaluate(
        self,
        contacts: Iterable[Contact],
        as_of: datetime,
        *,
        explain: bool | Callable[[Evaluation], bool] = False,
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per contact, in input order, see `Evaluator.evaluate`."""
        return self._evaluator.evaluate(contacts, as_of, explain=explain)

    @cached_property
    def _evaluator(self) -> "Evaluator":
        from crmsync.definition.evaluation.evaluator import Evaluator

        return Evaluator(self.definition)
