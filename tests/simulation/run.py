"""Seeds -> which of them break a guarantee: `python tests/simulation/run.py --seeds 200`."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from crmsync.sandbox.times import iso
from tests.simulation.days import Simulation
from tests.simulation.guarantees import broken

_SHOWN, _EVERY = 8, 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from --seed on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--verbose", action="store_true", help="tell what each cycle did")
    parser.add_argument(
        "--contact", default="", help="tell the life of this contact, as trail and portal have it"
    )
    given = parser.parse_args()
    failing, totals, began = list[int](), Counter[str](), time.perf_counter()
    for seed in range(given.seed, given.seed + given.seeds):
        simulation, found = simulate(seed, given.days, verbose=given.verbose, contact=given.contact)
        totals.update(
            cycles=simulation.cycles, crashes=simulation.reaper.crashes, races=simulation.witness.races,
            writes=simulation.witness.writes, requests=len(simulation.portal.log),
            faults=sum(simulation.portal.faults.struck.values()), acts=sum(simulation.people.done.values()),
        )  # fmt: skip
        if (seed - given.seed) % _EVERY == _EVERY - 1:
            print(
                f"seed {seed} done, {len(failing) + bool(found)} failing so far", file=sys.stderr, flush=True
            )
        if found:
            failing.append(seed)
            print(f"seed {seed}: {len(found)} broken; {simulation.temper}")
            for one in found[:_SHOWN]:
                print(f"    {one}")
            print(
                f"    replay: python tests/simulation/run.py --seed {seed} --seeds 1 --days {given.days} --verbose"
            )
            sys.stdout.flush()
    took = time.perf_counter() - began
    print(
        f"{given.seeds} seeds of {given.days} days in {took:.0f} s: {dict(totals)}; failing: {failing or 'none'}"
    )
    return 1 if failing else 0


def simulate(
    seed: int, days: int, *, verbose: bool = False, contact: str = ""
) -> tuple[Simulation, list[str]]:
    """Live through one seed and say what broke."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a crash here needs no disk
    with tempfile.TemporaryDirectory(prefix="crmsync-simulation-", dir=memory) as folder:
        simulation = Simulation(seed, Path(folder), verbose)
        simulation.run(days)
        if contact:
            _tell_life(simulation, contact)
        return simulation, broken(simulation)


def _tell_life(simulation: Simulation, contact: str) -> None:
    lines = []
    for effect in simulation.portal.effects:
        if effect.id == contact and effect.kind == "contacts" and not effect.property.startswith("hs_"):
            source = f"{effect.act.source.type} {effect.act.source.id}"
            what = f"{effect.property} {effect.before!r} -> {effect.after!r} #{effect.request}"
            lines.append((iso(effect.act.at_ms), f"portal {source}: {what}"))
    for one in simulation.store.trail.export():
        if one["id"] == contact:
            what = f"{one['property']} {one['before']!r} -> {one['after']!r} of={one['of']} {one['actor']}"
            why = one["reason"] if one["kind"] != "change.intended" else ""
            lines.append((str(one["at"]), f"trail {one['seq']} {one['kind']} {what} {one['run']} {why}"))
    for at, line in sorted(lines):
        print(at, line[:300])


if __name__ == "__main__":
    sys.exit(main())
