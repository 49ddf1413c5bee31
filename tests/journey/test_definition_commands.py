"""The agreement on the command line, in a process of its own: no portal, store, token or network."""

import contextlib
import json
import subprocess
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crmsync.cli import root
from crmsync.clock import utcnow
from crmsync.definition.load import load
from crmsync.model import Draft
from crmsync.store import open_store
from tests.agreements import agreement_text
from tests.journey.command import CRMSYNC, environment_of
from tests.waiting import running

PACKAGE = files("crmsync")
EXAMPLE = Path(str(PACKAGE / "starter" / "examples" / "b2b-saas.yaml"))
STARTER = Path(str(PACKAGE / "starter" / "definition.yaml"))
ROOT = Path(__file__).parents[2]
RECORD = {
    "id": "101",
    "contact": {"jobtitle": "VP Sales", "lifecyclestage": "lead", "country": "België"},
    "company": {"industry": "SOFTWARE", "numberofemployees": "200"},
    "stage_entered_at": "2026-10-01T00:00:00Z",
    "events": [{"source": "forms", "at": "2026-11-20T09:00:00Z", "form": "Book a demo"}],
}


def run(
    cwd: Path, *arguments: str, status: int = 0, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run it in an empty folder; what it needs beyond its arguments, it does not have."""
    done = subprocess.run(
        [*CRMSYNC, *arguments],
        cwd=cwd,
        env=environment_of(env or {}) | {"PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    assert b"Traceback" not in done.stderr
    return done


def document(cwd: Path, *arguments: str, status: int = 0, stdin: bytes = b"") -> Any:
    """Run it here: a process of its own takes seconds, and the commands' texts are read from real ones."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(root, [*arguments, "--json"], input=stdin)
    assert done.exit_code == status, f"{arguments}: {done.exit_code}\n{done.output}"
    return json.loads(done.stdout)


def written(tmp_path: Path, changes: dict[str, Any] | None = None, name: str = "definition.yaml") -> str:
    (tmp_path / name).write_text(agreement_text(changes), encoding="utf-8")
    return name


def test_a_newcomers_way_from_nothing_to_a_signed_agreement(tmp_path: Path) -> None:
    assert b"not signed by anybody" in run(tmp_path, "new-definition").stdout
    before = document(tmp_path, "check")
    run(tmp_path, "sign", "--role", "marketing", "--who", "anna@acme.example")
    signed = document(tmp_path, "sign", "--role", "sales", "--who", "bo@acme.example")
    after = document(tmp_path, "check")

    assert {warning["rule"] for warning in before["warnings"]} == {"unsigned"}
    assert all(example["holds"] for example in before["examples"])
    assert signed["is_signed"] is True
    assert (after["ok"], after["errors"], after["warnings"]) == (True, [], [])
    assert after["definition"] == before["definition"]


def test_a_starter_never_overwrites(tmp_path: Path) -> None:
    run(tmp_path, "new-definition")
    done = run(tmp_path, "new-definition", status=2)

    assert b"is there already" in done.stderr
    assert (tmp_path / "config/definition.yaml").read_bytes() == STARTER.read_bytes()


def test_the_starter_and_the_default_are_the_same() -> None:
    for name in ("definition.yaml", "crmsync.toml"):
        assert (ROOT / "config" / name).read_bytes() == (STARTER.parent / name).read_bytes()


@pytest.mark.parametrize("name", ["b2b-saas", "breakfast-baskets"])
def test_shipped_examples_pass_check(tmp_path: Path, name: str) -> None:
    text = run(tmp_path, "new-definition", "-", "--example", name).stdout
    found = document(tmp_path, "check", "--definition", "-", stdin=text)

    assert found["ok"] is True
    assert found["definition"]["id"] == name


def test_every_error_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    changes = {"definition/id": "ACME", "fit/criteria/0/points": "many", "definition/handoff_stage": "mql"}
    file = written(tmp_path, changes)
    done = run(tmp_path, "check", "--definition", file, status=2)
    found = document(tmp_path, "check", "--definition", file, status=2)

    assert {error["path"] for error in found["errors"]} == {
        "definition.id",
        "fit.criteria[0].points",
        "definition.handoff_stage",
    }
    for error in found["errors"]:
        assert f"{file}:{error['line']}:{error['column']}: {error['path']}: " in done.stdout.decode()


def test_a_broken_example_is_reported_like_a_test(tmp_path: Path) -> None:
    examples = [
        {"name": "holds", "given": {}, "expect": {"fit": 0}},
        {"name": "breaks", "given": {"facts": {"employees": 50}}, "expect": {"fit": {"at_least": 40}}},
    ]
    file = written(tmp_path, {"examples": examples})
    text = run(tmp_path, "check", "--definition", file, status=2).stdout.decode()
    found = document(tmp_path, "check", "--definition", file, status=2)

    assert "BROKEN breaks" in text
    assert "fit: expected at least 40, got 30 (10 too low)" in text
    assert "+30  fit.size" in text
    assert [example["holds"] for example in found["examples"]] == [True, False]
    assert found["examples"][1]["differences"] == [
        {"key": "fit", "expected": "at least 40", "got": "30", "by": "10 too low"}
    ]


def test_a_signature_names_somebody_who_can_be_asked(tmp_path: Path) -> None:
    file = written(tmp_path, {})
    before = (tmp_path / file).read_bytes()

    done = run(tmp_path, "sign", "--definition", file, "--role", "sales", "--who", "Bo", status=2)

    assert b"--who is not an e-mail address." in done.stderr
    assert (tmp_path / file).read_bytes() == before


def test_standard_input_is_not_signed_and_the_message_asks_for_a_file(tmp_path: Path) -> None:
    sound = (tmp_path / written(tmp_path)).read_bytes()
    options = ("--definition", "-", "--role", "sales", "--who", "bo@acme.example")
    done = run(tmp_path, "sign", *options, status=2, stdin=sound)

    assert b"--definition FILE" in done.stderr


def test_a_broken_agreement_is_not_signed(tmp_path: Path) -> None:
    file = written(tmp_path, {"examples": [{"name": "breaks", "given": {}, "expect": {"fit": 1}}]})
    before = (tmp_path / file).read_bytes()
    done = run(
        tmp_path, "sign", "--definition", file, "--role", "sales", "--who", "bo@acme.example", status=2
    )

    assert b"example broken: breaks" in done.stderr
    assert (tmp_path / file).read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"definition/waive": {"no-wy": "x"}}, "definition.waive.no-wy"),
        ({"sla": {"calendar": {"holidays": "Atlantis"}}}, "sla.calendar.holidays"),
    ],
)
def test_a_misspelt_waiver_and_an_unknown_country_are_errors(
    tmp_path: Path, changes: dict[str, Any], path: str
) -> None:
    found = document(tmp_path, "check", "--definition", written(tmp_path, changes), status=2)

    assert [error["path"] for error in found["errors"]] == [path]


