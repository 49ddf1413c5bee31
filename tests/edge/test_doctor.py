"""What `doctor` asks of a portal, however large it is."""

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from crmsync.cli.doctor import _other_writers
from crmsync.model import Kind, Sighting
from tests.cycle.conftest import a_contact
from tests.fakes import FakePortal


class Large(FakePortal):
    """Has more contacts that changed lately than anybody wants to wait for."""

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        for _ in range(50):
            yield from super().changed(kind, since, until)


def test_who_else_writes_the_stage_is_told_from_one_page_of_a_large_portal() -> None:
    portal = Large()
    for one in range(1, 201):
        portal.put(a_contact(str(one)))
    app: Any = SimpleNamespace(gateway=portal)

    assert "of 200 contacts looked at" in _other_writers(app).found
    assert portal.searches == 1
