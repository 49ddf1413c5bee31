"""G10: whoever has the database's password can change it, but not unnoticed."""

import pytest
import sqlalchemy as sa

from crmsync.errors import StoreError, VerificationError
from crmsync.model import Draft
from crmsync.store import Store
from crmsync.store.audit import verify
from tests.stores import RUN, Clock, a_contact, an_intent_draft, applied, intend, take, tamper


@pytest.fixture
def trail(store: Store, clock: Clock) -> Store:
    take(store, a_contact("1"), a_contact("2"))
    for contact in ("1", "2", "1"):
        (intent,) = intend(store, an_intent_draft(contact, reason={"score": 71.5, "name": "Ann"}))
        store.trail.settle([applied(intent)], RUN)
        clock.forward(minutes=1)
    return store


@pytest.fixture
def shared(trail: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A trail that is short and yet shared by three processes, two entries each."""
    monkeypatch.setattr(verify, "_ENTRIES_A_WORKER", 2)
    return trail


def first_bad(store: Store) -> int | None:
    with pytest.raises(VerificationError) as caught:
        store.trail.verify()
    return caught.value.seq


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-11-22T12:00:00.001Z'",
        "kind = 'change.failed'",
        "run = 'r-9'",
        "run = NULL",
        "portal = '1'",
        "object = 'company'",
        "id = '1'",
        "property = 'crmsync_fit'",
        "before = 'customer'",
        "before = NULL",
        "after = 'customer'",
        "after = NULL",
        "reason = NULL",
        """reason = '{"name":"Ann","score"\\:71.6}'""",
        "before = NULL, after = NULL, reason = NULL",
        "of = 9",
        "cause = 'demoted'",
        "definition = NULL",
        "actor = 'somebody'",
        "values_digest = prev",
        "prev = hash",
        "hash = prev",
    ],
)
def test_an_edit_of_any_field_is_found(trail: Store, change: str) -> None:
    tamper(trail, f"UPDATE audit SET {change} WHERE seq = 3")

    assert first_bad(trail) == 3


@pytest.mark.parametrize("seq", [1, 4])
def test_a_deleted_entry_is_found(trail: Store, seq: int) -> None:
    tamper(trail, "DELETE FROM audit WHERE seq = :seq", seq=seq)

    assert first_bad(trail) == seq


def test_a_gap_that_was_closed_is_found(trail: Store) -> None:
    tamper(trail, "DELETE FROM audit WHERE seq = 4")
    with trail.database.write_unfenced() as conn:
        for seq in (5, 6):
            conn.execute(sa.text("UPDATE audit SET seq = :to WHERE seq = :seq"), {"seq": seq, "to": seq - 1})

    assert first_bad(trail) == 4


@pytest.mark.parametrize("seq", [0, 7, -1])
def test_an_inserted_entry_is_found(trail: Store, seq: int) -> None:
    columns = ", ".join(
        f'"{name}"' for name in ("at", "kind", "portal", "actor", "values_digest", "prev", "hash")
    )
    tamper(
        trail, f"INSERT INTO audit (seq, {columns}) SELECT :seq, {columns} FROM audit WHERE seq = 6", seq=seq
    )

    assert first_bad(trail) in {1, seq}


def test_two_entries_that_changed_places_are_found(trail: Store) -> None:
    tamper(trail, "UPDATE audit SET seq = 99 WHERE seq = 2")
    with trail.database.write_unfenced() as conn:
        conn.execute(sa.text("UPDATE audit SET seq = 2 WHERE seq = 3"))
        conn.execute(sa.text("UPDATE audit SET seq = 3 WHERE seq = 99"))

    assert first_bad(trail) == 2


def test_a_truncation_is_found_against_an_exported_head(trail: Store) -> None:
    head = trail.trail.head()
    trail.trail.append([Draft("run.finished", RUN)])
    assert trail.trail.verify(head.hash).entries == 7
    tamper(trail, "DELETE FROM audit WHERE seq > 4")

    assert trail.trail.verify().entries == 4
    with pytest.raises(VerificationError, match="lacks the head") as caught:
        trail.trail.verify(head.hash)
    assert caught.value.seq is None
    assert caught.value.exit_status == 7


def test_a_trail_written_anew_is_found_against_an_exported_head(trail: Store) -> None:
    head = trail.trail.head()
    tamper(trail, "DELETE FROM audit")
    trail.trail.append([Draft("run.finished", RUN)])

    assert trail.trail.verify().entries == 1
    with pytest.raises(VerificationError):
        trail.trail.verify(head.hash)


def test_a_salt_that_was_changed_or_dropped_is_found(trail: Store) -> None:
    tamper(trail, "DELETE FROM salts WHERE contact = '2'")

    assert first_bad(trail) == 3


def test_processes_that_share_a_trail_prove_the_same_as_one(shared: Store) -> None:
    head = shared.trail.head()

    alone, together = shared.trail.verify(head.hash), shared.trail.verify(head.hash, workers=3)

    assert together == alone
    with pytest.raises(VerificationError, match="lacks the head"):
        shared.trail.verify("ab" * 32, workers=3)


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        pytest.param("DELETE FROM audit WHERE seq = 2", 2, id="the last of a stretch is gone"),
        pytest.param("DELETE FROM audit WHERE seq IN (2, 3)", 2, id="and the first of the next"),
        pytest.param("UPDATE audit SET hash = prev WHERE seq = 4", 4, id="what the next stretch follows"),
        pytest.param("UPDATE audit SET cause = 'x' WHERE seq IN (3, 6)", 3, id="two of them: the first"),
        pytest.param("UPDATE audit SET seq = -1 WHERE seq = 6", -1, id="a number that was never given"),
    ],
)
def test_processes_that_share_a_trail_name_the_first_bad_entry(shared: Store, change: str, bad: int) -> None:
    tamper(shared, change)

    with pytest.raises(VerificationError) as caught:
        shared.trail.verify(workers=3)

    assert caught.value.seq in {bad, 1} if bad < 0 else caught.value.seq == bad


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("field", ["cause", "before", "definition", "reason", "values_digest", "id"])
def test_bytes_where_a_text_stood_are_found(trail: Store, field: str) -> None:
    """SQLite keeps them, whatever its column is declared to hold."""
    tamper(trail, f"UPDATE audit SET {field} = x'00ff' WHERE seq = 3")

    assert first_bad(trail) == 3


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_text_that_no_text_can_be_read_from_is_found(trail: Store) -> None:
    tamper(trail, "UPDATE audit SET cause = CAST(x'00ff' AS TEXT) WHERE seq = 3")

    with pytest.raises(StoreError, match="holds a text that is not UTF-8") as caught:
        trail.trail.verify()
    assert caught.value.exit_status == 6
