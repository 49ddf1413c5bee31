"""What becomes of intents on a real portal over HTTP: G2, an outcome for each, read from the answer."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from crmsync.errors import LeaseLost, RateLimited, Unauthorized, Unavailable
from crmsync.model import STAGE, ContactId, Fate, Outcome, Own, Result, Version
from crmsync.portal.freshness import Freshness, Stale
from crmsync.sandbox import Request
from crmsync.sandbox.control import Controlled
from tests.inprocess import FakeTime
from tests.served import VERSIONS, Served, a_change, an_intent, served

BATCH = "*/contacts/batch/update"
READ = "*/contacts/batch/read"
BEFORE_THE_EFFECT = ["500", "502", "503", "504", "524", "reset_before", "html_200", "empty_200", "garbage"]
AFTER_THE_EFFECT = ["reset_after", "truncate"]


@pytest.fixture(params=VERSIONS)
def each(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(api_version=request.param) as both:
        both.gateway.schema.setup()
        yield both


@pytest.fixture
def both() -> Iterator[Served]:
    with served() as running:
        running.gateway.schema.setup()
        yield running


def contacts(both: Served, count: int) -> list[ContactId]:
    return [both.create(email=f"c{n}@acme.example", lifecyclestage="subscriber") for n in range(count)]


def results(outcomes: list[Outcome]) -> Counter[Result]:
    return Counter(one.result for one in outcomes)


def the(outcomes: list[Outcome]) -> Outcome:
    (found,) = outcomes
    return found


def updates(both: Served) -> int:
    return both.requests("/batch/update")


# --- what goes well ----------------------------------------------------------------------------------------------


def test_g2_a_hundred_contacts_are_written_in_one_request_and_each_has_its_outcomes(each: Served) -> None:
    ids = contacts(each, 100)
    each.forget_requests()

    outcomes = each.update(
        *(a_change(one, Own.FIT, "30") for one in ids),
        *(a_change(one, Own.REASON, "because\nof this") for one in ids),
        *(a_change(one, STAGE, "lead", before="subscriber") for one in ids),
    )

    assert results(outcomes) == {Result.APPLIED: 300}
    assert {(one.intent.change.contact, one.intent.change.property) for one in outcomes} == {
        (one, name) for one in ids for name in (Own.FIT, Own.REASON, STAGE)
    }
    assert updates(each) == 1
    assert all(each.sees(one, STAGE) == "lead" and each.sees(one, Own.FIT) == "30" for one in ids)


def test_every_input_carries_a_trace_of_its_own(both: Served) -> None:
    ids = contacts(both, 3)
    both.update(*(a_change(one, Own.FIT, "30") for one in ids))

    (sent,) = [json.loads(one.body) for one in both.sandbox.portal.log if "/batch/update" in one.target]
    assert len({one["objectWriteTraceId"] for one in sent["inputs"]}) == 3


@pytest.mark.parametrize(
    ("name", "sent", "shown"),
    [
        (Own.FIT, "30", "30.0"),
        (Own.ENGAGEMENT, "-40", "-40.00"),
        (Own.EVALUATED_AT, "2026-11-22T12:00:00.000Z", "1795348800000"),
        (Own.EVALUATED_AT, "1795348800000", "2026-11-22T12:00:00Z"),
        (Own.REASON, "a\nb", "a\r\nb "),
        (Own.GRADE, "", None),
        (Own.FIT, "", ""),
    ],
)
def test_g2_a_value_is_compared_by_its_meaning(both: Served, name: str, sent: str, shown: str | None) -> None:
    (contact,) = contacts(both, 1)
    answer = {"results": [{"id": contact, "properties": {name: shown}}]}
    both.sandbox.arm("replace", path=BATCH, body=json.dumps(answer))

    assert the(both.update(a_change(contact, name, sent, before="7"))).result is Result.APPLIED


@pytest.mark.parametrize(
    ("name", "sent", "shown"),
    [
        (Own.FIT, "30", "31"),
        (Own.FIT, "30", "thirty"),
        (Own.FIT, "30", None),
        (Own.FIT, "", "0"),
        (Own.GRADE, "A1", "a1"),
        (Own.EVALUATED_AT, "2026-11-22T12:00:00Z", "2026-11-22T12:00:00.001Z"),
        (STAGE, "lead", "Lead"),
    ],
)
def test_g2_an_answer_that_shows_another_value_is_a_failure(
    both: Served, name: str, sent: str, shown: str | None
) -> None:
    (contact,) = contacts(both, 1)
    answer = {"results": [{"id": contact, "properties": {name: shown}}]}
    both.sandbox.arm("replace", path=BATCH, body=json.dumps(answer))

    outcome = the(both.update(a_change(contact, name, sent, before="7")))

    assert outcome.result is Result.FAILED
    assert outcome.shown == (shown or None)
    assert outcome.problem


def test_a_property_is_cleared(each: Served) -> None:
    (contact,) = contacts(each, 1)
    each.update(a_change(contact, Own.GRADE, "A1"))

    assert the(each.update(a_change(contact, Own.GRADE, "", before="A1"))).result is Result.APPLIED
    assert each.sees(contact, Own.GRADE) is None


# --- what HubSpot does not do ------------------------------------------------------------------------------------


def test_g2_a_move_backward_that_hubspot_ignores_has_failed(each: Served) -> None:
    contact = each.create(email="a@acme.example", lifecyclestage="customer")

    outcome = the(each.update(a_change(contact, STAGE, "lead", before="customer")))

    assert (outcome.result, outcome.shown) == (Result.FAILED, "customer")
    assert "backward" in outcome.problem


def test_a_move_backward_is_clear_then_set_in_two_requests(each: Served) -> None:
    ids = [each.create(email=f"c{n}@acme.example", lifecyclestage="customer") for n in range(5)]
    each.forget_requests()
    changes = [a_change(one, STAGE, "", before="customer") for one in ids]
    changes += [a_change(one, STAGE, "lead", before=None, step=1) for one in ids]

    outcomes = each.update(*changes)

    assert results(outcomes) == {Result.APPLIED: 10}
    assert {each.sees(one, STAGE) for one in ids} == {"lead"}
    assert updates(each) == 2


def test_the_second_step_is_not_sent_when_the_first_was_not_applied(both: Served) -> None:
    contact = "424242"

    outcomes = both.update(
        a_change(contact, STAGE, "", before="customer"), a_change(contact, STAGE, "lead", step=1)
    )

    assert [one.result for one in outcomes] == [Result.FAILED, Result.ABANDONED]


def test_g2_an_update_that_says_complete_and_does_nothing_has_failed(both: Served) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm("replace", path=BATCH, body='{"status": "COMPLETE", "results": []}')

    outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids))

    assert results(outcomes) == {Result.FAILED: 3}


def test_g2_a_contact_that_is_gone_fails_alone(each: Served) -> None:
    here, archived = contacts(each, 2)
    each.sandbox.edits.archive(archived)

    outcomes = {
        one.intent.change.contact: one
        for one in each.update(*(a_change(one, Own.FIT, "30") for one in (here, archived, "424242")))
    }

    assert outcomes[here].result is Result.APPLIED
    assert outcomes[archived].result is outcomes[ContactId("424242")].result is Result.FAILED
    assert "deleted" in outcomes[archived].problem


# --- merged contacts ---------------------------------------------------------------------------------------------


def test_g2_a_merged_contact_is_followed_to_its_new_id(each: Served) -> None:
    one, two, three = contacts(each, 3)
    merged = each.sandbox.edits.merge(one, two)

    outcomes = each.update(a_change(one, Own.FIT, "30"), a_change(three, Own.FIT, "30"))

    assert results(outcomes) == {Result.APPLIED: 2}
    assert {found.contact for found in outcomes} == {merged, three}
    assert each.sees(merged, Own.FIT) == "30"


def test_g4_a_merged_contact_that_shows_another_value_is_left_alone(both: Served) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)
    both.sandbox.edits.human(merged, {STAGE: "salesqualifiedlead"})

    outcome = the(both.update(a_change(one, STAGE, "lead", before="subscriber")))

    assert (outcome.result, outcome.contact) == (Result.ABANDONED, merged)
    assert both.sees(merged, STAGE) == "salesqualifiedlead"


def test_a_stage_is_not_cleared_in_the_contact_another_was_merged_into(both: Served) -> None:
    one, two = contacts(both, 2)
    both.sandbox.edits.human(one, {STAGE: "customer"})
    merged = both.sandbox.edits.merge(one, two)

    outcomes = both.update(
        a_change(one, STAGE, "", before="customer"),
        a_change(one, Own.FIT, "30"),
        a_change(one, STAGE, "lead", step=1),
    )

    assert [(found.intent.change.property, found.result) for found in outcomes] == [
        (STAGE, Result.ABANDONED),
        (Own.FIT, Result.APPLIED),
        (STAGE, Result.ABANDONED),
    ]
    assert both.sees(merged, STAGE) == "customer"


def test_a_merged_contact_does_not_overwrite_the_changes_of_the_one_it_became(both: Served) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)

    outcomes = both.update(a_change(merged, Own.FIT, "50"), a_change(one, Own.FIT, "30"))

    assert [found.result for found in outcomes] == [Result.APPLIED, Result.FAILED]
    assert merged in outcomes[1].problem
    assert both.sees(merged, Own.FIT) == "50"


def test_g4_a_write_to_a_merged_contact_that_had_to_wait_is_left_to_the_next_cycle(both: Served) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)
    both.sandbox.arm("423", path=f"*/contacts/{merged}", method="PATCH")
    both.time.meanwhile = lambda: both.sandbox.edits.human(merged, {Own.FIT: "77"})

    outcome = the(both.update(a_change(one, Own.FIT, "30")))

    assert outcome.result is Result.ABANDONED
    assert both.sees(merged, Own.FIT) == "77"


@pytest.mark.parametrize("fault", ["502", *AFTER_THE_EFFECT])
def test_g2_a_write_to_a_merged_contact_whose_answer_was_lost_stays_open(both: Served, fault: str) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)
    both.sandbox.arm(fault, path=f"*/contacts/{merged}", method="PATCH")

    assert the(both.update(a_change(one, Own.FIT, "30"))).result is Result.OPEN


def test_g4_of_two_contacts_that_were_merged_into_one_only_the_first_is_written(both: Served) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)

    outcomes = both.update(a_change(one, Own.FIT, "30"), a_change(two, Own.FIT, "50"))

    assert [(found.result, found.contact) for found in outcomes] == [
        (Result.APPLIED, merged),
        (Result.FAILED, merged),
    ]
    assert both.sees(merged, Own.FIT) == "30"


# --- poison ------------------------------------------------------------------------------------------------------


def test_g12_with_traces_a_bad_value_fails_alone_in_one_request(each: Served) -> None:
    ids = contacts(each, 100)
    each.forget_requests()
    changes = [a_change(one, Own.FIT, "much" if n == 57 else "30") for n, one in enumerate(ids)]

    outcomes = each.update(*changes)

    failed = [one for one in outcomes if one.result is Result.FAILED]
    assert results(outcomes) == {Result.APPLIED: 99, Result.FAILED: 1}
    assert failed[0].intent.change.contact == ids[57]
    assert Own.FIT in failed[0].problem
    assert "much" not in failed[0].problem
    assert updates(each) == 1


@pytest.mark.parametrize("place", [0, 1, 49, 50, 62, 99])
def test_g12_a_poisoned_batch_is_halved_down_to_the_bad_contact(
    both: Served, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    ids = contacts(both, 100)
    without_traces(monkeypatch)
    both.forget_requests()
    changes = [a_change(one, Own.FIT, "much" if n == place else "30") for n, one in enumerate(ids)]

    outcomes = both.update(*changes)

    assert results(outcomes) == {Result.APPLIED: 99, Result.FAILED: 1}
    assert [one.intent.change.contact for one in outcomes if one.result is Result.FAILED] == [ids[place]]
    assert updates(both) <= 15


def without_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the portal judge batches as a whole, as HubSpot documents for updates."""
    monkeypatch.setattr("crmsync.sandbox.endpoints.batches._is_traced", lambda _: False)


