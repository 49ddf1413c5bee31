"""Definition -> one HTML page to read, print and sign. Needs nothing but itself: no script, font, image or link."""

from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files

from crmsync.definition.nouns import Definition, Signature
from crmsync.definition.signing import ROLES, SignatureStatus, signature_status
from crmsync.definition.wording.lines import Line, Points
from crmsync.definition.wording.sentences import describe

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(definition: Definition) -> str:
    """Return the page; every text of the definition is escaped."""
    return "\n".join(_page(definition)) + "\n"


def _page(definition: Definition) -> Iterator[str]:
    title = f"{definition.ref.id}, version {definition.ref.version}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Qualification definition {escape(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>"
    yield from _header(definition)
    yield "<main>"
    for section in describe(definition):
        yield f"<section>\n<h2>{escape(section.title)}</h2>"
        for block in section.blocks:
            yield from (_table(block) if isinstance(block, Points) else _block(block))
        yield "</section>"
    yield from _signatures(definition)
    yield "</main>"
    yield f"<footer>{escape(title)}. Content hash <code>{definition.ref.sha256}</code>."
    yield "Made by crmsync from the definition file; the file is what counts.</footer>\n</body>\n</html>"


@cache
def _style() -> str:
    return (files("crmsync.definition.wording") / "page.css").read_text(encoding="utf-8")


def _header(definition: Definition) -> Iterator[str]:
    is_signed = signature_status(definition).is_signed
    state = (
        '<span class="state yes">signed</span>' if is_signed else '<span class="state no">not signed</span>'
    )
    yield f"<header>\n<h1>Qualification definition {escape(definition.ref.id)}</h1>"
    yield f"<p>Version {escape(definition.ref.version)} {state}</p>"
    yield "<p>What marketing and sales agree on: who fits, what engagement counts, and when a contact moves.</p>"
    yield "</header>"


def _block(line: Line) -> Iterator[str]:
    if not line.parts:
        yield f"<p{_lead(line)}>{_text(line)}</p>"
        return
    yield f'<div class="block"><p class="lead">{_text(line)}</p>'
    yield from _list(line.parts)
    yield "</div>"


def _lead(line: Line) -> str:
    """Keep a line that announces a table with it."""
    return ' class="lead"' if line.text.endswith(":") else ""


def _list(lines: tuple[Line, ...]) -> Iterator[str]:
    yield "<ul>"
    for line in lines:
        yield f"<li>{_text(line)}"
        if line.parts:
            yield from _list(line.parts)
        yield "</li>"
    yield "</ul>"


def _text(line: Line) -> str:
    note = f' <span class="note">{escape(line.note)}</span>' if line.note else ""
    return f'<span class="hash">{escape(line.text)}</span>{note}{escape(line.tail)}'


def _table(points: Points) -> Iterator[str]:
    yield "<table>\n<thead><tr><th scope=col>Points</th><th scope=col>For</th><th scope=col>Why</th></tr></thead>"
    yield "<tbody>"
    for amount, what, why, criterion in points.rows:
        note = f'<span class="note">{escape(criterion)}</span>'
        yield f"<tr><td>{escape(amount)}</td><td>{escape(what)} {note}</td><td>{escape(why)}</td></tr>"
    yield "</tbody>\n</table>"


def _signatures(definition: Definition) -> Iterator[str]:
    status = signature_status(definition)
    yield '<section>\n<h2>Signatures</h2>\n<p class="lead">We agree on this content, and on no other:'
    yield f'<code class="hash">{definition.ref.sha256}</code>.</p>\n<div class="sign">'
    for role in ROLES:
        yield from _box(role, status)
    yield "</div>\n</section>"


def _box(role: str, status: SignatureStatus) -> Iterator[str]:
    signed = next((s for s in status.signed if s.role == role), None)
    void = next((s for s in status.void if s.role == role), None)
    yield f'<div class="box">\n<h3>For {escape(role)}</h3>'
    if signed:
        yield f'<p><span class="state yes">signed</span> by {_who(signed)}</p>'
    elif void:
        yield f'<p><span class="state no">void</span> {_who(void)} signed another content</p>'
    else:
        yield '<p><span class="state no">not signed</span></p>'
    yield "<dl><dt>Name</dt><dd></dd><dt>Date</dt><dd></dd><dt>Signature</dt><dd></dd></dl>\n</div>"


def _who(signature: Signature) -> str:
    on = f" on {signature.at:%Y-%m-%d}" if signature.at else ""
    return escape(f"{signature.who}{on}")
