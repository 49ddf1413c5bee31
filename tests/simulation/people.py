"""What everybody else does to the portal: people, workflows, companies, visitors, HubSpot's own jobs."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from crmsync.sandbox import Portal
from crmsync.sandbox.state.record import Record, Source
from crmsync.sandbox.times import DAY, iso
from crmsync.sandbox.wire import ApiError

STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
)
TITLES = ("VP Sales", "Head of IT", "CTO", "Sales Director", "student", "Office Manager", "")
INDUSTRIES = ("SOFTWARE", "FINANCE", "RETAIL", "")
ACTIVITIES = ("meetings", "meetings", "calls", "emails", "notes")
OTHER_APP = Source("INTEGRATION", "5550123")


@dataclass(slots=True)
class People:
    """
    Attributes:
        done: how often each thing happened.
        reversing: contacts whose stage another app keeps setting back.
    """

    portal: Portal
    rng: random.Random
    done: dict[str, int] = field(default_factory=dict)
    reversing: set[int] = field(default_factory=set)

    def act(self) -> None:
        """Do one thing; what the portal refuses is not done. What was due before has happened before."""
        self.portal.world.settle(self.portal.world.now_ms())
        choice: Callable[[], None] = self.rng.choices(*zip(*self._choices(), strict=True))[0]
        name = choice.__name__.lstrip("_")
        try:
            choice()
        except (ApiError, IndexError):
            name += " (refused)"
        self.done[name] = self.done.get(name, 0) + 1

    def _choices(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self._person_sets_stage, 6),
            (self._person_sets_back, 3),
            (self._person_clears_stage, 1),
            (self._person_edits_title, 10),
            (self._person_edits_ours, 3),
            (self._workflow_sets_stage, 3),
            (self._other_app_sets_stage, 2),
            (self._company_stage, 2),
            (self._company_industry, 4),
            (self._engagement, 14),
            (self._unlinked_engagement, 4),
            (self._late_association, 6),
            (self._association_cut, 3),
            (self._engagement_changes, 4),
            (self._engagement_archived, 2),
            (self._form, 8),
            (self._counter_up, 8),
            (self._counter_down, 3),
            (self._deal, 3),
            (self._deal_moves, 3),
            (self._new_contact, 5),
            (self._archive, 2),
            (self._restore, 2),
            (self._merge, 2),
            (self._erase, 1),
            (self._bulk_stamp, 1),
            (self._email_changes, 2),
            (self._employed_elsewhere, 3),
            (self._touch, 2),
        ]

    # --- stages and properties -----------------------------------------------------------------------------

    def _person_sets_stage(self) -> None:
        self.portal.edits.human(self._contact().id, {"lifecyclestage": self.rng.choice(STAGES)})

    def _person_sets_back(self) -> None:
        moved = [one for one in self._contacts() if one.text("crmsync_stage_changed_at")]
        self.portal.edits.human(self.rng.choice(moved).id, {"lifecyclestage": "lead"})

    def _person_clears_stage(self) -> None:
        self.portal.edits.human(self._contact().id, {"lifecyclestage": ""})

    def _person_edits_title(self) -> None:
        self.portal.edits.human(self._contact().id, {"jobtitle": self.rng.choice(TITLES)})

    def _person_edits_ours(self) -> None:
        name = self.rng.choice(("crmsync_fit", "crmsync_engagement", "crmsync_grade", "crmsync_outcome"))
        value = "7" if name in {"crmsync_fit", "crmsync_engagement"} else "mine"
        self.portal.edits.human(self._contact().id, {name: self.rng.choice((value, ""))})

    def _workflow_sets_stage(self) -> None:
        self.portal.edits.workflow(self._contact().id, {"lifecyclestage": self.rng.choice(STAGES[:4])})

    def _other_app_sets_stage(self) -> None:
        self.reversing.add(self._contact().id)
        self.set_back()

    def set_back(self) -> None:
        """The other app wants its contacts to be leads."""
        self.portal.world.settle(self.portal.world.now_ms())
        for contact in sorted(self.reversing):
            record = self.portal.world.shelf("contacts").live.get(contact)
            if record is not None and record.text("lifecyclestage") != "lead":
                self.portal.edits.by(OTHER_APP, contact, {"lifecyclestage": "lead"})

    def _company_stage(self) -> None:
        self.portal.edits.company_stage(self._any("companies").id, self.rng.choice(STAGES[1:6]))

    def _company_industry(self) -> None:
        self.portal.edits.human(
            self._any("companies").id, {"industry": self.rng.choice(INDUSTRIES)}, kind="companies"
        )

    # --- engagements, forms, counters ----------------------------------------------------------------------

    def _engagement(self) -> None:
        self._create(self.rng.choice(ACTIVITIES), [self._contact().id])

    def _unlinked_engagement(self) -> None:
        self._create("meetings", [])

    def _late_association(self) -> None:
        recent = self.portal.world.shelf("meetings").ids[-12:]
        self.portal.edits.associate("meetings", self.rng.choice(recent), "contacts", self._contact().id)

    def _association_cut(self) -> None:
        meeting = self.rng.choice(self.portal.world.shelf("meetings").ids[-12:])
        contacts = self.portal.world.linked("meetings", meeting, "contacts")
        self.portal.edits.dissociate("meetings", meeting, "contacts", self.rng.choice(contacts))

    def _engagement_changes(self) -> None:
        outcome = self.rng.choice(("COMPLETED", "NO_SHOW", "CANCELED"))
        self.portal.edits.human(self._any("meetings").id, {"hs_meeting_outcome": outcome}, kind="meetings")

    def _engagement_archived(self) -> None:
        kind = self.rng.choice(ACTIVITIES)
        self.portal.edits.archive(self._any(kind).id, kind)

    def _form(self) -> None:
        email = self._contact().text("email") or "nobody@else.example"
        email = self.rng.choice((email, email.upper(), "stranger@else.example"))
        self.portal.edits.submit(self.rng.choice(("Book a demo", "Newsletter")), email)

    def _counter_up(self) -> None:
        self.portal.edits.bump(self._contact().id, "hs_email_open", self.rng.randint(1, 3))

    def _counter_down(self) -> None:
        self.portal.edits.bump(self._contact().id, "hs_email_open", -self.rng.randint(1, 30))

    def _create(self, kind: str, contacts: list[int]) -> str:
        at_ms = self.portal.world.now_ms() - self.rng.randrange(2 * DAY)
        values = {"hs_timestamp": iso(at_ms)}
        if kind == "meetings":
            values |= {"hs_meeting_outcome": "COMPLETED", "hs_meeting_start_time": iso(at_ms)}
        elif kind == "calls":
            values |= {"hs_call_direction": self.rng.choice(("INBOUND", "OUTBOUND"))}
        return self.portal.edits.create(kind, values, contacts)

    # --- deals, companies ----------------------------------------------------------------------------------

    def _deal(self) -> None:
        values = {
            "dealname": "A deal",
            "pipeline": "default",
            "dealstage": "appointmentscheduled",
            "amount": "9000",
        }
        self.portal.edits.create("deals", values, [self._contact().id])

    def _deal_moves(self) -> None:
        stage = self.rng.choice(("closedwon", "closedlost", "contractsent"))
        self.portal.edits.human(self._any("deals").id, {"dealstage": stage}, kind="deals")

    def _employed_elsewhere(self) -> None:
        contact, company = self._contact().id, self._any("companies").id
        held = self.portal.world.linked("contacts", contact, "companies")
        if held and self.rng.random() < 0.5:
            self.portal.edits.dissociate("contacts", contact, "companies", held[0])
        else:
            self.portal.edits.associate("contacts", contact, "companies", company)

    # --- contacts come and go ------------------------------------------------------------------------------

    def _new_contact(self) -> None:
        email = f"new.{self.rng.randrange(10**9)}@mail.example"
        stage = self.rng.choice(("", "subscriber", "lead", "marketingqualifiedlead"))
        values = {"email": email, "jobtitle": self.rng.choice(TITLES), "lifecyclestage": stage}
        contact = self.portal.edits.create("contacts", values)
        if self.rng.random() < 0.5:
            self.portal.edits.associate("contacts", contact, "companies", self._any("companies").id)

    def _archive(self) -> None:
        self.portal.edits.archive(self._contact().id)

    def _restore(self) -> None:
        self.portal.edits.restore(self.rng.choice(self.portal.world.shelf("contacts").archived_ids))

    def _merge(self) -> None:
        one, other = self._contact().id, self._contact().id
        if one != other:
            self.portal.edits.merge(one, other)

    def _erase(self) -> None:
        self.portal.edits.erase(self._contact().id)

    def _email_changes(self) -> None:
        contact = self._contact()
        self.portal.edits.human(contact.id, {"email": f"moved.{self.rng.randrange(10**9)}@mail.example"})

    def _bulk_stamp(self) -> None:
        self.portal.edits.stamp(self.rng.choice((5, 250)), self.rng.choice(("contacts", "meetings")))

    def _touch(self) -> None:
        self.portal.edits.touch(self._contact().id)

    # --- who -----------------------------------------------------------------------------------------------

    def _contacts(self) -> list[Record]:
        return [
            self.portal.world.shelf("contacts").live[id_] for id_ in self.portal.world.shelf("contacts").ids
        ]

    def _contact(self) -> Record:
        return self._any("contacts")

    def _any(self, kind: str) -> Record:
        shelf = self.portal.world.shelf(kind)
        recent = shelf.ids[-8:] if self.rng.random() < 0.2 else shelf.ids
        return shelf.live[self.rng.choice(recent)]
