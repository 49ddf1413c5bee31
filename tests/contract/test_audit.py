"""The audit trail, on SQLite and on PostgreSQL: G1, G2, G10."""

import csv
import hashlib
import io
import json
from datetime import timedelta, timezone
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from crmsync.errors import StoreError
from crmsync.model import (
    STAGE,
    ContactId,
    DefinitionRef,
    Draft,
    Gone,
    Intake,
    Kind,
    Outcome,
    PlanId,
    Result,
    RunId,
)
from crmsync.store import Store
from crmsync.store.audit.export import csv_lines, json_lines
from crmsync.store.audit.reading import AuditFilter
from crmsync.store.canonical import canonical
from tests.stores import (
    DEFINITION,
    NOON,
    RUN,
    Clock,
    a_change,
    a_contact,
    a_plan,
    an_intent_draft,
    applied,
    due_ids,
    failed,
    intend,
    known,
    take,
)

FINDING = Draft("finding", RUN, "contact", "101", reason={"fact": "employees", "problem": "not a number"})


def recomputed(entry: dict[str, Any]) -> str:
    """The hash as docs/audit.md defines it, by Python's json alone."""
    bound = {k: v for k, v in entry.items() if k not in {"hash", "before", "after", "reason"}}
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_empty_trail_verifies(store: Store) -> None:
    assert store.trail.verify().entries == 0
    assert store.trail.head().hash == "0" * 64


def test_entries_are_numbered_and_chained(store: Store) -> None:
    assert store.trail.append([FINDING, an_intent_draft()]) == (1, 2)
    assert store.trail.append([]) == ()
    assert store.trail.append([Draft("run.finished", RUN)]) == (3,)

    entries = list(store.trail.export())
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert [entry["prev"] for entry in entries] == ["0" * 64, entries[0]["hash"], entries[1]["hash"]]
    assert [entry["hash"] for entry in entries] == [recomputed(entry) for entry in entries]
    assert store.trail.head().hash == entries[2]["hash"]


def test_an_entry_has_the_fields_of_the_architecture(store: Store, clock: Clock) -> None:
    clock.forward(microseconds=123_999)
    store.trail.append([an_intent_draft(before=None, reason={"b": 1.5, "a": {"ü": None}})])

    (entry,) = store.trail.export()
    assert list(entry) == [
        "seq", "at", "kind", "run", "portal", "object", "id", "property", "before", "after", "of", "cause",
        "definition", "reason", "actor", "values_digest", "prev", "hash",
    ]  # fmt: skip
    assert entry | {"values_digest": "", "hash": ""} == {
        "seq": 1,
        "at": "2026-11-22T12:00:00.123Z",
        "kind": "change.intended",
        "run": "r-1",
        "portal": "148001",
        "object": "contact",
        "id": "101",
        "property": STAGE,
        "before": None,
        "after": "marketingqualifiedlead",
        "of": None,
        "cause": "promoted",
        "definition": {"id": "b2b", "version": "1", "sha256": "ab" * 32},
        "reason": {"b": 1.5, "a": {"ü": None}},
        "actor": "crmsync",
        "values_digest": "",
        "prev": "0" * 64,
        "hash": "",
    }


def test_the_values_are_bound_by_the_salt_of_the_contact(store: Store) -> None:
    store.trail.append([an_intent_draft(reason={"score": 71.0})])

    (entry,) = store.trail.export()
    values = {name: entry[name] for name in ("before", "after", "reason")}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    salt = (0).to_bytes(16, "big")  # the first that tests.stores.Salts gives
    assert entry["values_digest"] == hashlib.sha256(salt + text.encode()).hexdigest()


