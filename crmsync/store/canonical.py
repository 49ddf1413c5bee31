"""
Canonical JSON, and the two hashes of the audit trail made of it.

Canonical: keys sorted, no spaces, UTF-8, numbers as Python's `json` writes them; so a verifier needs nothing but
Python's standard library. orjson is ten times faster and writes the same bytes but for a few floats.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

FIRST_PREV = "0" * 64
# an exponent or a very small number, where orjson and Python differ; a hit inside a text costs only time
_EXPONENT = re.compile(rb"e[-1-9]")
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS  # orjson would leave their fields unsorted
_SMALL = b"0.0000"


def canonical(value: object) -> str:
    """Write a JSON value (mappings, sequences, texts, numbers, booleans, None; dataclasses and instants too)."""
    try:
        fast = orjson.dumps(value, default=_plain, option=_SORTED)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate, keys that are no texts
        return _slow(value)
    if _SMALL in fast or _EXPONENT.search(fast):
        return _slow(json.loads(fast))
    return fast.decode()


def _slow(value: object) -> str:
    text = json.dumps(
        value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def values_digest(salt: bytes, before: str | None, after: str | None, reason: str | None) -> str:
    """
    Bind the three values that stand beside the chain.

    Args:
        salt: the contact's; empty for entries that are about no contact.
        reason: already canonical JSON; None: no reason.
    """
    values = {"after": after, "before": before, "reason": None if reason is None else orjson.Fragment(reason)}
    return hashlib.sha256(salt + orjson.dumps(values, default=no_text)).hexdigest()


def entry_hash(entry: Mapping[str, Any]) -> str:
    """
    Hash an entry that lacks `hash`, `before`, `after` and `reason`; `definition` is an orjson.Fragment or None.

    It holds texts and whole numbers only, so that orjson's bytes are the canonical ones.
    """
    return hashlib.sha256(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).hexdigest()


def no_text(_: object) -> object:
    """Write the bytes that somebody put where SQLite held a text as what no entry was ever made with."""
    return []


def storable(text: str) -> str:
    """Replace what PostgreSQL or UTF-8 cannot hold (NUL, lone surrogates), the same in both databases."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
