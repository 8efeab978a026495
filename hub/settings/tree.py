"""The settings, one struct per part; each constructor of the hub takes its part, never the whole.

A field's default is its default everywhere: deploy/hub.toml repeats it and a test holds the two together.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hub.access import AccessSettings, Secret, SourceSecrets
from hub.domain.catalogue import HouseSettings, Label, Table
from protocol.identifiers import Name
from protocol.limits import BODY_BYTES_MAX, QUANTITY_MAX

Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}(?!\n)$",
        description='host:port, like "127.0.0.1:8080"',
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^/\s*]+(?!\n)$",
        description='scheme://host[:port] without a path, like "https://shop.example"',
    ),
]
RedisUrl = Annotated[
    str, Meta(pattern=r"^(redis|rediss|unix)://\S+(?!\n)$", description='an address like "redis://10.0.0.5:6379/0"')
]
LedgerDsn = Annotated[
    str, Meta(pattern=r"^postgres(ql)?://\S+(?!\n)$", description='an address like "postgresql://hub@10.0.0.6/hub"')
]
VariableName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(?!\n)$", description="the name of an environment variable, no secret"),
]
HookUrl = Annotated[
    str, Meta(pattern=r"^https?://\S+(?!\n)$", max_length=2_000, description="an address with https://")
]
NetworkText = Annotated[
    str, Meta(pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?(?!\n)$", description='a network like "10.1.0.0/16"')
]


class HubSettings(Table, frozen=True):
    """`[hub]`: where it listens and where its data lies."""

    # Events, reads, feed. Port 0 takes any free port.
    http: Address = "127.0.0.1:8080"
    # The WebSocket door.
    live: Address = "127.0.0.1:8081"
    # Console, metrics, administration: not for the open network.
    admin: Address = "127.0.0.1:8082"
    # What the hub keeps itself: the embedded servers' data, the key it makes. Relative to the file's folder.
    data_dir: Path = Path("hub-data")
    # Browser origins that may read and connect; the admin door's own is always one.
    origins: tuple[Origin, ...] = ()
    # Networks that hooks may reach besides the open one, with http:// too; otherwise nothing inside can be reached.
    hooks_may_reach: tuple[NetworkText, ...] = ()


class RedisSettings(Table, frozen=True):
    """`[redis]`: the server stock lies in; neither key means a private one in `data_dir`."""

    # Without a password; one that has a password comes from HUB_REDIS_URL or `url_file`.
    url: RedisUrl | None = None
    # A file that holds the URL.
    url_file: Path | None = None

    def __repr__(self) -> str:
        return f"RedisSettings(url={_without_password(self.url)!r}, url_file={self.url_file!r})"


class LedgerSettings(Table, frozen=True):
    """`[ledger]`: the Postgres that remembers everything; neither key means a private one in `data_dir`."""

    # Without a password; one that has a password comes from HUB_LEDGER_DSN or `dsn_file`.
    dsn: LedgerDsn | None = None
    # A file that holds the DSN.
    dsn_file: Path | None = None

    def __repr__(self) -> str:
        return f"LedgerSettings(dsn={_without_password(self.dsn)!r}, dsn_file={self.dsn_file!r})"


class LimitsSettings(Table, frozen=True):
    """`[limits]`: the bounds an operator may want to move; what the wire promises is in protocol.limits."""

    # The largest HTTP body, before and after gunzip; beyond it is 413. 1 MiB is what senders may count on.
    body_bytes_max: Annotated[int, Meta(ge=1_024, le=16 * 1024 * 1024)] = BODY_BYTES_MAX
    # How long an answer waits for the ledger; after that it is 202 `accepted`. A healthy ledger takes 5 ms.
    ledger_wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = 250
    # Work in one call of the kernel in a rush, in units of about 10 µs (a sale of one line in four pools has 10). Other
    # clients of Redis wait for the longest call. While little waits a call has at most 200.
    batch_weight_max: Annotated[int, Meta(ge=100, le=20_000)] = 1_000
    # The same units waiting for a call; beyond it is 503. With one-line sales in four pools these are 12,500.
    waiting_weight_max: Annotated[int, Meta(ge=1_000, le=1_000_000)] = 125_000
    # How long Redis may be silent in one call before the outcome is reported as unknown (503).
    redis_timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    # Journal entries in one transaction of the ledger: more fsyncs below, longer waits for a 200 above.
    ledger_batch_max: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    # Bytes of the journal in Redis while the ledger is away; beyond it what writes is 503, and below 90 % no longer. An
    # hour of 500 sales a second is 1.8 million entries of about 450 bytes, 0.8 GB. Redis needs it beside its stock.
    journal_bytes_max: Annotated[int, Meta(ge=1024 * 1024, le=1024**4)] = 1024**3
    # How much of one core the hub may take to compare its own stock all the time, Redis's and the ledger's part with
    # it; 0: it does not. More finds a difference sooner.
    verify_percent: Annotated[float, Meta(ge=0, le=50)] = 1.0
    # How long the answer to a third party's delivery waits for the books; after that it is 202 `accepted`. Those with
    # the least patience wait for five seconds in all.
    webhook_wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = 1_000
    # How long what third parties delivered is kept raw once it is booked; what waits for a person is kept.
    inbox_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    # WebSockets on one process; the next one gets 503 and Retry-After at its handshake.
    connections_max: Annotated[int, Meta(ge=1, le=200_000)] = 10_000
    # Messages a second that one process sends to all hooks; what is beyond that waits in the ledger.
    hook_messages_per_second: Annotated[float, Meta(gt=0, le=10_000)] = 200.0
    # How long a stop waits for answers under way; after that they are cut, and senders repeat them.
    stop_seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0


class HookSettings(Table, frozen=True):
    """`[[hook]]`: an address that hears of the feed."""

    url: HookUrl
    # Of a variable that holds one secret of Standard Webhooks, or several while they are exchanged.
    secret_env: VariableName
    # Types of the feed, `movement.*` being all of a kind; none named is all.
    types: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    # How far it was told is kept under this name; left out: one made of the address.
    id: Name | None = None


class DropSettings(Table, frozen=True):
    """`[[drop]]`: a folder into which another system puts its books, a file each."""

    # Relative to the file's folder.
    folder: Path
    # Whose books they are: the space of event ids.
    source: Name
    # Of lines that name none.
    location: Name | None = None
    # What is not listed at the listed locations is zero; then a file with a broken line is refused whole.
    complete: bool = False


class Hook(msgspec.Struct, frozen=True):
    """A hook as it is sent to; neither its address nor its secrets stand in a repr."""

    id: str
    url: Secret
    # Several are separated by spaces.
    secrets: Secret
    types: tuple[str, ...] = ()


class ChannelSettings(Table, frozen=True):
    """`[[channel]]`: a vendor's shop, or a file, that is told what a pool has."""

    id: Name
    # The pool whose numbers are told.
    pool: Name
    # The account that is told: its adapter, its API and its token; or a file instead.
    source: Name | None = None
    # Where in the vendor's shop, by its own id of the place; empty: the vendor counts one number for all.
    location: Annotated[str, Meta(max_length=200)] = ""
    # Units of each SKU that it is not told of: what may be sold elsewhere before it hears.
    keep_back: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] = 0
    # Less than what the vendor allows the account; left out: all that its adapter knows to be allowed.
    requests_per_second: Annotated[float, Meta(gt=0, le=1_000)] | None = None
    # A CSV of two columns that is written whole. Relative to the file's folder.
    file: Path | None = None
    # Between two files; what sells out does not wait for it. Left out: 300.
    every_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    # What the two columns are called.
    sku_column: Label | None = None
    quantity_column: Label | None = None


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as it is told: of a source, or, where that is empty, into a file."""

    id: str
    pool: str
    source: str = ""
    # Of the source's API, as the same source may come to be another shop.
    api_url: str = ""
    location: str = ""
    keep_back: int = 0
    # None: all that the adapter allows.
    requests_per_second: float | None = None
    file: Path | None = None
    every_seconds: int = 0
    columns: tuple[str, str] = ("sku", "quantity")

    @property
    def target(self) -> str:
        """Whom it tells, in a word that quotes no address."""
        who = f"{self.source}\0{self.api_url}\0{self.location}" if self.file is None else "file"
        return blake2b(who.encode(), digest_size=16).hexdigest()


class Settings(msgspec.Struct, frozen=True):
    """All settings, paths absolute and secrets read."""

    hub: HubSettings = HubSettings()
    redis: RedisSettings = RedisSettings()
    ledger: LedgerSettings = LedgerSettings()
    limits: LimitsSettings = LimitsSettings()
    access: AccessSettings = AccessSettings()
    house: HouseSettings = HouseSettings()
    hooks: tuple[Hook, ...] = ()
    drops: tuple[DropSettings, ...] = ()
    channels: tuple[Channel, ...] = ()
    # What the hub shares with the third parties among the house's sources.
    secrets: tuple[SourceSecrets, ...] = ()


def has_password(url: str) -> bool:
    """Whether an address of a server carries a password, which must not stand in the file."""
    try:
        return urlsplit(url).password is not None or "password=" in url
    except ValueError:
        return False


def _without_password(url: str | None) -> str | None:
    return "<hidden>" if url is not None and has_password(url) else url
