"""The composition root: the only place that constructs the parts and wires them; owns clock and chance."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

import structlog

from crmsync.clock import utcnow
from crmsync.cycle.watching import Nobody, Watcher, unknown
from crmsync.errors import LeaseLost, OperatorError, Rejected, SettingsError, Stopped
from crmsync.insight.words import count_of
from crmsync.model import Draft
from crmsync.settings import Settings
from crmsync.store import Store, open_store
from crmsync.store.database import is_there, parsed
from crmsync.store.lease import DEFAULT_TTL, Held

if TYPE_CHECKING:  # imported where used: a command that only reads the store starts in half the time
    from crmsync.cycle.engine import Engine
    from crmsync.cycle.reconcile import Policy
    from crmsync.definition.evaluation.compiled import Compiled
    from crmsync.definition.nouns import Definition
    from crmsync.portal.gateway import Gateway
    from crmsync.portal.schema import Account

_PATIENCE_S = 900.0  # a first pull of a large portal may take that long
_LOOK_AGAIN_S = 0.5
_CYCLE_PATIENCE_S = 20.0


def new_suffix(_now: datetime) -> str:
    """Return the random end of a run's id."""
    return secrets.token_hex(2)


@dataclass(frozen=True)
class _Agreement:
    """A definition with the very text it was read from: the file may be another a moment later."""

    definition: "Definition"
    text: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """*Raises* DefinitionError with every problem."""
        from crmsync.definition.load import load

        try:
            raw = path.read_bytes()
        except OSError:
            return cls(load(path), "")  # it says why
        return cls(load(raw, name=str(path)), raw.decode())

    @cached_property
    def evaluator(self) -> "Compiled":
        from crmsync.definition.evaluation.compiled import Compiled

        return Compiled(self.definition)


