"""What a process was answered that ended while it reached neither store is named by the next, and given to nobody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.ledger.connection import Link
from hub.ledger.epochs import Epochs
from hub.recovery.left import Left
from hub.recovery.notes import Noted, NoteFile, left_in
from hub.stock import keys
from hub.stock.outcome import Duplicate
from tests.recovery.test_restarted import told_lost
from tests.recovery.test_seen_behind import bring_back, copy_of
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE


@pytest.fixture
async def epochs(postgres_dsn: str) -> AsyncIterator[Epochs]:
    """Another process's, to ask."""
    asked = Epochs(Link(postgres_dsn, "epochs"))
    yield asked
    await asked.aclose()


async def sell(hub: OpenStores, id: str, source: str) -> Seq:
    """What is told 202, for the ledger does not have it."""
    [outcome] = await hub.book(hub.fact(id, source=source))
    assert not await hub.stores.watermark.wait(outcome.seq, 0.01)  # type: ignore[union-attr]
    return outcome.seq  # type: ignore[union-attr,no-any-return]


async def live_and_end(redis_url: str, dsn: str, folder: Path, client: Redis) -> tuple[Seq, Seq]:
    """A hub answers three events that the ledger does not have, and Redis loses the last two of them."""
    async with opened(redis_url, dsn, HOUSE, folder=folder) as before:
        await before.book(before.fact("before", source="web-shop"))
        await before.ledger_has_all()
        await before.stores.epochs.rest(Seq(1, before.kernel.floor - 1))
    async with opened(redis_url, dsn, HOUSE, folder=folder, writes=False) as hub:
        await hub.stores.healing.look()
        await sell(hub, "kept", "till-6")
        copy = await copy_of(client)
        lost = [await sell(hub, f"lost-{number}", f"till-{number}") for number in (7, 8)]
    await bring_back(client, copy)
    return lost[0], lost[1]


async def test_a_start_names_what_only_the_file_knows_and_gives_no_place_again(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path
) -> None:
    first, last = await live_and_end(redis_url, postgres_dsn, tmp_path, redis_client)

    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path) as following:
        assert following.kernel.epoch == 2
        [told] = await told_lost(redis_client)
        assert (told["first"], told["last"], told["certain"]) == (str(first), str(last), True)
        assert told["sources"] == ["till-7", "till-8"]
        [kept] = await following.book(following.fact("kept", source="till-6"))
        assert kept.seq.epoch == 1  # type: ignore[union-attr]
        [again] = await following.book(following.fact("lost-7", source="till-7"))
        assert again.seq.epoch == 2  # type: ignore[union-attr]
        # Told once, and then the file is not needed any more.
        for _ in range(2):
            await following.ledger_has_all()
            await following.stores.healing.look()
        assert len(await told_lost(redis_client)) == 1
        assert list((tmp_path / "answered").iterdir()) == []


async def test_after_another_start_of_the_machine_there_may_be_more_so_that_is_told_as_well(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path
) -> None:
    _, last = await live_and_end(redis_url, postgres_dsn, tmp_path, redis_client)
    [path] = (tmp_path / "answered").iterdir()
    noted = msgspec.json.decode(path.read_bytes(), type=Noted)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(noted, boot="before")))

    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path):
        doubt, window = await told_lost(redis_client)

    assert "web-shop" in doubt["sources"]
    assert (doubt["certain"], window["last"]) == (False, str(last))


async def test_what_another_lost_that_ended_before_it_could_say_so_is_told_at_the_next_start(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path
) -> None:
    """Another process healed meanwhile, and told its own answers only."""
    first, last = await live_and_end(redis_url, postgres_dsn, tmp_path, redis_client)
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path / "another"):
        await redis_client.hset(keys.META, "halted", "behind")
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path / "another") as other:
        assert other.kernel.epoch == 2
        await other.ledger_has_all()
    before = len(await told_lost(redis_client))

    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path) as following:
        assert following.kernel.epoch == 2
        for _ in range(3):
            await following.stores.healing.look()
            await following.ledger_has_all()
        assert await following.stores.epochs.kept() == []

    [told] = (await told_lost(redis_client))[before:]
    assert (told["first"], told["last"]) == (str(first), str(last))
    assert {"till-7", "till-8"} <= set(told["sources"])


