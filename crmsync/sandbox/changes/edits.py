"""What other people and programs do to the portal from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crmsync.sandbox.changes.associating import connect, cut
from crmsync.sandbox.changes.merging import erase, merge_records
from crmsync.sandbox.state.hubspot_schema import stage_stamps_of
from crmsync.sandbox.state.kinds import BY_NAME
from crmsync.sandbox.state.marketing import Submission
from crmsync.sandbox.state.record import Act, Record, Source
from crmsync.sandbox.state.schema import Option
from crmsync.sandbox.state.stages import STAGE, stage_stamps
from crmsync.sandbox.state.validation import Validator, refusal
from crmsync.sandbox.state.world import World
from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import ApiError, not_found

WORKFLOW = Source("AUTOMATION_PLATFORM", "enrollmentId:9001;actionExecutionIndex:0")
ANALYTICS = Source("ANALYTICS", "WebAnalytics")
BULK_JOB = Source("BATCH_UPDATE", "MarketableContacts")


def person(user_id: int) -> Source:
    """Somebody at the screen."""
    return Source("CRM_UI", f"userId:{user_id}", user_id)


class Edits:
    """
    Outside edits, by ids as texts or numbers. They bypass the API: no limits, no scopes, no forward-only rule,
    since a person at the screen may set a stage backward.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def human(
        self, id_: int | str, values: Mapping[str, str], user_id: int = 9_586_504, kind: str = "contacts"
    ) -> None:
        """A person edits a record in the browser."""
        self.by(person(user_id), id_, values, kind)

    def workflow(self, id_: int | str, values: Mapping[str, str], kind: str = "contacts") -> None:
        self.by(WORKFLOW, id_, values, kind)

    def integration(
        self, id_: int | str, values: Mapping[str, str], app_id: str = "5150", kind: str = "contacts"
    ) -> None:
        """Another app writes, without the rules of the API."""
        self.by(Source("INTEGRATION", app_id), id_, values, kind)

    def by(self, source: Source, id_: int | str, values: Mapping[str, str], kind: str = "contacts") -> None:
        """*Raises* ApiError 400 for a bad value, 404 for an unknown id."""
        with self._world.lock:
            record, at_ms = self.record(id_, kind), self._now()
            schema = self._world.schemas[record.kind.name]
            writable = {
                name: value
                for name, value in values.items()
                if (one := schema.get(name)) and not one.read_only
            }
            read, problems = Validator(record.kind.name, schema, self._world.settings).read(writable, record)
            if problems:
                raise refusal(problems, self._world.account.portal_id)
            read |= {name: value for name, value in values.items() if name not in writable}
            if STAGE in read:
                read |= stage_stamps(record, read[STAGE], schema, at_ms)
            self._world.change(record, read, Act(source, at_ms))

    def raw(self, id_: int | str, values: Mapping[str, str], kind: str = "contacts") -> None:
        """Values put there by an old import, unchecked: how dirty data comes to be."""
        with self._world.lock:
            self._world.change(self.record(id_, kind), values, Act(Source("IMPORT", "import-2"), self._now()))

    def company_stage(self, company_id: int | str, stage: str) -> None:
        """The company's stage changes; its contacts follow a little later."""
        self.human(company_id, {STAGE: stage}, kind="companies")

    def bump(self, id_: int | str, counter: str, by: int = 1) -> None:
        """A counter goes up, or down."""
        with self._world.lock:
            record = self.record(id_, "contacts")
            count = int(float(record.text(counter) or 0)) + by
            self._world.change(record, {counter: str(max(0, count))}, Act(ANALYTICS, self._now()))

    def stamp(self, count: int, kind: str = "contacts") -> int:
        """A job of HubSpot's stamps `count` records with one millisecond; gives that millisecond."""
        with self._world.lock:
            shelf, at_ms = self._world.shelf(self._kind(kind)), self._now()
            name = "hs_marketable_status" if kind == "contacts" else None
            for id_ in shelf.ids[:count]:
                record = shelf.live[id_]
                if name is None:
                    self._world.touch(record, at_ms)
                else:
                    value = "false" if record.text(name) == "true" else "true"
                    self._world.change(record, {name: value}, Act(BULK_JOB, at_ms))
            return at_ms

    def touch(self, id_: int | str, kind: str = "contacts") -> None:
        """The last change moves and no value with it."""
        with self._world.lock:
            self._world.touch(self.record(id_, kind), self._now())

    def merge(self, primary: int | str, other: int | str, kind: str = "contacts") -> str:
        """A person merges two records; gives the new id."""
        with self._world.lock:
            first, second = self.record(primary, kind), self.record(other, kind)
            if first is second:
                raise ApiError(400, f"{primary} and {other} are the same record")
            return str(merge_records(self._world, first, second, self._person()).id)

    def archive(self, id_: int | str, kind: str = "contacts") -> None:
        with self._world.lock:
            self._world.archive(self.record(id_, kind), self._person())

    def restore(self, id_: int | str, kind: str = "contacts") -> None:
        with self._world.lock:
            record = self._world.shelf(self._kind(kind)).archived.get(int(id_))
            if record is None:
                raise not_found(f"no archived {kind} {id_}")
            self._world.restore(record, self._person())

    def erase(self, id_: int | str) -> None:
        """GDPR delete by a person."""
        with self._world.lock:
            erase(self._world, self.record(id_, "contacts"), self._person())

    def create(self, kind: str, values: Mapping[str, str], contacts: Sequence[int | str] = ()) -> str:
        """A new object of any kind, associated with contacts; gives its id. An activity rolls up later."""
        with self._world.lock:
            found, act = self._kind(kind), self._person()
            given = dict(values)
            if stage := given.get(STAGE):
                given |= stage_stamps(None, stage, self._world.schemas[found], act.at_ms)
            record = self._world.create(BY_NAME[found], given, act)
            for contact in contacts:
                connect(self._world, (found, "contacts"), (record.id, self.record(contact).id), [], act)
            return str(record.id)

    def associate(
        self, kind: str, id_: int | str, to: str, other: int | str, *, types: Sequence[int] = ()
    ) -> None:
        """An association; no last change moves, but roll-ups and the primary company follow."""
        with self._world.lock:
            pair, ends = (
                (self._kind(kind), self._kind(to)),
                (self.record(id_, kind).id, self.record(other, to).id),
            )
            connect(self._world, pair, ends, list(types), self._person())

    def dissociate(self, kind: str, id_: int | str, to: str, other: int | str) -> None:
        with self._world.lock:
            pair = (self._kind(kind), self._kind(to))
            cut(self._world, pair, (int(id_), int(other)), self._person())

    def submit(
        self, form: str, email: str, page: str = "https://www.acme.example/", at_ms: int | None = None
    ) -> None:
        """Somebody submits a form, named by id or name; a known contact's conversion properties follow."""
        with self._world.lock:
            found = next(
                (one for one in self._world.marketing.forms.values() if form in (one.id, one.name)), None
            )
            if found is None:
                raise not_found(f"no form {form!r}")
            at_ms = self._now() if at_ms is None else at_ms
            found.submissions.append(Submission(at_ms, email, page))
            found.submissions.sort(key=lambda one: one.at_ms)
            owner = self._world.shelf("contacts").owner_of("email", email)
            record = self._world.shelf("contacts").live.get(owner) if owner is not None else None
            if record is not None:
                self._convert(record, found.name, at_ms)

    def _convert(self, record: Record, form: str, at_ms: int) -> None:
        count = int(float(record.text("num_conversion_events") or 0)) + 1
        values = {"num_conversion_events": str(count), "recent_conversion_date": iso(at_ms),
                  "recent_conversion_event_name": form}  # fmt: skip
        if not record.text("first_conversion_date"):
            values |= {"first_conversion_date": iso(at_ms), "first_conversion_event_name": form}
        self._world.change(record, values, Act(Source("FORM", form), self._now()))

    def add_stage(self, id_: str, label: str, place: int) -> None:
        """An administrator adds a lifecycle stage for contacts and companies; HubSpot gives it a numeric id."""
        with self._world.lock:
            for kind in ("contacts", "companies"):
                schema = self._world.schemas[kind]
                stage = schema.properties[STAGE]
                held = list(stage.options)
                held.insert(place, Option(id_, label, 0))
                schema.put(stage.with_options(replace(one, order=order) for order, one in enumerate(held)))
                for stamp in stage_stamps_of(id_):
                    schema.put(stamp)

    def record(self, id_: int | str, kind: str = "contacts") -> Record:
        """The living record. *Raises* ApiError 404."""
        found = self._world.shelf(self._kind(kind)).find(int(id_))
        if found is None:
            raise not_found(f"no {kind} {id_}")
        return found

    def _kind(self, name: str) -> str:
        if name not in BY_NAME:
            raise ApiError(400, f"unknown kind {name!r}")
        return BY_NAME[name].name

    def _person(self) -> Act:
        return Act(person(9_586_504), self._now())

    def _now(self) -> int:
        return self._world.now_ms()
