"""Root mapping -> every section, in the order in which they need each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from crmsync.definition.document.grammar import Scope
from crmsync.definition.document.inputs import DERIVED, read_events, read_facts, read_head
from crmsync.definition.document.place import Place
from crmsync.definition.document.promises import read_examples, read_sla
from crmsync.definition.document.rules import (
    Scores,
    read_campaigns,
    read_recycle,
    read_stages,
    read_tracks,
    stage_known,
)
from crmsync.definition.document.scores import Inputs, read_engagement, read_evidence, read_fit, read_vetoes
from crmsync.definition.document.tree import MapNode
from crmsync.definition.needs import needs_of
from crmsync.definition.nouns import (
    Campaign,
    Definition,
    Engagement,
    EventKind,
    EvidenceRule,
    Example,
    Fact,
    Fit,
    Position,
    Recycle,
    Sla,
    Stages,
    Terms,
    Track,
    Veto,
)
from crmsync.model import DefinitionRef, Json

SECTIONS = (
    "definition",
    "facts",
    "events",
    "fit",
    "engagement",
    "disqualify",
    "evidence",
    "stages",
    "recycle",
    "sla",
    "campaigns",
    "tracks",
    "examples",
)


@dataclass(frozen=True, slots=True)
class Sections:
    """All sections, before the file's hash and needs are known."""

    id: str
    version: str
    terms: Terms
    facts: Mapping[str, Fact]
    events: Mapping[str, EventKind]
    fit: Fit
    engagement: Engagement
    disqualify: tuple[Veto, ...]
    evidence: EvidenceRule | None
    stages: Stages
    recycle: Recycle | None
    sla: Sla | None
    campaigns: tuple[Campaign, ...]
    tracks: tuple[Track, ...]
    examples: tuple[Example, ...]

    def definition(
        self, *, name: str, ref: DefinitionRef, positions: Mapping[str, Position], plain: Json
    ) -> Definition:
        return Definition(
            name=name,
            ref=ref,
            terms=self.terms,
            facts=self.facts,
            events=self.events,
            fit=self.fit,
            engagement=self.engagement,
            disqualify=self.disqualify,
            evidence=self.evidence,
            stages=self.stages,
            recycle=self.recycle,
            sla=self.sla,
            campaigns=self.campaigns,
            tracks=self.tracks,
            examples=self.examples,
            needs=needs_of(self),
            positions=positions,
            plain=plain,
        )


def read_sections(root: Place) -> Sections | None:
    """Return the sections; whatever does not fit was reported to the root's reports."""
    keys = root.keys(*SECTIONS, required=("definition",))
    definition_id, version, terms = read_head(keys.get("definition", _empty(root)))
    facts = read_facts(keys["facts"]) if "facts" in keys else {}
    events = read_events(keys["events"]) if "events" in keys else {}
    inputs = Inputs(facts, events, _inputs_scope(facts, events))
    fit = read_fit(keys["fit"], inputs) if "fit" in keys else Fit()
    engagement = read_engagement(keys["engagement"], inputs) if "engagement" in keys else Engagement()
    evidence = read_evidence(keys["evidence"], inputs) if "evidence" in keys else None
    scores = Scores(inputs, fit, engagement, evidence)
    stages = read_stages(keys["stages"], scores) if "stages" in keys else Stages((), ())
    if "definition" in keys and keys["definition"].is_mapping:
        stage_known(keys["definition"].entries().get("handoff_stage"), terms.handoff_stage, stages.order)
    return Sections(
        id=definition_id or "",
        version=version or "",
        terms=terms,
        facts=facts,
        events=events,
        fit=fit,
        engagement=engagement,
        disqualify=read_vetoes(keys["disqualify"], inputs) if "disqualify" in keys else (),
        evidence=evidence,
        stages=stages,
        recycle=read_recycle(keys["recycle"], facts) if "recycle" in keys else None,
        sla=read_sla(keys["sla"]) if "sla" in keys else None,
        campaigns=read_campaigns(keys["campaigns"], scores) if "campaigns" in keys else (),
        tracks=read_tracks(keys["tracks"], scores) if "tracks" in keys else (),
        examples=read_examples(keys["examples"], scores) if "examples" in keys else (),
    )


def _empty(root: Place) -> Place:
    return Place(MapNode(root.node.at, {}, {}), "definition", root.reports)


def _inputs_scope(facts: Mapping[str, Fact], events: Mapping[str, EventKind]) -> Scope:
    """Return what criteria, vetoes and evidence may test: facts and counted events, no scores."""
    refused = {name: f"`{name}` may not be tested here: only facts and event.<name> may" for name in DERIVED}
    return Scope({name: fact.type for name, fact in facts.items()}, refused, events)
