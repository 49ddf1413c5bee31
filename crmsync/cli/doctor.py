"""`doctor`: looks at the portal, and says of each thing that crmsync stands on whether it is well and what to do."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from itertools import chain, islice
from textwrap import fill
from typing import TYPE_CHECKING

import click

from crmsync.app import App
from crmsync.cli.output import console, json_option, many, plain, print_json
from crmsync.cli.session import Call, session
from crmsync.cycle.news import wanted
from crmsync.definition.nouns import Needs
from crmsync.definition.review.lint import Circumstances, lint
from crmsync.errors import DefinitionError, PortalError
from crmsync.insight.actors import Source, foreign_actor
from crmsync.model import OWN, STAGE, ContactId, Kind

if TYPE_CHECKING:  # the portal's edge is loaded when it is asked
    from crmsync.portal.schema import Account

_NOT_READY = PortalError.exit_status
_LOOKED_AT = 200  # contacts whose stage history is read: four requests
_LATELY = timedelta(days=90)
_SHOWN = 4
_SOURCE_OF = {"forms": "forms", "sales-email-read": Kind.EMAIL.value}  # scope -> the events it brings
_SKEW_TOLD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """
    One line of `doctor`.

    Attributes:
        problem: what must be corrected; "" when nothing must.
        lacks: what is not there (yet), and no mistake.
        next_command: brings what it lacks.
        more: lines worth knowing.
    """

    what: str
    found: str
    problem: str = ""
    lacks: str = ""
    next_command: str = ""
    more: tuple[str, ...] = ()

    @property
    def mark(self) -> tuple[str, str]:
        """A sign, and its colour."""
        if self.problem:
            return "✗", "red"
        return ("!", "yellow") if self.lacks else ("✓", "green")


@click.command("doctor")
@json_option
@click.pass_obj
def doctor(call: Call, *, as_json: bool) -> None:
    """Look at token, scopes, limits, properties, stages and who else writes the stage."""
    with session(call) as app:
        checks = list(_checks(app))
    if as_json:
        print_json([asdict(one) for one in checks])
    else:
        _print(checks)
    sys.exit(_NOT_READY if any(one.problem for one in checks) else 0)


def _print(checks: list[Check]) -> None:
    out = console()
    for one in checks:
        mark, colour = one.mark
        head = plain(_filled(f"{mark} {one.what}: {one.found}", first=""))
        head.stylize(colour, 0, 1)
        head.stylize("bold", 2, 2 + len(one.what))
        out.print(head)
        for told in filter(None, (one.problem, one.lacks)):
            out.print(plain(_filled(told)), style=colour)
        for line in one.more:
            out.print(plain(_filled(line)), style="dim")
    out.print(_ending(checks))


def _ending(checks: list[Check]) -> str:
    if any(one.problem for one in checks):
        return "Correct what has a ✗, then run doctor again."
    step = next((one.next_command for one in checks if one.next_command), "crmsync plan")
    return f"Next: {step}" if any(one.lacks for one in checks) else f"All is well. Next: {step}"


def _filled(text: str, first: str = "    ") -> str:
    return fill(text, 80, initial_indent=first, subsequent_indent="    ", break_on_hyphens=False)


def _checks(app: App) -> Iterator[Check]:
    """Make every check that can be made; one that the portal refuses is a problem and no end."""
    account = app.bind()
    yield _portal(account)
    try:
        needs: Needs | None = app.definition.needs
        problem = ""
    except DefinitionError as error:
        needs, problem = None, f"{error.problems[0]} See all with `crmsync check`."
    missing = cache(lambda: _missing_scopes(app, needs))
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("scopes", lambda: _scopes(missing())),
        ("limits", lambda: _limits(app)),
        ("clock", lambda: _clock(app)),
        ("own properties", lambda: _own_properties(app)),
    ]
    if needs is not None:
        looks += [
            ("definition", lambda: _definition(app, needs)),
            ("stages", lambda: _stages(app)),
            ("events", lambda: _events(app, needs, missing())),
        ]
    looks.append(("who else writes the stage", lambda: _other_writers(app)))
    for what, look in looks:
        try:
            yield look()
        except PortalError as error:
            yield Check(what, "cannot be looked at", str(error))
    if needs is None:
        yield Check("definition", "cannot be used", problem)


def _portal(account: "Account") -> Check:
    found = f"{account.portal_id} ({account.account_type}), time zone {account.zone.key}"
    if account.knows_zone:
        return Check("portal", found)
    return Check(
        "portal",
        found,
        "This machine does not know the portal's own time zone, so midnights and schedules go by UTC: "
        "update Python's package tzdata.",
    )


def _missing_scopes(app: App, needs: Needs | None) -> tuple[str, ...]:
    return app.gateway.schema.missing_scopes(
        forms=needs is None or "forms" in needs.sources,
        deals=needs is None or needs.deals,
        companies=needs is None or bool(needs.company),
        emails=needs is None or Kind.EMAIL.value in needs.sources,
    )


def _scopes(missing: tuple[str, ...]) -> Check:
    if not missing:
        return Check("scopes", "all there")
    return Check(
        "scopes",
        f"missing: {', '.join(missing)}",
        "Add them to the service key or private app in HubSpot; the token stays the same.",
    )


def _limits(app: App) -> Check:
    gateway = app.gateway
    day = f", {gateway.daily_limit:,} a day" if gateway.daily_limit else ""
    left = f" ({gateway.daily_remaining:,} left today)" if gateway.daily_remaining is not None else ""
    return Check("limits", f"{gateway.burst_limit} requests per 10 s{day}{left}")


def _clock(app: App) -> Check:
    """The portal's clock counts; one that differs is only worth knowing."""
    off = app.now() - app.gateway.now()
    if abs(off) < _SKEW_TOLD:
        return Check("clock", "like the portal's")
    side = "ahead of" if off > timedelta(0) else "behind"
    return Check("clock", f"{abs(off).total_seconds():,.0f} s {side} the portal's, whose clock is used")


