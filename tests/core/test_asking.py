"""What a person types for a contact or an instant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crmsync.cli.asking import contact_of, instant_of, instant_text
from crmsync.errors import OperatorError
from crmsync.model import Draft, Intake, Kind, Snapshot
from crmsync.store import Store, open_store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")  # asking changes nothing
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(
        f"sqlite:///{tmp_path_factory.mktemp('asking')}/crmsync.db", portal="1", now=lambda: NOW
    )
    known = Snapshot(Kind.CONTACT, "101", NOW, {}, emails=("anna@acme.example",), merged_ids=("99",))
    opened.mirror.take(Intake(snapshots=(known,)))
    opened.trail.append([Draft("contact.deleted", object="contact", id="55", actor="portal")])
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T10:30", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("2026-11-22T10:30Z", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("2026-11-22T10:30+02:00", datetime(2026, 11, 22, 8, 30, tzinfo=UTC)),
        (" 2026-11-22 10:30 ", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
    ],
)
def test_an_instant_is_a_date_a_time_or_an_age(text: str, at: datetime) -> None:
    assert instant_of(text, NOW, "--at") == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-45",
        "7",
        "d",
        "-7d",
        "999999w",
        "7d ago",
        "\u0667d",
        "0001-01-01T00:00+14:00",
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(OperatorError, match="is not an instant") as refused:
        instant_of(text, NOW, "--at")

    assert "24h" in refused.value.next_step


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("101", "101"),
        (" 101 ", "101"),
        ("Anna@ACME.example", "101"),
        pytest.param("99", "101", id="merged away: the contact that lives on"),
        pytest.param("55", "55", id="only the trail knows it"),
    ],
)
def test_a_contact_is_found_by_id_or_address(store: Store, text: str, contact: str) -> None:
    assert contact_of(store, text) == contact


@pytest.mark.parametrize(
    "text", ["", "  ", "7", "bo@acme.example", "' OR 1=1 --", "%", "10_", "\x00", "é" * 10_000]
)
def test_an_unknown_contact_is_refused_without_repeating_an_address(store: Store, text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        contact_of(store, text)

    assert refused.value.next_step
    assert "bo@acme.example" not in str(refused.value)


def test_an_instant_is_written_with_milliseconds_in_utc() -> None:
    assert instant_text(datetime.fromisoformat("2026-11-22T14:00:00+02:00")) == "2026-11-22T12:00:00.000Z"
