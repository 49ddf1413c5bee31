"""Templates -> HTML. Everything is escaped; the filters are the words of words.py, and sentences with their links."""

import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from crmsync import __version__
from crmsync.insight import words

_ID = re.compile(r"\b(?:(r)|p|revert)-[0-9]{8}-[0-9]{4}-[0-9a-f]{4}\b")

_CODE = re.compile(r"`([^`]+)`")


def linked(text: str) -> Markup:
    """Write a sentence: ids of plans and runs lead to their pages, what stands in backticks is code."""
    escaped = _ID.sub(_link, str(escape(text)))
    return Markup(_CODE.sub(r"<code>\1</code>", escaped))  # noqa: S704 - escaped above


def _link(found: re.Match[str]) -> str:
    return f'<a href="/{"runs" if found[1] else "plans"}/{found[0]}">{found[0]}</a>'


_FILTERS = {
    "actor": words.actor,
    "ago": words.ago,
    "cause": words.cause,
    "clock": words.clock,
    "day": words.day,
    "health": words.health,
    "held": words.held,
    "instant": words.instant,
    "iso": words.iso,
    "kind": words.kind,
    "linked": linked,
    "long_stage": words.long_stage,
    "number": words.number,
    "plain": words.plain,
    "points": words.points,
    "property": words.property_name,
    "result": words.result,
    "short_hash": words.short_hash,
    "stage": words.stage,
}


class Rendering:
    """The templates, compiled once; safe to use from several threads."""

    def __init__(self, static: Path) -> None:
        self._environment = Environment(
            loader=PackageLoader("crmsync.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(
            {
                "version": __version__,
                "count_of": words.count_of,
                "value_of": words.value,
                "static": {path.name: f"/static/{path.name}?{_mark(path)}" for path in static.iterdir()},
            }
        )

        for name in self._environment.list_templates():
            self._environment.get_template(name)  # compiled now, not for the first person who looks

    def render(self, template: str, **shown: Any) -> str:
        return self._environment.get_template(template).render(**shown)


def _mark(path: Path) -> str:
    """Return a mark that changes with the file, so that browsers may keep it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
