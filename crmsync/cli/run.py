"""`run`: the daemon with its pages. `serve`: the pages alone."""

import click

from crmsync.cli.output import json_option, print_json
from crmsync.cli.session import Call, session
from crmsync.hearing import until_told


@click.command("run")
@json_option
@click.pass_obj
def run(call: Call, *, as_json: bool) -> None:
    """Run the daemon with its web page until SIGTERM or Ctrl-C."""
    from crmsync.service import Service

    with session(call) as app:
        _ = (
            app.gateway,
            app.definition,
            app.store,
        )  # whatever is wrong with these is said before anything starts
        Service(app).run(lambda running: _announce(running.address, as_json=as_json))


@click.command("serve")
@json_option
@click.pass_obj
def serve(call: Call, *, as_json: bool) -> None:
    """Serve the web page only: read, approve and reject; nothing is pulled or written."""
    from crmsync.service import Service

    with session(call) as app:
        running = Service(app).pages()
        try:
            with until_told():
                _announce(running.address, as_json=as_json)
        finally:
            running.stop()


def _announce(address: str, *, as_json: bool) -> None:
    """Say where the pages are: among the logs, or as the one document."""
    if as_json:
        print_json({"pages": address})
    else:
        click.echo(f"pages: {address}", err=True)


COMMANDS = (run, serve)
