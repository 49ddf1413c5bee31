"""The sandbox as a server: connections, many clients, webhooks, the command."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from crmsync.sandbox import Lag, Sandbox
from tests.waiting import running

CONTACTS = "/crm/objects/2026-09/contacts"
COMMAND = "from crmsync.cli.sandbox import sandbox; sandbox()"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(50, engagements=100, limits=False, lag=Lag(0, 0, 0.0)) as running:
        yield running


def bearer(sandbox: Sandbox) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token}"}


def test_a_connection_serves_many_requests(sandbox: Sandbox) -> None:
    with socket.create_connection(
        (sandbox.url.split("/")[2].split(":")[0], int(sandbox.url.rpartition(":")[2]))
    ) as wire:
        head = f"Host: x\r\nAuthorization: Bearer {sandbox.token}"
        request = f"GET {CONTACTS}?limit=1 HTTP/1.1\r\n{head}\r\n\r\n".encode()
        wire.sendall(request * 3)
        wire.settimeout(5)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3 or not received.endswith(b"}"):
            some = wire.recv(65_536)
            assert some, "it hung up"
            received += some

    assert received.count(b"Connection: keep-alive") == 3


def test_nonsense_on_the_wire_is_400(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=5) as wire:
        wire.sendall(b"HELLO\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 400")


def test_many_clients_write_at_once_and_no_write_is_lost(sandbox: Sandbox) -> None:
    ids = sandbox.portal.world.shelf("contacts").ids[:20]

    def update(id_: int) -> int:
        body = {"properties": {"jobtitle": f"T{id_}"}}
        return requests.patch(
            f"{sandbox.url}{CONTACTS}/{id_}", json=body, headers=bearer(sandbox), timeout=10
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = [*pool.map(update, ids * 5)]

    assert set(statuses) == {200}
    assert [sandbox.portal.world.shelf("contacts").live[id_].text("jobtitle") for id_ in ids] == [
        f"T{id_}" for id_ in ids
    ]


def test_a_chunked_body_is_read(sandbox: Sandbox) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"properties": {"jobt'
        yield b'itle": "Chunky"}}'

    id_ = sandbox.portal.world.shelf("contacts").ids[0]
    said = requests.patch(f"{sandbox.url}{CONTACTS}/{id_}", data=body(), headers=bearer(sandbox), timeout=5)

    assert said.json()["properties"]["jobtitle"] == "Chunky"


class Hook(BaseHTTPRequestHandler):
    taken: list[list[dict[str, Any]]]
    heard: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        type(self).taken.append(body)
        type(self).heard.set()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_webhooks_arrive_over_http(sandbox: Sandbox) -> None:
    Hook.taken, Hook.heard = [], threading.Event()
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        hook = {"url": url, "duplicates": 0, "events": ["contact.propertyChange:country"]}
        requests.post(f"{sandbox.url}/_sandbox/webhooks", json=hook, timeout=5)
        id_ = sandbox.portal.world.shelf("contacts").ids[1]
        sandbox.edits.human(id_, {"country": "Utopia"})
        assert Hook.heard.wait(5)
        sandbox.portal.webhooks.url = ""
        server.shutdown()

    assert [(one["objectId"], one["propertyValue"], one["changeSource"]) for one in Hook.taken[0]] == [
        (id_, "Utopia", "CRM_UI")
    ]


def test_a_port_in_use_is_told_by_the_constructor(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        Sandbox(0, port=int(sandbox.url.rpartition(":")[2]))


def test_outside_edits_over_http(sandbox: Sandbox) -> None:
    def edit(name: str, **given: Any) -> Any:
        said = requests.post(f"{sandbox.url}/_sandbox/edits/{name}", json=given, timeout=5)
        assert said.status_code == 200, said.text
        return said.json()["result"]

    new = edit("create", kind="contacts", values={"lifecyclestage": "lead"})
    edit("workflow", id_=new, values={"lifecyclestage": "marketingqualifiedlead"})
    edit("bump", id_=new, counter="hs_email_open", by=3)
    call = edit("create", kind="calls", values={"hs_timestamp": "2026-11-22T10:00:00.000Z"}, contacts=[new])
    requests.post(f"{sandbox.url}/_sandbox/settle", timeout=5)
    raw = requests.get(f"{sandbox.url}/_sandbox/contacts/{new}", timeout=5).json()

    assert raw["properties"]["hs_email_open"] == "3"
    assert raw["properties"]["num_notes"] == "1"
    assert [one["sourceType"] for one in raw["history"]["lifecyclestage"]] == [
        "AUTOMATION_PLATFORM",
        "CRM_UI",
    ]
    assert raw["associations"]["calls"] == [{"id": call, "types": [193]}]
    other = requests.post(f"{sandbox.url}/_sandbox/apps", json={"id": "77"}, timeout=5).json()["token"]
    body = {"properties": {"country": "PT"}}
    requests.patch(
        f"{sandbox.url}{CONTACTS}/{new}", json=body, headers={"Authorization": f"Bearer {other}"}, timeout=5
    )
    edit("integration", id_=new, values={"country": "ES"}, app_id="78")
    raw = requests.get(f"{sandbox.url}/_sandbox/contacts/{new}", timeout=5).json()
    assert [one["sourceId"] for one in raw["history"]["country"]] == ["78", "77"]
    wrong = requests.post(f"{sandbox.url}/_sandbox/edits/human", json={"id_": new}, timeout=5)
    assert wrong.status_code == 400


def run(*arguments: str) -> AbstractContextManager["subprocess.Popen[str]"]:
    return running(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_what_to_export_and_stops_cleanly(stop: signal.Signals) -> None:
    with run("--port", "0", "--contacts", "5") as command:
        assert command.stdout is not None
        lines = [command.stdout.readline() for _ in range(4)]
        exports = dict(
            line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export")
        )
        url, token = exports["CRMSYNC_PORTAL__BASE_URL"], exports["CRMSYNC_PORTAL__ACCESS_TOKEN"]
        said = requests.get(url + CONTACTS, headers={"Authorization": f"Bearer {token}"}, timeout=5)
        command.send_signal(stop)
        _, errors = command.communicate(timeout=10)

    assert said.status_code == 200
    assert (command.returncode, errors) == (0, "")


def test_the_command_says_that_a_port_is_taken(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    with run("--port", port, "--contacts", "0") as command:
        output, errors = command.communicate(timeout=20)

    assert (command.returncode, output) == (2, "")
    assert port in errors
    assert "--port 0" in errors


def test_the_command_refuses_a_time_zone_nobody_knows() -> None:
    with run("--api-timezone", "Mars/Olympus") as command:
        _, errors = command.communicate(timeout=20)

    assert command.returncode == 2
    assert "Mars/Olympus" in errors
