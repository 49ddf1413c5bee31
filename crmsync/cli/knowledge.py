"""CONTACT and an instant -> what is known of the contact then, by which definition, and where the knowledge ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from crmsync.app import App
from crmsync.cli.asking import contact_of
from crmsync.cycle.withholding import held
from crmsync.definition.load import load
from crmsync.definition.nouns import Definition
from crmsync.errors import OperatorError
from crmsync.insight.pictures import Since, readings, segments
from crmsync.insight.timeline import Moment, timeline
from crmsync.model import (
    STAGE,
    Contact,
    ContactId,
    DefinitionRef,
    Evaluation,
    Kind,
    Mirrored,
)
from crmsync.plots import text as plots
from crmsync.store.audit.reading import AuditFilter
from crmsync.store.life import life

if TYPE_CHECKING:
    from crmsync.definition.evaluation.compiled import Compiled

_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Knowledge:
    """
    What an explanation stands on.

    Attributes:
        pulled_until: the mirror holds the portal's contacts up to here; None: the first pull is not complete.
        known_since: when the mirror saw the contact first.
        ends: sentences that say what is not known; empty when nothing is missing.
        held: sentences that say why a stage change that the definition wants is not made (yet); only of now.
    """

    contact: Contact
    as_of: datetime
    definition: Definition
    evaluator: "Compiled"
    pulled_until: datetime | None
    known_since: datetime | None = None
    ends: tuple[str, ...] = ()
    held: tuple[str, ...] = ()

    def evaluation(self) -> Evaluation:
        """Evaluate with the whole arithmetic."""
        return next(iter(self.evaluator.evaluate([self.contact], self.as_of, explain=True)))


def known_now(app: App, text: str) -> Knowledge:
    """*Raises* OperatorError: no such contact, or it is no longer in the portal."""
    contact = contact_of(app.store, text)
    mirrored = app.store.mirror.contact(contact)
    if mirrored is None:
        raise _forgotten(app, contact)
    ends = _not_in_force(app)
    known = Knowledge(
        mirrored.contact, app.now(), app.definition, app.evaluator, _pulled_until(app), ends=ends
    )
    return replace(known, held=tuple(_held(app, mirrored, known.evaluation())))


def known_at(app: App, text: str, at: datetime) -> Knowledge:
    """*Raises* OperatorError: no such contact, or it was not in the portal then."""
    from crmsync.definition.evaluation.compiled import Compiled

    contact = _then(app, text, at)
    found = app.store.mirror.contact_at(contact, at)
    if found is None:
        raise OperatorError(
            f"Contact {contact} was not in the portal at {_minute(at)}, as far as crmsync knows.",
            next_step=f"See `crmsync history {contact}` for when it came and went.",
        )
    mirrored, since = found
    definition, why = _definition_then(app, at)
    evaluator = app.evaluator if definition is app.definition else Compiled(definition)
    ends = [why, *_ends(at, app.now(), since)]
    return Knowledge(
        mirrored.contact, at, definition, evaluator, _pulled_until(app), since, tuple(filter(None, ends))
    )


def moments_of(app: App, contact: ContactId) -> tuple[Moment, ...]:
    """Return the life of a contact, with those merged into it, oldest first."""
    store = app.store
    remembered = life(store.trail, store.plans, store.mirror.family(contact))
    return timeline(remembered.entries, remembered.plans)


def drawn(app: App, contact: ContactId, moments: Sequence[Moment], until: datetime) -> tuple[str, ...]:
    """Draw its stages and scores as far as they had come at an instant; nothing where nothing is known."""
    known = app.store.mirror.contact_at(contact, until)
    mirrored, known_at = known or (None, None)
    stage = mirrored.contact.properties.get(STAGE) if mirrored else None
    entered_at = mirrored.contact.stage_entered_at if mirrored else None
    past = [one for one in moments if one.at <= until]
    since = Since(stage, entered_at, known_at)
    return plots.life(segments(past, since, until), readings(past), app.definition.stages.order, until)


def _forgotten(app: App, contact: ContactId) -> OperatorError:
    """Say why nothing is known of a contact that once was: it was erased here, or is gone from the portal."""
    erased = app.store.trail.entries(AuditFilter(contact=contact, kind="contact.erased"), limit=1)
    if erased:
        return OperatorError(
            f"Contact {contact} was erased here on {_minute(erased[0].at)}: nothing of it is known any more.",
            next_step=f"See `crmsync history {contact}`; while it is in HubSpot, its next change brings it back.",
        )
    return OperatorError(
        f"Contact {contact} is no longer in the portal.",
        next_step=f"See `crmsync history {contact}`, or explain an instant before with --at.",
    )


def _held(app: App, mirrored: Mirrored, evaluation: Evaluation) -> Iterator[str]:
    contact = mirrored.contact.id
    reversals = app.store.trail.reversals([contact], evaluation.definition).get(contact, ())
    plans = app.store.plans.of_contacts([contact])
    return held(evaluation, mirrored.stage_version, app.policy(), reversals, plans)


def _not_in_force(app: App) -> tuple[str, ...]:
    """Say of a changed file that it decides about nobody yet: what it would do is worth a look all the same."""
    active = app.store.definitions.active_at()
    if active is None or active.sha256 == app.definition.ref.sha256:
        return ()
    return (f"By the file as it is now; in force is still {_named(active)}.",)


def _then(app: App, text: str, at: datetime) -> ContactId:
    """An id that was merged away since was a contact of its own then."""
    wanted = ContactId(text.strip())
    if "@" not in wanted and app.store.mirror.contact_at(wanted, at) is not None:
        return wanted
    return contact_of(app.store, text)


def _definition_then(app: App, at: datetime) -> tuple[Definition, str]:
    """Return the definition that was active, and what is to be said when it cannot be had."""
    ref = app.store.definitions.active_at(at)
    if ref is None:
        return app.definition, "No definition was active then: today's is used."
    if ref.sha256 == app.definition.ref.sha256:
        return app.definition, ""
    kept = app.store.definitions.get(ref.sha256)
    if kept is None:
        return app.definition, f"{_named(ref)} was active then but is not kept here: today's is used."
    return load(kept.text, name=_named(ref)), ""


def _ends(at: datetime, now: datetime, since: datetime) -> tuple[str, ...]:
    if at > now:
        return ("That is in the future: what will happen until then is not known, only what fades.",)
    told = []
    if at < since:
        told.append(
            f"crmsync has known this contact since {_minute(since)}: before, the oldest values it saw stand in."
        )
    told.append(
        "Activities and form submissions count as they are known today, also if they were logged or edited later."
    )
    return tuple(told)


def _pulled_until(app: App) -> datetime | None:
    return app.store.mirror.cursor(Kind.CONTACT.value).until


def _named(ref: DefinitionRef) -> str:
    return f"definition {ref.id} {ref.version} ({ref.sha256[:_HASH_SHOWN]})"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
