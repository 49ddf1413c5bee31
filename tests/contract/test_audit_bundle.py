"""Proof outside the database: checkpoints, and a bundle that verifies itself with Python's library alone."""

import json
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.definition.load import content_hash
from crmsync.errors import OperatorError, StoreError, VerificationError
from crmsync.model import ContactId, DefinitionRef, Draft
from crmsync.store import Store
from crmsync.store.audit.bundle import verify_bundle
from crmsync.store.audit.standalone import is_signed
from tests.stores import RUN, a_contact, an_intent_draft, applied, intend, take, tamper

AGREED_TEXT = "definition:\n  id: b2b  # what both agreed on\npoints: 1.0\n"
AGREED = DefinitionRef("b2b", "1", content_hash({"definition": {"id": "b2b"}, "points": 1.0}))


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
    store.definitions.keep(AGREED, AGREED_TEXT)
    for contact in ("101", "102"):
        (intent,) = intend(store, an_intent_draft(contact, reason={"score": 1e-7, "name": "Änn", "n": 1e22}))
        store.trail.settle([applied(intent)], RUN)
    return store


@pytest.fixture
def bundle(trail: Store, tmp_path: Path, key_file: Path) -> Path:
    trail.checkpoint(tmp_path / "checkpoints", key_file)
    trail.trail.append([Draft("definition.activated", RUN, definition=AGREED), Draft("run.finished", RUN)])
    trail.erase(ContactId("102"), "dpo")
    trail.checkpoint(tmp_path / "checkpoints", key_file)
    trail.trail.append([Draft("run.started", RUN)])
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
    with pytest.raises(
        VerificationError, match=r"Entry 4 is not what its checkpoint .* Keep database and checkpoints"
    ):
        trail.verify_checkpoints(tmp_path)


def test_a_forged_checkpoint_is_found(trail: Store, tmp_path: Path, key_file: Path, public_key: str) -> None:
    file = trail.checkpoint(tmp_path, key_file)
    assert file is not None
    assert trail.verify_checkpoints(tmp_path, public_key) == 1
    file.write_text(file.read_text().replace("2026", "2027"))
    with pytest.raises(VerificationError, match=r"is false\. Keep database and checkpoints"):
        trail.verify_checkpoints(tmp_path)
    with pytest.raises(VerificationError, match=r"expected key\. Check the key"):
        trail.verify_checkpoints(tmp_path, "00" * 32)
    with pytest.raises(VerificationError, match=r"no checkpoint: .* Set store\.checkpoint_dir"):
        trail.verify_checkpoints(tmp_path / "empty", public_key)
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
        "entries": 8, "head": "", "erased": 2, "definitions": 1, "unproven": 1, "checkpoints": 2, "signed": 2,
        "newest": 7,
    }  # fmt: skip
    assert f"definitions/{AGREED.sha256}.yaml" in names


