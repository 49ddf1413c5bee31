"""
The settings: config/crmsync.toml < environment (CRMSYNC_ prefix, `__` between levels) < command line.

`load` is the only way in; it reports every problem at once and refuses what it does not know.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from crmsync.errors import SettingsError

PREFIX = "CRMSYNC_"
CONFIG_VARIABLE = "CRMSYNC_CONFIG"
DEFAULT_CONFIG = Path("config/crmsync.toml")
_FILE_SUFFIX = "_FILE"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]+)([smhdw])", value.strip())
        if match is None:
            msg = "write a duration like 60s, 5m, 1h, 30d or 2w"
            raise ValueError(msg)
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    return value


def _time_of_day(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value.strip())
        if match is None:
            msg = "write a time of day like 03:00"
            raise ValueError(msg)
        return time(int(match[1]), int(match[2]))
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PortalSettings(_Section):
    base_url: str = Field("https://api.hubapi.com", description="Where the HubSpot API answers.")
    access_token: SecretStr = Field(
        SecretStr(""), description="Service key or private app token (from a file: ..._ACCESS_TOKEN_FILE)."
    )
    api_version: Literal["v3", "2026-03", "2026-09"] = Field("2026-09", description="HubSpot API version.")
    burst_per_10s: int | None = Field(
        None, ge=1, description="Requests per 10 s; empty: read from HubSpot's headers, 100 until known."
    )
    search_per_s: int = Field(4, ge=1, le=5, description="Searches per second; HubSpot allows 5 an account.")
    daily_reserve: Share = Field(0.1, description="Share of the daily limit left to other apps.")
    timeout_s: float = Field(30.0, gt=0, description="Seconds to wait for an answer.")
    lag_s: float = Field(15.0, ge=0, description="Seconds that search results may lag behind; not read yet.")
    overlap_s: float = Field(600.0, ge=0, description="Seconds that each search window overlaps the last.")


class StoreSettings(_Section):
    url: SecretStr = Field(
        SecretStr("sqlite:///var/crmsync.db"),
        description="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DB.",
    )
    checkpoint_key_file: Path | None = Field(
        None,
        description="Ed25519 private key (PEM) that signs checkpoints of the audit trail; empty: unsigned.",
    )
    checkpoint_dir: Path | None = Field(
        None,
        description="Where the daemon writes checkpoints, outside the database; empty: none are written.",
    )


class DefinitionSettings(_Section):
    path: Path = Field(Path("config/definition.yaml"), description="The shared qualification definition.")
    require_signatures: bool = Field(
        default=False, description="Refuse to write unless marketing and sales signed this very definition."
    )


class ScheduleSettings(_Section):
    cycle_every: Duration = Field(timedelta(seconds=60), description="How often a cycle runs.")
    rescan_every: Duration = Field(
        timedelta(hours=1), description="How often recent windows and associations are read again."
    )
    reconcile_at: TimeOfDay = Field(
        time(3, 0), description="When the full list is compared with the mirror (portal time zone)."
    )
    tick_at: TimeOfDay = Field(
        time(0, 10),
        description="When every contact is evaluated again, because time passed (portal time zone).",
    )


class WriteSettings(_Section):
    mode: Literal["apply", "plan", "observe"] = Field(
        "apply", description="apply: write; plan: save plans for a person; observe: neither."
    )
    lifecyclestage: Literal["own", "promote_only", "observe"] = Field(
        "promote_only", description="own: promote and demote; promote_only; observe: scores only."
    )
    respect_manual_for: Duration = Field(
        timedelta(days=30), description="How long a stage that a person set is left alone."
    )
    min_score_change: float = Field(1.0, gt=0, description="Points a score must move before it is written.")
    pause_past_review: bool = Field(
        default=False, description="Pause promotions once the definition's review_by is past."
    )


class GuardSettings(_Section):
    max_stage_changes: int = Field(200, ge=0, description="Stage changes in one plan before it is parked.")
    max_stage_change_share: Share = Field(
        0.05, description="Share of all contacts changing stage in one plan before it is parked."
    )
    max_demotions: int = Field(50, ge=0, description="Demotions in one plan before it is parked.")
    max_shrink: Share = Field(
        0.2, description="Share of contacts missing since the last cycle before the plan is parked."
    )
    park_on_new_definition: bool = Field(
        default=True, description="Park the first plan under a changed definition."
    )


class WebSettings(_Section):
    host: str = Field(
        "127.0.0.1", description="Where the page listens; elsewhere than loopback needs a token."
    )
    port: int = Field(8321, ge=0, le=65_535, description="The page's port; 0: any free one.")
    token: SecretStr = Field(SecretStr(""), description="What the page asks for when it is not on loopback.")


class LogSettings(_Section):
    format: Literal["console", "json"] | None = Field(
        None, description="console or json; empty: console on a terminal, else json."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )


class _Environment(EnvSettingsSource):
    """The environment, with `..._FILE` variables read from the file they name (Docker and Kubernetes secrets)."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(_with_secret_files(super()._load_env_vars()))


