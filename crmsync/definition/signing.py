"""Definition file + who agrees -> the same file with the signature over its content, nothing else changed."""

import json
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition, Signature
from crmsync.definition.text import instant, micros
from crmsync.errors import OperatorError

ROLES = ("marketing", "sales")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+")  # an address needs no quotes
_BEFORE = ("id", "version", "scope", "review_by")  # what a reader expects above the signatures
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """
    Who agreed to what.

    Attributes:
        signed: signatures over this very content.
        void: signatures over another content; they count for nothing.
        missing: roles of ROLES without a signature over this content.
    """

    signed: tuple[Signature, ...]
    void: tuple[Signature, ...]
    missing: tuple[str, ...]

    @property
    def is_signed(self) -> bool:
        """True when marketing and sales both signed this very content."""
        return not self.missing


def signature_status(definition: Definition) -> SignatureStatus:
    """Sort the signatures of the file by whether they hold for its content."""
    signatures = definition.terms.agreed_by
    signed = tuple(s for s in signatures if s.sha256 == definition.ref.sha256)
    void = tuple(s for s in signatures if s.sha256 != definition.ref.sha256)
    return SignatureStatus(signed, void, tuple(r for r in ROLES if not definition.is_signed_by(r)))


def sign(path: Path, *, role: str, who: str, at: datetime) -> Definition:
    """
    Write a signature over the content hash into the file; the role's older signatures go.

    The file is replaced as a whole or not at all, and keeps its permissions. Comments and layout stay.

    Args:
        who: the person, usually an e-mail address.
        at: aware; kept to the second.

    Returns:
        The definition as it now stands in the file.

    Raises:
        DefinitionError: the file has errors; nothing was written.
        OperatorError: the file cannot be written, or who or role are not what they should be.
    """
    _refuse_odd_signer(role, who)
    before = load(path)
    text = path.read_bytes().decode("utf-8")
    signature = Signature(role, who.strip(), instant(micros(at) // 1_000_000 * 1_000_000), before.ref.sha256)
    signed = _checked(signed_text(text, signature), before, signature)
    _replace(path, signed)
    return load(path)


def signed_text(text: str, signature: Signature) -> str:
    """Return the text of a valid definition with the signature in `agreed_by`, else as it was, byte for byte."""
    bom = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    head = _value(_composed(body), "definition")
    if not isinstance(head, MappingNode):
        raise OperatorError("`definition` is not a mapping.", next_step="Run `crmsync check`.")
    agreed = _value(head, "agreed_by")
    if isinstance(agreed, SequenceNode) and agreed.value:
        return bom + _with_item(body, agreed, signature)
    if agreed is not None:
        start, end = agreed.start_mark.index, agreed.end_mark.index
        return bom + body[:start] + f"[{_flow(signature)}]" + body[end:]
    return bom + _with_key(body, head, signature)


def _refuse_odd_signer(role: str, who: str) -> None:
    if role not in ROLES:
        raise OperatorError(f"`{role}` cannot sign.", next_step=f"Sign as one of: {', '.join(ROLES)}.")
    if not who.strip() or not who.isprintable():
        raise OperatorError("--who is empty or not printable.", next_step="Name the person, e.g. by e-mail.")


def _checked(text: str, before: Definition, signature: Signature) -> str:
    """Return the text if it says what it should: never write a file that was not read back."""
    after = load(text, name=before.name)
    others = [s for s in before.terms.agreed_by if s.role != signature.role]
    kept = [s for s in after.terms.agreed_by if s.role != signature.role]
    mine = [s for s in after.terms.agreed_by if s.role == signature.role]
    if after.ref == before.ref and kept == others and mine == [signature]:
        return text
    raise OperatorError(
        f"{before.name}: `agreed_by` is laid out in a way that cannot be edited safely; nothing was written.",
        next_step="Write it as `agreed_by: []` and sign again.",
    )


def _replace(path: Path, text: str) -> None:
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            scratch.chmod(target.stat().st_mode & 0o7777)
            scratch.replace(target)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OperatorError(
            f"{path}: cannot be written ({why}).", next_step="Check its permissions."
        ) from error


# --- the text


def _composed(body: str) -> Node:
    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    node: Node = yaml.compose(body)
    return node


def _value(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _flow(signature: Signature) -> str:
    at = f"{signature.at:%Y-%m-%dT%H:%M:%SZ}" if signature.at else "null"
    who = signature.who if _PLAIN.fullmatch(signature.who) else json.dumps(signature.who, ensure_ascii=False)
    return f"{{role: {signature.role}, who: {who}, at: {at}, sha256: {_hash_text(signature.sha256)}}}"


def _hash_text(sha256: str) -> str:
    """Return the hash as YAML text: sixty-four digits, or digits around one `e`, would be read as a number."""
    return f'"{sha256}"' if re.fullmatch(r"[0-9]+(e[0-9]+)?", sha256) else sha256


def _with_item(body: str, agreed: SequenceNode, signature: Signature) -> str:
    mine = [item for item in agreed.value if _role(item) == signature.role]
    if not mine:
        last = agreed.value[-1]
        start = _end(last)
        joint = ", " if agreed.flow_style else _newline(body) + _dash(body, agreed)
        at = start if agreed.flow_style else _end_of_line(body, start)
        return body[:at] + joint + _flow(signature) + body[at:]
    text = body
    for item in reversed(mine[1:]):
        text = _without(text, agreed, item)
    return text[: mine[0].start_mark.index] + _flow(signature) + text[_end(mine[0]) :]


def _role(item: Node) -> str | None:
    role = _value(item, "role")
    return None if role is None else str(role.value).strip()


def _without(body: str, agreed: SequenceNode, item: Node) -> str:
    """Cut an item that is not the first: with the comma before it, or with its lines."""
    if agreed.flow_style:
        start = body.rindex(",", 0, item.start_mark.index)
        return body[:start] + body[_end(item) :]
    start = body.rindex("-", 0, item.start_mark.index)
    line = body.rfind("\n", 0, start) + 1
    return body[:line] + body[min(_end_of_line(body, _end(item)) + len(_newline(body)), len(body)) :]


def _with_key(body: str, head: MappingNode, signature: Signature) -> str:
    if head.flow_style:
        at = _end(head.value[-1][1])
        return f"{body[:at]}, agreed_by: [{_flow(signature)}]{body[at:]}"
    key, value = [(k, v) for k, v in head.value if k.value in _BEFORE and v.style not in {"|", ">"}][-1]
    newline, indent = _newline(body), " " * key.start_mark.column
    at = _end_of_line(body, _end(value))
    lines = f"{newline}{indent}agreed_by:{newline}{indent}  - {_flow(signature)}"
    return body[:at] + lines + body[at:]


def _end(node: Node) -> int:
    """Return where the node's text ends; the parser says so for scalars and flow collections only."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def _dash(body: str, agreed: SequenceNode) -> str:
    """Return indent and dash of the list, as its first item has them."""
    first = agreed.value[0].start_mark.index
    dash = body.rindex("-", 0, first)
    line = body.rfind("\n", 0, dash) + 1
    return " " * (dash - line) + body[dash:first]


def _end_of_line(body: str, index: int) -> int:
    at = body.find("\n", index)
    if at == -1:
        return len(body)
    return at - 1 if body[at - 1] == "\r" else at


def _newline(body: str) -> str:
    return "\r\n" if "\r\n" in body else "\n"
