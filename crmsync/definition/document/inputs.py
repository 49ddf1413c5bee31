"""Head, facts and events of the file -> nouns."""

import difflib
from collections.abc import Mapping

from crmsync.definition.document.grammar import RESERVED_WORDS, Scope, read_condition
from crmsync.definition.document.place import DEFINITION_ID, NAME, Place
from crmsync.definition.document.reports import MAX_NAME
from crmsync.definition.document.tree import TextNode
from crmsync.definition.nouns import ATTRIBUTES, SOURCES, EventKind, Fact, FactType, Path, Signature, Terms
from crmsync.definition.text import fold, instant, read_date

DERIVED = (
    "fit",
    "engagement",
    "completeness",
    "tier",
    "level",
    "grade",
    "stage",
    "campaign",
    "outcome",
    "evidence",
    "disqualified",
    "days_in_stage",
)
_DEALS = ("open", "won", "lost", "open_amount", "won_amount")
_HEAD = (
    "id",
    "version",
    "scope",
    "review_by",
    "handoff_stage",
    "agreed_by",
    "learnings",
    "waive",
)
INTENTS = ("product", "content", "none")
PHASES = ("awareness", "consideration", "decision")


def read_head(place: Place) -> tuple[str | None, str | None, Terms]:
    """Return id, version and the rest of `definition`."""
    keys = place.keys(*_HEAD, required=("id", "version"))
    definition_id = keys["id"].name(DEFINITION_ID) if "id" in keys else None
    version = keys["version"].text() if "version" in keys else None
    terms = Terms(
        scope=keys["scope"].words() if "scope" in keys else None,
        review_by=keys["review_by"].day() if "review_by" in keys else None,
        handoff_stage=keys["handoff_stage"].words() if "handoff_stage" in keys else None,
        agreed_by=_signatures(keys["agreed_by"]) if "agreed_by" in keys else (),
        learnings=keys["learnings"].texts() if "learnings" in keys else (),
        waive=_waived(keys["waive"]) if "waive" in keys else {},
    )
    return definition_id, version, terms


def _signatures(place: Place) -> tuple[Signature, ...]:
    return tuple(signature for item in place.items() if (signature := _signature(item)))


def _signature(place: Place) -> Signature | None:
    keys = place.keys("role", "who", "at", "sha256", required=("role", "who", "sha256"))
    role, who, sha256 = (keys[key].words() if key in keys else None for key in ("role", "who", "sha256"))
    at = None
    if "at" in keys:
        at = read_date(keys["at"].words() or "")
        if at is None:
            keys["at"].problem("must be an instant like 2026-11-24T10:02:00Z")
    if role is None or who is None or sha256 is None:
        return None
    return Signature(role, who, None if at is None else instant(at), sha256)


def _waived(place: Place) -> Mapping[str, str]:
    return {rule: reason for rule, child in place.entries().items() if (reason := child.words()) is not None}


# --- facts


def read_facts(place: Place) -> Mapping[str, Fact]:
    facts = {}
    for name, child in place.entries().items():
        fact = _fact(name, child)
        if _is_free(name, place):
            facts[name] = fact or Fact(name, ())  # known by name, so that its uses are not reported, too
    return facts


def _is_free(name: str, place: Place) -> bool:
    if not NAME.fullmatch(name):
        place.key_problem(name, f"`{name}` is not a name; allowed: letters, digits, _ and -")
    elif name in DERIVED or name in RESERVED_WORDS:
        place.key_problem(name, f"`{name}` is reserved; give the fact another name")
    else:
        return True
    return False


def _fact(name: str, place: Place) -> Fact | None:
    if not place.is_mapping:
        paths = _paths(place)
        return Fact(name, paths, _default_type(paths)) if paths else None
    keys = place.keys("from", "type", "map", "else", required=("from",))
    paths = _paths(keys["from"]) if "from" in keys else ()
    fact_type = _type(keys["type"]) if "type" in keys else _default_type(paths)
    mapped = _map(keys["map"]) if "map" in keys else None
    otherwise = _result(keys["else"]) if "else" in keys else None
    if "else" in keys and "map" not in keys:
        keys["else"].problem("`else` needs a `map`")
    return Fact(name, paths, fact_type, mapped, otherwise) if paths else None


