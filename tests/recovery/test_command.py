"""`hub rebuild` on a stopped hub and beside a running one, as an operator runs it."""

import re
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from hub.embedded.servers import join_or_start
from hub.recovery.notes import NOTES, Noted, NoteFile, boot_id
from tests.flow.process import HubProcess, running_process, said_by
from tests.verify.test_command import sell_one_of_three

PATIENCE_SECONDS = 60


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[HubProcess]:
    async with running_process(tmp_path) as made:
        yield made


async def test_a_stopped_hub_whose_redis_is_empty_is_rebuilt_and_starts(process: HubProcess) -> None:
    await sell_one_of_three(process)
    process.signal(signal.SIGTERM)
    await process.ended(PATIENCE_SECONDS)
    code, said, erred = await said_by(process.config, "rebuild")
    assert (code, said.split(":")[0], erred) == (0, "nothing was to be done", "")

    await lose_redis(process)

    code, said, erred = await said_by(process.config, "rebuild")
    assert (code, erred) == (0, "")
    assert said.startswith("Redis was made anew from the ledger, up to 0-1-")
    assert said.endswith("epoch 1 → 2\n")
    code, said, _ = await said_by(process.config, "verify")
    assert (code, said.split(": ")[-1]) == (0, "nothing wrong\n")
    await process.start()


async def test_what_a_killed_hub_may_have_been_answered_is_named_with_who_sent_before(process: HubProcess) -> None:
    await sell_one_of_three(process)
    # Of whom the ledger never heard nobody knows either.
    await process.ledger_has_all()
    process.signal(signal.SIGKILL)
    await process.ended(PATIENCE_SECONDS)
    # A busy ledger may have been late, and then it is known what it was answered.
    shutil.rmtree(process.data / NOTES, ignore_errors=True)
    await lose_redis(process)

    code, said, erred = await said_by(process.config, "rebuild")

    assert code == 0, erred
    *_, line = said.splitlines()
    assert re.fullmatch(
        r"answers of 202 after 0-1-\d+ may have been lost with Redis, from \S+Z to \S+Z; let these sources send again"
        " what they sent then: till-7",
        line,
    )
    code, said, _ = await said_by(process.config, "rebuild", "--whole")
    assert (code, "lost" in said) == (0, False)
    await process.start()
    code, said, _ = await said_by(process.config, "verify")
    assert (code, said.split(": ")[-1]) == (0, "nothing wrong\n")


async def lose_redis(process: HubProcess) -> None:
    """Take the data of a stopped hub's private Redis away."""
    servers = await join_or_start(process.data, redis=True, postgres=False)
    await servers.stop()
    for file in (process.data / "redis").rglob("*"):
        if file.is_file() and file.suffix in (".aof", ".rdb", ".manifest"):
            file.unlink()


async def test_redis_is_made_anew_beside_a_running_hub(process: HubProcess) -> None:
    await sell_one_of_three(process)

    code, said, erred = await said_by(process.config, "rebuild", "--whole")

    assert (code, erred) == (0, "")
    assert said.startswith("Redis was made anew from the ledger, up to 0-1-")
    assert "lost" not in said
    process.signal(signal.SIGTERM)
    await process.ended(PATIENCE_SECONDS)
    assert "Redis lacks" not in process.log()
    await process.start()
    code, said, _ = await said_by(process.config, "verify")
    assert (code, said.split(": ")[-1]) == (0, "nothing wrong\n")


async def test_a_hub_that_never_booked_anything_has_nothing_to_rebuild(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('[hub]\ndata_dir = "nothing"\n')

    code, said, erred = await said_by(config, "rebuild")

    assert (code, said) == (2, "")
    assert erred.startswith("hub: there is no hub in the data folder ")


async def test_what_a_killed_hub_noted_is_named_by_a_rebuild_and_told_once(process: HubProcess) -> None:
    await sell_one_of_three(process)
    await process.ledger_has_all()
    process.signal(signal.SIGKILL)
    await process.ended(PATIENCE_SECONDS)
    servers = await join_or_start(process.data, redis=True, postgres=True)
    try:
        ledger = await asyncpg.connect(servers.postgres_dsn)
        hub, epoch, number = await ledger.fetchrow("SELECT hub, epoch, cursor_seq FROM hub.hub_state")
        killed = await ledger.fetchval("SELECT process FROM hub.working")
        await ledger.close()
    finally:
        await servers.stop()
    first, last = f"0-{epoch}-{number + 1}", f"0-{epoch}-{number + 2}"
    # As if it had told two tills 202 while the ledger was away, and Redis had lost that.
    noted = Noted(
        hub, killed, boot_id(), epoch, number + 3, 0, number + 1, {"till-8": number + 1, "till-9": number + 2}, 2
    )
    file = NoteFile(process.data / NOTES, killed)
    file.write(noted)
    file.close()

    code, said, erred = await said_by(process.config, "rebuild")

    assert code == 0, erred
    *_, line = said.splitlines()
    assert line.startswith(f"answers of 202 from {first} to {last} were lost with Redis, from ")
    assert line.endswith("let these sources send again what they sent then: till-8, till-9")
    assert "may have been lost" not in said
    assert list((process.data / NOTES).iterdir()) == []
    await process.start()
    await process.ledger_has_all()
    code, said, erred = await said_by(process.config, "alerts", "--url", process.url)
    assert (code, said.count("answers_lost"), said.count(f"{first}..{last}")) == (0, 1, 1), said + erred
