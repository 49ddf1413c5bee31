"""What stands between crmsync and the portal: it sees every request, and what the trail held at that moment."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from crmsync.sandbox import Portal
from crmsync.sandbox.state.stages import STAGE
from crmsync.sandbox.times import read_instant
from tests.inprocess import FakeTime, PortalAdapter
from tests.simulation.chaos import Reaper

_ONE_CONTACT = re.compile(r".*/objects/(?:[^/]+/)?contacts/([0-9]+)$")
_MOMENT_MS = 10_000  # compare and write lie further apart only if the client let time pass between them
_OPEN = """
select a.id, a.property, a."before", a."after" from audit a join open_intents o on o.seq = a.seq
"""


@dataclass(slots=True)
class Witness:
    """
    Compares every write with the committed intents and with what the portal shows at that moment (G1, G4).

    Attributes:
        faults: what must never happen, sentences.
        seen: contact -> how many effects the portal had when crmsync last read it.
        races: somebody changed the value in the moment between our last look and our write: no client can exclude it.
    """

    portal: Portal
    database: Path
    faults: list[str] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    races: int = 0
    writes: int = 0

    def sees(self, method: str, path: str, body: bytes) -> None:
        world = self.portal.world
        world.settle(world.now_ms())
        if method == "POST" and path.endswith("/contacts/batch/update"):
            for one in json.loads(body)["inputs"]:
                self._judge(int(one["id"]), one["properties"])
        elif method == "PATCH" and (found := _ONE_CONTACT.match(path)):
            self._judge(int(found[1]), json.loads(body)["properties"])

    def has_read(self, path: str, body: bytes) -> None:
        if path.endswith("/contacts/batch/read"):
            shelf = self.portal.world.shelf("contacts")
            for one in json.loads(body)["inputs"]:
                record = shelf.find(int(one["id"]))
                self.seen[record.id if record else int(one["id"])] = len(self.portal.effects)

    def _judge(self, contact: int, values: dict[str, str]) -> None:
        self.writes += 1
        shelf = self.portal.world.shelf("contacts")
        record = shelf.find(contact)
        intended = self._open_intents()
        for name, value in values.items():
            befores = [
                before
                for id_, property_, before, after in intended
                if (property_, after or "") == (name, value)
                and id_ in {contact, *(old for old in shelf.merged if shelf.find(old) is record)}
            ]
            if not befores:
                self.faults.append(f"G1 {contact} {name}: sent without an open intent")
            elif record is not None and not any(
                same(name, record.text(name), before or "") for before in befores
            ):
                self._overwritten(record.id, name)

    def _overwritten(self, contact: int, name: str) -> None:
        last = max(
            (
                n
                for n, one in enumerate(self.portal.effects)
                if (one.id, one.property) == (str(contact), name)
            ),
            default=-1,
        )
        age_ms = self.portal.world.now_ms() - self.portal.effects[last].act.at_ms
        if last >= self.seen.get(contact, 0) and age_ms <= _MOMENT_MS:
            self.races += 1
        elif last >= self.seen.get(contact, 0):
            self.faults.append(f"G4 {contact} {name}: overwritten {age_ms} ms after somebody had set it")
        else:
            self.faults.append(f"G4 {contact} {name}: overwritten although the portal showed another value")

    def _open_intents(self) -> list[tuple[int, str, str | None, str | None]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as conn:
            return [(int(id_), *rest) for id_, *rest in conn.execute(_OPEN)]


class Road(PortalAdapter):
    """The way to the portal: failpoints before and after each request, other people's edits in between."""

    def __init__(
        self,
        portal: Portal,
        *,
        time: FakeTime,
        witness: Witness,
        reaper: Reaper,
        in_between: Callable[[], None],
        latency_s: float = 0.05,
    ) -> None:
        super().__init__(portal, time, latency_s)
        self.witness = witness
        self.reaper = reaper
        self.in_between = in_between

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.reaper.point("before request")
        method, path = request.method or "", request.path_url.partition("?")[0]
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        if not path.endswith("/batch/update") and method != "PATCH":
            self.in_between()
        self.witness.sees(method, path, body)
        response = super().send(request, *args, **kwargs)
        self.witness.has_read(path, body)
        self.reaper.point("after request")
        return response


def same(name: str, one: str, other: str) -> bool:
    """Tell whether two texts of a property mean the same; written apart from the client's own comparison."""
    if one == other:
        return True
    if not one or not other or name == STAGE:
        return False
    if name.endswith(("_at",)):
        return read_instant(one) == read_instant(other)
    if name in {"crmsync_fit", "crmsync_engagement"}:
        return float(one) == float(other)
    return one.strip() == other.strip()
