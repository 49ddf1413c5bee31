"""Which definition every contact was evaluated with, and which one the last applied plan was made with."""

import json
from dataclasses import asdict, dataclass

from crmsync.cycle.agenda import Memory
from crmsync.cycle.record import Trail
from crmsync.model import DefinitionRef, Draft, RunId

_EVALUATED, _ACTIVE = "evaluated_definition", "active_definition"


@dataclass(frozen=True, slots=True)
class Activation:
    """
    What of a definition outlives the process.

    Two definitions may differ for a while: everybody was evaluated with the new one, and its first plan is parked.
    """

    memory: Memory
    trail: Trail

    def is_new(self, definition: DefinitionRef) -> bool:
        """Tell whether there are contacts that were never evaluated with it."""
        return self.memory.get(_EVALUATED) != definition.sha256

    def note_all_due(self, definition: DefinitionRef) -> None:
        self.memory.put(_EVALUATED, definition.sha256)

    def active(self) -> DefinitionRef | None:
        """Return the definition that the last applied plan was made with; None: none ever was."""
        known = self.memory.get(_ACTIVE)
        return DefinitionRef(**json.loads(known)) if known else None

    def activate(self, definition: DefinitionRef, run: RunId) -> None:
        """Let the trail say it before the first change under it: whoever asks later finds it active then."""
        if self.active() != definition:
            self.trail.append([Draft(kind="definition.activated", run=run, definition=definition)])
            self.memory.put(_ACTIVE, json.dumps(asdict(definition)))
