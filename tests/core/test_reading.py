"""Raw text -> typed values: the fact table of the language, and a finding for what is present but unusable."""

import json
from typing import Any

import pytest

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import BadContact, BadLine, evaluate_lines, parse_contact
from crmsync.definition.load import load
from crmsync.definition.text import (
    fold,
    instant,
    iso,
    micros,
    read_bool,
    read_date,
    read_list,
    read_number,
    read_text,
)
from crmsync.model import Evaluation

NOON = 1_795_348_800_000_000  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        pytest.param("50", 50.0, id="digits"),
        pytest.param("+7", 7.0, id="plus"),
        pytest.param("-3", -3.0, id="minus"),
        pytest.param("20.0", 20.0, id="fraction"),
        pytest.param("1 200", 1200.0, id="a space is removed"),
        pytest.param("1\u00a0200", 1200.0, id="so is a no-break space"),
        pytest.param("1\u202f200", 1200.0, id="and a narrow one"),
        pytest.param("1,000", None, id="a comma is not guessed away"),
        pytest.param("1e3", None, id="no exponent"),
        pytest.param(".5", None, id="no bare fraction"),
        pytest.param("5.", None, id="no bare point"),
        pytest.param("NaN", None, id="not a number"),
        pytest.param("٣", None, id="ASCII digits only"),
        pytest.param("1\t0", None, id="a tab is not a space"),
        pytest.param("", None, id="blank is unknown, not zero"),
        pytest.param("9" * 400, None, id="beyond doubles"),
    ],
)
def test_what_is_no_plain_number_is_unknown(raw: str, number: float | None) -> None:
    assert read_number(raw) == number


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("2026-11-22", "2026-11-22T00:00:00Z", id="midnight UTC"),
        pytest.param("2026-11-22 12:00", "2026-11-22T12:00:00Z", id="space"),
        pytest.param("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z", id="Z"),
        pytest.param("2026-11-22T17:30:00+0530", "2026-11-22T12:00:00Z", id="offset without colon"),
        pytest.param("2026-11-22T07:00-05:00", "2026-11-22T12:00:00Z", id="offset with colon"),
        pytest.param("2026-11-22T12:00:00.1234567Z", "2026-11-22T12:00:00.123456Z", id="cut to microseconds"),
        pytest.param("2026-11-22T12:00:00.5", "2026-11-22T12:00:00.500000Z", id="one digit"),
        pytest.param("1795348800000", "2026-11-22T12:00:00Z", id="epoch milliseconds"),
        pytest.param("1795348800", "1970-01-21T18:42:28.800000Z", id="ten digits are milliseconds, too"),
        pytest.param("179534880", None, id="nine digits"),
        pytest.param("20261122", None, id="no separators"),
        pytest.param("2026-11-22t12:00", None, id="small t"),
        pytest.param("2026-02-30", None, id="no such day"),
        pytest.param("2026-11-22T24:00", None, id="no such hour"),
        pytest.param("2026-11-22T12", None, id="hour alone"),
        pytest.param("2026-11-22T12:00:00.Z", None, id="empty fraction"),
        pytest.param("2026-11-22T12:00:00.1234567890Z", None, id="ten fraction digits"),
        pytest.param("2026-11-22Z", None, id="zone without time"),
        pytest.param("0000-01-01", None, id="year zero"),
        pytest.param("\uff12026-11-22", None, id="ASCII digits only"),
        pytest.param(" 2026-11-22", None, id="not trimmed"),
        pytest.param("soon", None, id="words"),
    ],
)
def test_what_is_no_plain_date_is_unknown(raw: str, text: str | None) -> None:
    us = read_date(raw)

    assert (None if us is None else iso(us)) == text


def test_instants_go_and_come_back() -> None:
    assert micros(instant(NOON + 1)) == NOON + 1
    assert iso(read_date("0001-01-01T00:00+05:00") or 0).endswith("since 1970")


def test_texts_are_folded_in_nfc_not_merely_lowered() -> None:
    assert fold(" STRASSE ") == fold("straße") == "strasse"
    assert fold("Cafe\u0301") == fold("CAFÉ")
    assert fold("\ufb01nance") == fold("FINANCE")
    assert (read_text("  "), read_bool("TRUE"), read_bool("yes"), read_bool("")) == (None, True, None, None)
    assert (read_list("b; C;;ß"), read_list(";")) == (("b", "c", "ss"), None)


# --- a whole contact

