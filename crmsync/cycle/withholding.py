"""A stage change that the definition wants and nobody makes (yet) -> sentences that say why. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from crmsync.cycle.reconcile import Policy, Withheld, withheld
from crmsync.model import STAGE, Change, Evaluation, Plan, PlanStatus, Reversal, Version

_WHY = {
    Withheld.OBSERVING: "writes.lifecyclestage is observe",
    Withheld.DEMOTION_OFF: "writes.lifecyclestage is promote_only: demotions are off",
    Withheld.PERSON: "a person set the stage on {at}, and that is respected for writes.respect_manual_for",
    Withheld.PING_PONG: "{other} keeps setting it back; it is tried again on {until}, or under a changed definition",
    Withheld.PAUSED: "the definition is past its review date and writes.pause_past_review is on",
    Withheld.UNTOLD: "HubSpot cannot say who set it, and a person may have",
}


def held(
    evaluation: Evaluation,
    version: Version | None,
    policy: Policy,
    reversals: Sequence[Reversal],
    plans: Iterable[tuple[Plan, Sequence[Change]]],
) -> Iterator[str]:
    """
    Say what keeps the change from being made.

    Args:
        version: who set the current stage; None: not known.
        plans: those that hold changes of this contact, with these changes.
    """
    why = withheld(evaluation, version, policy, reversals=reversals)
    if why is not None:
        at = f"{version.at:%Y-%m-%d}" if version else ""
        other, until = reversals[-1].by if reversals else "", at
        if reversals:
            until = f"{reversals[-1].at + policy.respect_manual_for:%Y-%m-%d}"
        yield f"The stage is not changed: {_WHY[why].format(at=at, other=other, until=until)}."
    for plan, changes in plans:
        if plan.status is PlanStatus.PARKED and any(change.property == STAGE for change in changes):
            yield f"The stage change waits in plan {plan.id}, which is parked."
