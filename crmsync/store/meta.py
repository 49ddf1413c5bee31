"""What the store knows about itself: whose portal it mirrors, and a few remembered texts."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crmsync.errors import StoreError
from crmsync.store import tables as t
from crmsync.store.database import Database

_PORTAL = "portal"
_APP = "app_id"
_ZONE = "time_zone"


@dataclass(slots=True)
class Meta:
    """Small facts that outlive the process. A store belongs to one portal from the first time it is told which."""

    database: Database

    def bind(self, portal: str) -> None:
        """
        Say which portal this store mirrors.

        Raises:
            StoreError: it already mirrors another one.
        """
        with self.database.read() as conn:
            known = self.portal(conn)
        if known == "":
            with self.database.write_unfenced() as conn:
                self.database.upsert(conn, t.meta, [{"key": _PORTAL, "value": portal}], keep=("value",))
                known = self.portal(conn)
        if known != portal:
            raise StoreError(
                f"The store {self.database.place} belongs to portal {known}, the token to portal {portal}.",
                next_step="Name another store in store.url, or use the token of its portal.",
            )

    def portal(self, conn: Connection) -> str:
        """Return the portal's id; "" before it is known."""
        return conn.scalar(sa.select(t.meta.c.value).where(t.meta.c.key == _PORTAL)) or ""

    def get(self, key: str) -> str | None:
        with self.database.read() as conn:
            return conn.scalar(sa.select(t.meta.c.value).where(t.meta.c.key == key))

    def put(self, key: str, value: str) -> None:
        with self.database.write() as conn:
            self.database.upsert(conn, t.meta, [{"key": key, "value": value}])

    @property
    def portal_id(self) -> str | None:
        return self.get(_PORTAL)

    @property
    def app_id(self) -> str | None:
        """Our own app's id, as HubSpot names it in a property's history; None until it was learnt."""
        return self.get(_APP)

    def learn_app_id(self, app_id: str) -> None:
        self.put(_APP, app_id)

    @property
    def time_zone(self) -> str | None:
        """The portal's time zone, for a process that starts when the day's requests are used up; None: never told."""
        return self.get(_ZONE)

    def learn_time_zone(self, name: str) -> None:
        if name != self.time_zone:
            self.put(_ZONE, name)
