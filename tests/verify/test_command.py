"""`hub verify` beside a running hub and on a stopped one, as an operator runs it."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis

from hub.stock import keys
from tests.flow.process import HubProcess, running_process, said_by
from tests.intake.door import line
from tests.verify.hand import decode_position, encode

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[HubProcess]:
    async with running_process(tmp_path) as made:
        yield made


async def verify(config: Path, *options: str) -> tuple[int, str, str]:
    return await said_by(config, "verify", *options)


async def sell_one_of_three(process: HubProcess) -> None:
    told = {"type": "receipt", "location": "LON-KNB", "time": "2026-11-22T10:00:00Z"}
    receipt = {"id": "r-1", **told, "lines": [line("BAG-NOIR", 3)]}
    sale = {**told, "id": "s-1", "type": "sale", "pool": "store", "lines": [line("BAG-NOIR", 1)]}
    async with aiohttp.ClientSession() as session:
        answers = await process.send(session, [receipt, sale])
    assert answers is not None
    # The ledger of a busy machine may be late; verify waits for it.
    assert {answer["status"] for answer in answers} <= {"applied", "accepted"}


async def test_a_hub_is_verified_while_it_runs_and_when_it_is_stopped(process: HubProcess) -> None:
    await sell_one_of_three(process)

    code, said, erred = await verify(process.config)
    assert (code, erred) == (0, "")
    assert said.startswith("1 SKU, 1 position in ")
    assert said.endswith(": nothing wrong\n")

    async with Redis.from_url(f"unix://{process.data}/run/redis.sock") as client:
        await client.srem(keys.skus_at("LON-KNB"), "BAG-NOIR")
    code, said, erred = await verify(process.config, "--json", "--sku", "3607340000001")
    assert (code, erred) == (1, "")
    [finding] = json.loads(said)["findings"]
    assert (finding["kind"], finding["sku"], finding["location"]) == ("place_lacks_sku", "BAG-NOIR", "LON-KNB")

    process.signal(signal.SIGTERM)
    await process.ended(PATIENCE_SECONDS)
    code, said, erred = await verify(process.config)
    assert (code, erred) == (1, "")
    assert said.splitlines()[0].startswith("BAG-NOIR · LON-KNB · place_lacks_sku: ")

    # What was started for it has ended: the hub can start again.
    await process.start()


async def test_a_folder_without_a_hub_cannot_be_verified_and_stays_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('[hub]\ndata_dir = "nothing"\n')

    code, said, erred = await verify(config)

    assert (code, said) == (2, "")
    assert erred.startswith("hub: there is no hub in the data folder ")
    assert not (tmp_path / "nothing").exists()


async def test_a_running_hub_is_repaired_sells_on_and_is_the_same_after_a_rebuild(process: HubProcess) -> None:
    await sell_one_of_three(process)
    key = keys.sku("BAG-NOIR")
    async with Redis.from_url(f"unix://{process.data}/run/redis.sock") as client:
        # Two bags are there; the ledger has to have heard of both.
        assert (await verify(process.config))[0] == 0
        packed: Any = await client.hget(key, "l:LON-KNB")  # type: ignore[misc]
        spoilt = msgspec.structs.replace(decode_position(packed), free=9)
        await client.hset(key, "l:LON-KNB", encode(spoilt))  # type: ignore[misc]
        assert (await verify(process.config))[0] == 1

        code, said, erred = await verify(process.config, "--repair")

        assert (code, erred) == (0, "")
        assert re.fullmatch(r"BAG-NOIR: repaired by 0-1-\d+, units: 7 at LON-KNB", said.splitlines()[0])
        assert said.endswith(": nothing wrong\n")
        assert decode_position(await client.hget(key, "l:LON-KNB")) == decode_position(packed)  # type: ignore[misc, arg-type]
    code, said, _ = await verify(process.config, "--repair")
    assert (code, len(said.splitlines())) == (0, 1)

    sale = {"id": "s-2", "type": "sale", "location": "LON-KNB", "time": "2026-11-22T10:00:00Z", "pool": "store"}
    async with aiohttp.ClientSession() as session:
        assert await process.send(session, [{**sale, "lines": [line("BAG-NOIR", 1)]}])
    assert (await process.position("BAG-NOIR"))["free"] == 1
    process.signal(signal.SIGTERM)
    await process.ended(PATIENCE_SECONDS)
    command = ("-m", "hub", "rebuild", "--whole", "--config", str(process.config))
    rebuilt = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    assert await rebuilt.wait() == 0
    code, said, _ = await verify(process.config)
    assert code == 0, said


async def test_what_no_repair_sets_right_is_said_with_what_to_do(process: HubProcess) -> None:
    await sell_one_of_three(process)
    async with Redis.from_url(f"unix://{process.data}/run/redis.sock") as client:
        await client.hset(keys.VOIDS, "till:ghost", encode([]))  # type: ignore[misc]

    code, said, erred = await verify(process.config, "--repair")

    assert (code, erred) == (1, "")
    assert said.splitlines()[0] == "left: record_not_in_ledger: `hub rebuild --whole` makes it anew from the ledger"
    assert said.splitlines()[1].startswith("record_not_in_ledger: `voids` of till:ghost: ")