@pytest.mark.parametrize("named_by", ["trace", "id"])
def test_g12_whom_a_refusal_names_is_set_aside_at_once(both: Served, named_by: str) -> None:
    ids = contacts(both, 40)
    intents = [an_intent(a_change(one, Own.FIT, "30")) for one in ids]
    context = (
        {"objectWriteTraceId": [f"crmsync-{intents[7].seq}"]} if named_by == "trace" else {"ids": [ids[7]]}
    )
    body = json.dumps({"category": "VALIDATION_ERROR", "message": "no", "context": context})
    both.sandbox.arm("replace", path=BATCH, status=400, body=body)
    both.forget_requests()

    outcomes = list(both.gateway.update(intents))

    assert results(outcomes) == {Result.APPLIED: 39, Result.FAILED: 1}
    assert [one.intent.change.contact for one in outcomes if one.result is Result.FAILED] == [ids[7]]
    assert updates(both) == 2


def test_a_property_that_spoils_whole_batches_costs_one_of_them(
    both: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = contacts(both, 50)
    both.update(a_change(ids[0], Own.FIT, "1"))
    control(both, "rules", {"read_only": [{"name": Own.FIT}]})
    without_traces(monkeypatch)
    both.forget_requests()

    outcomes = both.update(
        *(a_change(one, Own.FIT, "30") for one in ids), *(a_change(one, Own.GRADE, "A1") for one in ids)
    )

    assert results(outcomes) == {Result.FAILED: 50, Result.APPLIED: 50}
    assert updates(both) <= 2


def test_g12_a_batch_full_of_poison_still_ends(both: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = contacts(both, 20)
    without_traces(monkeypatch)

    outcomes = both.update(*(a_change(one, Own.FIT, "much") for one in ids))

    assert results(outcomes) == {Result.FAILED: 20}


def test_a_conditionally_required_property_is_named_for_each_contact(both: Served) -> None:
    needs = [{"name": STAGE, "value": "salesqualifiedlead", "needs": ["hubspot_owner_id"]}]
    ids = contacts(both, 4)
    both.sandbox.edits.human(ids[2], {"hubspot_owner_id": "41629779"})
    control(both, "rules", {"required": needs})

    outcomes = both.update(*(a_change(one, STAGE, "salesqualifiedlead", before="subscriber") for one in ids))

    assert results(outcomes) == {Result.APPLIED: 1, Result.FAILED: 3}
    assert all("hubspot_owner_id" in one.problem for one in outcomes if one.result is Result.FAILED)


def control(both: Served, what: str, body: object) -> None:
    said = Controlled(both.sandbox.portal).handle(
        Request("POST", f"/_sandbox/{what}", {}, json.dumps(body).encode())
    )
    assert not hasattr(said, "status") or said.status < 300


# --- properties that cannot be written ---------------------------------------------------------------------------


def test_own_properties_that_are_missing_are_found_before_writing() -> None:
    with served() as both:
        (contact,) = contacts(both, 1)
        outcomes = both.update(a_change(contact, Own.FIT, "30"), a_change(contact, STAGE, "lead"))

        assert {one.intent.change.property: one.result for one in outcomes} == {
            Own.FIT: Result.FAILED,
            STAGE: Result.APPLIED,
        }
        assert "crmsync setup" in outcomes[0].problem
        sent = [one.body for one in both.sandbox.portal.log if "/batch/update" in one.target]
        assert len(sent) == 1
        assert Own.FIT not in str(sent[0])


def test_a_property_that_became_read_only_fails_without_a_request_a_contact(both: Served) -> None:
    ids = contacts(both, 50)
    both.update(a_change(ids[0], Own.FIT, "1"))
    control(both, "rules", {"read_only": [{"name": Own.FIT}]})
    both.forget_requests()

    outcomes = both.update(
        *(a_change(one, Own.FIT, "30") for one in ids), *(a_change(one, Own.GRADE, "A1") for one in ids)
    )

    assert results(outcomes) == {Result.FAILED: 50, Result.APPLIED: 50}
    assert {one.intent.change.property for one in outcomes if one.result is Result.FAILED} == {Own.FIT}
    assert updates(both) <= 2


def test_a_property_that_became_read_only_a_while_ago_is_not_sent_at_all(both: Served) -> None:
    ids = contacts(both, 2)
    both.update(a_change(ids[0], Own.FIT, "1"))
    control(both, "rules", {"read_only": [{"name": Own.FIT}]})
    both.time.pass_by(61)
    both.gateway.shown(ids, [Own.FIT])
    both.forget_requests()

    outcomes = both.update(a_change(ids[1], Own.FIT, "30"), a_change(ids[1], Own.GRADE, "A1"))

    assert [(one.intent.change.property, one.result) for one in outcomes] == [
        (Own.FIT, Result.FAILED),
        (Own.GRADE, Result.APPLIED),
    ]
    assert not [
        one for one in both.sandbox.portal.log if "/batch/update" in one.target and Own.FIT in str(one.body)
    ]
    assert "/batch/update" in both.sandbox.portal.log[0].target, (
        "something stood between comparing and writing"
    )


# --- lost answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", AFTER_THE_EFFECT)
def test_g2_a_lost_answer_is_read_back_and_nothing_is_sent_twice(both: Served, fault: str) -> None:
    ids = contacts(both, 3)
    both.update(a_change(ids[0], Own.GRADE, "A1"))
    both.forget_requests()
    both.sandbox.arm(fault, path=BATCH)

    outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids))

    assert results(outcomes) == {Result.APPLIED: 3}
    assert updates(both) == 1


