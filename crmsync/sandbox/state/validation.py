"""Incoming values -> the texts to store, or everything that is wrong with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.rules import Settings
from crmsync.sandbox.state.schema import Property, Schema
from crmsync.sandbox.times import iso, read_day, read_instant
from crmsync.sandbox.wire import ApiError, Body, an_object

SHOWN = 80
"""So many characters of a bad value stand in the message about it."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EMAIL = re.compile(r"[^@\s;,]+@[^@\s;,]+\.[^@\s;,.]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that cannot be written."""

    code: str
    name: str
    message: str


class Validator:
    """Incoming JSON values -> the texts to store, or all problems."""

    def __init__(self, kind: str, schema: Schema, settings: Settings) -> None:
        self._kind = kind
        self._schema = schema
        self._settings = settings

    def read(self, given: Any, record: Record | None) -> tuple[dict[str, str], list[Problem]]:
        given = an_object(given, "properties")
        values: dict[str, str] = {}
        problems: list[Problem] = []
        for name, raw in given.items():
            found = self._read_one(name, raw, record)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                values[name] = found
        return values, problems

    def _read_one(self, name: str, raw: Any, record: Record | None) -> str | Problem:
        one = self._schema.get(name)
        if one is None:
            return Problem("PROPERTY_DOESNT_EXIST", name, f'Property "{name}" does not exist')
        if one.read_only or (self._kind, name) in self._settings.frozen:
            return Problem(
                "READ_ONLY_VALUE", name, f'"{name}" is a read only property; its value cannot be set.'
            )
        text = _text(raw)
        if text is None:
            return Problem("INVALID_VALUE", name, f'Property "{name}" takes a text, a number or a boolean')
        return self._check(one, text, record) if text else ""

    def _check(self, one: Property, text: str, record: Record | None) -> str | Problem:
        if len(text) > self._settings.max_text:
            return Problem(
                "STRING_TOO_LONG",
                one.name,
                f'Property "{one.name}" is longer than {self._settings.max_text} characters',
            )
        match one.type:
            case "number":
                return self._number(one, text)
            case "date":
                return read_day(text) or _no_day(one, text)
            case "datetime":
                ms = read_instant(text)
                return iso(ms) if ms is not None else _bad("INVALID_DATE", one, text, "a valid date")
            case "bool":
                lower = text.lower()
                return (
                    lower
                    if lower in {"true", "false"}
                    else _bad("INVALID_BOOLEAN", one, text, "a valid boolean")
                )
            case "enumeration":
                return self._choice(one, text, record)
            case _ if one.name == "email":
                clean = text.strip().lower()
                return clean if _EMAIL.fullmatch(clean) else _no_email(text)
            case _:
                return text

    def _number(self, one: Property, text: str) -> str | Problem:
        if not _NUMBER.fullmatch(text):
            return _bad("INVALID_INTEGER", one, text, "a valid number")
        for bound in self._settings.bounds:
            if (bound.kind, bound.name) == (self._kind, one.name) and not bound.least <= float(
                text
            ) <= bound.most:
                return _bad("VALIDATION_RULE", one, text, f"between {bound.least:g} and {bound.most:g}")
        return text

    def _choice(self, one: Property, text: str, record: Record | None) -> str | Problem:
        if one.refers_to or not one.options:
            return text
        appended = text.startswith(";") and one.field_type == "checkbox"
        chosen = [part for part in text.split(";") if part] if one.field_type == "checkbox" else [text]
        wrong = next((part for part in chosen if part not in one.values), None)
        if wrong is not None:
            allowed = ", ".join(option.value for option in one.options)
            return Problem(
                "INVALID_OPTION", one.name, f"{wrong} was not one of the allowed options: [{allowed}]"
            )
        held = [part for part in record.text(one.name).split(";") if part] if appended and record else []
        return ";".join(dict.fromkeys(held + chosen))

    def missing(self, record: Record | None, values: Mapping[str, str]) -> list[Problem]:
        """What the administrator's rules want and the record would not have. Only 2026-09 asks."""
        problems = []
        for rule in self._settings.required:
            applies = values.get(rule.name) == rule.value if rule.name else record is None
            if rule.kind != self._kind or not applies:
                continue
            when = (
                f'when "{rule.name}" is "{rule.value}"' if rule.name else f"to create one of the {self._kind}"
            )
            for needed in rule.needs:
                held = values[needed] if needed in values else record.text(needed) if record else ""
                if not held:
                    said = f'Property "{needed}" is required {when}'
                    problems.append(Problem("REQUIRED_PROPERTY_MISSING", needed, said))
        return problems


def _text(raw: Any) -> str | None:
    match raw:
        case str():
            return raw
        case None:
            return ""
        case bool():
            return "true" if raw else "false"
        case int() | float():
            return str(raw)
        case _:
            return None


def _bad(code: str, one: Property, text: str, wanted: str) -> Problem:
    return Problem(code, one.name, f"{text[:SHOWN]} was not {wanted}.")


def _no_email(text: str) -> Problem:
    return Problem("INVALID_EMAIL", "email", f"Email address {text[:SHOWN]} is invalid")


def _no_day(one: Property, text: str) -> Problem:
    ms = read_instant(text)
    if ms is None:
        return _bad("INVALID_DATE", one, text, "a valid date")
    return Problem("INVALID_DATE", one.name, f"{text} is at {iso(ms)[11:23]} UTC, not midnight!")


def refusal(problems: list[Problem], portal_id: int) -> ApiError:
    """The 400 for values: the list of problems stands inside the message, as JSON."""
    listed = [
        {"isValid": False, "message": one.message, "error": one.code, "name": one.name,
         "localizedErrorMessage": one.message, "portalId": portal_id}
        for one in problems
    ]  # fmt: skip
    errors: list[Body] = [
        {"message": one.message, "code": one.code, "context": {"propertyName": [one.name]}}
        for one in problems
    ]
    return ApiError(400, f"Property values were not valid: {orjson.dumps(listed).decode()}", errors=errors)
