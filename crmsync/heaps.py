"""Many threads -> few heaps: a pull's threads would each get one of their own, and give back little of it."""

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # glibc's M_ARENA_MAX, of its malloc.h
_HEAPS = 2


def share_heaps() -> None:
    """Ask the C library for a few heaps in all; one that has no such wish (musl, macOS) is left as it is."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _HEAPS)
