"""What the portal must have for crmsync: its group and properties, the stages, the scopes. Setup and check-up."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from crmsync.errors import PortalError, Rejected, Unauthorized
from crmsync.model import STAGE, WRITTEN, Kind
from crmsync.portal.batching import errors_of
from crmsync.portal.client import Client
from crmsync.portal.clock import PortalClock, zone_named
from crmsync.portal.config import Time
from crmsync.portal.faults import AnswerLost, problem_words, sentence
from crmsync.portal.lookups import Kept, Lookups
from crmsync.portal.owned import GROUP, GROUP_LABEL, OWNED
from crmsync.portal.shapes import broken_answer

_CONTACTS = Kind.CONTACT.value


@dataclass(frozen=True, slots=True)
class Account:
    """
    Which portal this is.

    Attributes:
        zone: the portal's own; its daily limit starts again at midnight there.
        knows_zone: False: this machine does not know it, or the portal named none, and UTC stands in.
    """

    portal_id: str
    zone: ZoneInfo
    account_type: str
    knows_zone: bool = True


@dataclass(frozen=True, slots=True)
class Setup:
    """What `setup` did: the names it created, and those that were there already."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    group_created: bool


@dataclass(frozen=True, slots=True)
class PropertyDefinition:
    """
    A property as the portal defines it.

    Attributes:
        is_read_only: its value cannot be written through the API.
    """

    name: str
    type: str
    is_read_only: bool


