"""Each contract runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from crmsync.store import Store, open_store
from tests.stores import Clock, Salts


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    opened = open_store(store_url, portal="148001", now=clock, salt=Salts())
    yield opened
    opened.close()
