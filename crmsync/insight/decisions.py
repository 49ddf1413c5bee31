"""What people decided about plans, reverts and definitions: audit entries -> sentences. Pure."""

from crmsync.insight.actors import our_actor
from crmsync.model import Entry, Json

KINDS = ("plan.", "revert.asked", "definition.", "contact.erased")
"""Which entries tell of decisions: kinds, or families of them with a dot at the end."""


def told(entry: Entry) -> str:
    """Say what was decided, by whom; ids only."""
    draft = entry.draft
    reason: Json = draft.reason or {}
    who = our_actor(draft.actor).words
    ref = draft.definition
    named = f"{ref.id} {ref.version}" if ref else "a definition"
    match draft.kind:
        case "plan.parked":
            return f"Plan {reason.get('plan')} was parked. {' '.join(reason.get('reasons', ()))}".strip()
        case "plan.approved" | "plan.rejected":
            verb = draft.kind.removeprefix("plan.")
            return f"{who} {verb} plan {reason.get('plan')} ({reason.get('changes', 0):,} changes)."
        case "plan.superseded":
            return f"Plan {reason.get('plan')} was dropped: {reason.get('problem')}."
        case "revert.asked":
            run = f"{_part(reason)}run {reason.get('reverts')}{_whose(reason)}"
            return f"{who} asked to take back {run}: {_became(reason)}."
        case "definition.activated":
            return f"Definition {named} came into use."
        case "definition.signed":
            return f"{who} signed definition {named} for {reason.get('role')}."
        case "contact.erased":
            return f"{who} erased contact {draft.id}."
        case kind:
            return f"{kind} by {who}."


def _part(reason: Json) -> str:
    return f"the {reason['only']} of " if reason.get("only") else ""


def _whose(reason: Json) -> str:
    contacts = reason.get("contacts") or ()
    if not contacts:
        return ""
    return f" for contact {contacts[0]}" if len(contacts) == 1 else f" for {len(contacts)} contacts"


def _became(reason: Json) -> str:
    if not reason.get("plan"):
        return "nothing of it can be restored"
    return f"plan {reason['plan']} with {reason.get('changes', 0):,} changes"
