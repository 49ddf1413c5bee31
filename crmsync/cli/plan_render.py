"""A plan as people decide by it: groups by cause and criterion, then the contacts it moves most. 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from crmsync.cli.output import many, plain, table
from crmsync.insight import words
from crmsync.insight.plan_view import Affected, Group, Move, PlanView, plan_view
from crmsync.model import Change, Entry, Own, RunId

if TYPE_CHECKING:
    from crmsync.cycle.revert import Conflict

_WIDTH = 80
_NAME_WIDTH = 20
_CONFLICTS_SHOWN = 40


def print_plan(out: Console, slices: Iterable[Sequence[Change]]) -> None:
    """Print what a plan does, from its changes in slices."""
    view = plan_view(slices)
    out.print(f"{many(view.changes, 'change')} of {many(view.contacts, 'contact')}")
    for group in view.groups:
        for line in _group_lines(group):
            out.print(plain(line), soft_wrap=True)
    out.print()
    rows = [_row(one) for one in view.affected]
    out.print(table(_title(view), ("contact", "stage", "fit", "engagement", "why"), rows))


def print_not_applied(out: Console, entries: Sequence[Entry]) -> None:
    """Print what a run did not write; the contacts stay due, so that the next plan has them again."""
    if not entries:
        return
    rows = [(e.draft.id, e.draft.property, (e.draft.reason or {}).get("problem")) for e in entries]
    out.print(table("Not written", ("contact", "property", "why"), rows))
    run = entries[0].draft.run
    out.print(f"All of them: crmsync audit list --run {run}   They are planned again: crmsync sync")


def print_conflicts(out: Console, conflicts: Sequence["Conflict"], run: RunId) -> None:
    """Print what a revert leaves as it is, and why."""
    if not conflicts:
        return
    stay = "1 value stays as it is" if len(conflicts) == 1 else f"{len(conflicts)} values stay as they are"
    out.print(f"\n[yellow]{stay}:[/]")
    rows = [(one.contact, one.property, one.seq, one.why) for one in conflicts[:_CONFLICTS_SHOWN]]
    out.print(table("", ("contact", "property", "entry", "why"), rows))
    if len(conflicts) > _CONFLICTS_SHOWN:
        from crmsync.cycle.revert_entries import KEPT

        out.print(f"All of them: crmsync audit list --run {run} --kind {KEPT} --limit {len(conflicts)}")


def print_remains(out: Console) -> None:
    out.print("\nWhat a revert cannot undo:")
    from crmsync.cycle.revert import REMAINS

    for sentence in REMAINS:
        out.print(plain(f"- {sentence}"))


def _title(view: PlanView) -> str:
    shown = len(view.affected)
    return "Moved most" if shown == view.contacts else f"Moved most ({shown} of {view.contacts}; all: --json)"


def _group_lines(group: Group) -> Iterator[str]:
    moves = ", ".join(
        f"{before or 'none'} → {after or 'none'} {count}" for (before, after), count in group.moves.items()
    )
    contacts = many(group.contacts, "contact")
    yield from _wrapped(
        f"{contacts}: {moves}" if moves else contacts, f"  {words.cause(group.cause):<{_NAME_WIDTH}}"
    )
    if group.criteria:
        shares = (f"{one.criterion} {one.points:+.3g} ({one.contacts})" for one in group.criteria)
        yield from _wrapped(f"by {', '.join(shares)}", " " * (_NAME_WIDTH + 2))


def _wrapped(text: str, first: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=" " * (_NAME_WIDTH + 2), break_on_hyphens=False
    )


def _row(one: Affected) -> tuple[object, ...]:
    scores = {move.property: _move(move) for move in one.scores}
    stage = _move(one.stage) if one.stage else None
    return (
        one.contact,
        stage,
        scores.get(Own.FIT),
        scores.get(Own.ENGAGEMENT),
        one.why or words.cause(one.cause),
    )


def _move(move: Move) -> str:
    return f"{move.before or 'none'} → {move.after or 'none'}"
