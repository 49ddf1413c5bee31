"""Small values <-> compact JSON texts of the mirror's rows."""

from collections.abc import Mapping
from functools import lru_cache

import orjson

from crmsync.model import Deal, DefinitionRef, Event, Version
from crmsync.store.canonical import canonical
from crmsync.store.instants import from_micros, maybe_from_micros, maybe_to_micros, to_micros


def dumps(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def properties_text(properties: Mapping[str, str | None]) -> str:
    return dumps(dict(properties))


def event_text(event: Event | None) -> str | None:
    if event is None:
        return None
    return dumps([event.source, maybe_to_micros(event.at), dict(event.attributes), event.of, event.count])


def event_from(text: str) -> Event:
    source, at, attributes, of, count = orjson.loads(text)
    return Event(source, maybe_from_micros(at), attributes, of, count)


def deal_text(deal: Deal | None) -> str | None:
    return None if deal is None else dumps([deal.state, deal.amount])


def deal_from(text: str) -> Deal:
    return Deal(*orjson.loads(text))


def version_text(version: Version) -> str:
    return dumps(
        [
            version.value,
            to_micros(version.at),
            version.source,
            version.source_id,
            version.is_person,
            version.is_ours,
        ]
    )


def version_from(text: str) -> Version:
    value, at, source, source_id, is_person, is_ours = orjson.loads(text)
    return Version(value, from_micros(at), source, source_id, is_person, is_ours)


@lru_cache(maxsize=64)
def definition_text(definition: DefinitionRef | None) -> str | None:
    return None if definition is None else canonical(definition)


@lru_cache(maxsize=64)
def definition_from(text: str) -> DefinitionRef:
    return DefinitionRef(**orjson.loads(text))
