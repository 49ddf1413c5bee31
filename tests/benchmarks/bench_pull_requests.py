"""
A first pull over HTTP: requests against the fewest possible, share of the burst budget, time against a bare loop.

    python tests/benchmarks/bench_pull_requests.py [--contacts 20000] [--latency 0.2] [--bare-only]

Every kind is listed on a thread of its own, as a cycle does it. The bare loop fetches the same pages, one kind a
thread too, with `requests` and its JSON alone, without limits.
"""

import argparse
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil
from time import monotonic, perf_counter, sleep

import requests
import structlog

from crmsync.model import ENGAGEMENTS, STAGE, Form, Kind
from crmsync.portal.config import PortalConfig
from crmsync.portal.gateway import Gateway, connect
from crmsync.sandbox import Sandbox

KINDS = (Kind.CONTACT, Kind.COMPANY, Kind.DEAL, *ENGAGEMENTS)
ASSOCIATED = dict.fromkeys(KINDS, (Kind.CONTACT,)) | {
    Kind.CONTACT: (Kind.COMPANY, Kind.DEAL),
    Kind.COMPANY: (),
}
PROPERTIES = {
    Kind.CONTACT: (STAGE, "email", "country", "jobtitle", "hs_email_open", "recent_conversion_date"),
    Kind.COMPANY: ("industry", "country", "numberofemployees"),
}


@dataclass(frozen=True, slots=True)
class Pulled:
    objects: int
    pages: int
    seconds: float


def side_by_side(jobs: Sequence[Callable[[], tuple[int, int]]]) -> Pulled:
    started = perf_counter()
    with ThreadPoolExecutor(len(jobs)) as pool:
        done = list(pool.map(lambda job: job(), jobs))
    return Pulled(sum(one for one, _ in done), sum(pages for _, pages in done), perf_counter() - started)


def pull(gateway: Gateway) -> Pulled:
    def lists(kind: Kind) -> tuple[int, int]:
        after: str | None = None
        found = pages = 0
        while True:
            page = gateway.page(
                kind, properties=PROPERTIES.get(kind, ()), associations=ASSOCIATED[kind], after=after
            )
            found, pages, after = found + len(page.snapshots), pages + 1, page.after
            if after is None:
                return found, pages

    def submissions(form: Form) -> tuple[int, int]:
        after: str | None = None
        found = pages = 0
        while True:
            page = gateway.submissions(form, after)
            found, pages, after = found + len(page.submissions), pages + 1, page.after
            if after is None:
                return found, pages

    forms = [partial(submissions, form) for form in gateway.forms()]
    return side_by_side([*(partial(lists, kind) for kind in KINDS), *forms])


def bare(sandbox: Sandbox, urls: dict[str, list[str]]) -> Pulled:
    """Fetch the same list pages with nothing around them."""

    def fetch(some: list[str]) -> tuple[int, int]:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {sandbox.token}"
        found = 0
        for one in some:
            found += len(session.get(sandbox.url + one, timeout=30).json()["results"])
        return found, len(some)

    return side_by_side([partial(fetch, some) for some in urls.values()])


def fewest(sandbox: Sandbox) -> int:
    world = sandbox.portal.world
    pages = sum(ceil(len(world.shelf(kind.value).live) / 100) for kind in KINDS)
    forms = world.marketing.forms.values()
    return pages + sum(max(1, ceil(len(form.submissions) / 50)) for form in forms) + 8


def a_gateway(sandbox: Sandbox, **config: int) -> Gateway:
    settings = PortalConfig(base_url=sandbox.url, access_token=sandbox.token, **config)  # type: ignore[arg-type] # numbers
    return connect(settings, monotonic=monotonic, sleep=sleep, utcnow=lambda: datetime.now(UTC))


def report_budget(sandbox: Sandbox, latency_s: float) -> None:
    sandbox.latency_s = latency_s
    sandbox.portal.limits.enforced = True
    sandbox.portal.reset_log()
    gateway = a_gateway(sandbox)
    pulled = pull(gateway)
    counted = [
        one
        for one in sandbox.portal.log
        if "/search" not in one.target and "/associations/" not in one.target
    ]
    possible = 190 * max(1.0, pulled.seconds / 10)
    refused = sum(sandbox.portal.limits.refused.values())
    print(f"first pull, {latency_s * 1000:.0f} ms an answer, limits of the Professional tier")
    print(f"  objects and submissions   {pulled.objects:>10,} in {pulled.seconds:.1f} s")
    print(f"  requests                  {len(sandbox.portal.log):>10,}")
    print(f"  fewest possible           {fewest(sandbox):>10,}")
    print(
        f"  ratio                     {len(sandbox.portal.log) / fewest(sandbox):>10.3f}  (target 1.100 at most)"
    )
    print(f"  share of the burst budget {len(counted) / possible:>10.1%}  (target 90 % at least)")
    print(f"  refused with 429          {refused:>10,}  (target 0)")
    gateway.close()


def report_speed(sandbox: Sandbox) -> None:
    sandbox.latency_s = 0.0
    sandbox.portal.limits.enforced = False
    sandbox.portal.reset_log()
    gateway = a_gateway(sandbox, burst_per_10s=1_000_000, search_per_s=1_000, read_ahead=1)
    sandbox.portal.limits.burst_limit = 1_000_000
    pulled = pull(gateway)
    urls: dict[str, list[str]] = {}
    for one in sandbox.portal.log:
        if one.method == "GET" and "/objects/" in one.target:
            urls.setdefault(one.target.partition("?")[0], []).append(one.target)
    loop = bare(sandbox, urls)
    print("the same without limits and latency, the sandbox's own work included in both")
    print(f"  gateway                   {pulled.seconds:>10.2f} s for {pulled.pages:,} pages")
    print(f"  bare loop of requests     {loop.seconds:>10.2f} s for {loop.pages:,} pages")
    print(f"  ratio                     {pulled.seconds / loop.seconds:>10.2f}")
    gateway.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else "")
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--speed-only", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with Sandbox(given.contacts, engagements=5 * given.contacts) as sandbox:
        sandbox.settle()
        if not given.speed_only:
            report_budget(sandbox, given.latency)
        report_speed(sandbox)
    assert threading.active_count() < 100


if __name__ == "__main__":
    main()
