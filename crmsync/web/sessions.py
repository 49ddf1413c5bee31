"""Cookies, sign-in and its throttle, and the tokens that changes must carry."""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from crmsync.web.protection import peer_key, same

COOKIE = "crmsync_session"
SESSION_LASTS = timedelta(hours=12)
_SESSIONS_KEPT = 1_000
_FREE_TRIES = 5  # a peer may mistype this often before it waits
_LONGEST_WAIT_S = 300
_TRIES_PER_MINUTE = 60  # from everybody together
_PEERS_KEPT = 10_000


@dataclass(slots=True)
class Sessions:
    """
    Who is signed in, in memory: a restart signs everybody out. Safe to use from several threads.

    Attributes:
        key: signs the tokens of forms.
    """

    key: str
    now: Callable[[], datetime]
    new_secret: Callable[[], str]
    _until: OrderedDict[str, datetime] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self) -> str:
        """Return the id of a new signed-in session."""
        session = self.new_secret()
        with self._lock:
            self._until[session] = self.now() + SESSION_LASTS
            while len(self._until) > _SESSIONS_KEPT:
                self._until.popitem(last=False)
        return session

    def is_signed_in(self, session: str) -> bool:
        with self._lock:
            until = self._until.get(session)
        return until is not None and self.now() < until

    def end(self, session: str) -> None:
        with self._lock:
            self._until.pop(session, None)

    def form_token(self, session: str) -> str:
        """Return what every form of this session carries; another site cannot know it."""
        return hmac.digest(self.key.encode(), session.encode("utf-8", "replace"), "sha256").hex()

    def is_form_token(self, session: str, given: str) -> bool:
        return same(given, self.form_token(session))


@dataclass(slots=True)
class Throttle:
    """Failed sign-ins by peer: the sixth waits a second, each further one twice as long, up to five minutes."""

    now: Callable[[], datetime]
    _failures: OrderedDict[str, tuple[int, datetime]] = field(default_factory=OrderedDict)
    _minute: datetime | None = None
    _tries: int = 0
    _lock: Lock = field(default_factory=Lock)

    def admit(self, peer: str) -> int:
        """Count a try; return the seconds to wait before it may be made, 0: now."""
        now = self.now()
        with self._lock:
            failures, last_at = self._failures.get(peer_key(peer), (0, now))
            if failures >= _FREE_TRIES:
                wait = timedelta(seconds=min(2 ** (failures - _FREE_TRIES), _LONGEST_WAIT_S))
                if now < last_at + wait:
                    return max(1, round((last_at + wait - now).total_seconds()))
            if self._minute is None or now - self._minute >= timedelta(minutes=1):
                self._minute, self._tries = now, 0
            self._tries += 1
            return 60 if self._tries > _TRIES_PER_MINUTE else 0

    def note_failure(self, peer: str) -> None:
        key = peer_key(peer)
        with self._lock:
            failures, _ = self._failures.pop(key, (0, None))
            self._failures[key] = (min(failures + 1, 40), self.now())
            while len(self._failures) > _PEERS_KEPT:
                self._failures.popitem(last=False)

    def note_success(self, peer: str) -> None:
        with self._lock:
            self._failures.pop(peer_key(peer), None)


def cookie(session: str, *, is_secure: bool) -> str:
    return f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if is_secure else "")
