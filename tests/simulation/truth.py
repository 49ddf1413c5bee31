"""
The portal's own records -> the contact that an evaluation should have seen. Independent of gateway, pull and mirror.

Only what crmsync saw of counters comes from its store: when an increase was seen is its own observation.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from crmsync.model import Contact, ContactId, Deal, Event
from crmsync.sandbox import Portal
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.times import EPOCH, read_instant
from tests.simulation.agreement import COMPANY_PROPERTIES, CONTACT_PROPERTIES


def contact_as_it_is(portal: Portal, record: Record, counters: Iterable[Event]) -> Contact:
    return Contact(
        ContactId(str(record.id)),
        {name: record.text(name) or None for name in CONTACT_PROPERTIES},
        _company(portal, record.id),
        tuple(_deals(portal, record.id)),
        (*_meetings(portal, record.id), *_calls(portal, record.id), *_forms(portal, record), *counters),
        _entered_at(record),
    )


def _company(portal: Portal, contact: int) -> dict[str, str | None] | None:
    world = portal.world
    companies = world.linked("contacts", contact, "companies")
    if not companies:
        return None
    primary = world.graph.primary("contacts", contact, "companies")
    chosen = primary if primary in companies else min(companies)
    company = world.shelf("companies").live[chosen or 0]
    return {name: company.text(name) or None for name in COMPANY_PROPERTIES}


def _deals(portal: Portal, contact: int) -> Iterator[Deal]:
    for id_ in portal.world.linked("contacts", contact, "deals"):
        deal = portal.world.shelf("deals").live[id_]
        stage = portal.world.directory.stage(deal.text("pipeline"), deal.text("dealstage"))
        state = "open"
        if stage is not None and stage.is_closed:
            state = "won" if stage.probability == 1 else "lost"
        yield Deal(state, deal.text("amount") or None)


def _meetings(portal: Portal, contact: int) -> Iterator[Event]:
    for id_ in portal.world.linked("contacts", contact, "meetings"):
        meeting = portal.world.shelf("meetings").live[id_]
        at = _at(meeting, "hs_meeting_start_time") or _at(meeting, "hs_timestamp")
        yield Event("meetings", at, {"outcome": meeting.text("hs_meeting_outcome") or None})


def _calls(portal: Portal, contact: int) -> Iterator[Event]:
    for id_ in portal.world.linked("contacts", contact, "calls"):
        call = portal.world.shelf("calls").live[id_]
        direction = call.text("hs_call_direction") or None
        yield Event("calls", _at(call, "hs_timestamp"), {"direction": direction})


def _forms(portal: Portal, record: Record) -> Iterator[Event]:
    texts = [record.text("email"), *record.text("hs_additional_emails").split(";")]
    emails = {text.strip().casefold() for text in texts if text.strip()}
    for form in portal.world.marketing.forms.values():
        if form.type == "blog_comment":
            continue
        for one in form.submissions:
            if one.email.strip().casefold() in emails:
                yield Event("forms", _instant(one.at_ms), {"form": form.name, "form_id": form.id})


def _entered_at(record: Record) -> datetime | None:
    stage = record.text("lifecyclestage")
    names = ["hs_v2_date_entered_current_stage"]
    if stage:
        names += [f"hs_v2_date_entered_{stage}", f"hs_lifecyclestage_{stage}_date"]
    return next((at for name in names if (at := _at(record, name)) is not None), None)


def _at(record: Record, name: str) -> datetime | None:
    ms = read_instant(record.text(name)) if record.text(name) else None
    return None if ms is None else _instant(ms)


def _instant(ms: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(UTC)