class Settings(BaseSettings):
    """All settings, frozen; see `crmsync settings` for each with its sentence, value and origin."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )
    toml: ClassVar[Path | None] = None

    portal: PortalSettings = PortalSettings()
    store: StoreSettings = StoreSettings()
    definition: DefinitionSettings = DefinitionSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    writes: WriteSettings = WriteSettings()
    guard: GuardSettings = GuardSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings gives it by keyword
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env file is read by itself
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `..._FILE` takes its place
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, *_file_and_environment(settings_cls, cls.toml))


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
    toml = _config_file(config)
    given = _nested(overrides or {})
    cls = type("Settings", (Settings,), {"toml": toml, "__module__": __name__})
    _refuse_unknown_variables()
    try:
        settings = cls(**given)
    except ValidationError as error:
        raise SettingsError(_sentences(error, given, toml)) from None
    except ValueError as error:  # a TOML file that does not parse
        raise SettingsError(f"{toml}: {error}.", next_step="Correct the file.") from None
    return Loaded(settings, tuple(_origins(settings, given, toml)))


def _config_file(config: Path | None) -> Path | None:
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if named is not None and not named.is_file():
        raise SettingsError(
            f"{named}: there is no such settings file.", next_step="Name an existing one with --config."
        )
    return named or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)


def _file_and_environment(
    cls: type[BaseSettings], toml: Path | None
) -> tuple[PydanticBaseSettingsSource, ...]:
    environment = _Environment(cls)
    return (environment, TomlConfigSettingsSource(cls, toml_file=toml)) if toml else (environment,)


def _with_secret_files(variables: Mapping[str, str | None]) -> Iterator[tuple[str, str | None]]:
    for name, value in variables.items():
        secret = name.lower().removesuffix(_FILE_SUFFIX.lower())
        if (
            name.lower().startswith(PREFIX.lower())
            and secret != name.lower()
            and _is_secret(secret)
            and value
        ):
            try:
                yield secret, Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"{name.upper()}: {value} cannot be read ({type(error).__name__}).",
                    next_step="Name a readable file.",
                ) from None
        else:
            yield name, value


def _is_secret(variable: str) -> bool:
    section, _, key = variable.removeprefix(PREFIX.lower()).partition("__")
    field = _sections().get(section, {}).get(key)
    return field is not None and field[0] is SecretStr


def _sections() -> dict[str, dict[str, tuple[Any, str]]]:
    return {
        name: {
            key: (info.annotation, info.description or "")
            for key, info in field.annotation.model_fields.items()  # type: ignore[union-attr]  # all are sections
        }
        for name, field in Settings.model_fields.items()
    }


def _refuse_unknown_variables() -> None:
    sections = _sections()
    known = {f"{PREFIX}{section}__{key}".upper() for section, keys in sections.items() for key in keys}
    known |= {name + _FILE_SUFFIX for name in known if _is_secret(name.lower())}
    known |= {f"{PREFIX}{section}".upper() for section in sections} | {CONFIG_VARIABLE}
    unknown = [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known]
    if unknown:
        raise SettingsError(
            "\n".join(
                f"{name}: no such setting{_suggestion(name.upper(), known)}." for name in sorted(unknown)
            ),
            next_step="See `crmsync settings`.",
        )


def _suggestion(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}" if near else ""


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


def _sentences(error: ValidationError, given: Mapping[str, Any], toml: Path | None) -> str:
    names = {f"{section}.{key}" for section, keys in _sections().items() for key in keys}
    lines = []
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        name = ".".join(place[:2])
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            text = f"no such setting{_suggestion(name, names)}"
        lines.append(f"{name} ({_origin_of(place, given, toml)}): {text}.")
    return "\n".join(lines) + "\nSee `crmsync settings` for what is allowed."


def _origins(settings: Settings, given: Mapping[str, Any], toml: Path | None) -> Iterator[Origin]:
    for section, keys in _sections().items():
        for key, (_, sentence) in keys.items():
            value = getattr(getattr(settings, section), key)
            yield Origin(f"{section}.{key}", _text(value), _origin_of([section, key], given, toml), sentence)


def _origin_of(place: list[str], given: Mapping[str, Any], toml: Path | None) -> str:
    section, key = place[0], place[1] if len(place) > 1 else ""
    if key in given.get(section, {}):
        return "command line"
    variable = f"{PREFIX}{section}__{key}".upper()
    for name in (variable, variable + _FILE_SUFFIX):
        if os.environ.get(name):
            return name
    if toml is not None and key in TomlConfigSettingsSource(Settings, toml_file=toml)().get(section, {}):
        return str(toml)
    return "default"


def _text(value: object) -> str:
    match value:
        case SecretStr():
            return _masked(value.get_secret_value())
        case timedelta():
            seconds = int(value.total_seconds())
            unit = next(u for u in ("w", "d", "h", "m", "s") if seconds % _UNITS[u] == 0)
            return f"{seconds // _UNITS[unit]}{unit}"
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
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", secret)
    return "***" if secret else ""
