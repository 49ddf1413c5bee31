"""The agreement in plain sentences, as text of 80 columns and as a page that needs nothing else."""

import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition, Duration
from crmsync.definition.wording.page import as_html
from crmsync.definition.wording.sentences import as_text, describe
from crmsync.definition.wording.words import both, either, number, phrase, span, stage_label, stage_name
from tests.agreements import an_agreement

MQL = "stages/rules/marketingqualifiedlead"
EXAMPLE = (files("crmsync") / "starter" / "examples" / "b2b-saas.yaml").read_bytes()
HOSTILE = "</style><script>alert('x')</script>\"&<img src=http://evil.example/x>"


@cache
def example() -> Definition:
    return load(EXAMPLE)


def said(condition: dict[str, Any], changes: dict[str, Any] | None = None) -> str:
    definition = an_agreement({**(changes or {}), f"{MQL}/triage": condition})
    triage = next(r.triage for r in definition.stages.rules if r.stage == "marketingqualifiedlead")
    assert triage is not None
    return phrase(triage, definition)


@pytest.mark.parametrize(("condition", "sentence"), [
    ({"tier": ["A", "B"]}, "fit is A or B"),
    ({"fit": {"at_least": 70}}, "the fit score is at least 70"),
    ({"engagement": {"between": [28, 35.5]}}, "engagement is between 28 and 35.5"),
    ({"engagement.product": {"more_than": 0}}, "product engagement is more than 0"),
    ({"completeness": {"at_least": 0.75}}, "at least 75 % of the key facts (industry and employees) are known"),
    ({"industry": "SOFTWARE"}, "industry is SOFTWARE"),
    ({"industry": {"not_in": ["A", "B"]}}, "industry is not A or B"),
    ({"industry": {"known": False}}, "industry is not known"),
    ({"industry": {"contains_any": ["soft", "data"]}}, "industry contains “soft” or “data”"),
    ({"industry": {"starts_with": "Soft", "is_not": "Softball"}},
     "industry starts with “Soft”, and industry is not Softball"),
    ({"employees": {"less_than": 1000}}, "employees is less than 1,000"),
    ({"need": True}, "need is yes"),
    ({"deals": {"at_least": 1}}, "the number of open deals is at least 1"),
    ({"event.demo": {}}, "there was a demo at any time"),
    ({"event.ebook": {"within": "7d"}}, "there was an ebook in the last 7 days"),
    ({"event.ebook": {"within": "1d", "at_least": 5}},
     "there were at least 5 \N{MULTIPLICATION SIGN} ebook in the last day"),
    ({"event.any": {"within": "2w", "at_least": 2}}, "there were at least 2 events of any kind in the last 2 weeks"),
    ({"event.any": {"within": "2w", "is": 0}}, "there was no event of any kind in the last 2 weeks"),
    ({"evidence": "satisfied"}, "the evidence is complete (need)"),
    ({"not": {"tier": "A"}}, "it is not so that fit is A"),
    ({"any": [{"tier": "A"}, {"all": [{"need": True}, {"event.demo": {}}]}]},
     "fit is A, or (need is yes, and there was a demo at any time)"),
    ({"stage": "marketingqualifiedlead"}, "the stage is MQL"),
    ({"disqualified": False}, "the contact is not disqualified"),
    ({"days_in_stage": {"at_least": 30}}, "the number of days in the stage is at least 30"),
    ({"points.eng.demo": {"at_least": 5}}, "the score of eng.demo is at least 5"),
])  # fmt: skip
def test_a_condition_is_a_clause(condition: dict[str, Any], sentence: str) -> None:
    assert said(condition) == sentence


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ({"within": "30d"}, "seen was in the last 30 days"),
        ({"before": "1w"}, "seen was more than 1 week ago"),
    ],
)
def test_a_date_is_told_by_its_age(test: dict[str, str], sentence: str) -> None:
    assert said({"seen": test}, {"facts/seen": {"from": "contact.seen", "type": "date"}}) == sentence


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (["x", "y"], "likes includes x or y"),
        ({"not_in": ["x", "y"]}, "likes includes none of x and y"),
        ({"contains": "x"}, "likes includes x"),
    ],
)
def test_a_list_has_things(test: Any, sentence: str) -> None:
    assert said({"likes": test}, {"facts/likes": {"from": "contact.likes", "type": "list"}}) == sentence


def test_stages_have_the_names_people_use() -> None:
    assert stage_name("marketingqualifiedlead") == "MQL (marketing qualified lead)"
    assert (stage_label("salesqualifiedlead"), stage_label("1234"), stage_label(None)) == (
        "SQL",
        "1234",
        "no stage",
    )


