"""`report` and the pictures of `history` and `explain`, as a person runs them."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from crmsync.insight.words import stage
from crmsync.model import STAGE
from tests.journey.scene import Scene, assert_fits_80_columns, scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(f"sqlite:///{tmp_path_factory.mktemp('report') / 'crmsync.db'}") as made:
        yield made


def test_the_numbers_of_a_report_are_those_of_the_trail(told: Scene) -> None:
    report = told.json("report", "--since", "7d")

    applied = told.export("--kind", "change.applied")
    promoted = [one for one in applied if one["property"] == STAGE and one["cause"] == "promoted"]
    assert report["entries"]["change.applied"] == len(applied)
    assert sum(day["promoted"] for day in report["days"]) == len(promoted)
    assert {"cause": "promoted", "property": STAGE, "count": len(promoted)} in report["changes"]
    assert sum(flow["contacts"] for flow in report["funnel"]) == report["contacts"]
    assert report["head"]["hash"] == told.json("audit", "head")["hash"]
    assert [one["text"] for one in report["decisions"]] == ["Definition b2b-saas 2026.4 came into use."]


def test_the_text_fits_80_columns_and_says_what_the_document_says(told: Scene) -> None:
    text = told.says("report")

    assert_fits_80_columns(text)
    report = told.json("report")
    assert f"{report['entries']['change.applied']:,}  applied in all" in text
    assert f"{sum(day['demoted'] for day in report['days'])}\n" in text
    assert "b2b-saas 2026.4 came into use" in text


def test_the_page_needs_nothing_but_itself_and_names_nobody(told: Scene, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    told.says("report", "--html", str(file))

    page = unescape(file.read_text(encoding="utf-8"))
    assert page.count("<svg") == 2
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|src=|@import|url\((?!#)", page)
    assert "@" not in re.sub(r"@(media|page)", "", page)
    assert told.says("report", "--html", "-").startswith("<!doctype html>")


def test_of_an_empty_period_a_report_says_so(told: Scene) -> None:
    text = told.says("report", "--since", "2020-01-01", "--until", "2020-02-01")

    assert "Nothing was changed." in text
    assert told.json("report", "--since", "2020-01-01", "--until", "2020-02-01")["changes"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is not an instant."),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "--since lies after --until."),
        (("--html", "/nowhere/report.html"), "/nowhere/report.html: the report cannot be written"),
        (("--html", "x.html", "--json"), "choose one"),
    ],
)
def test_bad_input_is_a_sentence(told: Scene, arguments: tuple[str, ...], said: str) -> None:
    assert said in told.refuses("report", *arguments)


def test_history_and_explain_draw_the_stages_of_a_contact(told: Scene) -> None:
    moved = told.moved("promoted")[0]

    for command in ("history", "explain"):
        text = told.says(command, moved["id"])

        assert_fits_80_columns(text)
        lane = next(line for line in text.splitlines() if re.fullmatch(r"[A-Za-z ]{13}·*█+", line))
        assert lane.split()[0] == stage(moved["after"])
