"""Hooks of hubs in processes of their own: killed, reloaded, two at once; and what an operator asks of them."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.flow.process import HubProcess, said_by
from tests.hooks.receiving import LOOPBACK, SECRET, Receiver, ok, receiving, status, table
from tests.intake.door import line

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
TIME = "2026-11-22T10:00:00Z"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


class Town:
    """Hubs on the run's servers, and what is sent to them."""

    def __init__(self, folder: Path, redis_url: str, dsn: str) -> None:
        self.env = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn, "OMS_SECRET": SECRET}
        self.folder = folder
        self.hubs: list[HubProcess] = []
        self._count = 0

    async def hub(self, *tables: str) -> HubProcess:
        """One more hub, with these hooks; all share one data folder."""
        (folder := self.folder / f"{len(self.hubs)}").mkdir()
        made = HubProcess(folder)
        made.environ = {"OMS_SECRET": SECRET}
        self.write(made, *tables)
        await made.start(env=self.env)
        self.hubs.append(made)
        return made

    def write(self, hub: HubProcess, *tables: str) -> None:
        house = hub.config.read_text().partition("hooks_may_reach")[0].replace('"data"', f'"{self.folder}/data"')
        hub.config.write_text(house + LOOPBACK + "".join(tables))

    async def receive(self, hub: HubProcess, count: int) -> list[str]:
        """So many SKUs arrive, in steps of their own; their names."""
        skus = [f"BAG-{self._count + number}" for number in range(count)]
        self._count += count
        async with aiohttp.ClientSession() as session:
            for sku in skus:
                event = {"id": sku, "type": "receipt", "time": TIME, "location": "LON-KNB", "lines": [line(sku, 1)]}
                assert await hub.send(session, [event])
        return skus

    async def asked(self, *options: str) -> str:
        """What `hub hooks` says of the first hub's hooks."""
        code, out, err = await said_by(self.hubs[0].config, "hooks", *options, env=self.env)
        assert code == 0, err
        return out

    async def metrics(self, hub: HubProcess) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{hub.admin}/metrics") as response:
            return await response.text()


@pytest.fixture
async def town(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path, redis_url, postgres_dsn)
    yield made
    for hub in made.hubs:
        if hub.process.returncode is None:
            hub.signal(signal.SIGTERM)
            assert await hub.ended(30) == 0


async def test_a_hub_that_is_killed_sends_what_it_had_not_sent(town: Town, receiver: Receiver) -> None:
    hub = await town.hub(table(receiver.url, types=["movement.*"]))
    skus = await town.receive(hub, 30)
    await receiver.has(lambda seen: len(seen.taken) >= 3)
    hub.signal(signal.SIGKILL)
    await hub.ended()
    await hub.start(env=town.env)
    skus += await town.receive(hub, 5)

    await receiver.has(lambda seen: set(seen.skus()) == set(skus))

    assert len(receiver.ids) == 35
    for said in (hub.log(), await town.metrics(hub), await town.asked()):
        assert "hidden-token" not in said
        assert SECRET.removeprefix("whsec_") not in said


async def test_of_two_hubs_one_sends_and_when_it_is_killed_the_other(
    town: Town, receiver: Receiver, until: Until
) -> None:
    hubs = [await town.hub(table(receiver.url, types=["movement.*"])) for _ in range(2)]
    skus = [*await town.receive(hubs[0], 5), *await town.receive(hubs[1], 5)]
    await receiver.has(lambda seen: set(seen.skus()) == set(skus))
    assert len(receiver.taken) == 10
    sends = ['hub_hook_pending{hook="oms"}' in await town.metrics(hub) for hub in hubs]
    assert sorted(sends) == [False, True]

    hubs[sends.index(True)].signal(signal.SIGKILL)
    skus += await town.receive(hubs[sends.index(False)], 5)

    await receiver.has(lambda seen: set(seen.skus()) == set(skus))


async def test_a_reload_adds_and_removes_hooks(town: Town, receiver: Receiver, until: Until) -> None:
    async with receiving() as other:
        hub = await town.hub(table(receiver.url, types=["movement.*"]))
        await town.receive(hub, 1)
        await receiver.has(lambda seen: len(seen.taken) == 1)

        town.write(hub, table(other.url, "erp", types=["movement.*"]))
        code, out, err = await said_by(hub.config, "reload", "--url", hub.admin, env=town.env)
        assert (code, "restart" in out) == (0, False), err

        async def is_sent_to() -> bool:
            metrics = await town.metrics(hub)
            return 'hub_hook_pending{hook="erp"}' in metrics and 'hub_hook_pending{hook="oms"}' not in metrics

        await until(is_sent_to)
        [sku] = await town.receive(hub, 1)
        await other.has(lambda seen: seen.skus() == [sku])

    assert len(receiver.got) == 1
    assert "not in the file" in await town.asked()


async def test_an_operator_sees_what_was_not_taken_and_has_it_sent_again(
    town: Town, receiver: Receiver, until: Until
) -> None:
    receiver.answer = status(410)
    hub = await town.hub(table(receiver.url, types=["movement.*"]))
    [sku] = await town.receive(hub, 1)
    await receiver.has(lambda seen: len(seen.got) == 1)

    async def is_stopped() -> bool:
        return "stopped by 410" in await town.asked()

    await until(is_stopped)
    # Whoever looks needs no secret of the file.
    without = {name: text for name, text in town.env.items() if name != "OMS_SECRET"}
    assert "stopped by 410" in (await said_by(hub.config, "hooks", env=without))[1]
    assert "127.0.0.1" in await town.asked()
    receiver.answer = ok

    assert await town.asked("resume", "oms") == "oms is sent to again\n"
    await receiver.has(lambda seen: seen.skus() == [sku])
    cursor: Any = receiver.taken[0].item["cursor"]
    skus = await town.receive(hub, 2)
    await receiver.has(lambda seen: seen.skus() == [sku, *skus])

    async def is_noted() -> bool:
        # How far it was told is written a moment after that.
        code, out, _ = await said_by(hub.config, "hooks", "replay", "oms", "--after", cursor, env=town.env)
        return (code, out) == (0, "oms is told that stretch again\n")

    await until(is_noted)
    await receiver.has(lambda seen: sorted(seen.skus()) == sorted([sku, *skus, *skus]))
    assert await town.asked("dead", "oms") == "none is dead\n"
    assert await town.asked("replay", "oms", "--dead") == "0 dead messages are tried again\n"
    for options in (["replay", "oms"], ["replay", "oms", "--after", "x"], ["resume", "none"]):
        code, _, err = await said_by(hub.config, "hooks", *options, env=town.env)
        assert (code, len(err.splitlines())) == (2, 1)
