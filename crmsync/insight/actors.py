"""Who an audit entry says it was (`CRM_UI userId:12`) -> a kind of source, and words for people. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who changes contacts, as far as HubSpot tells. The values are words for filters and pictures."""

    CRMSYNC = "crmsync"
    PERSON = "person"
    WORKFLOW = "workflow"
    IMPORT = "import"
    FORM = "form"
    COMPANY = "company sync"
    DEAL = "deal sync"
    APP = "another app"
    AGENT = "AI agent"
    PORTAL = "portal"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Actor:
    """`words` reads in a sentence: "a person (user 12)"; ids only, never names."""

    source: Source
    words: str


_USER = "userId:"
_WORDS = {
    Source.PERSON: "a person",
    Source.WORKFLOW: "a workflow",
    Source.IMPORT: "an import",
    Source.FORM: "a form",
    Source.COMPANY: "the sync from the company",
    Source.DEAL: "the sync from a deal",
    Source.APP: "another app",
    Source.AGENT: "an AI agent of the portal",
    Source.PORTAL: "the portal itself",
    Source.UNKNOWN: "somebody unknown",
}
_PEOPLE = ("CRM_UI", "MOBILE_", "CONTACTS_WEB")
_BY_TYPE = {  # HubSpot's sourceType; new ones appear at any time and are shown as they are
    "AUTOMATION_JOURNEY": Source.WORKFLOW,
    "AUTOMATION_PLATFORM": Source.WORKFLOW,
    "WORKFLOWS": Source.WORKFLOW,
    "SEQUENCES": Source.WORKFLOW,
    "IMPORT": Source.IMPORT,
    "FORM": Source.FORM,
    "COMPANIES": Source.COMPANY,
    "DEALS": Source.DEAL,
    "API": Source.APP,
    "INTEGRATION": Source.APP,
    "INTEGRATIONS_PLATFORM": Source.APP,
    "INTEGRATIONS_SYNC": Source.APP,
    "SALESFORCE": Source.APP,
    "BREEZE_AGENT": Source.AGENT,
    "CUSTOMER_AGENT": Source.AGENT,
    "PROSPECTING_AGENT": Source.AGENT,
    "DATA_ENRICHMENT": Source.PORTAL,
    "BATCH_UPDATE": Source.PORTAL,
    "CALCULATED": Source.PORTAL,
    "INTERNAL_PROCESSING": Source.PORTAL,
    "MERGE_CONTACTS": Source.PORTAL,
    "MERGE_OBJECTS": Source.PORTAL,
    "PROPERTY_DEFAULT_VALUE": Source.PORTAL,
    "RESTORE_OBJECTS": Source.PORTAL,
    "portal": Source.PORTAL,
    "UNKNOWN": Source.UNKNOWN,
    "unknown": Source.UNKNOWN,
}


def foreign_actor(actor: str) -> Actor:
    """Read the actor of a `change.foreign` entry: HubSpot's `<sourceType> <sourceId>`."""
    kind, _, id_ = actor.partition(" ")
    source = _source(kind, id_)
    words = _WORDS[source]
    if source is Source.PERSON and id_.startswith(_USER):
        return Actor(source, f"{words} (user {id_.removeprefix(_USER)})")
    named = actor if kind not in _BY_TYPE and source is Source.UNKNOWN else id_
    return Actor(source, f"{words} ({named})" if named else words)


def our_actor(actor: str) -> Actor:
    """Read the actor of any other entry: crmsync itself, the portal, or the person who decided."""
    if actor == Source.CRMSYNC:
        return Actor(Source.CRMSYNC, "crmsync")
    if actor == Source.PORTAL:
        return Actor(Source.PORTAL, _WORDS[Source.PORTAL])
    return Actor(Source.OPERATOR, actor)


def _source(kind: str, id_: str) -> Source:
    if kind.startswith(_PEOPLE) or id_.startswith(_USER):
        return Source.PERSON
    return _BY_TYPE.get(kind, Source.UNKNOWN)
