"""
The whole command on a large portal: first pull and evaluation, then an idle and a small cycle.

    python tests/benchmarks/bench_first_pull.py [--contacts 10000] [--latency 0.0] [--limits]

Prints requests against the fewest possible, peak memory of the process, share of the burst budget, time against a
bare loop of `requests` over the same pages, and how many requests an idle and a small cycle take. `--limits` lets the
portal refuse what is over its limits (190 requests in 10 s): then a first pull lasts as long as they make it last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import perf_counter

import requests

from crmsync.model import ENGAGEMENTS
from crmsync.sandbox import Lag, Sandbox

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
SETUP_REQUESTS = 8
BURST_PER_S = 19.0
KINDS = ("contacts", "companies", "deals", *(kind.value for kind in ENGAGEMENTS))


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    peak_mb: float
    requests: int
    refused: int
    searches: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--limits", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(
            given.contacts,
            engagements=5 * given.contacts,
            limits=given.limits,
            lag=Lag(0, 0, 0.0),
            latency_s=given.latency,
        ) as sandbox,
    ):
        sandbox.settle()
        env = environment(sandbox, Path(folder))
        command(sandbox, env, "setup")
        first = command(sandbox, env, "sync")
        tell_first(sandbox, first, bare_loop(sandbox))
        for name in ("idle", "idle again"):
            idle = command(sandbox, env, "sync")
            print(
                f"{name} cycle: {idle.requests} requests of which {idle.searches} searches, {idle.seconds:.1f} s"
            )
        for id_ in sandbox.portal.world.shelf("contacts").ids[:10]:
            sandbox.edits.human(id_, {"jobtitle": "CTO"})
        sandbox.settle()
        small = command(sandbox, env, "sync")
        print(f"cycle with 10 changed contacts: {small.requests} requests, {small.seconds:.1f} s")


def environment(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    return (
        {name: value for name, value in os.environ.items() if not name.startswith("CRMSYNC_")}
        | {
            "CRMSYNC_PORTAL__BASE_URL": sandbox.url,
            "CRMSYNC_PORTAL__ACCESS_TOKEN": sandbox.token,
            "CRMSYNC_PORTAL__LAG_S": "0",
            "CRMSYNC_STORE__URL": f"sqlite:///{folder}/crmsync.db",
            "CRMSYNC_DEFINITION__PATH": str(DEFINITION),
            "CRMSYNC_WRITES__MODE": "observe",
            "CRMSYNC_SCHEDULE__RESCAN_EVERY": "1d",
        }
        | ({} if sandbox.portal.limits.enforced else {"CRMSYNC_PORTAL__BURST_PER_10S": "100000"})
    )


def command(sandbox: Sandbox, env: dict[str, str], *arguments: str) -> Run:
    """Run it in a process of its own, whose memory nobody else uses."""
    sandbox.portal.reset_log()
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "crmsync", *arguments],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"crmsync {arguments} ended with {process.returncode}: {said.decode(errors='replace')[-2_000:]}"
        )
    log = list(sandbox.portal.log)
    return Run(
        perf_counter() - began,
        used.ru_maxrss / 1024,
        len(log),
        sum(one.status == 429 for one in log),
        sum(one.target.endswith("/search") for one in log),
    )


def tell_first(sandbox: Sandbox, first: Run, bare_s: float) -> None:
    counts = Counter({kind: len(sandbox.portal.world.shelf(kind).live) for kind in KINDS})
    pages = {kind: ceil(n / 100) for kind, n in counts.items()}
    forms = [form for form in sandbox.portal.world.marketing.forms.values() if form.type != "blog_comment"]
    fewest = (
        sum(pages.values()) + sum(max(1, ceil(len(form.submissions) / 50)) for form in forms) + SETUP_REQUESTS
    )
    engagements = sum(counts[kind.value] for kind in ENGAGEMENTS)
    print(
        f"portal: {counts['contacts']} contacts, {engagements} engagements, {counts['companies']} companies"
    )
    print(
        f"first pull: {first.requests} requests, {first.requests / fewest:.3f} x the fewest possible ({fewest})"
    )
    print(f"refused: {first.refused}")
    print(f"peak memory: {first.peak_mb:.0f} MB")
    print(
        f"time: {first.seconds:.1f} s, bare loop of requests {bare_s:.1f} s: {first.seconds / bare_s:.2f} x"
    )
    if sandbox.portal.limits.enforced:
        print(f"share of the burst budget: {first.requests / first.seconds / BURST_PER_S:.0%}")


def bare_loop(sandbox: Sandbox) -> float:
    """Fetch the same list pages one after the other and read their JSON; nothing else."""
    sandbox.portal.limits.enforced = False
    began = perf_counter()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.token}"
        for kind in KINDS:
            after = "0"
            while after:
                url = (
                    f"{sandbox.url}/crm/objects/2026-09/{kind}?limit=100&after={after}&associations=contacts"
                )
                answer = session.get(url, timeout=60).json()
                after = answer.get("paging", {}).get("next", {}).get("after", "")
    return perf_counter() - began


if __name__ == "__main__":
    main()
