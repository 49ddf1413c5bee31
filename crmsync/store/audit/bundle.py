"""The whole trail -> one zip that anybody can verify without crmsync, and back to a proof."""

import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from crmsync.errors import OperatorError, VerificationError
from crmsync.store import tables as t
from crmsync.store.audit import export, standalone
from crmsync.store.audit.checkpoints import Checkpoint
from crmsync.store.audit.reading import EVERYTHING
from crmsync.store.database import Database
from crmsync.store.instants import to_text

_README = """A crmsync audit bundle.

entries.jsonl   every entry of the audit trail, oldest first, one JSON object a line
salts.json      by contact: the salt that binds before, after and reason to values_digest
definitions/    the qualification definitions that decided: the file (.yaml), and its content as the canonical JSON
                (.json) whose SHA-256 is the hash that entries name
checkpoints/    heads of the trail that were written outside the database, signed if the operator has a key
manifest.json   whose trail it is and when it was exported
verify.py       python verify.py THIS.zip    (needs nothing but Python 3.11; if you doubt the bundle, take this
                file from a crmsync you trust)

The bundle holds personal values. Contacts erased before it was made are in it by id only.
"""
_NEXT_STEP = "Keep this file as it is, and ask whoever made it for another copy."


@dataclass(frozen=True, slots=True)
class BundleProof:
    """
    What a bundle's verification found.

    Attributes:
        erased: entries whose values were erased with their contact.
        definitions: those that are what their hash says; `unproven`: named by entries, but not in the bundle.
        newest: the entry of the newest checkpoint; 0: there is none. What came after it could have been cut off.
    """

    entries: int
    head: str
    erased: int
    definitions: int
    unproven: int
    checkpoints: int
    signed: int
    newest: int


def export_bundle(
    database: Database, path: Path, *, portal: str, checkpoints: Sequence[Checkpoint] = ()
) -> int:
    """
    Write the bundle; return how many entries it holds.

    Raises:
        OperatorError: the file cannot be written; a half one is not left behind.
    """
    half = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as bundle:
            entries = _write(database, bundle, portal, checkpoints)
        half.replace(path)
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be written ({error.strerror}).", next_step="Name another file with --bundle."
        ) from None
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)
    return entries


def verify_bundle(path: Path, *, key: str | None = None, head: str | None = None) -> BundleProof:
    """
    Verify a bundle with the very code that is inside it.

    Raises:
        VerificationError: it does not hold, or is no bundle.
    """
    try:
        proof = BundleProof(**standalone.verify(str(path), key=key, head=head))
    except standalone.BundleProblem as problem:
        raise VerificationError(str(problem), seq=problem.seq, next_step=_NEXT_STEP) from None
    _check_files(path)
    return proof


def _check_files(path: Path) -> None:
    """Check what Python's standard library cannot read: that the definitions' files say what their content says."""
    with zipfile.ZipFile(path) as bundle:
        for name in bundle.namelist():
            text = bundle.read(name) if name.endswith(".yaml") else None
            if text is None or f"{name.removesuffix('.yaml')}.json" not in bundle.namelist():
                continue
            if _content_of(text) != bundle.read(f"{name.removesuffix('.yaml')}.json"):
                raise VerificationError(f"{name} was changed: its content is another.", next_step=_NEXT_STEP)


def _write(
    database: Database, bundle: zipfile.ZipFile, portal: str, checkpoints: Sequence[Checkpoint]
) -> int:
    salts = _salts(database)  # before and after: contacts may be erased and appear meanwhile
    entries = 0
    head = standalone.FIRST_PREV
    with bundle.open("entries.jsonl", "w", force_zip64=True) as lines:
        for entry in export.objects(database, EVERYTHING):
            entries, head = entry["seq"], entry["hash"]
            lines.write(standalone.canonical(entry) + b"\n")
    salts |= _salts(database)
    with database.read() as conn:
        definitions = conn.execute(sa.select(t.definitions)).mappings().all()
    bundle.writestr("salts.json", json.dumps(salts, sort_keys=True))
    for row in definitions:
        bundle.writestr(f"definitions/{row['sha256']}.yaml", row["text"])
        content = _content_of(row["text"].encode())
        if content is not None and sha256(content).hexdigest() == row["sha256"]:
            bundle.writestr(f"definitions/{row['sha256']}.json", content)
    for checkpoint in checkpoints:
        name = f"checkpoints/checkpoint-{checkpoint.seq:012d}.json"
        bundle.writestr(name, json.dumps(asdict(checkpoint), indent=1) + "\n")
    made_at = to_text(database.now())
    manifest = {"portal": portal, "entries": entries, "head": head, "exported_at": made_at}
    bundle.writestr("manifest.json", json.dumps(manifest, indent=1) + "\n")
    bundle.writestr("verify.py", Path(standalone.__file__).read_text(encoding="utf-8"))
    bundle.writestr("README.txt", _README)
    return entries


def _salts(database: Database) -> dict[str, str]:
    with database.read() as conn:
        return {row.contact: bytes(row.salt).hex() for row in conn.execute(sa.select(t.salts))}


def _content_of(text: bytes) -> bytes | None:
    from crmsync.definition.load import content_of  # every command imports the store, few make a bundle

    return content_of(text)
