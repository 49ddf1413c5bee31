"""
A stream that cannot be read -> the cycle ends and tries again; when that fails too, the others go on without it.

One that is refused stays refused: the others go on at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from crmsync.cycle.agenda import Memory
from crmsync.cycle.taking import Pulled
from crmsync.errors import Rejected, Unavailable
from crmsync.model import Draft

_FAILED, _ASIDE, _WELL = "failed", "set aside", ""


class Findings(Protocol):
    """Where it is told. It may raise StoreError."""

    def append(self, drafts: Sequence[Draft]) -> tuple[int, ...]:
        """Append in order, in one transaction; return the sequence numbers."""


class Patience(Protocol):
    """Decides what a failure of one stream means for the others. Asked by several threads at once."""

    def read(self, what: str, verb: Callable[[], Pulled], *, may_miss: bool) -> Pulled:
        """
        Do it.

        Args:
            what: the verb and the stream, such as `catch up meetings`.
            may_miss: without what it brings, decisions are late but not wrong.
        """


class Impatient:
    """Lets every failure end the cycle."""

    def read(self, what: str, verb: Callable[[], Pulled], *, may_miss: bool) -> Pulled:  # noqa: ARG002 - see Patience
        return verb()


@dataclass(frozen=True, slots=True)
class TwoTries:
    """
    Lets the first failure end the cycle: trouble that passes is over in the next one. The second one is a finding,
    and so is the first refusal of what may be missed.

    What is set aside is tried in each cycle all the same; its cursor stays where it is, so nothing is missed for good.
    """

    memory: Memory
    findings: Findings

    def read(self, what: str, verb: Callable[[], Pulled], *, may_miss: bool) -> Pulled:
        known = self.memory.get(_key(what)) or _WELL
        try:
            pulled = verb()
        except (Rejected, Unavailable) as error:
            if not may_miss or (known == _WELL and isinstance(error, Unavailable)):
                if known == _WELL:
                    self.memory.put(_key(what), _FAILED)
                raise
            if known != _ASIDE:
                self.findings.append([_finding(what, error.message)])
                self.memory.put(_key(what), _ASIDE)
            return Pulled(set_aside=(what,))
        if known != _WELL:
            self.memory.put(_key(what), _WELL)
        return pulled


def _key(what: str) -> str:
    return f"trouble {what}"


def _finding(what: str, problem: str) -> Draft:
    return Draft(kind="finding", object="stream", id=what, cause="set_aside", reason={"problem": problem})
