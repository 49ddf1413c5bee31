"""File or text -> Definition, or DefinitionError with every problem at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785

from crmsync.definition.document.place import Place
from crmsync.definition.document.reports import Reports
from crmsync.definition.document.sections import read_sections
from crmsync.definition.document.tree import MapNode, plain, positions, read_document
from crmsync.definition.nouns import Definition
from crmsync.errors import DefinitionError, Problem
from crmsync.model import DefinitionRef

_UNHASHED = ("agreed_by", "learnings")


def load(source: Path | str | bytes, *, name: str | None = None) -> Definition:
    """
    Read a definition.

    Args:
        source: a path, or the text itself.
        name: what messages call the file; the path, or `definition.yaml` for a text.

    Raises:
        DefinitionError: with all problems, in file order.
    """
    file = name or (str(source) if isinstance(source, Path) else "definition.yaml")
    raw = _raw(source, file) if isinstance(source, Path) else source
    reports = Reports(file)
    root = read_document(raw, reports)
    definition = _definition(root, reports) if root else None
    if reports.problems or definition is None:
        raise DefinitionError(reports.in_file_order())
    return definition


def content_hash(mapping: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical form of the mapping as loaded, without signatures and learnings."""
    return hashlib.sha256(_content(mapping)).hexdigest()


def content_of(text: bytes) -> bytes | None:
    """Return the bytes whose SHA-256 is a definition's hash, whatever grammar it was written for; None: no mapping."""
    root = read_document(text, Reports("definition.yaml"))
    return _content(plain(root)) if root else None


def _content(mapping: Mapping[str, Any]) -> bytes:
    head = mapping.get("definition")
    if isinstance(head, dict):
        mapping = {**mapping, "definition": {key: head[key] for key in head if key not in _UNHASHED}}
    return rfc8785.dumps(dict(mapping))


def _raw(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        start = "; `crmsync init` writes one to start from" if isinstance(error, FileNotFoundError) else ""
        raise DefinitionError(
            [Problem(file, 1, 1, "", f"cannot be read: {why}{start}")],
            next_step="Name a definition in definition.path.",
        ) from error


def _definition(root: MapNode, reports: Reports) -> Definition | None:
    sections = read_sections(Place(root, "", reports))
    if reports.problems or sections is None:
        return None
    mapping = plain(root)
    ref = DefinitionRef(sections.id, sections.version, content_hash(mapping))
    return sections.definition(name=reports.file, ref=ref, positions=dict(positions(root)), plain=mapping)
