"""A signature is written over the content; everything else in the file stays as it was, byte for byte."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.definition.load import load
from crmsync.definition.nouns import Signature
from crmsync.definition.signing import sign, signature_status, signed_text
from crmsync.definition.text import trimmed
from crmsync.errors import DefinitionError, OperatorError
from tests.agreements import an_agreement

AT = datetime(2026, 11, 24, 10, 2, 0, 123456, tzinfo=UTC)
STAGES = "stages: {order: [lead], rules: {}}\n"
ANNA = "anna@acme.example"

BLOCK = f"""# ours
definition:
  id: acme        # the id
  version: "1"    # yours to count
  waive: {{no-why: we know}}

{STAGES}"""
FLOW = f'definition: {{id: acme, version: "1"}}   # all in one line\n{STAGES}'
EMPTY = f'definition:\n  id: acme\n  agreed_by: []   # nobody yet\n  version: "1"\n{STAGES}'
LISTED = f"""definition:
  id: acme
  agreed_by:   # who agreed
    # marketing first
    - {{role: marketing, who: old@acme.example, at: 2025-01-01T00:00:00Z, sha256: 9f2c}}   # last year
    - role: sales
      who: bo@acme.example
      sha256: 77aa     # void

  version: "1"
{STAGES}"""
FLOW_LISTED = f"""definition:
  id: acme
  version: "1"
  agreed_by: [{{role: sales, who: bo@acme.example, sha256: 77aa}},
              {{role: marketing, who: old@acme.example, sha256: 9f2c}},  # void
             ]
{STAGES}"""
QUOTED = f'"definition":\n    "version": "1"\n    "id": acme\n{STAGES}'
DASHED = f"""definition:
  id: acme
  agreed_by:
  -   role: sales
      who: bo@acme.example
      sha256: 77aa
  version: "1"
{STAGES}"""
FOLDED = f"""definition:
  version: "1"
  id: acme
  scope: >
    Inbound demand,
    all of it

