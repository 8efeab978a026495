"""Answers that a running hub cannot know of, for it started after them: they are named, and never with certainty."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hub.domain.entry import Seq
from hub.stock import keys
from tests.flow.own_servers import OwnServers
from tests.flow.process import said_by
from tests.flow.test_healing import alerts, hub_at, on_hand, taken
from tests.intake.door import Door, line

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


class Restored:
    """Servers whose ledger was brought back from a copy, beside a Redis whose journal does not go back to its end."""

    def __init__(self, servers: OwnServers, folder: Path) -> None:
        self.servers = servers
        self.folder = folder
        # What the copy lacks: by till-8, which the journal does not show any more, and by till-7, which it shows.
        self.lost: list[dict[str, Any]] = []
        # Of the ledger.
        self.last: Seq

    @property
    def config(self) -> Path:
        """For `hub rebuild`, which reads the stores' addresses there."""
        file = self.folder / "rebuild.toml"
        running = self.servers.running
        stores = f'[redis]\nurl = "{running.redis_url}"\n[ledger]\ndsn = "{running.postgres_dsn}"\n'
        file.write_text((self.folder / "hub.toml").read_text() + stores)
        return file

    def hub(self) -> Any:
        return hub_at(self.folder, self.servers.running.redis_url, self.servers.running.postgres_dsn)

    async def build(self, until: Until) -> None:
        own = self.folder.parent / "own"
        async with self.hub() as door:
            known = await taken(door, until, door.receipt(line("BAG", 9)))
            told = await door.send(door.sale(line("BAG", 1)), token=door.token(sub="till-8"))
            assert told.status in (200, 202)
        self.last = Seq(1, int(told.json()["seq"].rpartition("-")[2]))
        # A busy ledger may have been late for the first answer.
        assert known["status"] in ("applied", "duplicate")
        await self.servers.running.stop()
        shutil.copytree(own / "postgres", self.folder / "copy")
        await self.servers.start()
        async with self.hub() as door:
            self.lost = [door.sale(line("BAG", 1), id=f"lost-{number}") for number in range(3)]
            assert (await door.send(self.lost[0], token=door.token(sub="till-8"))).status in (200, 202)
            for sale in self.lost[1:]:
                await taken(door, until, sale)
        async with self.servers.redis() as client:
            await client.xtrim(keys.JOURNAL, maxlen=1, approximate=False)
        await self.servers.running.stop()
        shutil.rmtree(own / "postgres")
        shutil.copytree(self.folder / "copy", own / "postgres")
        await self.servers.start()


@pytest.fixture
async def restored(tmp_path: Path, redis_binary: Path | None, until: Until) -> AsyncIterator[Restored]:
    servers = OwnServers(tmp_path / "own", redis_binary)
    await servers.start()
    made = Restored(servers, tmp_path / "hub")
    await made.build(until)
    yield made
    await servers.running.stop()


async def told_by(restored: Restored, until: Until) -> list[dict[str, Any]]:
    async def is_told() -> bool:
        return bool(await alerts(restored.servers))

    await until(is_told)
    return await alerts(restored.servers)


async def sent_again(door: Door, restored: Restored, until: Until) -> None:
    """They are booked, as if for the first time."""
    first, *rest = restored.lost
    assert (await door.send(first, token=door.token(sub="till-8"))).json()["seq"].startswith("0-2-")
    for sale in rest:
        assert (await taken(door, until, sale))["seq"].startswith("0-2-")
    assert await on_hand(door, "BAG") == 5


async def test_a_rebuild_beside_a_hub_that_started_later_names_the_whole_window_and_all_who_were_heard(
    restored: Restored, until: Until
) -> None:
    async with restored.hub() as door:
        code, said, erred = await said_by(restored.config, "rebuild")

        assert code == 0, erred
        first, last = Seq(1, restored.last.number + 1), Seq(1, restored.last.number + 3)
        *_, line_ = said.splitlines()
        assert f"all answers from {first} to {last} are lost" in line_
        assert line_.endswith("let these sources send again what they sent then: till-7, till-8")
        await until(lambda: is_counted(door, 3))
        # The hub tells what the rebuild told, so it stands there once.
        [told] = await told_by(restored, until)
        assert (told["first"], told["last"], told["certain"]) == (str(first), str(last), False)
        assert (told["sources"], told["sources_count"]) == (["till-7", "till-8"], 2)
        await sent_again(door, restored, until)
        assert len(await alerts(restored.servers)) == 1


async def test_a_hub_that_started_later_names_all_who_were_heard_where_redis_is_emptied_under_it(
    restored: Restored, until: Until
) -> None:
    async with restored.hub() as door:
        async with restored.servers.redis() as client:
            await client.flushall()

        [told] = await told_by(restored, until)

        assert (told["first"], told["certain"]) == (str(Seq(1, restored.last.number + 1)), False)
        assert told["sources"] == ["till-7", "till-8"]
        await sent_again(door, restored, until)


async def is_counted(door: Door, lost: int) -> bool:
    told = (await door.get(door.admin + "/metrics")).body
    return f"hub_answers_lost_total {lost}.0".encode() in told
