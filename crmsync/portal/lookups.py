"""What a portal calls things: deal stages, call dispositions, lifecycle stages. Read when needed, kept for a while."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from crmsync.errors import Rejected, Unauthorized, Unavailable
from crmsync.model import STAGE, Kind
from crmsync.portal.client import Client
from crmsync.portal.config import Time
from crmsync.portal.shapes import broken_answer

T = TypeVar("T")

_KEPT_S = 900.0
_KEPT_WHEN_SURPRISED_S = 60.0

DISPOSITIONS = {
    "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
    "f240bbac-87c9-4f6e-bf70-924b57d47db7": "connected",
    "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "left live message",
    "b2cf5968-551e-4856-9783-52b3da59a7d0": "left voicemail",
    "73a0d17f-1163-4015-bdd5-ec830791da20": "no answer",
    "17b47fee-58de-441e-a44c-c6300d46f273": "wrong number",
}
"""HubSpot's own call outcomes. *Source*: portal facts, section 5.1."""
DEFAULT_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)


class Kept(Generic[T]):
    """
    A value read from the portal, kept for a while; `surprised` reads again sooner, as something new turned up.

    One that was read before stands in as long as the portal does not give it: it changes once in months.
    """

    def __init__(self, read: Callable[[], T], time: Time) -> None:
        self._read = read
        self._time = time
        self._lock = Lock()
        self._value: T | None = None
        self._read_at = 0.0

    def value(self) -> T:
        return self._fresh(_KEPT_S)

    def surprised(self) -> T:
        return self._fresh(_KEPT_WHEN_SURPRISED_S)

    def forget(self) -> None:
        with self._lock:
            self._value = None

    def _fresh(self, kept_s: float) -> T:
        with self._lock:
            now = self._time.monotonic()
            if self._value is None or now - self._read_at >= kept_s:
                self._value = self._read_again(self._value)
                self._read_at = now
            return self._value

    def _read_again(self, known: T | None) -> T:
        try:
            return self._read()
        except (Rejected, Unavailable):
            if known is None:
                raise
            return known


@dataclass(frozen=True, slots=True)
class DealStages:
    """(pipeline, stage) -> open, won or lost."""

    states: Mapping[tuple[str, str], str]

    def state(self, pipeline: str | None, stage: str | None) -> str | None:
        """None: the portal has no such stage."""
        if (pipeline or "", stage or "") in self.states:
            return self.states[pipeline or "", stage or ""]
        # a deal may lack its pipeline; stage ids are unique over pipelines in practice
        found = {state for (_, one), state in self.states.items() if one == stage}
        return found.pop() if len(found) == 1 and not pipeline else None


class Lookups:
    """The names of one portal."""

    def __init__(self, client: Client, time: Time) -> None:
        self._client = client
        self._deals = Kept(self._read_deal_stages, time)
        self._dispositions = Kept(self._read_dispositions, time)
        self._stages = Kept(self._read_stages, time)

    def deal_state(self, pipeline: str | None, stage: str | None) -> str:
        """Say open, won or lost; an unknown stage is open, once the portal was asked again."""
        known = self._deals.value().state(pipeline, stage)
        if known is None and stage is not None:
            known = self._deals.surprised().state(pipeline, stage)
        return known or "open"

    def disposition(self, guid: str | None) -> str | None:
        """Say a call's outcome in words: HubSpot's own, or the portal's label; an unknown one stays its id."""
        if guid is None:
            return None
        asked = guid.lower()
        known = DISPOSITIONS.get(asked)
        if known is not None:
            return known
        return self._dispositions.value().get(asked) or self._dispositions.surprised().get(asked, guid)

    def stages(self) -> tuple[str, ...]:
        """List the lifecycle stages in the portal's order."""
        return self._stages.value()

    def _read_deal_stages(self) -> DealStages:
        states: dict[tuple[str, str], str] = {}
        for pipeline in self._client.pipelines(Kind.DEAL.value).json["results"]:
            match pipeline:
                case {"id": str() as pipeline_id, "stages": list() as stages}:
                    states |= {(pipeline_id, one): state for one, state in map(_deal_stage, stages)}
                case _:
                    raise broken_answer("a deal pipeline cannot be read")
        return DealStages(states)

    def _read_dispositions(self) -> Mapping[str, str]:
        try:
            listed = self._client.dispositions().json
        except (Rejected, Unauthorized):
            return {}  # the portal has no calling tool, or our key may not ask: ids stay ids
        found = listed.get("results") if isinstance(listed, dict) else listed
        if not isinstance(found, list):
            raise broken_answer("the call outcomes cannot be read")
        return {
            one["id"].lower(): one["label"]
            for one in found
            if isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("label"), str)
        }

    def _read_stages(self) -> tuple[str, ...]:
        try:
            return stage_options(self._client.property(Kind.CONTACT.value, STAGE).json)
        except Rejected:
            return DEFAULT_STAGES  # no such property on this portal: the defaults only cost a longer request


def stage_options(definition: Any) -> tuple[str, ...]:
    """Read the options of an enumeration in display order."""
    options = definition.get("options") if isinstance(definition, dict) else None
    if not isinstance(options, list):
        raise broken_answer("the lifecycle stages cannot be read")
    found = []
    for place, one in enumerate(options):
        match one:
            case {"value": str() as value}:
                order = one.get("displayOrder")
                found.append((order if isinstance(order, int) else place, place, value))
            case _:
                raise broken_answer("a lifecycle stage cannot be read")
    return tuple(value for _, _, value in sorted(found))


def _deal_stage(stage: object) -> tuple[str, str]:
    match stage:
        case {"id": str() as stage_id, "metadata": dict() as metadata}:
            return stage_id, _state(metadata)
        case {"id": str() as stage_id}:
            return stage_id, "open"
        case _:
            raise broken_answer("a deal stage cannot be read")


def _state(metadata: Mapping[str, Any]) -> str:
    """Read isClosed and probability; HubSpot sends both as texts."""
    if str(metadata.get("isClosed")).lower() != "true":
        return "open"
    try:
        return "won" if float(metadata.get("probability") or 0) == 1.0 else "lost"
    except (TypeError, ValueError):
        return "lost"
