"""What the HTTP door may ask the ledger, over connections of its own that are closed in order."""

from contextlib import AsyncExitStack

from hub.ledger import accuracy, drifts, feed, history, inbox, polls
from hub.ledger.accuracy import Accuracy
from hub.ledger.alerts import Alerts
from hub.ledger.asking import Asking
from hub.ledger.closings import Closings
from hub.ledger.connection import Link
from hub.ledger.drifts import Drifts
from hub.ledger.feed import FeedEntries
from hub.ledger.history import History
from hub.ledger.inbox import Inbox
from hub.ledger.offered import Offered
from hub.ledger.parked import Parked
from hub.ledger.polls import Polls
from hub.ledger.recent import RecentAccuracy
from hub.telemetry import Metrics

# To count what was told of all channels takes a while where they have many SKUs.
OFFERED_SECONDS = 10.0


class Memories:
    """What was shown, what counts found, what is parked, what happened, what was delivered; `exits` closes it."""

    def __init__(self, dsn: str, exits: AsyncExitStack, metrics: Metrics) -> None:
        # A long sum over counts must not hold up a look at what was shown.
        past = asking(exits, dsn, "history", history.DEADLINE_SECONDS)
        self.past, self.closings = History(past), Closings(past)
        reports = asking(exits, dsn, "reports", accuracy.DEADLINE_SECONDS)
        self.counts, self.waiting, self.alerts = Accuracy(reports), Parked(reports), Alerts(reports)
        feeds = (asking(exits, dsn, role, feed.DEADLINE_SECONDS) for role in ("feed", "streams"))
        self.happened, self.followed = map(FeedEntries, feeds)
        keeping = [asking(exits, dsn, "inbox", inbox.DEADLINE_SECONDS) for _ in range(inbox.CONNECTIONS)]
        self.inbox = Inbox(keeping, asking(exits, dsn, "deliveries", inbox.WORK_SECONDS))
        self.drifts = Drifts(asking(exits, dsn, "drifts", drifts.DEADLINE_SECONDS))
        self.polls = Polls(Link(dsn, "asking sources", command_seconds=polls.COMMAND_SECONDS))
        exits.push_async_callback(self.polls.aclose)
        self.offered = Offered(Link(dsn, "offers", command_seconds=OFFERED_SECONDS))
        exits.push_async_callback(self.offered.aclose)
        self.recent_accuracy = RecentAccuracy(self.counts, metrics.record_accuracy_percent.set)
        exits.push_async_callback(self.recent_accuracy.aclose)


def asking(exits: AsyncExitStack, dsn: str, role: str, seconds: float) -> Asking:
    """A connection of this role for questions, each with this deadline; `exits` closes it."""
    made = Asking(Link(dsn, role, command_seconds=seconds), deadline_seconds=seconds)
    exits.push_async_callback(made.aclose)
    return made
