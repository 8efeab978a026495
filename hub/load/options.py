"""What a load is asked to do, its limits, and where it may go. Pure."""

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from hub.faults import SettingsInvalid
from hub.load.choosing import Skew
from hub.load.pacing import Arrivals
from protocol.limits import SKUS_PER_CONNECTION_MAX

RATE_MAX = 100_000
CONNECTIONS_MAX = 10_000
SOCKETS_MAX = 50_000
DURATION_SECONDS_MAX = 86_400
SKUS_MAX = 10_000
PROCESSES_MAX = 64
# A process has these files open besides its connections.
OTHER_FILES = 64
# The frames of a socket, of all SKUs at once.
WATCH_MAX = SKUS_PER_CONNECTION_MAX

_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A hub: its doors, who acts there, and where its load happens."""

    # `http://host:port`, and `ws://host:port`; the second is empty where no sockets are asked for.
    url: str
    live: str
    token: str
    location: str
    pool: str

    def __repr__(self) -> str:
        # A token must not reach a log.
        return f"Target(url={self.url!r}, live={self.live!r}, location={self.location!r}, pool={self.pool!r})"


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes one load what it is; the same options and `random_seed` draw the same."""

    # Requests a second, of all processes together; None: closed loop.
    rate: float | None = None
    arrivals: Arrivals = "poisson"
    # Of all processes together.
    connections: int = 64
    duration_seconds: int = 10
    # Of the duration, what is not measured; it is judged.
    warmup_seconds: int = 2
    # Events in one request.
    array: int = 1
    skus: int = 100
    skew: Skew = "uniform"
    # The part of all requests that is about reservations.
    reserve: float = 0.0
    # WebSockets of all processes together, and how many SKUs each watches.
    sockets: int = 0
    watch: int = 10
    processes: int = 1
    # What the names of its SKUs begin with.
    name: str = "LOAD"
    # Units that each SKU is brought to before the load; 0: none are brought.
    seed_units: int = 0
    random_seed: int = 1

    @property
    def loop(self) -> Literal["open", "closed"]:
        """Whether requests are due by a schedule, or by the answer before."""
        return "closed" if self.rate is None else "open"

    def check(self) -> None:
        """Hold what one option says to the others.

        Raises:
            SettingsInvalid: they do not fit.
        """
        if not _NAME.fullmatch(self.name):
            raise SettingsInvalid(f"--name {self.name!r} is not a name: 1-32 of A-Z a-z 0-9 . _ -")
        if self.warmup_seconds >= self.duration_seconds:
            raise SettingsInvalid("--warmup is part of --duration and must be shorter than it")
        if self.sockets and self.watch > self.skus:
            raise SettingsInvalid(f"--watch {self.watch}: there are {self.skus} SKUs; say more with --skus")
        if self.connections < self.processes:
            raise SettingsInvalid(f"--processes {self.processes} need at least as many --connections")

    def share(self, number: int) -> "LoadOptions":
        """What one of the processes does, numbered from 0 on; together they do all of it."""
        return msgspec.structs.replace(
            self,
            rate=None if self.rate is None else self.rate / self.processes,
            connections=_part(self.connections, number, self.processes),
            sockets=_part(self.sockets, number, self.processes),
        )


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is given: its part of the options, and what the books said at the beginning."""

    target: Target
    options: LoadOptions
    # Which process of `options.processes` it is.
    number: int
    # Part of every id of this load, so that none was ever used.
    run: str
    # Units on the shelf of each SKU.
    units: list[int]


def files_needed(share: LoadOptions) -> int:
    """Open files that a process with this share needs."""
    return share.connections + share.sockets + OTHER_FILES


def check_files(options: LoadOptions, allowed: int) -> None:
    """Hold the largest share to what a process may open.

    Raises:
        SettingsInvalid: it is too large.
    """
    needed = files_needed(options.share(0))
    if needed > allowed:
        raise SettingsInvalid(
            f"{options.connections:,} connections and {options.sockets:,} sockets need {needed:,} open files in "
            f"each of {options.processes} processes, and the system allows {allowed:,}: "
            "raise `ulimit -n`, or add --processes"
        )


def check_consent(url: str, consent: str | None) -> None:
    """Let no load go to another machine that was not named twice.

    Raises:
        SettingsInvalid: it is no address, or one of another machine without its consent.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise SettingsInvalid(f"{url} is not an address")
    if not is_loopback(parts.hostname) and consent != url:
        raise SettingsInvalid(
            f"{url} is not on this machine, and a load can take a hub that people sell with out of service; "
            f"if it is yours to load, say so: --yes-really-load {url}"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name; names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _part(whole: int, number: int, parts: int) -> int:
    return whole // parts + (number < whole % parts)