def test_two_contacts_with_the_same_values_cannot_be_told_to_have_them(store: Store) -> None:
    store.trail.append([an_intent_draft("101"), an_intent_draft("102"), an_intent_draft("101")])

    digests = [entry["values_digest"] for entry in store.trail.export()]
    assert digests[0] == digests[2] != digests[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_is_what_pythons_json_writes(value: object) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == expected.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("number", [1e16, 1e-5, 1e-7, 5e-324, 1.5, 100.0, -0.0, 123456789012345680.0])
def test_a_reason_survives_being_exported_and_written_again(number: float) -> None:
    text = canonical({"points": number})
    assert json.dumps(json.loads(orjson.dumps(orjson.loads(text))), separators=(",", ":")) == text


def test_g10_the_database_refuses_update_and_delete(store: Store) -> None:
    store.trail.append([FINDING, FINDING])
    for statement in (
        "UPDATE audit SET after = 'customer'",
        "UPDATE audit SET before = NULL, after = NULL, reason = NULL",
        "UPDATE audit SET hash = hash WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit",
    ):
        with pytest.raises(StoreError), store.database.write() as conn:
            conn.execute(sa.text(statement))

    assert store.trail.verify().entries == 2


def test_g10_sqlite_refuses_replacing_an_entry(sqlite_url: str, clock: Clock) -> None:
    from crmsync.store import open_store

    store = open_store(sqlite_url, portal="1", now=clock)
    store.trail.append([FINDING, FINDING])
    with pytest.raises(StoreError), store.database.write() as conn:
        conn.execute(sa.text("INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1"))

    assert store.trail.verify().entries == 2
    store.close()


@pytest.mark.postgres
def test_g10_postgresql_refuses_truncating_the_trail(postgres_url: str, clock: Clock) -> None:
    from crmsync.store import open_store

    store = open_store(postgres_url, portal="1", now=clock)
    store.trail.append([FINDING])
    with pytest.raises(StoreError), store.database.write() as conn:
        conn.execute(sa.text("TRUNCATE audit"))

    assert store.trail.verify().entries == 1
    store.close()


# --- intents and outcomes -----------------------------------------------------------------------------------


def test_g1_an_intent_is_open_until_it_has_an_outcome(store: Store) -> None:
    take(store, a_contact())
    first, second = intend(store, an_intent_draft(), an_intent_draft(property_name="crmsync_fit", after="40"))
    store.trail.settle([applied(first), Outcome(second, Result.OPEN)], RUN)

    assert [intent.seq for intent in store.trail.open_intents()] == [second.seq]
    assert second.change.reason == {"score": 71.5}
    assert (second.definition, second.run, second.at) == (DEFINITION, RUN, NOON)


def test_open_intents_come_oldest_first_however_many(store: Store) -> None:
    store.trail.append([an_intent_draft(str(n)) for n in range(1_203)])

    assert [intent.seq for intent in store.trail.open_intents()] == list(range(1, 1_204))


def test_g2_an_outcome_names_its_intent_and_why(store: Store) -> None:
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([Outcome(intent, Result.FAILED, "the portal ignored it", shown="lead")], RunId("r-2"))

    outcome = store.trail.outcome_of(intent.seq)
    assert outcome is not None
    assert (outcome.draft.kind, outcome.draft.of, outcome.draft.run) == ("change.failed", intent.seq, "r-2")
    assert outcome.draft.reason == {"problem": "the portal ignored it", "shown": "lead"}
    assert (outcome.draft.before, outcome.draft.after, outcome.draft.cause) == (
        "lead",
        "marketingqualifiedlead",
        "promoted",
    )
    assert outcome.draft.definition == DEFINITION


def test_an_intent_has_one_outcome_even_when_it_is_settled_twice(store: Store) -> None:
    take(store, a_contact())
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([applied(intent), applied(intent)], RUN)
    store.trail.settle([failed(intent)], RUN)

    assert [entry["kind"] for entry in store.trail.export()] == ["change.intended", "change.applied"]


def test_the_mirror_shows_what_was_applied(store: Store, clock: Clock) -> None:
    take(store, a_contact(crmsync_grade="B2", stage_entered_at=NOON - timedelta(days=9)))
    intents = intend(
        store,
        an_intent_draft(),
        an_intent_draft(property_name="crmsync_fit", before=None, after="40"),
        an_intent_draft(property_name="crmsync_grade", before="B2", after=""),
        an_intent_draft(property_name="crmsync_track", before=None, after="sales"),
    )
    clock.forward(hours=3)  # a clock of ours that is wrong enters no stage
    store.trail.settle([*map(applied, intents[:3]), failed(intents[3])], RUN)

    mirrored = known(store)
    assert mirrored.shown == {STAGE: "marketingqualifiedlead", "crmsync_fit": "40", "crmsync_grade": None}
    assert mirrored.contact.properties[STAGE] == "marketingqualifiedlead"
    assert mirrored.contact.stage_entered_at == intents[0].at
    assert mirrored.stage_version is not None
    assert mirrored.stage_version.is_ours
    assert store.mirror.stages() == {"marketingqualifiedlead": 1}


def test_a_score_alone_does_not_enter_a_stage(store: Store) -> None:
    entered = NOON - timedelta(days=9)
    take(store, a_contact(stage_entered_at=entered))
    store.trail.settle(
        [*map(applied, intend(store, an_intent_draft(property_name="crmsync_fit", after="4")))], RUN
    )

    assert known(store).contact.stage_entered_at == entered


def test_the_portals_own_spelling_of_a_value_is_what_the_mirror_shows(store: Store) -> None:
    take(store, a_contact())
    (intent,) = intend(store, an_intent_draft(property_name="crmsync_fit", before=None, after="40"))
    store.trail.settle([applied(intent, shown="40.0")], RUN)

    assert known(store).shown["crmsync_fit"] == "40.0"


def test_a_write_that_landed_on_the_merged_contact_shows_there(store: Store) -> None:
    take(store, a_contact("101"), a_contact("201"))
    (intent,) = intend(store, an_intent_draft("101"))
    store.trail.settle([applied(intent, contact="201")], RUN)

    assert known(store, "201").shown[STAGE] == "marketingqualifiedlead"
    assert known(store, "101").shown[STAGE] == "lead"


def test_a_contact_is_no_longer_due_when_nothing_of_it_waits(store: Store) -> None:
    ids = ("1", "2", "3", "4", "5")
    take(store, *map(a_contact, ids), due=[(Kind.CONTACT, id_) for id_ in ids])
    drafts = [an_intent_draft(id_, property_name=name) for id_ in ids[:4] for name in (STAGE, "crmsync_fit")]
    one, one_b, two, two_b, three, three_b, four, _ = intend(store, *drafts)
    abandoned = Outcome(three, Result.ABANDONED, "somebody changed it")
    store.trail.settle([*map(applied, (one, one_b, two, four)), failed(two_b), abandoned], RUN)
    store.trail.settle([applied(three_b)], RUN)

    # 1 was applied, 2 is refused by the portal and set aside, 3 was abandoned, 4 is half open, 5 was not written
    assert due_ids(store) == ["3", "4", "5"]


@pytest.mark.parametrize(
    ("is_cleared", "still_due"),
    [
        pytest.param(True, ["101"], id="cleared and then not set: half-way, try again"),
        pytest.param(False, [], id="not even cleared: refused whole, set aside"),
    ],
)
def test_a_move_backward_that_was_refused_is_tried_again_only_half_way(
    store: Store, is_cleared: bool, still_due: list[str]
) -> None:
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])
    second = an_intent_draft(after="subscriber", before=None, reason={"step": 1})
    clear, set_after = intend(store, an_intent_draft(after=""), second)
    store.trail.settle([applied(clear) if is_cleared else failed(clear)], RUN)
    store.trail.settle([failed(set_after)], RUN)

    assert due_ids(store) == still_due


