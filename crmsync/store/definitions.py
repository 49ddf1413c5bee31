"""The definitions themselves, kept by content hash, and which one was active when."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crmsync.model import DefinitionRef
from crmsync.store import tables as t
from crmsync.store.compact import definition_from
from crmsync.store.database import Database
from crmsync.store.instants import from_micros, from_text, to_micros, to_text


@dataclass(frozen=True, slots=True)
class KeptDefinition:
    """
    A definition as it was loaded.

    Attributes:
        text: the file, byte for byte.
        loaded_at: when the store saw it first.
    """

    ref: DefinitionRef
    text: str
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class Activation:
    """From `at` on this definition was the one that decides, until the next activation."""

    ref: DefinitionRef
    at: datetime


class Definitions:
    """Kept for as long as the trail: an entry's definition can always be read again. May raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, ref: DefinitionRef, text: str) -> None:
        """Keep a definition; keeping it again changes nothing but the text (a new signature, not a new content)."""
        row = {
            "sha256": ref.sha256,
            "id": ref.id,
            "version": ref.version,
            "text": text,
            "loaded_at": to_micros(self._database.now()),
        }
        with self._database.read() as conn:
            known = conn.scalar(sa.select(t.definitions.c.text).where(t.definitions.c.sha256 == ref.sha256))
        if known != text:
            with self._database.write() as conn:
                self._database.upsert(conn, t.definitions, [row], keep=("loaded_at",))

    def get(self, sha256: str) -> KeptDefinition | None:
        """Return the definition whose hash begins so; None: none, or more than one."""
        c = t.definitions.c
        with self._database.read() as conn:
            rows = conn.execute(
                sa.select(t.definitions).where(c.sha256.startswith(sha256, autoescape=True)).limit(2)
            ).mappings()
            found = [_kept(row) for row in rows.all()]
        return found[0] if len(found) == 1 else None

    def activations(self) -> tuple[Activation, ...]:
        """Return each time a definition came into force, the newest first: one may come back after another."""
        with self._database.read() as conn:
            found = conn.execute(_activations().order_by(t.audit.c.seq.desc())).all()
        return tuple(Activation(definition_from(one.definition), from_text(one.at)) for one in found)

    def active_at(self, instant: datetime | None = None) -> DefinitionRef | None:
        """Return the definition that decided at an instant (None: decides now); None: none had been activated."""
        a = t.audit.c
        query = _activations() if instant is None else _activations().where(a.at <= to_text(instant))
        with self._database.read() as conn:
            text = conn.scalar(query.order_by(a.seq.desc()).limit(1).with_only_columns(a.definition))
        return None if text is None else definition_from(text)


def _activations() -> sa.Select[tuple[str, str]]:
    a = t.audit.c
    return sa.select(a.definition, a.at).where(a.kind == "definition.activated", a.definition.is_not(None))


def _kept(row: t.Row) -> KeptDefinition:
    ref = DefinitionRef(row["id"], row["version"], row["sha256"])
    return KeptDefinition(ref, row["text"], from_micros(row["loaded_at"]))
