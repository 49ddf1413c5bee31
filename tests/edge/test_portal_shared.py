"""G8 on the real clock and over real HTTP, many threads at once: HubSpot's windows, only shorter."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from crmsync.model import Kind
from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import Sandbox

BURST, SPAN_MS = 40, 500


@contextmanager
def beside_another_app(*, burst: int, search: int) -> Iterator[tuple[Sandbox, Gateway]]:
    """Serve a portal of whose limits another app uses so much all the time."""
    with Sandbox(contacts=0) as sandbox:
        limits = sandbox.portal.limits
        limits.burst_limit, limits.burst_others, limits.search.others = BURST, burst, search
        limits.burst(sandbox.portal.app.id, oauth=False).span_ms = SPAN_MS
        gateway = connect(
            PortalConfig(base_url=sandbox.url, access_token=sandbox.token),
            monotonic=time.monotonic,
            sleep=time.sleep,
            utcnow=lambda: datetime.now(UTC),
        )
        gateway.account()  # whose answer tells the limit
        yield sandbox, gateway
        gateway.close()


def read_and_search(gateway: Gateway, reads: int, searches: int) -> None:
    """Do so from eight threads; raises what one of them raised."""
    now = datetime.now(UTC)

    def read(_: int) -> None:
        gateway.page(Kind.NOTE, properties=(), associations=(), after=None)

    def search(_: int) -> None:
        list(gateway.changed(Kind.NOTE, now - timedelta(days=1), now))

    with ThreadPoolExecutor(8) as pool:
        searching, reading = pool.map(search, range(searches)), pool.map(read, range(reads))
        assert len([*reading, *searching]) == reads + searches


def test_g8_alone_nothing_is_refused() -> None:
    with beside_another_app(burst=0, search=0) as (sandbox, gateway):
        read_and_search(gateway, reads=160, searches=8)

        assert sandbox.portal.limits.refused == {}


def test_g8_beside_an_app_that_uses_half_of_the_limits_nothing_fails_and_next_to_nothing_is_refused() -> None:
    with beside_another_app(burst=BURST // 2, search=2) as (sandbox, gateway):
        read_and_search(gateway, reads=120, searches=6)

        refused = sandbox.portal.limits.refused
        assert refused.get("TEN_SECONDLY_ROLLING", 0) <= 1
        assert (
            refused.get("SECONDLY", 0) <= 3
        )  # no answer tells what is left of searches: it is found by trying
