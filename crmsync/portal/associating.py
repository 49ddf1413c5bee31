"""Ids -> the other ends of their associations, whole, with the primary company marked."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from crmsync.errors import Unavailable
from crmsync.model import Association, Kind
from crmsync.portal.batching import errors_of, in_batches
from crmsync.portal.client import Client
from crmsync.portal.faults import context_texts, problem_words
from crmsync.portal.shapes import Unreadable, a_map, an_id, broken_answer, next_after

AT_ONCE = 1_000
_PRIMARY_TYPE = 1
"""contact -> primary company. *Source*: portal facts, section 5.2."""

Ends = dict[str, bool]  # the other end's id -> whether it is labelled primary


def read_associations(
    client: Client, kind: Kind, to: Kind, ids: Sequence[str]
) -> Mapping[str, tuple[Association, ...]]:
    """
    Read all associations of any number of ids; an id with none maps to (). *Raises* PortalError.

    An id that no longer exists has none either: HubSpot says the same of both. One whose associations HubSpot
    could not give, or not readably, or not to their end, is left out: taken for none it would cost its events.
    """
    ends: dict[str, Ends] = {one: {} for one in ids}
    for batch in in_batches(list(ends), AT_ONCE):
        _read_batch(client, kind, to, [{"id": one} for one in batch], ends)
    is_company = (kind, to) == (Kind.CONTACT, Kind.COMPANY)
    return {one: _associations(found, is_company=is_company) for one, found in ends.items()}


def _read_batch(
    client: Client, kind: Kind, to: Kind, inputs: Sequence[Mapping[str, str]], ends: dict[str, Ends]
) -> None:
    """Read a batch and, for those with more than fits, the rest."""
    while inputs:
        afters = {one["id"]: one.get("after") for one in inputs}
        answer = client.associations(kind.value, to.value, inputs).json
        for failed in _failed(answer, afters):
            ends.pop(failed, None)
        inputs = [
            {"id": object_id, "after": after}
            for raw in answer["results"]
            for object_id, after in _taken(raw, afters, ends)
        ]


def _failed(answer: Mapping[str, Any], asked: Container[str]) -> Iterator[str]:
    """Yield the ids whose associations HubSpot says it could not read; one that it does not name could be any."""
    for error in filter(_is_trouble, errors_of(answer)):
        named = [one for one in context_texts(error, "fromObjectId") if one in asked]
        if not named:
            raise broken_answer("some associations could not be read")
        yield from named


def _is_trouble(error: Mapping[str, Any]) -> bool:
    """Tell a failure from HubSpot's way of saying that there are none."""
    category, _, _ = problem_words(error)
    return category not in {"", "OBJECT_NOT_FOUND"} and "NO_ASSOCIATIONS_FOUND" not in str(
        error.get("subCategory")
    )


def _taken(raw: object, afters: Mapping[str, str | None], ends: dict[str, Ends]) -> Iterator[tuple[str, str]]:
    """Add one id's ends to what is known; yield the id and where its rest starts, if there is more."""
    try:
        found = a_map(raw, "a result")
        object_id = an_id(a_map(found.get("from"), "its origin").get("id"), "its origin")
    except Unreadable as why:
        raise broken_answer(f"an association cannot be read: {why}") from why
    if object_id not in afters:
        raise broken_answer("an association was not asked for")
    if object_id not in ends:
        return
    known = len(ends[object_id])
    try:
        _add(found.get("to"), ends[object_id])
        after = next_after(found.get("paging"), afters[object_id])
    except (Unreadable, Unavailable):
        del ends[object_id]
        return
    if after is not None and len(ends[object_id]) == known:
        del ends[object_id]  # more to come, of which nothing comes: it could go on so for ever
    elif after is not None:
        yield object_id, after


def _add(listed: object, ends: Ends) -> None:
    if not isinstance(listed, list):
        raise Unreadable("its other ends are not a list")
    for one in listed:
        end = a_map(one, "an end")
        end_id = an_id(end.get("toObjectId"), "an end's id")
        ends[end_id] = ends.get(end_id, False) or _is_primary(end.get("associationTypes"))


def _is_primary(types: Any) -> bool:
    if not isinstance(types, list):
        raise Unreadable("an end's types are not a list")
    return any(
        isinstance(one, dict)
        and one.get("typeId") == _PRIMARY_TYPE
        and one.get("category") == "HUBSPOT_DEFINED"
        for one in types
    )


def _associations(ends: Ends, *, is_company: bool) -> tuple[Association, ...]:
    if not is_company:
        return tuple(Association(one) for one in ends)
    # a contact's only company is its primary one, whatever its label
    return tuple(Association(one, is_primary=primary or len(ends) == 1) for one, primary in ends.items())
