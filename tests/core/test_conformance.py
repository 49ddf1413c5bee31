"""The vectors of the language: every field an expected evaluation has must be equal, numbers within 1e-5."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.offline import BadLine, evaluate_lines, evaluation_json, parse_contact
from crmsync.definition.load import load
from crmsync.definition.text import instant, read_date

HERE = Path(__file__).parent
FOLDERS = sorted(
    path for kind in ("conformance", "corners") for path in (HERE / kind).iterdir() if path.is_dir()
)


def is_same(got: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(is_same(got[k], expected[k]) for k in got)
        )
    if isinstance(expected, float):
        return isinstance(got, float) and abs(got - expected) < 1e-5 and str(got) != "-0.0"
    return bool(got == expected) and type(got) is type(expected)


def as_of(text: str) -> Any:
    us = read_date(text.strip())
    assert us is not None
    return instant(us)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_every_vector_is_evaluated_as_expected(folder: Path) -> None:
    evaluator = Evaluator(load(folder / "definition.yaml"))
    expected = [json.loads(line) for line in (folder / "expected.jsonl").read_text("utf-8").splitlines()]

    with (folder / "records.jsonl").open("rb") as lines:
        results = list(evaluate_lines(lines, evaluator, as_of((folder / "as_of").read_text("utf-8"))))

    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert not isinstance(result, BadLine)
        got = evaluation_json(result)
        differing = {key: (got[key], wanted[key]) for key in wanted if not is_same(got[key], wanted[key])}
        assert differing == {}, f"contact {got['id']}"


def test_all_folders_are_here() -> None:
    assert Counter(folder.parent.name for folder in FOLDERS) == {"conformance": 16, "corners": 10}


WORKED = {
    "id": "101",
    "contact": {"jobtitle": "VP Sales", "lifecyclestage": "lead", "country": "België"},
    "company": {"industry": "SOFTWARE", "numberofemployees": "200"},
    "deals": [{"state": "open", "amount": "1200.0"}],
    "stage_entered_at": "2026-10-01T00:00:00Z",
    "events": [
        {
            "source": "forms",
            "at": "2026-11-20T09:00:00Z",
            "form": "Book a demo",
            "page": "https://x.example/demo",
        },
        {
            "source": "calls",
            "at": "2026-11-21T09:00:00Z",
            "direction": "OUTBOUND",
            "disposition": "connected",
            "duration": 120,
        },
        {"source": "counter", "of": "contact.hs_email_open", "at": "2026-11-21T10:00:00Z", "count": 3},
    ],
}


def test_the_worked_example_of_the_language_gives_its_evaluation() -> None:
    definition = load(HERE / "definitions" / "b2b-saas.yaml")

    (evaluation,) = Evaluator(definition).evaluate(
        [parse_contact(json.dumps(WORKED))], as_of("2026-11-22T00:00:00Z")
    )

    got = evaluation_json(evaluation)
    sha256 = got["definition"].pop("sha256")
    assert len(sha256) == 64
    assert got["engagement"] == pytest.approx(48.764017, abs=1e-6)
    score = got["engagement"]
    assert got == {
        "id": "101",
        "as_of": "2026-11-22T00:00:00Z",
        "definition": {"id": "b2b-saas", "version": "2026.4"},
        "campaign": None,
        "fit": 65.0,
        "engagement": score,
        "groups": {"product": score, "content": 0.0, "negative": 0.0},
        "tier": "B",
        "level": "2",
        "grade": "B2",
        "completeness": 1.0,
        "points": {
            "fit.industry": 25.0,
            "fit.region": 10.0,
            "fit.size": 30.0,
            "eng.demo": score,
            "eng.pricing": 0.0,
            "eng.burst": 0.0,
            "eng.ebook": 0.0,
            "neg.silent": 0.0,
            "neg.optout": 0.0,
        },
        "disqualified": [],
        "evidence": {"count": 0, "satisfied": False, "missing": ["budget", "authority", "need", "timing"]},
        "gates": {"g.fit": True, "g.data": True, "g.product": True, "g.engaged": True},
        "target": "opportunity",
        "action": "promote",
        "to": "opportunity",
        "code": "promoted",
        "outcome": "qualified",
        "track": "pricing-nurture",
        "findings": [],
    }


def test_the_smallest_useful_definition_promotes_on_one_score() -> None:
    definition = load(HERE / "definitions" / "breakfast-baskets.yaml")
    asked = {"source": "emails", "at": "2026-11-01T00:00:00Z", "direction": "INCOMING_EMAIL"}
    local = {
        "id": "1",
        "contact": {"state": "Antwerpen", "lifecyclestage": "lead"},
        "events": [asked, {**asked, "at": "2026-11-02T00:00:00Z"}],
    }
    far = {**local, "id": "2", "contact": {"state": "Luik", "lifecyclestage": "lead"}}
    lines = [json.dumps(record) for record in (local, far)]

    near, away = evaluate_lines(lines, Evaluator(definition), as_of("2026-11-22T00:00:00Z"))

    assert not isinstance(near, BadLine)
    assert not isinstance(away, BadLine)
    assert (near.engagement, near.fit, near.to) == (40.0, 0.0, "salesqualifiedlead")
    assert (away.engagement, away.fit, away.to) == (40.0, -20.0, None)
