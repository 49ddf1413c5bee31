"""The desk on a real store: what the pages show, read from mirror, trail, plans and kept definitions."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson

from crmsync.cycle.qualify import Qualifier
from crmsync.cycle.reconcile import Policy, wants_stage_change
from crmsync.cycle.revert import Conflict, Request
from crmsync.cycle.revert_entries import KEPT, conflict_of
from crmsync.cycle.withholding import held
from crmsync.definition.evaluation.compiled import Compiled
from crmsync.definition.load import load
from crmsync.definition.nouns import Definition
from crmsync.definition.review.comparing import Difference
from crmsync.definition.review.difference import compare
from crmsync.definition.signing import signature_status
from crmsync.definition.wording import card
from crmsync.definition.wording.sentences import describe
from crmsync.errors import DefinitionError
from crmsync.insight.period import Day, days
from crmsync.insight.plan_view import plan_view
from crmsync.insight.timeline import Moment, timeline
from crmsync.model import (
    STAGE,
    Contact,
    ContactId,
    Entry,
    Evaluation,
    Kind,
    Mirrored,
    Plan,
    PlanId,
    PlanStatus,
    Reversal,
    RunId,
    Version,
)
from crmsync.store import Store
from crmsync.store.audit.filtering import AuditFilter
from crmsync.store.audit.reading import Head, RunLine
from crmsync.store.audit.verify import Verified
from crmsync.store.life import life
from crmsync.web.desk import (
    ContactView,
    DefinitionVersion,
    DefinitionView,
    Funnel,
    Newer,
    PlanReview,
    Step,
    Today,
    Undone,
)

_PLANS_SHOWN = 50
_UNDECIDED = {PlanStatus.OPEN, PlanStatus.PARKED, PlanStatus.APPROVED}
_REVIEWS_KEPT = 8
_SLICES_LOOKED_AT = 20  # of a hundred contacts each: a page must answer while somebody waits
_EVALUATIONS_KEPT = 200
_STAYS_TRUE_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Actions:
    """
    What the pages may change; app.py supplies it.

    Attributes:
        approve, reject: with the name of who decided. Raise OperatorError when the plan no longer waits.
        revert: makes the plan that restores what a run changed, to be approved.
    """

    approve: Callable[[PlanId, str], None]
    reject: Callable[[PlanId, str], None]
    revert: Callable[[Request], Undone]


@dataclass(frozen=True, slots=True)
class Daemon:
    """How the process is: see Desk.health and Desk.metrics for the forms."""

    health: Callable[[], Mapping[str, Any]]
    metrics: Callable[[], str]


@dataclass(slots=True)
class StoreDesk:
    """
    Reads for the pages. Safe to use from several threads; every read is a short transaction of its own.

    Attributes:
        current: what the file holds: the next plan is made with it. `qualifier` is compiled from it.
        policy: what the settings allow to be written, today.
        now: our clock, aware UTC.
    """

    store: Store
    current: Definition
    qualifier: Qualifier
    actions: Actions
    daemon: Daemon
    policy: Callable[[], Policy]
    now: Callable[[], datetime]
    _evaluations: OrderedDict[tuple[ContactId, str], tuple[Contact, Evaluation]] = field(
        default_factory=OrderedDict
    )
    _reviews: dict[tuple[PlanId, str, str], PlanReview] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # --- overview ------------------------------------------------------------------------------------------

    def portal(self) -> str | None:
        return self.store.meta.portal_id

    def funnel(self) -> Funnel:
        definition, _ = self._decided_at()
        return Funnel(definition.stages.order, self.store.mirror.stages())

    def today(self) -> Today:
        now = self.now()
        midnight = datetime.combine(now.date(), time(), tzinfo=UTC)
        return Today(now.date(), self.store.trail.counts(midnight, now))

    def days(self, since: date) -> tuple[Day, ...]:
        now = self.now()
        begin = datetime.combine(since, time(), tzinfo=UTC)
        return days(self.store.trail.counts(begin, now, only=STAGE), since, now.date())

    def health(self) -> Mapping[str, Any]:
        return self.daemon.health()

    def metrics(self) -> str:
        return self.daemon.metrics()

    # --- contacts ------------------------------------------------------------------------------------------

    def find(self, text: str) -> ContactId | None:
        return self.store.mirror.find(text)

    def outline(self, contact: ContactId, at: datetime | None = None) -> ContactView | None:
        view, _ = self._outlined(contact, at)
        return view

    def contact(self, contact: ContactId, at: datetime | None = None) -> ContactView | None:
        view, mirrored = self._outlined(contact, at)
        if view is None or mirrored is None:
            return view
        definition, qualifier = self._decided_at(at)
        told = self._evaluated(mirrored.contact, view.as_of, definition, qualifier)
        return replace(
            view,
            as_of=told.as_of,
            evaluation=told,
            why=card.why(definition, told, is_made=False),
            missing=card.missing(definition, told),
            held=() if at else tuple(self._held(view.id, told)),
        )

    def _held(self, contact: ContactId, told: Evaluation) -> Iterator[str]:
        version: Version | None = None
        reversals: Sequence[Reversal] = ()
        if wants_stage_change(told):
            now = self.store.mirror.contact(contact)  # who set the stage is known of now alone
            version = now.stage_version if now else None
            reversals = self.store.trail.reversals([contact], told.definition).get(contact, ())
        plans = self.store.plans.of_contacts([contact])
        yield from held(told, version, self.policy(), reversals, plans)
        if wants_stage_change(told) and self.newer():
            yield "The definition was changed: its first plan says what becomes of this."

    def _outlined(
        self, contact: ContactId, at: datetime | None
    ) -> tuple[ContactView | None, Mirrored | None]:
        family = self.store.mirror.family(contact)
        living = family[0]
        view = ContactView(living, at or self.now(), also=tuple(family[1:]))
        known = self.store.mirror.contact_at(living, view.as_of)
        if known is None:
            return (view if self._is_remembered(living) else None), None
        mirrored, known_since = known
        snapshot = self.store.mirror.snapshots(Kind.CONTACT, [living]).get(living)
        view = replace(
            view,
            emails=snapshot.emails if snapshot else (),
            stage=mirrored.contact.properties.get(STAGE),
            stage_entered_at=mirrored.contact.stage_entered_at,
            known_since=known_since,
            shown=mirrored.shown,
        )
        return view, mirrored

    def _evaluated(
        self, contact: Contact, as_of: datetime, definition: Definition, qualifier: Qualifier
    ) -> Evaluation:
        """Evaluate, or return what was found less than a minute before for a contact that is still the same."""
        key = contact.id, definition.ref.sha256
        with self._lock:
            known = self._evaluations.get(key)
        if known and known[0] == contact and timedelta(0) <= as_of - known[1].as_of < _STAYS_TRUE_FOR:
            return known[1]
        told = next(iter(qualifier.evaluate([contact], as_of, explain=True)))
        with self._lock:
            self._evaluations.pop(key, None)
            self._evaluations[key] = contact, told
            if len(self._evaluations) > _EVALUATIONS_KEPT:
                self._evaluations.popitem(last=False)
        return told

    def _is_remembered(self, contact: ContactId) -> bool:
        return bool(self.store.trail.entries(AuditFilter(contact=contact), limit=1))

    def _decided_at(self, at: datetime | None = None) -> tuple[Definition, Qualifier]:
        """Return what decided at an instant (None: decides now); what the file holds where the store has none."""
        ref = self.store.definitions.active_at(at)
        if ref is None or ref.sha256 == self.current.ref.sha256:
            return self.current, self.qualifier
        then = self._kept(ref.sha256)
        if then is None:
            return self.current, self.qualifier
        return then, _compiled(then.ref.sha256, then.name, self._text(ref.sha256))

    def moments(self, contact: ContactId) -> tuple[Moment, ...]:
        remembered = life(self.store.trail, self.store.plans, self.store.mirror.family(contact))
        return timeline(remembered.entries, remembered.plans)

    # --- plans ---------------------------------------------------------------------------------------------

    def plans(self) -> tuple[Plan, ...]:
        return self.store.plans.plans(limit=_PLANS_SHOWN)

    def waiting(self) -> tuple[Plan, ...]:
        plans = self.store.plans
        reverts = [plan for plan in plans.plans(status=PlanStatus.OPEN, limit=_PLANS_SHOWN) if plan.is_revert]
        return (*plans.plans(status=PlanStatus.PARKED, limit=_PLANS_SHOWN), *reverts)

    def plan(self, plan: PlanId) -> Plan | None:
        return self.store.plans.plan(plan)

    def review(self, plan: Plan) -> PlanReview:
        """Group a plan's changes, of a very large one the first; they never change, so that it is done once."""
        key = (plan.id, plan.digest, plan.status.value)
        with self._lock:
            if key not in self._reviews:
                if len(self._reviews) >= _REVIEWS_KEPT:
                    self._reviews.pop(next(iter(self._reviews)))
                slices = islice(self.store.plans.changes(plan.id), _SLICES_LOOKED_AT + 1)
                seen = list(slices)
                view = plan_view(seen[:_SLICES_LOOKED_AT])
                self._reviews[key] = PlanReview(view, is_whole=len(seen) <= _SLICES_LOOKED_AT)
            return self._reviews[key]

    def approve(self, plan: PlanId, who: str) -> None:
        self.actions.approve(plan, who)

    def reject(self, plan: PlanId, who: str) -> None:
        self.actions.reject(plan, who)

    # --- runs ----------------------------------------------------------------------------------------------

    def runs(self, *, before: int | None = None, limit: int = 20) -> tuple[RunLine, ...]:
        return self.store.trail.runs(before=before, limit=limit)

    def run(self, run: RunId) -> RunLine | None:
        return self.store.trail.run(run)

    def run_steps(
        self, run: RunId, *, of_property: str | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[Step, ...]:
        where = AuditFilter(run=run, kind="change.intended", property=of_property)
        return self._with_outcomes(self.store.trail.entries(where, before=before, limit=limit))

    def _with_outcomes(self, intents: Sequence[Entry]) -> tuple[Step, ...]:
        outcomes = self.store.trail.outcomes_of(intents)
        return tuple(Step(entry, outcomes.get(entry.seq)) for entry in intents)

    def revert(self, request: Request) -> Undone:
        return self.actions.revert(request)

    def conflicts(self, plan: Plan, limit: int) -> tuple[Conflict, ...]:
        where = AuditFilter(run=plan.run, kind=KEPT)
        return tuple(map(conflict_of, reversed(self.store.trail.entries(where, limit=limit))))

    # --- audit ---------------------------------------------------------------------------------------------

    def entries(
        self, where: AuditFilter, *, before: int | None = None, after: int | None = None, limit: int = 100
    ) -> tuple[Entry, ...]:
        return self.store.trail.entries(where, before=before, after=after, limit=limit)

    def step(self, seq: int) -> Step | None:
        entry = self.store.trail.entry(seq)
        return self._with_outcomes([entry])[0] if entry else None

    def choices(self, column: str) -> tuple[str, ...]:
        found = self.store.trail.choices(column)
        if column != "definition":
            return found
        return tuple(dict.fromkeys(orjson.loads(text)["version"] for text in found))

    def head(self) -> Head:
        return self.store.trail.head()

    def verify(self) -> Verified:
        return self.store.trail.verify()

    def export(self, where: AuditFilter) -> Iterator[Mapping[str, Any]]:
        return self.store.trail.export(where)

    # --- definition ----------------------------------------------------------------------------------------

    def definition(self, sha256: str | None = None) -> DefinitionView | None:
        definition = self._decided_at()[0] if sha256 is None else self._kept(sha256)
        if definition is None:
            return None
        terms = definition.terms
        return DefinitionView(
            definition.ref,
            terms.scope or "",
            terms.review_by,
            terms.handoff_stage,
            describe(definition),
            signature_status(definition),
            self._text(definition.ref.sha256),
        )

    def newer(self) -> Newer | None:
        held, in_force = self.current.ref, self.store.definitions.active_at()
        if in_force is None or in_force.sha256 == held.sha256:
            return None
        made = (one for one in self.store.plans.plans(limit=_PLANS_SHOWN) if one.definition == held)
        return Newer(held, next((one for one in made if one.status in _UNDECIDED), None))

    def versions(self) -> tuple[DefinitionVersion, ...]:
        found = self.store.definitions.activations()
        ends = (None, *(one.at for one in found))
        return tuple(
            DefinitionVersion(one.ref, one.at, until) for one, until in zip(found, ends, strict=False)
        )

    def difference(self, old: str, new: str) -> tuple[Difference, ...] | None:
        before, after = self._kept(old), self._kept(new)
        return None if before is None or after is None else compare(before, after)

    def _kept(self, sha256: str) -> Definition | None:
        """Return a definition by its hash or the start of it; None: not kept, or no longer readable."""
        if len(sha256) >= _SHORTEST_HASH and self.current.ref.sha256.startswith(sha256):
            return self.current
        kept = self.store.definitions.get(sha256) if len(sha256) >= _SHORTEST_HASH else None
        try:
            return _loaded(f"definition {kept.ref.version}", kept.text) if kept else None
        except DefinitionError:
            return None

    def _text(self, sha256: str) -> str:
        kept = self.store.definitions.get(sha256)
        return kept.text if kept else ""


_SHORTEST_HASH = 8


@lru_cache(maxsize=8)
def _loaded(name: str, text: str) -> Definition:
    return load(text, name=name)


@lru_cache(maxsize=4)
def _compiled(sha256: str, name: str, text: str) -> Qualifier:  # noqa: ARG001 - what the cache goes by
    return Compiled(_loaded(name, text))