DEFINITION = """
definition: {id: reading, version: "1"}
facts:
  text: contact.text
  number: {from: [company.number, contact.number], type: number}
  date: {from: contact.date, type: date}
  flag: {from: contact.flag, type: bool}
  likes: {from: contact.likes, type: list}
  strict: {from: contact.strict, map: {a: A, "1": one}}
  loose: {from: contact.strict, map: {a: A}, else: other}
  years: {from: contact.strict, type: number, map: {a: 5, b: five}}
  won: deals.won_amount
  wins: deals.won
events:
  long: {from: calls, where: {duration: {at_least: 60}}}
  opens: {from: counter, of: contact.opens}
  met: {from: date, of: contact.met}
fit: {key_facts: [text, number, date, flag, likes, strict, loose, years]}
engagement:
  groups:
    g:
      criteria:
        - {id: long, event: long, points: 1}
        - {id: opens, event: opens, points: 1}
        - {id: met, event: met, points: 1}
        - {id: any, event: any, points: 1}
stages: {order: [lead], rules: {}}
"""


def evaluated(**record: Any) -> Evaluation:
    compiled = Evaluator(load(DEFINITION, name="reading.yaml"))
    line = json.dumps({"id": "1", **record})
    (made,) = compiled.evaluate([parse_contact(line)], instant(NOON), explain=True)
    return made


def seen(**record: Any) -> dict[str, Any]:
    why: Any = evaluated(**record).explanation
    return {name: fact["value"] for name, fact in why["facts"].items()}


def findings(**record: Any) -> list[tuple[str | None, str, str]]:
    return [(f.fact or f.event, f.path, f.problem) for f in evaluated(**record).findings]


def test_a_list_of_paths_gives_the_first_known_value() -> None:
    assert seen(company={"number": "many"}, contact={"number": "5"})["number"] == 5.0
    assert seen(company={"number": "4"}, contact={"number": "5"})["number"] == 4.0
    assert seen(company=None, contact={"number": 5})["number"] == 5.0
    assert findings(company={"number": "many"}, contact={"number": "5"}) == [
        ("number", "company.number", "not a number")
    ]


@pytest.mark.parametrize(
    ("raw", "strict", "loose"),
    [
        pytest.param("A ", "A", "A", id="in the map"),
        pytest.param("b", None, "other", id="not in the map"),
        pytest.param("1", "one", "other", id="a number's text"),
        pytest.param("", None, None, id="blank is missing, not else"),
        pytest.param(None, None, None, id="null is missing, not else"),
    ],
)
def test_a_map_translates_in_any_case_and_else_takes_what_it_lacks(
    raw: str | None, strict: str | None, loose: str | None
) -> None:
    got = seen(contact={"strict": raw})

    assert (got["strict"], got["loose"]) == (strict, loose)


def test_the_result_of_a_map_is_read_as_the_type() -> None:
    assert seen(contact={"strict": "a"})["years"] == 5.0
    assert ("years", "contact.strict", "not a number") in findings(contact={"strict": "b"})


def test_a_json_number_or_boolean_is_read_as_its_text() -> None:
    got = seen(contact={"flag": True, "text": 12.50, "number": 7, "date": 1795348800000})

    assert (got["flag"], got["text"], got["number"], got["date"]) == (
        True,
        "12.5",
        7.0,
        "2026-11-22T12:00:00Z",
    )


def test_texts_keep_their_spelling_for_people() -> None:
    got = seen(contact={"text": " Café  Noir ", "likes": "B; c"})

    assert (got["text"], got["likes"]) == ("Café  Noir", ("B", "c"))


def test_deals_are_numbers_and_unreadable_amounts_count_nothing() -> None:
    deals = [{"state": "won", "amount": amount} for amount in ("1 200", "n/a", None, "")]

    assert seen()["won"] == seen()["wins"] == 0.0
    assert (seen(deals=deals)["won"], seen(deals=deals)["wins"]) == (1200.0, 4.0)
    assert findings(deals=deals) == [("won", "deals.won_amount", "an amount is not a number")]


def test_what_is_missing_is_no_finding_and_what_is_unreadable_is_one_each() -> None:
    blank = {"text": "", "number": " ", "date": None, "flag": "", "likes": ";", "strict": None, "met": ""}
    odd = {"number": "x", "date": "soon", "flag": "yes", "strict": "z", "met": "soon"}

    assert findings(contact=blank) == []
    assert findings(contact=odd) == [
        ("number", "contact.number", "not a number"),
        ("date", "contact.date", "not a date"),
        ("flag", "contact.flag", "not true or false"),
        ("strict", "contact.strict", "not in the map"),
        ("years", "contact.strict", "not in the map"),
        ("date", "contact.met", "not a date"),
    ]


@pytest.mark.parametrize(
    ("event", "finding"),
    [
        ({"source": "pages", "at": "soon"}, ("pages", "pages.at", "no readable instant")),
        ({"source": "pages"}, ("pages", "pages.at", "no readable instant")),
        ({"source": "faxes", "at": "2026-11-01"}, ("faxes", "events", "unknown source")),
        ({"source": "pages", "at": "2026-11-01", "count": 0}, ("pages", "pages.count", "a count below 1")),
        ({"source": "pages", "at": "2026-11-01", "count": "x"}, ("pages", "pages.count", "a count below 1")),
        ({"source": "counter", "at": "2026-11-01"}, ("counter", "counter.of", "not a contact property")),
        (
            {"source": "date", "at": "2026-11-01", "of": "contact.met"},
            ("date", "events", "date events come from the contact's property"),
        ),
    ],
)
def test_an_unusable_event_is_dropped_with_a_finding(
    event: dict[str, Any], finding: tuple[str, str, str]
) -> None:
    made = evaluated(events=[event])

    assert made.engagement == 0.0
    assert [(f.event, f.path, f.problem) for f in made.findings] == [finding]