@pytest.mark.parametrize("fault", BEFORE_THE_EFFECT)
def test_g2_a_write_that_had_no_effect_is_sent_once_more(both: Served, fault: str) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm(fault, path=BATCH)

    outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids))

    assert results(outcomes) == {Result.APPLIED: 3}
    assert updates(both) == 2
    assert {both.sees(one, Own.FIT) for one in ids} == {"30"}


@pytest.mark.parametrize("fault", [*BEFORE_THE_EFFECT, *AFTER_THE_EFFECT])
def test_g4_what_a_person_changed_behind_a_lost_answer_is_not_overwritten(both: Served, fault: str) -> None:
    (contact,) = contacts(both, 1)
    both.sandbox.arm(fault, path=BATCH)
    both.time.meanwhile = lambda: both.sandbox.edits.human(contact, {STAGE: "salesqualifiedlead"})

    outcome = the(both.update(a_change(contact, STAGE, "lead", before="subscriber")))

    assert outcome.result is (Result.APPLIED if fault in AFTER_THE_EFFECT else Result.OPEN)
    assert both.sees(contact, STAGE) == "salesqualifiedlead"


@pytest.mark.parametrize("fault", AFTER_THE_EFFECT)
@pytest.mark.parametrize("choice", ["subscriber", "salesqualifiedlead"])
def test_g4_a_person_who_answers_to_a_write_whose_answer_was_lost_is_not_overwritten(
    both: Served, fault: str, choice: str
) -> None:
    (contact,) = contacts(both, 1)
    both.update(a_change(contact, Own.GRADE, "A1"))  # our own app is known from here on
    both.sandbox.arm(fault, path=BATCH)
    both.time.meanwhile = lambda: both.sandbox.edits.human(contact, {STAGE: choice})

    outcome = the(both.update(a_change(contact, STAGE, "lead", before="subscriber")))

    assert outcome.result is Result.APPLIED
    assert both.sees(contact, STAGE) == choice


