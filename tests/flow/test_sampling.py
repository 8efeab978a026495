"""A hub as its users run it notices that somebody wrote past it, and says so where Prometheus and people look."""

import os
import signal
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from hub.domain.position import Position
from hub.stock import keys
from tests.faults.patience import until
from tests.flow.process import ForkedHub
from tests.verify.test_command import sell_one_of_three

# A look that a busy machine made long is followed by a pause as long.
PATIENCE_SECONDS = 60


async def test_a_planted_corruption_raises_the_metric_and_a_log_line_and_its_end_lowers_it(tmp_path: Path) -> None:
    hub = ForkedHub(tmp_path)
    # By default a machine that is busy with other tests lets it look too seldom for a test's patience.
    await hub.start(env={**os.environ, "HUB_LIMITS_VERIFY_PERCENT": "50"})
    try:
        await sell_one_of_three(hub)

        async def is_sampled() -> bool:
            return await hub.metric("hub_verify_sampled_total") > 0

        async def is_found() -> bool:
            return await hub.metric("hub_verify_findings") > 0

        async def is_gone() -> bool:
            return not await is_found()

        await until(is_sampled, PATIENCE_SECONDS)
        assert await is_gone()
        async with Redis.from_url(f"unix://{hub.data}/run/redis.sock") as client:
            key = keys.sku("BAG-NOIR")
            packed = await client.hget(key, "l:LON-KNB")  # type: ignore[misc]
            spoilt = msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Position), deficit=7)
            await client.hset(key, "l:LON-KNB", msgspec.msgpack.encode(spoilt))  # type: ignore[misc]
            await until(is_found, PATIENCE_SECONDS)
            await client.hset(key, "l:LON-KNB", packed)  # type: ignore[misc]
        await until(is_gone, PATIENCE_SECONDS)

        [line] = [line for line in hub.log().splitlines() if "position_differs" in line]
        assert "BAG-NOIR" in line
        assert "LON-KNB" in line
        assert "deficit is 7, but the ledger's movements make 0" in line
    finally:
        hub.signal(signal.SIGTERM)
        await hub.ended(PATIENCE_SECONDS)
