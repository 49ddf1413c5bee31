"""What was asked of the portal the last time, what is asked now -> the kinds that must be read from the start."""

from crmsync.cycle.agenda import Memory
from crmsync.cycle.news import Wanted
from crmsync.cycle.streams import Streams
from crmsync.model import Kind


def begin_again(memory: Memory, streams: Streams) -> None:
    """
    Let a kind of which more is asked than it was read with be listed anew.

    A changed definition may read what the mirror lacks of everybody: nobody's change would ever bring it.
    """
    for kind in streams.wanted.kinds:
        key, asked = f"asked_{kind.value}", _asked(streams.wanted, kind)
        known = memory.get(key) or ""
        if not set(asked) <= set(known.split(",")):
            streams.begin_again(kind)
        if ",".join(asked) != known:
            memory.put(key, ",".join(asked))


def _asked(wanted: Wanted, kind: Kind) -> list[str]:
    return sorted([*wanted.properties[kind], *(f"with {to.value}" for to in wanted.linked[kind])])
