"""Every setting with its type, default, unit and sentence; frozen."""

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from crmsync.model import Mode, StageMode
from crmsync.settings.sources import PREFIX, Environment

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]+)([smhdw])", value.strip())
        if match is None:
            msg = "write a duration like 60s, 5m, 1h, 30d or 2w"
            raise ValueError(msg)
        return timedelta(seconds=int(match[1]) * UNITS[match[2]])
    return value


def _time_of_day(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value.strip())
        if match is None:
            msg = "write a time of day like 03:00"
            raise ValueError(msg)
        return time(int(match[1]), int(match[2]))
    return value


def _lasting(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        msg = "must be longer than nothing"
        raise ValueError(msg)
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", value):
        msg = "write an address like https://api.hubapi.com"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "write the address alone, without user, password, ? or #"
        raise ValueError(msg)
    return value


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]*", text):
        msg = "holds characters that no token has (a space, a line break, an accent)"
        raise ValueError(msg)
    return SecretStr(text)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Period = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_lasting)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Token = Annotated[SecretStr, AfterValidator(_token)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PortalSettings(_Section):
    base_url: WebAddress = Field("https://api.hubapi.com", description="Where the HubSpot API answers.")
    access_token: Token = Field(
        SecretStr(""), description="Service key or private app token (from a file: ..._ACCESS_TOKEN_FILE)."
    )
    api_version: Literal["v3", "2026-03", "2026-09"] = Field("2026-09", description="HubSpot API version.")
    burst_per_10s: int | None = Field(
        None, ge=1, description="Requests per 10 s; empty: read from HubSpot's headers, 100 until known."
    )
    search_per_s: int = Field(4, ge=1, le=5, description="Searches per second; HubSpot allows 5 an account.")
    daily_reserve: Share = Field(0.1, description="Share of the daily limit left to other apps.")
    timeout_s: Seconds = Field(30.0, gt=0, description="Seconds to wait for an answer.")
    lag_s: Seconds = Field(
        15.0,
        ge=0,
        description="Search results younger than these seconds may be incomplete; they are read a cycle later.",
    )
    overlap_s: Seconds = Field(600.0, ge=0, description="Seconds that each search window overlaps the last.")


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
    cycle_every: Period = Field(timedelta(seconds=60), description="How often a cycle runs.")
    rescan_every: Period = Field(
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
    mode: Mode = Field("apply", description="apply: write; plan: save plans for a person; observe: neither.")
    lifecyclestage: StageMode = Field(
        "promote_only", description="own: promote and demote; promote_only; observe: scores only."
    )
    respect_manual_for: Duration = Field(
        timedelta(days=30), description="How long a stage that a person set is left alone."
    )
    min_score_change: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="Points a score must move before it is written."
    )
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
        0.2, description="Share of known contacts gone from the portal before the plan is parked."
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


class Settings(BaseSettings):
    """All settings, frozen; see `crmsync settings` for each with its sentence, value and origin."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )
    file: ClassVar[dict[str, Any]] = {}
    """What the settings file says; `load` puts it there."""

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
        file = InitSettingsSource(settings_cls, init_kwargs=cls.file)
        return (init_settings, Environment(settings_cls, sections(cls)), file)


Sections = dict[str, dict[str, tuple[Any, str]]]


def sections(cls: type[BaseSettings] = Settings) -> Sections:
    """Map section -> setting -> (its type, its sentence)."""
    return {
        name: {
            key: (info.annotation, info.description or "")
            for key, info in field.annotation.model_fields.items()  # type: ignore[union-attr]  # all are sections
        }
        for name, field in cls.model_fields.items()
    }
