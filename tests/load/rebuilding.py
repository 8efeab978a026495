"""P9: Redis made anew from the ledger, against `redis-cli --pipe` of the same state into the same server."""

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from figures import Options, Row, print_rows, ratios, spread
from hub_process import POOLS, running_hub
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from reloading import PLACES, wait_for_ledger

from hub.domain.articles import Catalogue
from hub.embedded.servers import start
from hub.ledger.checkpoints import COMMAND_SECONDS, Checkpoints
from hub.ledger.connection import Link
from hub.ledger.healing import healing
from hub.ledger.opening import open_ledger
from hub.ledger.sums import COMMAND_SECONDS as SUMS_SECONDS
from hub.ledger.sums import Sums
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.stock.restored import Args, packed
from hub.verify.verification import Verification

_FULL_SKUS = 250_000
# Keys that are read at once for the peer's file.
_KEYS_PER_READ = 1_000


@dataclass
class Measured:
    """Seconds of each run."""

    rebuilt: list[float] = field(default_factory=list)
    piped: list[float] = field(default_factory=list)
    fields: int = 0
    folded_seconds: float = 0.0
    folded_entries: int = 0
    verified_seconds: float = 0.0


def write_state(client: Redis, file: Path) -> None:
    """Write the commands that make the partition's present state, but for the journal, as Redis reads them."""
    with file.open("wb") as out:
        some: list[bytes] = []
        for key in client.scan_iter(match=keys.ANY, count=_KEYS_PER_READ):
            if key != keys.JOURNAL.encode():
                some.append(key)
            if len(some) == _KEYS_PER_READ:
                out.write(packed(_commands(client, some)))
                some = []
        out.write(packed(_commands(client, some)))


def _commands(client: Redis, some: list[bytes]) -> Iterable[Args]:
    with client.pipeline(transaction=False) as pipeline:
        for key in some:
            pipeline.type(key)
        kinds = pipeline.execute()
    with client.pipeline(transaction=False) as pipeline:
        for key, kind in zip(some, kinds, strict=True):
            match kind:
                case b"hash":
                    pipeline.hgetall(key)
                case b"set":
                    pipeline.smembers(key)
                case b"string":
                    pipeline.get(key)
        values: list[Any] = pipeline.execute()
    for key, kind, value in zip(some, kinds, values, strict=True):
        match kind:
            case b"hash":
                yield (b"HSET", key, *[each for pair in value.items() for each in pair])
            case b"set":
                yield (b"SADD", key, *value)
            case b"string":
                yield (b"SET", key, value)


def pipe(path: str, file: Path) -> float:
    """Send the file as `redis-cli --pipe` does, or where there is none by a socket; answers the seconds."""
    began = time.perf_counter()
    cli = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if cli is not None:
        with file.open("rb") as commands:
            subprocess.run([cli, "-s", path, "--pipe"], stdin=commands, check=True, stdout=subprocess.DEVNULL)
    else:
        with socket.socket(socket.AF_UNIX) as door, file.open("rb") as commands:
            door.connect(path)
            door.sendall(b"CLIENT REPLY OFF\r\n")
            door.sendfile(commands)
            door.sendall(b"CLIENT REPLY ON\r\n")
            door.recv(5)
    return time.perf_counter() - began


async def _measure(data: Path, runs: int, straight_skus: int = 0) -> Measured:
    servers = await start(data, redis=True, postgres=True)
    try:
        assert servers.redis_url is not None
        assert servers.postgres_dsn is not None
        async with AsyncRedis.from_url(servers.redis_url) as client:
            measured = Measured()
            if straight_skus:
                await _put_straight(servers.postgres_dsn, straight_skus)
                # The peer's file is made of what a rebuild wrote.
                await _rebuild(client, servers.postgres_dsn, Measured(piped=[0.0]))
            await _fold(servers.postgres_dsn, measured)
            file = data / "state.resp"
            with Redis.from_url(servers.redis_url) as plain:
                write_state(plain, file)
            print(f"{file.stat().st_size / 2**20:.0f} MiB of commands", file=sys.stderr)
            for _ in range(runs):
                await client.flushall()
                measured.piped.append(pipe(servers.redis_url.removeprefix("unix://"), file))
                await client.flushall()
                await _rebuild(client, servers.postgres_dsn, measured)
            if not straight_skus:
                await _verify(client, servers.postgres_dsn, measured)
            return measured
    finally:
        await servers.stop()