def test_waived_warnings_are_told_with_their_reason(tmp_path: Path) -> None:
    file = written(tmp_path, {"definition/waive": {"unsigned": "a draft"}})
    found = document(tmp_path, "check", "--definition", file)

    assert found["warnings"] == []
    assert {waived["reason"] for waived in found["waived"]} == {"a draft"}


def test_wrong_settings_fail_the_check_too(tmp_path: Path) -> None:
    file = written(tmp_path)
    done = run(tmp_path, "check", "--definition", file, status=2, env={"CRMSYNC_WEB__PORTT": "1"})

    assert b"CRMSYNC_WEB__PORTT" in done.stdout


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"a: &a [*a]", b"{", b"definition: 1\ndefinition: 2"]
)
def test_rubbish_is_an_error_and_no_traceback(tmp_path: Path, content: bytes) -> None:
    done = run(tmp_path, "check", "--definition", "-", status=2, stdin=content)

    assert b"<stdin>:" in done.stdout


def test_the_definition_is_shown_as_text_page_and_json(tmp_path: Path) -> None:
    file = str(EXAMPLE)
    text = run(tmp_path, "definition", "show", "--definition", file).stdout.decode()
    page = run(tmp_path, "definition", "show", "--definition", file, "--html").stdout.decode()
    told = document(tmp_path, "definition", "show", "--definition", file)

    assert "Becomes MQL (marketing qualified lead) when" in text
    assert max(map(len, text.splitlines())) <= 80
    assert page.startswith("<!doctype html>")
    assert load(EXAMPLE).ref.sha256 in page
    assert told["sections"][0]["title"] == "The agreement"


def test_a_difference_is_meaning_first(tmp_path: Path) -> None:
    old = written(tmp_path, None, "old.yaml")
    new = written(tmp_path, {"fit/criteria/0/points": 41, "fit/criteria/0/why": "new"}, "new.yaml")
    text = run(tmp_path, "definition", "diff", old, new).stdout.decode()
    told = document(tmp_path, "definition", "diff", old, new)

    assert "criterion fit.industry: points: +40 -> +41" in text
    assert text.index("points") < text.index("decide nothing")
    assert [one["path"] for one in told["meaning"]] == ["fit.industry.points"]
    assert [one["path"] for one in told["wording"]] == ["criteria.fit.industry.why"]


