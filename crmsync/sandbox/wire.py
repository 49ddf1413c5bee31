"""The request and the answer as values, so that the portal can be used without a socket."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

Body = dict[str, Any]
"""A JSON object as HubSpot speaks it."""

JSON_HEADER = ("Content-Type", "application/json;charset=utf-8")
MOST_DIGITS = 18
HTML_HEADER = ("Content-Type", "text/html; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request.

    Attributes:
        target: path and query as they stand in the request line, without the host.
        headers: names in lower case.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def json(self) -> Any:
        """The body as JSON; an empty body is an empty object. *Raises* ApiError 400."""
        if not self.body:
            return {}
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise malformed("unreadable body") from error


@dataclass(frozen=True, slots=True)
class Response:
    """
    One answer, and how it travels.

    Attributes:
        hang_s: silence before the first byte.
        drip_s: the body takes this long, sent in small pieces.
        cut_at: the connection closes after so many bytes of the body; None sends all of it.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (JSON_HEADER,)
    hang_s: float = 0.0
    drip_s: float = 0.0
    cut_at: int | None = None

    def json(self) -> Any:
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_headers(self, *headers: tuple[str, str]) -> "Response":
        return replace(self, headers=self.headers + headers)


@dataclass(frozen=True, slots=True)
class Reset:
    """
    The connection is reset instead of an answer.

    Attributes:
        applied: whether the request took effect before; its answer is lost.
        hang_s: silence before the reset.
    """

    applied: bool
    hang_s: float = 0.0


NOTHING = Response(204, headers=())
"""Done, and nothing to say."""


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, orjson.dumps(body))


@dataclass
class ApiError(Exception):
    """A refusal in HubSpot's error envelope."""

    status: int
    message: str
    category: str = "VALIDATION_ERROR"
    errors: list[Body] = field(default_factory=list)
    context: Body = field(default_factory=dict)
    more: Body = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()

    def envelope(self, correlation_id: str) -> Response:
        body: Body = {"status": "error", "message": self.message, "correlationId": correlation_id}
        if self.category:
            body["category"] = self.category
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        return answer({**body, **self.more}, self.status).with_headers(*self.headers)


def malformed(what: str) -> ApiError:
    return ApiError(400, f"Invalid input JSON on line 1, column 1: {what}")


def an_object(value: Any, name: str) -> Body:
    """The value as an object; None is an empty one. *Raises* ApiError 400."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(f"`{name}` must be an object")
    return value


def a_list(value: Any, name: str) -> list[Any]:
    """The value as a list; None is an empty one. *Raises* ApiError 400."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed(f"`{name}` must be a list")
    return value


def a_text(value: Any, name: str) -> str:
    """The value as text; a number is taken as its digits, None as "". *Raises* ApiError 400."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise malformed(f"`{name}` must be a text")
    return str(value)


def a_number(text: str) -> int | None:
    """A whole number of at most 18 digits; None when the text is none. An id is one, an offset too."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def an_id(given: Any) -> int:
    """The id a text or number stands for; 0, which nothing has, when it is none."""
    return a_number(str(given)) or 0


def cursor_of(place: int) -> str:
    """A place in a list as a cursor that tells nothing."""
    return base64.urlsafe_b64encode(f"0-{place}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> int:
    """The place that a cursor stands for; "" is the start. *Raises* ApiError 400."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        place = a_number(text.removeprefix("0-"))
    except ValueError:
        place = None
    if place is None:
        raise ApiError(400, f"after is not a cursor of this list: {cursor[:40]}")
    return place


def not_found(message: str = "resource not found") -> ApiError:
    return ApiError(404, message, "OBJECT_NOT_FOUND")