def test_what_an_earlier_run_abandoned_does_not_keep_a_contact_due(store: Store) -> None:
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])
    (early,) = intend(store, an_intent_draft(run=RunId("r-0")))
    store.trail.settle([Outcome(early, Result.ABANDONED, "somebody changed it")], RunId("r-0"))
    (late,) = intend(store, an_intent_draft())
    store.trail.settle([applied(late)], RUN)

    assert due_ids(store) == []


@pytest.mark.parametrize(
    ("plan", "still_due"),
    [
        pytest.param("p-1", [], id="evaluated for this plan"),
        pytest.param("revert-1", ["101"], id="a revert evaluated nothing"),
    ],
)
def test_g7_an_applied_plan_settles_only_what_was_evaluated_for_it(
    store: Store, plan: str, still_due: list[str]
) -> None:
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])
    store.plans.begin(a_plan(plan))
    store.plans.add(PlanId(plan), [a_change()])
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([applied(intent)], RUN)

    assert due_ids(store) == still_due


def test_g7_news_that_came_after_the_plan_keeps_a_contact_due(store: Store, clock: Clock) -> None:
    take(store, a_contact(), due=[(Kind.CONTACT, "101")])
    store.plans.begin(a_plan())
    store.plans.add(PlanId("p-1"), [a_change()])
    clock.forward(minutes=1)
    take(store, a_contact(jobtitle="CTO"), due=[(Kind.CONTACT, "101")])
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([applied(intent)], RUN)

    assert due_ids(store) == ["101"]


# --- reading ------------------------------------------------------------------------------------------------


def kinds(store: Store, where: AuditFilter) -> list[str]:
    return [entry.draft.kind for entry in store.trail.entries(where)]


