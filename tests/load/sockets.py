"""P5: what an idle screen costs in memory, beside the library's bare connection."""

import tempfile
import time
from pathlib import Path

from bare_servers import bare_server
from figures import Options, Row, print_rows, spread
from hub_process import room_in_hub, running_hub, sku
from processes import resident_bytes
from raw_websocket import RawWebSocket, open_many, room_for
from screen import connect

SCREENS = 5_000
# Sockets before the first reading: what the first connections load is not theirs alone.
_FIRST = 100
_SETTLE_SECONDS = 2.0
_KIB = 1024


def measure(options: Options) -> list[Row]:
    """One row; each run has a new hub and a new bare server, because freed memory is used again."""
    count = room_for(options.sockets or SCREENS)
    hub_kib, bare_kib = [], []
    for _ in range(options.runs):
        bare_kib.append(_bare_kib(count))
        hub_kib.append(_hub_kib(count))
    over = [mine - bare for mine, bare in zip(hub_kib, bare_kib, strict=True)]
    what = f"resident memory per idle socket with one SKU, {count:,} sockets"
    floor = f"bare connection {spread(bare_kib, 1, ' KiB')}"
    above = f"floor {spread(over, 1, ' KiB', '+')}"
    return [Row("P5", what, spread(hub_kib, 1, " KiB"), floor, above, "≤ floor +2 KiB")]


def _hub_kib(count: int) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_hub(Path(folder) / "hub", room_in_hub(count)) as hub,
    ):
        hub.fill(count)
        first = connect(hub, [sku(i) for i in range(_FIRST)])
        before = _settled(hub.pid)
        rest = connect(hub, [sku(i) for i in range(_FIRST, count)])
        return _per_socket(hub.pid, before, first, rest)


def _bare_kib(count: int) -> float:
    with bare_server("websocket") as bare:
        first = open_many(bare.port, [b""] * _FIRST)
        before = _settled(bare.pid)
        rest = open_many(bare.port, [b""] * (count - _FIRST))
        return _per_socket(bare.pid, before, first, rest)


def _per_socket(pid: int, before: int, first: list[RawWebSocket], rest: list[RawWebSocket]) -> float:
    grown = _settled(pid) - before
    for screen in first + rest:
        screen.close()
    return grown / len(rest) / _KIB


def _settled(pid: int) -> int:
    time.sleep(_SETTLE_SECONDS)
    return resident_bytes(pid)


if __name__ == "__main__":
    print_rows(__doc__, measure)
