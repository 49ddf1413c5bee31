"""What a sales rep reads: at most five reasons, what is missing, and nothing personal."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.nouns import Definition
from crmsync.definition.wording.arithmetic import arithmetic
from crmsync.definition.wording.card import MAX_CHARS, MAX_REASONS, missing, why
from crmsync.definition.wording.narrator import Narrator
from crmsync.model import Contact, ContactId, Deal, Evaluation, Event
from tests.agreements import an_agreement

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MQL = "stages/rules/marketingqualifiedlead"
FITTING = {"industry": "SOFTWARE", "numberofemployees": "200"}
RECYCLE = {
    "facts/returned": "contact.returned",
    "facts/returned_at": {"from": "contact.returned_at", "type": "date"},
    "recycle": {
        "reason": "returned",
        "returned_at": "returned_at",
        "reasons": {"not_now": {"class": "timing", "revisit": "90d"}, "not_icp": {"class": "fit"}},
    },
}


def submitted(form: str, days: float) -> Event:
    return Event("forms", NOW - timedelta(days=days), {"form": form})


def judged(
    changes: dict[str, Any] | None = None,
    *events: Event,
    stage: str = "lead",
    company: dict[str, str] | None = None,
    deals: tuple[Deal, ...] = (),
    **properties: str,
) -> tuple[Definition, Evaluation]:
    definition = an_agreement(changes)
    contact = Contact(
        ContactId("101"),
        {"lifecyclestage": stage, **properties},
        FITTING if company is None else company,
        deals,
        events,
        NOW - timedelta(days=30),
    )
    return definition, next(Evaluator(definition).evaluate([contact], NOW, explain=True))


def test_a_promotion_says_what_it_stands_on() -> None:
    definition, evaluation = judged(None, submitted("Book a demo", 0.5))

    assert why(definition, evaluation).splitlines() == [
        "Became MQL (marketing qualified lead).",
        "- demo, today: +49.6 points",
        "- industry is SOFTWARE or FINANCE: +40 points",
        "- employees: +30 points",
    ]


def test_what_is_not_made_yet_is_not_told_as_made() -> None:
    text = why(*judged(None, submitted("Book a demo", 0.5)), is_made=False)

    assert text.startswith("Would become MQL (marketing qualified lead).")


def test_the_fast_track_is_named() -> None:
    fast = {f"{MQL}/fast_track": {"event.demo": {"within": "7d"}}}
    text = why(*judged(fast, submitted("Book a demo", 2), company={}))

    assert text.startswith("Became MQL (marketing qualified lead) by the fast track.")
    assert "- a demo in the last 7 days" in text


def test_a_demotion_says_what_is_no_longer_so_and_what_faded() -> None:
    lead = {"stages/rules/lead": {"enter": {"tier": ["A", "B"]}}}
    text = why(*judged(lead, submitted("Book a demo", 89.9), stage="marketingqualifiedlead", company={}))
    kept = {**lead, f"{MQL}/stay": {"engagement.product": {"at_least": 20}}}
    demoted = why(*judged(kept, submitted("Book a demo", 89.9), stage="marketingqualifiedlead", company={}))

    assert text.startswith("Stays MQL")
    assert demoted.splitlines() == [
        "Back to lead from MQL.",
        "- no longer so: product engagement is at least 20 (now 12)",
        "- demo, 89 days ago: faded from +50 to +12.5 points",
    ]


def test_a_demotion_that_is_not_made_is_not_told_as_made() -> None:
    kept = {
        "stages/rules/lead": {"enter": {"tier": ["A", "B"]}},
        f"{MQL}/stay": {"engagement.product": {"at_least": 20}},
    }
    demoted = judged(kept, submitted("Book a demo", 89.9), stage="marketingqualifiedlead", company={})

    assert why(*demoted, is_made=False).startswith("Would go back to lead from MQL.")


@pytest.mark.parametrize(
    ("shown", "is_kept"),
    [
        pytest.param("Became lead.\n- a reason", True, id="a change to the stage it is in"),
        pytest.param("Became lead by the fast track (grade A1).", True, id="by the fast track"),
        pytest.param("Back to lead from MQL (grade B).", True, id="a change back to it"),
        pytest.param("Became lead magnet.", False, id="another stage whose name begins alike"),
        pytest.param("Became opportunity.", False, id="a change that somebody has undone"),
        pytest.param("Would become lead.", False, id="a change that was not made"),
        pytest.param("Stays lead (grade C1).", False, id="no change"),
        pytest.param("Somebody's own words.", False, id="not ours"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_the_why_of_the_change_that_led_to_the_stage_is_kept(shown: str | None, *, is_kept: bool) -> None:
    definition, evaluation = judged(None, stage="lead")

    card = Narrator(definition).card(evaluation, stage_changed=False, shown=shown and f"{shown}\nNext: old")

    assert card is not None
    kept, _, rest = card.partition("\nNext: ")
    assert (kept == shown) is is_kept
    assert rest == missing(definition, evaluation)


def test_what_is_missing_names_the_next_stage_its_limits_and_what_is_there() -> None:
    definition, evaluation = judged(None, submitted("ebook A", 1), company={"numberofemployees": "200"})

    assert missing(definition, evaluation) == (
        "MQL (marketing qualified lead) needs: product engagement is at least 25 (now 0); industry is known."
    )


def test_a_number_that_is_missing_is_never_rounded_up_to_the_limit() -> None:
    definition, evaluation = judged(None, submitted("Book a demo", 45.2))

    assert 24 < evaluation.engagement < 25
    assert "product engagement is at least 25 (now 24)" in missing(definition, evaluation)


def test_the_evidence_that_is_open_is_named() -> None:
    assert "(still open: need)" in missing(*judged(None, stage="marketingqualifiedlead"))


def test_nothing_is_missing_on_top() -> None:
    assert missing(*judged(None, stage="customer")) == ""


def test_a_veto_says_why() -> None:
    veto = {
        "disqualify": [
            {"id": "dq", "when": {"industry": "GAMING"}, "class": "fit", "why": "we do not sell to them"}
        ]
    }
    definition, evaluation = judged(veto, submitted("Book a demo", 1), company={"industry": "gaming"})

    assert why(definition, evaluation).splitlines() == [
        "Not qualified; stays lead.",
        "- industry is GAMING (we do not sell to them)",
    ]
    assert missing(definition, evaluation) == "nothing, while it is disqualified."


@pytest.mark.parametrize(
    ("properties", "until"),
    [
        ({"returned": "not_now", "returned_at": "2026-11-01"}, "before 2027-01-30"),
        ({"returned": "Not_ICP"}, "until a person clears the reason"),
    ],
)
def test_a_handed_back_lead_says_when_it_may_come_back(properties: dict[str, str], until: str) -> None:
    definition, evaluation = judged(RECYCLE, company={}, **properties)  # type: ignore[arg-type]  # only texts

    assert evaluation.code == "recycled"
    assert until in why(definition, evaluation)
    assert missing(definition, evaluation) == f"nothing {until}, unless there is a demo after it came back."


def test_a_stage_only_people_set_stays_without_reasons() -> None:
    definition, evaluation = judged({"stages/human_only": ["other"]}, stage="other")

    assert why(definition, evaluation) == "Stays other: only people move contacts in or out of it."
    assert missing(definition, evaluation) == ""


def test_deals_are_told_without_their_amounts() -> None:
    text = why(*judged(None, deals=(Deal("open", "12345"),)))

    assert text.splitlines()[:2] == ["Became opportunity.", "- the number of open deals is at least 1"]
    assert "12345" not in text


def many_criteria() -> dict[str, Any]:
    criteria = [{"id": f"fit.{i}", "points": 1 + i, "when": {"industry": {"known": True}}} for i in range(12)]
    return {
        "fit/criteria": criteria,
        f"{MQL}/enter": {"all": [{"fit": {"at_least": 500 + i}} for i in range(9)]},
    }


def test_there_are_at_most_five_reasons() -> None:
    definition, evaluation = judged(many_criteria())

    assert why(definition, evaluation).count("\n- ") <= MAX_REASONS
    assert missing(definition, evaluation).count("the fit score") == MAX_REASONS


def test_no_text_of_the_contact_is_repeated() -> None:
    personal = {
        "facts/title": "contact.jobtitle",
        "facts/mail": "contact.email",
        f"{MQL}/enter": {"all": [{"title": {"is_not": "x"}}, {"mail": {"starts_with": "a"}}, {"tier": "C"}]},
    }
    definition, evaluation = judged(personal, jobtitle="Boss of Anna Smith", email="zoe@acme.example")
    card = why(definition, evaluation) + missing(definition, evaluation)

    assert "Anna" not in card
    assert "zoe" not in card


def test_an_address_written_into_the_definition_is_left_out() -> None:
    veto = {
        "disqualify": [
            {"id": "dq", "when": {"industry": "SOFTWARE"}, "class": "fit", "why": "ask bo@acme.example"}
        ]
    }

    assert why(*judged(veto)).endswith("(ask (address))")


def test_a_card_fits_the_property_whatever_the_definition_says() -> None:
    names = [f"industry {i} " + "x" * 60 for i in range(1_200)]
    definition, evaluation = judged({f"{MQL}/enter": {"tier": "A", "industry": {"in": names}}})

    assert len(missing(definition, evaluation)) <= MAX_CHARS
    assert len(why(definition, evaluation)) + len(missing(definition, evaluation)) + 10 <= 65_536


@pytest.mark.parametrize(
    "stage", ["lead", "marketingqualifiedlead", "salesqualifiedlead", "customer", "unheard of", ""]
)
def test_without_an_explanation_there_is_still_a_card(stage: str) -> None:
    definition, evaluation = judged(None, submitted("Book a demo", 3), stage=stage)
    bare = replace(evaluation, explanation=None)

    assert why(definition, bare).splitlines()[0] == why(definition, evaluation).splitlines()[0]
    assert missing(definition, bare).partition(":")[0] == missing(definition, evaluation).partition(":")[0]


def test_the_arithmetic_adds_up_line_by_line() -> None:
    definition, evaluation = judged(None, submitted("Book a demo", 45), submitted("ebook A", 1))
    text = arithmetic(definition, evaluation)

    assert "Fit 70 (0 to 100), tier A (A from 60, B from 30)" in text
    assert "+25  eng.demo: +50 each, half every 45d" in text
    assert "demo 2026-10-08 12:00, 45 d: +25 (\N{MULTIPLICATION SIGN} 0.5)" in text
    assert "Engagement 30" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_arithmetic_has_two_decimals_and_percent() -> None:
    text = arithmetic(*judged(None, submitted("Book a demo", 10.123456), submitted("ebook A", 1)))

    assert [
        number for number in re.findall(r"[0-9]+\.[0-9]+", text) if len(number.partition(".")[2]) > 2
    ] == []
    assert "demo 2026-11-12 09:02, 10.12 d: +42.78 (\N{MULTIPLICATION SIGN} 0.86)" in text


def test_a_share_is_seen_in_percent_as_it_is_asked_for() -> None:
    text = arithmetic(*judged({f"{MQL}/enter": {"completeness": {"at_least": 0.75}}}))

    assert "are known (saw 100 %)" in " ".join(text.split())


def test_two_decimals_do_not_reach_a_limit_that_the_score_misses() -> None:
    text = arithmetic(*judged(None, submitted("Book a demo", 45.00003)))

    assert "+25  eng.demo" in text
    assert "at least 25 (saw 24.99998" in text


def test_the_arithmetic_says_where_a_limit_cut() -> None:
    events = [submitted("ebook A", 1)] * 5
    text = arithmetic(*judged({"engagement/groups/content/range": [0, 8]}, *events))

    assert "content 8 (0 to 8, sum 10)" in text
    assert "+10  eng.ebook: +5 each, at most 10 of 25" in text


def test_many_events_of_one_criterion_are_added_up() -> None:
    text = arithmetic(*judged(None, *[submitted("ebook A", 1 + i / 10) for i in range(20)]))

    assert "and 12 older ones: +60" in text
