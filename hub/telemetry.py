"""Logs, and every metric's name and unit. No log line per event: what happens often is counted."""

import logging
import sys
from collections import Counter as Counted
from collections.abc import Iterable
from contextlib import suppress
from math import nan
from typing import TextIO, cast, get_args

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hub.party_metrics import PartyMetrics
from protocol.answers import EventStatus

# Upper bounds in seconds: from one fsync to the client's patience.
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


class Metrics:
    """The hub's metrics, in a registry of their own so that two hubs can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        events = Counter("hub_events_total", "Events answered, by status.", ["status"], registry=self.registry)
        # Looking a label up costs more than counting, so it is done once.
        self._events = {status: events.labels(status) for status in get_args(EventStatus)}
        self.kernel_call_seconds = Histogram(
            "hub_kernel_call_seconds", "One call of the kernel.", buckets=_SECONDS, registry=self.registry
        )
        self.kernel_batch_commands = Histogram(
            "hub_kernel_batch_commands", "Commands per call.", buckets=_COUNTS, registry=self.registry
        )
        self.conflicts = Counter(
            "hub_conflicts_total",
            "Events whose id was used for another content; the journal keeps each.",
            registry=self.registry,
        )
        self.unauthenticated = Counter(
            "hub_unauthenticated_total", "HTTP requests with a bad token.", registry=self.registry
        )
        self._make_of_ledger()
        self._make_of_live()
        self._make_of_outward()
        self._make_of_stock()
        self.parties = PartyMetrics(self.registry)
        self.ready = Gauge("hub_ready", "1 while the hub takes events.", registry=self.registry)

    def _make_of_ledger(self) -> None:
        self.ledger_lag_entries = Gauge(
            "hub_ledger_lag_entries", "Journal entries not yet in the ledger.", registry=self.registry
        )
        self.ledger_following = Gauge(
            "hub_ledger_following",
            "1 while the ledger follows the journal; 0 while it is away or halted.",
            registry=self.registry,
        )
        self.ledger_set_aside = Gauge(
            "hub_ledger_entries_set_aside",
            "Entries since the start that were unreadable or applied twice.",
            registry=self.registry,
        )
        self.answers_lost = Counter(
            "hub_answers_lost_total",
            "Answered entries that the ledger never got, of which this process knows since its start; "
            "each unknown number counts as 1.",
            registry=self.registry,
        )
        self.checkpoint_lag_entries = Gauge(
            "hub_checkpoint_lag_entries",
            "Ledger entries that a rebuild of Redis would have to fold first.",
            registry=self.registry,
        )
        self.journal_bytes = Gauge(
            "hub_journal_bytes", "What the journal takes of Redis, as measured.", registry=self.registry
        )
        self.journal_bytes_max = Gauge(
            "hub_journal_bytes_max", "At so many bytes of the journal nothing more is taken.", registry=self.registry
        )

    def _make_of_live(self) -> None:
        self.live_connections = Gauge("hub_live_connections", "Open sockets.", registry=self.registry)
        self.live_frames = Gauge(
            "hub_live_frames_sent", "Frames written to sockets since the start.", registry=self.registry
        )
        self.live_conflated = Gauge(
            "hub_live_values_conflated",
            "Values a slow reader never got, because a newer one replaced them.",
            registry=self.registry,
        )
        self.live_cut = Gauge(
            "hub_live_cut",
            "Connections that the hub ended since its start, by reason: slow (a socket took nothing), silent (it "
            "answered no ping), stream (a stream's reader took nothing; the feed's too).",
            ["reason"],
            registry=self.registry,
        )
        self.feed_streams = Gauge("hub_feed_streams", "Open streams of the feed.", registry=self.registry)

    def _make_of_outward(self) -> None:
        self.hook_messages = Counter(
            "hub_hook_messages_total",
            "Attempts to deliver a message to a hook: delivered, failed, dead (the last one failed) or gone.",
            ["hook", "outcome"],
            registry=self.registry,
        )
        self.hook_pending = self._of_hook("hub_hook_pending", "Messages of a hook that are tried again.")
        self.hook_dead = self._of_hook("hub_hook_dead", "Messages of a hook that are tried no more.")
        self.hook_lag_seconds = self._of_hook(
            "hub_hook_lag_seconds", "For how long the oldest entry waits that a hook was not told of."
        )
        self.hook_stopped = self._of_hook(
            "hub_hook_stopped", "1 while nothing new is sent: its receiver wants nothing more, or too much is late."
        )
        self._channel_offers = Counter(
            "hub_channel_offers_total",
            "Numbers told to the target of a channel, by how that ended: taken, stale (a conflict), absent, refused, "
            "again.",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.channel_waiting = self._of_channel(
            "hub_channel_waiting", "SKUs of a channel whose target has another number than it shall have."
        )
        self.channel_dead = self._of_channel("hub_channel_dead", "SKUs of a channel that were given up.")
        self.channel_lag_seconds = self._of_channel(
            "hub_channel_lag_seconds", "For how long the longest waiting SKU of a channel waits."
        )
        self.channel_drifting = self._of_channel(
            "hub_channel_drifting", "SKUs of a channel whose number somebody else sets again and again."
        )
        self.channel_open = self._of_channel(
            "hub_channel_circuit_open", "1 while the vendor of a channel is only probed, for it does not answer."
        )

    def _make_of_stock(self) -> None:
        self.reservations_live = Gauge(
            "hub_reservations_live", "Reservations and orders that units are kept for.", registry=self.registry
        )
        self.reservations_expired = Counter(
            "hub_reservations_expired_total",
            "Reservations whose units this process gave back because their time was over.",
            registry=self.registry,
        )
        self.verify_findings = Gauge(
            "hub_verify_findings",
            "What differs in stock, as the sampling found and confirmed it.",
            registry=self.registry,
        )
        self.verify_sampled = Counter(
            "hub_verify_sampled_total", "SKUs that the sampling compared.", registry=self.registry
        )
        self.verify_round_seconds = Gauge(
            "hub_verify_round_seconds",
            "How long the sampling takes for all SKUs: the last round, or the present one if longer.",
            registry=self.registry,
        )
        self.verify_pass_seconds = Gauge(
            "hub_verify_pass_seconds",
            "How long it takes to see of all SKUs whether they changed: the last pass, or the present one if longer.",
            registry=self.registry,
        )
        self.stale_sources = Gauge(
            "hub_stale_sources", "Sources that are silent for longer than usual.", registry=self.registry
        )
        self.record_accuracy_percent = Gauge(
            "hub_inventory_record_accuracy_percent",
            "Positions counted right in the last 30 days, of those counted; NaN while none was.",
            registry=self.registry,
        )
        self.record_accuracy_percent.set(nan)
        self.on_duty = Gauge(
            "hub_on_duty",
            "1 in the process that writes the ledger and does what else one process does for all.",
            registry=self.registry,
        )

    def _of_hook(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, ["hook"], registry=self.registry)

    def _of_channel(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, ["channel"], registry=self.registry)

    def of_channels(self) -> tuple[Gauge, ...]:
        """The gauges of a channel: waiting, dead, lag, drifting, circuit."""
        return (
            *(self.channel_waiting, self.channel_dead, self.channel_lag_seconds),
            *(self.channel_drifting, self.channel_open),
        )

    def channel_told(self, channel: str, outcome: str) -> None:
        """A number was told to a channel's target, and how that ended."""
        self._channel_offers.labels(channel, outcome).inc()

    def answered(self, statuses: Iterable[str]) -> None:
        """Count the answers of one request."""
        for status, count in Counted(statuses).items():
            self._events[status].inc(count)

    def kernel_called(self, commands: int, seconds: float) -> None:
        """Note one call of the kernel."""
        self.kernel_batch_commands.observe(commands)
        self.kernel_call_seconds.observe(seconds)


class _Quiet:
    """A stream that may be closed by whoever read it: a log line that nobody can read must not end a sale."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def set_up_logs(level: str = "info") -> None:
    """Lines for people on a terminal, JSON lines elsewhere, both on standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Quiet(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