async def _fold(dsn: str, measured: Measured) -> None:
    link = Link(dsn, "load", command_seconds=COMMAND_SECONDS)
    checkpoints = Checkpoints(link)
    began = time.perf_counter()
    while folded := await checkpoints.fold_on():
        measured.folded_entries += folded
    measured.folded_seconds = time.perf_counter() - began
    await link.aclose()
    print(f"folded {measured.folded_entries:,} entries in {measured.folded_seconds:.1f} s", file=sys.stderr)


async def _rebuild(client: AsyncRedis, dsn: str, measured: Measured) -> None:
    async with healing(dsn) as lock:
        hub = (await lock.standing()).hub
    began = time.perf_counter()
    done = await Rebuild(client, dsn).run(hub)
    measured.rebuilt.append(time.perf_counter() - began)
    measured.fields = done.fields
    print(f"piped in {measured.piped[-1]:.1f} s, rebuilt in {measured.rebuilt[-1]:.1f} s", file=sys.stderr)


async def _verify(client: AsyncRedis, dsn: str, measured: Measured) -> None:
    sums = Sums(Link(dsn, "verify", command_seconds=SUMS_SECONDS))
    began = time.perf_counter()
    verification = Verification(Inspection(client), sums, Described(client, Catalogue()), is_live=False)
    report = await verification.run()
    measured.verified_seconds = time.perf_counter() - began
    await sums.aclose()
    if report.findings:
        raise SystemExit(report.text())


def measure(options: Options) -> list[Row]:
    """P9, and how long a verification takes; `--full` is a million positions put straight into the ledger."""
    if options.full:
        return measure_full(options)
    skus = max(1, options.positions // len(PLACES))
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="load-"))) / "hub"
        with running_hub(folder) as hub:
            hub.fill(skus, PLACES)
            wait_for_ledger(hub.admin_port)
        measured = asyncio.run(_measure(folder / "data", options.runs))
    fold = f"{measured.folded_entries:,} entries in {measured.folded_seconds:.1f} s"
    verified = f"{measured.verified_seconds:.1f} s"
    return [
        _row(options.positions, measured),
        Row("—", "entries that were not in the checkpoint yet, folded", fold, "—", "—", "—"),
        Row("—", "`hub verify` of the same", verified, "—", "—", "—"),
    ]


def measure_full(options: Options) -> list[Row]:
    """P9 of a million positions, which a hub would take half an hour to book: their values are made in the ledger."""
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        measured = asyncio.run(_measure(Path(folder) / "data", options.runs, _FULL_SKUS))
    return [_row(_FULL_SKUS * len(PLACES), measured, "put straight into the ledger, ")]


def _row(positions: int, measured: Measured, how: str = "") -> Row:
    size = f"{positions:,} positions of {positions // len(PLACES):,} SKUs, {how}{measured.fields:,} values"
    ratio = spread(ratios(measured.rebuilt, measured.piped), 1)
    beside = f"redis-cli --pipe {spread(measured.piped, 1, ' s')}"
    return Row("P9", f"Redis made anew: {size}", spread(measured.rebuilt, 1, " s"), beside, ratio, "≤ 5")


async def _put_straight(dsn: str, skus: int) -> None:
    """Make a checkpoint of as many SKUs, each at some locations and shown by four pools, as of a first entry."""
    connection = await asyncpg.connect(dsn)
    await open_ledger(connection)
    position = msgspec.msgpack.encode((10**6, 0, 0, [], [], None, None))
    view = msgspec.msgpack.encode((len(PLACES), 1_795_600_000_000, 4 * 10**6, 2, 0, 0, [4 * 10**6]))
    fields = {f"l:{place}": position for place in PLACES} | {f"p:{pool}": view for pool in POOLS} | {"r": b"1"}
    await connection.execute("UPDATE hub.hub_state SET cursor_epoch = 1, cursor_seq = 0")
    await connection.execute("INSERT INTO hub.checkpoint VALUES (0, 1, 0)")
    house = {"document": b"{}", "digest": b"x", "rules": b"1"}
    await connection.executemany(
        "INSERT INTO hub.checkpoint_value VALUES (0, 'house', $1, $2)",
        [(field.encode(), value) for field, value in house.items()],
    )
    await connection.execute(
        """INSERT INTO hub.checkpoint_value
        SELECT 0, convert_to('sku:SKU-' || lpad(number::text, 6, '0'), 'UTF8'), of_sku.*
        FROM generate_series(0, $1::integer - 1) AS number, unnest($2::bytea[], $3::bytea[]) AS of_sku""",
        *(skus, [field.encode() for field in fields], list(fields.values())),
        timeout=600,
    )
    await connection.execute("VACUUM ANALYZE hub.checkpoint_value", timeout=600)
    await connection.close()


if __name__ == "__main__":
    print_rows(__doc__, measure)
