"""
Cursors -> news in the mirror: snapshots, signals, foreign changes, and who must be evaluated again.

The verbs for all streams side by side. streams.py has them for one stream, taking.py takes what it brought into the
mirror, news.py says what of it is new.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from crmsync.cycle.agenda import Job
from crmsync.cycle.streams import Streams
from crmsync.cycle.taking import Pulled

_FEW_FORMS = 20
_Verb: TypeAlias = Callable[[], Pulled]


def pull(streams: Streams, due: Collection[Job], *, rescan_back: timedelta, workers: int = 1) -> Pulled:
    """Catch up, or compare the full lists where that is due; and read again what may have come late."""
    lists = reconcile_lists if Job.RECONCILE in due else catch_up
    pulled = lists(streams, workers=workers)
    return pulled + rescan(streams, rescan_back, workers=workers) if Job.RESCAN in due else pulled


def catch_up(streams: Streams, *, workers: int = 1) -> Pulled:
    """
    Take everything that changed since the last time; the first time everything there is.

    Forms have no search. A few are cheap to look at each time, a page each; many are read when a contact's count of
    submissions moved, and at each rescan.
    """
    kinds: list[_Verb] = [partial(streams.catch_up, kind) for kind in streams.wanted.kinds]
    if not streams.has_read_forms():
        pulled = _side_by_side([*kinds, *_forms(streams, whole=False)], workers)
        streams.note_forms_read()
        return pulled
    pulled = _side_by_side(kinds, workers)
    forms = _forms(streams, whole=False)
    return pulled + _side_by_side(forms if pulled.submitters or len(forms) <= _FEW_FORMS else [], workers)


def rescan(streams: Streams, back: timedelta, *, workers: int = 1) -> Pulled:
    """Read the windows of the last `back` again, with the associations of engagements and deals, and the forms."""
    kinds: list[_Verb] = [partial(streams.rescan, kind, back) for kind in streams.wanted.kinds]
    return _side_by_side([*kinds, *_forms(streams, whole=False)], workers)


def reconcile_lists(streams: Streams, *, workers: int = 1) -> Pulled:
    """Compare the full lists with the mirror: deletions, merges, restored contacts, drift, late submissions."""
    kinds: list[_Verb] = [partial(streams.sweep, kind) for kind in streams.wanted.kinds]
    return _side_by_side([*kinds, *_forms(streams, whole=True)], workers)


def _forms(streams: Streams, *, whole: bool) -> list[_Verb]:
    if not streams.wanted.forms:
        return []
    return [partial(streams.submissions, form, whole=whole) for form in streams.portal.forms()]


def _side_by_side(jobs: Sequence[_Verb], workers: int) -> Pulled:
    """Run the jobs, in order with one worker; the first error is raised when all that started have ended."""
    if workers == 1 or not jobs:
        return sum((job() for job in jobs), Pulled())
    with ThreadPoolExecutor(workers, thread_name_prefix="pull") as pool:
        return sum(pool.map(lambda job: job(), jobs), Pulled())
