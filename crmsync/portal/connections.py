"""
Connections on which a whole answer has a time limit, not only each silence.

The limit of `requests` starts again with every byte: a server that drips its head, its body or promises to go on would
be listened to for ever.
"""

import io
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

_POOL = 32


class LimitedAdapter(HTTPAdapter):
    """
    Pools connections towards one portal, straight or by way of a proxy.

    Args:
        longest_s: how long an answer may take from the end of its request to its own end.
    """

    def __init__(self, monotonic: Callable[[], float], longest_s: float) -> None:
        self._pools = _pools(monotonic, longest_s)
        super().__init__(pool_connections=1, pool_maxsize=_POOL, max_retries=0)

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        super().init_poolmanager(*given, **more)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *given: Any, **more: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*given, **more)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(monotonic: Callable[[], float], longest_s: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Make the pools by scheme, of connections whose answers have that limit: urllib3 is given classes only."""

    class Answer(HTTPResponse):
        def __init__(self, sock: socket.socket, *given: Any, **more: Any) -> None:
            super().__init__(sock, *given, **more)
            self.fp.close()
            self.fp = io.BufferedReader(_Limited(sock, monotonic, longest_s))

    class Connection(HTTPConnection):
        response_class = Answer

    class SecureConnection(HTTPSConnection):
        response_class = Answer

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class _Limited(io.RawIOBase):
    """Reads a socket until it has taken too long."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float], longest_s: float) -> None:
        super().__init__()
        self._socket = sock
        self._silence_s = sock.gettimeout() or longest_s
        self._monotonic = monotonic
        self._deadline = monotonic() + longest_s
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - self._monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(min(self._silence_s, left_s))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
