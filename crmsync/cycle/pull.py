"""
Cursors -> news in the mirror: snapshots, signals, foreign changes, and who must be evaluated again.

The verbs for all streams side by side. streams.py has them for one stream, taking.py takes what it brought into the
mirror, news.py says what of it is new.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from crmsync.cycle.agenda import Job
from crmsync.cycle.streams import Streams
from crmsync.cycle.taking import Pulled
from crmsync.errors import Unavailable
from crmsync.model import Form, Kind

_FEW_FORMS = 20


@dataclass(frozen=True, slots=True)
class _Verb:
    """One stream's part of a pull; see Patience.read."""

    what: str
    read: Callable[[], Pulled]
    may_miss: bool


def pull(streams: Streams, due: Collection[Job], *, rescan_back: timedelta, workers: int = 1) -> Pulled:
    """
    Catch up, or compare the full lists where that is due; and read again what may have come late.

    *Raises* PortalError when no stream can be read, or one that must not be missed.
    """
    lists = reconcile_lists if Job.RECONCILE in due else catch_up
    pulled = lists(streams, workers=workers)
    return pulled + rescan(streams, rescan_back, workers=workers) if Job.RESCAN in due else pulled


def catch_up(streams: Streams, *, workers: int = 1) -> Pulled:
    """
    Take everything that changed since the last time; the first time everything there is.

    Forms have no search. A few are cheap to look at each time, a page each; many are read when a contact's count of
    submissions moved, and at each rescan.
    """
    kinds = _kinds(streams, "catch up", streams.catch_up)
    if not streams.has_read_forms():
        pulled = _side_by_side(streams, [*kinds, *_forms(streams, whole=False)], workers)
        streams.note_forms_read()
        return _unless_nothing(pulled, kinds)
    pulled = _unless_nothing(_side_by_side(streams, kinds, workers), kinds)
    forms = _forms(streams, whole=False)
    is_worth_it = pulled.submitters or len(forms) <= _FEW_FORMS
    return pulled + _side_by_side(streams, forms if is_worth_it else [], workers)


def rescan(streams: Streams, back: timedelta, *, workers: int = 1) -> Pulled:
    """Read the windows of the last `back` again, with the associations of engagements and deals, and the forms."""
    kinds = _kinds(streams, "rescan", lambda kind: streams.rescan(kind, back))
    return _unless_nothing(_side_by_side(streams, [*kinds, *_forms(streams, whole=False)], workers), kinds)


def reconcile_lists(streams: Streams, *, workers: int = 1) -> Pulled:
    """Compare the full lists with the mirror: deletions, merges, restored contacts, drift, late submissions."""
    kinds = _kinds(streams, "reconcile", streams.sweep)
    return _unless_nothing(_side_by_side(streams, [*kinds, *_forms(streams, whole=True)], workers), kinds)


def _kinds(streams: Streams, what: str, verb: Callable[[Kind], Pulled]) -> list[_Verb]:
    return [
        _Verb(f"{what} {kind.value}", partial(verb, kind), streams.is_known(kind))
        for kind in streams.wanted.kinds
    ]


def _forms(streams: Streams, *, whole: bool) -> list[_Verb]:
    listed: list[Form] = []

    def look() -> Pulled:
        listed.extend(streams.portal.forms())
        return Pulled()

    if streams.wanted.forms:
        streams.patience.read("list forms", look, may_miss=streams.has_read_forms())
    return [
        _Verb(f"read form {form.id}", partial(streams.submissions, form, whole=whole), may_miss=True)
        for form in listed
    ]


def _unless_nothing(pulled: Pulled, kinds: Iterable[_Verb]) -> Pulled:
    """Nobody goes on without anything: then it is the portal that is in trouble, not a stream."""
    if {one.what for one in kinds} <= set(pulled.set_aside):
        raise Unavailable(
            f"HubSpot answers nothing that is needed: {', '.join(pulled.set_aside)} failed again.",
            next_step="Nothing to do unless it stays: the next cycle tries again.",
        )
    return pulled


def _side_by_side(streams: Streams, verbs: Sequence[_Verb], workers: int) -> Pulled:
    """Read them, in order with one worker; the first error is raised when all that started have ended."""

    def read(verb: _Verb) -> Pulled:
        return streams.patience.read(verb.what, verb.read, may_miss=verb.may_miss)

    if workers == 1 or not verbs:
        return sum(map(read, verbs), Pulled())
    with ThreadPoolExecutor(workers, thread_name_prefix="pull") as pool:
        return sum(pool.map(read, verbs), Pulled())
