"""What a person asked to revert, and what stays as it is <-> entries of the audit trail. Pure."""

from collections.abc import Iterator, Sequence

from crmsync.cycle.revert import Conflict, Request
from crmsync.model import ContactId, DefinitionRef, Draft, Entry, Plan, RunId

ASKED = "revert.asked"
KEPT = "revert.kept"
_ERASED = "erased with the person"


def asked(request: Request, plan: Plan | None, run: RunId, definition: DefinitionRef) -> Draft:
    """Say who asked for what, whatever becomes of it; the plan may be one that already waits."""
    reason = {
        "reverts": request.run,
        "only": request.only.value if request.only else None,
        "contacts": list(request.contacts),
        "plan": plan.id if plan else None,
        "changes": plan.tally.changes if plan else 0,
    }
    return Draft(ASKED, run, definition=definition, reason=reason, actor=request.who)


def kept(request: Request, conflicts: Sequence[Conflict], run: RunId) -> Iterator[Draft]:
    """Say of each value why it stays; `of` is the change that was not taken back."""
    for one in conflicts:
        reason = {"reverts": request.run, "why": one.why}
        yield Draft(
            KEPT, run, "contact", one.contact, one.property, of=one.seq, cause="conflict", reason=reason
        )


def conflict_of(entry: Entry) -> Conflict:
    """Read a `revert.kept` entry."""
    draft = entry.draft
    why = str((draft.reason or {}).get("why", _ERASED))
    return Conflict(ContactId(draft.id or ""), draft.property or "", draft.of or 0, why)
