"""What the generator of `hub load` can send: against a bare aiohttp handler, beside the plain sockets of these scripts.

    uv run python tests/load/generator.py --runs 3

Closed loop, 64 connections, one sale in each request, by one process and by two; the handler is one process. Where the
handler takes all of its core, the generator could send more than is told; its own share of a core says how much more.
"""

import asyncio
import math
from collections.abc import Iterable

import http_load
from bare_servers import BareServer, bare_server
from figures import Options, Row, print_rows, ratios, spread
from processes import cpu_seconds_of

from hub.load.crew import crew
from hub.load.options import LoadOptions, Share, Target
from hub.load.telling import Generated

_CONNECTIONS = 64
_SKUS = 100
_MICROSECONDS = 1_000_000


async def _sent(server: BareServer, seconds: int, processes: int) -> tuple[list[Generated], int]:
    """Send as much as is answered, with nothing before it and no judgement after it; how many that were."""
    target = Target(url=f"http://127.0.0.1:{server.port}", live="", token="none", location="LON", pool="store")
    whole = LoadOptions(
        connections=_CONNECTIONS, duration_seconds=seconds, warmup_seconds=0, skus=_SKUS, processes=processes
    )
    shares = [
        Share(target=target, options=whole.share(number), number=number, run="x", units=[0] * _SKUS)
        for number in range(processes)
    ]
    async with crew(shares, lambda number, second: None) as workers:
        await workers.prepare()
        await workers.run()
        finals = await workers.look()
    return [final.generated for final in finals], sum(final.measured.answered for final in finals)


def measure(given: Options) -> Iterable[Row]:
    """A row for one process and one for two."""
    seconds = max(1, math.ceil(given.seconds))
    with bare_server("named") as server:
        for processes in (1, 2):
            rates, shares, mine_us, handler_us, plain = [], [], [], [], []
            for _ in range(given.runs):
                before = cpu_seconds_of(server.pid)
                generated, answered = asyncio.run(_sent(server, seconds, processes))
                handler_us.append((cpu_seconds_of(server.pid) - before) / answered * _MICROSECONDS)
                mine_us.append(sum(one.cpu_seconds for one in generated) / answered * _MICROSECONDS)
                shares.append(max(one.cpu_seconds / one.seconds for one in generated))
                rates.append(answered / seconds)
                beside = http_load.run(http_load.Load(server.port, "none", seconds, 0, connections=_CONNECTIONS))
                plain.append(sum(beside.statuses.values()) / beside.seconds)
            cpu = f"CPU for each {spread(mine_us, 0, ' µs')}, of the handler {spread(handler_us, 0, ' µs')}"
            yield Row(
                "—",
                f"requests of `hub load` to a bare handler, processes: {processes}",
                f"{spread(rates, 0, '/s')}; {cpu}; {spread(shares, 2)} of a core at most",
                f"plain sockets, one process {spread(plain, 0, '/s')}",
                spread(ratios(rates, plain), 2),
                "—",
            )


if __name__ == "__main__":
    print_rows(__doc__, measure)
