"""`check`, `definition`, `sign`, `new-definition`: the agreement by itself; no portal, store or token."""

import re
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crmsync.cli import definition_render as render
from crmsync.cli.output import json_option, print_json
from crmsync.clock import utcnow
from crmsync.definition.load import load
from crmsync.definition.nouns import Definition
from crmsync.definition.review.difference import compare, is_same_text
from crmsync.definition.signing import ROLES, sign, signature_status
from crmsync.definition.wording.page import as_html
from crmsync.definition.wording.sentences import as_text
from crmsync.errors import OperatorError, SettingsError
from crmsync.settings import DefinitionSettings, Settings
from crmsync.settings import load as load_settings

if TYPE_CHECKING:
    from crmsync.cli.session import Call
    from crmsync.definition.review.check import Checkup

EXAMPLES = ("b2b-saas", "breakfast-baskets")
IN_FORCE = "active"
_STDIN = "-"
_UNSOUND = OperatorError.exit_status


def definition_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--definition`, given to the command as `file`: a path, `-`, or None for the one of the settings."""
    option = click.option(
        "--definition", "file", metavar="FILE", help="Definition [definition.path]; - is stdin."
    )
    return option(command)


@click.command("check")
@definition_option
@json_option
@click.pass_obj
def check_command(call: "Call", file: str | None, *, as_json: bool) -> None:
    """Check settings and definition: every error, lint, agreed examples."""
    complaint = settings_complaint(call)
    done = checkup(file or path_of(call))
    if as_json:
        print_json(render.checkup_document(done, complaint))
    else:
        render.print_checkup(done, complaint)
    sys.exit(0 if done.is_sound and not complaint else _UNSOUND)


@click.group("definition")
def definition() -> None:
    """Show the definition in sentences, or compare two."""


@definition.command("show")
@definition_option
@click.option("--html", is_flag=True, help="A page to print and sign.")
@json_option
@click.pass_obj
def show(call: "Call", file: str | None, *, html: bool, as_json: bool) -> None:
    """Say in plain sentences what the definition says."""
    shown = load_from(file or path_of(call))
    if as_json:
        print_json(render.definition_document(shown))
    else:
        click.echo(as_html(shown) if html else as_text(shown), nl=False)


@definition.command("diff")
@click.argument("old", metavar="[OLD]", default=IN_FORCE)
@click.argument("new", metavar="[NEW]", required=False)
@json_option
@click.pass_obj
def diff(call: "Call", old: str, new: str | None, *, as_json: bool) -> None:
    """Say what changed in meaning from OLD to NEW; wording apart.

    Each is a file, -, the hash of one that was used here, or `active`: the one in force. Left out: from `active` to
    the file of the settings.
    """
    before, after = one_of(call, old), one_of(call, new or path_of(call))
    found = compare(before, after)
    if as_json:
        print_json(render.difference_document(before, after, found))
    else:
        render.print_differences(before, after, found, is_same=is_same_text(before, after))


def _an_address(_: click.Context, __: click.Parameter, who: str) -> str:
    """Return an e-mail address: a signature names a person whom both teams can ask."""
    local, at, domain = who.strip().partition("@")
    if not (local and at and domain) or any(c.isspace() for c in who.strip()):
        raise OperatorError("--who is not an e-mail address.", next_step="Write it like anna@acme.example.")
    return who.strip()


@click.command("sign")
@click.option("--definition", "file", metavar="FILE", help="The file to sign [definition.path].")
@click.option("--role", type=click.Choice(ROLES), required=True, help="For which team.")
@click.option("--who", metavar="EMAIL", required=True, callback=_an_address, help="The person who agrees.")
@json_option
@click.pass_obj
def sign_command(call: "Call", file: str | None, role: str, who: str, *, as_json: bool) -> None:
    """Sign the definition's content, in its file; any change voids it."""
    if file == _STDIN:
        raise OperatorError(
            "A signature is written into the file: standard input cannot be signed.",
            next_step="Name the file with --definition FILE.",
        )
    path = Path(file or path_of(call))
    refuse_unsound(checkup(str(path)))
    signed = sign(path, role=role, who=who, at=utcnow())
    if as_json:
        print_json(render.signatures_document(signed))
    else:
        render.print_signatures(signed, signature_status(signed), role)


@click.command("new-definition")
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--example", type=click.Choice(EXAMPLES), help="A shipped example instead of the starter.")
@json_option
@click.pass_obj
def new_definition(call: "Call", file: str | None, example: str | None, *, as_json: bool) -> None:
    """Write a commented starter definition; - writes to standard output."""
    text = _shipped(example)
    if file == _STDIN:
        click.echo(text, nl=False)
        return
    path = Path(file or path_of(call))
    _write_new(path, text)
    if as_json:
        print_json({"file": str(path), "example": example})
    else:
        click.echo(f"{path}: written, not signed by anybody\nNext: crmsync check --definition {path}")


COMMANDS = (check_command, definition, sign_command, new_definition)


# --- what the commands share


def path_of(call: "Call") -> str:
    """Return the definition's path by the settings; when those are wrong, by their default."""
    config, overrides = call
    try:
        return str(load_settings(overrides, config=config).settings.definition.path)
    except SettingsError:
        return str(DefinitionSettings().path)


def settings_complaint(call: "Call") -> str:
    """Return what is wrong with the settings; "" when nothing is."""
    config, overrides = call
    try:
        settings = load_settings(overrides, config=config).settings
    except SettingsError as error:
        return str(error)
    return "\n".join(_unusable(settings))


def _unusable(settings: Settings) -> Iterator[str]:
    """Yield what only the parts that use the settings find in them; nothing is opened."""
    from crmsync.store.database import parsed
    from crmsync.web import WebConfig

    web = settings.web
    uses: tuple[Callable[[], object], ...] = (
        lambda: parsed(settings.store.url.get_secret_value()),
        lambda: WebConfig(web.host, utcnow, web.token.get_secret_value()),
    )
    for use in uses:
        try:
            use()
        except SettingsError as error:
            yield str(error)


def checkup(file: str) -> "Checkup":
    """Check a file or standard input as of now."""
    from crmsync.definition.review.check import check  # the evaluation it brings takes a second to start

    source = sys.stdin.buffer.read() if file == _STDIN else Path(file)
    return check(source, name=_name(file), as_of=utcnow())


def load_from(file: str) -> Definition:
    """*Raises* DefinitionError with every problem."""
    return load(sys.stdin.buffer.read() if file == _STDIN else Path(file), name=_name(file))


def one_of(call: "Call", name: str) -> Definition:
    """
    Load a file, or a definition that the store keeps: the one in force, or by its hash.

    Raises:
        OperatorError: none is in force, or the store does not keep it.
        DefinitionError: every problem of a file.
    """
    is_hash = re.fullmatch(r"[0-9a-f]{8,64}", name) and not Path(name).exists()
    return _kept(call, name) if name == IN_FORCE or is_hash else load_from(name)


def _kept(call: "Call", name: str) -> Definition:
    from crmsync.cli.session import past_session  # a difference between files needs no store

    with past_session(call) as app:
        definitions = app.store.definitions
        active = definitions.active_at() if name == IN_FORCE else None
        kept = definitions.get(active.sha256 if active else name)
    if kept is None:
        what = "No definition is in force here" if name == IN_FORCE else f"No definition {name} is kept here"
        raise OperatorError(
            f"{what}.", next_step="Name a file, or a hash from the page Definition or the audit trail."
        )
    return load(kept.text, name=f"definition {kept.ref.version} ({kept.ref.short_hash})")


def refuse_unsound(done: "Checkup") -> None:
    """*Raises* OperatorError: nobody signs what has errors or breaks an agreed example."""
    if not done.is_sound:
        broken = [f"{done.name}:{v.at.line}: example broken: {v.name}" for v in done.verdicts if not v.is_met]
        said = "\n".join([*map(str, done.problems), *broken])
        raise OperatorError(f"not signed:\n{said}", next_step="Run `crmsync check` and correct the file.")


def _name(file: str) -> str:
    return "<stdin>" if file == _STDIN else file


def _shipped(example: str | None) -> str:
    package = files("crmsync.starter")
    place = f"examples/{example}.yaml" if example else "definition.yaml"
    return (package / place).read_text(encoding="utf-8")


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        step = "Name another file; nothing was overwritten."
        raise OperatorError(f"{path}: is there already.", next_step=step) from None
    except OSError as error:
        raise OperatorError(
            f"{path}: cannot be written ({error.strerror}).", next_step="Name another file."
        ) from None
