"""The check of the whole chain, in the background: it takes seconds, and a page answers at once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from crmsync.errors import CrmsyncError, VerificationError
from crmsync.web.desk import Desk


@dataclass(frozen=True, slots=True)
class Check:
    """
    One check of the chain.

    Attributes:
        finished_at: None while it runs.
        problem: the first bad entry, or why the check itself ended early; "" when the chain holds.
        bad_seq: the first bad entry, where there is one.
        entries, erased, head: what was proven.
    """

    started_at: datetime
    finished_at: datetime | None = None
    problem: str = ""
    bad_seq: int | None = None
    entries: int = 0
    erased: int = 0
    head: str = ""


@dataclass(slots=True)
class Checking:
    """The last check, and one at a time. Kept in memory: a restart forgets it."""

    desk: Desk
    now: Callable[[], datetime]
    _last: Check | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def last(self) -> Check | None:
        return self._last

    def begin(self) -> None:
        with self._lock:
            if self._last is not None and self._last.finished_at is None:
                return
            check = self._last = Check(self.now())
        threading.Thread(target=self._run, args=(check,), name="verify", daemon=True).start()

    def _run(self, check: Check) -> None:
        try:
            proven = self.desk.verify()
        except VerificationError as error:
            done = replace(check, problem=str(error), bad_seq=error.seq)
        except CrmsyncError as error:
            done = replace(check, problem=f"The check could not be finished. {error}")
        else:
            done = replace(check, entries=proven.entries, erased=proven.erased, head=proven.head)
        self._last = replace(done, finished_at=self.now())
