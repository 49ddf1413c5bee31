"""The pages over real HTTP on a real store with a handful of contacts and entries, on a clock that tests move."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from crmsync.cycle.reconcile import Policy
from crmsync.cycle.revert import Conflict, Request
from crmsync.cycle.revert_entries import kept
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.load import load
from crmsync.model import (
    STAGE,
    Change,
    ContactId,
    DefinitionRef,
    Draft,
    Intake,
    Kind,
    Own,
    Plan,
    PlanId,
    PlanStatus,
    RunId,
    Snapshot,
    Tally,
)
from crmsync.sandbox import ManualClock
from crmsync.store import Store, open_store
from crmsync.web import WebConfig, make_app, serve
from crmsync.web.desk import Undone
from crmsync.web.store_desk import Actions, Daemon, StoreDesk

DEFINITION = Path(__file__).parents[1] / "core" / "definitions" / "b2b-saas.yaml"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN = RunId("r-20261122-1200-aaaa")
PLAN = PlanId("p-20261122-1200-aaaa")
REVERT_RUN = RunId("r-20261122-1205-bbbb")
REVERT = PlanId("revert-20261122-1205-bbbb")
EMAIL = "anna.smith@customer.example"
MARKUP = '<img src=x onerror="alert(1)">\'"><script>alert(2)</script>{{7*7}}'


WELL = Daemon(
    health=lambda: {"ok": True, "problems": [], "budget": {"daily_left": 1_000}}, metrics=lambda: "up 1\n"
)


@dataclass
class Decisions:
    """What the pages asked to be done."""

    made: list[tuple[str, ...]] = field(default_factory=list)

    def actions(self) -> Actions:
        def revert(request: Request) -> Undone:
            part = request.only.value if request.only else "everything"
            self.made.append(("revert", request.run, part, request.who, *request.contacts))
            return Undone(REVERT, REVERT_RUN)

        return Actions(
            approve=lambda plan, who: self.made.append(("approve", plan, who)),
            reject=lambda plan, who: self.made.append(("reject", plan, who)),
            revert=revert,
        )


@dataclass
class Visit:
    """A browser without JavaScript: `http` keeps cookies, `submit` sends forms as a browser does."""

    http: httpx.Client
    address: str
    desk: StoreDesk
    store: Store
    clock: ManualClock
    decisions: Decisions

    def start_again(self) -> None:
        """Forget what the last visitor did."""
        self.http.cookies.clear()
        self.decisions.made.clear()
        self.desk.daemon = WELL

    @property
    def origin(self) -> str:
        return self.address.rstrip("/")

    def form_token(self, path: str = "/contacts") -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.http.get(path).text)
        assert found is not None
        return found[1]

    def submit(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> httpx.Response:
        if "form_token" not in fields:
            fields["form_token"] = self.form_token("/login" if path == "/login" else "/contacts")
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin"} if headers is None else headers
        return self.http.post(path, data=fields, headers=sent)


@contextmanager
def visit(
    place: Path | str, *, host: str = "127.0.0.1", token: str = "", empty: bool = False
) -> Iterator[Visit]:
    """
    Serve the pages of a small store.

    Args:
        place: a directory for a SQLite file, or the URL of an empty database.
        host: where they believe to listen; it is loopback in truth.
    """
    clock = ManualClock(NOW)
    url = place if isinstance(place, str) else f"sqlite:///{place / 'crmsync.db'}"
    store = open_store(url, portal="148001", now=clock)
    definition = load(DEFINITION)
    decisions = Decisions()
    desk = StoreDesk(store, definition, Evaluator(definition), decisions.actions(), WELL, Policy, clock)
    if not empty:
        fill(store, definition.ref)
    running = serve(make_app(desk, WebConfig(host, clock, token)), "127.0.0.1", 0)
    try:
        with httpx.Client(base_url=running.address, timeout=30) as http:
            yield Visit(http, running.address, desk, store, clock, decisions)
    finally:
        running.stop()
        store.close()


def fill(store: Store, ref: DefinitionRef) -> None:
    """Two contacts, one with markup wherever a text can stand; a run with a change; a parked plan."""
    plain = {STAGE: "lead", "jobtitle": "CTO", Own.GRADE: "B3"}
    hostile = {STAGE: MARKUP, "jobtitle": MARKUP, "country": MARKUP, Own.FIT: MARKUP}
    store.mirror.take(
        Intake(
            snapshots=(
                Snapshot(Kind.CONTACT, "101", NOW, plain, emails=(EMAIL,)),
                Snapshot(Kind.CONTACT, "102", NOW, hostile, emails=("x@hostile.example",)),
            )
        )
    )
    intent, _ = store.trail.append([_change("101", ref), _change("102", ref, before=MARKUP, after=MARKUP)])
    store.trail.append(
        [
            Draft("run.started", RUN, definition=ref, reason={"plan": PLAN}),
            _change("101", ref, kind="change.applied", of=intent),
            Draft(
                "change.foreign",
                None,
                "contact",
                "102",
                STAGE,
                MARKUP,
                MARKUP,
                None,
                "foreign",
                actor=f"CRM_UI {MARKUP}",
            ),
            Draft("plan.approved", RUN, definition=ref, reason={"plan": "p-old"}, actor=EMAIL),
            Draft("finding", None, "contact", "102", cause=MARKUP, reason={"problem": MARKUP}),
        ]
    )
    stays = Conflict(ContactId("102"), STAGE, 2, f"a person set it since: {MARKUP}")
    store.trail.append([*kept(Request(RUN, "Anna"), [stays], REVERT_RUN)])
    for plan in (
        Plan(
            PLAN,
            RUN,
            NOW,
            ref,
            PlanStatus.PARKED,
            Tally(contacts=2, changes=1),
            (MARKUP, "2 moves."),
            "d" * 64,
        ),
        Plan(REVERT, REVERT_RUN, NOW, ref, PlanStatus.OPEN, Tally(contacts=2, changes=1)),
    ):
        store.plans.begin(plan)
        store.plans.add(
            plan.id, [Change(ContactId("101"), STAGE, "lead", MARKUP, "reverted", {"why": MARKUP})]
        )
        store.plans.finish(plan)


def _change(contact: str, ref: DefinitionRef, **given: Any) -> Draft:
    fields: dict[str, Any] = {
        "kind": "change.intended",
        "before": "lead",
        "after": "marketingqualifiedlead",
    } | given
    return Draft(
        run=RUN,
        object="contact",
        id=ContactId(contact),
        property=STAGE,
        cause="promoted",
        definition=ref,
        reason={"code": "promoted", "evaluation": {}},
        **fields,
    )
