"""The head of the trail -> a small signed file outside the database, so that a truncation cannot hide."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from crmsync.errors import OperatorError, StoreError, VerificationError
from crmsync.store.audit.reading import Head
from crmsync.store.canonical import canonical
from crmsync.store.instants import to_text

_NEXT_STEP = "Keep database and checkpoints as they are, and compare them with backups from before."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    What the trail's newest entry was.

    Attributes:
        at: when this was written, `2026-11-22T12:00:00.000Z`.
        public_key, signature: hex; "" when the operator has no key. Signed is the canonical JSON of the rest.
    """

    portal: str
    seq: int
    hash: str
    at: str
    public_key: str = ""
    signature: str = ""

    @property
    def signed_bytes(self) -> bytes:
        return canonical(
            {name: value for name, value in asdict(self).items() if name != "signature"}
        ).encode()


def load_key(file: Path) -> Ed25519PrivateKey:
    """*Raises* OperatorError: it cannot be read, or holds no Ed25519 private key."""
    how = f"openssl genpkey -algorithm ed25519 -out {file}"
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise OperatorError(
            f"{file}: cannot be read ({error.strerror}).", next_step=f"Make one: {how}"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise OperatorError(
            f"{file}: is no unencrypted PEM private key.", next_step=f"Make one: {how}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{file}: is no Ed25519 key.", next_step=f"Make one: {how}")
    return key


def write_checkpoint(
    head: Head, directory: Path, *, portal: str, at: datetime, key: Ed25519PrivateKey | None = None
) -> Path | None:
    """
    Write the head as a file of its own; return it, or None when there is nothing new since the last one.

    Raises:
        StoreError: the directory cannot be written.
    """
    file = directory / f"checkpoint-{head.seq:012d}.json"
    if head.seq == 0 or file.exists():
        return None
    public = "" if key is None else key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    unsigned = Checkpoint(portal, head.seq, head.hash, to_text(at), public)
    signature = "" if key is None else key.sign(unsigned.signed_bytes).hex()
    content = json.dumps(asdict(unsigned) | {"signature": signature}, indent=1) + "\n"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".part")
        half.write_text(content, encoding="utf-8")
        half.replace(file)  # a crash leaves no half checkpoint
    except OSError as error:
        raise StoreError(
            f"{directory}: no checkpoint could be written ({error.strerror}).",
            next_step="Let this user write store.checkpoint_dir.",
        ) from None
    return file


def read_checkpoints(directory: Path) -> tuple[Checkpoint, ...]:
    """Return the oldest first. *Raises* VerificationError naming a file that is none."""
    found = []
    for file in sorted(directory.glob("checkpoint-*.json")):
        try:
            found.append(Checkpoint(**json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            raise VerificationError(
                f"{file}: is no checkpoint.", next_step="Restore it from a backup."
            ) from None
    return tuple(found)


def check_signatures(checkpoints: Sequence[Checkpoint], public_key: str | None = None) -> int:
    """
    Check every signature; return how many there are.

    Args:
        public_key: hex of the operator's key; then every checkpoint must be signed by it. None: any key will do.

    Raises:
        VerificationError: a signature is false, or not by that key.
    """
    if public_key is not None and not checkpoints:
        raise VerificationError(
            "There is no checkpoint: none is signed by the expected key.",
            next_step="Set store.checkpoint_dir to the folder that has them, or leave out the key.",
        )
    for checkpoint in checkpoints:
        if public_key is not None and checkpoint.public_key != public_key:
            raise VerificationError(
                f"The checkpoint of entry {checkpoint.seq} is not signed by the expected key.",
                next_step=f"Check the key that was given. {_NEXT_STEP}",
            )
        if checkpoint.public_key and not _is_signed(checkpoint):
            raise VerificationError(
                f"The signature of the checkpoint of entry {checkpoint.seq} is false.", next_step=_NEXT_STEP
            )
    return sum(bool(checkpoint.public_key) for checkpoint in checkpoints)


def check_chain(checkpoints: Sequence[Checkpoint], hashes: Mapping[int, str]) -> None:
    """*Raises* VerificationError: the chain lacks what a checkpoint saw. `hashes`: by seq, of the entries asked."""
    for checkpoint in checkpoints:
        if hashes.get(checkpoint.seq) != checkpoint.hash:
            raise VerificationError(
                f"Entry {checkpoint.seq} is not what its checkpoint of {checkpoint.at} saw.",
                seq=checkpoint.seq,
                next_step=_NEXT_STEP,
            )


def _is_signed(checkpoint: Checkpoint) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(checkpoint.public_key))
        key.verify(bytes.fromhex(checkpoint.signature), checkpoint.signed_bytes)
    except (InvalidSignature, ValueError):
        return False
    return True
