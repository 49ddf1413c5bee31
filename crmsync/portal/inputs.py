"""Intents -> inputs: what one contact should get in one request, and how they are cut into requests."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crmsync.model import ContactId, Intent
from crmsync.portal.batching import in_batches


@dataclass(frozen=True, slots=True)
class Input:
    """
    What one contact should get in one request.

    Attributes:
        trace: unique in its request: HubSpot then judges inputs one by one.
    """

    contact: ContactId
    intents: tuple[Intent, ...]

    @property
    def trace(self) -> str:
        return f"crmsync-{self.intents[0].seq}"

    @property
    def properties(self) -> Mapping[str, str]:
        return {one.change.property: one.change.after for one in self.intents}

    def body(self) -> Mapping[str, Any]:
        return {"id": self.contact, "properties": self.properties, "objectWriteTraceId": self.trace}

    def without(self, properties: Container[str]) -> "Input | None":
        """Leave these properties out; None: nothing is left to send."""
        return self._of(one for one in self.intents if one.change.property not in properties)

    def only(self, seqs: Container[int]) -> "Input | None":
        """Keep the intents with these numbers; None: none of them is here."""
        return self._of(one for one in self.intents if one.seq in seqs)

    def _of(self, intents: Iterable[Intent]) -> "Input | None":
        kept = tuple(intents)
        return replace(self, intents=kept) if kept else None


def rounds(intents: Sequence[Intent]) -> Iterator[list[Input]]:
    """Group by contact; a property that is named twice for a contact waits for the next round."""
    remaining = list(intents)
    while remaining:
        grouped: dict[ContactId, dict[str, Intent]] = {}
        later = []
        for one in remaining:
            by_property = grouped.setdefault(one.change.contact, {})
            if one.change.property in by_property:
                later.append(one)
            else:
                by_property[one.change.property] = one
        yield [Input(contact, tuple(named.values())) for contact, named in grouped.items()]
        remaining = later


def in_parts(inputs: Sequence[Input], number: int) -> Iterator[Sequence[Input]]:
    """
    Cut into so many parts of about the same size, the last one first; none of them is empty.

    One that costs every batch its answer, or its turn, holds up half of the others only, and each cycle fewer.
    """
    size = -(-len(inputs) // number)
    return reversed([*in_batches(inputs, size)]) if inputs else iter(())
