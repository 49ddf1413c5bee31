"""Bytes -> JSON values, with the texts that only strict readers refuse."""

import json
from typing import Any, NoReturn

import orjson


def parsed(body: bytes) -> Any:
    """
    Read an answer. *Raises* ValueError.

    A text that was cut in the middle of an emoji ends in half a surrogate pair. Java writes that down without a
    word, and refusing it would stop a whole page, at every try, for one mail's subject.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"\\u" not in body:
            raise
        return _without_halves(body, error)


def _without_halves(body: bytes, error: ValueError) -> Any:
    try:
        value = json.loads(body, parse_constant=_refuse)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        raise error from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
