"""`audit list|export|verify|head|checkpoint`, as a user runs them, and what tampering does to them."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crmsync.clock import utcnow
from crmsync.model import STAGE
from crmsync.store import open_store
from tests.journey import recompute
from tests.journey.command import CRMSYNC, environment_of
from tests.journey.scene import Scene, assert_fits_80_columns, scene
from tests.waiting import running


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One scene: nothing here writes to its trail."""
    with scene(f"sqlite:///{tmp_path_factory.mktemp('audit')}/crmsync.db", contacts=40) as made:
        yield made


@pytest.fixture
def copied(told: Scene, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the database to tamper with, its guards taken away, and the settings that name it."""
    source = sqlite3.connect(told.env["CRMSYNC_STORE__URL"].removeprefix("sqlite:///"))
    file = tmp_path / "copy.db"
    copy = sqlite3.connect(file)
    source.backup(copy)
    for name in ("audit_no_update", "audit_no_delete", "audit_no_replace"):
        copy.execute(f"DROP TRIGGER {name}")
    copy.commit()
    copy.close()
    source.close()
    return file, {"CRMSYNC_STORE__URL": f"sqlite:///{file}"}


def _tamper(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


# --- list and export


def test_list_shows_the_newest_first_in_80_columns(told: Scene) -> None:
    text, entries = told.says("audit", "list", "--limit", "30"), told.json("audit", "list", "--limit", "30")

    assert_fits_80_columns(text)
    seqs = [one["seq"] for one in entries]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 30
    assert str(seqs[0]) in text


def test_list_and_export_show_the_same_entry_the_same_way(told: Scene) -> None:
    newest = told.json("audit", "list", "--limit", "40")

    exported = {one["seq"]: one for one in told.export()}

    assert all(exported[one["seq"]] == one for one in newest)
    assert [list(one) for one in newest] == [list(exported[one["seq"]]) for one in newest]


@pytest.mark.parametrize(
    ("filters", "field", "value"),
    [
        (("--kind", "change.applied"), "kind", "change.applied"),
        (("--cause", "promoted"), "cause", "promoted"),
        (("--property", STAGE), "property", STAGE),
        (("--actor", "crmsync"), "actor", "crmsync"),
    ],
)
def test_each_filter_lets_through_exactly_what_it_names(
    told: Scene, filters: tuple[str, ...], field: str, value: str
) -> None:
    expected = [one["seq"] for one in told.export() if one[field] == value]

    assert expected
    assert [one["seq"] for one in told.export(*filters)] == expected


def test_filters_are_combined(told: Scene) -> None:
    contact, run = told.moved("promoted")[0]["id"], told.first["run"]

    found = told.export(
        *("--contact", contact, "--run", run, "--kind", "change.", "--definition", "2026.4", "--since", "1h")
    )

    assert {(one["id"], one["run"], one["definition"]["version"]) for one in found} == {
        (contact, run, "2026.4")
    }
    assert {one["kind"] for one in found} == {"change.intended", "change.applied"}
    assert told.export("--contact", contact, "--until", "2020-01-01") == []


def test_a_family_of_kinds_needs_no_dot(told: Scene) -> None:
    assert told.export("--kind", "change") == told.export("--kind", "change.") != []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param("chnge", "did you mean change?", id="a misspelt family"),
        pytest.param("change.aplied", "did you mean change.applied?", id="a misspelt kind"),
        pytest.param("' OR '1'='1", "there is no such kind", id="nothing like one"),
    ],
)
def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(told: Scene, kind: str, said: str) -> None:
    error = told.refuses("audit", "list", "--kind", kind)

    assert said in error
    assert "change.foreign" in error


@pytest.mark.parametrize(
    ("option", "nasty"),
    [
        ("--property", "%"),
        ("--actor", 'x"; DROP TABLE audit; --'),
        ("--definition", "' UNION SELECT 1 --"),
    ],
)
def test_a_filter_is_a_value_never_sql(told: Scene, option: str, nasty: str) -> None:
    assert told.export(option, nasty) == []
    assert told.json("audit", "head")["seq"] > 0


def test_csv_has_one_row_an_entry(told: Scene) -> None:
    rows = list(csv.DictReader(io.StringIO(told.says("audit", "export", "--csv"))))

    entries = told.export()
    assert [int(row["seq"]) for row in rows] == [one["seq"] for one in entries]
    assert {row["hash"] for row in rows} == {one["hash"] for one in entries}


def test_json_is_one_document(told: Scene) -> None:
    assert told.json("audit", "export", "--kind", "run.") == told.export("--kind", "run.")
    assert told.json("audit", "export", "--run", "r-none") == []


def test_output_goes_to_a_file(told: Scene, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"

    said = told.says("audit", "export", "--output", str(file))

    assert said == ""
    assert [json.loads(line) for line in file.read_text().splitlines()] == told.export()


def test_a_reader_who_leaves_early_is_no_bug(told: Scene) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running([*CRMSYNC, "audit", "export"], env=environment_of(told.env), **pipes) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        os.read(export.stdout.fileno(), 10)
        export.stdout.close()
        errors = export.stderr.read().decode()
        export.wait(timeout=60)

    assert "Traceback" not in errors
    assert "bug" not in errors


# --- recomputing


@pytest.mark.parametrize(
    ("name", "recomputed"),
    [
        ("crmsync_engagement", recompute.engagement),
        ("crmsync_fit", lambda told, as_of: recompute.score(told["fit"], as_of)),
    ],
)
def test_a_score_can_be_recomputed_from_its_entry_alone(
    told: Scene, name: str, recomputed: Callable[[Mapping[str, Any], datetime], float]
) -> None:
    intents = told.export("--kind", "change.intended", "--property", name)

    scores = {one["id"]: recomputed(one["reason"], _as_of(one)) for one in intents}

    assert len(scores) > 20
    assert scores == pytest.approx({one["id"]: one["reason"]["score"] for one in intents}, abs=1e-4)
    assert scores == pytest.approx({one["id"]: float(one["after"]) for one in intents}, abs=0.5001)
    assert any(scores.values())


def test_a_stage_can_be_recomputed_from_its_entry_alone(told: Scene) -> None:
    intents = told.export("--kind", "change.intended", "--property", STAGE)

    tested = 0
    for one in intents:
        evaluation, as_of = one["reason"]["evaluation"], _as_of(one)
        assert recompute.score(evaluation["fit"], as_of) == pytest.approx(
            evaluation["fit"]["value"], abs=1e-4
        )
        engagement = recompute.engagement(evaluation, as_of)
        assert engagement == pytest.approx(evaluation["engagement"]["value"], abs=1e-4)
        for test in recompute.tests_of(evaluation):
            assert recompute.truth(test) is test["truth"], (one["seq"], test)
            tested += 1
    assert len(intents) > 5
    assert tested > 100


def _as_of(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["reason"]["as_of"])


# --- verify


def test_verify_proves_the_chain_and_head_is_its_end(told: Scene) -> None:
    head, proven = told.json("audit", "head"), told.json("audit", "verify")

    assert proven["head"] == head["hash"]
    assert proven["entries"] == head["seq"] == len(told.export())
    assert told.says("audit", "head").split() == [str(head["seq"]), head["hash"]]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param("UPDATE audit SET actor = 'eve' WHERE seq = 20", "entry 20 was changed", id="an edit"),
        pytest.param(
            "UPDATE audit SET after = '99' WHERE seq = (SELECT seq FROM audit WHERE property = 'crmsync_fit' LIMIT 1)",
            "were changed",
            id="an edited value",
        ),
        pytest.param("DELETE FROM audit WHERE seq = 20", "entry 20 is missing", id="a deletion"),
        pytest.param(
            "UPDATE audit SET seq = CASE seq WHEN 20 THEN -1 ELSE seq END",
            "number that was never given",
            id="a move",
        ),
    ],
)
def test_verify_names_the_first_bad_entry(
    told: Scene, copied: tuple[Path, dict[str, str]], statement: str, said: str
) -> None:
    file, env = copied
    _tamper(file, statement)

    refused = told.refuses("audit", "verify", status=7, env=env)

    assert said in refused
    assert "Next: " in refused


def test_a_truncated_trail_is_found_by_an_exported_head_and_by_a_checkpoint(
    told: Scene, copied: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    file, env = copied
    head = told.json("audit", "head", env=env)["hash"]
    directory = tmp_path / "checkpoints"
    told.says("audit", "checkpoint", "--dir", str(directory), env=env)
    _tamper(file, "DELETE FROM audit WHERE seq > 100")

    told.says("audit", "verify", env=env)  # the chain itself holds

    assert "lacks the head" in told.refuses("audit", "verify", "--head", head, status=7, env=env)
    seen = env | {"CRMSYNC_STORE__CHECKPOINT_DIR": str(directory)}
    assert "is not what its checkpoint" in told.refuses("audit", "verify", status=7, env=seen)


def test_checkpoints_are_signed_with_the_operators_key(told: Scene, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file, directory = tmp_path / "key.pem", tmp_path / "checkpoints"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes_raw().hex()
    env = {"CRMSYNC_STORE__CHECKPOINT_DIR": str(directory), "CRMSYNC_STORE__CHECKPOINT_KEY_FILE": str(file)}

    written = told.json("audit", "checkpoint", env=env)

    assert json.loads(Path(written["file"]).read_text())["public_key"] == public
    assert told.json("audit", "checkpoint", env=env)["file"] is None  # nothing new
    assert told.json("audit", "verify", "--key", public, env=env)["checkpoints"] == 1
    assert "not signed by the expected key" in told.refuses(
        "audit", "verify", "--key", "ab" * 32, status=7, env=env
    )


# --- bundle


@pytest.mark.parametrize("option", ["--bundle", "--output"])
def test_a_file_that_cannot_be_written_is_one_mistake_whatever_goes_into_it(
    told: Scene, option: str, tmp_path: Path
) -> None:
    error = told.refuses("audit", "export", option, str(tmp_path / "nowhere" / "x.zip"), status=2)

    assert f"Name another file with {option}." in error


def test_a_bundle_proves_itself_without_crmsync(told: Scene, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    told.says("audit", "export", "--bundle", str(bundle))
    with zipfile.ZipFile(bundle) as archive:
        archive.extract("verify.py", tmp_path)

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(bundle)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert told.json("audit", "head")["hash"] in done.stdout
    proof = told.json("audit", "verify", "--bundle", str(bundle))
    assert (proof["entries"], proof["definitions"], proof["unproven"]) == (len(told.export()), 1, 0)


def test_a_changed_bundle_does_not_verify(told: Scene, tmp_path: Path) -> None:
    bundle, changed = tmp_path / "bundle.zip", tmp_path / "changed.zip"
    told.says("audit", "export", "--bundle", str(bundle))
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b'"promoted"', b'"demoted"') if name == "entries.jsonl" else content
            )

    told.refuses("audit", "verify", "--bundle", str(changed), status=7)


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("audit", "verify", "--head", "zzz"), 2, "is not a hash"),
        (("audit", "list", "--since", "yesterday"), 2, "is not an instant"),
        (("audit", "list", "--limit", "0"), 2, "--limit"),
        (("audit", "export", "--output", "/nowhere/trail.jsonl"), 2, "cannot be written"),
        (("audit", "export", "--output", "/dev/full"), 2, "No space left on device"),
        (("audit", "export", "--bundle", "x.zip", "--csv"), 2, "goes with no filter"),
        (("audit", "verify", "--bundle", "/nowhere.zip"), 2, "does not exist"),
        (("audit", "checkpoint"), 2, "--dir"),
        (("audit", "verify", "--key", "ab" * 32), 2, "no folder of them is set"),
    ],
)
def test_bad_input_is_a_sentence_with_its_exit_status(
    told: Scene, arguments: tuple[str, ...], status: int, said: str
) -> None:
    assert said in told.refuses(*arguments, status=status)


def test_an_empty_store_has_an_empty_trail(told: Scene, tmp_path: Path) -> None:
    env = {"CRMSYNC_STORE__URL": f"sqlite:///{tmp_path}/empty.db"}
    open_store(env["CRMSYNC_STORE__URL"], portal=None, now=utcnow).close()

    assert told.json("audit", "list", env=env) == []
    assert told.says("audit", "export", env=env) == ""
    assert told.json("audit", "verify", env=env)["entries"] == 0
    assert told.json("audit", "head", env=env) == {"seq": 0, "hash": "0" * 64}


@pytest.mark.postgres
def test_the_commands_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    with scene(postgres_url, contacts=20) as here:
        bundle = tmp_path / "bundle.zip"
        here.says("audit", "export", "--bundle", str(bundle))

        proven = here.json("audit", "verify", "--bundle", str(bundle))

        assert proven["head"] == here.json("audit", "verify")["head"]
        assert len(here.export("--kind", "change.applied")) == here.first["changes"]["applied"]
