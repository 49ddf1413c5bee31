"""Due contacts of the mirror, an instant and the definition -> evaluations. Pure but for reading the mirror."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from crmsync.model import ContactId, Mirrored


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

    def settled(self, contacts: Sequence[ContactId], evaluated_at: datetime) -> None:
        """Note that these were evaluated and nothing of them waits to be written: they are no longer due."""
