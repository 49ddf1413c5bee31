"""`run`: the daemon with its pages. `serve`: the pages alone."""

import signal

import click

from crmsync.cli.session import Call, session


@click.command("run")
@click.pass_obj
def run(call: Call) -> None:
    """Run the daemon with its web page until SIGTERM or Ctrl-C."""
    from crmsync.service import Service

    with session(call) as app:
        _ = (
            app.gateway,
            app.definition,
            app.store,
        )  # whatever is wrong with these is said before anything starts
        Service(app).run(lambda running: click.echo(f"pages: {running.address}", err=True))


@click.command("serve")
@click.pass_obj
def serve(call: Call) -> None:
    """Serve the web page only: read, approve and reject; nothing is pulled or written."""
    from crmsync.service import Service

    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before any thread starts: sigwait below takes them
    with session(call) as app:
        running = Service(app).pages()
        click.echo(f"pages: {running.address}", err=True)
        try:
            signal.sigwait(ends)
        finally:
            running.stop()


COMMANDS = (run, serve)
