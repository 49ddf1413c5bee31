"""What properties a kind has: definitions, groups, options."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crmsync.sandbox.wire import Body

STAGES = (
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
)

FIELD_TYPES = {
    "bool": {"booleancheckbox", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
    "number": {"number", "calculation_equation"},
    "phone_number": {"phonenumber"},
    "string": {"text", "textarea", "html", "phonenumber", "file", "calculation_equation"},
}


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    order: int
    hidden: bool = False
    description: str = ""

    def json(self) -> Body:
        return {
            "label": self.label, "value": self.value, "displayOrder": self.order,
            "hidden": self.hidden, "description": self.description,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Property:
    """
    One property definition.

    Attributes:
        read_only: nobody writes its value through the API.
        external_options: the options live elsewhere (owners, stages) and the definition can't be changed.
    """

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = "contactinformation"
    options: tuple[Option, ...] = ()
    read_only: bool = False
    calculated: bool = False
    hidden: bool = False
    unique: bool = False
    defined_by_hubspot: bool = True
    external_options: bool = False
    refers_to: str = ""
    description: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    archived_ms: int | None = None
    form_field: bool = False
    display_order: int = -1
    values: frozenset[str] = field(default=frozenset())

    def with_options(self, options: Iterable[Option]) -> "Property":
        kept = tuple(sorted(options, key=lambda option: option.order))
        return replace(self, options=kept, values=frozenset(option.value for option in kept))


class Schema:
    """The properties and groups of one kind."""

    def __init__(self, properties: Iterable[Property], groups: Mapping[str, str]) -> None:
        self.properties = {one.name: one for one in properties}
        self.archived: dict[str, Property] = {}
        self.groups = {name: {"name": name, "label": label, "displayOrder": i, "archived": False}
                       for i, (name, label) in enumerate(groups.items())}  # fmt: skip

    def __iter__(self) -> Iterator[Property]:
        return iter(self.properties.values())

    def __contains__(self, name: str) -> bool:
        return name in self.properties

    def get(self, name: str) -> Property | None:
        return self.properties.get(name)

    def put(self, one: Property) -> None:
        self.properties[one.name] = one

    def stages(self) -> dict[str, int]:
        """Lifecycle stage -> its place in the order."""
        stage = self.properties.get("lifecyclestage")
        return {option.value: place for place, option in enumerate(stage.options)} if stage else {}


def options(*pairs: tuple[str, str]) -> tuple[Option, ...]:
    return tuple(Option(value, label, place) for place, (value, label) in enumerate(pairs))


def choice(name: str, *pairs: tuple[str, str], field_type: str = "select", **more: Any) -> Property:
    """An enumeration property."""
    return replace(Property(name, "enumeration", field_type), **more).with_options(options(*pairs))


def flag(name: str, **more: Any) -> Property:
    """A yes-no property: an enumeration of true and false, or a bool where HubSpot says so."""
    return choice(name, ("true", "Yes"), ("false", "No"), field_type="booleancheckbox", **more)
