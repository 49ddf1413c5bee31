"""What each run did, contact by contact, its stage changes first, and the button that takes it back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from starlette.responses import Response

from crmsync.cycle.revert import Only, Request
from crmsync.insight import words
from crmsync.model import STAGE, WRITTEN, ContactId, Own, RunId
from crmsync.store.audit.reading import RunLine
from crmsync.web.asking import NAMELESS, Ask, not_here
from crmsync.web.desk import Step

_RUNS_A_PAGE = 25
_CHANGES_A_PAGE = 300
_STAGES_SHOWN = 100
_BOOKKEEPING = {Own.DEFINITION, Own.REASON, Own.EVALUATED_AT, Own.STAGE_CHANGED_AT}


@dataclass(frozen=True, slots=True)
class Row:
    """
    What a run changed of one contact.

    Attributes:
        moves: the stage first, then scores and words; `along`: what is written with them.
        results: what became of all of these, each word once.
    """

    contact: str | None
    moves: tuple[Step, ...]
    along: tuple[Step, ...]
    results: tuple[str, ...]

    @classmethod
    def of(cls, contact: str | None, steps: Sequence[Step]) -> Self:
        ordered = sorted(
            steps, key=lambda one: (_RANKS.get(one.entry.draft.property or "", -1), one.entry.seq)
        )
        moves = tuple(one for one in ordered if one.entry.draft.property not in _BOOKKEEPING)
        along = tuple(one for one in ordered if one.entry.draft.property in _BOOKKEEPING)
        results = (words.result(one.outcome.draft.kind if one.outcome else None) for one in ordered)
        return cls(contact, moves, along, tuple(dict.fromkeys(results)))


_RANKS = {name: rank for rank, name in enumerate(WRITTEN)}


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
    rows, older = _rows(ask.desk.run_steps(run.id, before=before, limit=_CHANGES_A_PAGE + 1))
    stages = ask.desk.run_steps(run.id, of_property=STAGE, limit=_STAGES_SHOWN + 1) if before is None else ()
    reason = run.started.draft.reason or {}
    return ask.page(
        "run.html",
        status=status,
        run=run,
        plan=reason.get("plan"),
        stages=stages,
        stages_shown=_STAGES_SHOWN,
        rows=rows,
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


def _rows(steps: Sequence[Step]) -> tuple[tuple[Row, ...], int | None]:
    """Group by contact, the changes of one never on two pages where they fit on one; with where to go on."""
    groups = [list(some) for _, some in groupby(steps, key=lambda one: one.entry.draft.id)]
    is_more = len(steps) > _CHANGES_A_PAGE
    if is_more and len(groups) > 1:
        groups.pop()
    elif is_more:
        groups[0].pop()
    rows = tuple(Row.of(some[0].entry.draft.id, some) for some in groups)
    return rows, groups[-1][-1].entry.seq if is_more else None


def _run(ask: Ask) -> RunLine:
    run = ask.desk.run(RunId(ask.path("id")))
    if run is None:
        raise not_here("There is no run with this id in the trail.")
    return run