def test_g4_a_change_between_reading_the_values_and_their_histories_is_not_overwritten(
    both: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    (contact,) = contacts(both, 1)
    both.update(a_change(contact, Own.GRADE, "A1"))  # our own app is known from here on
    both.sandbox.arm("502", path=BATCH)
    history = both.gateway._versions.history

    def somebody_is_faster(name: str, ids: Sequence[ContactId]) -> Mapping[ContactId, tuple[Version, ...]]:
        both.sandbox.edits.workflow(contact, {STAGE: "opportunity"})
        return history(name, ids)

    monkeypatch.setattr(both.gateway._versions, "history", somebody_is_faster)

    outcome = the(both.update(a_change(contact, STAGE, "lead", before="subscriber")))

    assert (outcome.result, outcome.shown) == (Result.OPEN, "opportunity")
    assert both.sees(contact, STAGE) == "opportunity"


@pytest.mark.parametrize(
    ("fault", "theirs", "result"),
    [
        ("502", None, Result.APPLIED),
        ("502", "salesqualifiedlead", Result.OPEN),
        ("reset_after", None, Result.APPLIED),
        ("reset_after", "salesqualifiedlead", Result.OPEN),
    ],
)
def test_g4_without_a_history_the_value_alone_tells_what_a_lost_write_did(
    both: Served, monkeypatch: pytest.MonkeyPatch, fault: str, theirs: str | None, result: Result
) -> None:
    (contact,) = contacts(both, 1)
    monkeypatch.setattr(both.gateway._versions, "history", lambda *_: {})
    both.sandbox.arm(fault, path=BATCH)
    if theirs:
        both.time.meanwhile = lambda: both.sandbox.edits.human(contact, {STAGE: theirs})

    outcome = the(both.update(a_change(contact, STAGE, "lead", before="subscriber")))

    assert outcome.result is result
    assert both.sees(contact, STAGE) == (theirs or "lead")


@pytest.mark.parametrize("shown", ["subscriber", "lead"])
def test_g2_without_a_history_nobody_can_tell_what_a_write_did_to_one_who_was_merged(
    both: Served, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    one, two = contacts(both, 2)
    merged = both.sandbox.edits.merge(one, two)
    both.sandbox.edits.human(merged, {STAGE: shown})
    monkeypatch.setattr(both.gateway._versions, "history", lambda *_: {})

    (seen,) = both.gateway.look_back([an_intent(a_change(one, STAGE, "lead", before="subscriber"))])

    assert (seen.fate, seen.contact, seen.shown) == (Fate.UNTOLD, merged, shown)


def test_who_is_gone_is_not_asked_for_a_history(both: Served) -> None:
    (gone,) = contacts(both, 1)
    both.sandbox.edits.archive(gone)
    both.forget_requests()

    (seen,) = both.gateway.look_back([an_intent(a_change(gone, STAGE, "lead", before="subscriber"))])

    assert seen.fate is Fate.GONE
    assert both.requests("/batch/read") == 1


@pytest.mark.parametrize("fault", [*BEFORE_THE_EFFECT, *AFTER_THE_EFFECT])
def test_g2_an_answer_that_cannot_be_read_back_stays_open(both: Served, fault: str) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm(fault, path=BATCH, count=None)
    both.sandbox.arm("503", path=READ, count=None)
    outcomes: list[Outcome] = []

    with pytest.raises(Unavailable):
        outcomes.extend(both.gateway.update([an_intent(a_change(one, Own.FIT, "30")) for one in ids]))
    assert results(outcomes) == {Result.OPEN: 3}


def test_g2_what_an_answer_left_out_and_cannot_be_read_back_stays_open(both: Served) -> None:
    ids = contacts(both, 2)
    both.sandbox.arm("replace", path=BATCH, body='{"status": "COMPLETE", "results": []}')
    both.sandbox.arm("503", path=READ, count=None)
    outcomes: list[Outcome] = []

    with pytest.raises(Unavailable):
        outcomes.extend(both.gateway.update([an_intent(a_change(one, Own.FIT, "30")) for one in ids]))
    assert results(outcomes) == {Result.OPEN: 2}


def test_g2_what_was_lost_once_and_can_no_longer_be_compared_stays_open(both: Served) -> None:
    (contact,) = contacts(both, 1)
    both.update(a_change(contact, Own.GRADE, "A1"))
    both.sandbox.arm("502", path=BATCH)
    both.sandbox.arm("423", path=BATCH)
    both.sandbox.arm("503", path=READ, nth=3, count=None)  # behind the look back at the value and its history
    outcomes: list[Outcome] = []

    with pytest.raises(Unavailable):
        outcomes.extend(both.gateway.update([an_intent(a_change(contact, Own.FIT, "30"))]))
    assert results(outcomes) == {Result.OPEN: 1}


def test_g2_a_write_that_is_lost_again_and_again_stays_open(both: Served) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm("504", path=BATCH, count=None)

    outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids))

    assert results(outcomes) == {Result.OPEN: 3}
    assert updates(both) == 1 + 1 + 2  # whole, whole again, in two halves


