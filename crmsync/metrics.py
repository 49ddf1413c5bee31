"""Daemon, portal and store -> Prometheus text. Names and numbers only: no ids, no personal data."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from crmsync import __version__
from crmsync.daemon import Health
from crmsync.model import PlanStatus, Result
from crmsync.portal.gateway import Gateway
from crmsync.store import Store


class _Collected(Collector):
    def __init__(self, health: Health, gateway: Gateway | None, store: Store) -> None:
        self._health, self._gateway, self._store = health, gateway, store

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("crmsync_build", "What runs here.", {"version": __version__})
        yield from self._of_daemon()
        yield from self._of_store()
        if self._gateway is not None:
            yield from self._of_portal(self._gateway)

    def _of_daemon(self) -> Iterable[Metric]:
        health = self._health
        yield CounterMetricFamily("crmsync_cycles", "Cycles run.", health.cycles)
        yield CounterMetricFamily("crmsync_cycle_failures", "Cycles that failed.", health.failures)
        yield GaugeMetricFamily("crmsync_up", "1 when nothing is wrong.", float(not health.problem))
        yield GaugeMetricFamily("crmsync_may_write", "0 while the token is refused.", float(health.may_write))
        refused = float(bool(health.definition_problem))
        yield GaugeMetricFamily("crmsync_definition_refused", "1 while the file cannot be used.", refused)
        ends = {"last_cycle": health.last_cycle_at, "last_success": health.last_success_at}
        for name, at in ends.items():
            if at is not None:
                told = f"End of the {name.replace('_', ' ')}, Unix time."
                yield GaugeMetricFamily(f"crmsync_{name}_timestamp_seconds", told, at.timestamp())
        yield GaugeMetricFamily(
            "crmsync_last_cycle_seconds", "Duration of the last cycle.", health.last_cycle_s
        )
        yield self._changes()

    def _changes(self) -> Metric:
        changes = CounterMetricFamily("crmsync_changes", "Changes by what became of them.", labels=["result"])
        for result in Result:
            changes.add_metric([result.value], self._health.results[result.value])
        return changes

    def _of_store(self) -> Iterable[Metric]:
        store = self._store
        by_stage = GaugeMetricFamily("crmsync_contacts", "Living contacts by stage.", labels=["stage"])
        for stage, count in store.mirror.stages().items():
            by_stage.add_metric([stage or "none"], count)
        yield by_stage
        yield GaugeMetricFamily("crmsync_due_contacts", "Contacts to evaluate.", store.mirror.due_count())
        parked = len(store.plans.plans(status=PlanStatus.PARKED))
        yield GaugeMetricFamily("crmsync_parked_plans", "Plans that wait for a person.", parked)
        yield GaugeMetricFamily("crmsync_audit_entries", "Entries in the trail.", store.trail.head().seq)

    @staticmethod
    def _of_portal(gateway: Gateway) -> Iterable[Metric]:
        traffic = gateway.traffic()
        sent = CounterMetricFamily("crmsync_requests", "Requests sent.", labels=["limit", "status"])
        for (limit, status), count in sorted(traffic.by_status.items()):
            sent.add_metric([limit, str(status)], count)
        yield sent
        yield CounterMetricFamily("crmsync_retries", "Requests sent again.", traffic.retries)
        yield CounterMetricFamily(
            "crmsync_budget_wait_seconds", "Time waited for the budget.", traffic.waited_s
        )
        if (left := gateway.daily_remaining) is not None:
            yield GaugeMetricFamily("crmsync_daily_requests_left", "Requests left today.", left)


def metrics_text(health: Health, gateway: Gateway | None, store: Store) -> str:
    """Collect everything now."""
    registry = CollectorRegistry()
    registry.register(_Collected(health, gateway, store))
    return generate_latest(registry).decode()
