"""Standard output whose reader may leave early: `crmsync plans | head -1` ends quietly, a full disk is a sentence."""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click

from crmsync.errors import OperatorError

_GONE = (errno.EPIPE, errno.ECONNRESET)
_T = TypeVar("_T")


class _Counted(io.FileIO):
    """A file descriptor that knows whether anything went through it."""

    sent = 0

    def write(self, data: Any, /) -> int:
        written = super().write(data) or 0
        self.sent += written
        return written


class Outlet(io.TextIOWrapper):
    """
    Text for whoever reads. When the reader has left, the work goes on and its exit status still counts.

    *Raises* OperatorError when standard output cannot be written.
    """

    def __init__(self, descriptor: int) -> None:
        self._counted = _Counted(descriptor, "wb", closefd=False)
        super().__init__(
            io.BufferedWriter(self._counted), encoding="utf-8", errors="replace", line_buffering=True
        )

    def write(self, text: str, /) -> int:
        return self._patiently(lambda: super(Outlet, self).write(text))

    def flush(self) -> None:
        self._patiently(super().flush)

    @property
    def is_untouched(self) -> bool:
        """Tell whether nobody was told anything yet."""
        self.flush()
        return self._counted.sent == 0

    def _patiently(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except OSError as error:
            _forget(self.fileno())  # what is still buffered goes nowhere, also when the process ends
            if error.errno in _GONE:
                return act()
            raise _unwritable(error) from None


def install() -> Outlet:
    """Put an Outlet in the place of standard output."""
    sys.stdout.flush()
    outlet = Outlet(sys.stdout.fileno())
    sys.stdout = outlet
    return outlet


@contextmanager
def streamed() -> Iterator[BinaryIO]:
    """
    Open standard output for long streams of bytes; the command ends, well, when the reader has had enough.

    Raises:
        OperatorError: it cannot be written.
    """
    out = sys.stdout.buffer
    try:
        yield out
        out.flush()
    except OSError as error:
        _forget(sys.stdout.fileno())
        if error.errno in _GONE:
            raise click.exceptions.Exit(0) from None
        raise _unwritable(error) from None


def _forget(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _unwritable(error: OSError) -> OperatorError:
    return OperatorError(
        f"Standard output cannot be written ({error.strerror}).", next_step="Make room, or write elsewhere."
    )