@pytest.fixture
def told(store: Store, clock: Clock) -> Store:
    """A trail with one of most things in it, an hour apart."""
    take(store, a_contact("101"))
    other = DefinitionRef("b2b", "2", "cd" * 32)
    for draft in (
        Draft("run.started", RUN),
        an_intent_draft(),
        Draft("change.foreign", None, "contact", "101", STAGE, "lead", "customer", actor="CRM_UI userId:7"),
        Draft("definition.activated", definition=other),
        Draft("finding", RunId("r-2"), "contact", "102", cause="unreadable", definition=other),
        Draft("run.finished", RUN),
    ):
        store.trail.append([draft])
        clock.forward(hours=1)
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (AuditFilter(contact=ContactId("101")), ["change.foreign", "change.intended"]),
        (AuditFilter(kind="run.started"), ["run.started"]),
        (AuditFilter(kind="change.intended"), ["change.intended"]),
        (AuditFilter(kind="run."), ["run.finished", "run.started"]),
        (AuditFilter(kind="no such kind"), []),
        (AuditFilter(cause="unreadable"), ["finding"]),
        (AuditFilter(property=STAGE, actor="crmsync"), ["change.intended"]),
        (AuditFilter(actor="CRM_UI userId:7"), ["change.foreign"]),
        (AuditFilter(definition="2"), ["finding", "definition.activated"]),
        (AuditFilter(definition="ab" * 32), ["change.intended"]),
        (AuditFilter(definition="unknown"), []),
        (AuditFilter(run=RUN, kind="change."), ["change.intended"]),
        (AuditFilter(since=NOON + timedelta(hours=4)), ["run.finished", "finding"]),
        (AuditFilter(until=NOON + timedelta(hours=1)), ["run.started"]),
        (AuditFilter(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=2)), ["change.intended"]),
        (AuditFilter(since=NOON + timedelta(days=9)), []),
        (AuditFilter(cause="'; DROP TABLE audit; --"), []),
    ],
)
def test_a_filter_lets_through_what_it_says(told: Store, where: AuditFilter, expected: list[str]) -> None:
    assert kinds(told, where) == expected
    assert [entry["kind"] for entry in told.trail.export(where)] == expected[::-1]


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_filter_that_most_entries_pass_reads_only_the_newest_on_postgresql(store: Store) -> None:
    for _ in range(6):
        store.trail.append([Draft("finding", RUN, property=STAGE, cause="unreadable")] * 1_000)
    with store.database.write() as conn:
        conn.exec_driver_sql("ANALYZE audit")
    before = _entries_read_one_by_one(store)

    store.trail.entries(AuditFilter(kind="finding", property=STAGE, cause="unreadable"), limit=100)

    assert _entries_read_one_by_one(store) == before


def _entries_read_one_by_one(store: Store) -> int:
    """Return how many entries were read without an index, as PostgreSQL counts for its one connection here."""
    with store.database.read() as conn:
        conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    with store.database.read() as conn:
        count = conn.scalar(sa.text("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'audit'"))
    return int(count)


def test_a_clock_that_went_back_hides_no_entry(told: Store, clock: Clock) -> None:
    clock.now = NOON + timedelta(hours=1, minutes=5)
    told.trail.append([Draft("finding", cause="late")])
    window = AuditFilter(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=2))

    assert kinds(told, window) == ["finding", "change.intended"]


def test_pages_go_both_ways(store: Store) -> None:
    store.trail.append([FINDING] * 7)
    page = store.trail.entries(before=6, limit=3)
    newer = store.trail.entries(after=3, limit=2)

    assert [entry.seq for entry in page] == [5, 4, 3]
    assert [entry.seq for entry in newer] == [5, 4]
    assert store.trail.entry(7) == store.trail.entries(limit=1)[0]
    assert store.trail.entry(8) is None


def test_the_entries_of_merged_contacts_belong_together(store: Store) -> None:
    take(store, a_contact("101"), a_contact("102"))
    store.trail.append([an_intent_draft("101"), an_intent_draft("102"), an_intent_draft("103")])
    store.mirror.take(Intake(gone=(Gone(Kind.CONTACT, "101", into="102"),)))

    for contact in ("101", "102"):
        entries = store.trail.entries(AuditFilter(contact=ContactId(contact)))
        assert [entry.draft.id for entry in entries] == ["102", "101"]


def test_runs_are_listed_with_what_they_did(told: Store) -> None:
    (line,) = told.trail.runs()

    assert (line.id, line.started.draft.kind) == (RUN, "run.started")
    assert line.finished is not None
    assert line.kinds == {"change.intended": 1, "run.finished": 1, "run.started": 1}
    assert told.trail.run(RUN) == line
    assert told.trail.run(RunId("r-9")) is None
    assert told.trail.runs(before=line.started.seq) == ()