async def test_where_nothing_was_lost_nothing_is_told_and_no_epoch_begins(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False) as hub:
        await sell(hub, "kept", "till-6")
    assert len(left_in(tmp_path / "answered", hub.kernel.hub)) == 1

    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path) as following:
        await following.ledger_has_all()
        await following.stores.healing.look()
        assert following.kernel.epoch == 1
        assert left_in(tmp_path / "answered", hub.kernel.hub) == {}
    assert await told_lost(redis_client) == []


async def test_a_file_of_a_hub_that_lives_is_not_touched(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False) as hub:
        await sell(hub, "kept", "till-6")
        async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False) as other:
            await other.stores.healing.look()
            assert len(list((tmp_path / "answered").iterdir())) == 1
            assert other.kernel.epoch == 1


async def test_who_works_and_whose_notes_are_there_are_the_same_where_they_name_all(
    redis_url: str, postgres_dsn: str, redis_client: Redis, tmp_path: Path, epochs: Epochs
) -> None:
    await live_and_end(redis_url, postgres_dsn, tmp_path, redis_client)
    hub = (await epochs.present()).hub
    left = Left(tmp_path / "answered", epochs)
    assert not await left.is_all(1)
    await left.read(hub)
    assert await left.is_all(1)
    # It was answered what nobody noted.
    await epochs.present(1)
    assert not await left.is_all(1)
    assert not await left.is_all(2)


async def test_nobody_is_held_up_by_a_disk_that_is_full(
    redis_url: str, postgres_dsn: str, tmp_path: Path, monkeypatch: Any
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False) as hub:
        await sell(hub, "noted", "till-6")
        (tmp_path / "answered" / f"{hub.stores.epochs.process}.new").mkdir()
        await sell(hub, "not-noted", "till-6")
        # What is there would pass for all that was answered.
        assert list((tmp_path / "answered").glob("*.json")) == []
        (tmp_path / "answered" / f"{hub.stores.epochs.process}.new").rmdir()
        await sell(hub, "noted-again", "till-6")
        assert len(list((tmp_path / "answered").glob("*.json"))) == 1


async def test_one_file_serves_all_who_were_answered_before_it_was_written(
    redis_url: str, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Noted] = []
    write = NoteFile.write

    def count(self: NoteFile, noted: Noted) -> None:
        written.append(noted)
        write(self, noted)

    def fail(self: NoteFile, noted: Noted) -> None:
        written.append(noted)
        raise OSError("the disk is full")

    monkeypatch.setattr(NoteFile, "write", count)
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False) as hub:
        noting, calls = hub.stores.noting, []
        for number in range(20):
            await hub.book(hub.fact(f"sale-{number}", source=f"till-{number}"))
            calls.append(hub.kernel.answered.calls)
        await asyncio.gather(*map(noting.note, calls))
        assert [noted.sources_count for noted in written] == [20]

        # What is told again is told as it was, though its sender is another than those who are noted.
        again = hub.fact("sale-3", source="till-3")
        hub.kernel.answered._places.clear()
        [told] = await hub.book(again)
        assert isinstance(told, Duplicate)
        assert not await hub.stores.watermark.wait(told.seq, 0.01)
        assert [list(noted.sources) for noted in written[1:]] == [["till-3"]]

        # Who cannot note once does not try again for each who waits.
        monkeypatch.setattr(NoteFile, "write", fail)
        for number in range(20):
            await hub.book(hub.fact(f"more-{number}"))
            calls.append(hub.kernel.answered.calls)
        await asyncio.gather(*map(noting.note, calls))
        assert len(written) == 3


async def test_who_was_answered_nothing_notes_nothing(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, folder=tmp_path, writes=False):
        pass
    assert not (tmp_path / "answered").exists()
