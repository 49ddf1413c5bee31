"""Where settings come from: the TOML file, the environment, and files that hold secrets (`..._FILE`)."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, EnvSettingsSource

from crmsync.errors import SettingsError

PREFIX = "CRMSYNC_"
CONFIG_VARIABLE = "CRMSYNC_CONFIG"
DEFAULT_CONFIG = Path("config/crmsync.toml")
FILE_SUFFIX = "_FILE"


class Environment(EnvSettingsSource):
    """The settings among the environment's variables, `..._FILE` ones read from the file they name."""

    def __init__(
        self, cls: type[BaseSettings], sections: Mapping[str, Mapping[str, tuple[Any, str]]]
    ) -> None:
        self._sections = sections
        super().__init__(cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        known = {
            f"{PREFIX}{section}__{key}".lower() for section, keys in self._sections.items() for key in keys
        }
        found = _with_secret_files(super()._load_env_vars(), self._sections)
        return {name: value for name, value in found if name.lower() in known}  # others are told by `load`


def is_secret(variable: str, sections: Mapping[str, Mapping[str, tuple[Any, str]]]) -> bool:
    """Tell whether a variable, in any case, is one whose value may come from a file."""
    section, _, key = variable.lower().removeprefix(PREFIX.lower()).partition("__")
    field = sections.get(section, {}).get(key)
    return field is not None and field[0] is SecretStr


def config_file(named: Path | None) -> Path | None:
    """Find the settings file: the one named, CRMSYNC_CONFIG's, or the default one where there is one."""
    wanted = named or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if wanted is not None and not wanted.exists():
        raise SettingsError(
            f"{wanted}: there is no such settings file.", next_step="Name an existing one with --config."
        )
    return wanted or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)


def read_toml(file: Path | None) -> dict[str, Any]:
    """Read the settings file; nothing without one. *Raises* SettingsError with the place of what is wrong."""
    if file is None:
        return {}
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder.", next_step="Name the settings file in it.") from None
    except OSError as error:
        raise SettingsError(
            f"{file}: cannot be read ({error.strerror}).", next_step="Make it readable, or name another."
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{file}: byte {error.start} is not UTF-8.", next_step="Save it as UTF-8."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not TOML: {error}.", next_step="Correct the file.") from None
    strange = [name for name, value in said.items() if not isinstance(value, dict)]
    if strange:
        raise SettingsError(
            "\n".join(f"{file}: {name}: settings stand in sections, like [portal]." for name in strange),
            next_step="Write it under the [section] it belongs to; see `crmsync settings`.",
        )
    return said


def line_of(file: Path, section: str, key: str) -> int | None:
    """Find the line of a setting, or without a key of its section; None where it is written in another way."""
    inside = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        header = re.match(r"\s*\[\s*([^\]\s]+)\s*\]", line)
        if header:
            inside = header[1] == section
        if inside and (header if not key else re.match(rf"\s*{re.escape(key)}\s*=", line)):
            return number
    return None


def _with_secret_files(
    variables: Mapping[str, str | None], sections: Mapping[str, Mapping[str, tuple[Any, str]]]
) -> Iterator[tuple[str, str | None]]:
    for name, value in variables.items():
        secret = name.lower().removesuffix(FILE_SUFFIX.lower())
        if secret == name.lower() or not is_secret(secret, sections) or not value:
            yield name, value
            continue
        if variables.get(secret):
            raise SettingsError(
                f"{secret.upper()} and {name.upper()} are both set.", next_step="Unset one of them."
            )
        yield secret, _secret(name.upper(), Path(value))


def _secret(variable: str, file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise SettingsError(
            f"{variable}: {file} cannot be read ({why}).", next_step="Name a readable file."
        ) from None
    if not secret:
        raise SettingsError(f"{variable}: {file} is empty.", next_step="Write the secret into it.")
    return secret
