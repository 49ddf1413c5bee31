"""The definitions themselves, kept by content hash, and which one was active when."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

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
        activated_at: when it last became the one that decides; None: never.
    """

    ref: DefinitionRef
    text: str
    loaded_at: datetime
    activated_at: datetime | None = None


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
            found = [_kept(conn, row) for row in rows.all()]
        return found[0] if len(found) == 1 else None

    def all(self) -> tuple[KeptDefinition, ...]:
        """Return the newest first."""
        c = t.definitions.c
        with self._database.read() as conn:
            rows = conn.execute(sa.select(t.definitions).order_by(c.loaded_at.desc(), c.sha256)).mappings()
            return tuple(_kept(conn, row) for row in rows.all())

    def active_at(self, instant: datetime) -> DefinitionRef | None:
        """Return the definition that decided at an instant; None: none had been activated."""
        a = t.audit.c
        query = _activations().where(a.at <= to_text(instant)).order_by(a.seq.desc()).limit(1)
        with self._database.read() as conn:
            text = conn.scalar(query.with_only_columns(a.definition))
        return None if text is None else definition_from(text)


def _activations() -> sa.Select[tuple[str, str]]:
    a = t.audit.c
    return sa.select(a.definition, a.at).where(a.kind == "definition.activated", a.definition.is_not(None))


def _kept(conn: Connection, row: t.Row) -> KeptDefinition:
    ref = DefinitionRef(row["id"], row["version"], row["sha256"])
    activated = None
    for one in conn.execute(_activations().order_by(t.audit.c.seq.desc())):
        if definition_from(one.definition).sha256 == ref.sha256:
            activated = from_text(one.at)
            break
    return KeptDefinition(ref, row["text"], from_micros(row["loaded_at"]), activated)
