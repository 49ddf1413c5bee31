"""The properties crmsync owns on a contact, and when two texts of one mean the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from crmsync.model import Own
from crmsync.portal.shapes import an_instant

GROUP = "crmsync"
GROUP_LABEL = "CRM Sync"


@dataclass(frozen=True, slots=True)
class Owned:
    """
    One property to create.

    Attributes:
        type, field_type: HubSpot's words.
    """

    name: str
    label: str
    type: str
    field_type: str
    description: str

    def definition(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": GROUP,
            "description": self.description,
            "formField": False,
            "hasUniqueValue": False,
            "hidden": False,
        }


def _text(name: str, label: str, description: str, field_type: str = "text") -> Owned:
    return Owned(name, label, "string", field_type, description)


def _number(name: str, label: str, description: str) -> Owned:
    return Owned(name, label, "number", "number", description)


def _instant(name: str, label: str, description: str) -> Owned:
    return Owned(name, label, "datetime", "date", description)


OWNED = (
    _number(Own.FIT, "CRM Sync fit", "How well the contact fits, by the shared definition."),
    _number(Own.ENGAGEMENT, "CRM Sync engagement", "How engaged the contact is, by the shared definition."),
    _text(Own.GRADE, "CRM Sync grade", "Fit tier and engagement level, such as A2."),
    _text(
        Own.OUTCOME,
        "CRM Sync outcome",
        "Where the contact stands: qualified, nurture, recycled, needs_data ...",
    ),
    _text(Own.TRACK, "CRM Sync track", "The nurture track that suits the contact."),
    _text(Own.DEFINITION, "CRM Sync definition", "Which definition decided, with its version."),
    _text(
        Own.REASON, "CRM Sync reason", "Why the stage is what it is, and what the next one needs.", "textarea"
    ),
    _instant(Own.EVALUATED_AT, "CRM Sync evaluated at", "When the contact was evaluated last."),
    _instant(Own.STAGE_CHANGED_AT, "CRM Sync stage changed at", "When CRM Sync changed the stage last."),
    _instant(Own.SLA_DUE_AT, "CRM Sync follow-up due at", "When sales promised the first touch."),
)

_MOST_DIGITS = 15  # no score has more; a hostile exponent would be spelt out
_TYPES = {one.name: one.type for one in OWNED}


def as_written(property_name: str, text: str | None) -> str | None:
    """
    Spell a property's text as crmsync writes it, whatever spelling the portal answers with.

    A number may come as "30.0" or "3E1" and an instant as epoch milliseconds, and not the same from every endpoint;
    two spellings of a value must not look like somebody's change. What is neither stays as it is.
    """
    if not text:
        return text
    match _TYPES.get(property_name):
        case "number":
            return _plain_number(text)
        case "datetime":
            at = an_instant(text)
            return (
                text if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
            )
        case _:
            return text


def means_the_same(property_name: str, one: str | None, other: str | None) -> bool:
    """Compare two texts of a property by meaning; of texts, what surrounds them does not count."""
    if (one or "") == (other or ""):
        return True
    if not one or not other:
        return False
    if _TYPES.get(property_name) == "string":
        return _unwrapped(one) == _unwrapped(other)
    return as_written(property_name, one) == as_written(property_name, other)


def _plain_number(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return text
    whole = number.to_integral_value()
    return str(int(whole)) if number == whole else f"{number.normalize():f}"


def _unwrapped(text: str) -> str:
    """Without what HubSpot's text fields may take off: surrounding space and carriage returns."""
    return text.replace("\r\n", "\n").strip()
