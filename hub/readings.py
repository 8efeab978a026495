"""What the gauges say of the stores, read when somebody asks for the metrics."""

from hub.intake.streams import Streams
from hub.live.fanout import Counters
from hub.stores import Stores
from hub.telemetry import Metrics


def take_readings_of(stores: Stores, metrics: Metrics, *, on_duty: bool) -> None:
    """Set the gauges about what works on the stores; what one process watches for all, others do not know: 0."""
    metrics.on_duty.set(on_duty)
    metrics.ledger_lag_entries.set(stores.ledger_lag())
    metrics.ledger_set_aside.set(stores.writer.doubled + stores.writer.poisoned)
    metrics.journal_bytes.set(stores.backlog.bytes)
    metrics.journal_bytes_max.set(stores.backlog.bytes_max)
    metrics.checkpoint_lag_entries.set(stores.checkpointing.lag_entries if on_duty else 0)
    metrics.reservations_live.set(stores.expiry.live if on_duty else 0)
    metrics.stale_sources.set(len(stores.sources.stale) if on_duty else 0)
    metrics.verify_findings.set(stores.sampling.findings if on_duty else 0)
    metrics.verify_round_seconds.set(stores.sampling.rounds.seconds if on_duty else 0)
    metrics.verify_pass_seconds.set(stores.sampling.passes.seconds if on_duty else 0)
    stores.memories.recent_accuracy.look()


def take_readings_of_doors(live: Counters, streams: Streams, metrics: Metrics) -> None:
    """Set the gauges about who is told what is shown, and what happened."""
    metrics.live_connections.set(live.connections)
    metrics.live_frames.set(live.frames)
    metrics.live_conflated.set(live.conflated)
    metrics.live_cut.labels("slow").set(live.slow_closed)
    metrics.live_cut.labels("silent").set(live.silent_closed)
    metrics.live_cut.labels("stream").set(streams.readers.stalled)
    metrics.feed_streams.set(streams.open)
