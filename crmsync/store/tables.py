"""
The tables, as the newest migration leaves them.

Instants are whole microseconds since 1970 (UTC) but for `audit.at`, which is the text that is hashed. Texts that hold
JSON are written by orjson and read back whole; nothing is searched inside them.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

Row: TypeAlias = Mapping[Any, Any]  # one row by column name, from a query or on its way into a table

NUMBER_OF_OTHER_IDS = 2**63 - 1  # ids that are not numbers sort behind those that are

metadata = sa.MetaData()

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("migrated_at", sa.BigInteger, nullable=False),
)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

# --- the mirror -------------------------------------------------------------------------------------------------

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),  # the id as a number: the order of slices
    sa.Column("modified_at", sa.BigInteger, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),  # kinds whose associations were asked for, comma-separated
    sa.Column("stage", sa.Text),
    sa.Column("stage_entered_at", sa.BigInteger),
    sa.Column("stage_version", sa.Text),
    sa.Column("gone", sa.Boolean, nullable=False),
    sa.Column("due", sa.Boolean, nullable=False),
    sa.Column("sweep", sa.Integer),
    sa.Column("due_at", sa.BigInteger),  # when news made it due last
    sa.Column(
        "planned_at", sa.BigInteger
    ),  # when its changes were planned last; 0: planned without an evaluation
    sa.Column("evaluated_at", sa.BigInteger),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False),
    sa.Index("contacts_in_order", "number", "id"),
    # not (gone, stage): SQLite would take that index, and every living contact, for a hundred ids that are not gone
    sa.Index("contacts_by_stage", "stage", "gone"),
    sa.Index(
        "contacts_due", "number", "id", sqlite_where=sa.text("due = 1"), postgresql_where=sa.text("due")
    ),
)

snapshots = sa.Table(  # companies, deals, engagements
    "snapshots",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("modified_at", sa.BigInteger, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),
    sa.Column("event", sa.Text),
    sa.Column("deal", sa.Text),
    sa.Column("gone", sa.Boolean, nullable=False),
    sa.Column("sweep", sa.Integer),
    sqlite_with_rowid=False,
)

associations = sa.Table(
    "associations",
    metadata,
    sa.Column("contact", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("other", sa.Text, primary_key=True),
    sa.Column("is_primary", sa.Boolean, nullable=False),
    sa.Index("associations_by_other", "other", "kind"),
    sqlite_with_rowid=False,
)

emails = sa.Table(
    "emails",
    metadata,
    sa.Column("email", sa.Text, primary_key=True),
    sa.Column("contact", sa.Text, primary_key=True),
    sa.Index("emails_by_contact", "contact"),
    sqlite_with_rowid=False,
)

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("form_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("page", sa.Text),
    sa.Index("submissions_by_email", "email"),
    sqlite_with_rowid=False,
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("contact", sa.Text, nullable=False),
    sa.Column("property", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Index("signals_by_contact", "contact"),
)

merges = sa.Table(
    "merges",
    metadata,
    sa.Column("contact", sa.Text, primary_key=True),
    sa.Column("into", sa.Text, nullable=False),
    sa.Index("merges_by_into", "into"),
    sqlite_with_rowid=False,
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("until", sa.BigInteger),
    sa.Column("after", sa.Text),
    sa.Column("sweep", sa.Integer, nullable=False),
    sa.Column("sweep_started_at", sa.BigInteger),
    sqlite_with_rowid=False,
)

# What was true of a contact, company, deal or a contact's associations until we saw it change: append-only.
# The value at an instant is the row with the smallest `until` after it, else what the mirror holds now.
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("versions_by_id", "id", "subject", "until"),
)

# --- the audit trail --------------------------------------------------------------------------------------------

OTHERS = "actor <> 'crmsync'"

audit = sa.Table(
    "audit",
    metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("run", sa.Text),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("object", sa.Text),
    sa.Column("id", sa.Text),
    sa.Column("property", sa.Text),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("of", sa.BigInteger),
    sa.Column("cause", sa.Text),
    sa.Column("definition", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("values_digest", sa.Text, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("audit_by_contact", "id", "seq"),
    sa.Index("audit_by_run", "run", "seq"),
    sa.Index("audit_by_at", "at"),
    sa.Index("audit_by_sort", "kind", "cause", "property", "seq"),
    # what most entries have needs no index: walking back from the newest finds it at once
    sa.Index(
        "audit_by_others", "actor", "seq", sqlite_where=sa.text(OTHERS), postgresql_where=sa.text(OTHERS)
    ),
)

audit_tallies = (
    sa.Table(  # how many entries an hour, kept while appending: an overview never counts a million rows
        "audit_tallies",
        metadata,
        sa.Column("hour", sa.Text, primary_key=True),  # 2026-11-22T12, UTC
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),  # "" stands for none, here and in the next three
        sa.Column("property", sa.Text, primary_key=True),
        sa.Column("before", sa.Text, primary_key=True),  # before and after: of the lifecycle stage only
        sa.Column("after", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
)

audit_totals = (
    sa.Table(  # how many entries of each sort there are: tells a filter what leads to them quickest
        "audit_totals",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("property", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
)

run_tallies = sa.Table(
    "run_tallies",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Index("run_tallies_by_kind", "kind", "last_seq"),
    sqlite_with_rowid=False,
)

definition_spans = sa.Table(  # between which entries a definition decided
    "definition_spans",
    metadata,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

salts = sa.Table(
    "salts",
    metadata,
    sa.Column("contact", sa.Text, primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

open_intents = sa.Table(  # seqs of `change.intended` without an outcome: found without reading the trail
    "open_intents",
    metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("contact", sa.Text, nullable=False),
    sa.Index("open_intents_by_contact", "contact"),
)

definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("loaded_at", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# --- plans and progress -----------------------------------------------------------------------------------------

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # the order in which they were begun
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("tally", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Index("plans_by_status", "status", "number"),
)

plan_changes = sa.Table(  # all changes of one contact in one row: they share most of their reason
    "plan_changes",
    metadata,
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("contact", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False),
    sa.Index("plan_changes_by_contact", "contact"),
    sqlite_with_rowid=False,
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("host", sa.Text),
    sa.Column("pid", sa.Integer),
    sa.Column("process_started", sa.Text),
    sa.Column("expires_at", sa.BigInteger),
    sqlite_with_rowid=False,
)
