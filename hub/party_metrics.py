"""The metrics of what third parties deliver, are asked for, and drop into folders."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class PartyMetrics:
    """What is counted of third parties, by source."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._webhook_answers = Counter(
            "hub_webhook_answers_total",
            "Deliveries of third parties that were kept, by what they were answered.",
            ["source", "status"],
            registry=self.registry,
        )
        self._webhooks_refused = Counter(
            "hub_webhook_refused_total",
            "Deliveries whose signature was not right, or too old.",
            ["source"],
            registry=self.registry,
        )
        self._webhook_conflicts = Counter(
            "hub_webhook_conflicts_total",
            "Deliveries whose id was here before with another content; the first stands.",
            ["source"],
            registry=self.registry,
        )
        self._inbox_waiting = Gauge(
            "hub_inbox_waiting",
            "Deliveries that are not booked: kept, which passes by itself, and parked, which waits for a person.",
            ["state"],
            registry=self.registry,
        )
        self._inbox_oldest_seconds = Gauge(
            "hub_inbox_oldest_seconds", "The age of the oldest delivery that is kept.", registry=self.registry
        )
        self._make_of_asking()
        self._make_of_drops()

    def _make_of_asking(self) -> None:
        self._source_drift = Gauge(
            "hub_source_drift_units",
            "By how many units a source's own levels differ from ours, as far as this process was told.",
            ["source"],
            registry=self.registry,
        )
        self._drift_lasting = self._of_source(
            "hub_source_drift_lasting",
            "Positions of which an alert has told that a source's own level differs from ours.",
        )
        self._reconciled = self._of_source(
            "hub_source_reconciled_seconds",
            "When a source was last asked to the end for what happened at it, in seconds since 1970; 0: never.",
        )
        self._missed = Counter(
            "hub_source_missed_events_total",
            "Events that a source was asked for and had not delivered; `order.changed` is not counted.",
            ["source"],
            registry=self.registry,
        )

    def _make_of_drops(self) -> None:
        self._drop_files = Counter(
            "hub_drop_files_total",
            "Files of books that were dropped into a folder, by where they were put: done or refused.",
            ["source", "end"],
            registry=self.registry,
        )
        self._drop_waiting = Gauge(
            "hub_drop_waiting", "Files in a folder of books that are not done yet.", ["source"], registry=self.registry
        )
        self._drop_usable = Gauge(
            "hub_drop_usable",
            "0 while a folder of books is not there or cannot be used; the log says why.",
            ["source"],
            registry=self.registry,
        )

    def _of_source(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, ["source"], registry=self.registry)

    def webhook_answered(self, source: str, status: str) -> None:
        """A delivery of a source of the house was kept."""
        self._webhook_answers.labels(source, status).inc()

    def webhook_refused(self, source: str) -> None:
        """A delivery to a source of the house was not its vendor's."""
        self._webhooks_refused.labels(source).inc()

    def webhook_conflict(self, source: str) -> None:
        """A delivery came again with another content."""
        self._webhook_conflicts.labels(source).inc()

    def inbox(self, kept: int, parked: int, oldest_seconds: float) -> None:
        """What waits in the inbox."""
        self._inbox_waiting.labels("kept").set(kept)
        self._inbox_waiting.labels("parked").set(parked)
        self._inbox_oldest_seconds.set(oldest_seconds)

    def source_drift(self, source: str, units: int) -> None:
        """By how many units a source and the hub differ."""
        self._source_drift.labels(source).set(units)

    def drift_lasts(self, source: str, positions: int) -> None:
        """How many positions an alert has told of."""
        self._drift_lasting.labels(source).set(positions)

    def reconciled(self, source: str, at_seconds: float) -> None:
        """When a source was last asked to the end."""
        self._reconciled.labels(source).set(at_seconds)

    def missed_found(self, source: str, events: int) -> None:
        """Events that came only because they were asked for; of none, that it is counted."""
        self._missed.labels(source).inc(events)

    def drop_ended(self, source: str, end: str) -> None:
        """A file of books was put where such files go."""
        self._drop_files.labels(source, end).inc()

    def drop_seen(self, source: str, waiting: int) -> None:
        """A folder of books was looked into."""
        self._drop_waiting.labels(source).set(waiting)
        self._drop_usable.labels(source).set(1)

    def drop_unusable(self, source: str) -> None:
        """A folder of books cannot be used."""
        self._drop_usable.labels(source).set(0)