@pytest.mark.parametrize(("text", "words"), [("90d", "90 days"), ("1h", "1 hour"), ("45m", "45 minutes")])
def test_spans_are_written_in_words(text: str, words: str) -> None:
    assert span(Duration(0, text)) == words


@pytest.mark.parametrize(
    ("value", "text"), [(25.0, "25"), (-0.0, "0"), (1234567.5, "1,234,567.5"), (0.1 + 0.2, "0.3")]
)
def test_numbers_have_no_needless_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_lists_of_names() -> None:
    assert (either(["a"]), either(["a", "b"]), both(["a", "b", "c"]), both([])) == (
        "a",
        "a or b",
        "a, b and c",
        "nothing",
    )


@pytest.mark.parametrize("sentence", [
    "Becomes MQL (marketing qualified lead) when\n  - fit is A or B [g.fit], and\n",
    "Stays MQL for at least 7 days, and as long as engagement is at least 20.",
    "Becomes lead when there was an ebook in the last 365 days.",
    "Nobody is moved back from opportunity or customer.",
    "When title contains “student” or “intern” (it does not fit): cannot buy [dq.student].",
    "At least 3 of these 4, among them need and authority:",
    "+25  industry is SOFTWARE or FINANCE [fit.industry]\n       why: 71 % of won revenue",
    "Fit is A from 70, B from 45, C from 20, D below.",
    "no budget (the time is not right): comes back after 180 days",
    "Business time is Monday to Friday, 08:30 to 17:00 (Europe/Copenhagen), but for",
    "From 2027-01-05 to 2027-03-30, when utm campaign is nordic-fintech-q1",
    "One visit and an e-book is not an MQL.",
    "each demo request in the last 90 days, worth half every 45 days",
    "employees: -20 if it is less than 20; +30 if it is less than 1,000; +10 if it is anything else [fit.size]",
    "Void: anna@acme.example signed for marketing on 2026-11-24, and the content has changed since.",
    "a call where disposition is connected, and the duration in seconds is at least 60",
    "opted out (yes or no): contact.hs_email_optout",
    "Track revisit-later when the outcome is recycled.",
    "email open: each increase of hs_email_open",
])  # fmt: skip
def test_the_example_of_the_language_reads_well(sentence: str) -> None:
    assert " ".join(sentence.split()) in " ".join(as_text(example()).split())


def test_text_fits_eighty_columns() -> None:
    assert max(len(line) for line in as_text(example()).splitlines()) <= 80


def test_sections_without_content_are_left_out() -> None:
    titles = [section.title for section in describe(an_agreement())]

    assert "Agreed exceptions" not in titles
    assert "When a contact changes stage" in titles


class _Page(HTMLParser):
    """What a browser would load, and the text it would show."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.shown: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [
            f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "action"} or name.startswith("on")
        ]
        if tag not in {"meta", "img", "br", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.shown.append(data)


def test_the_page_needs_nothing_but_itself() -> None:
    html = as_html(example())
    page = _Page(html)

    assert page.loads == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", html)
    assert page.open == []


@pytest.mark.parametrize(
    "path",
    [
        "definition/scope",
        "fit/criteria/0/why",
        "fit/criteria/0/name",
        "facts/industry",
        "definition/version",
    ],
)
def test_a_hostile_text_stays_text(path: str) -> None:
    value = {"from": "company.industry", "map": {HOSTILE: HOSTILE}} if path == "facts/industry" else HOSTILE
    page = _Page(as_html(an_agreement({path: value})))

    assert not {"script", "img"} & set(page.tags)
    assert HOSTILE in "".join(page.shown)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_any_text_leaves_the_page_well_formed(text: str) -> None:
    clean = "".join(c for c in text if c.isprintable()).strip() or "x"
    page = _Page(as_html(an_agreement({"definition/scope": clean, "definition/waive": {"no-why": clean}})))

    assert page.open == []


def test_the_page_shows_the_hash_and_a_box_for_each_signature() -> None:
    definition = an_agreement()
    page = _Page(as_html(definition))

    assert definition.ref.sha256 in "".join(page.shown)
    assert "For marketing" in page.shown
    assert "For sales" in page.shown
    assert page.shown.count("Signature") == 2


def test_the_page_says_who_signed_this_content_and_who_another() -> None:
    sha256 = an_agreement().ref.sha256
    signatures = [
        {"role": "sales", "who": "bo@acme.example", "at": "2026-11-24T10:11:00Z", "sha256": sha256},
        {"role": "marketing", "who": "anna@acme.example", "sha256": "77aa"},
    ]
    shown = "".join(_Page(as_html(an_agreement({"definition/agreed_by": signatures}))).shown)

    assert "signed by bo@acme.example on 2026-11-24" in shown
    assert "void anna@acme.example signed another content" in shown
