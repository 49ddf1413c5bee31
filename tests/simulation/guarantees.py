"""The end of a run -> which guarantees do not hold: the trail and the portal's own memory are compared."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from crmsync.app import App
from crmsync.cycle.agenda import Job
from crmsync.cycle.settle import CANNOT_BE_TOLD
from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.errors import VerificationError
from crmsync.model import WRITTEN, Action, ContactId, Evaluation, Event
from crmsync.sandbox.portal import APP_ID
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.stages import STAGE
from crmsync.sandbox.times import DAY, read_instant
from tests.simulation.days import Simulation
from tests.simulation.truth import contact_as_it_is
from tests.simulation.witness import same

_PRIVATE = re.compile(r"[\w.]+@[\w.]+|VP Sales|Sales Director|pat-")


def broken(simulation: Simulation) -> list[str]:
    """Say what does not hold; call it after `run`."""
    after = _After(simulation, simulation.app)
    found = [
        *simulation.broken,
        *simulation.witness.faults,
        *after.convergence(),
        *after.outcomes(),
        *after.chain(),
        *after.limits(),
        *after.privacy(),
        *after.values(),
    ]
    simulation.close()
    return found


@dataclass(frozen=True)
class _After:
    simulation: Simulation
    app: App

    # --- G5 ------------------------------------------------------------------------------------------------

    def convergence(self) -> Iterator[str]:
        """With no change from outside, cycles write nothing, evaluate nothing, and find no drift."""
        for also in ((), (Job.RECONCILE, Job.RESCAN), ()):
            writes = self.simulation.witness.writes
            summary = self.simulation.cycle(also)
            if summary is None:
                yield f"G5 a quiet cycle ({also}) failed: {self.simulation.said[-1:]}"
                continue
            if self.simulation.witness.writes != writes:
                yield f"G5 a quiet cycle ({also}) wrote: {summary.written.results}"
            if summary.tally.evaluated:
                yield f"G5 a quiet cycle ({also}) evaluated {summary.tally.evaluated}: {self._due()}"
            self.simulation.time.pass_by(30)

    def _due(self) -> list[str]:
        return [one.contact.id for some in self.app.store.mirror.due(100) for one in some]

    # --- G2, G3 --------------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[str]:
        """Each intent has exactly one outcome, and it is what the portal remembers."""
        entries = list(self.app.store.trail.export())
        intents = {one["seq"]: one for one in entries if one["kind"] == "change.intended"}
        ends: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for one in entries:
            if one["kind"] in {"change.applied", "change.failed", "change.abandoned"}:
                ends[one["of"]].append(one)
        for seq, intent in intents.items():
            kinds = [one["kind"].removeprefix("change.") for one in ends[seq]]
            if len(kinds) != 1 and kinds != ["abandoned", "applied"]:  # the second: it came late
                yield f"G2 intent {seq} of {intent['id']} has the outcomes {kinds}"
        for one in entries:
            if one["kind"] == "change.foreign" and APP_ID in one["actor"]:
                yield f"G2 entry {one['seq']} of {one['id']}: our own write is called foreign"
        yield from self._against_the_portal(intents, ends)

    def _against_the_portal(
        self, intents: Mapping[int, Mapping[str, Any]], ends: Mapping[int, list[Mapping[str, Any]]]
    ) -> Iterator[str]:
        ours = defaultdict(list)
        for effect in self.simulation.portal.effects:
            is_ours = effect.request and effect.act.source.id == APP_ID
            if is_ours and effect.kind == "contacts" and effect.property in WRITTEN:
                ours[effect.id, effect.property].append(effect)
        writers: dict[tuple[str, str], str | None] = {}
        for one in self.simulation.portal.effects:
            is_twice = one in ours[one.id, one.property] and one.before == one.after
            if is_twice and writers.get((one.id, one.property)) == APP_ID:
                yield f"G3 {one.id} {one.property}: our own value was written again"
            if one.kind == "contacts":
                writers[one.id, one.property] = one.act.source.id
        sent: dict[tuple[str, str, str], int] = defaultdict(int)
        for effects in ours.values():
            for one in effects:
                sent[self._alive(one.id), one.property, one.after] += 1
        claimed: dict[tuple[str, str, str], int] = defaultdict(int)
        untold: dict[tuple[str, str, str], int] = defaultdict(int)
        for seq, intent in intents.items():
            if not ends[seq]:
                continue
            key = self._alive(intent["id"]), intent["property"], intent["after"] or ""
            if str((ends[seq][-1]["reason"] or {}).get("problem", "")).startswith(CANNOT_BE_TOLD):
                untold[key] += 1
            if ends[seq][-1]["kind"] == "change.applied":
                claimed[key] += 1
                if not self._ever_showed(intent):
                    yield f"G2 intent {seq}: applied, but contact {intent['id']} never showed {intent['property']}"
        for key in sent.keys() | claimed.keys():
            if not claimed[key] <= sent[key] <= claimed[key] + untold[key]:
                yield f"G2 {key[:2]}: written {sent[key]} times, applied in the trail {claimed[key]} times"

    def _alive(self, id_: str) -> str:
        shelf = self.simulation.portal.world.shelf("contacts")
        number = int(id_)
        while number in shelf.merged:
            number = shelf.merged[number]
        return str(number)

    def _ever_showed(self, intent: Mapping[str, Any]) -> bool:
        wanted, name = intent["after"] or "", intent["property"]
        alive = self._alive(intent["id"])
        return any(
            same(name, effect.after, wanted)
            for effect in self.simulation.portal.effects
            if effect.kind == "contacts" and effect.property == name and self._alive(effect.id) == alive
        )

    # --- G8, G10, G13 --------------------------------------------------------------------------------------

    def chain(self) -> Iterator[str]:
        try:
            self.app.store.trail.verify()
        except VerificationError as error:
            yield f"G10 {error}"

    def limits(self) -> Iterator[str]:
        refused = [one for one in self.simulation.portal.log if one.status == 429 and not one.fault]
        if refused:
            yield f"G8 {len(refused)} requests over the limit, the first at {refused[0].json()['at']}"

    def privacy(self) -> Iterator[str]:
        for said in self.simulation.said:
            if found := _PRIVATE.search(said):
                yield f"G13 {found[0]!r} in: {said[:200]}"

    # --- G4, G7: what the portal shows is what the definition says of the portal's own data -----------------

    def values(self) -> Iterator[str]:
        """
        Compare with an evaluation of the portal's own data.

        Time alone moves scores and ends terms, and the tick comes once a day: wrong is what was wrong at the last
        tick already.
        """
        assert self.simulation.ticked_at is not None
        before = dict(self._wrong_at(self.simulation.ticked_at))
        for key, problem in self._wrong_at(self.app.gateway.now()):
            if key in before:
                yield f"G7 contact {key[0]}: {problem}"

    def _wrong_at(self, as_of: datetime) -> Iterator[tuple[tuple[int, str], str]]:
        shelf = self.simulation.portal.world.shelf("contacts")
        records = [shelf.live[id_] for id_ in shelf.ids]
        ids = [ContactId(str(one.id)) for one in records]
        reversals = self.app.store.trail.reversals(ids, self.app.definition.ref)
        ping_pong = {one for one, some in reversals.items() if len(some) > 1}  # a run is shorter than 30 days
        contacts = [contact_as_it_is(self.simulation.portal, one, self._counters(one)) for one in records]
        found = Evaluator(self.app.definition).evaluate(contacts, as_of)
        for record, evaluation in zip(records, found, strict=True):
            for name, problem in _wrong(record, evaluation):
                yield (record.id, name), problem
            if evaluation.id not in ping_pong and (problem := self._stage(record, evaluation)):
                yield (record.id, STAGE), problem

    def _counters(self, record: Record) -> list[Event]:
        mirrored = self.app.store.mirror.contact(ContactId(str(record.id)))
        return [one for one in mirrored.contact.events if one.source == "counter"] if mirrored else []

    def _stage(self, record: Record, evaluation: Evaluation) -> str:
        if evaluation.action not in (Action.PROMOTE, Action.DEMOTE):
            return ""
        assert self.simulation.temper is not None
        if evaluation.action is Action.DEMOTE and self.simulation.temper.stages == "promote_only":
            return ""
        versions, now_ms = record.versions(STAGE), self.simulation.portal.world.now_ms()
        equal = list(takewhile(lambda one: one.value == versions[0].value, versions))
        newest = versions[0] if versions else None
        if any(one.source.type == "CRM_UI" and now_ms - one.at_ms < 30 * DAY for one in equal):
            return ""
        return (
            f"stays {record.text(STAGE)!r}, the definition wants {evaluation.to!r} ({evaluation.code}); "
            f"set by {newest.source if newest else None}"
        )


def _wrong(record: Record, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    for name, score in (("crmsync_fit", evaluation.fit), ("crmsync_engagement", evaluation.engagement)):
        shown = record.text(name)
        if not shown or abs(float(shown) - score) >= 1.01:
            yield name, f"{name} shows {shown!r}, it is {score}"
    if record.text("crmsync_grade") != (evaluation.grade or ""):
        yield "grade", f"crmsync_grade shows {record.text('crmsync_grade')!r}, it is {evaluation.grade!r}"
    at = record.text("crmsync_evaluated_at")
    if at and read_instant(at) is None:
        yield "evaluated_at", f"crmsync_evaluated_at shows {at!r}"
