"""A portal in the hands of a test: requests over real HTTP, and a clock that moves when told."""

import atexit
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import orjson
import requests

from crmsync.sandbox import Body, Lag, ManualClock, Options, Portal, Request, Reset, Response, seeded_portal
from crmsync.sandbox.control import Controlled
from crmsync.sandbox.network.server import Server

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONTACTS = "/crm/objects/2026-09/contacts"


class Exchange:
    """One server for every portal under test: the header `X-Portal` says whom a request is for."""

    def __init__(self) -> None:
        self._portals: WeakValueDictionary[str, Controlled] = WeakValueDictionary()
        self._numbers = count(1)
        self._server = Server(self)
        self._server.start()
        self._session = requests.Session()
        atexit.register(self._close)

    def connect(self, portal: Controlled) -> str:
        """The name under which it is reached from now on."""
        name = str(next(self._numbers))
        self._portals[name] = portal
        return name

    def handle(self, request: Request, /) -> Response | Reset:
        return self._portals[request.headers["x-portal"]].handle(request)

    def ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Response:
        said = self._session.request(
            method, self._server.url + target, data=body, headers=headers, timeout=30
        )
        return Response(said.status_code, said.content, tuple(said.headers.items()))

    def _close(self) -> None:
        self._session.close()
        self._server.stop()


_exchange = cache(Exchange)


class Api:
    """One portal under test."""

    def __init__(self, portal: Portal, clock: ManualClock) -> None:
        self.portal = portal
        self.clock = clock
        self.token = portal.token
        self._controlled = Controlled(portal)
        self._name = _exchange().connect(self._controlled)

    def ask(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        sent = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        usual = {"X-Portal": self._name, "Authorization": f"Bearer {self.token}"}
        return _exchange().ask(method, target, sent, {**usual, **(headers or {})})

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


def an_api(
    contacts: int = 0, *, engagements: int | None = None, lag: Lag | None = None, **options: Any
) -> Api:
    """An empty portal without limits and search lag, unless said otherwise."""
    clock = ManualClock(START)
    given: dict[str, Any] = {"limits": False, "lag": lag or Lag(0, 0, 0.0)} | options
    made = Options(**given)
    return Api(seeded_portal(contacts, engagements=engagements, options=made, clock=clock), clock)


def where(name: str, operator: str, *values: Any, **more: Any) -> Body:
    """One filter of a search."""
    if operator in {"IN", "NOT_IN"}:
        return {"propertyName": name, "operator": operator, "values": list(values)}
    return {"propertyName": name, "operator": operator, **({"value": values[0]} if values else {}), **more}


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)
