"""Seeded deals, calls, e-mails, meetings, notes, tasks and messages: many, small, mostly recent."""

import random
from collections.abc import Sequence

from crmsync.sandbox.portal import Portal
from crmsync.sandbox.seed.people import OWNERS
from crmsync.sandbox.seed.wording import in_office_hours, phrase
from crmsync.sandbox.state.hubspot_schema import DISPOSITIONS
from crmsync.sandbox.state.kinds import BY_NAME, DEALS
from crmsync.sandbox.state.record import Record
from crmsync.sandbox.times import DAY, HOUR, MINUTE, iso

MIX = (("emails", 45), ("calls", 20), ("meetings", 12), ("notes", 10), ("tasks", 9), ("communications", 4))
BUSY_SHARE = 5
BUSY_MOST = 400
POOL = 40
RICH_BELOW = 60_000
"""Up to so many activities they are associated with companies too; beyond that the portal stays small."""
_FROM_UI = {"hs_object_source": "CRM_UI", "hs_object_source_label": "CRM_UI"}


def add_deals(
    portal: Portal, rng: random.Random, now_ms: int, contacts: Sequence[Record], wanted: Sequence[str]
) -> None:
    """One deal, now and then two, for each contact that has one; with its primary company."""
    graph, shelf = portal.world.graph, portal.world.shelf("deals")
    companies, records = portal.world.shelf("companies").live, []
    for contact, how in zip(contacts, wanted, strict=True):
        for _ in range(0 if not how else 1 if rng.random() < 0.85 else 2):
            created_ms = rng.randrange(contact.created_ms, now_ms - HOUR)
            record = Record(DEALS, shelf.new_id(), created_ms, _deal(rng, how, created_ms, now_ms), _FROM_UI)
            record.updated_ms = rng.randrange(created_ms, now_ms - 10 * MINUTE)
            portal.automation.mark_deal(record)
            records.append(record)
            graph.connect(("deals", "contacts"), record.id, contact.id)
            company = graph.primary("contacts", contact.id, "companies")
            buyer = companies[company].text("name") if company is not None else contact.text("lastname")
            record.own["dealname"] = f"{buyer} - {record.own['dealname']}"
            if company is not None:
                graph.connect(("deals", "companies"), record.id, company)
                graph.make_primary(("deals", "companies"), record.id, company)
    shelf.fill(records)


