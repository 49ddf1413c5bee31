"""One request on its way to a page: what was asked, by whom, and how to answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from crmsync.plots.svg import STYLE, Plots
from crmsync.web.checking import Checking
from crmsync.web.desk import Desk
from crmsync.web.protection import picture_policy
from crmsync.web.rendering import Rendering
from crmsync.web.server import WebConfig
from crmsync.web.sessions import Sessions, Throttle

LONGEST_NAME = 80
NAMELESS = f"Write your name (at most {LONGEST_NAME} characters): the audit trail keeps who decided."


@dataclass(frozen=True, slots=True)
class Ask:
    """
    What a page function gets.

    Attributes:
        form: of a POST, already checked to come from our own page.
        form_token: what every form of the answer must carry.
    """

    request: Request
    desk: Desk
    now: datetime
    form: Mapping[str, str]
    session: str
    form_token: str
    is_signed_in: bool
    config: WebConfig
    sessions: Sessions
    throttle: Throttle
    rendering: Rendering
    plots: Plots
    checking: Checking

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        return self.request.query_params.get(name, "").strip()

    def query_number(self, name: str) -> int | None:
        """Return a whole number of the query; None: absent, or no number that can be one of ours."""
        text = self.query(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def who(self) -> str | None:
        """Return the name that the trail keeps with what a form asks for; None: there is none."""
        name = " ".join(self.form.get("who", "").split())
        return name if 0 < len(name) <= LONGEST_NAME and name.isprintable() else None

    def page(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **shown: Any
    ) -> Response:
        text = self.rendering.render(
            template,
            now=self.now,
            path=self.request.url.path,
            form_token=self.form_token,
            can_sign_out=self.config.needs_login and self.is_signed_in,
            is_signed_in=self.is_signed_in,
            **shown,
        )
        return HTMLResponse(text, status, headers)

    def picture(self, svg: str) -> Response:
        headers = {"content-security-policy": picture_policy(STYLE), "cache-control": "private, max-age=60"}
        return Response(svg, 200, headers, "image/svg+xml")

    def go(self, path: str) -> Response:
        return RedirectResponse(path, 303)


Page: TypeAlias = Callable[[Ask], Response]


def not_here(text: str) -> HTTPException:
    return HTTPException(404, text)
