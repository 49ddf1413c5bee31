"""The mirror as it was: what `explain --at` stands on."""

from datetime import timedelta

from crmsync.model import STAGE, Association, ContactId, Deal, Gone, Intake, Kind, Mirrored
from crmsync.store import Store
from tests.stores import (
    NOON,
    RUN,
    Clock,
    a_company,
    a_contact,
    a_deal,
    an_intent_draft,
    applied,
    intend,
    take,
)

ANN = ContactId("101")


def then(store: Store, **ago: float) -> Mirrored:
    found = store.mirror.contact_at(ANN, NOON - timedelta(**ago))
    assert found is not None
    return found[0]


def test_a_past_instant_shows_the_values_of_then(store: Store, clock: Clock) -> None:
    clock.forward(days=-10)
    take(store, a_contact(jobtitle="Intern", stage_entered_at=clock.now))
    clock.forward(days=5)
    take(store, a_contact(jobtitle="CTO", stage_entered_at=clock.now))
    clock.forward(days=5)

    assert then(store, days=6).contact.properties["jobtitle"] == "Intern"
    assert then(store, days=6).contact.stage_entered_at == NOON - timedelta(days=10)
    assert then(store, days=5).contact.properties["jobtitle"] == "CTO"
    assert then(store).contact.properties["jobtitle"] == "CTO"


def test_before_the_mirror_knew_a_contact_its_oldest_values_stand_in(store: Store, clock: Clock) -> None:
    take(store, a_contact(jobtitle="Intern"))
    clock.forward(days=1)
    take(store, a_contact(jobtitle="CTO"))

    found = store.mirror.contact_at(ANN, NOON - timedelta(days=30))
    assert found is not None
    assert (found[0].contact.properties["jobtitle"], found[1]) == ("Intern", NOON)


def test_company_and_deals_are_those_of_then(store: Store, clock: Clock) -> None:
    clock.forward(days=-9)
    take(store, a_contact(companies=["7"], deals=["5"]), a_company("7", size="10"), a_company("8", size="1"))
    take(store, a_deal("5", "open"))
    clock.forward(days=3)
    take(store, a_company("7", size="500"), a_deal("5", "won"))
    clock.forward(days=3)
    take(store, a_contact(companies=[Association("8", is_primary=True)], deals=[]))

    early, middle, late = then(store, days=8), then(store, days=5), then(store, days=1)
    assert [m.contact.company for m in (early, middle, late)] == [
        {"size": "10"},
        {"size": "500"},
        {"size": "1"},
    ]
    assert [m.contact.deals for m in (early, middle, late)] == [
        (Deal("open", "100"),),
        (Deal("won", "100"),),
        (),
    ]


def test_an_association_made_from_the_other_side_has_a_past_too(store: Store, clock: Clock) -> None:
    clock.forward(days=-9)
    take(store, a_contact())
    clock.forward(days=5)
    take(store, a_deal("5", contacts=["101"]))

    assert then(store, days=6).contact.deals == ()
    assert then(store, days=1).contact.deals == (Deal("open", "100"),)


def test_what_crmsync_applied_has_a_past(store: Store, clock: Clock) -> None:
    clock.forward(days=-9)
    take(store, a_contact(stage="lead"))
    clock.forward(days=5)
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([applied(intent)], RUN)

    assert then(store, days=5).contact.properties[STAGE] == "lead"
    assert then(store, days=3).contact.properties[STAGE] == "marketingqualifiedlead"


def test_a_contact_gone_then_or_never_known_has_no_past(store: Store, clock: Clock) -> None:
    clock.forward(days=-9)
    take(store, a_contact())
    clock.forward(days=3)
    take(store, a_contact(archived=True))
    clock.forward(days=3)
    take(store, a_contact())

    assert store.mirror.contact_at(ANN, NOON - timedelta(days=5)) is None
    assert then(store, days=8).contact.id == ANN
    assert store.mirror.contact_at(ContactId("999"), NOON) is None


def test_a_deleted_contact_is_gone_from_then_on_only(store: Store, clock: Clock) -> None:
    clock.forward(days=-9)
    take(store, a_contact())
    clock.forward(days=3)
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101"),)))

    assert then(store, days=8).contact.id == ANN
    assert store.mirror.contact_at(ANN, NOON) is None
