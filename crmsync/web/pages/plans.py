"""What waits for a person: the plans, one plan, and the two buttons."""

from starlette.responses import Response

from crmsync.cycle.revert import REMAINS
from crmsync.model import DefinitionRef, Plan, PlanId, PlanStatus
from crmsync.web.asking import NAMELESS, Ask, not_here

_DECIDABLE = (PlanStatus.OPEN, PlanStatus.PARKED)
_CONFLICTS_SHOWN = 200


def list_all(ask: Ask) -> Response:
    return ask.page("plans.html", plans=ask.desk.plans())


def show(ask: Ask) -> Response:
    plan = _plan(ask)
    return _page(ask, plan)


def approve(ask: Ask) -> Response:
    plan = _plan(ask)
    if (who := ask.who()) is None:
        return _page(ask, plan, status=400, problem=NAMELESS)
    ask.desk.approve(plan.id, who)
    return ask.go(f"/plans/{plan.id}")


def reject(ask: Ask) -> Response:
    plan = _plan(ask)
    if (who := ask.who()) is None:
        return _page(ask, plan, status=400, problem=NAMELESS)
    ask.desk.reject(plan.id, who)
    return ask.go(f"/plans/{plan.id}")


def _plan(ask: Ask) -> Plan:
    plan = ask.desk.plan(PlanId(ask.path("id")))
    if plan is None:
        raise not_here("There is no plan with this id.")
    return plan


def _page(ask: Ask, plan: Plan, *, status: int = 200, problem: str = "") -> Response:
    return ask.page(
        "plan.html",
        status=status,
        plan=plan,
        review=ask.desk.review(plan),
        conflicts=ask.desk.conflicts(plan, _CONFLICTS_SHOWN + 1) if plan.is_revert else (),
        conflicts_shown=_CONFLICTS_SHOWN,
        remains=REMAINS if plan.is_revert else (),
        can_decide=plan.status in _DECIDABLE,
        changed_from=_changed_from(ask, plan),
        problem=problem,
    )


def _changed_from(ask: Ask, plan: Plan) -> DefinitionRef | None:
    """Return the definition in force where approving would bring another one into force."""
    in_force = next((one.ref for one in ask.desk.versions()), None)
    return in_force if plan.status in _DECIDABLE and in_force != plan.definition else None
