"""What the portal does by itself, a little later: stages follow deals and companies, roll-ups follow activities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from crmsync.sandbox.changes.associating import settle_primary
from crmsync.sandbox.state.kinds import ACTIVITY_NAMES
from crmsync.sandbox.state.record import Act, Record, Source
from crmsync.sandbox.state.stages import STAGE, stage_move, stage_stamps
from crmsync.sandbox.state.world import World
from crmsync.sandbox.times import SECOND, iso, read_instant

IN_ORDER = tuple(sorted(ACTIVITY_NAMES))
TALKS = frozenset({"calls", "emails", "meetings", "communications"})
"""Activities that count as having contacted somebody."""


@dataclass(slots=True)
class Pace:
    """
    How late the automation is, and which of it is on.

    Attributes:
        associations_roll_up: whether an association that is added later to an activity moves the contact too.
    """

    stage_ms: int = 2 * SECOND
    roll_up_ms: int = 3 * SECOND
    deals_set_stage: bool = True
    companies_set_stage: bool = True
    rolls_up: bool = True
    associations_roll_up: bool = False


class Automation:
    """A watcher of the world that schedules HubSpot's own writes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.pace = Pace()

    def created(self, record: Record, act: Act, /) -> None:
        if record.kind.name in ACTIVITY_NAMES:
            self._roll_up_contacts_of(record, act.at_ms)
        elif record.kind.name == "deals":
            self.mark_deal(record)

    def changed(self, record: Record, before: Mapping[str, str], act: Act, /) -> None:
        match record.kind.name:
            case "companies" if STAGE in before:
                self._later_company_stage(record.id, act.at_ms)
            case "deals" if "dealstage" in before:
                self.mark_deal(record)
                self._later_deal_stage(record.id, act.at_ms)
            case name if name in ACTIVITY_NAMES and before:
                self._roll_up_contacts_of(record, act.at_ms)

    def gone(self, record: Record, _how: str, act: Act, /) -> None:
        if record.kind.name in ACTIVITY_NAMES:
            self._roll_up_contacts_of(record, act.at_ms)
        elif record.kind.name == "companies":
            for contact in self._world.graph.to("companies", record.id, "contacts"):
                settle_primary(self._world, ("contacts", "companies"), (contact, record.id), act)
        elif record.kind.name == "deals":
            for contact in self._world.graph.to("deals", record.id, "contacts"):
                self._world.later(act.at_ms + self.pace.roll_up_ms, partial(self._count_deals, contact))

    def merged(self, _old: tuple[int, int], into: Record, act: Act, /) -> None:
        if into.kind.name == "contacts":
            self._later_roll_up(into.id, act.at_ms)

    def associated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None:
        (first, second), (one, two) = pair, ids
        if second == "contacts":
            (first, second), (one, two) = (second, first), (two, one)
        if first == "contacts" and second in ACTIVITY_NAMES:
            activity = self._world.shelf(second).live.get(two)
            is_new = activity is not None and activity.created_ms == act.at_ms
            if is_new or self.pace.associations_roll_up:
                self._later_roll_up(one, act.at_ms)
        elif "deals" in pair:
            self._later_deal_stage(two if second == "deals" else one, act.at_ms)

    def dissociated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None:
        if set(pair) == {"contacts", "deals"}:
            contact = ids[pair.index("contacts")]
            self._world.later(act.at_ms + self.pace.roll_up_ms, partial(self._count_deals, contact))

    def mark_deal(self, deal: Record) -> None:
        """What HubSpot computes from a deal's stage, at once."""
        stage = self._world.directory.stage(deal.text("pipeline"), deal.text("dealstage"))
        if stage is not None:
            deal.own["hs_is_closed"] = str(stage.is_closed).lower()
            deal.own["hs_is_closed_won"] = str(stage.is_closed and stage.probability >= 1).lower()
            deal.own["hs_deal_stage_probability"] = str(stage.probability)

    def _later_deal_stage(self, deal_id: int, at_ms: int) -> None:
        if self.pace.deals_set_stage:
            self._world.later(at_ms + self.pace.stage_ms, lambda due_ms: self._follow_deal(deal_id, due_ms))

    def _later_company_stage(self, company_id: int, at_ms: int) -> None:
        if self.pace.companies_set_stage:
            self._world.later(
                at_ms + self.pace.stage_ms, lambda due_ms: self._follow_company(company_id, due_ms)
            )

    def _follow_deal(self, deal_id: int, at_ms: int) -> None:
        """A deal makes its contacts and companies opportunities, a won one customers. Forward only."""
        world = self._world
        deal = world.shelf("deals").live.get(deal_id)
        if deal is None:
            return
        stage = self._world.directory.stage(deal.text("pipeline"), deal.text("dealstage"))
        is_won = stage is not None and stage.is_closed and stage.probability >= 1
        wanted = "customer" if is_won else "opportunity"
        source = Source("DEALS", f"deal:{deal_id}")
        for kind in ("contacts", "companies"):
            for id_ in list(world.graph.to("deals", deal_id, kind)):
                self._set_stage(kind, id_, wanted, Act(source, at_ms))
        for contact in list(world.graph.to("deals", deal_id, "contacts")):
            self._count_deals(contact, at_ms)

    def _count_deals(self, contact_id: int, at_ms: int) -> None:
        record = self._world.shelf("contacts").live.get(contact_id)
        count = str(len(self._world.linked("contacts", contact_id, "deals")))
        if record is not None and record.text("num_associated_deals") != count:
            source = Source("CALCULATED", "RollupProperties")
            self._world.change(record, {"num_associated_deals": count}, Act(source, at_ms))

    def _follow_company(self, company_id: int, at_ms: int) -> None:
        """A company's stage spreads to the contacts whose primary company it is."""
        company = self._world.shelf("companies").live.get(company_id)
        if company is None or not company.text(STAGE):
            return
        source = Source("COMPANIES", f"company:{company_id}")
        for id_ in list(self._world.graph.to("companies", company_id, "contacts")):
            if self._world.graph.primary("contacts", id_, "companies") == company_id:
                self._set_stage("contacts", id_, company.text(STAGE), Act(source, at_ms))

    def _set_stage(self, kind: str, id_: int, wanted: str, act: Act) -> None:
        record, schema = self._world.shelf(kind).live.get(id_), self._world.schemas[kind]
        if record is None or record.text(STAGE) == wanted or wanted not in schema.stages():
            return
        if stage_move(record, wanted, schema, allow_backward=False):
            values = {STAGE: wanted} | stage_stamps(record, wanted, schema, act.at_ms)
            self._world.change(record, values, act)

    def _roll_up_contacts_of(self, activity: Record, at_ms: int) -> None:
        for contact in self._world.graph.to(activity.kind.name, activity.id, "contacts"):
            self._later_roll_up(contact, at_ms)

    def _later_roll_up(self, contact_id: int, at_ms: int) -> None:
        if self.pace.rolls_up:
            self._world.later(at_ms + self.pace.roll_up_ms, lambda due_ms: self.roll_up(contact_id, due_ms))

    def roll_up(self, contact_id: int, at_ms: int) -> None:
        """Count a contact's activities anew; a difference moves the contact's last change."""
        record = self._world.shelf("contacts").live.get(contact_id)
        if record is None:
            return
        wanted = self.summary(contact_id, at_ms)
        changed = {name: value for name, value in wanted.items() if value and record.text(name) != value}
        self._world.change(record, changed, Act(Source("CALCULATED", "RollupProperties"), at_ms))

    def summary(self, contact_id: int, now_ms: int) -> dict[str, str]:
        past: list[int] = []
        future: list[int] = []
        talks: list[int] = []
        for name in IN_ORDER:
            shelf = self._world.shelf(name)
            for id_ in self._world.graph.to("contacts", contact_id, name):
                activity = shelf.live.get(id_)
                at_ms = read_instant(activity.text("hs_timestamp") or "x") if activity is not None else None
                if at_ms is None:
                    continue
                (past if at_ms <= now_ms else future).append(at_ms)
                if name in TALKS and at_ms <= now_ms:
                    talks.append(at_ms)
        return {
            "num_notes": str(len(past) + len(future)),
            "num_contacted_notes": str(len(talks)),
            "notes_last_updated": iso(max(past)) if past else "",
            "hs_last_sales_activity_timestamp": iso(max(past)) if past else "",
            "notes_last_contacted": iso(max(talks)) if talks else "",
            "notes_next_activity_date": iso(min(future)) if future else "",
        }
