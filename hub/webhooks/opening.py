"""All that deliveries go through, put together for one process."""

from hub.settings import Settings
from hub.stock.allowances import Allowances
from hub.telemetry import Metrics
from hub.webhooks.accounts import Accounts
from hub.webhooks.booking import Stock
from hub.webhooks.deliveries import Deliveries
from hub.webhooks.working import Inbox, Webhooks


def open_webhooks(settings: Settings, stock: Stock, inbox: Inbox, metrics: Metrics, allowances: Allowances) -> Webhooks:
    """What takes and books deliveries; run it, and close its `taking`."""
    accounts = Accounts(lambda: stock.current.house, settings.secrets)
    allowances.allowed = accounts.allowance
    taking = Deliveries(accounts, inbox, stock, metrics, settings.limits, allowances)
    return Webhooks(taking, inbox, stock, metrics, keep_days=settings.limits.inbox_days)
