"""A portal in the hands of a test: requests in, answers out, and a clock that moves when told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from crmsync.sandbox import Body, Lag, ManualClock, Options, Portal, Request, Response, seeded_portal
from crmsync.sandbox.control import Controlled

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONTACTS = "/crm/objects/2026-09/contacts"


class Api:
    """One portal under test."""

    def __init__(self, portal: Portal, clock: ManualClock) -> None:
        self.portal = portal
        self._controlled = Controlled(portal)
        self.clock = clock
        self.token = portal.token

    def ask(self, method: str, target: str, body: Any = None) -> Response:
        sent = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        said = self._controlled.handle(
            Request(method, target, {"authorization": f"Bearer {self.token}"}, sent)
        )
        assert isinstance(said, Response)
        return said

    def get(self, target: str) -> Any:
        said = self.ask("GET", target)
        assert said.status == 200, said.body
        return said.json()

    def post(self, target: str, body: Any) -> Any:
        said = self.ask("POST", target, body)
        assert said.status in (200, 201, 207), said.body
        return said.json()

    def create(self, kind: str = "contacts", links: Sequence[Body] = (), **values: str) -> str:
        made = self.post(f"/crm/objects/2026-09/{kind}", {"properties": values, "associations": list(links)})
        return str(made["id"])

    def update(self, id_: str, kind: str = "contacts", **values: str) -> Body:
        said = self.ask("PATCH", f"/crm/objects/2026-09/{kind}/{id_}", {"properties": values})
        assert said.status == 200, said.body
        body: Body = said.json()
        return body

    def read(self, id_: str, *names: str, kind: str = "contacts") -> Mapping[str, str | None]:
        values: Mapping[str, str | None] = self.get(
            f"/crm/objects/2026-09/{kind}/{id_}?properties={','.join(names)}"
        )["properties"]
        return values

    def history(self, id_: str, name: str) -> list[Body]:
        found: list[Body] = self.get(f"{CONTACTS}/{id_}?propertiesWithHistory={name}")[
            "propertiesWithHistory"
        ][name]
        return found

    def search(self, *filters: Body, kind: str = "contacts", **more: Any) -> Body:
        body = {"filterGroups": [{"filters": list(filters)}] if filters else [], "limit": 200, **more}
        found: Body = self.post(f"/crm/objects/2026-09/{kind}/search", body)
        return found

    def found(self, *filters: Body, kind: str = "contacts", **more: Any) -> list[str]:
        return [one["id"] for one in self.search(*filters, kind=kind, **more)["results"]]

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


def an_api(contacts: int = 0, *, lag: Lag | None = None, **options: Any) -> Api:
    """An empty portal without limits and search lag, unless said otherwise."""
    clock = ManualClock(START)
    given: dict[str, Any] = {"limits": False, "lag": lag or Lag(0, 0, 0.0)} | options
    made = Options(**given)
    return Api(seeded_portal(contacts, options=made, clock=clock), clock)


def where(name: str, operator: str, *values: Any, **more: Any) -> Body:
    """One filter of a search."""
    if operator in {"IN", "NOT_IN"}:
        return {"propertyName": name, "operator": operator, "values": list(values)}
    return {"propertyName": name, "operator": operator, **({"value": values[0]} if values else {}), **more}


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)
