"""How a command ends: known errors are a message and an exit status, with --json a document too; Ctrl-C is quiet."""

import traceback
from collections.abc import Sequence
from typing import Any

import click
import orjson

from crmsync.cli import outlet
from crmsync.errors import CrmsyncError, Stopped

_BUG = 1


def run_to_the_end(command: click.Command, arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    out = outlet.install()
    wants_json = "--json" in arguments
    try:
        status = _run(command, arguments, out if wants_json else None)
        out.flush()
    except CrmsyncError as error:  # standard output itself cannot be written
        return _tell(error)
    return status


def _run(command: click.Command, arguments: Sequence[str], out: outlet.Outlet | None) -> int:
    """Run it; `out` is where a document about an error goes, None: nowhere."""
    try:
        done = command.main(list(arguments), prog_name="crmsync", standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except CrmsyncError as error:
        _document(out, _of_known(error))
        return _tell(error)
    except click.ClickException as error:
        _document(out, _of_usage(error))
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        stopped = Stopped("Interrupted.")
        _document(out, _of_known(stopped))
        return _tell(stopped)
    except Exception as error:  # noqa: BLE001 - the last resort of the process: a bug, shown with its traceback
        _document(out, {"kind": "Bug", "message": type(error).__name__, "exit_status": _BUG})
        traceback.print_tb(error.__traceback__)  # without the message, which may quote a value
        click.echo(type(error).__name__, err=True)
        click.echo("crmsync: this is a bug; please report it with the lines above.", err=True)
        return _BUG
    return done if isinstance(done, int) else 0


def _tell(error: CrmsyncError) -> int:
    click.echo(f"crmsync: {error.message}", err=True)
    if error.next_step:
        click.echo(f"Next: {error.next_step}", err=True)
    return error.exit_status


def _document(out: outlet.Outlet | None, error: dict[str, Any]) -> None:
    """Print the one document, unless some of another is out already."""
    if out is not None and out.is_untouched:
        print(orjson.dumps({"error": error}, option=orjson.OPT_INDENT_2, default=str).decode(), file=out)


def _of_known(error: CrmsyncError) -> dict[str, Any]:
    known = {"kind": type(error).__name__, "message": error.message, "next_step": error.next_step}
    details = {name: value for name, value in vars(error).items() if name not in known}
    return {**known, "exit_status": error.exit_status, **details}


def _of_usage(error: click.ClickException) -> dict[str, Any]:
    context = getattr(error, "ctx", None)
    step = f"See `{context.command_path} --help`." if context else ""
    return {
        "kind": "UsageError",
        "message": error.format_message(),
        "next_step": step,
        "exit_status": error.exit_code,
    }
