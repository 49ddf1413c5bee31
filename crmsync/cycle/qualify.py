"""Due contacts of the mirror, an instant and the definition -> evaluations. Pure but for reading the mirror."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from crmsync.model import Contact, ContactId, Evaluation, Mirrored


class Contacts(Protocol):
    """The mirror as qualify reads it. Every method may raise StoreError."""

    def due(self, slice_size: int) -> Iterator[tuple[Mirrored, ...]]:
        """Yield all due living contacts in slices, ordered by id (numeric ids by number)."""

    def all(self, slice_size: int) -> Iterator[tuple[Mirrored, ...]]:
        """Yield every living contact in slices, in the same order."""

    def contact(self, contact: ContactId) -> Mirrored | None:
        """Return one living contact; a merged id follows to the contact it was merged into."""

    def find(self, text: str) -> ContactId | None:
        """Resolve a contact id or e-mail address (primary or additional); merged ids followed."""

    def size(self) -> int:
        """Count the living contacts."""

    def due_count(self) -> int:
        """Count the due living contacts."""

    def settled(self, contacts: Sequence[ContactId], evaluated_at: datetime) -> None:
        """Note that these were evaluated and nothing of them waits to be written: they are no longer due."""


Explain: TypeAlias = bool | Callable[[Evaluation], bool]
"""All, none, or which of the evaluations made carry their explanation."""


class Qualifier(Protocol):
    """The compiled definition: definition/evaluation/compiled.py has the real one."""

    def evaluate(
        self, contacts: Iterable[Contact], as_of: datetime, *, explain: Explain = False
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per contact, in input order."""


def evaluations(
    qualifier: Qualifier, mirrored: Sequence[Mirrored], as_of: datetime, *, explain: Explain
) -> list[Evaluation]:
    """Evaluate a slice of the mirror, in its order."""
    if not mirrored:
        return []
    return list(qualifier.evaluate((one.contact for one in mirrored), as_of, explain=explain))
