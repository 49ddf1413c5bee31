"""The database itself refuses to change or delete audit entries; only an erasure may blank values."""

from sqlalchemy.engine import Connection

_KEPT = (
    "seq", "at", "kind", "run", "portal", "object", "id", "property", "of", "cause", "definition", "actor",
    "values_digest", "prev", "hash",
)  # fmt: skip
_ERASURE = """
    OLD.object = 'contact' AND NEW."before" IS NULL AND NEW."after" IS NULL AND NEW.reason IS NULL
    AND NOT EXISTS (SELECT 1 FROM salts WHERE salts.contact = OLD.id)
"""
_REFUSED = "audit entries are append-only"


def create(conn: Connection) -> None:
    for statement in _sqlite() if conn.dialect.name == "sqlite" else _postgresql():
        conn.exec_driver_sql(statement)


def drop(conn: Connection) -> None:
    """Take the guard away: for tests that tamper, and for a person who restores a backup by hand."""
    names = ["audit_no_update", "audit_no_delete"]
    if conn.dialect.name == "sqlite":
        for name in [*names, "audit_no_replace"]:
            conn.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        for name in [*names, "audit_no_truncate"]:
            conn.exec_driver_sql(f"DROP TRIGGER {name} ON audit")


def _sqlite() -> list[str]:
    same = " AND ".join(f'OLD."{name}" IS NEW."{name}"' for name in _KEPT)
    return [
        f"""CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit WHEN NOT ({same} AND {_ERASURE})
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END""",
        f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END""",
        # INSERT OR REPLACE deletes without firing the trigger above
        f"""CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
            WHEN NEW.seq <= (SELECT max(audit.seq) FROM audit)
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END""",  # noqa: S608 - made of constants
    ]


def _postgresql() -> list[str]:
    same = " AND ".join(f'OLD."{name}" IS NOT DISTINCT FROM NEW."{name}"' for name in _KEPT)
    return [
        f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'UPDATE' THEN
                    IF {same} AND {_ERASURE} THEN RETURN NEW; END IF;
                END IF;
                RAISE EXCEPTION '{_REFUSED}';
            END $$""",
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ]
