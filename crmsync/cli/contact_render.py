"""A contact's explanation and the moments of its life -> JSON documents and lines of at most 80 columns."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from crmsync.cli.asking import instant_text
from crmsync.cli.knowledge import Knowledge
from crmsync.cli.output import plain
from crmsync.definition.wording import card
from crmsync.definition.wording.arithmetic import arithmetic
from crmsync.insight.timeline import Moment, State, What
from crmsync.model import STAGE, Evaluation

_HASH_SHOWN = 12
_INDENT = "    "
_STYLES = {State.FAILED: "red", State.ABANDONED: "yellow", State.OPEN: "yellow", State.DONE: ""}


def explanation_document(known: Knowledge, evaluation: Evaluation) -> dict[str, Any]:
    """Make the one object that `explain --json` prints: section 11's evaluation, and why."""
    from crmsync.definition.evaluation.offline import (
        evaluation_json,
    )  # brings the data frames: see contact.py

    return {
        "contact": evaluation.id,
        "as_of": instant_text(evaluation.as_of),
        "stage": evaluation.stage,
        "evaluation": evaluation_json(evaluation),
        "explanation": evaluation.explanation,
        "card": _card(known, evaluation),
        "held": list(known.held),
        "knowledge": {
            "pulled_until": None if known.pulled_until is None else instant_text(known.pulled_until),
            "known_since": None if known.known_since is None else instant_text(known.known_since),
            "ends": list(known.ends),
        },
    }


def print_arithmetic(
    out: Console, known: Knowledge, evaluation: Evaluation, picture: Sequence[str] = ()
) -> None:
    """Print every number of an evaluation, what the next stage needs, how it came, and what all that stands on."""
    out.print(plain(arithmetic(known.definition, evaluation)), soft_wrap=True)
    missing = card.missing(known.definition, evaluation)
    _print_wrapped(out, f"Next: {missing}" if missing else "Next: no rule leads further up.", "")
    for line in known.held:
        _print_wrapped(out, line, "", style="yellow")
    _print_picture(out, picture)
    until = known.pulled_until
    seen = f"{until:%Y-%m-%d %H:%M} UTC" if until else "an unfinished first pull"
    for line in (f"Known from the portal as of {seen}.", *known.ends):
        _print_wrapped(out, line, "", style="dim")


def print_card(out: Console, known: Knowledge, evaluation: Evaluation) -> None:
    told = _card(known, evaluation)
    _print_wrapped(out, told["why"], "")
    if told["missing"]:
        _print_wrapped(out, f"Next: {told['missing']}", "")
    for line in known.ends:
        _print_wrapped(out, line, "", style="dim")


def _card(known: Knowledge, evaluation: Evaluation) -> dict[str, str]:
    return {
        "why": card.why(known.definition, evaluation, is_made=False),
        "missing": card.missing(known.definition, evaluation),
    }


def moment_document(moment: Moment) -> dict[str, Any]:
    return {
        "at": instant_text(moment.at),
        "noted_at": instant_text(moment.noted_at),
        "seq": moment.seq,
        "what": moment.what.value,
        "contact": moment.contact,
        "who": moment.actor.words,
        "source": moment.actor.source.value,
        "property": moment.property,
        "from": moment.before,
        "to": moment.after,
        "why": moment.why,
        "state": moment.state.value,
        "problem": moment.problem or None,
        "cause": moment.cause,
        "definition": None if moment.definition is None else asdict(moment.definition),
        "run": moment.run,
        "erased": moment.is_erased,
    }


def print_history(out: Console, contact: str, moments: Sequence[Moment], picture: Sequence[str] = ()) -> None:
    """Print the picture, then one paragraph a moment, oldest first."""
    if not moments:
        out.print(f"Contact {contact}: nobody has changed its stage since crmsync knows it.")
        return
    out.print(plain(f"Contact {contact}"), style="bold")
    _print_picture(out, picture)
    for moment in moments:
        _print_moment(out, moment, contact)


def _print_moment(out: Console, moment: Moment, contact: str) -> None:
    head = Text(f"{moment.at:%Y-%m-%d %H:%M}  ")
    head.append_text(Text.assemble((plain(_title(moment)).plain, "bold")))
    head.append("  ").append_text(plain(moment.actor.words))
    if moment.state is not State.DONE:
        head.append(f"  {moment.state.value}", style=_STYLES[moment.state])
    out.print(head)
    lines = [moment.why, moment.problem and f"Problem: {moment.problem}", _source(moment, contact)]
    for line in filter(None, lines):
        _print_wrapped(out, line, _INDENT)


def _print_picture(out: Console, picture: Sequence[str]) -> None:
    if picture:
        out.print()
        for line in picture:
            out.print(plain(line), soft_wrap=True)
        out.print()


def _print_wrapped(out: Console, text: str, indent: str, *, style: str = "") -> None:
    for line in plain(text).wrap(out, out.width - len(indent)):
        line.rstrip()
        out.print(Text(indent) + line, style=style)


def _title(moment: Moment) -> str:
    match moment.what:
        case What.MERGED:
            return f"contact {moment.contact} merged into {moment.after}"
        case What.DELETED | What.ERASED | What.FINDING:
            return moment.what.value
        case What.KEPT:
            return f"not reverted: {moment.property}"
        case What.PLANNED if moment.before is None and moment.after is None:
            return "planned"
        case _:
            name = "" if moment.property in (None, STAGE) else f"{moment.property}: "
            moved = (
                "values erased" if moment.is_erased else f"{_value(moment.before)} → {_value(moment.after)}"
            )
            prefix = {What.PLANNED: "planned: ", What.REVERTED: "reverted: "}.get(moment.what, "")
            return f"{prefix}{name}{moved}"


def _value(text: str | None) -> str:
    return (text or "nothing").replace("\n", " ")


def _source(moment: Moment, contact: str) -> str:
    parts = [f"entry {moment.seq}"]
    if moment.run:
        parts.append(f"run {moment.run}")
    if moment.definition is not None:
        ref = moment.definition
        parts.append(f"definition {ref.id} {ref.version} ({ref.sha256[:_HASH_SHOWN]})")
    if moment.contact not in ("", contact):
        parts.append(f"then contact {moment.contact}")
    return ", ".join(parts)
