"""The trail: filtered, paged by number, one entry with its arithmetic, verified, exported."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response, StreamingResponse

from crmsync.insight.actors import Source, foreign_actor
from crmsync.model import ContactId, RunId
from crmsync.store.audit.filtering import AuditFilter
from crmsync.web.arithmetic import Arithmetic, arithmetic
from crmsync.web.asking import Ask, not_here

_ENTRIES_A_PAGE = 50
_CHOICES_SHOWN = 200
_LINES_A_PORTION = 500
_FIELDS = ("day", "kind", "cause", "property", "actor", "definition", "contact", "run")
_CHOSEN = ("kind", "cause", "property", "actor", "definition")
_MARK = 12
_OURS = frozenset({"crmsync", "portal", "unknown"})
_MACHINE = re.compile(r"[A-Z_]+( [A-Za-z0-9:._-]+)?")  # HubSpot's `<sourceType> <sourceId>`


def search(ask: Ask) -> Response:
    given = _given(ask)
    choices = {column: _choices(ask, column) for column in _CHOSEN}
    where, problem = _filter(given, choices)
    before, after = ask.query_number("before"), ask.query_number("after")
    found = ask.desk.entries(where, before=before, after=after, limit=_ENTRIES_A_PAGE + 1)
    extra = len(found) > _ENTRIES_A_PAGE
    shown = found[-_ENTRIES_A_PAGE:] if after is not None else found[:_ENTRIES_A_PAGE]
    has_newer = extra if after is not None else before is not None
    has_older = after is not None or extra
    return ask.page(
        "audit.html",
        entries=shown,
        given=given,
        choices=choices,
        problem=problem,
        head=ask.desk.head(),
        newer=_link("/audit", given, after=shown[0].seq) if shown and has_newer else None,
        older=_link("/audit", given, before=shown[-1].seq) if shown and has_older else None,
        export=_link("/audit/export.jsonl", given),
        is_filtered=bool(given),
    )


def show(ask: Ask) -> Response:
    step = ask.desk.step(ask.request.path_params["seq"])
    if step is None:
        raise not_here("The trail has no entry with this number.")
    reason = step.entry.draft.reason
    return ask.page(
        "entry.html",
        step=step,
        arithmetic=_arithmetic(reason),
        reason=orjson.dumps(reason, option=orjson.OPT_INDENT_2).decode() if reason else "",
    )


def export(ask: Ask) -> Response:
    given = _given(ask)
    choices = {column: _choices(ask, column) for column in _CHOSEN}
    where, _ = _filter(given, choices)
    headers = {"content-disposition": 'attachment; filename="crmsync-audit.jsonl"'}
    return StreamingResponse(_lines(ask, where), 200, headers, "application/jsonl")


def _lines(ask: Ask, where: AuditFilter) -> Iterator[bytes]:
    """Yield lines of JSON in portions: each one changes threads, which a million lines would feel."""
    portion: list[bytes] = []
    for entry in ask.desk.export(where):
        portion.append(orjson.dumps(entry))
        if len(portion) == _LINES_A_PORTION:
            yield b"\n".join(portion) + b"\n"
            portion.clear()
    if portion:
        yield b"\n".join(portion) + b"\n"


# --- filters -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` goes into the address; a name that a person chose goes there as its mark only."""

    value: str
    text: str


def _given(ask: Ask) -> dict[str, str]:
    return {name: text[:200] for name in _FIELDS if (text := ask.query(name))}


def _choices(ask: Ask, column: str) -> tuple[Choice, ...]:
    values = ask.desk.choices(column)[:_CHOICES_SHOWN]
    return tuple(Choice(_public(value) if column == "actor" else value, value) for value in values)


def _public(actor: str) -> str:
    """Return what stands for an actor in an address: names and e-mail addresses of people do not."""
    if actor in _OURS or (_MACHINE.fullmatch(actor) and foreign_actor(actor).source is not Source.UNKNOWN):
        return actor
    return "~" + hashlib.sha256(actor.encode("utf-8", "replace")).hexdigest()[:_MARK]


def _filter(given: Mapping[str, str], choices: Mapping[str, tuple[Choice, ...]]) -> tuple[AuditFilter, str]:
    day, problem = _day(given.get("day", ""))
    actor = given.get("actor")
    if actor and actor.startswith("~"):
        actor = next((choice.text for choice in choices["actor"] if choice.value == actor), actor)
    run, contact = given.get("run"), given.get("contact")
    where = AuditFilter(
        contact=ContactId(contact) if contact else None,
        kind=given.get("kind"),
        cause=given.get("cause"),
        property=given.get("property"),
        actor=actor,
        definition=given.get("definition"),
        run=RunId(run) if run else None,
        since=day,
        until=day + timedelta(days=1) if day else None,
    )
    return where, problem


def _day(text: str) -> tuple[datetime | None, str]:
    if not text:
        return None, ""
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        at + timedelta(days=1)
    except (ValueError, OverflowError):
        return None, "That is no day; write it like 2026-11-22. All days are shown."
    return at, ""


def _link(path: str, given: Mapping[str, str], **more: int) -> str:
    query = urlencode({**given, **{name: str(number) for name, number in more.items()}})
    return f"{path}?{query}" if query else path


# --- one entry ---------------------------------------------------------------------------------------------


def _arithmetic(reason: Mapping[str, Any] | None) -> Arithmetic | None:
    """Lay out what an intent kept: the whole evaluation with a stage, the criteria of its part with a score."""
    reason = reason or {}
    if isinstance(reason.get("evaluation"), Mapping) and reason["evaluation"]:
        return arithmetic(reason["evaluation"])
    if isinstance(reason.get("fit"), Mapping):
        return arithmetic({"fit": reason["fit"]})
    if isinstance(reason.get("engagement"), Mapping):
        return arithmetic({"engagement": reason["engagement"], "groups": reason.get("groups")})
    return None


# --- verification ------------------------------------------------------------------------------------------


def verification(ask: Ask) -> Response:
    return ask.page("verification.html", check=ask.checking.last(), head=ask.desk.head())


def verify(ask: Ask) -> Response:
    """Begin a check, unless one is running; the page it leads to shows how it goes."""
    ask.checking.begin()
    return ask.go("/audit/verify")
