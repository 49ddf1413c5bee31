"""One of HubSpot's objects as JSON -> a Snapshot in crmsync's words, and which properties that takes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crmsync.model import STAGE, Association, Deal, Event, Kind, Snapshot
from crmsync.portal.batching import MERGED
from crmsync.portal.lookups import Lookups
from crmsync.portal.owned import as_written
from crmsync.portal.shapes import EPOCH, Unreadable, a_map, a_number, a_text, an_id, an_instant, ids_joined

MODIFIED = {kind: "lastmodifieddate" if kind is Kind.CONTACT else "hs_lastmodifieddate" for kind in Kind}
"""The property that searches go by. *Source*: portal facts, section 3: the other one finds nothing."""
PRIMARY_COMPANY = "associatedcompanyid"

_EMAILS = ("email", "hs_additional_emails")
_ENTERED_CURRENT = "hs_v2_date_entered_current_stage"
_AT = "hs_timestamp"

Values = Mapping[str, str | None]

_TEXTS: Mapping[Kind, Mapping[str, str]] = {
    Kind.CALL: {
        "direction": "hs_call_direction",
        "status": "hs_call_status",
        "title": "hs_call_title",
    },
    Kind.EMAIL: {
        "direction": "hs_email_direction",
        "status": "hs_email_status",
        "subject": "hs_email_subject",
    },
    Kind.MEETING: {
        "outcome": "hs_meeting_outcome",
        "type": "hs_activity_type",
        "title": "hs_meeting_title",
    },
    Kind.NOTE: {},
    Kind.TASK: {
        "status": "hs_task_status",
        "type": "hs_task_type",
        "priority": "hs_task_priority",
        "subject": "hs_task_subject",
    },
    Kind.COMMUNICATION: {"channel": "hs_communication_channel_type"},
}
_NUMBERS: Mapping[Kind, Mapping[str, str]] = {
    Kind.EMAIL: {
        "opens": "hs_email_open_count",
        "clicks": "hs_email_click_count",
        "replies": "hs_email_reply_count",
    },
}
_DISPOSITION = "hs_call_disposition"
_DURATION_MS = "hs_call_duration"
_STARTS = "hs_meeting_start_time"
_MORE: Mapping[Kind, tuple[str, ...]] = {Kind.CALL: (_DISPOSITION, _DURATION_MS), Kind.MEETING: (_STARTS,)}
_DEAL = ("pipeline", "dealstage", "amount")


class Snapshots:
    """Reads objects of every kind of one portal."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    def needed(self, kind: Kind, properties: Sequence[str], associations: Sequence[Kind] = ()) -> list[str]:
        """List what to ask for: the caller's properties and those the snapshot's own attributes come from."""
        return list(dict.fromkeys([*properties, *self._own(kind, associations)]))

    def snapshot(self, kind: Kind, raw: object, properties: Sequence[str]) -> Snapshot:
        """Read one object without its associations. *Raises* Unreadable, or PortalError of a lookup."""
        found = a_map(raw, "the object")
        object_id = an_id(found.get("id"), "its id")
        values = _values(found.get("properties"))
        return Snapshot(
            kind=kind,
            id=object_id,
            modified_at=_modified_at(kind, values, found),
            properties={name: as_written(name, values[name]) for name in properties if name in values},
            archived=found.get("archived") is True,
            emails=_emails(values) if kind is Kind.CONTACT else (),
            stage_entered_at=_stage_entered_at(values) if kind is Kind.CONTACT else None,
            merged_ids=tuple(one for one in ids_joined(values.get(MERGED)) if one != object_id),
            event=self._event(kind, values) if kind in _TEXTS else None,
            deal=self._deal(values) if kind is Kind.DEAL else None,
        )

    def _own(self, kind: Kind, associations: Sequence[Kind]) -> list[str]:
        modified = MODIFIED[kind]
        match kind:
            case Kind.CONTACT:
                primary = [PRIMARY_COMPANY] if Kind.COMPANY in associations else []
                return [modified, *_EMAILS, STAGE, MERGED, *primary, *self._stage_dates()]
            case Kind.COMPANY:
                return [modified, MERGED]
            case Kind.DEAL:
                return [modified, MERGED, *_DEAL]
            case _:
                return [
                    modified,
                    _AT,
                    *_MORE.get(kind, ()),
                    *_TEXTS[kind].values(),
                    *_NUMBERS.get(kind, {}).values(),
                ]

    def _stage_dates(self) -> list[str]:
        dates = [_ENTERED_CURRENT]
        for stage in self._lookups.stages():
            dates += _entered(stage)
        return dates

    def _event(self, kind: Kind, values: Values) -> Event:
        attributes: dict[str, str | float | None] = {
            name: values.get(source) for name, source in _TEXTS[kind].items()
        }
        for name, source in _NUMBERS.get(kind, {}).items():
            attributes[name] = a_number(values.get(source))
        if kind is Kind.CALL:
            attributes["disposition"] = self._lookups.disposition(values.get(_DISPOSITION))
            duration_ms = a_number(values.get(_DURATION_MS))
            attributes["duration"] = None if duration_ms is None else duration_ms / 1000
        return Event(kind.value, _happened_at(kind, values), attributes)

    def _deal(self, values: Values) -> Deal:
        return Deal(
            self._lookups.deal_state(values.get("pipeline"), values.get("dealstage")), values.get("amount")
        )


