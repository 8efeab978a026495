"""P10: how long `hub serve` takes with its private servers until it is ready, first and later."""

import tempfile
from http.client import HTTPConnection
from pathlib import Path

from figures import Options, Row, print_rows, spread
from hub_process import RunningHub, running_hub


def measure(options: Options) -> list[Row]:
    """One row for a new data folder and one for a folder that was used before."""
    first, later = [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="load-") as folder:
            for seconds in (first, later):
                with running_hub(Path(folder) / "hub") as hub:
                    _must_be_ready(hub)
                    seconds.append(hub.start_seconds)
    return [
        Row("P10", "`hub serve` to ready, first start", spread(first, 2, " s"), "—", "—", "≤ 4 s"),
        Row("P10", "`hub serve` to ready, later start", spread(later, 2, " s"), "—", "—", "≤ 2 s"),
    ]


def _must_be_ready(hub: RunningHub) -> None:
    door = HTTPConnection("127.0.0.1", hub.http_port, timeout=10)
    door.request("GET", "/readyz")
    status = door.getresponse().status
    door.close()
    if status != 200:
        raise SystemExit(f"The hub says that it is ready, but /readyz answers {status}.")


if __name__ == "__main__":
    print_rows(__doc__, measure)
