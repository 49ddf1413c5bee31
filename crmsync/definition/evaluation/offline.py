"""Offline contacts and evaluations: one JSON document per line, section 11."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crmsync.definition.evaluation.evaluator import Evaluator, Explain
from crmsync.definition.evaluation.reading import sliced
from crmsync.definition.text import instant, iso, micros, read_date, read_number
from crmsync.model import Contact, ContactId, Deal, Evaluation, Event, Finding

_KEYS = ("id", "contact", "company", "deals", "stage_entered_at", "events")
_STATES = ("open", "won", "lost")
_EVENT_KEYS = ("source", "at", "of", "count")
_MOST = 1e9  # events in one counter increase
_NO_ENTRY = Finding(path="stage_entered_at", problem="not an instant", fact="days_in_stage")
SLICE = 5_000  # lines held at once


class BadContact(ValueError):
    """A line that is not a contact; says what is wrong without repeating the line."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """
    A line that could not be evaluated.

    Attributes:
        number: counted from 1 over all lines, blank ones included.
    """

    number: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


class _Number(str):
    """The text of a JSON number, told apart from a JSON string."""

    __slots__ = ()


def parse_contact(line: bytes | str) -> Contact:
    """
    Return the contact of one line.

    Raises:
        BadContact: the line is not JSON, or not a contact of section 11.
    """
    given = _json(line)
    if not isinstance(given, dict):
        raise BadContact(f"must be a JSON object, not {_named(given)}")
    _refuse_misspelt(given)
    entered = _text(given.get("stage_entered_at"), "stage_entered_at")
    entered_at = _at(entered)
    return Contact(
        id=ContactId(_id(given.get("id"))),
        properties=_properties(given.get("contact"), "contact") or {},
        company=_properties(given.get("company"), "company"),
        deals=tuple(_deal(deal) for deal in _list(given.get("deals"), "deals")),
        events=tuple(_event(event) for event in _list(given.get("events"), "events")),
        stage_entered_at=entered_at,
        findings=(_NO_ENTRY,) if entered and entered.strip() and entered_at is None else (),
    )


def evaluate_lines(
    lines: Iterable[bytes | str], evaluator: Evaluator, as_of: datetime, *, explain: Explain = False
) -> Iterator[Evaluation | BadLine]:
    """Yield one evaluation or bad line per line, in order; blank lines are skipped. Memory does not grow."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for batch in sliced(numbered, SLICE):
        yield from _evaluate_batch(batch, evaluator, as_of, explain)


def _evaluate_batch(
    batch: Sequence[tuple[int, bytes | str]], evaluator: Evaluator, as_of: datetime, explain: Explain
) -> Iterator[Evaluation | BadLine]:
    read = [_read_line(number, line) for number, line in batch]
    contacts = [one for one in read if isinstance(one, Contact)]
    evaluations = evaluator.evaluate(contacts, as_of, explain=explain)
    for one in read:
        yield one if isinstance(one, BadLine) else next(evaluations)


def _read_line(number: int, line: bytes | str) -> Contact | BadLine:
    try:
        return parse_contact(line)
    except BadContact as error:
        return BadLine(number, str(error))


def _refuse_misspelt(given: Mapping[str, Any]) -> None:
    """Refuse a key that looks like a missing one; other keys are somebody else's and ignored."""
    for key in given.keys() - set(_KEYS):
        for meant in difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.75):
            if meant not in given:
                raise BadContact(f"unknown key `{key[:40]}`; did you mean `{meant}`?")