def test_an_unreadable_attribute_is_unknown_and_a_finding() -> None:
    made = evaluated(events=[{"source": "calls", "at": "2026-11-01", "duration": "long"}])

    assert (made.points["long"], made.points["any"]) == (0.0, 1.0)
    assert [(f.event, f.path, f.problem) for f in made.findings] == [
        ("calls", "calls.duration", "not a number")
    ]


def test_counters_weigh_their_increase_and_dates_count_once() -> None:
    counter = {"source": "counter", "of": "contact.opens", "at": "2026-11-01", "count": 3}
    other = {**counter, "of": "contact.other"}
    made = evaluated(contact={"met": "2026-11-22T12:00:00Z"}, events=[counter, other, counter])

    assert made.points == {"long": 0.0, "opens": 6.0, "met": 1.0, "any": 0.0}


def test_an_event_counts_at_its_instant_and_not_before() -> None:
    now = {"source": "pages", "at": "2026-11-22T12:00:00Z"}
    later = {"source": "pages", "at": "2026-11-22T12:00:00.000001Z"}

    assert evaluated(events=[now, later]).points["any"] == 1.0


def test_an_unreadable_entry_date_is_unknown_and_a_finding() -> None:
    assert findings(stage_entered_at="soon") == [("days_in_stage", "stage_entered_at", "not an instant")]


# --- lines


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("{", "not JSON at column 2", id="broken"),
        pytest.param("[]", "must be a JSON object, not a list", id="a list"),
        pytest.param("{}", "`id` must be a text, not null", id="no id"),
        pytest.param('{"id": ""}', "`id` must be a text, not empty", id="empty id"),
        pytest.param('{"id": "1", "contact": []}', "`contact` must be an object, not a list", id="contact"),
        pytest.param('{"id": "1", "contact": {"a": []}}', "`contact.a` must be text", id="property"),
        pytest.param('{"id": "1", "events": {}}', "`events` must be a list, not an object", id="events"),
        pytest.param('{"id": "1", "events": [1]}', "an event must be an object, not a number", id="event"),
        pytest.param('{"id": "1", "events": [{}]}', "the `source` of an event must be a text", id="source"),
        pytest.param(
            '{"id": "1", "deals": [{"state": "x"}]}', "the `state` of a deal must be one of", id="deal"
        ),
        pytest.param(
            '{"id": "1", "compny": {}}', "unknown key `compny`; did you mean `company`?", id="misspelt"
        ),
        pytest.param('{"id": "1", "contact": {"a": "x", "a": "y"}}', "the key `a` stands twice", id="twice"),
        pytest.param('{"id": NaN}', "NaN is not JSON", id="NaN"),
        pytest.param('{"id": "\\ud800"}', "half a surrogate pair is not text", id="surrogate"),
        pytest.param('{"id": "1", "contact": ' + '{"a":' * 100_000, "nested too deep", id="deep"),
        pytest.param(b'{"id": "\xff"}', "not UTF-8 at byte 9", id="bytes"),
    ],
)
def test_a_line_that_is_no_contact_says_why(line: str | bytes, problem: str) -> None:
    with pytest.raises(BadContact) as caught:
        parse_contact(line)

    assert str(caught.value).startswith(problem)


def test_keys_of_others_are_ignored_and_a_numeric_id_is_its_text() -> None:
    contact = parse_contact('{"id": 101, "note": "x", "contact": null, "company": null}')

    assert (contact.id, dict(contact.properties), contact.company) == ("101", {}, None)


def test_bad_lines_are_reported_by_number_and_the_others_evaluated_in_order() -> None:
    lines = [b'{"id": "1"}\n', b"oops\n", b"\n", b'{"id": "2"}\n', b"[]"]

    results = list(evaluate_lines(iter(lines), Evaluator(load(DEFINITION)), instant(NOON)))

    assert [r.id if isinstance(r, Evaluation) else str(r) for r in results] == [
        "1",
        "line 2: not JSON at column 1: Expecting value",
        "2",
        "line 5: must be a JSON object, not a list",
    ]


def test_lines_are_read_as_they_are_asked_for() -> None:
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield json.dumps({"id": str(taken)})

    results = evaluate_lines(endless(), Evaluator(load(DEFINITION)), instant(NOON))
    first = next(results)

    assert not isinstance(first, BadLine)
    assert taken <= 5_000