READ_ONLY = {"code": "READ_ONLY_VALUE", "name": Own.FIT}


@pytest.mark.parametrize(
    ("status", "says", "sent", "ends"),
    [
        pytest.param(400, lambda _: {}, 2 * (1 + 2), {Result.OPEN: 8}, id="of all"),
        pytest.param(
            400,
            lambda ids: {"context": {"ids": ids[:1]}},
            1 + 2,
            {Result.OPEN: 6, Result.FAILED: 2},
            id="of one",
        ),
        pytest.param(
            207,
            lambda ids: {"results": [], "errors": [{"context": {"ids": ids}, "errors": [READ_ONLY]}]},
            1 + 2,
            {Result.OPEN: 4, Result.FAILED: 4},
            id="of a property",
        ),
    ],
)
def test_a_refusal_does_not_make_a_write_forget_how_often_its_answer_was_lost(
    both: Served,
    status: int,
    says: Callable[[list[ContactId]], Mapping[str, Any]],
    sent: int,
    ends: Mapping[Result, int],
) -> None:
    ids = contacts(both, 4)
    both.sandbox.arm("504", path=BATCH)
    both.sandbox.arm("replace", path=BATCH, status=status, body=json.dumps(says(ids)))
    both.sandbox.arm("504", path=BATCH, count=None)

    outcomes = both.update(*(a_change(one, name, "3") for one in ids for name in (Own.FIT, Own.GRADE)))

    assert results(outcomes) == ends
    assert updates(both) == 1 + 1 + sent


