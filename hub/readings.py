"""What the gauges say of the stores, read when somebody asks for the metrics."""

from hub.stores import Stores
from hub.telemetry import Metrics


def take_readings_of(stores: Stores, metrics: Metrics) -> None:
    """Set the gauges about what works on the stores."""
    metrics.ledger_lag_entries.set(stores.ledger_lag())
    metrics.checkpoint_lag_entries.set(stores.checkpointing.lag_entries)
    metrics.ledger_set_aside.set(stores.writer.doubled + stores.writer.poisoned)
    metrics.reservations_live.set(stores.expiry.live)
    metrics.stale_sources.set(len(stores.sources.stale))
    metrics.verify_findings.set(stores.sampling.findings)
    metrics.verify_round_seconds.set(stores.sampling.rounds.seconds)
    metrics.verify_pass_seconds.set(stores.sampling.passes.seconds)
    metrics.journal_bytes.set(stores.backlog.bytes)
    metrics.journal_bytes_max.set(stores.backlog.bytes_max)
    stores.memories.recent_accuracy.look()
