"""What the last whole list of contacts lacked, remembered until one is whole again: plans wait as long (G9)."""

from crmsync.cycle.agenda import Memory
from crmsync.cycle.taking import Pulled

_KEY = "shrunk"


def note(memory: Memory, pulled: Pulled, *, is_listed: bool) -> None:
    """Remember it; a list that misses few forgets it."""
    if pulled.shrunk is not None:
        memory.put(_KEY, "{} {}".format(*pulled.shrunk))
    elif is_listed and memory.get(_KEY):
        memory.put(_KEY, "")


def shrunk(memory: Memory, max_shrink: float) -> tuple[int, int] | None:
    """Return (missing, known) contacts while that is more than the guard accepts now."""
    known = memory.get(_KEY)
    if not known:
        return None
    missing, size = (int(part) for part in known.split())
    return (missing, size) if missing > size * max_shrink else None
