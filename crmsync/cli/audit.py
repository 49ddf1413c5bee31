"""`crmsync audit`: list, export and verify the trail; its head and checkpoints."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

import click

from crmsync.app import App
from crmsync.cli.asking import contact_of, instant_text, maybe_instant_of
from crmsync.cli.outlet import streamed
from crmsync.cli.output import console, json_option, many, print_json, table
from crmsync.cli.progress import counted, waiting
from crmsync.cli.session import Call, past_session
from crmsync.errors import OperatorError
from crmsync.insight import words
from crmsync.model import Entry, RunId
from crmsync.store.audit.bundle import verify_bundle
from crmsync.store.audit.export import csv_lines, json_lines
from crmsync.store.audit.reading import AuditFilter

_FILE = click.Path(dir_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_HASH = re.compile(r"[0-9a-f]{64}")


def _kind(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Return a kind, or a family of kinds as the trail writes it. *Raises* OperatorError: there is no such kind."""
    families = {f"{kind.partition('.')[0]}." for kind in words.KINDS if "." in kind}
    if text is None or text in words.KINDS or text in families:
        return text
    if f"{text}." in families:
        return f"{text}."
    near = get_close_matches(text, [*words.KINDS, *(one.rstrip(".") for one in families)], n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise OperatorError(
        f"--kind {text!r}: there is no such kind of entry{meant}",
        next_step=f"Kinds are {', '.join(words.KINDS)}.",
    )


_FILTERS = (
    click.option("--contact", metavar="CONTACT", help="An id or an e-mail address."),
    click.option("--kind", callback=_kind, help="For example change.applied, or a family like change."),
    click.option("--cause", help="For example promoted, demoted, score_moved."),
    click.option("--property", "property_name", metavar="NAME", help="For example lifecyclestage."),
    click.option("--actor", help="For example crmsync, or 'CRM_UI userId:12'."),
    click.option("--definition", metavar="VERSION", help="Its version, id or hash."),
    click.option("--run", metavar="RUN", help="A run's id, see --kind run.started."),
    click.option("--since", metavar="INSTANT", help="2026-11-22, 2026-11-22T12:00Z, or an age: 24h."),
    click.option("--until", metavar="INSTANT", help="Up to, not including."),
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group("audit")
def audit() -> None:
    """Look at the audit trail, take it elsewhere, prove that nobody changed it."""


@audit.command("list", short_help="List entries, the newest first.")
@_filtered
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most."
)
@json_option
@click.pass_obj
def list_(call: Call, /, *, limit: int, as_json: bool, **filters: str | None) -> None:
    """List entries, the newest first."""
    with past_session(call) as app:
        entries = app.store.trail.entries(_where(app, **filters), limit=limit)
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    rows = [_row(entry) for entry in entries]
    console().print(
        table("", ("seq", "at (UTC)", "kind", "contact", "change"), rows) if rows else "No entries."
    )


@audit.command("export", short_help="Write entries as JSON Lines, CSV or a bundle.")
@_filtered
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of JSON Lines.")
@click.option("--output", metavar="FILE", default="-", help="Where to write; - is standard output.")
@click.option(
    "--bundle", metavar="FILE.zip", type=_FILE, help="All entries, definitions, checkpoints and a verifier."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of JSON Lines.")
@click.pass_obj
def export(
    call: Call, /, *, as_csv: bool, as_json: bool, output: str, bundle: Path | None, **filters: str | None
) -> None:
    """Write entries, the oldest first: as JSON Lines, CSV, or a bundle that proves itself."""
    if bundle is not None and (as_csv or output != "-" or any(filters.values())):
        raise click.UsageError("--bundle holds everything: it goes with no filter, --csv or --output.")
    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two formats: choose one.")
    with past_session(call) as app:
        if bundle is not None:
            _export_bundle(app, bundle, as_json=as_json)
            return
        total = (lambda: None) if any(filters.values()) else (lambda: app.store.trail.head().seq)
        entries = counted(app.store.trail.export(_where(app, **filters)), "entries", total)
        with _written(output) as out:
            for line in csv_lines(entries) if as_csv else _json_parts(entries, as_json=as_json):
                out.write(line.encode() if isinstance(line, str) else line)


@audit.command("verify", short_help="Prove that no entry was changed or removed.")
@click.option("--head", metavar="HASH", help="A head noted before: the chain must still contain it.")
@click.option(
    "--bundle", metavar="FILE.zip", type=_EXISTING, help="Verify an exported bundle; needs no database."
)
@click.option("--key", metavar="HEX", help="The public key that must have signed the checkpoints.")
@json_option
@click.pass_obj
def verify(call: Call, *, head: str | None, bundle: Path | None, key: str | None, as_json: bool) -> None:
    """Prove that no entry was edited, removed, inserted or moved; exit 7 names the first that was."""
    _check_hex("--head", head, "Give the 64 hex digits of `crmsync audit head`.")
    _check_hex("--key", key, "Give the 64 hex digits of `public_key` in a checkpoint.")
    proven = _bundle_proof(bundle, key, head) if bundle is not None else _trail_proof(call, key, head)
    if as_json:
        print_json(proven)
        return
    click.echo(
        f"The chain holds: {many(proven['entries'], 'entry', 'entries')}, {proven['erased']} of them erased."
    )
    if proven["checkpoints"]:
        click.echo(f"It holds what {proven['checkpoints']} checkpoints saw.")
    if bundle is not None:
        _print_bundle(proven)
    click.echo(f"Head: {proven['head']}")


@audit.command("checkpoint", short_help="Write the head to a small, signed file.")
@click.option(
    "--dir", "directory", metavar="DIR", type=_DIRECTORY, help="Where to [the setting store.checkpoint_dir]."
)
@click.option(
    "--key-file", metavar="FILE", type=_FILE, help="Ed25519 key to sign with [store.checkpoint_key_file]."
)
@json_option
@click.pass_obj
def checkpoint(call: Call, *, directory: Path | None, key_file: Path | None, as_json: bool) -> None:
    """Write the trail's head, signed if there is a key, as a small file outside the database."""
    with past_session(call) as app:
        settings = app.settings.store
        place = directory or settings.checkpoint_dir
        if place is None:
            raise OperatorError(
                "No folder for checkpoints is set.", next_step="Give --dir DIR, or set store.checkpoint_dir."
            )
        head = app.store.trail.head()
        file = app.store.checkpoint(place, key_file or settings.checkpoint_key_file)
    if as_json:
        print_json({"file": str(file) if file else None, "seq": head.seq, "hash": head.hash})
    elif file is None:
        click.echo(
            f"Nothing new: entry {head.seq} is the newest, and has its checkpoint."
            if head.seq
            else "No entries."
        )
    else:
        click.echo(f"{file}: entry {head.seq}, {head.hash}")


@audit.command("head", short_help="Print the newest entry's number and hash.")
@json_option
@click.pass_obj
def head(call: Call, *, as_json: bool) -> None:
    """Print the newest entry's number and hash: keep it elsewhere for `audit verify --head`."""
    with past_session(call) as app:
        newest = app.store.trail.head()
    if as_json:
        print_json({"seq": newest.seq, "hash": newest.hash})
    else:
        click.echo(f"{newest.seq} {newest.hash}")


def _print_bundle(proven: Mapping[str, Any]) -> None:
    click.echo(f"Definitions that are what their hash says: {proven['definitions']}.")
    if proven["unproven"]:
        click.echo(f"Definitions that entries name and the bundle lacks: {proven['unproven']}.")
    if proven["newest"] < proven["entries"] and proven["checkpoints"]:
        click.echo(
            f"No checkpoint saw what came after entry {proven['newest']}: compare the head with one noted elsewhere."
        )


def _export_bundle(app: App, bundle: Path, *, as_json: bool) -> None:
    entries = app.store.export_bundle(bundle, app.settings.store.checkpoint_dir)
    if as_json:
        print_json({"bundle": str(bundle), "entries": entries})
        return
    held = many(entries, "entry", "entries")
    click.echo(f"{bundle}: {held}. It proves itself: unzip it, then python verify.py {bundle.name}")


def _json_parts(entries: Iterator[dict[str, Any]], *, as_json: bool) -> Iterator[bytes]:
    """Yield lines, or the parts of one list: a trail may be too large to hold."""
    lines = json_lines(entries)
    if not as_json:
        yield from lines
        return
    yield b"["
    for position, line in enumerate(lines):
        yield (b",\n" if position else b"\n") + line.rstrip(b"\n")
    yield b"\n]\n"


def _trail_proof(call: Call, key: str | None, head: str | None) -> dict[str, Any]:
    with past_session(call) as app:
        directory = app.settings.store.checkpoint_dir
        if key is not None and directory is None:
            raise OperatorError(
                "--key checks checkpoints, and no folder of them is set.",
                next_step="Set store.checkpoint_dir to their folder.",
            )
        with waiting(f"verifying {many(app.store.trail.head().seq, 'entry', 'entries')}"):
            proven = app.store.trail.verify(head, workers=os.cpu_count() or 1)
        checkpoints = app.store.verify_checkpoints(directory, key) if directory is not None else 0
    return {**asdict(proven), "checkpoints": checkpoints}


def _bundle_proof(bundle: Path, key: str | None, head: str | None) -> dict[str, Any]:
    return asdict(verify_bundle(bundle, key=key, head=head))


def _check_hex(option: str, text: str | None, next_step: str) -> None:
    if text is not None and not _HASH.fullmatch(text):
        raise OperatorError(f"{option} {text!r} is not a hash.", next_step=next_step)


def _where(app: App, *, since: str | None, until: str | None, **given: str | None) -> AuditFilter:
    now, contact, run = app.now(), given["contact"], given["run"]
    return AuditFilter(
        contact=None if contact is None else contact_of(app.store, contact),
        kind=given["kind"],
        cause=given["cause"],
        property=given["property_name"],
        actor=given["actor"],
        definition=given["definition"],
        run=None if run is None else RunId(run),
        since=maybe_instant_of(since, now, "--since"),
        until=maybe_instant_of(until, now, "--until"),
    )


def _document(entry: Entry) -> dict[str, Any]:
    """Make the JSON object of docs/audit.md, with its keys in that order."""
    draft = entry.draft
    ref = draft.definition
    return {
        "seq": entry.seq,
        "at": instant_text(entry.at),
        "kind": draft.kind,
        "run": draft.run,
        "portal": entry.portal,
        "object": draft.object,
        "id": draft.id,
        "property": draft.property,
        "before": draft.before,
        "after": draft.after,
        "of": draft.of,
        "cause": draft.cause,
        "definition": None if ref is None else {"id": ref.id, "version": ref.version, "sha256": ref.sha256},
        "reason": draft.reason,
        "actor": draft.actor,
        "values_digest": entry.values_digest,
        "prev": entry.prev,
        "hash": entry.hash,
    }


def _row(entry: Entry) -> tuple[object, ...]:
    draft = entry.draft
    at = f"{entry.at:%Y-%m-%d %H:%M}"
    return entry.seq, at, draft.kind, draft.id, _change(entry)


def _change(entry: Entry) -> str:
    draft = entry.draft
    if draft.property is None:
        return draft.actor if draft.run is None else f"run {draft.run}"
    values = f"{_short(draft.before)} → {_short(draft.after)}"
    by = "" if draft.actor == "crmsync" else f", {draft.actor}"
    return f"{draft.property}: {values} ({draft.cause}{by})"


def _short(value: str | None, width: int = 24) -> str:
    text = (value or "nothing").replace("\n", " ")
    return text if len(text) <= width else f"{text[: width - 1]}…"


@contextmanager
def _written(output: str) -> Iterator[BinaryIO]:
    if output == "-":
        with streamed() as out:
            yield out
        return
    try:
        with _file(Path(output)) as out:
            yield out
    except OSError as error:
        raise OperatorError(
            f"{output} cannot be written ({error.strerror}).", next_step="Name another file with --output."
        ) from None


@contextmanager
def _file(target: Path) -> Iterator[BinaryIO]:
    """Put the file in its place when it is whole; a pipe or a device is written as it is."""
    if target.exists() and not target.is_file():
        with target.open("wb") as out:
            yield out
        return
    half = target.with_name(f"{target.name}.part")
    try:
        with half.open("wb") as out:
            yield out
        half.replace(target)
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)


COMMANDS = (audit,)
