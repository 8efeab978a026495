"""How long one step of the hub's loop is: everybody else waits behind it, so that no frame is later than that.

In milliseconds of CPU, which other work on the machine makes little longer. An interval between heartbeats passes with
idle screens alone, then there are sales beside them, then somebody subscribes to thousands of SKUs by one message.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Options, Row, print_rows, spread
from hub_process import POOLS, RunningHub, room_in_hub, running_hub, sku
from raw_websocket import RawWebSocket, room_for
from screen import RATE, WATCHING, connect, sell

from protocol.limits import HEARTBEAT_SECONDS, MESSAGE_BYTES_MAX

SCREENS = 5_000
_WATCH = Path(__file__).parent / "stepping"
_SETTLE_SECONDS = 2.0
# As they stand in a message of the largest size.
_LARGE_SKUS = (MESSAGE_BYTES_MAX - 100) // len('"S00000",')


class _Steps:
    """What the hub wrote down since it was asked last."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0

    def longest_ms(self) -> dict[str, float]:
        """The longest step, and the longest collection."""
        lines = self._file.read_text().splitlines()
        told = [line.split() for line in lines[self._read :]]
        self._read = len(lines)
        return {what: max((float(ms) for name, ms in told if name == what), default=0.0) for what in _WHAT}


_WHAT = ("step", "collection")


def measure(options: Options) -> Iterator[Row]:
    """Two rows for each of what goes on."""
    count = room_for(options.sockets or SCREENS)
    taken: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.runs):
        for what, longest in _measured(count, options.seconds):
            taken.setdefault(what, []).append(longest)
    for what, each in taken.items():
        steps, collections = ([longest[name] for longest in each] for name in _WHAT)
        collected = f"longest collection {spread(collections, 1, ' ms')}"
        yield Row("P3", f"longest step of the loop, CPU: {what}", spread(steps, 1, " ms"), collected, "—", "≤ 2 ms")


def _measured(count: int, seconds: float) -> Iterator[tuple[str, dict[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        steps = _Steps(Path(folder) / "steps")
        environ = {**room_in_hub(count + 1), "PYTHONPATH": str(_WATCH), "LOAD_STEPS": str(Path(folder) / "steps")}
        with running_hub(Path(folder) / "hub", environ) as hub:
            hub.fill(1)
            # What the start took is nobody's wait.
            steps.longest_ms()
            screens = connect(hub, [sku(0)] * WATCHING + [sku(i) for i in range(1, count - WATCHING + 1)])
            time.sleep(_SETTLE_SECONDS)
            yield f"{count:,} sockets come", steps.longest_ms()
            time.sleep(HEARTBEAT_SECONDS)
            yield f"{count:,} idle sockets, {HEARTBEAT_SECONDS} s", steps.longest_ms()
            sell(hub, screens, 0, seconds, RATE)
            yield f"{RATE:.0f} sales/s beside them", steps.longest_ms()
            _ask_for_many(hub)
            yield f"{_LARGE_SKUS:,} SKUs in one message", steps.longest_ms()
            for screen in screens:
                screen.close()


def _ask_for_many(hub: RunningHub) -> None:
    asking = RawWebSocket(hub.live_port)
    names = json.dumps([f"S{number:05d}" for number in range(_LARGE_SKUS)], separators=(",", ":"))
    asking.send(f'{{"op":"subscribe","ref":1,"pool":"{POOLS[0]}","skus":{names}}}'.encode())
    while b'"subscribed"' not in asking.next_text():
        pass
    asking.close()


if __name__ == "__main__":
    print_rows(__doc__, measure)