def _json(line: bytes | str) -> Any:
    try:
        text = line.decode("utf-8-sig") if isinstance(line, bytes) else line
        given = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
        if "\\ud" in text.lower():
            json.dumps(given, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise BadContact(f"not UTF-8 at byte {error.start + 1}") from error
    except UnicodeEncodeError as error:
        raise BadContact("half a surrogate pair is not text") from error
    except json.JSONDecodeError as error:
        raise BadContact(f"not JSON at column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise BadContact("nested too deep") from error
    return given


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; of a key that stands twice, one value would be lost without a word."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        shown = twice[:40].encode("utf-8", "replace").decode()  # half a surrogate pair cannot be shown
        raise BadContact(f"the key `{shown}` stands twice")
    return made


def _no_constant(name: str) -> None:
    raise BadContact(f"{name} is not JSON")


def _named(value: object) -> str:
    if isinstance(value, _Number):
        return "a number"
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "something else")


def _id(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return str(value)
    raise BadContact(f"`id` must be a text, not {'empty' if isinstance(value, str) else _named(value)}")


def _text(value: object, where: str) -> str | None:
    """Return the text of a JSON scalar: a number or boolean is read as its text."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    raise BadContact(f"`{where}` must be text, a number, a boolean or null, not {_named(value)}")


def _properties(value: object, where: str) -> Mapping[str, str | None] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadContact(f"`{where}` must be an object, not {_named(value)}")
    return {name: _text(item, f"{where}.{name[:40]}") for name, item in value.items()}


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadContact(f"`{where}` must be a list, not {_named(value)}")
    return value


def _deal(value: object) -> Deal:
    if not isinstance(value, dict):
        raise BadContact(f"a deal must be an object, not {_named(value)}")
    state = value.get("state")
    if state not in _STATES:
        raise BadContact(f"the `state` of a deal must be one of {', '.join(_STATES)}")
    return Deal(str(state), _text(value.get("amount"), "deals.amount"))


def _event(value: object) -> Event:
    if not isinstance(value, dict):
        raise BadContact(f"an event must be an object, not {_named(value)}")
    source = value.get("source")
    if not isinstance(source, str):
        raise BadContact(f"the `source` of an event must be a text, not {_named(source)}")
    return Event(
        source=str(source),
        at=_at(_text(value.get("at"), "events.at")),
        attributes={k: _text(v, f"events.{k[:40]}") for k, v in value.items() if k not in _EVENT_KEYS},
        of=_text(value.get("of"), "events.of"),
        count=_count(_text(value.get("count"), "events.count")),
    )


def _count(text: str | None) -> int:
    """Return how many events this is; 0, which drops it with a finding, when that is not a whole number."""
    if text is None:
        return 1
    number = read_number(text)
    return int(number) if number is not None and number.is_integer() and number <= _MOST else 0


def _at(text: str | None) -> datetime | None:
    us = None if text is None else read_date(text)
    try:
        return None if us is None else instant(us)
    except OverflowError:
        return None


# --- evaluations


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation in the shape of section 11."""
    definition = evaluation.definition
    return {
        "id": evaluation.id,
        "as_of": iso(micros(evaluation.as_of)),
        "definition": {"id": definition.id, "version": definition.version, "sha256": definition.sha256},
        "campaign": evaluation.campaign,
        "fit": evaluation.fit,
        "engagement": evaluation.engagement,
        "groups": dict(evaluation.groups),
        "tier": evaluation.tier,
        "level": evaluation.level,
        "grade": evaluation.grade,
        "completeness": evaluation.completeness,
        "points": dict(evaluation.points),
        "disqualified": list(evaluation.disqualified),
        "evidence": {
            "count": evaluation.evidence.count,
            "satisfied": evaluation.evidence.satisfied,
            "missing": list(evaluation.evidence.missing),
        },
        "gates": dict(evaluation.gates),
        "target": evaluation.target,
        "action": evaluation.action.value,
        "to": evaluation.to,
        "code": evaluation.code,
        "outcome": evaluation.outcome,
        "track": evaluation.track,
        "findings": [finding_json(finding) for finding in evaluation.findings],
    }


def finding_json(finding: Finding) -> dict[str, str]:
    subject = {"fact": finding.fact} if finding.fact is not None else {"event": finding.event or ""}
    return {**subject, "path": finding.path, "problem": finding.problem}
