"""Proof outside the database: checkpoints, and a bundle that verifies itself with Python's library alone."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.errors import OperatorError, StoreError, VerificationError
from crmsync.model import ContactId, Draft
from crmsync.store import Store
from crmsync.store.audit.bundle import verify_bundle
from crmsync.store.audit.standalone import is_signed
from tests.stores import DEFINITION, RUN, a_contact, an_intent_draft, applied, intend, take, tamper


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@pytest.fixture
def public_key() -> str:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


@pytest.fixture
def trail(store: Store) -> Store:
    take(store, a_contact("101"), a_contact("102"))
    store.definitions.keep(DEFINITION, "definition: {}\n")
    for contact in ("101", "102"):
        (intent,) = intend(store, an_intent_draft(contact, reason={"score": 1e-7, "name": "Änn", "n": 1e22}))
        store.trail.settle([applied(intent)], RUN)
    return store


@pytest.fixture
def bundle(trail: Store, tmp_path: Path, key_file: Path) -> Path:
    trail.checkpoint(tmp_path / "checkpoints", key_file)
    trail.trail.append([Draft("run.finished", RUN)])
    trail.erase(ContactId("102"), "dpo")
    trail.export_bundle(tmp_path / "bundle.zip", tmp_path / "checkpoints")
    return tmp_path / "bundle.zip"


def test_a_checkpoint_is_written_once_for_each_head(trail: Store, tmp_path: Path, key_file: Path) -> None:
    first = trail.checkpoint(tmp_path, key_file)
    again = trail.checkpoint(tmp_path, key_file)
    trail.trail.append([Draft("run.finished", RUN)])
    trail.checkpoint(tmp_path)

    assert first is not None
    assert again is None
    assert trail.verify_checkpoints(tmp_path) == 2


def test_an_empty_trail_has_nothing_to_checkpoint(store: Store, tmp_path: Path) -> None:
    assert store.checkpoint(tmp_path) is None


def test_a_truncation_is_found_by_a_checkpoint(trail: Store, tmp_path: Path, key_file: Path) -> None:
    trail.checkpoint(tmp_path, key_file)
    tamper(trail, "DELETE FROM audit WHERE seq > 2")

    assert trail.trail.verify().entries == 2
    with pytest.raises(VerificationError, match="Entry 4"):
        trail.verify_checkpoints(tmp_path)


def test_a_forged_checkpoint_is_found(trail: Store, tmp_path: Path, key_file: Path, public_key: str) -> None:
    file = trail.checkpoint(tmp_path, key_file)
    assert file is not None
    assert trail.verify_checkpoints(tmp_path, public_key) == 1
    file.write_text(file.read_text().replace("2026", "2027"))
    with pytest.raises(VerificationError, match="false"):
        trail.verify_checkpoints(tmp_path)
    with pytest.raises(VerificationError, match="expected key"):
        trail.verify_checkpoints(tmp_path, "00" * 32)
    file.write_text("{")
    with pytest.raises(VerificationError, match="no checkpoint"):
        trail.verify_checkpoints(tmp_path)


def test_a_key_that_is_none_is_said_with_how_to_make_one(trail: Store, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no key")
    for name in ("bad.pem", "absent.pem"):
        with pytest.raises(OperatorError, match="openssl genpkey"):
            trail.checkpoint(tmp_path, tmp_path / name)


def test_a_directory_that_is_none_is_a_store_error(trail: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        trail.checkpoint(tmp_path / "file" / "checkpoints")


def test_a_bundle_verifies_with_what_it_brings_alone(bundle: Path, tmp_path: Path, public_key: str) -> None:
    alone = tmp_path / "elsewhere"
    with zipfile.ZipFile(bundle) as content:
        names = content.namelist()
        content.extract("verify.py", alone)
    run = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", str(bundle), "--key", public_key],
        cwd=alone,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) | {"head": ""} == {
        "entries": 6, "head": "", "erased": 2, "checkpoints": 1, "signed": 1,
    }  # fmt: skip
    assert f"definitions/{'ab' * 32}.yaml" in names


def test_crmsync_verifies_a_bundle_too(bundle: Path, trail: Store, public_key: str) -> None:
    proof = verify_bundle(bundle, key=public_key, head=trail.trail.head().hash)

    assert (proof.entries, proof.head) == (6, trail.trail.head().hash)
    with pytest.raises(VerificationError, match="lacks the head"):
        verify_bundle(bundle, head="ab" * 32)
    with pytest.raises(VerificationError, match="expected key"):
        verify_bundle(bundle, key="00" * 32)


def _edited(bundle: Path, name: str, edit: Callable[[bytes], bytes]) -> Path:
    changed = bundle.with_name("changed.zip")
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, edit(content) if member == name else content)
    return changed


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        pytest.param("entries.jsonl", lambda b: b.replace(b"promoted", b"demoted", 1), id="field"),
        pytest.param("entries.jsonl", lambda b: b.replace("Änn".encode(), b"Ann", 1), id="value"),
        pytest.param("entries.jsonl", lambda b: b"\n".join(b.splitlines()[1:]), id="first one gone"),
        pytest.param("entries.jsonl", lambda b: b"\n".join(b.splitlines()[:3]), id="truncated"),
        pytest.param("entries.jsonl", lambda b: b"\n".join(b.splitlines()[::-1]), id="reordered"),
        pytest.param(
            "entries.jsonl", lambda b: b.replace(b"contact.erased", b"contact.merged"), id="erasure hidden"
        ),
        pytest.param("entries.jsonl", lambda b: b[:-9], id="torn"),
        pytest.param("salts.json", lambda _: b"{}", id="salts gone"),
        pytest.param(
            "checkpoints/checkpoint-000000000004.json", lambda b: b.replace(b"2026", b"2027"), id="checkpoint"
        ),
    ],
)
def test_an_edited_bundle_does_not_verify(bundle: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    with pytest.raises(VerificationError):
        verify_bundle(_edited(bundle, name, edit))


def test_what_is_no_bundle_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    for name in ("x.zip", "absent.zip"):
        with pytest.raises(VerificationError, match="no intact bundle"):
            verify_bundle(tmp_path / name)


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(trail: Store, tmp_path: Path) -> None:
    target = tmp_path / "b.zip"
    target.mkdir()
    with pytest.raises(StoreError):
        trail.export_bundle(target)

    assert [path.name for path in tmp_path.glob("*.part")] == []
    shutil.rmtree(target)


@settings(max_examples=15, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=99), flip=st.integers(0, 511))
def test_the_pure_python_ed25519_agrees_with_the_library(seed: bytes, message: bytes, flip: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(message)
    flipped = bytearray(signature)
    flipped[flip // 8] ^= 1 << flip % 8

    assert is_signed(public, signature, message)
    assert not is_signed(public, signature, message + b"x")
    assert not is_signed(public, bytes(flipped), message)


def test_the_first_vector_of_rfc_8032_is_accepted() -> None:
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert is_signed(public, signature, b"")
