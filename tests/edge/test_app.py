"""The composition root: what it makes, when, and what it refuses."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from crmsync.app import App
from crmsync.errors import RateLimited, Stopped, StoreError
from crmsync.model import Own, Result
from crmsync.sandbox import Sandbox
from crmsync.sandbox.portal import APP_ID
from crmsync.settings import load
from crmsync.store import open_store
from crmsync.store.lease import Holder
from tests.inprocess import FakeTime
from tests.served import a_change, an_intent

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with Sandbox(contacts=5, engagements=5, limits=False) as sandbox:
        settings = {
            "portal.base_url": sandbox.url,
            "portal.access_token": sandbox.token,
            "store.url": f"sqlite:///{tmp_path}/crmsync.db",
            "definition.path": DEFINITION,
        }
        with App(load(settings).settings) as opened:
            opened.gateway.schema.setup()
            yield opened


def test_a_lease_that_cannot_be_given_back_does_not_lock_the_next_cycle_out(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(type(app.store.lease), "release", full)
        with pytest.raises(StoreError), app.engine():
            pass

    with app.engine() as engine:
        assert engine.plan().status in {"open", "parked"}


def test_who_signed_this_content_is_noted_once(app: App, tmp_path: Path) -> None:
    from crmsync.definition.signing import sign

    signed = tmp_path / "definition.yaml"
    signed.write_bytes(DEFINITION.read_bytes())
    sign(signed, role="sales", who="bo@acme.example", at=app.now())
    with App(
        app.settings.model_copy(
            update={"definition": app.settings.definition.model_copy(update={"path": signed})}
        )
    ) as other:
        for _ in range(2):
            with other.engine():
                pass
        noted = [one for one in other.store.trail.export() if one["kind"] == "definition.signed"]

    assert [(one["actor"], one["reason"]["role"]) for one in noted] == [("bo@acme.example", "sales")]


def test_the_id_of_our_own_app_is_kept_with_the_first_write_whatever_becomes_of_the_cycle(app: App) -> None:
    with app.engine():
        written = list(app.gateway.update([an_intent(a_change("101", Own.GRADE, "A1", before=None))]))
        kept = app.store.meta.app_id

    assert [one.result for one in written] == [Result.APPLIED]
    assert kept == APP_ID


def test_what_another_process_learnt_of_our_own_app_is_known_from_the_next_cycle_on(app: App) -> None:
    assert app.gateway.app_id is None
    app.store.meta.learn_app_id("8111608")  # by the daemon whose turn it was

    with app.engine():
        assert app.gateway.app_id == "8111608"


def test_g8_the_portals_midnight_is_known_to_the_next_process_before_it_can_ask(app: App) -> None:
    with app.engine():
        pass
    spent = {"eat": {"daily": 10**9}, "enforced": True}
    requests.post(f"{app.settings.portal.base_url}/_sandbox/budget", json=spent, timeout=10)

    with App(app.settings) as next_one, pytest.raises(RateLimited) as raised, next_one.engine():
        pass

    assert raised.value.policy == "DAILY"
    assert "(Europe/Brussels)" in str(raised.value)


def test_g11_many_short_waits_for_the_portal_do_not_cost_the_lease(app: App) -> None:
    time, settings = FakeTime(), app.settings
    elsewhere = Holder("another-host/boot/ns", 4711, "1")
    other = open_store(settings.store.url.get_secret_value(), portal=None, now=time.wall, holder=elsewhere)
    waiting = App(settings, now=time.wall, monotonic=time.monotonic, sleep=time.sleep)
    with waiting, closing(other), waiting.engine():
        refused = {"kind": "burst", "path": "/account-info/*", "count": 12}  # ten seconds each
        requests.post(f"{settings.portal.base_url}/_sandbox/faults", json=refused, timeout=10)
        waiting.gateway.schema.account()

        assert time.slept >= 120
        assert other.lease.take() is not None


@pytest.mark.parametrize("path", ["/account-info/*", "*/batch/update"])
def test_told_to_stop_it_gives_up_what_waits_for_the_portal(app: App, path: str) -> None:
    time, contact = FakeTime(), "101"
    refused = {"kind": "burst", "path": path, "count": None}
    requests.post(f"{app.settings.portal.base_url}/_sandbox/faults", json=refused, timeout=10)
    waiting = App(
        app.settings, monotonic=time.monotonic, sleep=time.sleep, should_stop=lambda: time.slept > 3
    )
    intents = [an_intent(a_change(contact, Own.FIT, "30"))]
    with waiting, pytest.raises(Stopped):
        list(waiting.gateway.update(intents)) if "update" in path else waiting.gateway.schema.account()

    assert time.slept < 5
