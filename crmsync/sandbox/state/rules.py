"""What an administrator decides about writes."""

from dataclasses import dataclass, field

MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True)
class RequiredWhen:
    """
    An administrator's rule, enforced by the 2026-09 family only: to set `name` to `value`,
    the properties `needs` must have values. Without a name: to create an object, as its form says.
    """

    kind: str
    name: str
    value: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """An administrator's validation rule: a number lies between the two, or no write takes it."""

    kind: str
    name: str
    least: float
    most: float


@dataclass(slots=True)
class Settings:
    """
    What an administrator decides about writes.

    Attributes:
        allow_backward: a lifecycle stage may be set backward without clearing it first.
        frozen: properties made read-only, as (kind, name).
        search_body_limit: whether a search of more than 3,000 characters is refused.
        mixed_status: of a batch with errors; HubSpot's documents of 2026-09 list 200 only.
    """

    allow_backward: bool = False
    required: list[RequiredWhen] = field(default_factory=list)
    frozen: set[tuple[str, str]] = field(default_factory=set)
    bounds: list[Bound] = field(default_factory=list)
    max_text: int = MAX_TEXT
    mixed_status: int = 207
    search_body_limit: bool = True
