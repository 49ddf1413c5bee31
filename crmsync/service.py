"""App -> the long-running process: cycles by the daemon, pages, health and metrics beside them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from crmsync.app import App
from crmsync.cycle.engine import Summary
from crmsync.cycle.revert import Request
from crmsync.daemon import Daemon, Health
from crmsync.definition.wording.words import counted
from crmsync.errors import DefinitionError
from crmsync.metrics import metrics_text
from crmsync.model import PlanId, PlanStatus
from crmsync.web import Running, WebConfig, make_app, serve
from crmsync.web import store_desk as desks
from crmsync.web.desk import Undone

_CHECKPOINT_EVERY = timedelta(hours=1)


@dataclass(slots=True)
class Service:
    """One process: `run` for the daemon with its pages, `pages` for the pages alone."""

    app: App
    health: Health = field(default_factory=Health)
    _seen: str | None = None  # the file's hash; "" when there was none to read, None before the first cycle
    _desk: desks.StoreDesk | None = None
    _checked_at: datetime | None = None

    def run(self, on_ready: Callable[[Running], None]) -> None:
        """Serve the pages and run cycles until SIGTERM or SIGINT."""
        daemon = Daemon(
            self.cycle, self.app.settings.schedule.cycle_every, self.app.now, self.app.monotonic, self.health
        )
        self.app.should_stop = daemon.stopping.is_set
        running = self.pages()
        try:
            daemon.run(lambda: on_ready(running))
        finally:
            running.stop()

    def pages(self) -> Running:
        """Serve the pages in a thread of their own. *Raises* OperatorError: the port is in use."""
        web = self.app.settings.web
        config = WebConfig(web.host, self.app.now, web.token.get_secret_value())
        return serve(make_app(self.desk(), config), web.host, web.port)

    def cycle(self) -> str:
        """Run one cycle under the definition as the file now has it; return its status word."""
        self._read_definition_again()
        self.app.check_signatures()
        with self.app.engine() as engine:
            summary = engine.sync()
        self.health.results.update({one.value: count for one, count in summary.written.results.items()})
        self._checkpoint()
        _log(summary)
        return summary.status

    def _checkpoint(self) -> None:
        """Write the trail's head outside the database, once an hour, where the settings name a folder."""
        store, now = self.app.settings.store, self.app.now()
        if store.checkpoint_dir is None or (self._checked_at and now - self._checked_at < _CHECKPOINT_EVERY):
            return
        self.app.store.checkpoint(store.checkpoint_dir, store.checkpoint_key_file)
        self._checked_at = now

    def desk(self) -> desks.StoreDesk:
        if self._desk is None:
            actions = desks.Actions(self._approve, self._reject, self._revert)
            daemon = desks.Daemon(self._health_document, self._metrics)
            self._desk = desks.StoreDesk(
                self.app.store,
                self.app.definition,
                self.app.evaluator,
                actions,
                daemon,
                self.app.policy,
                self.app.now,
            )
        return self._desk

    def _read_definition_again(self) -> None:
        """Take up a changed file; a broken one leaves the definition in force, and health says so."""
        path = self.app.settings.definition.path
        if self._seen is None:  # the pages may have read it long before
            self._seen = hashlib.sha256(self.app.definition_text.encode()).hexdigest()
        seen = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.app.reload_definition()
        except DefinitionError as error:
            ref = self.app.definition.ref
            self.health.definition_problem = (
                f"{path} has {counted(len(error.problems), 'problem')}; cycles go on with "
                f"{ref.id} {ref.version} ({ref.short_hash}). Run `crmsync check`, and correct the file."
            )
            structlog.get_logger().warning(
                "definition.refused",
                problems=len(error.problems),
                next_step="Run `crmsync check`; the old one stays.",
            )
            return
        self.health.definition_problem = ""
        if self._desk is not None:
            self._desk.current, self._desk.qualifier = self.app.definition, self.app.evaluator

    def _approve(self, plan: PlanId, who: str) -> None:
        self.app.store.plans.decide(plan, PlanStatus.APPROVED, who)

    def _reject(self, plan: PlanId, who: str) -> None:
        self.app.store.plans.decide(plan, PlanStatus.REJECTED, who)

    def _revert(self, request: Request) -> Undone:
        with self.app.engine(writes=False) as engine:
            summary = engine.revert(request).summary
        return Undone(summary.plan.id if summary.plan else None, summary.run)

    def _metrics(self) -> str:
        return metrics_text(self.health, self.app.gateway if self.app.has_token else None, self.app.store)

    def _health_document(self) -> Mapping[str, Any]:
        health = self.health
        document: dict[str, Any] = {
            "ok": not health.problem,
            "problems": [one for one in (health.problem, health.definition_problem) if one],
            "may_write": health.may_write,
            "definition_problem": health.definition_problem or None,
            "waits_for": str(self.app.waits_for) if self.app.waits_for else None,
            "cycles": health.cycles,
            "failures": health.failures,
            "last_cycle_at": _text(health.last_cycle_at),
            "last_success_at": _text(health.last_success_at),
            "last_status": health.last_status or None,
            "paused_until": _text(health.paused_until),
        }
        if self.app.has_token:
            gateway = self.app.gateway
            document["budget"] = {
                "burst_per_10s": gateway.burst_limit,
                "daily_limit": gateway.daily_limit,
                "daily_left": gateway.daily_remaining,
                "requests_sent": gateway.traffic().requests,
            }
        return document


def _text(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _log(summary: Summary) -> None:
    if summary.pulled.set_aside:
        structlog.get_logger().warning(
            "stream.set_aside",
            streams=list(dict.fromkeys(summary.pulled.set_aside)),
            next_step="The finding in the audit trail says why; each cycle tries again.",
        )
    structlog.get_logger().info(
        "cycle.finished",
        run=summary.run,
        status=summary.status,
        plan=summary.plan.id if summary.plan else None,
        pulled=sum(summary.pulled.counts.values()),
        evaluated=summary.tally.evaluated,
        promoted=summary.tally.promoted,
        demoted=summary.tally.demoted,
        results={result.value: count for result, count in summary.written.results.items()},
    )
