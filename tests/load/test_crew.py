"""The processes of a load: what becomes of one that cannot go on, and of one whose starter is gone."""

import asyncio
import sys

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.faults import Fault, Unavailable
from hub.load.crew import crew
from hub.load.options import Share
from hub.load.telling import FromWorker, Ready
from tests.load.answering import share

PATIENCE_SECONDS = 30


def at(url: str) -> Share:
    found = share([1], connections=2, duration_seconds=1, warmup_seconds=0)
    return msgspec.structs.replace(found, target=msgspec.structs.replace(found.target, url=url))


async def test_a_process_that_finds_no_hub_says_so_in_one_sentence() -> None:
    async with crew([at("http://127.0.0.1:9")], lambda number, second: None) as workers:
        with pytest.raises(Unavailable, match=r"no hub answers at http://127\.0\.0\.1:9"):
            await workers.prepare()


async def test_a_process_that_breaks_down_ends_the_load(capfd: pytest.CaptureFixture[str]) -> None:
    whole = at("http://127.0.0.1:9")
    broken = msgspec.structs.replace(whole, options=msgspec.structs.replace(whole.options, skew="sideways"))

    async with crew([broken], lambda number, second: None) as workers:
        with pytest.raises(Fault, match="ended with 1"):
            await workers.prepare()

    assert "sideways" in capfd.readouterr().err


async def test_a_process_ends_when_nobody_is_left_to_tell() -> None:
    async with TestServer(web.Application()) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub.load.process"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(at(str(server.make_url("/")).rstrip("/"))) + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = msgspec.json.decode(await process.stdout.readline(), type=FromWorker)
            process.stdin.close()
            code = await process.wait()

    assert said == Ready()
    assert code == 1
