"""All that deliveries go through, put together for one process."""

from typing import Protocol

from hub.party_metrics import PartyMetrics
from hub.settings import Settings
from hub.stock.allowances import Allowances
from hub.webhooks import drifting, polling
from hub.webhooks.accounts import Accounts
from hub.webhooks.booking import Stock
from hub.webhooks.deliveries import Deliveries
from hub.webhooks.drifting import DriftWatch
from hub.webhooks.polling import Polling
from hub.webhooks.working import Inbox, Webhooks


class Tables(Protocol):
    """What the ledger keeps of third parties; `hub.memories.Memories` has it."""

    @property
    def inbox(self) -> Inbox:
        """What they delivered."""
        ...

    @property
    def drifts(self) -> drifting.Memory:
        """Which of their levels differ from ours."""
        ...

    @property
    def polls(self) -> polling.Memory:
        """How far they were asked."""
        ...


def open_webhooks(
    settings: Settings, stock: Stock, tables: Tables, metrics: PartyMetrics, allowances: Allowances
) -> Webhooks:
    """What takes and books deliveries, asks for them, and watches levels; run its jobs, and close its `taking`."""
    accounts = Accounts(lambda: stock.current.house, settings.secrets)
    allowances.allowed = accounts.allowance
    taking = Deliveries(accounts, tables.inbox, stock, metrics, settings.limits, tables.drifts, allowances)
    watch = DriftWatch(
        tables.drifts,
        right=taking.right_of,
        raise_alert=lambda fact: stock.booking.book([fact]),
        stated_seconds=accounts.drift_seconds,
        on_lasting=metrics.drift_lasts,
    )
    asking, days = Polling(taking, tables.polls, metrics, allowances), settings.limits.inbox_days
    return Webhooks(taking, tables.inbox, stock, metrics, polling=asking, watch=watch, keep_days=days)