def _own_properties(app: App) -> Check:
    """Missing ones are the next step, not a problem; one that cannot be written is."""
    problems = app.gateway.schema.problems()
    there = app.gateway.schema.definitions(Kind.CONTACT)
    blocked = [f"{name}: {why}" for name, why in problems.items() if name in there]
    missing = [name for name in OWN if name not in there]
    found = f"{len(OWN) - len(set(OWN) & set(problems))} of {len(OWN)} there and writable"
    if not missing:
        return Check("own properties", found, "; ".join(blocked))
    lacks = f"Missing: {', '.join(missing)}. `crmsync setup` creates them."
    return Check("own properties", found, "; ".join(blocked), lacks, "crmsync setup")


def _definition(app: App, needs: Needs) -> Check:
    asked = wanted(needs)
    needed = {
        kind: [name for name in asked.properties[kind] if name not in OWN]
        for kind in (Kind.CONTACT, Kind.COMPANY)
        if kind in asked.properties
    }
    lacking = [f"{kind.value} property {name}" for kind, name in app.gateway.schema.missing(needed)]
    ref = app.definition.ref
    return Check(
        "definition",
        f"{ref.id} {ref.version} ({ref.sha256[:12]}) reads {sum(map(len, needed.values()))} properties",
        f"The portal has no {', no '.join(lacking)}: create them, or correct the definition."
        if lacking
        else "",
    )


def _stages(app: App) -> Check:
    order, known = app.definition.stages.order, app.gateway.schema.stages()
    strange = [stage for stage in order if stage not in known]
    problem = f"Not in the portal: {', '.join(strange)}. Its own are {', '.join(known)}." if strange else ""
    return Check("stages", f"{len(order)} in order", problem)


def _events(app: App, needs: Needs, missing: tuple[str, ...]) -> Check:
    away = {source for scope, source in _SOURCE_OF.items() if scope in missing}
    away.add("pages")  # page views come one contact a request, from Enterprise portals only
    around = Circumstances(app.now().date(), needs.sources - away)
    unsupported = [str(one) for one in lint(app.definition, around) if one.rule == "unsupported-here"]
    if not unsupported:
        return Check("events", "all can be pulled")
    return Check(
        "events", f"{many(len(unsupported), 'event')} cannot be pulled", lacks="; ".join(unsupported)
    )


def _other_writers(app: App) -> Check:
    """Count who set the stage of contacts that changed lately; crmsync's own writes aside."""
    what, until = "who else writes the stage", app.gateway.now()
    lately = app.gateway.changed(Kind.CONTACT, until - _LATELY, until)
    ids = [ContactId(one.id) for one in islice(chain.from_iterable(lately), _LOOKED_AT)]  # one page, no more
    versions = app.gateway.history(STAGE, ids) if ids else {}
    recent = [
        one for some in versions.values() for one in some if not one.is_ours and one.at > until - _LATELY
    ]
    sample = f"in {_LATELY.days} days, of {many(len(ids), 'contact')} looked at"
    if not recent:
        return Check(what, f"nobody {sample}")
    kinds = Counter(foreign_actor(one.actor).source for one in recent)
    found = ", ".join(f"{source.value} {count}" for source, count in kinds.most_common())
    actors = Counter(foreign_actor(one.actor).words for one in recent).most_common(_SHOWN)
    more = [f"{many(count, 'change')} by {words}" for words, count in actors]
    if {Source.WORKFLOW, Source.APP, Source.DEAL, Source.COMPANY} & set(kinds):
        more.append(
            "What sets the stage by itself may set it back: agree who owns it, or say writes.lifecyclestage=observe."
        )
    return Check(what, f"{found} ({sample})", more=tuple(more))


COMMANDS = (doctor,)