@pytest.mark.parametrize("place", [0, 42, 99])
def test_g12_one_that_costs_every_batch_its_answer_does_not_hold_up_the_others(
    both: Served, place: int
) -> None:
    ids = contacts(both, 100)
    both.sandbox.arm("500", path=BATCH, object=ids[place], count=None)
    left: set[ContactId] = set(ids)
    cycles = 0

    while len(left) > 1:
        outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids if one in left))
        left = {one.intent.change.contact for one in outcomes if one.result is Result.OPEN}
        cycles += 1

    assert left == {ids[place]}
    assert cycles <= 8
    assert {both.sees(one, Own.FIT) for one in set(ids) - left} == {"30"}


def test_g2_a_redirect_stops_the_writing_and_fails_no_contact(both: Served) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm("replace", path=BATCH, status=302, count=None)
    outcomes: list[Outcome] = []

    with pytest.raises(Unavailable, match="base_url"):
        outcomes.extend(both.gateway.update([an_intent(a_change(one, Own.FIT, "30")) for one in ids]))
    assert outcomes == []


@pytest.mark.parametrize(
    ("fault", "error"), [("daily", RateLimited), ("477", RateLimited), ("revoked", Unauthorized)]
)
def test_when_nothing_more_can_be_sent_what_was_not_yielded_was_not_sent(
    both: Served, fault: str, error: type[Exception]
) -> None:
    ids = contacts(both, 250)
    outcomes: list[Outcome] = []

    def apply() -> None:
        for one in both.gateway.update([an_intent(a_change(one, Own.FIT, "30")) for one in ids]):
            if len(outcomes) == 99:
                if fault == "revoked":
                    control(both, "token", {"revoke": True})
                else:
                    both.sandbox.arm(fault, path=BATCH)
            outcomes.append(one)

    with pytest.raises(error):
        apply()
    assert results(outcomes) == {Result.APPLIED: 100}
    assert [both.sees(one, Own.FIT) for one in ids] == ["30"] * 100 + [None] * 150


