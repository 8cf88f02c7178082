"""Which adapter serves which signal: what the configuration says."""

from __future__ import annotations

from observastack.backend.database import Database
from observastack.backend.stores.embedded.metrics import EmbeddedMetrics
from observastack.backend.stores.embedded.signal import EmbeddedSignal
from observastack.backend.stores.embedded.traces import EmbeddedTraces
from observastack.backend.stores.ports import Stores
from observastack.config import Config
from observastack.errors import ConfigError


def choose(config: Config, database: Database) -> Stores:
    """Nothing is connected yet. Raises ConfigError for an adapter that does not exist."""
    for signal in ("logs", "metrics", "traces"):
        if (name := getattr(config.stores, signal)) != "embedded":
            raise ConfigError(
                f"stores.{signal}: no adapter {name}", file=config.file, remedy="embedded is there for every signal"
            )
    return Stores(
        logs=EmbeddedSignal("logs", database),
        metrics=EmbeddedMetrics("metrics", database),
        traces=EmbeddedTraces("traces", database),
    )
