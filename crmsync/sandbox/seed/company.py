"""A believable B2B company, the same for the same seed: who is in the portal and what they did."""

import gc
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from crmsync.sandbox.changes.merging import merge_records
from crmsync.sandbox.portal import Portal
from crmsync.sandbox.seed.activities import add_activities, add_deals
from crmsync.sandbox.seed.contacts import Persona, draw_contact, pick
from crmsync.sandbox.seed.people import COMPANY_HEADS, COMPANY_TAILS, COUNTRIES, EMPLOYEES, FORMS, OWNERS
from crmsync.sandbox.seed.wording import Addresses, company_name, telephone
from crmsync.sandbox.state.directory import Owner
from crmsync.sandbox.state.kinds import COMPANIES, CONTACTS
from crmsync.sandbox.state.marketing import EmailEvent, Form, Submission, Visit
from crmsync.sandbox.state.record import Act, Record, Source
from crmsync.sandbox.state.stages import STAGE
from crmsync.sandbox.times import DAY, HOUR, MINUTE, iso

SPAN_DAYS = 900
INDUSTRY_WEIGHTS = (
    ("SOFTWARE", 30), ("FINANCE", 18), ("MANUFACTURING", 8), ("LOGISTICS", 8), ("RETAIL", 8), ("EDUCATION", 6),
    ("HEALTHCARE", 5),
    ("CONSULTING", 5), ("", 12),
)  # fmt: skip
MANY = 100_000
MIDDLE_SIZES = frozenset({"20", "45", "120", "250", "640", "999"})
_IMPORTED = {
    "hs_object_source": "IMPORT",
    "hs_object_source_label": "IMPORT",
    "hs_object_source_id": "import-1",
}


@dataclass(slots=True)
class Seeding:
    """
    What the steps share.

    Attributes:
        rng: what happened to whom.
        texts: how it is worded; apart, so that a new word moves nobody's fate.
    """

    portal: Portal
    rng: random.Random
    now_ms: int
    contacts: list[Record]
    personas: list[Persona]
    texts: random.Random
    addresses: Addresses = field(default_factory=Addresses)

    def people(self) -> Iterator[tuple[Record, Persona]]:
        return zip(self.contacts, self.personas, strict=True)