def test_a_portal_that_cannot_be_reached_was_sent_nothing(both: Served) -> None:
    (contact,) = contacts(both, 1)
    both.update(a_change(contact, Own.GRADE, "A1"))
    outcomes: list[Outcome] = []
    both.sandbox.stop()

    with pytest.raises(Unavailable):
        outcomes.extend(both.gateway.update([an_intent(a_change(contact, Own.FIT, "30"))]))
    assert set(results(outcomes)) <= {Result.OPEN}  # the broken keep-alive connection may have carried it


@pytest.mark.parametrize("fault", ["423", "burst", "unknown_429"])
def test_a_refusal_before_the_effect_only_takes_time(both: Served, fault: str) -> None:
    ids = contacts(both, 3)
    both.sandbox.arm(fault, path=BATCH)

    assert results(both.update(*(a_change(one, Own.FIT, "30") for one in ids))) == {Result.APPLIED: 3}


# --- a write that has to wait ------------------------------------------------------------------------------------

WAITS = ["423", "burst", "unknown_429"]


@pytest.mark.parametrize("fault", WAITS)
def test_g4_what_a_person_changed_while_a_write_had_to_wait_is_not_overwritten(
    both: Served, fault: str
) -> None:
    theirs, untouched = contacts(both, 2)
    both.sandbox.arm(fault, path=BATCH)
    both.time.meanwhile = lambda: both.sandbox.edits.human(theirs, {STAGE: "salesqualifiedlead"})

    outcomes = both.update(
        *(a_change(one, STAGE, "lead", before="subscriber") for one in (theirs, untouched)),
    )

    assert {one.intent.change.contact: one.result for one in outcomes} == {
        theirs: Result.ABANDONED,
        untouched: Result.APPLIED,
    }
    assert both.sees(theirs, STAGE) == "salesqualifiedlead"
    assert both.sees(untouched, STAGE) == "lead"


@pytest.mark.parametrize("fault", WAITS)
@pytest.mark.parametrize("how", ["archived", "merged"])
def test_g4_who_is_gone_when_a_write_had_to_wait_is_not_written_to_under_any_name(
    both: Served, fault: str, how: str
) -> None:
    gone, into, untouched = contacts(both, 3)
    both.sandbox.arm(fault, path=BATCH)

    def goes() -> None:
        both.time.meanwhile = lambda: None
        if how == "archived":
            both.sandbox.edits.archive(gone)
        else:
            both.sandbox.edits.merge(gone, into)

    both.time.meanwhile = goes
    outcomes = both.update(
        *(a_change(one, STAGE, "lead", before="subscriber") for one in (gone, untouched)),
    )

    assert {one.intent.change.contact: one.result for one in outcomes} == {
        gone: Result.ABANDONED,
        untouched: Result.APPLIED,
    }
    sent = [
        json.loads(one.body)["inputs"] for one in both.sandbox.portal.log if "/batch/update" in one.target
    ]
    assert [one["id"] for one in sent[-1]] == [untouched]


def test_g4_a_process_that_stood_still_between_comparing_and_writing_compares_again(both: Served) -> None:
    (contact,) = contacts(both, 1)
    both.gateway.shown([contact], [STAGE])
    both.time.pass_by(60)  # SIGSTOP, a suspended laptop, a swapping machine
    both.sandbox.edits.human(contact, {STAGE: "salesqualifiedlead"})

    outcome = the(both.update(a_change(contact, STAGE, "lead", before="subscriber")))

    assert outcome.result is Result.ABANDONED
    assert both.sees(contact, STAGE) == "salesqualifiedlead"


@pytest.mark.parametrize(
    ("sent_at", "answered_at", "is_fresh"),
    [
        pytest.param([0.0], 0.3, True, id="one request"),
        pytest.param([0.0], 9.0, True, id="one request, slowly answered"),
        pytest.param([0.0], 11.0, False, id="one request, answered after the process stood still"),
        pytest.param([0.0, 0.5], 0.8, True, id="two requests at once"),
        pytest.param([0.0, 2.0], 2.3, False, id="two requests, of which the first waited for the second"),
    ],
)
def test_g4_a_comparison_is_as_old_as_its_first_request(
    sent_at: list[float], answered_at: float, is_fresh: bool
) -> None:
    time = FakeTime()
    freshness = Freshness(time.monotonic, lambda: None)
    freshness.looking()
    for at in sent_at:
        time.pass_by(at - time.elapsed)
        freshness.note_sent()
    time.pass_by(answered_at - time.elapsed)
    freshness.looked()

    if is_fresh:
        freshness.check()
    else:
        with pytest.raises(Stale):
            freshness.check()