{STAGES}"""
ODD_DASH = f"""definition:
  id: acme
  version: '1'
  agreed_by:
    -
      role: sales
      who: bo@acme.example
      sha256: 77aa
{STAGES}"""
TRAILING = f'definition: {{id: acme, version: "1",  # mine\n  }}\n{STAGES}'
ALL = {
    "folded scope": FOLDED,
    "odd dash": ODD_DASH,
    "trailing comma": TRAILING,
    "block": BLOCK,
    "flow": FLOW,
    "empty list": EMPTY,
    "listed": LISTED,
    "flow list": FLOW_LISTED,
    "quoted keys": QUOTED,
    "dashed": DASHED,
    "windows": BLOCK.replace("\n", "\r\n"),
    "marked": "\ufeff" + BLOCK,
    "no end of line": BLOCK.rstrip("\n"),
}
LAYOUTS = [pytest.param(text, id=name) for name, text in ALL.items()]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "definition.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("text", LAYOUTS)
def test_both_roles_sign_every_layout(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)

    first = sign(path, role="marketing", who=ANNA, at=AT)
    second = sign(path, role="sales", who="bo@acme.example", at=AT)

    assert signature_status(first).missing == ("sales",)
    assert signature_status(second).is_signed
    assert second.ref == load(text, name=str(path)).ref


OLD = "{role: marketing, who: old@acme.example, at: 2025-01-01T00:00:00Z, sha256: 9f2c}"
OLD_FLOW = "{role: marketing, who: old@acme.example, sha256: 9f2c}"


@pytest.mark.parametrize(
    ("text", "put", "was"),
    [
        pytest.param(LISTED, "{new}", OLD, id="in the place of the old one, in a list"),
        pytest.param(FLOW_LISTED, "{new}", OLD_FLOW, id="in the place of the old one, in a flow list"),
        pytest.param(EMPTY, "[{new}]", "[]", id="into an empty list"),
        pytest.param(FLOW, ", agreed_by: [{new}]", "", id="into one line"),
        pytest.param(BLOCK, "\n  agreed_by:\n    - {new}", "", id="as a key of its own"),
        pytest.param(DASHED, "\n  -   {new}", "", id="as a further item"),
        pytest.param(ALL["windows"], "\r\n  agreed_by:\r\n    - {new}", "", id="with the file's line ends"),
        pytest.param(ALL["marked"], "\n  agreed_by:\n    - {new}", "", id="after a byte order mark"),
    ],
)
def test_nothing_else_in_the_file_changes(tmp_path: Path, text: str, put: str, was: str) -> None:
    path = written(tmp_path, text)
    sha256 = sign(path, role="marketing", who=ANNA, at=AT).ref.sha256

    new = f"{{role: marketing, who: {ANNA}, at: 2026-11-24T10:02:00Z, sha256: {sha256}}}"
    after = path.read_bytes().decode()
    assert after.count(put.format(new=new)) == 1
    assert after.replace(put.format(new=new), was) == text


@pytest.mark.parametrize("text", LAYOUTS)
def test_signing_again_replaces_the_roles_own_signature(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    sign(path, role="marketing", who=ANNA, at=AT)
    once = path.read_bytes()
    again = sign(path, role="marketing", who=ANNA, at=AT)

    assert path.read_bytes() == once
    assert [s.role for s in again.terms.agreed_by].count("marketing") == 1


def test_older_signatures_of_the_role_all_go(tmp_path: Path) -> None:
    doubled = LISTED.replace(
        "\n\n  version", "\n    - {role: marketing, who: x, sha256: 1a}   # stray\n  version"
    )
    signed = sign(written(tmp_path, doubled), role="marketing", who=ANNA, at=AT)

    assert [(s.role, s.who) for s in signed.terms.agreed_by] == [
        ("marketing", ANNA),
        ("sales", "bo@acme.example"),
    ]


def test_older_signatures_in_a_flow_list_go(tmp_path: Path) -> None:
    text = FLOW_LISTED.replace("role: sales", "role: marketing")
    signed = sign(written(tmp_path, text), role="marketing", who=ANNA, at=AT)

    assert [(s.role, s.who) for s in signed.terms.agreed_by] == [("marketing", ANNA)]


def test_a_signature_carries_who_when_and_the_content(tmp_path: Path) -> None:
    path = written(tmp_path, BLOCK)
    signed = sign(path, role="sales", who=" bo@acme.example ", at=AT)

    assert signed.terms.agreed_by == (
        Signature(
            "sales", "bo@acme.example", AT.replace(microsecond=0), load(BLOCK, name=str(path)).ref.sha256
        ),
    )


def test_a_change_voids_the_signatures(tmp_path: Path) -> None:
    path = written(tmp_path, BLOCK)
    sign(path, role="sales", who="bo@acme.example", at=AT)
    path.write_text(path.read_text().replace("id: acme", "id: acme2"))

    status = signature_status(load(path))
    assert [s.role for s in status.void] == ["sales"]
    assert status.missing == ("marketing", "sales")


def test_a_comment_voids_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, BLOCK)
    sign(path, role="sales", who="bo@acme.example", at=AT)
    path.write_text("# afterwards\n" + path.read_text())

    assert signature_status(load(path)).missing == ("marketing",)


@pytest.mark.parametrize("sha256", ["1" * 64, "12e" + "3" * 61, "a" * 64])
def test_a_hash_of_digits_stays_text(sha256: str) -> None:
    text = signed_text(BLOCK, Signature("sales", "bo", AT, sha256))

    assert load(text).terms.agreed_by[0].sha256 == sha256


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40),
    st.sampled_from(list(ALL.values())),
)
def test_any_name_is_written_so_that_it_reads_back(who: str, text: str) -> None:
    signed = load(signed_text(text, Signature("sales", who, AT, "77aa")))

    mine = [trimmed(s.who) for s in signed.terms.agreed_by if s.role == "sales"]
    assert mine == [trimmed(who)]


def test_a_file_with_errors_is_not_signed(tmp_path: Path) -> None:
    path = written(tmp_path, BLOCK.replace("id: acme", "id: ACME!"))
    before = path.read_bytes()

    with pytest.raises(DefinitionError):
        sign(path, role="sales", who="bo", at=AT)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("role", "who"), [("legal", "bo"), ("sales", " "), ("sales", "bo\nrole: marketing")])
def test_odd_signers_are_refused(tmp_path: Path, role: str, who: str) -> None:
    path = written(tmp_path, BLOCK)

    with pytest.raises(OperatorError):
        sign(path, role=role, who=who, at=AT)
    assert path.read_bytes() == BLOCK.encode()


def test_permissions_stay_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = written(tmp_path, BLOCK)
    path.chmod(0o640)
    sign(path, role="sales", who="bo", at=AT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["definition.yaml"]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    real = written(tmp_path, BLOCK)
    link = tmp_path / "current.yaml"
    link.symlink_to(real)
    sign(link, role="sales", who="bo", at=AT)

    assert link.is_symlink()
    assert "role: sales" in real.read_text()


def test_who_signed_and_who_did_not() -> None:
    sha256 = an_agreement().ref.sha256
    definition = an_agreement({"definition/agreed_by": [
        {"role": "sales", "who": "bo", "sha256": sha256},
        {"role": "marketing", "who": "anna", "sha256": "77aa"},
        {"role": "legal", "who": "eve", "sha256": sha256},
    ]})  # fmt: skip

    status = signature_status(definition)
    assert [s.role for s in status.signed] == ["sales", "legal"]
    assert [s.role for s in status.void] == ["marketing"]
    assert status.missing == ("marketing",)
    assert not status.is_signed
