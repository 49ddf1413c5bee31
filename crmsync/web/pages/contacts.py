"""Why is this contact where it is: now, at any instant, and at each change."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from starlette.responses import Response

from crmsync.insight.pictures import Since, readings, segments
from crmsync.insight.timeline import Moment, What
from crmsync.model import WRITTEN, ContactId, Own
from crmsync.web.arithmetic import arithmetic
from crmsync.web.asking import Ask, not_here
from crmsync.web.desk import ContactView

_MOMENTS_SHOWN = 60
_UNKNOWN = "No contact with this id has been seen in the portal. It may be newer than the last cycle."


def search(ask: Ask) -> Response:
    return ask.page("contacts.html", problem="")


def find(ask: Ask) -> Response:
    """Look a contact up by a form, so that no e-mail address ever stands in an address."""
    wanted = ask.form.get("contact", "").strip()
    found = ask.desk.find(wanted) if 0 < len(wanted) <= 320 else None
    if found is not None:
        return ask.go(f"/contacts/{found}")
    problem = (
        "Type an id or an e-mail address." if not wanted else "No contact has this id or e-mail address."
    )
    return ask.page("contacts.html", status=404 if wanted else 400, problem=problem)


def show(ask: Ask) -> Response:
    contact = ContactId(ask.path("id"))
    at, problem = _instant(ask.query("at"), ask.now)
    view = ask.desk.contact(contact, at)
    if view is None:
        raise not_here(_UNKNOWN)
    if view.id != contact:
        return ask.go(f"/contacts/{view.id}")
    moments = ask.desk.moments(view.id)
    told = view.evaluation.explanation if view.evaluation else None
    shows_all = ask.query("all") == "1"
    newest_first = tuple(reversed(moments))
    return ask.page(
        "contact.html",
        view=view,
        at=at,
        at_problem=problem,
        order=ask.desk.funnel().order,
        arithmetic=arithmetic(told) if told else None,
        groups=_grouped(newest_first if shows_all else newest_first[:_MOMENTS_SHOWN]),
        more=0 if shows_all else max(0, len(moments) - _MOMENTS_SHOWN),
        segments=segments(moments, _since(view), ask.now),
        readings=readings(moments),
    )


def stages_picture(ask: Ask) -> Response:
    view, moments = _life(ask)
    return ask.picture(ask.plots.stages(segments(moments, _since(view), ask.now), ask.desk.funnel().order))


def scores_picture(ask: Ask) -> Response:
    _, moments = _life(ask)
    return ask.picture(ask.plots.scores(readings(moments), ask.now))


def _life(ask: Ask) -> tuple[ContactView, tuple[Moment, ...]]:
    view = ask.desk.outline(ContactId(ask.path("id")))
    if view is None:
        raise not_here(_UNKNOWN)
    return view, ask.desk.moments(view.id)


def _since(view: ContactView) -> Since:
    return Since(view.stage, view.stage_entered_at, view.known_since)


def _instant(text: str, now: datetime) -> tuple[datetime | None, str]:
    """Read ?at=: a day (its end) or an instant, UTC unless it says otherwise; never after now."""
    if not text:
        return None, ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None, "That is no date and time; write it like 2026-11-22T12:00. Shown as of now."
    if len(text) == len("2026-11-22"):
        at = at.replace(hour=23, minute=59, second=59)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at, "") if at < now else (None, "That lies ahead. Shown as of now.")


def _grouped(moments: Sequence[Moment]) -> list[tuple[Moment, ...]]:
    """Put together what one run wrote, the stage first; everything else stands alone.

    When it was evaluated says nothing that the group's own instant does not.
    """
    groups = []
    for _, some in groupby(moments, key=lambda one: (one.run, one.what) if _is_ours(one) else one.seq):
        told = tuple(sorted(some, key=_rank))
        groups.append(tuple(one for one in told if one.property != Own.EVALUATED_AT) or told)
    return groups


def _is_ours(moment: Moment) -> bool:
    return moment.run is not None and moment.what in {What.CHANGED, What.REVERTED}


_RANKS = {name: rank for rank, name in enumerate(WRITTEN)}


def _rank(moment: Moment) -> int:
    return _RANKS.get(moment.property or "", -1)
