"""P1 in one process, in two (`--role`: the doors beside the worker), and with `--workers 2`: each beside the others."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from bare_stores import bare_stores
from figures import Options, Row, print_rows, ratios, spread
from http_load import Load, Told, run, wait_for_ledger
from hub_process import RunningHub, running_hub
from processes import first_line, python

SKUS = 1_000
_WARM_UP_SECONDS = 1.0
_APART = 10_000_000


@contextmanager
def on_stores(folder: Path, *options: str, worker: bool = False) -> Iterator[RunningHub]:
    """A hub on servers of its own, with these options; `worker`: beside a `hub serve --role worker`."""
    folder.mkdir()
    with bare_stores(folder / "stores") as stores:
        environ = {"HUB_REDIS_URL": stores.redis_url, "HUB_LEDGER_DSN": stores.dsn}
        with running_hub(folder, environ, options=options) as hub:
            if worker:
                command = ["-m", "hub", "serve", "--config", str(hub.config), "--log-level", "warning"]
                with python([*command, "--role", "worker"], environ) as process:
                    first_line(process)
                    yield hub
            else:
                yield hub


def measure(options: Options) -> list[Row]:
    """Sales a second that are answered 200, over 64 connections."""
    numbers = count(0, _APART)

    def sell(hub: RunningHub, seconds: float) -> Told:
        wait_for_ledger(hub.http_port, hub.token, numbers)
        told = run(Load(hub.http_port, hub.token, seconds, next(numbers), 64, 1, None, SKUS))
        late = 100 * told.accepted / max(1, told.applied + told.accepted)
        print(f"{told.applied_per_second:,.0f} applied/s, late {late:.1f} %, {told.statuses}", file=sys.stderr)
        return told

    found: dict[str, list[float]] = {"one process": [], "doors and worker": [], "--workers 2": []}
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        with (
            on_stores(folder / "one") as one,
            on_stores(folder / "parts", "--role", "intake", "--role", "live", worker=True) as parts,
            on_stores(folder / "two", "--workers", "2") as two,
        ):
            hubs = dict(zip(found, (one, parts, two), strict=True))
            for hub in hubs.values():
                hub.fill(SKUS)
                sell(hub, _WARM_UP_SECONDS)
            for _ in range(options.runs):
                for what, hub in hubs.items():
                    found[what].append(sell(hub, options.seconds).applied_per_second)
    alone = found["one process"]
    cores = len(os.sched_getaffinity(0))
    return [
        Row(
            "P1",
            f"{what}, {cores} cores",
            spread(applied, unit="/s"),
            f"one process {spread(alone, unit='/s')}",
            spread(ratios(applied, alone), 2),
            "—",
        )
        for what, applied in found.items()
    ]


if __name__ == "__main__":
    print_rows(__doc__, measure)
