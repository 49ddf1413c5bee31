"""`history`, `explain`, `erase`: one contact's past, its arithmetic, and its right to be forgotten."""

import sys

import click

from crmsync.cli import contact_render
from crmsync.cli.asking import contact_of, instant_of, this_user
from crmsync.cli.knowledge import drawn, known_at, known_now, moments_of
from crmsync.cli.output import console, json_option, print_json
from crmsync.cli.session import Call, past_session
from crmsync.errors import OperatorError
from crmsync.hearing import ended_at_once
from crmsync.insight.timeline import stage_life


@click.command("explain")
@click.argument("contact", metavar="CONTACT")
@click.option(
    "--at", "at_text", metavar="INSTANT", help="As of then: 2026-11-22, 2026-11-22T12:00Z, 7d (ago)."
)
@click.option("--card", is_flag=True, help="Only what a sales rep reads in the portal.")
@json_option
@click.pass_obj
def explain(call: Call, contact: str, *, at_text: str | None, card: bool, as_json: bool) -> None:
    """Show the arithmetic of a contact: every point, every gate, what is missing. Asks nothing of the portal."""
    with past_session(call) as app:
        if at_text is None:
            known = known_now(app, contact)
        else:
            known = known_at(app, contact, instant_of(at_text, app.now(), "--at"))
        evaluation = known.evaluation()
        id_ = known.contact.id
        picture = () if as_json or card else drawn(app, id_, moments_of(app, id_), known.as_of)
    if as_json:
        print_json(contact_render.explanation_document(known, evaluation))
    elif card:
        contact_render.print_card(console(), known, evaluation)
    else:
        contact_render.print_arithmetic(console(), known, evaluation, picture)


@click.command("history")
@click.argument("contact", metavar="CONTACT")
@click.option("--all", "everything", is_flag=True, help="Scores and the other properties too.")
@json_option
@click.pass_obj
def history(call: Call, contact: str, *, everything: bool, as_json: bool) -> None:
    """Show the life of a contact's stage: who, when, from, to, why."""
    with past_session(call) as app:
        id_ = contact_of(app.store, contact)
        moments = moments_of(app, id_)
        picture = drawn(app, id_, moments, app.now())
    shown = moments if everything else stage_life(moments)
    if as_json:
        print_json({"contact": id_, "moments": [contact_render.moment_document(one) for one in shown]})
    else:
        contact_render.print_history(console(), id_, shown, picture)


@click.command("erase")
@click.argument("contact", metavar="CONTACT")
@click.option("--who", default=this_user, help="Who erases, for the trail [the user of this shell].")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def erase(call: Call, contact: str, *, who: str, yes: bool, as_json: bool) -> None:
    """
    Forget a person: all values in mirror, trail and plans; ids stay and the trail still verifies.

    It cannot be undone. Delete the contact in HubSpot first: while it is there, the next pull brings it back.
    """
    if not who.strip():
        raise OperatorError("--who is empty.", next_step="Say who erases: it stands in the trail.")
    with past_session(call) as app:
        id_ = contact_of(app.store, contact)
        family = app.store.mirror.family(id_)
        if not yes:
            _confirm(family)
        erased = app.store.erase(id_, who.strip())
    if as_json:
        print_json(
            {"contact": id_, "erased": list(erased.contacts), "entries": erased.entries, "who": who.strip()}
        )
        return
    click.echo(f"Erased {', '.join(erased.contacts)}: {erased.entries} audit entries lost their values.")
    click.echo("The trail still verifies: crmsync audit verify")


def _confirm(family: tuple[str, ...]) -> None:
    """Ask. *Raises* OperatorError: there is no terminal to ask on, or the answer is no."""
    if not sys.stdin.isatty():
        raise OperatorError(
            "Erasing cannot be undone, and there is no terminal to ask on.", next_step="Give --yes to erase."
        )
    with ended_at_once():
        agreed = click.confirm(f"Erase contact {', '.join(family)}? It cannot be undone", err=True)
    if not agreed:
        raise OperatorError("Nothing was erased.")


COMMANDS = (erase, explain, history)
