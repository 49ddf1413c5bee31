"""A good answer -> a bad one: one place in its JSON dropped, of another type, huge or deeply nested."""

import random
from typing import Any

import orjson

DEEP = 200
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 1e308, "", "null", "\u0000", "9" * 400, "2026-13-45T99:99:99Z", [], {}, [None],
    {"id": None},
)  # fmt: skip


def mangled(body: bytes, rng: random.Random) -> bytes:
    """The body with one value spoilt; a body without JSON comes back as it is."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    places = _places(tree)
    if not places:
        return body
    holder, key = rng.choice(places)
    match rng.randrange(4):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1:
            holder[key] = _nested()
        case 2:
            holder[key] = None
            holder[key] = orjson.loads(orjson.dumps(holder))
        case _:
            holder[key] = rng.choice(_ODD)
    return orjson.dumps(tree)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) below the root."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        found += [(node, key) for key in keys]
        waiting += [node[key] for key in keys]
    return found


def _nested() -> Any:
    inner: Any = "bottom"
    for _ in range(DEEP):
        inner = [inner]
    return inner
