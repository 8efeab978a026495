"""A hub under measurement: `hub serve` in a process of its own, on free ports, with a house of four pools."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from processes import cpu_seconds_by_program, first_line, python

LOCATIONS = ("LON-KNB", "PAR-FSH", "DXB-MALL", "DC-LYON", "HARRODS")
POOLS = ("online", "store", "vip", "gulf")
# What no measurement sells out.
PLENTY = 1_000_000
# The most lines that one event may have, and events that are sent in one array here.
LINES = 100
EVENTS = 10
# Arrays under way at once; the answer to each waits for the ledger, and meanwhile the others are worked on.
_SENDERS = 4


def house(locations: Iterable[str], pools: Iterable[str]) -> str:
    """A house in TOML: all pools see all locations and none has a cap, so every sale changes what all pools show."""
    return "\n".join(
        [
            *(f'[[location]]\nid = "{location}"\nkind = "store"' for location in locations),
            *(
                f'[[pool]]\nid = "{pool}"\nkinds = ["store"]\npublic = {str(pool == "online").lower()}'
                for pool in pools
            ),
        ]
    )


HOUSE = house(LOCATIONS, POOLS)
_DOORS = re.compile(r"events http://[\d.]+:(\d+) .* live ws://[\d.]+:(\d+)/.* admin http://[\d.]+:(\d+)")


@dataclass(frozen=True)
class RunningHub:
    """A hub that takes events."""

    pid: int
    http_port: int
    live_port: int
    admin_port: int
    token: str
    # Its hub.toml.
    config: Path
    # From the start of the process to the line that says it is ready.
    start_seconds: float

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds so far of the hub itself and of its servers."""
        return cpu_seconds_by_program(self.pid)

    def book(self, events: list[dict[str, object]]) -> None:
        """Send one array of events.

        Raises:
            SystemExit: the hub did not take all of them.
        """
        door = HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        door.request("POST", "/v1/events", json.dumps(events), headers)
        answer = door.getresponse()
        told = json.loads(answer.read())
        door.close()
        if answer.status != 200 or any(item["status"] not in ("applied", "accepted") for item in told):
            raise SystemExit(f"The hub did not take the stock: {answer.status} {told!r:.500}")

    def fill(self, skus: int, locations: tuple[str, ...] = LOCATIONS[:1]) -> None:
        """Put plenty of the first so many SKUs into each location."""
        events: list[dict[str, object]] = [
            {
                "id": f"fill-{location}-{first}",
                "type": "receipt",
                "time": now(),
                "location": location,
                "lines": [{"sku": sku(i), "quantity": PLENTY} for i in range(first, min(first + LINES, skus))],
            }
            for location in locations
            for first in range(0, skus, LINES)
        ]
        arrays = [events[first : first + EVENTS] for first in range(0, len(events), EVENTS)]
        with ThreadPoolExecutor(_SENDERS) as senders:
            for _ in senders.map(self.book, arrays):
                pass


def sku(number: int) -> str:
    """The name of a SKU in the measured house."""
    return f"SKU-{number:06d}"


def now() -> str:
    """The time of an event."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def running_hub(
    folder: Path, environ: Mapping[str, str] | None = None, *, rules: str = HOUSE, options: Sequence[str] = ()
) -> Iterator[RunningHub]:
    """A hub with its data in `folder`, stopped at the end of the block; `environ` overrides its settings.

    `options` are those of `hub serve`; it must open the HTTP and the live door.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "hub.toml"
    config.write_text(house_file(house=rules))
    started = time.perf_counter()
    command = ["-m", "hub", "serve", "--config", str(config), "--log-level", "warning", *options]
    with python(command, environ) as process:
        found = _DOORS.search(line := first_line(process))
        start_seconds = time.perf_counter() - started
        if found is None:
            raise SystemExit(f"The hub's first line is not understood: {line}")
        http, live, admin = (int(port) for port in found.groups())
        yield RunningHub(process.pid, http, live, admin, token_of(config, "events:write"), config, start_seconds)


def room_in_hub(sockets: int) -> dict[str, str]:
    """The setting of a hub that lets so many screens in."""
    return {"HUB_LIMITS_CONNECTIONS_MAX": str(sockets + 100)}


def house_file(rules: str = "", *, house: str = HOUSE) -> str:
    """The text of a measured hub's file."""
    doors = "\n".join(f'{door} = "127.0.0.1:0"' for door in ("http", "live", "admin"))
    return f'[hub]\n{doors}\ndata_dir = "data"\n{house}\n{rules}'


def token_of(config: Path, *scopes: str) -> str:
    """A token that the hub of this file takes."""
    command = ["-m", "hub", "token", "--config", str(config), "--sub", "till-7"]
    granted = [word for scope in scopes for word in ("--scope", scope)]
    made = subprocess.run([sys.executable, *command, *granted], check=True, capture_output=True, text=True)
    return made.stdout.split()[-1]
