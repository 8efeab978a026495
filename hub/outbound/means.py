"""What every sender of one process works with."""

import random
from collections.abc import Callable
from time import time

import msgspec

from hub.domain.circuit import Circuit
from hub.ledger.offered import Offered
from hub.outbound.calling import Caller
from hub.outbound.following import Following
from hub.stock.allowances import Allowances
from hub.stock.reads import Reads
from hub.webhooks.accounts import Accounts
from hub.webhooks.fetching import Fetcher


class Means(msgspec.Struct, frozen=True):
    """What is shown and what was told, whom and how fast to ask, and who hears of it."""

    memory: Offered
    reads: Reads
    following: Following
    accounts: Accounts
    allowances: Allowances
    fetcher: Fetcher
    caller: Caller
    # Of each account of this process, shared by its channels.
    circuits: dict[str, Circuit] = msgspec.field(default_factory=dict)
    # Told of each offer: the channel and how it ended.
    on_outcome: Callable[[str, str], None] = lambda channel, outcome: None
    # Seconds since 1970.
    clock: Callable[[], float] = time
    # Drawn from 0 to 1.
    jitter: Callable[[], float] = random.random

    def circuit(self, source: str) -> Circuit:
        """The circuit of an account."""
        return self.circuits.setdefault(source, Circuit())
