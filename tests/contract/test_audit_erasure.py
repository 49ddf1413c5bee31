"""Forgetting a person: no value of theirs is left, and the chain still verifies."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from crmsync.errors import OperatorError, StoreError
from crmsync.model import STAGE, Association, ContactId, Draft, Gone, Intake, Kind, PlanId, Signal, Version
from crmsync.store import Store, open_store
from crmsync.store.audit.reading import AuditFilter
from crmsync.store.tables import metadata
from tests.stores import (
    NOON,
    RUN,
    Clock,
    a_call,
    a_change,
    a_contact,
    a_plan,
    a_submission,
    an_intent_draft,
    applied,
    intend,
    take,
)

SECRET = "Zyxwv-Personal"
ANN = ContactId("101")


def fill(store: Store) -> None:
    """Put the secret everywhere a person's values can be."""
    contact = a_contact(emails=(f"{SECRET}@example.com",), firstname=SECRET, companies=["9"])
    version = Version("lead", NOON, "CRM_UI", SECRET, is_person=True)
    take(store, contact, a_contact("102", emails=("other@example.com",), firstname="Bob"))
    take(store, a_contact(emails=(f"{SECRET}@example.com",), firstname=f"{SECRET}-2", companies=["9"]))
    store.mirror.take(
        Intake(
            snapshots=(a_call("55", ["101"]), a_call("56", ["101", "102"])),
            submissions=(a_submission("s-1", f"{SECRET}@example.com"),),
            signals=(Signal(ANN, SECRET, NOON, 1),),
            versions={ANN: version},
            due=((Kind.CONTACT, "101"),),
        )
    )
    draft = an_intent_draft(
        property_name="crmsync_reason", before=SECRET, after=SECRET, reason={"name": SECRET}
    )
    (intent,) = intend(store, draft)
    store.trail.settle([applied(intent, shown=SECRET)], RUN)
    store.trail.append([an_intent_draft("102", reason={"name": "Bob"})])
    store.plans.begin(a_plan())
    store.plans.add(PlanId("p-1"), [a_change(reason={"name": SECRET}), a_change("102")])


def everything(store: Store) -> str:
    with store.database.read() as conn:
        return repr([conn.execute(sa.select(table)).all() for table in metadata.sorted_tables])


def test_no_value_is_left_in_any_table(store: Store) -> None:
    fill(store)
    before = everything(store)
    erased = store.erase(ANN, "dpo@example.com")

    assert SECRET in before
    assert SECRET not in everything(store)
    assert erased.contacts == (ANN,)
    assert erased.entries == 2


def test_the_chain_still_verifies_and_says_who_erased(store: Store) -> None:
    fill(store)
    head = store.trail.head().hash
    store.erase(ANN, "dpo@example.com")

    proof = store.trail.verify(head)
    newest = store.trail.entries(AuditFilter(contact=ANN), limit=1)[0]
    assert proof.erased == 2
    assert (newest.draft.kind, newest.draft.id, newest.draft.actor) == (
        "contact.erased",
        "101",
        "dpo@example.com",
    )


def test_others_keep_what_is_theirs(store: Store) -> None:
    fill(store)
    store.erase(ANN, "dpo")

    bob = store.mirror.contact(ContactId("102"))
    assert bob is not None
    assert bob.contact.properties == {STAGE: "lead", "firstname": "Bob"}
    assert len(bob.contact.events) == 1  # the call they had together
    assert store.mirror.snapshots(Kind.CALL, ["55", "56"]).keys() == {"56"}
    assert [change.contact for some in store.plans.changes(PlanId("p-1")) for change in some] == ["102"]
    assert store.trail.entries(AuditFilter(contact=ContactId("102")))[0].draft.reason == {"name": "Bob"}


def test_submissions_do_not_come_back_with_the_next_reading(store: Store) -> None:
    fill(store)
    store.erase(ANN, "dpo")
    store.mirror.take(Intake(submissions=(a_submission("s-1", f"{SECRET}@example.com"),)))

    assert SECRET not in everything(store)


def test_those_merged_into_it_are_forgotten_with_it(store: Store) -> None:
    take(store, a_contact("101", firstname=SECRET), a_contact("100", firstname=SECRET))
    store.trail.append([an_intent_draft("100", reason={"name": SECRET})])
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "100", into="101"),)))
    erased = store.erase(ContactId("100"), "dpo")

    assert erased.contacts == ("101", "100")
    assert SECRET not in everything(store)
    assert store.trail.verify().erased == 2  # the intent, and the end it was given


def test_an_intent_still_open_ends_as_abandoned(store: Store) -> None:
    take(store, a_contact())
    (intent,) = intend(store, an_intent_draft())
    store.erase(ANN, "dpo")

    outcome = store.trail.outcome_of(intent.seq)
    assert outcome is not None
    assert (outcome.draft.kind, outcome.draft.cause) == ("change.abandoned", "erased")
    assert list(store.trail.open_intents()) == []


def test_a_contact_can_be_erased_again_after_it_came_back(store: Store) -> None:
    fill(store)
    store.erase(ANN, "dpo")
    fill_again = a_contact(firstname=SECRET, companies=[Association("9", is_primary=True)])
    take(store, fill_again)
    store.trail.append([an_intent_draft(reason={"name": SECRET})])
    assert store.trail.verify().erased == 2
    store.erase(ANN, "dpo")

    assert SECRET not in everything(store)
    # two, the new intent and the end it was given, and the first contact.erased: its salt is gone too
    assert store.trail.verify().erased == 5


def test_values_blanked_without_an_erasure_are_refused(store: Store) -> None:
    store.trail.append([an_intent_draft()])
    with pytest.raises(StoreError), store.database.write() as conn:
        conn.execute(sa.text("UPDATE audit SET before = NULL, after = NULL, reason = NULL"))


def test_even_without_a_salt_nothing_but_the_values_can_be_blanked(store: Store) -> None:
    store.trail.append([an_intent_draft()])
    for change in ("actor = 'x', before = NULL, after = NULL, reason = NULL", "after = 'x'"):
        with store.database.write() as conn:
            conn.execute(sa.text("DELETE FROM salts"))
        with pytest.raises(StoreError), store.database.write() as conn:
            conn.execute(sa.text(f"UPDATE audit SET {change}"))


def test_a_contact_nobody_knows_cannot_be_erased(store: Store) -> None:
    with pytest.raises(OperatorError, match="999"):
        store.erase(ContactId("999"), "dpo")
    assert store.trail.head().seq == 0


def test_a_contact_known_to_the_trail_alone_can_be_erased(store: Store) -> None:
    store.trail.append([Draft("change.foreign", object="contact", id="7", before=SECRET)])
    store.erase(ContactId("7"), "dpo")

    assert SECRET not in json.dumps(list(store.trail.export()))


def test_sqlite_keeps_nothing_in_its_files(sqlite_url: str, tmp_path: Path, clock: Clock) -> None:
    store = open_store(sqlite_url, portal="1", now=clock)
    fill(store)
    store.trail.append([an_intent_draft(reason={"name": SECRET, "long": "x" * 20_000 + SECRET})])
    store.erase(ANN, "dpo")
    store.close()

    assert [file.name for file in tmp_path.iterdir() if SECRET.encode() in file.read_bytes()] == []
