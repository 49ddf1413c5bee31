"""What each run did, change by change, and the button that takes it back."""

import re

from starlette.responses import Response

from crmsync.cycle.revert import Only, Request
from crmsync.model import ContactId, RunId
from crmsync.store.audit.reading import RunLine
from crmsync.web.asking import NAMELESS, Ask, not_here

_RUNS_A_PAGE = 25
_CHANGES_A_PAGE = 100


def list_all(ask: Ask) -> Response:
    found = ask.desk.runs(before=ask.query_number("before"), limit=_RUNS_A_PAGE + 1)
    older = found[_RUNS_A_PAGE - 1].started.seq if len(found) > _RUNS_A_PAGE else None
    return ask.page(
        "runs.html", runs=found[:_RUNS_A_PAGE], older=older, is_first=ask.query_number("before") is None
    )


def show(ask: Ask) -> Response:
    return _page(ask, _run(ask))


def revert(ask: Ask) -> Response:
    """Plan to take the run back, or a part of it; the plan's page is where it is approved."""
    run, only = _run(ask), ask.form.get("only", "")
    contacts, problem = _contacts(ask)
    who = ask.who()
    if who is None or problem:
        return _page(ask, run, status=400, nameless=NAMELESS if who is None else "", unknown=problem)
    undone = ask.desk.revert(Request(run.id, who, Only(only) if only in set(Only) else None, contacts))
    return ask.go(f"/plans/{undone.plan}" if undone.plan else f"/runs/{run.id}?nothing={undone.run}")


def _contacts(ask: Ask) -> tuple[tuple[ContactId, ...], str]:
    """Return the contacts a revert is limited to (none: all of the run), and what is wrong with them."""
    named = re.split(r"[\s,;]+", ask.form.get("contacts", "").strip())
    found = [ask.desk.find(one) for one in named if one]
    if None in found:
        return (), "No contact has this id or e-mail address. Separate several by spaces."
    return tuple(one for one in dict.fromkeys(found) if one is not None), ""


def _page(ask: Ask, run: RunLine, *, status: int = 200, nameless: str = "", unknown: str = "") -> Response:
    before = ask.query_number("before")
    steps = ask.desk.run_steps(run.id, before=before, limit=_CHANGES_A_PAGE + 1)
    older = steps[_CHANGES_A_PAGE - 1].entry.seq if len(steps) > _CHANGES_A_PAGE else None
    reason = run.started.draft.reason or {}
    return ask.page(
        "run.html",
        status=status,
        run=run,
        plan=reason.get("plan"),
        steps=steps[:_CHANGES_A_PAGE],
        older=older,
        is_first=before is None,
        parts=tuple(Only),
        nothing=ask.query("nothing"),
        given={
            "only": ask.form.get("only", ""),
            "who": ask.form.get("who", ""),
            "contacts": ask.form.get("contacts") or ask.query("contact"),
        },
        nameless=nameless,
        unknown=unknown,
    )


def _run(ask: Ask) -> RunLine:
    run = ask.desk.run(RunId(ask.path("id")))
    if run is None:
        raise not_here("There is no run with this id in the trail.")
    return run
