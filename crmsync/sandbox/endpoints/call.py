"""One routed request at work, as the endpoints see it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from crmsync.sandbox.gate.access import App
from crmsync.sandbox.gate.limits import Limits
from crmsync.sandbox.state.kinds import BY_NAME, Kind
from crmsync.sandbox.state.record import Act, Record, Source
from crmsync.sandbox.state.shelf import Shelf
from crmsync.sandbox.state.world import API, World
from crmsync.sandbox.wire import ApiError, Body, Request, a_number, a_text, an_id, an_object, not_found


@dataclass(frozen=True, slots=True)
class Call:
    """
    Attributes:
        family: `v3`, `v4`, `2026-03`, `2026-09`, ...
        params: what the placeholders of the route matched.
    """

    world: World
    limits: Limits
    request: Request
    family: str
    params: dict[str, str]
    app: App
    now_ms: int

    @property
    def act(self) -> Act:
        """A write through the API: by the app, now."""
        return Act(Source(API, self.app.id), self.now_ms)

    def kind(self, name: str = "kind") -> Kind:
        found = BY_NAME.get(self.params[name].lower())
        if found is None:
            raise ApiError(400, f"Unable to infer object type from: {self.params[name]}")
        return found

    def shelf(self) -> Shelf:
        return self.world.shelf(self.kind())

    def body(self) -> Body:
        """The body as an object. *Raises* ApiError 400."""
        return an_object(self.request.json(), "body")

    def one(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return dict(self.request.query).get(name, default)

    def many(self, name: str) -> list[str]:
        """A list in the query, repeated or with commas."""
        return [part for key, value in self.request.query if key == name for part in value.split(",") if part]

    def whole(self, name: str, default: int, most: int | None = None) -> int:
        """A whole number in the query. *Raises* ApiError 400."""
        text = self.one(name) or str(default)
        number = a_number(text)
        if number is None:
            raise ApiError(400, f"{name} must be an integer, was: {text[:40]}")
        if most is not None and number > most:
            raise ApiError(400, f"{name} must be less than or equal to {most}, was: {number}")
        return number

    @property
    def address(self) -> str:
        """Where the request came to, without its query."""
        return f"http://{self.request.headers.get('host', 'api.hubapi.com')}{self.request.path}"

    def next_page(self, after: str) -> Body:
        """`paging` of an answer that is not the last: the same request again, with this cursor."""
        kept = [(key, value) for key, value in self.request.query if key != "after"]
        return {"next": {"after": after, "link": f"{self.address}?{urlencode([*kept, ('after', after)])}"}}

    def is_on(self, name: str) -> bool:
        return self.one(name).lower() == "true"


def find(call: Call, text: Any, id_property: Any = None) -> Record | None:
    """The living record that an id or a unique value names; also by the id of one that was merged away."""
    shelf, text = call.shelf(), a_text(text, "id")
    if (id_property := a_text(id_property, "idProperty")) not in ("", "hs_object_id"):
        if id_property not in shelf.unique_names:
            raise ApiError(400, f"Property {id_property} is not a unique identifier property")
        owner = shelf.owner_of(id_property, text)
        return shelf.find(owner) if owner is not None else None
    return shelf.find(an_id(text))


def must_find(call: Call, text: str, id_property: str | None) -> Record:
    """*Raises* ApiError 404."""
    found = find(call, text, id_property)
    if found is None:
        raise not_found()
    return found
