"""A server that answers for ever, byte by byte: a whole answer has a time limit, wherever it drips."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

import pytest

from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.wire import Broken, HttpWire
from tests.inprocess import FakeTime

OK = b"HTTP/1.1 200 OK\r\n"
LONG = OK + b"Content-Length: 100000\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff"
NOTHING = b"\0\0\0\xff\xff"  # a block of gzip that holds nothing


@contextmanager
def dripping(beginning: bytes, drip: bytes) -> Iterator[int]:
    """Answer a request so, and hang up after four seconds if the client does not. Yields the port."""
    is_over = threading.Event()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            for some in (beginning, *[drip] * 400):
                connection.sendall(some)
                is_over.wait(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            thread.join(timeout=10)


def ticking() -> Callable[[], float]:
    """Return a clock on which every look takes four seconds, of the ten that an answer may take."""
    looks = count()
    return lambda: 4.0 * next(looks)


@pytest.mark.parametrize(
    ("beginning", "drip"),
    [
        pytest.param(b"", b"H", id="the status line"),
        pytest.param(OK, b"x", id="a header"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="promises to go on"),
        pytest.param(LONG, b"x", id="a body"),
        pytest.param(OK + b"\r\n", b"x", id="a body of no said length"),
        pytest.param(CHUNKED, b"0", id="the size of a chunk"),
        pytest.param(CHUNKED, b"1\r\n \r\n", id="chunks"),
        pytest.param(CHUNKED + b"0\r\n", b"X-More: of it\r\n", id="trailers"),
        pytest.param(GZIPPED, NOTHING, id="blocks of gzip that hold nothing"),
    ],
)
def test_an_answer_that_drips_for_ever_is_given_up(beginning: bytes, drip: bytes) -> None:
    with dripping(beginning, drip) as port:
        config = PortalConfig(base_url=f"http://127.0.0.1:{port}", timeout_s=5.0)
        time = FakeTime()
        wire = HttpWire(config, Time(ticking(), time.sleep, time.wall), None)
        with closing(wire), pytest.raises(Broken, match="it took too long"):
            wire.exchange("GET", "/crm", {}, None)