def test_the_definition_in_force_is_compared_by_name_or_hash(tmp_path: Path) -> None:
    for folder in ("config", "var"):
        (tmp_path / folder).mkdir()
    written(tmp_path, {"fit/criteria/0/points": 41}, "config/definition.yaml")
    old = load(tmp_path / written(tmp_path, None, "old.yaml"))
    with closing(open_store(f"sqlite:///{tmp_path}/var/crmsync.db", portal="1", now=utcnow)) as store:
        store.definitions.keep(old.ref, (tmp_path / "old.yaml").read_text(encoding="utf-8"))
        nothing = run(tmp_path, "definition", "diff", status=2).stderr.decode()
        store.trail.append([Draft("definition.activated", definition=old.ref)])

    by_name = document(tmp_path, "definition", "diff")
    by_hash = document(tmp_path, "definition", "diff", old.ref.sha256[:12], "config/definition.yaml")
    unknown = run(tmp_path, "definition", "diff", "0" * 12, status=2).stderr.decode()

    assert "No definition is in force here" in nothing
    assert [one["path"] for one in by_name["meaning"]] == ["fit.industry.points"]
    assert by_hash == by_name
    assert "No definition 000000000000 is kept here" in unknown


def test_no_difference_is_said(tmp_path: Path) -> None:
    old = written(tmp_path)

    assert b"Word for word the same agreement" in run(tmp_path, "definition", "diff", old, old).stdout


def evaluated(
    tmp_path: Path, *lines: object, status: int = 0, options: tuple[str, ...] = ()
) -> tuple[list[Any], str]:
    stdin = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    done = run(
        tmp_path, "evaluate", "--definition", str(EXAMPLE), "--records", "-",
        "--as-of", "2026-11-22T00:00:00Z", *options, stdin=stdin, status=status,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_records_are_evaluated_in_input_order(tmp_path: Path) -> None:
    made, errors = evaluated(tmp_path, *({**RECORD, "id": str(i)} for i in (3, 1, 2)))

    assert [one["id"] for one in made] == ["3", "1", "2"]
    assert {one["to"] for one in made} == {"marketingqualifiedlead"}
    assert made[0]["engagement"] == pytest.approx(48.764017, abs=1e-5)
    assert "explanation" not in made[0]
    assert errors == ""


def test_a_bad_line_is_told_and_the_others_are_evaluated(tmp_path: Path) -> None:
    made, errors = evaluated(tmp_path, RECORD, '{"id": ', {"id": "7", "contact": {}}, '["x"]', status=4)

    assert [one["id"] for one in made] == ["101", "7"]
    assert "line 2: " in errors
    assert "line 4: " in errors


def test_an_explanation_is_added_when_asked_for(tmp_path: Path) -> None:
    ((one,), _) = evaluated(tmp_path, RECORD, options=("--explain",))

    criteria = one["explanation"]["groups"]["product"]["criteria"]
    assert criteria[0]["events"][0]["points"] == pytest.approx(one["points"]["eng.demo"], abs=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_evaluations_as_one_document(tmp_path: Path, count: int) -> None:
    records = "\n".join(json.dumps(RECORD) for _ in range(count)).encode()
    made = document(
        tmp_path, "evaluate", "--definition", str(EXAMPLE), "--as-of", "2026-11-22", stdin=records
    )

    assert [one["id"] for one in made] == ["101"] * count


@pytest.mark.parametrize("arguments", [
    ("--as-of", "yesterday"),
    ("--as-of", "2026-11-22", "--records", "nowhere.jsonl"),
    ("--as-of", "2026-11-22", "--definition", "-"),
])  # fmt: skip
def test_wrong_usage_exits_with_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, "evaluate", *("--definition", str(EXAMPLE)), *arguments, status=2)

    assert done.stdout == b""
    assert done.stderr


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text((json.dumps(RECORD) + "\n") * 3_000)
    command = [
        *CRMSYNC, "evaluate", "--definition", str(EXAMPLE), "--as-of", "2026-11-22", "--records", str(records),
    ]  # fmt: skip
    with running(
        command, cwd=tmp_path, env=environment_of({}) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        status = process.wait(timeout=60)

    assert json.loads(first)["id"] == "101"
    assert (status, errors) == (0, b"")