def test_crmsync_verifies_a_bundle_too(bundle: Path, trail: Store, public_key: str) -> None:
    proof = verify_bundle(bundle, key=public_key, head=trail.trail.head().hash)

    assert (proof.entries, proof.head) == (8, trail.trail.head().hash)
    with pytest.raises(VerificationError, match=r"lacks the head .* Keep this file"):
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
        pytest.param("checkpoints/checkpoint-000000000004.json", lambda _: b"[null]", id="no checkpoint"),
        pytest.param(
            "entries.jsonl", lambda b: b[: b.rindex(b"{")], id="the last one gone, after the checkpoint"
        ),
        pytest.param("entries.jsonl", lambda b: b'{"actor":"me",' + b[1:], id="a name given twice"),
        pytest.param("entries.jsonl", lambda b: b.replace(b":", b": ", 1), id="a space"),
        pytest.param("entries.jsonl", lambda _: b"[" * 100_000, id="nested deeper than Python goes"),
        pytest.param("manifest.json", lambda b: b.replace(b": 8,", b": 9,"), id="manifest"),
        pytest.param(f"definitions/{AGREED.sha256}.json", lambda b: b.replace(b"1", b"2"), id="definition"),
        pytest.param(f"definitions/{AGREED.sha256}.yaml", lambda b: b.replace(b"1", b"2"), id="its file"),
    ],
)
def test_an_edited_bundle_does_not_verify(bundle: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    with pytest.raises(VerificationError):
        verify_bundle(_edited(bundle, name, edit))


def test_a_comment_in_a_definitions_file_changes_nothing_that_was_agreed(bundle: Path) -> None:
    name = f"definitions/{AGREED.sha256}.yaml"

    assert verify_bundle(_edited(bundle, name, lambda b: b.replace(b"both", b"we"))).definitions == 1


def _without(bundle: Path, start: str) -> Path:
    changed = bundle.with_name("changed.zip")
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.namelist():
            if not member.startswith(start):
                new.writestr(member, old.read(member))
    return changed


def test_a_bundle_without_its_checkpoints_does_not_pass_for_a_signed_one(
    bundle: Path, public_key: str
) -> None:
    bare = _without(bundle, "checkpoints/")

    assert verify_bundle(bare).checkpoints == 0
    with pytest.raises(VerificationError, match="none is signed"):
        verify_bundle(bare, key=public_key)


def test_a_signature_that_was_taken_off_is_missed(bundle: Path, public_key: str) -> None:
    name = "checkpoints/checkpoint-000000000007.json"

    def unsigned(content: bytes) -> bytes:
        return json.dumps(json.loads(content) | {"public_key": "", "signature": ""}).encode()

    bare = _edited(bundle, name, unsigned)

    assert verify_bundle(bare).signed == 1
    with pytest.raises(VerificationError, match="expected key"):
        verify_bundle(bare, key=public_key)


def test_an_older_checkpoint_alone_proves_only_what_it_saw(
    bundle: Path, trail: Store, public_key: str
) -> None:
    old = _without(bundle, "checkpoints/checkpoint-000000000007")

    assert verify_bundle(old, key=public_key).newest == 4
    assert verify_bundle(bundle, key=public_key).newest == 7


def test_definitions_that_are_gone_are_counted(bundle: Path) -> None:
    proof = verify_bundle(_without(bundle, "definitions/"))

    assert (proof.definitions, proof.unproven) == (0, 2)


@pytest.mark.parametrize("name", ["entries.jsonl", "notes.txt", "../outside"])
def test_a_member_too_many_is_refused(bundle: Path, name: str) -> None:
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(bundle, "a") as added,
    ):
        warnings.simplefilter("ignore")  # zipfile warns of a second one of the same name
        added.writestr(name, b"")

    with pytest.raises(VerificationError, match=r"same name|No bundle has"):
        verify_bundle(bundle)


def test_whatever_byte_is_changed_no_content_changes_unseen(bundle: Path, tmp_path: Path) -> None:
    """A flipped byte is found, or stands where the zip keeps no content: a date, a comment, an attribute."""
    whole, changed = bundle.read_bytes(), tmp_path / "flipped.zip"
    content = _contents(bundle)
    found = 0
    for place in range(0, len(whole), 37):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            verify_bundle(changed)
        except VerificationError:
            found += 1
        else:
            assert _contents(changed) == content
    assert found > len(whole) / 37 / 2


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_torn_bundle_is_no_bundle(bundle: Path, share: float) -> None:
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(VerificationError):
        verify_bundle(bundle)


def _contents(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_what_is_no_bundle_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    for name in ("x.zip", "absent.zip"):
        with pytest.raises(VerificationError, match="no intact bundle"):
            verify_bundle(tmp_path / name)


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(trail: Store, tmp_path: Path) -> None:
    target = tmp_path / "b.zip"
    target.mkdir()
    with pytest.raises(OperatorError, match="cannot be written"):
        trail.export_bundle(target)
    with pytest.raises(OperatorError, match="cannot be written"):
        trail.export_bundle(tmp_path / "nowhere" / "b.zip")

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
