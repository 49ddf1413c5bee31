"""What `doctor` asks of a portal, however large it is."""

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from crmsync.cli.doctor import _other_writers
from crmsync.model import Kind, Sighting
from tests.fakes import NOW, FakePortal


class Large(FakePortal):
    """Has more contacts that changed lately than anybody wants to wait for."""

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        for page in range(50):
            self.searches += 1
            yield tuple(Sighting(str(page * 200 + one), NOW) for one in range(200))


def test_who_else_writes_the_stage_is_told_from_one_page_of_a_large_portal() -> None:
    portal = Large()
    app: Any = SimpleNamespace(gateway=portal)

    assert "of 200 contacts looked at" in _other_writers(app).found
    assert portal.searches == 1
