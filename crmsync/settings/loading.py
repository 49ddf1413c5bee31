"""Sources -> the settings, each with where it came from; or every problem at once. What is unknown is refused."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from crmsync.errors import SettingsError
from crmsync.settings.sections import UNITS, Settings, sections
from crmsync.settings.sources import (
    CONFIG_VARIABLE,
    FILE_SUFFIX,
    PREFIX,
    config_file,
    is_secret,
    line_of,
    read_toml,
)

_MASK = "***"


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting as `crmsync settings` shows it. `value` is masked when it is a secret."""

    name: str
    value: str
    origin: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    origins: tuple[Origin, ...]


def load(overrides: Mapping[str, Any] | None = None, *, config: Path | None = None) -> Loaded:
    """
    Read the settings.

    Args:
        overrides: from the command line, by dotted name, e.g. `{"store.url": "sqlite:///x.db"}`.
        config: the TOML file; None: CRMSYNC_CONFIG, else config/crmsync.toml where there is one.

    Raises:
        SettingsError: every unknown or unusable setting, with its name, where it came from and what is allowed.
    """
    path = config_file(config)
    given = _Given(_nested(overrides or {}), path, read_toml(path))
    complaints = list(_unknowns(given))
    cls = type("Settings", (Settings,), {"file": given.file, "__module__": __name__})
    settings: Settings | None = None
    try:
        settings = cls(**given.overrides)
    except ValidationError as error:
        complaints += _complaints(error, given)
    if settings is None or complaints:
        raise SettingsError(
            "\n".join(complaints), next_step="`crmsync settings` lists them all and says what each means."
        )
    return Loaded(settings, tuple(_origins(settings, given)))


def defaults() -> tuple[Origin, ...]:
    """Return every setting with its default: what to look at when those given cannot be used."""
    return tuple(_origins(Settings.model_construct(), None))


@dataclass(frozen=True, slots=True)
class _Given:
    """What was said: on the command line, and in the file at `path`."""

    overrides: dict[str, dict[str, Any]]
    path: Path | None
    file: dict[str, dict[str, Any]]

    def origin(self, section: str, key: str) -> str:
        if key in self.overrides.get(section, {}):
            return "command line"
        variable = f"{PREFIX}{section}__{key}".upper()
        for name in (variable, variable + FILE_SUFFIX):
            if os.environ.get(name):
                return name
        return str(self.path) if key in self.file.get(section, {}) else "default"

    def place(self, section: str, key: str = "") -> str:
        """Say where to correct it: as `origin`, of the file with the line."""
        origin = self.origin(section, key) if key else str(self.path)
        line = line_of(self.path, section, key) if self.path and origin == str(self.path) else None
        return f"{origin}:{line}" if line else origin


def _unknowns(given: _Given) -> Iterator[str]:
    """Name every setting that does not exist, and what may have been meant."""
    known = sections()
    yield from _unknown(given.overrides, lambda _section, _key="": "command line")
    yield from _unknown(given.file, given.place)
    variables = {f"{PREFIX}{section}__{key}".upper() for section, keys in known.items() for key in keys}
    files = {name + FILE_SUFFIX for name in variables if is_secret(name, known)}
    allowed = variables | files | {CONFIG_VARIABLE}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in allowed:
            yield f"{name}: no such setting{_variable_hint(name)}"


def _unknown(said: Mapping[str, Mapping[str, Any]], place: Callable[..., str]) -> Iterator[str]:
    known = sections()
    for section, keys in said.items():
        if section not in known:
            near = _nearest(section, known)
            meant = f"did you mean {near}?" if near else f"there are {', '.join(known)}."
            yield f"{section} ({place(section)}): no such section; {meant}"
            continue
        for key in (key for key in keys if key not in known[section]):
            yield f"{section}.{key} ({place(section, key)}): no such setting{_hint(section, key, '{}.{}'.format)}"


def _variable_hint(name: str) -> str:
    """Also `CRMSYNC_PORTAL_ACCESS_TOKEN` tells its section."""
    rest = name.upper().removeprefix(PREFIX).lower()
    said, _, key = rest.partition("__" if "__" in rest else "_")
    if section := _nearest(said, sections()):
        return _hint(section, key, lambda *place: f"{PREFIX}{'__'.join(place)}".upper())
    return f"; one is written {PREFIX}SECTION__SETTING, and the sections are {', '.join(sections())}."


def _hint(section: str, key: str, spelt: Callable[[str, str], str]) -> str:
    """Say the setting of this section that is near, or that of this name elsewhere; otherwise all of the section."""
    known = sections()
    if near := _nearest(key, known[section]):
        return f"; did you mean {spelt(section, near)}?"
    if elsewhere := [other for other in known if key in known[other]]:
        return f"; did you mean {spelt(elsewhere[0], key)}?"
    return f"; {section} has {', '.join(known[section])}."


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.75)), None)


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


def _complaints(error: ValidationError, given: _Given) -> Iterator[str]:
    known = sections()
    for problem in error.errors():
        if problem["type"] == "extra_forbidden":
            continue  # unknown, and told so already
        section, key, *_ = [*(str(part) for part in problem["loc"]), ""]
        text = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        is_telling = known[section][key][0] is not SecretStr and isinstance(
            problem["input"], str | int | float
        )
        value = f" = {_masked_url(str(problem['input']))!r}" if is_telling else ""
        yield f"{section}.{key}{value} ({given.place(section, key)}): {text}."


def _origins(settings: Settings, given: _Given | None) -> Iterator[Origin]:
    for section, keys in sections().items():
        for key, (_, sentence) in keys.items():
            value = getattr(getattr(settings, section), key)
            origin = given.origin(section, key) if given else "default"
            yield Origin(f"{section}.{key}", _text(value), origin, sentence)


def _text(value: object) -> str:
    match value:
        case SecretStr():
            return _masked(value.get_secret_value())
        case timedelta():
            seconds = int(value.total_seconds())
            unit = next(u for u in ("w", "d", "h", "m", "s") if seconds % UNITS[u] == 0)
            return f"{seconds // UNITS[unit]}{unit}"
        case time():
            return value.strftime("%H:%M")
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _masked(secret: str) -> str:
    """Show a database URL without its password and any other secret not at all."""
    if "://" in secret:
        return _masked_url(secret)
    return _MASK if secret else ""


def _masked_url(text: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", rf"\1:{_MASK}@", text)
