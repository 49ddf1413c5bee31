"""A definition's words for what crmsync writes: label, card, reasons of the trail, due instants. Pure."""

from dataclasses import dataclass
from datetime import datetime

from crmsync.definition import sla
from crmsync.definition.nouns import Definition
from crmsync.definition.wording import card
from crmsync.model import STAGE, DefinitionRef, Evaluation, Json, Own, Stage

_HASH_SHOWN = 12
_NEXT = "\nNext: "


@dataclass(frozen=True, slots=True)
class Narrator:
    definition: Definition

    def label(self, ref: DefinitionRef) -> str:
        """Return the text of `crmsync_definition`: id, version and the start of the hash."""
        return f"{ref.id} {ref.version} {ref.sha256[:_HASH_SHOWN]}"

    def card(self, evaluation: Evaluation, *, stage_changed: bool, shown: str | None) -> str | None:
        """
        Return the why of the stage and what the next one needs.

        The why of a change that led to the stage it is in is kept as the portal shows it; else it says what holds now.
        """
        kept = (shown or "").partition(_NEXT)[0]
        is_kept = not stage_changed and card.tells_of_arrival(kept, evaluation.stage)
        why = kept if is_kept else card.why(self.definition, evaluation, is_made=stage_changed)
        missing = card.missing(self.definition, evaluation)
        return f"{why}{_NEXT}{missing}" if missing else why or None

    def reason(self, evaluation: Evaluation, property_name: str) -> Json:
        """
        Return what the trail keeps, enough to recompute the property's value by hand.

        The stage carries the whole evaluation; a score carries its criteria with what they saw.
        """
        explanation, as_of = evaluation.explanation or {}, evaluation.as_of.isoformat()
        match property_name:
            case Own.FIT:
                return {"as_of": as_of, "score": evaluation.fit, "fit": explanation.get("fit")}
            case Own.ENGAGEMENT:
                told = {name: explanation.get(name) for name in ("engagement", "groups")}
                return {"as_of": as_of, "score": evaluation.engagement, **told}
            case Own.GRADE:
                return {
                    "fit": evaluation.fit,
                    "engagement": evaluation.engagement,
                    "tier": evaluation.tier,
                    "level": evaluation.level,
                }
            case _ if property_name == STAGE:
                return {"as_of": as_of, "code": evaluation.code, "evaluation": explanation}
            case _:
                return {"code": evaluation.code, "outcome": evaluation.outcome, "track": evaluation.track}

    def due_at(
        self, stage: Stage | None, entered_at: datetime | None, *, fast_track: bool
    ) -> datetime | None:
        """Return when sales must have touched the lead; None outside the handoff stage or without an SLA."""
        promise = self.definition.sla
        if (
            promise is None
            or entered_at is None
            or stage is None
            or stage != self.definition.terms.handoff_stage
        ):
            return None
        return sla.due_at(promise, entered_at, fast_track=fast_track)
