"""The settings of this call -> an open App; the counterpart of every command that needs store or portal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from crmsync import logs
from crmsync.app import App
from crmsync.settings import Settings, load

Call: TypeAlias = tuple[Path | None, dict[str, str]]
"""What the root command leaves for its subcommands: the settings file and the overrides."""


def settings_of(call: Call) -> Settings:
    """Load the settings and set up logging by them. *Raises* SettingsError."""
    config, overrides = call
    settings = load(overrides, config=config).settings
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return settings


@contextmanager
def past_session(call: Call) -> Iterator[App]:
    """Open the app for a command about what was done. *Raises* OperatorError: nothing was, there is no store."""
    with session(call) as app:
        app.require_store()
        yield app


@contextmanager
def session(call: Call) -> Iterator[App]:
    """Open the app; close what it opened."""
    with App(settings_of(call)) as app:
        yield app
