"""The process dies at each commit and each request of a cycle, one after the other, and is started again."""

import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crmsync.cycle.agenda import Job
from tests.simulation.days import Simulation, Temper
from tests.simulation.guarantees import broken

SAMPLE = range(3, 230, 5)  # of some 236; `make failpoints` tries every one
CALM = Temper(
    contacts=12,
    skew=timedelta(0),
    stages="own",
    acts_between=0,
    act_in_between=0.0,
    fault=0.0,
    crash=0.0,
    narrow_guard=False,
    tail_s=0,
)


def a_morning(at: int = 0, seed: int = 5) -> Iterator[Simulation]:
    """First pull and writes; people change things; a second cycle. It dies at failpoint `at` on the way."""
    with tempfile.TemporaryDirectory(prefix="crmsync-failpoint-") as folder:
        simulation = Simulation(seed, Path(folder), temper=CALM)
        simulation.app.gateway.schema.setup()
        simulation.reaper.at, simulation.reaper.count = at or 1 << 30, 0
        simulation.cycle()
        simulation.time.pass_by(600)
        for _ in range(6):
            simulation.people.act()
        simulation.time.pass_by(600)
        simulation.cycle((Job.RESCAN,))
        yield simulation


def test_there_are_failpoints_on_both_sides_of_commits_and_requests() -> None:
    for simulation in a_morning():
        names = simulation.reaper.names
        simulation.close()

        assert set(names) == {"before commit", "after commit", "before request", "after request"}
        assert len(names) > max(SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("at", SAMPLE)
def test_g3_a_crash_anywhere_loses_nothing_and_repeats_nothing(at: int) -> None:
    for simulation in a_morning(at):
        assert simulation.reaper.crashes == 1
        simulation.reaper.at = 0
        simulation._rest()

        assert broken(simulation) == [], at


if __name__ == "__main__":  # PYTHONPATH=. python tests/simulation/test_failpoints.py [FIRST]
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for place in range(first, len(next(a_morning()).reaper.names) + 1):
        test_g3_a_crash_anywhere_loses_nothing_and_repeats_nothing(place)
        print(place, "holds", flush=True)
