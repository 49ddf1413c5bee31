# ruff: noqa: INP001, S603 - a script of its own; it runs our own command
"""Draw docs/pictures/demo.svg: what `crmsync demo` really shows on a terminal of 80 columns, up to its last chapter."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).with_name("demo.svg")


def shown_on_a_terminal(*command: str) -> str:
    """Run it with a terminal as its standard output; stop it when it waits."""
    terminal, inside = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "60"}
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside)
    os.close(inside)
    read = bytearray()
    while b"Ctrl-C ends" not in read:
        read += os.read(terminal, 65_536)
    process.terminate()
    process.wait()
    return read.decode().replace("\r\n", "\n")


def main() -> None:
    told = shown_on_a_terminal(sys.executable, "-m", "crmsync", "demo")
    story = told.partition("6. Why?")[0].rpartition("\n")[0].strip("\n")
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ crmsync demo"))
    console.print(Text.from_ansi(story))
    TARGET.write_text(console.export_svg(title="crmsync demo"), encoding="utf-8")


if __name__ == "__main__":
    main()