def fill(portal: Portal, contacts: int, engagements: int) -> None:
    """Put the company into an empty portal."""
    with _without_collecting():
        _fill(portal, contacts, engagements)
    if contacts + engagements > MANY:
        gc.freeze()  # millions that never become garbage need not be looked through again


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Nothing made here is garbage; looking for some would take longer than making it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _fill(portal: Portal, contacts: int, engagements: int) -> None:
    now_ms = portal.world.now_ms()
    rng = random.Random(portal.options.seed)
    portal.world.directory.founded_ms = now_ms - 1_200 * DAY
    _add_owners(portal)
    _add_forms(portal, now_ms)
    seeding = Seeding(portal, rng, now_ms, [], [], random.Random(f"{portal.options.seed}:texts"))
    companies = _add_companies(seeding, max(1, contacts // 3) if contacts else 0)
    _add_contacts(seeding, contacts)
    _employ(seeding, companies)
    _give_addresses(seeding)
    add_deals(portal, rng, now_ms, seeding.contacts, [one.deal for one in seeding.personas])
    _move_companies(seeding)
    add_activities(portal, rng, now_ms, [(one, who.warmth) for one, who in seeding.people()], engagements)
    _submit(seeding)
    _roll_up(seeding)
    _tidy(seeding)
    _age(portal)


def _add_owners(portal: Portal) -> None:
    founded = portal.world.directory.founded_ms
    portal.world.directory.owners += [
        Owner(id_, user, email, first, last, founded, is_archived=left)
        for id_, user, email, first, last, left in OWNERS
    ]


def _add_forms(portal: Portal, now_ms: int) -> None:
    for id_, name, type_, _ in FORMS:
        portal.world.marketing.forms[id_] = Form(id_, name, now_ms - 800 * DAY, type_)


def _instants(rng: random.Random, count: int, now_ms: int) -> list[int]:
    return sorted(now_ms - rng.randrange(2 * DAY, SPAN_DAYS * DAY) for _ in range(count))


def _add_companies(seeding: Seeding, count: int) -> list[Record]:
    rng, shelf = seeding.rng, seeding.portal.world.shelf("companies")
    records = []
    for created_ms in _instants(rng, count, seeding.now_ms):
        id_ = shelf.new_id()
        head, tail, industry = (
            rng.choice(COMPANY_HEADS),
            rng.choice(COMPANY_TAILS),
            pick(rng, INDUSTRY_WEIGHTS),
        )
        name = company_name(head, tail, industry, id_)
        own = {
            "name": name, "domain": seeding.addresses.domain(name), "industry": industry,
            "numberofemployees": pick(rng, EMPLOYEES), "country": pick(rng, COUNTRIES),
        }  # fmt: skip
        record = Record(
            COMPANIES, id_, created_ms, {key: value for key, value in own.items() if value}, _IMPORTED
        )
        record.updated_ms = rng.randrange(created_ms, seeding.now_ms - 10 * MINUTE)
        records.append(record)
    shelf.fill(records)
    return records


def _add_contacts(seeding: Seeding, count: int) -> None:
    rng, shelf = seeding.rng, seeding.portal.world.shelf("contacts")
    schema = seeding.portal.world.schemas["contacts"]
    for created_ms in _instants(rng, count, seeding.now_ms):
        id_ = shelf.new_id()
        record = Record(CONTACTS, id_, created_ms, {}, _IMPORTED)
        seeding.personas.append(draw_contact(rng, record, seeding.now_ms, schema))
        seeding.contacts.append(record)
    shelf.fill(seeding.contacts)


def _employ(seeding: Seeding, companies: Sequence[Record]) -> None:
    """Most contacts have a company, some several of which one is primary, some none."""
    rng, graph = seeding.rng, seeding.portal.world.graph
    pair = ("contacts", "companies")
    market = [one for one in companies if _is_in_market(one)]
    for record, persona in seeding.people():
        if not companies or rng.random() < 0.12:
            continue
        count = 1 if rng.random() < 0.92 else rng.randint(2, 3)
        choice = market if len(market) > 2 and persona.warmth > 1 and rng.random() < 0.5 else companies
        for company in rng.sample(choice, min(count, len(choice))):
            graph.connect(pair, record.id, company.id)
        primary = rng.choice(graph.to("contacts", record.id, "companies"))
        if rng.random() < 0.97:
            graph.make_primary(pair, record.id, primary)
            record.own["associatedcompanyid"] = str(primary)


def _give_addresses(seeding: Seeding) -> None:
    """Most have their address at their first company, the others at a mail provider; some are reached by telephone."""
    graph, companies = seeding.portal.world.graph, seeding.portal.world.shelf("companies").live
    for record, persona in seeding.people():
        own, addresses = record.own, seeding.addresses
        first, last = own["firstname"], own["lastname"]
        employers = graph.to("contacts", record.id, "companies")
        if employers and persona.addresses:
            domain = companies[employers[0]].text("domain")
            own["email"] = addresses.at_work(first, last, domain, record.id)
        elif persona.addresses:
            own["email"] = addresses.at_home(first, last, record.id)
        if persona.addresses > 1:
            own["hs_additional_emails"] = addresses.at_home(first, last, record.id)
        if number := telephone(seeding.texts):
            own["phone"] = number


def _move_companies(seeding: Seeding) -> None:
    """A company's stage follows its deals; most have none."""
    world = seeding.portal.world
    for deal in world.shelf("deals").live.values():
        stage = "customer" if deal.text("hs_is_closed_won") == "true" else "opportunity"
        for id_ in world.graph.to("deals", deal.id, "companies"):
            company = world.shelf("companies").live[id_]
            if (
                company.text(STAGE) != "customer" and deal.text("hs_is_closed") != "true"
            ) or stage == "customer":
                company.own[STAGE] = stage


def _is_in_market(company: Record) -> bool:
    """Whom the company sells to: that is where the warm contacts are."""
    return (
        company.text("industry") in {"SOFTWARE", "FINANCE"}
        and company.text("numberofemployees") in MIDDLE_SIZES
    )


def _submit(seeding: Seeding) -> None:
    """Form submissions, some by an additional address, some in capitals; opens of marketing e-mails; page views."""
    rng, portal = seeding.rng, seeding.portal
    found: dict[str, list[Submission]] = {id_: [] for id_ in portal.world.marketing.forms}
    for record, persona in seeding.people():
        for place, days in persona.submissions:
            id_, name, _, path = FORMS[place]
            at_ms = max(record.created_ms, seeding.now_ms - int(days * DAY))
            email = _typed_email(rng, record)
            if not email:
                continue
            found[id_].append(Submission(at_ms, email, f"https://www.acme.example{path}"))
            _convert(record, name, at_ms)
        _mail(seeding, record, persona)
    for id_, submissions in found.items():
        submissions.append(
            Submission(
                seeding.now_ms - 3 * DAY, "nobody.knows@elsewhere.example", "https://www.acme.example/"
            )
        )
        portal.world.marketing.forms[id_].submissions = sorted(submissions, key=lambda one: one.at_ms)
    portal.world.marketing.email_events.sort(key=lambda one: one.at_ms)


def _typed_email(rng: random.Random, record: Record) -> str:
    more = record.text("hs_additional_emails")
    email = rng.choice(more.split(";")) if more and rng.random() < 0.6 else record.text("email")
    return email.upper() if rng.random() < 0.08 else email


def _convert(record: Record, name: str, at_ms: int) -> None:
    own = record.own
    own["num_conversion_events"] = str(int(own.get("num_conversion_events", "0")) + 1)
    if iso(at_ms) >= own.get("recent_conversion_date", ""):
        own["recent_conversion_date"], own["recent_conversion_event_name"] = iso(at_ms), name
    if iso(at_ms) <= own.get("first_conversion_date", "9"):
        own["first_conversion_date"], own["first_conversion_event_name"] = iso(at_ms), name
    record.updated_ms = max(record.updated_ms, at_ms)


def _mail(seeding: Seeding, record: Record, persona: Persona) -> None:
    rng, portal = seeding.rng, seeding.portal
    opens = int(record.own.get("hs_email_open", "0") or 0)
    for _ in range(min(opens, 3)):
        at_ms = seeding.now_ms - rng.randrange(HOUR, 120 * DAY)
        event = EmailEvent(
            f"{at_ms:x}-{record.id}", at_ms, record.text("email"), "OPEN", 4_000 + record.id % 7
        )
        portal.world.marketing.email_events.append(event)
    if persona.warmth > 1:
        views = rng.randint(1, 6)
        portal.world.marketing.visits[record.id] = [
            Visit(f"v{record.id}-{n}", seeding.now_ms - rng.randrange(HOUR, 30 * DAY),
                  f"https://www.acme.example/{rng.choice(('pricing', 'pricing/plans', 'product', 'blog'))}")
            for n in range(views)
        ]  # fmt: skip


def _roll_up(seeding: Seeding) -> None:
    """Roll-ups agree with the activities, and the last change is not before anything that happened."""
    automation = seeding.portal.automation
    for record in seeding.contacts:
        summary = automation.summary(record.id, seeding.now_ms)
        if summary["num_notes"] != "0":
            record.own.update({name: value for name, value in summary.items() if value})
        deals = seeding.portal.world.graph.to("contacts", record.id, "deals")
        if deals:
            record.own["num_associated_deals"] = str(len(deals))
        latest = seeding.now_ms - seeding.rng.randrange(10 * MINUTE, 30 * DAY)
        record.updated_ms = max(record.updated_ms, record.created_ms, latest)


def _tidy(seeding: Seeding) -> None:
    """Some contacts were merged, some archived, before today."""
    world, rng = seeding.portal.world, seeding.rng
    act = Act(Source("CRM_UI", "userId:9586505", 9_586_505), seeding.now_ms - 2 * DAY)
    shelf = world.shelf("contacts")
    for record in seeding.contacts:
        shelf.claim_all(record)
    pairs = len(seeding.contacts) // 100
    chosen = rng.sample(seeding.contacts, min(len(seeding.contacts), 2 * pairs + len(seeding.contacts) // 50))
    for first, second in zip(chosen[:pairs], chosen[pairs : 2 * pairs], strict=True):
        merge_records(world, first, second, act)
    for record in chosen[2 * pairs :]:
        world.archive(record, act)


def _age(portal: Portal) -> None:
    """All of this was long ago: nothing is on its way, nothing is news."""
    world = portal.world
    world.settle(world.now_ms())
    world.index.flush()
    for shelf in world.shelves.values():
        shelf.reindex()
    world.effects.clear()
