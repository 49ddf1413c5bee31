"""What the mirror held before: kept when it changes, looked up by instant."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.model import OWN
from crmsync.store import tables as t
from crmsync.store.compact import dumps

_OWN = frozenset(OWN)


@dataclass(frozen=True, slots=True)
class Superseded:
    """
    A value that was true until now.

    Attributes:
        subject: `contact`, `companies`, `deals`, or `contact:companies` and `contact:deals` for associations.
        value: JSON text; its form belongs to the subject.
    """

    subject: str
    id: str
    value: str


def contact_value(row: t.Row) -> str:
    """Write what of a contact's row can change an evaluation: what crmsync wrote itself is in the trail."""
    properties = {name: value for name, value in orjson.loads(row["properties"]).items() if name not in _OWN}
    return dumps([properties, row["stage_entered_at"], bool(row["gone"])])


def keep(conn: Connection, superseded: Sequence[Superseded], until: int) -> None:
    if superseded:
        conn.execute(
            t.versions.insert(),
            [{"subject": s.subject, "id": s.id, "until": until, "value": s.value} for s in superseded],
        )


def value_at(conn: Connection, subject: str, id_: str, instant: int) -> str | None:
    """Return the superseded value that held at that instant; None: what the mirror holds now held then already."""
    v = t.versions.c
    return conn.scalar(
        sa.select(v.value)
        .where(v.id == id_, v.subject == subject, v.until > instant)
        .order_by(v.until, v.number)
        .limit(1)
    )
