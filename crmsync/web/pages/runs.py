"""What each run did, change by change, and the button that takes it back."""

from starlette.responses import Response

from crmsync.cycle.revert import Only
from crmsync.model import RunId
from crmsync.store.audit.reading import RunLine
from crmsync.web.asking import Ask, not_here

_RUNS_A_PAGE = 25
_CHANGES_A_PAGE = 100


def list_all(ask: Ask) -> Response:
    found = ask.desk.runs(before=ask.query_number("before"), limit=_RUNS_A_PAGE + 1)
    older = found[_RUNS_A_PAGE - 1].started.seq if len(found) > _RUNS_A_PAGE else None
    return ask.page(
        "runs.html", runs=found[:_RUNS_A_PAGE], older=older, is_first=ask.query_number("before") is None
    )


def show(ask: Ask) -> Response:
    run = _run(ask)
    before = ask.query_number("before")
    steps = ask.desk.run_steps(run.id, before=before, limit=_CHANGES_A_PAGE + 1)
    older = steps[_CHANGES_A_PAGE - 1].entry.seq if len(steps) > _CHANGES_A_PAGE else None
    reason = run.started.draft.reason or {}
    return ask.page(
        "run.html",
        run=run,
        plan=reason.get("plan"),
        steps=steps[:_CHANGES_A_PAGE],
        older=older,
        is_first=before is None,
        parts=tuple(Only),
        nothing=ask.query("nothing") == "1",
    )


def revert(ask: Ask) -> Response:
    run = _run(ask)
    only = ask.form.get("only", "")
    undone = ask.desk.revert(run.id, Only(only) if only in set(Only) else None)
    return ask.go(f"/plans/{undone.plan}" if undone.plan else f"/runs/{run.id}?nothing=1")


def _run(ask: Ask) -> RunLine:
    run = ask.desk.run(RunId(ask.path("id")))
    if run is None:
        raise not_here("There is no run with this id in the trail.")
    return run
