"""`crmsync run` with a lease of so many seconds: the usual minute is long for a test that waits for its end."""

import sys
from datetime import timedelta

import click

from crmsync import logs
from crmsync.app import App
from crmsync.service import Service
from crmsync.settings import load


def main() -> None:
    settings = load().settings
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    with App(settings, lease_ttl=timedelta(seconds=float(sys.argv[1]))) as app:
        Service(app).run(lambda running: click.echo(f"pages: {running.address}", err=True))


if __name__ == "__main__":
    main()
