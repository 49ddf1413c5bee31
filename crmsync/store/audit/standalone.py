"""
Verify an exported crmsync audit bundle with nothing but Python's standard library.

    python verify.py BUNDLE.zip [--key PUBLIC_KEY_HEX] [--head HASH]

It recomputes the hash of every entry (SHA-256 of its canonical JSON without hash, before, after and reason), follows
the chain, checks the values against their salted digests, the definitions against the hashes that the entries name, and
the signed checkpoints against the chain (Ed25519, RFC 8032). Take this file from a crmsync you trust, not from a bundle
you doubt. What came after the newest checkpoint can be cut off unseen: --head names an entry that must be there.
Exit status: 0 it holds, 7 it does not. This file is part of crmsync and is copied into every bundle.
"""

import argparse
import hashlib
import json
import sys
import zipfile
import zlib
from typing import Any

FIRST_PREV = "0" * 64
OUTSIDE = ("hash", "before", "after", "reason")
MEMBERS = ("entries.jsonl", "salts.json", "manifest.json", "verify.py", "README.txt")
FOLDERS = ("definitions/", "checkpoints/")
# what a file that was made to trip this up can raise on its way through zipfile, zlib and json
_BROKEN = (
    OSError, KeyError, ValueError, TypeError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class BundleProblem(Exception):
    """The bundle does not hold. `seq`: the first bad entry; None: it is not about one."""

    def __init__(self, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


def verify(path: str, *, key: str | None = None, head: str | None = None) -> dict[str, Any]:
    """
    Return what holds; raise BundleProblem.

    "entries", "head", "erased"; "definitions" that are what their hash says, "unproven" ones that entries name and the
    bundle lacks; "checkpoints", "signed" ones, and the entry of the "newest" (0: none).
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            return _prove(bundle, key, head)
    except _BROKEN as error:
        raise BundleProblem(f"{path}: is no intact bundle ({type(error).__name__}: {error}).") from None


def _prove(bundle: zipfile.ZipFile, key: str | None, head: str | None) -> dict[str, Any]:
    _check_members(bundle)
    proof, hashes, named = _follow(bundle, json.loads(bundle.read("salts.json")))
    _check_manifest(json.loads(bundle.read("manifest.json")), proof)
    definitions = _check_definitions(bundle)
    checkpoints = [json.loads(bundle.read(name)) for name in _inside(bundle, "checkpoints/", ".json")]
    for checkpoint in checkpoints:
        _check(checkpoint, hashes, key)
    if key is not None and not checkpoints:
        raise BundleProblem("The bundle has no checkpoint: none is signed by the expected key.")
    if head is not None and head != FIRST_PREV and head not in hashes.values():
        raise BundleProblem(f"The chain lacks the head {head}.")
    return {
        **proof,
        "definitions": len(definitions),
        "unproven": len(named - definitions),
        "checkpoints": len(checkpoints),
        "signed": sum(bool(checkpoint["public_key"]) for checkpoint in checkpoints),
        "newest": max((checkpoint["seq"] for checkpoint in checkpoints), default=0),
    }


def _check_members(bundle: zipfile.ZipFile) -> None:
    """Two members of one name would show one reader this and another one that."""
    names = bundle.namelist()
    if len(set(names)) != len(names):
        raise BundleProblem("Two members of the bundle have the same name.")
    for name in names:
        if name not in MEMBERS and not name.startswith(FOLDERS):
            raise BundleProblem(f"No bundle has a member {name!r}.")
    if (torn := bundle.testzip()) is not None:
        raise BundleProblem(f"The member {torn!r} is damaged.")


def _inside(bundle: zipfile.ZipFile, folder: str, ending: str) -> list[str]:
    return sorted(name for name in bundle.namelist() if name.startswith(folder) and name.endswith(ending))


def _check_manifest(manifest: dict[str, Any], proof: dict[str, Any]) -> None:
    if manifest["entries"] != proof["entries"] or manifest["head"] != proof["head"]:
        raise BundleProblem(
            f"The bundle was made with {manifest['entries']} entries, and now has {proof['entries']}."
        )


def _check_definitions(bundle: zipfile.ZipFile) -> set[str]:
    """Return the hashes of those that are here: each the SHA-256 of the definition as canonical JSON (RFC 8785)."""
    found = set()
    for name in _inside(bundle, "definitions/", ".json"):
        digest = name.removeprefix("definitions/").removesuffix(".json")
        if hashlib.sha256(bundle.read(name)).hexdigest() != digest:
            raise BundleProblem(f"The definition {digest} was changed.")
        found.add(digest)
    return found


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def _follow(
    bundle: zipfile.ZipFile, salts: dict[str, str]
) -> tuple[dict[str, Any], dict[int, str], set[str]]:
    """Return the proof, the hashes by seq, and the hashes of the definitions that entries name."""
    erased = _erasures(bundle)
    hashes: dict[int, str] = {}
    named = set()
    seq, prev, blank = 0, FIRST_PREV, 0
    with bundle.open("entries.jsonl") as lines:
        for line in lines:
            entry = json.loads(line)
            seq += 1
            if (
                canonical(entry) + b"\n" != line
            ):  # a name given twice is read differently by different readers
                raise BundleProblem(f"Entry {seq} is not written as an export writes it.", seq)
            if entry["seq"] != seq:
                raise BundleProblem(f"Entry {seq} is missing.", seq)
            if entry["prev"] != prev:
                raise BundleProblem(f"Entry {seq} does not follow the entry before it.", seq)
            bound = {name: value for name, value in entry.items() if name not in OUTSIDE}
            if hashlib.sha256(canonical(bound)).hexdigest() != entry["hash"]:
                raise BundleProblem(f"Entry {seq} was changed.", seq)
            blank += _check_values(entry, salts, erased)
            prev = hashes[seq] = entry["hash"]
            if entry["definition"] is not None:
                named.add(entry["definition"]["sha256"])
    return {"entries": seq, "head": prev, "erased": blank}, hashes, named


def _erasures(bundle: zipfile.ZipFile) -> dict[str, int]:
    found = {}
    with bundle.open("entries.jsonl") as lines:
        for line in lines:
            if b"contact.erased" in line:
                entry = json.loads(line)
                if entry["kind"] == "contact.erased":
                    found[entry["id"]] = entry["seq"]
    return found


def _check_values(entry: dict[str, Any], salts: dict[str, str], erased: dict[str, int]) -> bool:
    """Return whether the values were erased with their contact."""
    values = {name: entry[name] for name in ("after", "before", "reason")}
    is_contact = entry["object"] == "contact"
    salt = bytes.fromhex(salts.get(entry["id"], "")) if is_contact else b""
    if hashlib.sha256(salt + canonical(values)).hexdigest() == entry["values_digest"]:
        return False
    is_blank = all(value is None for value in values.values())
    if is_contact and is_blank and erased.get(entry["id"], 0) > entry["seq"]:
        return True
    raise BundleProblem(f"The values of entry {entry['seq']} were changed.", entry["seq"])


def _check(checkpoint: dict[str, Any], hashes: dict[int, str], key: str | None) -> None:
    seq = checkpoint["seq"]
    if hashes.get(seq) != checkpoint["hash"]:
        raise BundleProblem(f"Entry {seq} is not what its checkpoint of {checkpoint['at']} saw.", seq)
    if key is not None and checkpoint["public_key"] != key:
        raise BundleProblem(f"The checkpoint of entry {seq} is not signed by the expected key.", seq)
    if checkpoint["public_key"]:
        signed = {name: value for name, value in checkpoint.items() if name != "signature"}
        public, signature = bytes.fromhex(checkpoint["public_key"]), bytes.fromhex(checkpoint["signature"])
        if not is_signed(public, signature, canonical(signed)):
            raise BundleProblem(f"The signature of the checkpoint of entry {seq} is false.", seq)


# --- Ed25519, verification only (RFC 8032, section 5.1) -------------------------------------------------------

_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether this is the key's Ed25519 signature of the message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, nonce = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or s >= _Q:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % _Q
    return _same(_times(s, _BASE), _add(nonce, _times(h, key)))


def _x_of(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P)
    if square % _P == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_OF_MINUS_1 % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _point(text: bytes) -> _Point | None:
    y = int.from_bytes(text, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _add(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _same(one: _Point, two: _Point) -> bool:
    return (one[0] * two[2] - two[0] * one[2]) % _P == 0 and (one[1] * two[2] - two[1] * one[2]) % _P == 0


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify an exported crmsync audit bundle.")
    parser.add_argument("bundle")
    parser.add_argument(
        "--key", help="hex of the operator's public key: every checkpoint must be signed by it"
    )
    parser.add_argument("--head", help="a hash noted earlier: the chain must contain it")
    asked = parser.parse_args()
    try:
        proof = verify(asked.bundle, key=asked.key, head=asked.head)
    except BundleProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 7
    sys.stdout.write(json.dumps(proof) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
