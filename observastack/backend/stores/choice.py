"""Which adapter serves which signal: what the configuration says. Adapters that are not used are not imported."""

from __future__ import annotations

from observastack.backend.database import Database
from observastack.backend.stores.embedded.metrics import EmbeddedMetrics
from observastack.backend.stores.embedded.signal import EmbeddedSignal
from observastack.backend.stores.embedded.traces import EmbeddedTraces
from observastack.backend.stores.ports import LogStore, MetricStore, Stores, TraceStore
from observastack.config import Config


def choose(config: Config, database: Database) -> Stores:
    """Nothing is connected yet. That adapters exist and have their URL was checked when the configuration was read."""
    return Stores(logs=_logs(config, database), metrics=_metrics(config, database), traces=_traces(config, database))


def _logs(config: Config, database: Database) -> LogStore:
    if config.stores.logs == "loki":
        from observastack.backend.stores.loki.store import LokiStore

        return LokiStore(config.stores.loki_url or "", config.stores.timeout_s)
    return EmbeddedSignal("logs", database)


def _metrics(config: Config, database: Database) -> MetricStore:
    if config.stores.metrics == "prometheus":
        from observastack.backend.stores.prometheus.store import PrometheusStore

        return PrometheusStore(config.stores.prometheus_url or "", config.stores.timeout_s)
    return EmbeddedMetrics("metrics", database)


def _traces(config: Config, database: Database) -> TraceStore:
    if config.stores.traces == "tempo":
        from observastack.backend.stores.tempo.store import TempoStore

        return TempoStore(config.stores.tempo_url or "", config.stores.timeout_s)
    return EmbeddedTraces("traces", database)
