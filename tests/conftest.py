"""What every suite may use: a real PostgreSQL from a wheel, and both databases by URL."""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server of this test session."""

    server: Any

    def database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"crmsync_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return str(self.server.get_uri(database=name))

    def restart(self) -> None:
        """End the server at once, as a crash does, and start it again."""
        from pgserver._commands import pg_ctl

        pg_ctl(
            ["-w", "-m", "immediate", "-l", str(self.server.log), "restart"],
            pgdata=self.server.pgdata,
            user=self.server.system_user,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    directory = Path(tempfile.mkdtemp(prefix="crmsync-pg-"))
    runtime = directory / "runtime"
    runtime.mkdir(mode=0o700)
    directory.chmod(0o755)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of platformdirs and pgserver, about their own surroundings
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        pgserver = pytest.importorskip("pgserver", reason="pgserver is not installed: no PostgreSQL to test")
        server = pgserver.get_server(directory / "data", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # it survives our crashes, only not the machine's
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'crmsync.db'}"


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty database of either sort."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later collection of garbage: to go through it takes long."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """In CI nothing may skip: a part that could not run there was not proved."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.section("skipped in CI")
        terminalreporter.line(f"{len(skipped)} tests were skipped; CI counts that as a failure")
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