class Schema:
    """The definitions of one portal."""

    def __init__(self, client: Client, clock: PortalClock, time: Time, lookups: Lookups) -> None:
        self._client = client
        self._clock = clock
        self._lookups = lookups
        self._contact_properties = Kept(lambda: self.definitions(Kind.CONTACT), time)

    def account(self) -> Account:
        """Ask which portal this is, and let the clock know its time zone."""
        answer = self._client.account().json
        match answer:
            case {"portalId": int() | str() as said} if str(said).isdecimal() and int(said) > 0:
                portal_id = str(int(said))
            case _:
                raise broken_answer("the account details cannot be read")
        zone = self._clock.told_zone = zone_named(answer.get("timeZone"))
        kind = answer.get("accountType")
        kind = kind if isinstance(kind, str) else ""
        return Account(portal_id, self._clock.zone, kind, knows_zone=zone is not None)

    def definitions(self, kind: Kind, *, archived: bool = False) -> Mapping[str, PropertyDefinition]:
        """List a kind's properties by name; one whose definition is not what the API promises is left out."""
        listed = self._client.properties(kind.value, archived=archived).json["results"]
        return {one.name: one for raw in listed if (one := _definition(raw)) is not None}

    def stages(self) -> tuple[str, ...]:
        """List the lifecycle stages in display order; asked for once in a while."""
        return self._lookups.stages()

    def setup(self) -> Setup:
        """
        Create what is missing of crmsync's group and properties; alter nothing that is there.

        Creating is never repeated blindly: when an answer is lost, run it again, it looks first.

        *Raises* PortalError naming each property that is in the way.
        """
        there = self.definitions(Kind.CONTACT)
        in_the_way = tuple(_conflicts(there))
        if in_the_way:
            raise _in_the_way(in_the_way)
        missing = [one for one in OWNED if one.name not in there]
        group_created = self._create_group() if missing else False
        if missing:
            self._refuse_archived([one.name for one in missing])
            self._create([one.definition() for one in missing])
            self._contact_properties.forget()
        return Setup(
            created=tuple(one.name for one in missing),
            existing=tuple(one.name for one in OWNED if one.name in there),
            group_created=group_created,
        )

    def problems(self) -> Mapping[str, str]:
        """
        Say which properties that crmsync writes cannot be written: property -> why. Looked up again after a while.
        """
        there = self._contact_properties.value()
        if any(name not in there for name in WRITTEN):
            there = self._contact_properties.surprised()
        problems = {
            one.name: "not in the portal; run `crmsync setup`" for one in OWNED if one.name not in there
        }
        problems |= dict(_conflicts(there))
        if STAGE in there and there[STAGE].is_read_only:
            problems[STAGE] = "HubSpot made it read-only"
        return problems

    def look_again(self) -> None:
        """Have `problems` go by definitions that are no older than a minute, where the portal gives them."""
        with suppress(Rejected):  # not allowed to look: the writes themselves will tell
            self._contact_properties.surprised()

    def missing(self, needed: Mapping[Kind, Sequence[str]]) -> tuple[tuple[Kind, str], ...]:
        """List the properties that a definition needs and the portal does not have."""
        found = []
        for kind, names in needed.items():
            there = self.definitions(kind)
            found += [(kind, name) for name in dict.fromkeys(names) if name not in there]
        return tuple(found)

    def missing_scopes(self, *, forms: bool, deals: bool, companies: bool, emails: bool) -> tuple[str, ...]:
        """
        Try what crmsync will do, each in its cheapest form; list the scopes that HubSpot names as missing.

        The write and the create are tried with no inputs: HubSpot checks the scope and changes nothing.
        """
        probes: dict[str, Any] = {
            "crm.objects.contacts.read": lambda: self._list(Kind.CONTACT),
            "crm.objects.contacts.write": lambda: self._client.batch_update(_CONTACTS, []),
            "crm.schemas.contacts.write": lambda: self._client.create_properties(_CONTACTS, []),
        }
        if emails:
            probes["sales-email-read"] = lambda: self._list(Kind.EMAIL)
        if companies:
            probes["crm.objects.companies.read"] = lambda: self._list(Kind.COMPANY)
        if deals:
            probes["crm.objects.deals.read"] = lambda: self._list(Kind.DEAL)
        if forms:
            probes["forms"] = lambda: self._client.forms(form_types=("hubspot",))
        missing: dict[str, None] = {}
        for scope, probe in probes.items():
            try:
                probe()
            except Unauthorized as error:
                if error.status == 401:
                    raise
                missing |= dict.fromkeys(error.scopes or (scope,))
            except (Rejected, AnswerLost):
                continue  # no inputs to work on: the scope was there
        return tuple(missing)

    def _list(self, kind: Kind) -> None:
        self._client.list_page(kind.value, properties=("hs_object_id",), limit=1)

    def _create_group(self) -> bool:
        groups = self._client.groups(_CONTACTS).json["results"]
        if any(isinstance(one, dict) and one.get("name") == GROUP for one in groups):
            return False
        try:
            self._client.create_group(_CONTACTS, {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1})
        except Rejected as error:
            if error.status != 409:  # somebody made it a moment ago
                raise
            return False
        return True

    def _refuse_archived(self, names: Sequence[str]) -> None:
        archived = self.definitions(Kind.CONTACT, archived=True)
        found = [name for name in names if name in archived]
        if found:
            raise PortalError(
                f"Archived contact properties keep crmsync's names taken: {', '.join(found)}.",
                next_step="Restore or purge them in HubSpot (Settings > Properties > Archived), then run "
                "`crmsync setup` again.",
            )

    def _create(self, definitions: Sequence[Mapping[str, Any]]) -> None:
        answer = self._client.create_properties(_CONTACTS, definitions).json
        problems = []
        for error in errors_of(answer):
            category, codes, names = problem_words(error)
            problems.append(sentence(category, codes, names))
        there = self.definitions(Kind.CONTACT)
        missing = [one["name"] for one in definitions if one["name"] not in there]
        if missing:
            raise Rejected(
                f"HubSpot did not create {', '.join(missing)}: {'; '.join(problems) or 'it did not say why'}.",
                next_step="Run `crmsync setup` again; it creates only what is missing.",
                properties=missing,
            )
        in_the_way = tuple(_conflicts(there))
        if in_the_way:
            raise _in_the_way(in_the_way)


def _conflicts(there: Mapping[str, PropertyDefinition]) -> list[tuple[str, str]]:
    """Find properties of our names that are not as we make them: somebody else's, or altered."""
    found = []
    for one in OWNED:
        known = there.get(one.name)
        if known is None:
            continue
        if known.type != one.type:
            found.append((one.name, f"it has the type {known.type} instead of {one.type}"))
        elif known.is_read_only:
            found.append((one.name, "HubSpot made it read-only"))
    return found


def _in_the_way(conflicts: Sequence[tuple[str, str]]) -> PortalError:
    said = "; ".join(f"{name}: {why}" for name, why in conflicts)
    return PortalError(
        f"Contact properties with crmsync's names are not crmsync's: {said}.",
        next_step="Rename or delete them in HubSpot, then run `crmsync setup` again. crmsync alters no property.",
    )


def _definition(raw: object) -> PropertyDefinition | None:
    one = raw if isinstance(raw, dict) else {}
    match one:
        case {"name": str() as name, "type": str() as kind}:
            limits = one.get("modificationMetadata")
            is_fixed = isinstance(limits, dict) and limits.get("readOnlyValue") is True
            return PropertyDefinition(
                name, kind if kind.isidentifier() else "?", is_fixed or one.get("calculated") is True
            )
        case _:
            return None
