"""Seeds -> which of them break a guarantee: `python tests/simulation/run.py --seeds 200`, on all cores."""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from crmsync.sandbox.times import iso
from tests.simulation.days import Simulation
from tests.simulation.guarantees import broken

_SHOWN, _EVERY = 8, 20


@dataclass(frozen=True)
class Lived:
    """What came of one seed; `counts` says what happened in it."""

    seed: int
    temper: str
    broken: tuple[str, ...]
    counts: Counter[str]


def main() -> int:
    given = _arguments()
    failing, totals, began = list[int](), Counter[str](), time.perf_counter()
    for done, lived in enumerate(_live_all(given), 1):
        totals += lived.counts
        if lived.broken:
            failing.append(lived.seed)
            _tell(lived, given.days)
        if done % _EVERY == 0:
            print(f"{done} seeds done, {len(failing)} failing so far", file=sys.stderr, flush=True)
    took = time.perf_counter() - began
    what = f"{given.seeds} seeds of {given.days} days in {took:.0f} s: {dict(totals)}"
    print(f"{what}; failing: {failing or 'none'}")
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from --seed on")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--verbose", action="store_true", help="tell what each cycle did")
    parser.add_argument(
        "--contact", default="", help="tell the life of this contact, as trail and portal have it"
    )
    return parser.parse_args()


def _live_all(given: argparse.Namespace) -> Iterator[Lived]:
    """Live through the seeds, side by side where there are cores for it."""
    seeds = range(given.seed, given.seed + given.seeds)
    live = partial(_live, days=given.days, verbose=given.verbose, contact=given.contact)
    if given.jobs == 1 or given.seeds == 1:
        yield from map(live, seeds)
        return
    context = multiprocessing.get_context("spawn")  # Polars' threads do not survive a fork
    with context.Pool(min(given.jobs, given.seeds)) as pool:
        yield from pool.imap(live, seeds)


def _live(seed: int, *, days: int, verbose: bool, contact: str) -> Lived:
    simulation, found = simulate(seed, days, verbose=verbose, contact=contact)
    counts = Counter(
        cycles=simulation.cycles,
        crashes=simulation.reaper.crashes,
        races=simulation.witness.races,
        writes=simulation.witness.writes,
        requests=len(simulation.portal.log),
        faults=sum(simulation.portal.faults.struck.values()),
        acts=sum(simulation.people.done.values()),
    )
    return Lived(seed, str(simulation.temper), tuple(found), counts)


def _tell(lived: Lived, days: int) -> None:
    print(f"seed {lived.seed}: {len(lived.broken)} broken; {lived.temper}")
    for one in lived.broken[:_SHOWN]:
        print(f"    {one}")
    replay = f"python tests/simulation/run.py --seed {lived.seed} --seeds 1 --days {days} --verbose"
    print(f"    replay: {replay}", flush=True)


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
