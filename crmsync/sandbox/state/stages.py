"""The lifecycle stage, which only moves forward, and the dates HubSpot writes beside it."""

from crmsync.sandbox.state.record import Record
from crmsync.sandbox.state.rules import Settings
from crmsync.sandbox.state.schema import Schema
from crmsync.sandbox.times import iso

STAGE = "lifecyclestage"


def stage_move(record: Record, wanted: str, schema: Schema, *, allow_backward: bool) -> bool:
    """Whether a lifecycle stage is taken: forward, cleared, or set on a blank. Backward is ignored without a word."""
    held = record.text(STAGE)
    if not wanted or not held or allow_backward:
        return True
    order = schema.stages()
    return order.get(wanted, 0) >= order.get(held, 0)


def stage_stamps(record: Record | None, wanted: str, schema: Schema, at_ms: int) -> dict[str, str]:
    """The date properties HubSpot writes beside a stage."""
    held = record.text(STAGE) if record else ""
    if wanted == held:
        return {}
    at = iso(at_ms)
    stamps = {f"hs_v2_date_exited_{held}": at} if held else {}
    if wanted:
        stamps[f"hs_lifecyclestage_{wanted}_date"] = at
        stamps[f"hs_v2_date_entered_{wanted}"] = at
        stamps["hs_v2_date_entered_current_stage"] = at
    return {name: value for name, value in stamps.items() if name in schema}


def with_stage_rules(
    record: Record, values: dict[str, str], schema: Schema, settings: Settings, at_ms: int
) -> dict[str, str]:
    """What of a write takes effect: a backward stage is left out, a new one brings its stamps."""
    if STAGE not in values:
        return values
    if not stage_move(record, values[STAGE], schema, allow_backward=settings.allow_backward):
        return {name: value for name, value in values.items() if name != STAGE}
    return values | stage_stamps(record, values[STAGE], schema, at_ms)
