"""The kinds of objects a portal holds: names, type ids, default properties, association types."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of object.

    Attributes:
        cursor: the property that tells when anything of the object changed last.
        shown: the properties an answer carries when none are asked for.
        first_id: ids count up from here, one space per kind.
        scope: the middle part of its scopes, `crm.objects.<scope>.read`.
    """

    name: str
    singular: str
    type_id: str
    created: str
    cursor: str
    shown: tuple[str, ...]
    scope: str
    first_id: int

    @property
    def always(self) -> tuple[str, ...]:
        """Present in every answer, asked for or not."""
        return (self.created, "hs_object_id", self.cursor)


def _activity(name: str, singular: str, type_id: str, first_id: int) -> Kind:
    return Kind(name, singular, type_id, "hs_createdate", "hs_lastmodifieddate", (), "contacts", first_id)


CONTACTS = Kind(
    "contacts", "contact", "0-1", "createdate", "lastmodifieddate",
    ("firstname", "lastname", "email"), "contacts", 101,
)  # fmt: skip
COMPANIES = Kind(
    "companies", "company", "0-2", "createdate", "hs_lastmodifieddate", ("name", "domain"), "companies", 5_001
)
DEALS = Kind(
    "deals", "deal", "0-3", "createdate", "hs_lastmodifieddate",
    ("dealname", "amount", "closedate", "pipeline", "dealstage"), "deals", 70_001,
)  # fmt: skip
TICKETS = Kind(
    "tickets", "ticket", "0-5", "createdate", "hs_lastmodifieddate", ("subject", "content"), "tickets", 80_001
)
LEADS = Kind(
    "leads", "lead", "0-136", "hs_createdate", "hs_lastmodifieddate", ("hs_lead_name",), "leads", 90_001
)
CALLS = _activity("calls", "call", "0-48", 1_000_001)
EMAILS = _activity("emails", "email", "0-49", 2_000_001)
MEETINGS = _activity("meetings", "meeting", "0-47", 3_000_001)
NOTES = _activity("notes", "note", "0-46", 4_000_001)
TASKS = _activity("tasks", "task", "0-27", 5_000_001)
COMMUNICATIONS = _activity("communications", "communication", "0-18", 6_000_001)

ACTIVITIES = (CALLS, EMAILS, MEETINGS, NOTES, TASKS, COMMUNICATIONS)
KINDS = (CONTACTS, COMPANIES, DEALS, TICKETS, LEADS, *ACTIVITIES)
BY_NAME = {alias: kind for kind in KINDS for alias in (kind.name, kind.singular, kind.type_id)}
ACTIVITY_NAMES = frozenset(kind.name for kind in ACTIVITIES)

PRIMARY = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
    ("leads", "contacts"): 578,
    ("leads", "companies"): 580,
}
"""The label Primary. *Source*: portal facts, section 5.2."""

ONE_PRIMARY = frozenset(
    {("contacts", "companies"), ("deals", "companies"), ("leads", "contacts"), ("leads", "companies")}
)
"""From here to there only one can be primary; the way back any number."""

_PLAIN = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("contacts", "deals"): 4,
    ("deals", "contacts"): 3,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("contacts", "communications"): 82,
    ("communications", "contacts"): 81,
    ("companies", "communications"): 88,
    ("communications", "companies"): 87,
    ("deals", "communications"): 86,
    ("communications", "deals"): 85,
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("leads", "contacts"): 608,
    ("leads", "companies"): 610,
    ("leads", "deals"): 1037,
    ("leads", "calls"): 596,
    ("leads", "emails"): 598,
    ("leads", "meetings"): 600,
    ("leads", "tasks"): 646,
    ("leads", "notes"): 854,
    ("contacts", "contacts"): 449,
}
_ACTIVITY_BASE = {"contacts": 193, "companies": 181, "deals": 205}
_ACTIVITY_STEP = {"calls": 0, "emails": 4, "meetings": 6, "notes": 8, "tasks": 10}


def _plain_types() -> dict[tuple[str, str], int]:
    table = dict(_PLAIN)
    for owner, base in _ACTIVITY_BASE.items():
        for activity, step in _ACTIVITY_STEP.items():
            table[owner, activity] = base + step
            table[activity, owner] = base + step + 1
    return table


PLAIN = _plain_types()
"""The type id of an association without a label."""