def _deal(rng: random.Random, how: str, created_ms: int, now_ms: int) -> dict[str, str]:
    renewal = rng.random() < 0.15
    stages = {
        "open": ("appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "contractsent"),
        "won": ("closedwon",),
        "lost": ("closedlost",),
    }[how]
    numeric = {"open": "121447701", "won": "121447702", "lost": "121447703"}[how]
    closes_ms = rng.randrange(created_ms, now_ms) if how != "open" else now_ms + rng.randrange(DAY, 90 * DAY)
    own = {
        "dealname": phrase("deals", rng.randrange(10_000)), "pipeline": "61447719" if renewal else "default",
        "dealstage": numeric if renewal else rng.choice(stages), "closedate": iso(closes_ms),
        "amount": rng.choice((str(rng.randrange(2_000, 90_000, 500)), f"{rng.randrange(2_000, 90_000) / 4:.2f}", "")),
        "hubspot_owner_id": str(rng.choice(OWNERS)[0]),
    }  # fmt: skip
    return {name: value for name, value in own.items() if value}


def add_activities(
    portal: Portal, rng: random.Random, now_ms: int, contacts: Sequence[tuple[Record, float]], count: int
) -> None:
    """`count` activities in all; `contacts` come with their warmth, and the warmest has hundreds."""
    if not contacts or not count:
        return
    busy = max(contacts, key=lambda one: (one[1], -one[0].id))[0]
    hundreds = min(BUSY_MOST, count // BUSY_SHARE)
    weights = [warmth + 0.02 for _, warmth in contacts]
    owners = [busy] * hundreds + rng.choices([record for record, _ in contacts], weights, k=count - hundreds)
    rng.shuffle(owners)
    names, shares = zip(*MIX, strict=True)
    kinds = rng.choices(names, shares, k=count)
    for name in names:
        mine = [owner for owner, kind in zip(owners, kinds, strict=True) if kind == name]
        _add_kind(portal, rng, now_ms, name, mine, rich=count <= RICH_BELOW)


def _add_kind(
    portal: Portal, rng: random.Random, now_ms: int, name: str, owners: Sequence[Record], *, rich: bool
) -> None:
    graph, shelf, kind = portal.world.graph, portal.world.shelf(name), BY_NAME[name]
    planned = name in {"meetings", "tasks"}
    past = [_template(rng, name, planned=False) for _ in range(POOL)]
    future = [_template(rng, name, planned=True) for _ in range(POOL)]
    drawn = sorted(
        ((_when(rng, owner, now_ms, planned=planned), owner.id) for owner in owners), key=lambda one: one[0]
    )
    records, links, company_links = [], [], []
    for at_ms, owner_id in drawn:
        base = rng.choice(future if at_ms > now_ms else past)
        created_ms = min(at_ms + rng.randrange(5 * MINUTE), now_ms - 10 * MINUTE)
        own = {"hs_timestamp": iso(at_ms)}
        if name == "meetings":
            own |= {"hs_meeting_start_time": iso(at_ms), "hs_meeting_end_time": iso(at_ms + HOUR)}
        record = Record(kind, shelf.new_id(), created_ms, own, base)
        record.updated_ms = min(created_ms + rng.randrange(HOUR), now_ms - 9 * MINUTE)
        records.append(record)
        links.append((record.id, owner_id))
        company = graph.primary("contacts", owner_id, "companies") if rich else None
        if company is not None:
            company_links.append((record.id, company))
    shelf.fill(records)
    graph.fill((name, "contacts"), links)
    graph.fill((name, "companies"), company_links)


def _when(rng: random.Random, owner: Record, now_ms: int, *, planned: bool) -> int:
    """Mostly lately, never before the contact was there; meetings and tasks also ahead."""
    if planned and rng.random() < 0.08:
        ahead_ms = now_ms + rng.randrange(HOUR, 20 * DAY)
        return at_ms if (at_ms := on_the_half_hour(in_office_hours(ahead_ms))) > now_ms else ahead_ms
    age_ms = int(rng.expovariate(1 / (75 * DAY)))
    past_ms = max(owner.created_ms, now_ms - 15 * MINUTE - age_ms)
    at_ms = in_office_hours(past_ms)
    at_ms = on_the_half_hour(at_ms) if planned else at_ms
    return at_ms if owner.created_ms <= at_ms <= now_ms - 15 * MINUTE else past_ms


def on_the_half_hour(ms: int) -> int:
    return ms - ms % (30 * MINUTE)


def _template(rng: random.Random, name: str, *, planned: bool) -> dict[str, str]:
    """Values that many activities share."""
    number = rng.randrange(1_000)
    own = dict(_FROM_UI) | {"hubspot_owner_id": str(rng.choice(OWNERS)[0])}
    match name:
        case "calls":
            disposition, label = rng.choice(DISPOSITIONS) if rng.random() < 0.9 else ("", "")
            own |= {"hs_call_title": phrase(name, number), "hs_call_direction": rng.choice(("INBOUND", "OUTBOUND",
            "OUTBOUND")), "hs_call_disposition": disposition}  # fmt: skip
            status = rng.choice(("COMPLETED", "COMPLETED", "NO_ANSWER", "BUSY"))
            length = rng.choice(("0", "12000", "59000", "60000", "184000", "1260000", ""))
            own |= _how_it_went(label, status, length)
        case "emails":
            own |= {"hs_email_subject": phrase(name, number), "hs_email_direction": rng.choice(("EMAIL", "EMAIL",
            "INCOMING_EMAIL")),
                    "hs_email_status": rng.choice(("SENT", "SENT", "SENT", "BOUNCED")),
                    "hs_email_open_count": str(rng.randrange(4)),
                    "hs_email_click_count": "0"}  # fmt: skip
        case "meetings":
            held = rng.choice(
                ("COMPLETED", "COMPLETED", "COMPLETED", "NO_SHOW", "CANCELED", "RESCHEDULED", "")
            )
            own |= {
                "hs_meeting_title": phrase(name, number),
                "hs_meeting_outcome": "SCHEDULED" if planned else held,
            }
        case "notes":
            own |= {"hs_note_body": f"<p>{phrase(name, number)}</p>", "hs_body_preview": phrase(name, number)}
        case "tasks":
            done = rng.choice(("COMPLETED", "COMPLETED", "NOT_STARTED", "DEFERRED"))
            own |= {"hs_task_subject": phrase(name, number), "hs_task_status": "NOT_STARTED" if planned else done,
                    "hs_task_priority": rng.choice(("LOW", "MEDIUM", "HIGH")), "hs_task_type": rng.choice(("TODO",
                    "CALL", "EMAIL"))}  # fmt: skip
        case _:
            own |= {"hs_communication_channel_type": rng.choice(("WHATS_APP", "LINKEDIN_MESSAGE", "SMS")),
                    "hs_communication_logged_from": "CRM", "hs_communication_body": phrase(name, number)}  # fmt: skip
    return {key: value for key, value in own.items() if value}


def _how_it_went(disposition: str, status: str, length: str) -> dict[str, str]:
    """Status and duration of a call that agree with its outcome; without one, anything."""
    match disposition:
        case "Busy":
            status, length = "BUSY", "0"
        case "No answer":
            status, length = "NO_ANSWER", "0"
        case "Left voicemail" | "Left live message" | "Wrong number":
            status, length = "COMPLETED", "22000"
        case "Connected":
            status = "COMPLETED"
    return {"hs_call_status": status, "hs_call_duration": length}