def test_counts_are_by_day_of_the_zone_asked_for(store: Store, clock: Clock) -> None:
    take(store, a_contact())
    for _ in range(2):
        (intent,) = intend(store, an_intent_draft())
        store.trail.settle([applied(intent)], RUN)
        clock.forward(hours=11)
    day = timezone(timedelta(hours=2))

    counts = store.trail.counts(NOON, NOON + timedelta(days=2), day)
    (first, *_) = store.trail.counts(NOON, NOON + timedelta(minutes=1))
    applied_counts = [(str(c.day), c.count) for c in counts if c.kind == "change.applied"]
    assert applied_counts == [("2026-11-22", 1), ("2026-11-23", 1)]
    assert (first.before, first.after, first.count) == ("lead", "marketingqualifiedlead", 1)


def test_the_hour_that_has_just_begun_is_counted_and_the_next_one_not(store: Store) -> None:
    take(store, a_contact())
    (intent,) = intend(store, an_intent_draft())
    store.trail.settle([applied(intent)], RUN)

    assert store.trail.counts(NOON - timedelta(hours=1), NOON) == ()
    assert {one.kind for one in store.trail.counts(NOON, NOON + timedelta(seconds=1))} >= {"change.applied"}
    assert store.trail.counts(NOON, NOON + timedelta(days=1), only="crmsync_fit") == ()


def test_foreign_changes_are_counted_by_who_and_what(told: Store, clock: Clock) -> None:
    (one,) = told.trail.foreign(NOON - timedelta(days=9), clock.now + timedelta(days=9))

    assert (one.actor, one.count) == ("CRM_UI userId:7", 1)
    assert told.trail.foreign(NOON - timedelta(days=9), NOON - timedelta(days=8)) == ()


def test_filters_offer_what_the_trail_has(told: Store) -> None:
    assert told.trail.choices("cause") == ("promoted", "unreadable")
    assert told.trail.choices("actor") == ("CRM_UI userId:7",)
    assert [json.loads(text)["version"] for text in told.trail.choices("definition")] == ["1", "2"]


def test_exports_are_json_lines_and_csv(told: Store) -> None:
    told.trail.append(
        [Draft("change.foreign", object="contact", id="9", before="=HYPERLINK()", after="-1.5")]
    )
    lines = b"".join(json_lines(told.trail.export())).splitlines()
    table = list(csv.DictReader(io.StringIO("".join(csv_lines(told.trail.export())))))

    assert [json.loads(line) for line in lines] == list(told.trail.export())
    assert [row["seq"] for row in table] == [str(n) for n in range(1, 8)]
    assert (table[-1]["before"], table[-1]["after"]) == ("'=HYPERLINK()", "-1.5")
    assert json.loads(table[1]["reason"]) == {"score": 71.5}


def test_definitions_are_kept_by_hash_and_found_by_when_they_decided(store: Store, clock: Clock) -> None:
    newer = DefinitionRef("b2b", "2", "cd" * 32)
    store.definitions.keep(DEFINITION, "first")
    store.trail.append([Draft("definition.activated", definition=DEFINITION)])
    activated_at = clock.forward(days=1)
    store.definitions.keep(newer, "second")
    store.trail.append([Draft("definition.activated", definition=newer)])
    store.definitions.keep(DEFINITION, "first, signed")

    kept = store.definitions.get("ab" * 5)
    assert kept is not None
    assert (kept.ref, kept.text, kept.loaded_at) == (DEFINITION, "first, signed", NOON)
    assert store.definitions.active_at() == newer
    assert store.definitions.active_at(NOON + timedelta(hours=1)) == DEFINITION
    assert store.definitions.active_at(activated_at) == newer
    assert store.definitions.active_at(NOON - timedelta(hours=1)) is None
    assert store.definitions.get("zz") is None
    assert store.definitions.get("") is None


def test_a_definition_that_comes_back_into_force_has_two_spans(store: Store, clock: Clock) -> None:
    newer = DefinitionRef("b2b", "2", "cd" * 32)
    expected = []
    for one in (DEFINITION, newer, DEFINITION):
        expected.append((one, clock.forward(days=1)))
        store.trail.append([Draft("definition.activated", definition=one)])

    assert [(one.ref, one.at) for one in store.definitions.activations()] == expected[::-1]