def test_g4_a_comparison_that_took_several_slow_requests_is_made_again(both: Served) -> None:
    ids = contacts(both, 4)
    both.sandbox.arm("500", path=READ, object=ids[3], count=None)
    both.time.meanwhile = lambda: both.sandbox.edits.human(ids[0], {STAGE: "salesqualifiedlead"})
    both.sandbox.edits.human(ids[0], {STAGE: "lead"})

    reading = both.gateway.shown(ids, [STAGE])
    before = {one: reading.snapshots[one].properties[STAGE] or "" for one in ids[:3]}
    both.sandbox.edits.human(ids[0], {STAGE: "opportunity"})
    outcomes = both.update(*(a_change(one, STAGE, "customer", before=before[one]) for one in ids[:3]))

    assert set(reading.unreadable) == {ids[3]}
    assert [one.result for one in outcomes].count(Result.APPLIED) == 2
    assert both.sees(ids[0], STAGE) == "opportunity"


def test_g12_a_write_that_waits_every_time_stays_open_and_holds_up_ever_fewer_others(both: Served) -> None:
    ids = contacts(both, 130)
    both.sandbox.arm("423", path=BATCH, object=ids[7], count=None)
    both.time.meanwhile = lambda: both.sandbox.portal.faults.release("/batch/update")  # it is his lock alone
    left: set[ContactId] = set(ids)
    still_open = []

    while len(left) > 1:
        outcomes = both.update(*(a_change(one, Own.FIT, "30") for one in ids if one in left))
        left = {one.intent.change.contact for one in outcomes if one.result is Result.OPEN}
        still_open.append(len(left))

    assert still_open == [50, 25, 13, 6, 3, 2, 1]
    assert left == {ids[7]}
    assert {both.sees(one, Own.FIT) for one in set(ids) - left} == {"30"}
    assert all("wait" in one.problem for one in outcomes if one.result is Result.OPEN)


def test_g11_a_write_does_not_leave_once_the_right_to_write_is_somebody_elses(both: Served) -> None:
    (contact,) = contacts(both, 1)

    def taken_over() -> None:
        raise LeaseLost("taken over by another process")

    both.gateway._writer._freshness._may_write = taken_over

    with pytest.raises(LeaseLost):
        both.update(a_change(contact, Own.FIT, "30"))
    assert updates(both) == 0


# --- who we are --------------------------------------------------------------------------------------------------


def test_g5_the_first_write_teaches_us_our_own_app_id(each: Served) -> None:
    one, two = contacts(each, 2)

    each.update(a_change(one, Own.FIT, "30"))
    each.forget_requests()
    each.update(a_change(two, Own.FIT, "30"))

    assert each.gateway.app_id == "8111608"
    assert each.requests() == 1  # it is asked once
    assert each.gateway.history(Own.FIT, [one])[one][0].is_ours
    assert not each.gateway.history("email", [one])[one][0].is_ours


@pytest.mark.parametrize(
    ("value", "at", "learnt"),
    [
        pytest.param("30", "2026-11-22T12:00:00Z", "5550123", id="our value, now"),
        pytest.param("31", "2026-11-22T12:00:00Z", None, id="another value: somebody has written since"),
        pytest.param("30", "2026-11-22T11:59:00Z", None, id="our value, but from before our write"),
    ],
)
def test_an_app_id_is_learnt_from_our_value_of_our_moment(
    both: Served, value: str, at: str, learnt: str | None
) -> None:
    (contact,) = contacts(both, 1)
    version = {"value": value, "timestamp": at, "sourceType": "INTEGRATION", "sourceId": "5550123"}
    row = {"id": contact, "properties": {}, "propertiesWithHistory": {Own.FIT: [version]}}
    both.sandbox.arm("replace", path=READ, body=json.dumps({"results": [row]}))

    both.update(a_change(contact, Own.FIT, "30"))

    assert both.gateway.app_id == learnt


def test_an_app_id_is_not_learnt_from_a_stage(both: Served) -> None:
    (contact,) = contacts(both, 1)

    both.update(a_change(contact, STAGE, "lead", before="subscriber"))

    assert both.gateway.app_id is None


def test_an_app_id_is_not_learnt_from_what_somebody_else_wrote(both: Served) -> None:
    (contact,) = contacts(both, 1)
    both.sandbox.edits.workflow(contact, {Own.FIT: "30"})
    both.sandbox.arm(
        "replace",
        path=BATCH,
        body=json.dumps({"results": [{"id": contact, "properties": {Own.FIT: "30"}}]}),
    )

    both.update(a_change(contact, Own.FIT, "30"))

    assert both.gateway.app_id is None
