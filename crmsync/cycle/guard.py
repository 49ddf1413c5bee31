"""Plan -> why it must wait for a person. Pure: small blast radius (G9)."""

from collections.abc import Iterator
from dataclasses import dataclass

from crmsync.errors import OperatorError, PlanParked
from crmsync.model import DefinitionRef, Mode, Plan, PlanId, PlanStatus, Tally


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one plan may do unasked.

    Attributes:
        max_stage_change_share: of all contacts, 0 to 1.
        max_shrink: share of the known contacts that may have vanished, 0 to 1.
    """

    max_stage_changes: int = 200
    max_stage_change_share: float = 0.05
    max_demotions: int = 50
    max_shrink: float = 0.2
    park_on_new_definition: bool = True


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What the guard knows beside the plan.

    Attributes:
        active: the definition that the last applied plan was made with; None: none ever was.
        shrunk: (missing, known) contacts when the portal lost more than `max_shrink`.
        mode: the setting writes.mode.
    """

    current: DefinitionRef
    active: DefinitionRef | None = None
    shrunk: tuple[int, int] | None = None
    mode: Mode = "apply"


def guard(tally: Tally, limits: Limits, around: Circumstances) -> tuple[str, ...]:
    """Return why the plan must wait, sentences with the numbers; empty: it may go ahead."""
    return tuple(_reasons(tally, limits, around)) if tally.changes else ()


def _reasons(tally: Tally, limits: Limits, around: Circumstances) -> Iterator[str]:
    moves = tally.promoted + tally.demoted
    if moves > limits.max_stage_changes:
        yield f"{moves} stage changes; guard.max_stage_changes allows {limits.max_stage_changes}."
    allowed = limits.max_stage_change_share * tally.contacts
    if moves > allowed:
        share = moves / tally.contacts if tally.contacts else 1.0
        yield (
            f"{moves} of {tally.contacts} contacts ({share:.1%}) would change stage; "
            f"guard.max_stage_change_share allows {limits.max_stage_change_share:.1%}."
        )
    if tally.demoted > limits.max_demotions:
        yield f"{tally.demoted} demotions; guard.max_demotions allows {limits.max_demotions}."
    if around.shrunk is not None:
        missing, known = around.shrunk
        yield (
            f"{missing} of {known} known contacts are missing from the portal; "
            f"guard.max_shrink allows {limits.max_shrink:.1%}. Plans wait until a list has them again, "
            "or the setting allows it."
        )
    before, after = around.active, around.current
    if limits.park_on_new_definition and before and before.sha256 != after.sha256:
        yield (
            f"First plan under a changed definition ({before.beside(after)} -> {after.beside(before)}); "
            "guard.park_on_new_definition is on."
        )
    if around.mode == "plan":
        yield "writes.mode is plan: a person applies every plan."


def ready(plan: Plan | None, plan_id: PlanId, *, mode: Mode) -> Plan:
    """
    Return the plan if it may be applied.

    Raises:
        OperatorError: there is no such plan, another took its place, it was rejected or never finished, or nothing
            may be written.
        PlanParked: it waits for approval.
    """
    if plan is None:
        raise OperatorError(f"There is no plan {plan_id}.", next_step="See `crmsync plans`.")
    if mode == "observe":
        raise OperatorError(
            "writes.mode is observe: nothing is written.", next_step="Set it to plan or apply."
        )
    if why := _over(plan):
        raise OperatorError(
            f"Plan {plan_id} {why}.", next_step="See `crmsync plans`, or make a new one: `crmsync plan`."
        )
    if plan.status is PlanStatus.PARKED:
        raise PlanParked(
            f"Plan {plan_id} is parked: {' '.join(plan.reasons)}",
            next_step=f"Review it, then `crmsync approve {plan_id}`.",
        )
    return plan


def _over(plan: Plan) -> str:
    """Say why it will never be applied; "" when it may be."""
    if not plan.digest:
        return "was never finished: the process that made it ended"
    match plan.status:
        case PlanStatus.REJECTED:
            return "was rejected"
        case PlanStatus.SUPERSEDED:
            return "is superseded: a newer plan, or one under another definition, took its place"
        case _:
            return ""
