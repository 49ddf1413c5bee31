"""Every request that came in, oldest first."""

from dataclasses import dataclass

from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import Body, Request, Reset, Response

KEPT = 400_000
"""More than that and the oldest are forgotten."""


@dataclass(slots=True)
class Logged:
    """One request as the portal saw it. `body` is kept for writes and searches; a reset has status 0."""

    n: int
    at_ms: int
    method: str
    target: str
    status: int
    app: str
    body: bytes
    fault: str

    def json(self) -> Body:
        path, _, query = self.target.partition("?")
        return {
            "n": self.n, "at": iso(self.at_ms), "method": self.method, "path": path, "query": query,
            "status": self.status,
            "app": self.app, "body": self.body.decode(errors="replace"), "fault": self.fault or None,
        }  # fmt: skip


def logged(request: Request, said: Response | Reset, *, n: int, at_ms: int, app: str, fault: str) -> Logged:
    """What is kept of a request."""
    is_read = request.method == "GET" or request.path.endswith("/batch/read")
    status = said.status if isinstance(said, Response) else 0
    body = b"" if is_read else request.body
    return Logged(n, at_ms, request.method, request.target, status, app, body, fault)
