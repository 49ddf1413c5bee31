"""Ids and names -> HubSpot's objects as JSON, by the id that was asked for: batch reads and what they leave out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crmsync.errors import PortalError, Rejected, Unavailable
from crmsync.model import Kind
from crmsync.portal.client import Client
from crmsync.portal.faults import context_texts, problem_words, sentence
from crmsync.portal.shapes import Unreadable, a_map, an_id, broken_answer, ids_joined

T = TypeVar("T")

MERGED = "hs_merged_object_ids"
READ_AT_ONCE = 100
HISTORY_AT_ONCE = 50
"""*Source*: portal facts, sections 2.3 and 2.4."""
_ANYBODY = "1"
"""It need not exist: HubSpot says so of one that does not."""


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to read of each object."""

    kind: Kind
    properties: Sequence[str]
    history: Sequence[str]


@dataclass(slots=True)
class Found:
    """
    What a batch read brought, still HubSpot's JSON.

    Attributes:
        objects: by the id asked for; a merged object answers under its new id.
        missing: ids HubSpot says it does not know.
        unreadable: id -> why.
    """

    objects: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def read_objects(
    client: Client, kind: Kind, ids: Sequence[str], properties: Sequence[str], history: Sequence[str] = ()
) -> Found:
    """
    Batch read any number of ids.

    A batch that HubSpot cannot answer is halved down to those it cannot answer for: they are unreadable.

    *Raises* PortalError where it answers for nobody.
    """
    found = Found()
    unique = list(dict.fromkeys(ids))  # HubSpot refuses a batch that names an id twice
    asked = Asked(kind, list(dict.fromkeys([*properties, MERGED])), history)
    for batch in in_batches(unique, HISTORY_AT_ONCE if history else READ_AT_ONCE):
        _read_down(client, asked, batch, found)
    return found


def errors_of(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """List the errors of a batch answer. *Raises* Unavailable when they cannot be read: none is not the same."""
    errors = answer.get("errors") or []
    if not isinstance(errors, list) or not all(isinstance(one, dict) for one in errors):
        raise broken_answer("the errors of a batch cannot be read")
    return errors


def _read_down(client: Client, asked: Asked, whole: Sequence[str], found: Found) -> None:
    """Read a batch, or its halves, or their halves."""
    pending = [whole]
    while pending:
        batch = pending.pop()
        try:
            _read_batch(client, asked, batch, found)
        except (Rejected, Unavailable) as error:
            if batch is whole or len(batch) == 1:
                _require_answers(client, asked, error)
            if len(batch) == 1:
                found.unreadable[batch[0]] = error.message
                continue
            middle = (len(batch) + 1) // 2
            pending += [batch[middle:], batch[:middle]]


def _read_batch(client: Client, asked: Asked, batch: Sequence[str], found: Found) -> None:
    answer = client.batch_read(
        asked.kind.value, batch, properties=asked.properties, history=asked.history
    ).json
    _sort_out(answer, batch, found)
    unanswered = [one for one in batch if not _is_known(found, one)]
    if unanswered and not answer["results"] and not answer.get("errors"):
        raise broken_answer("a batch read answered nothing at all")
    for one in unanswered:
        _read_alone(client, asked, one, found)


def _require_answers(client: Client, asked: Asked, error: PortalError) -> None:
    """Ask the same of anybody else: where that is not answered either, it is not for whom was asked. *Raises* error."""
    try:
        answer = client.batch_read(
            asked.kind.value, [_ANYBODY], properties=asked.properties, history=asked.history
        ).json
    except (Rejected, Unavailable):
        raise error from error.__cause__
    if not answer["results"] and not answer.get("errors"):
        raise error from error.__cause__


def _sort_out(answer: Mapping[str, Any], batch: Sequence[str], found: Found) -> None:
    merged: dict[str, Mapping[str, Any]] = {}
    asked = set(batch)
    for raw in answer["results"]:
        try:
            one = a_map(raw, "an object")
            object_id = an_id(one.get("id"), "its id")
        except Unreadable:
            continue  # whose it was shows in what stays unanswered
        if object_id in asked:
            found.objects[object_id] = one
        merged |= dict.fromkeys(_merged_ids(one), one)
    for error in errors_of(answer):
        category, codes, names = problem_words(error)
        for object_id in context_texts(error, "ids"):
            if object_id not in asked or _is_known(found, object_id):
                continue
            if category == "OBJECT_NOT_FOUND":
                found.missing[object_id] = None
            else:
                found.unreadable[object_id] = sentence(category, codes, names)
    for old in batch:
        if not _is_known(found, old) and old in merged:
            found.objects[old] = merged[old]


def _merged_ids(raw: Mapping[str, Any]) -> tuple[str, ...]:
    properties = raw.get("properties")
    joined = properties.get(MERGED) if isinstance(properties, dict) else None
    return ids_joined(joined) if isinstance(joined, str) else ()


def _is_known(found: Found, object_id: str) -> bool:
    return object_id in found.objects or object_id in found.unreadable or object_id in found.missing


def _read_alone(client: Client, asked: Asked, object_id: str, found: Found) -> None:
    """Ask for one that a batch left out without a word, as it does with merged ids; only then is it missing."""
    try:
        one = a_map(client.one(asked.kind.value, object_id, properties=[MERGED]).json, "the object")
        known_as = an_id(one.get("id"), "its id")
        answer = client.batch_read(
            asked.kind.value, [known_as], properties=asked.properties, history=asked.history
        ).json
        rows = [row for row in answer["results"] if isinstance(row, dict) and row.get("id") == known_as]
        found.objects[object_id] = a_map(rows[0] if rows else None, "the object")
    except Rejected as error:
        if error.status == 404:
            found.missing[object_id] = None
        else:
            found.unreadable[object_id] = error.message
    except Unreadable as why:
        found.unreadable[object_id] = str(why)
