"""Hubs on one Redis and one ledger: one tells a channel, all share one allowance, and a killed one's work goes on."""

import os
import signal
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import until_holds
from tests.flow.process import HubProcess, said, said_by
from tests.intake.door import line
from tests.outbound.conftest import OFFERED, SECRET, OpenTown
from tests.outbound.vendor import TOKEN, Gate, Vendor, selling, tables

TIME = "2026-11-22T10:00:00Z"
_ids = count()


class Processes:
    """Hubs on the run's servers, in processes of their own."""

    def __init__(self, folder: Path, redis_url: str, dsn: str) -> None:
        self.folder = folder
        path = os.pathsep.join([str(OFFERED), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.env = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn, "PYTHONPATH": path}
        self.hubs: list[HubProcess] = []

    async def hub(self, tables: str) -> HubProcess:
        (folder := self.folder / f"{len(self.hubs)}").mkdir()
        made = HubProcess(folder)
        (folder / "bazaar.secret").write_text(SECRET)
        (folder / "bazaar.token").write_text(TOKEN)
        made.config.write_text(made.config.read_text().replace('"data"', f'"{self.folder}/data"') + tables)
        await made.start(env=self.env)
        self.hubs.append(made)
        return made

    async def send(self, hub: HubProcess, type: str, units: int, sku: str = "BAG-NOIR") -> None:
        event = {
            "id": f"e-{next(_ids)}",
            "type": type,
            "time": TIME,
            "location": "LON-KNB",
            "lines": [line(sku, units)],
        }
        event |= {"pool": "store"} if type == "sale" else {}
        async with aiohttp.ClientSession() as session:
            assert await hub.send(session, [event])


@pytest.fixture
async def processes(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Processes]:
    made = Processes(tmp_path, redis_url, postgres_dsn)
    yield made
    for hub in made.hubs:
        if hub.process.returncode is None:
            hub.signal(signal.SIGTERM)
            assert await hub.ended(30) == 0


async def test_of_two_hubs_one_tells_and_when_it_is_killed_the_other(processes: Processes, vendor: Vendor) -> None:
    hubs = [await processes.hub(tables(vendor)) for _ in range(2)]
    for hub in hubs:
        await processes.send(hub, "receipt", 5)
    await vendor.shows(BAG_NOIR=10)

    async def tells(hub: HubProcess) -> bool:
        async with aiohttp.ClientSession() as session, session.get(f"{hub.admin}/metrics") as response:
            return 'hub_channel_waiting{channel="bazaar"}' in await response.text()

    told = [await tells(hub) for hub in hubs]
    assert sorted(told) == [False, True]
    killed, left = hubs[told.index(True)], hubs[told.index(False)]
    gate = Gate()
    vendor.whims = [gate]
    await processes.send(left, "sale", 1)
    # It is killed between what it sent and what it would have remembered.
    await gate.is_reached()
    killed.signal(signal.SIGKILL)
    await killed.ended()
    gate.open()
    await processes.send(left, "sale", 2)

    await vendor.shows(BAG_NOIR=7)

    async def is_calm() -> bool:
        code, out, err = await said_by(left.config, "channels", "--url", left.url, env=processes.env)
        assert code == 0, err
        return out.splitlines()[1].split()[:5] == ["bazaar", "store", "bazaar", "0", "-"]

    await until_holds(is_calm)
    assert vendor.told[-1] == ("BAG-NOIR", 7)


async def test_an_operator_sees_what_was_given_up_and_has_it_tried_again(processes: Processes, vendor: Vendor) -> None:
    vendor.refuses = {"BAG-NOIR"}
    hub = await processes.hub(tables(vendor))
    await processes.send(hub, "receipt", 5)

    async def asked(*words: str) -> str:
        code, out, err = await said(
            "channels", *words, "--config", str(hub.config), "--url", hub.url, env=processes.env
        )
        assert code == 0, err
        return out

    async def is_dead() -> bool:
        return "BAG-NOIR  5       0      it is not ours to sell" in await asked("show", "bazaar")

    await until_holds(is_dead)
    vendor.refuses.clear()
    assert await asked("retry", "bazaar", "--sku", "BAG-ROUGE") == "0 SKUs are tried again\n"
    assert await asked("retry", "bazaar") == "1 SKU is tried again\n"
    await vendor.shows(BAG_NOIR=5)
    where = ("--config", str(hub.config), "--url", hub.url)
    code, _, err = await said("channels", "show", "none", *where, env=processes.env)
    assert (code, len(err.splitlines())) == (2, 1)


async def test_two_hubs_and_two_channels_of_one_account_share_one_allowance(open_town: OpenTown) -> None:
    skus = [f"BAG-{number}" for number in range(6)]
    async with selling(**dict.fromkeys(skus, 0)) as vendor:
        said = tables(vendor, requests_per_second=4)
        second = said.replace('[[channel]]\nid = "bazaar"', '[[channel]]\nid = "annex"\nlocation = "2"')
        async with open_town(said) as one, open_town(second):
            await one.send([one.receipt(line(sku, 9)) for sku in skus])
            for units in range(8, 2, -1):
                # Each number is told by one of them, or found to be there by the other.
                await one.send(one.sale(line(skus[0], 1)))
                await vendor.has(lambda seen: seen.stock[skus[0]] == units)  # noqa: B023 - it is waited for here
            await vendor.has(lambda seen: seen.stock == {**dict.fromkeys(skus, 9), skus[0]: 3})

    # What one second lets through is what was saved up, four, and four that came back.
    times = vendor.times
    assert len(times) > 8
    assert all(times[place + 8] - times[place] > 0.9 for place in range(len(times) - 8))