@dataclass(slots=False)
class App:
    """
    Everything one process needs, made when first asked for; a context manager that closes what it opened.

    Attributes:
        should_stop: looked at between two pages of a pull and two batches of writes.
        watcher: told how far a cycle has come.
        lease_ttl: how long another process waits for this one, when it falls silent in the middle of its work.
        waits_for: the process that writes to this portal now, while this one waits for its turn.
    """

    settings: Settings
    now: Callable[[], datetime] = utcnow
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    should_stop: Callable[[], bool] = lambda: False
    watcher: Watcher = field(default_factory=Nobody)
    lease_ttl: timedelta = DEFAULT_TTL
    waits_for: Held | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)  # a page's revert beside a cycle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def definition(self) -> "Definition":
        """*Raises* DefinitionError with every problem."""
        return self._agreement.definition

    @property
    def definition_text(self) -> str:
        """The very text of the definition in force: its file may be another by now."""
        return self._agreement.text

    @cached_property
    def _agreement(self) -> "_Agreement":
        return _Agreement.read(self.settings.definition.path)

    @property
    def evaluator(self) -> "Compiled":
        return self._agreement.evaluator

    def _wait(self, seconds: float) -> None:
        """
        Wait for the portal in short stretches: neither a long wait nor many short ones must cost the lease.

        *Raises* Stopped when it would take much longer; that gives up the request too: the next run reads again, and
        settles what it was about to write.
        """
        while seconds > 0:
            stretch = min(seconds, _LOOK_AGAIN_S)
            self.sleep(stretch)
            seconds -= stretch
            self.store.lease.keep()
            if seconds > 0 and self.should_stop():
                raise Stopped(
                    "Stopped while it waited for the portal; what was read and written is kept.",
                    next_step="Run it again: it goes on from there.",
                )

    def reload_definition(self) -> None:
        """Take the file as it is now. *Raises* DefinitionError and keeps the one in force."""
        self._agreement = _Agreement.read(self.settings.definition.path)

    @property
    def has_token(self) -> bool:
        return bool(self.settings.portal.access_token.get_secret_value())

    def require_store(self) -> None:
        """*Raises* OperatorError where nothing was ever stored: whoever asks about the past makes no empty store."""
        if not is_there(self.settings.store.url.get_secret_value()):
            place = parsed(self.settings.store.url.get_secret_value()).database
            raise OperatorError(
                f"There is no store at {place} yet.",
                next_step="`crmsync plan` makes it; if there is one, go to its folder or say where: store.url.",
            )

    @cached_property
    def store(self) -> Store:
        """The store, without asking the portal whose it is. *Raises* StoreError."""
        url = self.settings.store.url.get_secret_value()
        opened = open_store(url, portal=None, now=self.now, lease_ttl=self.lease_ttl)
        self._open.callback(opened.close)
        return opened

    @cached_property
    def gateway(self) -> "Gateway":
        """The portal. *Raises* SettingsError without a token; nothing is sent yet."""
        from crmsync.portal.config import PortalConfig
        from crmsync.portal.gateway import connect

        portal = self.settings.portal
        token = portal.access_token.get_secret_value()
        if not token:
            raise SettingsError(
                "portal.access_token is not set.",
                next_step="Make a service key in HubSpot (Development > Keys > Service keys) and give it as "
                "CRMSYNC_PORTAL__ACCESS_TOKEN or CRMSYNC_PORTAL__ACCESS_TOKEN_FILE; or try `crmsync demo`.",
            )
        config = PortalConfig(
            base_url=portal.base_url,
            access_token=token,
            api_version=portal.api_version,
            burst_per_10s=portal.burst_per_10s,
            search_per_s=portal.search_per_s,
            daily_reserve=portal.daily_reserve,
            timeout_s=portal.timeout_s,
            app_id=self.store.meta.app_id,
            time_zone=self.store.meta.time_zone,
        )
        gateway = connect(
            config,
            monotonic=self.monotonic,
            sleep=self._wait,
            utcnow=self.now,
            may_write=self.store.lease.assure,
            keep_app_id=self.store.meta.learn_app_id,
        )
        self._open.callback(gateway.close)
        return gateway

    @contextmanager
    def engine(self, *, writes: bool = True) -> Iterator["Engine"]:
        """
        Wire a cycle and hold the right to write while it is used.

        Args:
            writes: it will write to the portal, whose properties must then be there.

        Raises:
            StoreError: the store belongs to another portal, or another process holds the lease.
        """
        _ = self.definition  # its mistakes are told before the portal is asked anything
        account = self.bind()
        if writes and self.settings.writes.mode == "apply":
            self._require_properties()
        self._keep_definition()
        with ExitStack() as held:  # gives both back, also when giving back the lease meets a full disk
            self._enter_alone(held)
            held.callback(self.store.lease.release)
            self._take_lease()
            if (learnt := self.store.meta.app_id) is not None:
                self.gateway.recognise(learnt)
            if account.knows_zone:
                self.store.meta.learn_time_zone(account.zone.key)
            self._note_signatures()
            yield self._engine(account.zone)

    def _enter_alone(self, held: ExitStack) -> None:
        if not self._one_at_a_time.acquire(timeout=_CYCLE_PATIENCE_S):
            raise OperatorError(
                "A cycle is at work in this process.", next_step="Try again when it has ended."
            )
        held.callback(self._one_at_a_time.release)

    def _keep_definition(self) -> None:
        """Keep its text by its hash: years later an entry's definition can still be read."""
        self.store.definitions.keep(self.definition.ref, self.definition_text)

    def _note_signatures(self) -> None:
        """Let the trail say once who signed this very definition."""
        ref, memory = self.definition.ref, self.store.meta
        for signature in self.definition.terms.agreed_by:
            key = f"signed {ref.sha256} {signature.role} {signature.who}"
            if signature.sha256 != ref.sha256 or memory.get(key):
                continue
            signed_at = signature.at.isoformat() if signature.at else None
            told = {"role": signature.role, "signed_at": signed_at}
            self.store.trail.append(
                [Draft(kind="definition.signed", definition=ref, reason=told, actor=signature.who)]
            )
            memory.put(key, "noted")

    def _take_lease(self) -> None:
        """Wait for the process that writes now: the end of its cycle, its death, or the end of its term."""
        try:
            self._wait_for_lease()
        finally:
            self.waits_for = None
        if silent := self.store.lease.taken_from:
            structlog.get_logger().warning(
                "lease.taken_over",
                holder=str(silent),
                next_step="Nothing for crmsync: it finishes what was left open. See why that process fell silent.",
            )

    def _wait_for_lease(self) -> None:
        deadline = self.monotonic() + _PATIENCE_S
        while held := self.store.lease.take():
            if self.waits_for is None:
                structlog.get_logger().info("lease.awaited", holder=str(held))
            self.waits_for = held
            self.watcher.begin(f"waiting for {held}", unknown)
            if self.should_stop():
                raise Stopped(f"Stopped while {held} writes to this portal; nothing was done.")
            if self.monotonic() > deadline:
                raise LeaseLost(
                    f"{held} writes to this portal, and has for {_PATIENCE_S:.0f} s.",
                    next_step="Stop it, or wait until its cycle has ended.",
                )
            self.sleep(_LOOK_AGAIN_S)

    def _engine(self, zone: ZoneInfo) -> "Engine":
        from crmsync.assembly import Parts, engine

        return engine(
            Parts(
                self.settings,
                self.definition,
                self.evaluator,
                self.policy(),
                self.gateway,
                self.store,
                zone,
                new_suffix,
                self.should_stop,
                self.watcher,
            )
        )

    def bind(self) -> "Account":
        """Ask whose portal the token opens and bind the store to it. *Raises* StoreError: it is another's."""
        account = self.gateway.account()
        self.store.meta.bind(account.portal_id)
        return account

    def check_signatures(self) -> None:
        """*Raises* OperatorError when the settings ask for signatures and this very definition lacks one."""
        if not self.settings.definition.require_signatures:
            return
        unsigned = [role for role in ("marketing", "sales") if not self.definition.is_signed_by(role)]
        if unsigned:
            raise OperatorError(
                f"{self.settings.definition.path}: not signed by {' and '.join(unsigned)} for this content, and "
                "definition.require_signatures is on: nothing is written.",
                next_step=f"Run `crmsync sign --role {unsigned[0]} --who EMAIL`.",
            )

    def _require_properties(self) -> None:
        """*Raises* PortalError naming what `setup` or the definition must bring first."""
        by_why: dict[str, list[str]] = {}
        for name, why in self.gateway.schema.problems().items():
            by_why.setdefault(why, []).append(name)
        if by_why:
            told = (
                f"{count_of(len(names), 'property', 'properties')} ({', '.join(names)}): {why}"
                for why, names in by_why.items()
            )
            raise Rejected(
                f"The portal is not ready: {'; '.join(told)}.", next_step="Run `crmsync setup`.", status=None
            )

    def policy(self) -> "Policy":
        """Say what the settings allow to be written, today."""
        from crmsync.cycle.reconcile import Policy

        writes, review_by = self.settings.writes, self.definition.terms.review_by
        is_overdue = review_by is not None and self.now().date() > review_by
        return Policy(
            stages=writes.lifecyclestage,
            respect_manual_for=writes.respect_manual_for,
            min_score_change=writes.min_score_change,
            promotions_paused=is_overdue and writes.pause_past_review,
        )