def modified_ms(at: datetime) -> str:
    """Write an instant as search filters take it: epoch milliseconds."""
    return str((at - EPOCH) // timedelta(milliseconds=1))


def inline_associations(
    raw: Mapping[str, Any], kinds: Sequence[Kind]
) -> tuple[Mapping[Kind, tuple[Association, ...]], frozenset[Kind]]:
    """
    Read the associations a list page carries.

    Returns:
        by kind, each other end once; and the kinds of which the page shows only the beginning.
    """
    shown = raw.get("associations")
    by_name = {} if shown is None else a_map(shown, "its associations")
    found: dict[Kind, tuple[Association, ...]] = {}
    cut = set()
    for kind in kinds:
        block = _block(by_name, kind)
        if block is None:
            found[kind] = ()
            continue
        results = block.get("results")
        if not isinstance(results, list):
            raise Unreadable(f"its {kind.value} are not a list")
        ids = dict.fromkeys(
            an_id(a_map(one, "an association").get("id"), "an associated id") for one in results
        )
        found[kind] = tuple(Association(one) for one in ids)
        if block.get("paging"):
            cut.add(kind)
    return found, frozenset(cut)


def _block(by_name: Mapping[str, Any], kind: Kind) -> Mapping[str, Any] | None:
    found = by_name.get(kind.value)
    return None if found is None else a_map(found, f"its {kind.value}")


def _values(raw: object) -> Values:
    return {name: a_text(value, "a property value") for name, value in a_map(raw, "its properties").items()}


def _modified_at(kind: Kind, values: Values, raw: Mapping[str, Any]) -> datetime:
    found = an_instant(values.get(MODIFIED[kind])) or an_instant(raw.get("updatedAt"))
    if found is None:
        raise Unreadable("its modification instant is missing")
    return found


def _emails(values: Values) -> tuple[str, ...]:
    joined = ";".join(values.get(name) or "" for name in _EMAILS)
    return tuple(dict.fromkeys(one for part in joined.split(";") if (one := part.strip().casefold())))


def _stage_entered_at(values: Values) -> datetime | None:
    stage = values.get(STAGE)
    names = [_ENTERED_CURRENT, *(_entered(stage) if stage else ())]
    return next((at for name in names if (at := an_instant(values.get(name))) is not None), None)


def _entered(stage: str) -> list[str]:
    return [f"hs_v2_date_entered_{stage}", f"hs_lifecyclestage_{stage}_date"]


def _happened_at(kind: Kind, values: Values) -> datetime | None:
    starts = an_instant(values.get(_STARTS)) if kind is Kind.MEETING else None
    return starts or an_instant(values.get(_AT))
