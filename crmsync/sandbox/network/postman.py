"""Carries webhooks from a portal to their address while the sandbox runs."""

import http.client
import threading
from urllib.parse import urlsplit

from crmsync.sandbox.changes.webhooks import Webhooks
from crmsync.sandbox.state.world import World

EVERY_S = 0.05
PATIENCE_S = 5.0


class Postman:
    """A thread that lets due things happen and delivers what webhooks have to tell."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._walk, name="sandbox-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=PATIENCE_S + 1)

    def _walk(self) -> None:
        while not self._stopping.wait(EVERY_S):
            if self._webhooks.url:
                self.deliver()

    def deliver(self) -> None:
        """Send what is due, once."""
        world, hooks = self._world, self._webhooks
        with world.lock:
            now_ms = world.now_ms()
            world.settle(now_ms)
            due = hooks.collect(now_ms)
        for delivery in due:
            status = hooks.send(delivery, now_ms, post)
            with world.lock:
                hooks.settle(delivery, status, world.now_ms())


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer, 0 without one."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=PATIENCE_S)
    try:
        connection.request("POST", address.path or "/", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
