"""A few seeds of the simulation at each test run; `make simulate SEEDS=200` runs many."""

import pytest

from tests.simulation.run import simulate


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 7])
def test_all_guarantees_hold_after_a_day_with_people_faults_and_crashes(seed: int) -> None:
    simulation, broken = simulate(seed, days=1)

    assert broken == []
    assert simulation.witness.writes > 0
