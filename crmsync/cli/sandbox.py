"""`crmsync sandbox`: a HubSpot portal on this machine until Ctrl-C."""

import os
import shlex
import sys

import click
import orjson

from crmsync.hearing import until_told

MANY = 5_000


def _known_time_zone(_: click.Context, __: click.Parameter, name: str) -> str:
    from crmsync.sandbox.gate.limits import is_time_zone

    if not is_time_zone(name):
        raise click.BadParameter(f"{name!r} is not a time zone; write for example Europe/Brussels")
    return name


@click.command(short_help="Run a HubSpot portal on this machine, to try things on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8_322, show_default=True, help="0 takes any free port."
)
@click.option(
    "--contacts",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="How many, with a company for every third. 100,000 take half a minute and 1 GB.",
)
@click.option(
    "--engagements",
    type=click.IntRange(0),
    help="Calls, e-mails, meetings ...; four for each contact by default.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same company.")
@click.option(
    "--tier",
    type=click.Choice(["free", "pro", "enterprise"]),
    default="pro",
    show_default=True,
    help="HubSpot's limits: 100 or 190 requests in 10 s; page views need enterprise.",
)
@click.option("--no-limits", is_flag=True, help="Count requests, but never answer 429.")
@click.option(
    "--latency-ms",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Wait so long before each answer.",
)
@click.option(
    "--lag-ms",
    type=click.IntRange(0),
    default=3_000,
    show_default=True,
    help="How late search sees a change; 0 is at once.",
)
@click.option(
    "--api-timezone",
    default="Europe/Brussels",
    show_default=True,
    callback=_known_time_zone,
    help="The account's; its midnight resets the daily limit.",
)
@click.option("--token", help="The access token to accept; one is made up by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when it is ready.")
def sandbox(
    *,
    port: int,
    contacts: int,
    engagements: int | None,
    seed: int,
    tier: str,
    no_limits: bool,
    latency_ms: float,
    lag_ms: int,
    api_timezone: str,
    token: str | None,
    as_json: bool,
) -> None:
    """
    Serve a believable, seeded HubSpot portal on loopback, with HubSpot's limits, search lag and habits.

    It stands in for api.hubapi.com: copy the two export lines it prints. Faults, outside edits and its own request log
    are under /_sandbox at the same address, see docs/sandbox.md. It forgets everything when it stops.
    """
    from crmsync.sandbox import Lag, Sandbox

    if contacts > MANY and sys.stderr.isatty():
        click.echo(f"Making a company of {contacts} contacts ...", err=True)
    try:
        portal = Sandbox(
            contacts, engagements=engagements, seed=seed, tier=tier, limits=not no_limits, token=token, port=port,
            lag=Lag(base_ms=lag_ms, tail_share=0.02 if lag_ms else 0.0), latency_s=latency_ms / 1_000,
            time_zone=api_timezone,
        )  # fmt: skip
    except OSError as error:
        raise click.BadParameter(
            f"port {port} cannot be used ({os.strerror(error.errno or 0)}); --port 0 takes any free one.",
            param_hint="--port",
        ) from None
    with portal, until_told():
        _announce(portal.url, portal.token, contacts, as_json=as_json)


def _announce(url: str, token: str, contacts: int, *, as_json: bool) -> None:
    exports = {"CRMSYNC_PORTAL__BASE_URL": url, "CRMSYNC_PORTAL__ACCESS_TOKEN": token}
    if as_json:
        click.echo(orjson.dumps({"url": url, "token": token, "env": exports}).decode())
        return
    click.echo(f"A portal with {contacts} contacts is at {url}")
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"Look behind it at {url}/_sandbox; Ctrl-C stops it.")


COMMANDS = (sandbox,)
