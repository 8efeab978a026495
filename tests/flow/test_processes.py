"""A hub ends as it is told, or as it must: nothing is lost, nothing is left behind, and the next one goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.__main__ import SAME_SIGNAL_SECONDS
from hub.embedded.folder import open_folder
from tests.flow.process import HubProcess
from tests.intake.door import line

SOON_SECONDS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, because making a Postgres cluster takes long; each story finds the stock of the last."""
    return tmp_path_factory.mktemp("hub")


@pytest.fixture
async def hub(folder: Path) -> AsyncIterator[HubProcess]:
    made = HubProcess(folder)
    yield made
    if made.process.returncode is None:
        made.signal(signal.SIGKILL)
    await made.process.communicate()
    await nothing_runs(folder)


async def nothing_runs(folder: Path) -> None:
    """The folder opens as soon as no server lives in it any more."""
    (await open_folder(folder / "data")).close()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def event(id: str, type: str, sku: str, quantity: int) -> dict[str, Any]:
    pool = {"pool": "store"} if type == "sale" else {}
    lines = [line(sku, quantity)]
    return {"id": id, "type": type, "time": "2026-11-22T10:00:00Z", "location": "LON-KNB", "lines": lines, **pool}


class Tills:
    """Tills that send one sale after the other until nobody answers, and note what they were told."""

    def __init__(self, hub: HubProcess, sku: str) -> None:
        self._hub = hub
        self._sku = sku
        self.sent: list[dict[str, Any]] = []
        self.answered: dict[str, str] = {}
        self.some = asyncio.Event()

    async def sell(self, till: int) -> None:
        async with aiohttp.ClientSession() as session:
            for number in range(100_000):
                sale = event(f"{self._sku}-{till}-{number}", "sale", self._sku, 1)
                self.sent.append(sale)
                answers = await self._hub.send(session, [sale])
                if answers is None:
                    return
                self.answered[sale["id"]] = answers[0]["status"]
                if len(self.answered) >= 100:
                    self.some.set()

    async def sell_until(self, number: int) -> None:
        """Sell at eight tills, and send the hub a signal in the middle."""
        tills = [asyncio.create_task(self.sell(till)) for till in range(8)]
        await asyncio.wait_for(self.some.wait(), 30)
        self._hub.signal(number)
        await asyncio.wait_for(asyncio.gather(*tills), 30)

    async def repeat(self) -> list[str]:
        """Send everything once more; the statuses of what had been answered."""
        async with aiohttp.ClientSession() as session:
            answers = await self._hub.send(session, self.sent)
        assert answers is not None
        assert {answer["status"] for answer in answers} <= {"applied", "accepted", "duplicate"}
        return [answer["status"] for answer in answers if answer["id"] in self.answered]


async def test_a_hub_told_to_stop_in_the_middle_of_the_rush_answers_what_it_took_and_the_next_goes_on(
    hub: HubProcess,
) -> None:
    await hub.start()
    tills = Tills(hub, "STOPPED")
    await tills.sell_until(signal.SIGTERM)

    assert await hub.ended(SOON_SECONDS) == 0
    await nothing_runs(hub.folder)
    assert "Traceback" not in hub.log()

    await hub.start()
    assert (await hub.position("STOPPED"))["deficit"] >= len(tills.answered)
    assert set(await tills.repeat()) == {"duplicate"}
    assert (await hub.position("STOPPED"))["deficit"] == len(tills.sent)
    # The numbers went on where they had stopped: one for the house, three for its SKUs, then one for each sale.
    async with aiohttp.ClientSession() as session:
        [next_one] = await hub.send(session, [event("next", "receipt", "NEXT", 1)]) or []
    assert next_one["seq"] == f"0-1-{4 + len(tills.sent)}"


async def test_a_hub_killed_in_the_middle_of_the_rush_leaves_no_server_and_the_next_goes_on(hub: HubProcess) -> None:
    await hub.start()
    pids = await hub.server_pids()
    tills = Tills(hub, "KILLED")
    await tills.sell_until(signal.SIGKILL)

    assert await hub.ended() == -signal.SIGKILL
    await nothing_runs(hub.folder)
    assert not any(map(runs, pids))

    await hub.start()
    assert (await hub.position("KILLED"))["deficit"] >= len(tills.answered)
    assert set(await tills.repeat()) == {"duplicate"}
    assert (await hub.position("KILLED"))["deficit"] == len(tills.sent)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_hub_told_to_stop_while_it_starts_ends_soon_and_leaves_nothing(
    hub: HubProcess, number: signal.Signals
) -> None:
    await hub.spawn()
    # The servers' sockets are made while it starts.
    async with asyncio.timeout(30):
        while not (hub.data / "run/redis.sock").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    hub.signal(number)

    assert await hub.ended(SOON_SECONDS) in (0, 130, -number)
    await nothing_runs(hub.folder)
    assert "Traceback" not in hub.log()


async def test_a_hub_whose_output_nobody_reads_ends_and_leaves_nothing(hub: HubProcess) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    await hub.spawn(stdout=writing)
    os.close(writing)

    assert await hub.ended(30) != 0
    assert "Traceback" not in hub.log()


async def test_a_hub_that_loses_its_readers_later_sells_on_and_stops_when_told(hub: HubProcess, folder: Path) -> None:
    reading, writing = os.pipe()
    await hub.start(stderr=writing)
    os.close(writing)
    os.close(reading)
    hub.stop_listening()

    second = HubProcess(folder)
    await second.spawn(stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(second.process.communicate(), 30)

    assert second.process.returncode == 2
    [sentence] = said.decode().strip().splitlines()
    assert "a running hub" in sentence
    async with aiohttp.ClientSession() as session:
        assert await hub.send(session, [event("unheard", "receipt", "UNHEARD", 1)])
    hub.signal(signal.SIGTERM)
    assert await hub.ended(SOON_SECONDS) == 0


async def test_a_signal_a_moment_after_the_first_ends_a_hub_at_once(hub: HubProcess) -> None:
    await hub.start()
    _, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
    # A request whose body never comes holds the end up.
    head = f"POST /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {hub.token()}\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    # What came before it was read before it.
    async with aiohttp.ClientSession() as session, session.get(hub.url + "/healthz") as response:
        assert response.status == 200
    hub.signal(signal.SIGTERM)
    # The same Ctrl-C passed on twice is one request: the orderly stop goes on.
    hub.signal(signal.SIGINT)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(hub.process.wait()), 1.5 * SAME_SIGNAL_SECONDS)

    hub.signal(signal.SIGINT)

    await hub.ended(3)
    writer.close()


async def test_a_hub_whose_redis_dies_ends_and_says_why(hub: HubProcess) -> None:
    await hub.start()
    redis, _ = await hub.server_pids()

    os.kill(redis, signal.SIGKILL)

    assert await hub.ended(SOON_SECONDS) == 2
    assert "ended with exit code" in hub.log()
