"""A batch update's answer -> what it shows of each contact, and what it refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crmsync.portal.batching import errors_of
from crmsync.portal.faults import context_texts, paired_problems, problem_words, sentence
from crmsync.portal.owned import as_written
from crmsync.portal.shapes import Unreadable, a_map, a_text, an_id


@dataclass(frozen=True, slots=True)
class Shown:
    """A contact as the answer shows it. Only readable properties; None: no value."""

    id: str
    properties: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    Why an input was not written.

    Attributes:
        sentence: without values.
        problems: (error code, property), where HubSpot paired them.
    """

    sentence: str
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """
    What a batch did.

    Attributes:
        by_trace, by_id: what was written.
        refused: trace or id -> why.
    """

    by_trace: Mapping[str, Shown]
    by_id: Mapping[str, Shown]
    refused: Mapping[str, Refusal]

    def shown(self, trace: str, contact: str) -> Shown | None:
        return self.by_trace.get(trace) or self.by_id.get(contact)

    def refusal(self, trace: str, contact: str) -> Refusal | None:
        return self.refused.get(trace) or self.refused.get(contact)


def read_written(answer: Mapping[str, Any]) -> WriteAnswer:
    """Read results and errors. What cannot be read counts as not shown, so it is read back. *Raises* Unavailable."""
    by_trace: dict[str, Shown] = {}
    by_id: dict[str, Shown] = {}
    for raw in answer["results"]:
        try:
            one = a_map(raw, "a result")
            shown = Shown(an_id(one.get("id"), "its id"), _readable(one.get("properties")))
        except Unreadable:
            continue
        by_id[shown.id] = shown
        trace = one.get("objectWriteTraceId")
        if isinstance(trace, str):
            by_trace[trace] = shown
    return WriteAnswer(by_trace, by_id, _refused(answer))


def _readable(raw: object) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for name, value in a_map(raw, "its properties").items():
        try:
            found[name] = as_written(name, a_text(value, "a value"))
        except Unreadable:
            continue
    return found


def _refused(answer: Mapping[str, Any]) -> Mapping[str, Refusal]:
    refused: dict[str, Refusal] = {}
    for error in errors_of(answer):
        category, codes, names = problem_words(error)
        if category == "OBJECT_NOT_FOUND":
            why = "HubSpot has no such contact: it was deleted or archived."
        else:
            why = f"HubSpot refused it: {sentence(category, codes, names)}."
        for key in ("objectWriteTraceId", "ids"):
            for one in context_texts(error, key):
                refused[one] = Refusal(why, paired_problems(error))
    return refused