def _type(place: Place) -> FactType:
    """Return the type, of a misspelt one what was meant, so that its uses are not reported, too."""
    types = [fact_type.value for fact_type in FactType]
    if chosen := place.choice("type", types):
        return FactType(chosen)
    spelt = place.node.text[:MAX_NAME] if isinstance(place.node, TextNode) else ""
    return FactType(next(iter(difflib.get_close_matches(spelt, types, n=1)), FactType.TEXT))


def _default_type(paths: tuple[Path, ...]) -> FactType:
    is_number = bool(paths) and all(path.of == "deals" for path in paths)
    return FactType.NUMBER if is_number else FactType.TEXT


def _paths(place: Place) -> tuple[Path, ...]:
    if place.is_mapping:
        place.problem(f"must be a path like contact.jobtitle or a list of them, not {place.kind}")
        return ()
    read = [_path(item) for item in place.scalars()]
    if not read:
        place.problem("needs at least one path")
    return tuple(path for path in read if path) if all(read) else ()


def _path(place: Place) -> Path | None:
    text = place.text()
    if text is None:
        return None
    of, _, name = text.partition(".")
    if of == "deals" and name not in _DEALS:
        place.unknown("path", text, [f"deals.{name}" for name in _DEALS])
    elif of not in ("contact", "company", "deals") or not NAME.fullmatch(name):
        known = ", ".join(f"deals.{deal}" for deal in _DEALS)
        place.problem(f"`{text}` is not a path; allowed: contact.<property>, company.<property>, {known}")
    else:
        return Path(of, name)
    return None


def _map(place: Place) -> Mapping[str, str]:
    results: dict[str, str] = {}
    folded: dict[str, str] = {}
    for key, child in place.entries().items():
        first = folded.setdefault(fold(key), key)
        if first != key:
            place.key_problem(key, f"`{key}` and `{first}` are the same text; case does not count")
        result = _result(child)
        if result is not None:
            results[key] = result
    return results


def _result(place: Place) -> str | None:
    """Return the text of a scalar: a map's result is read as the fact's type afterwards."""
    if isinstance(place.node, TextNode) and place.node.value is not None:
        return place.node.text
    place.problem(f"must be a text, not {place.kind}")
    return None


# --- events


def read_events(place: Place) -> Mapping[str, EventKind]:
    events = {}
    for name, child in place.entries().items():
        if not NAME.fullmatch(name):
            place.key_problem(name, f"`{name}` is not a name; allowed: letters, digits, _ and -")
        elif name == "any":
            place.key_problem(name, "`any` is reserved; give the event another name")
        event = _event(name, child)
        events[name] = event or EventKind(name, "")
    return events


def _event(name: str, place: Place) -> EventKind | None:
    keys = place.keys("from", "where", "of", "intent", "phase", required=("from",))
    source = keys["from"].choice("source", SOURCES) if "from" in keys else None
    intent = keys["intent"].choice("intent", INTENTS) if "intent" in keys else None
    phase = keys["phase"].choice("phase", PHASES) if "phase" in keys else None
    if source is None:
        return None
    if source in ("counter", "date"):
        of = _watched(source, keys, place)
        return EventKind(name, source, None, of, None if intent == "none" else intent, phase)
    if "of" in keys:
        keys["of"].problem(f"`of` belongs to counter and date events only, not to {source}")
    where = read_condition(keys["where"], _attributes(source)) if "where" in keys else None
    return EventKind(name, source, where, None, None if intent == "none" else intent, phase)


def _attributes(source: str) -> Scope:
    return Scope(ATTRIBUTES[source], noun=f"attribute of {source}")


def _watched(source: str, keys: Mapping[str, Place], place: Place) -> str | None:
    if "where" in keys:
        keys["where"].problem(f"a {source} event has no attributes; remove `where`")
    if "of" not in keys:
        place.problem(f"`of` is missing; a {source} event needs `of: contact.<property>`")
        return None
    text = keys["of"].text()
    if text is None:
        return None
    of, _, name = text.partition(".")
    if of != "contact" or not NAME.fullmatch(name):
        keys["of"].problem(f"`{text}` must be contact.<property>")
        return None
    return name
