"""`hub load` as a process of its own, against a hub that runs: its exit code, its files, and Ctrl-C."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from hub.commands.load import SCOPES
from hub.load.result import Result
from tests.intake.door import Door

PATIENCE_SECONDS = 60


async def started(door: Door, folder: Path, *arguments: str, token: str) -> asyncio.subprocess.Process:
    where = ("--url", door.url, "--live", door.live, "--location", "LON-KNB", "--pool", "store", "--token", token)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "load", *where, *arguments, "--name", folder.name[-20:]),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def token(door: Door, *scopes: str) -> str:
    return door.token(scopes, sub="load", pools=["store"], locations=["LON-KNB"])


async def test_interrupted_it_ends_early_with_all_it_found(door: Door, tmp_path: Path) -> None:
    files = ("--json", "found.json", "--report", "found.html")
    pace = ("--rate", "20", "--duration", "3600", "--skus", "3", "--watch", "3", "--sockets", "2", "--seed", *files)
    process = await started(door, tmp_path, *pace, token=token(door, *SCOPES))
    assert process.stderr is not None

    async with asyncio.timeout(PATIENCE_SECONDS):
        while b" 2 s " not in (line := await process.stderr.readline()):
            assert line, "it ended by itself"
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()

    assert process.returncode == 0
    assert out.startswith(b"Ended early: it was told to stop.")
    found = msgspec.json.decode((tmp_path / "found.json").read_bytes(), type=Result)
    assert found.events_sent == sum(found.answers.values()) > 0
    assert found.judgement.is_clean
    texts = [(tmp_path / name).read_text("utf-8") for name in ("found.json", "found.html")]
    assert all("it was told to stop" in text for text in texts)
    # All tokens begin alike.
    assert not any(token(door)[:20] in text for text in texts)


async def test_what_is_not_clean_ends_with_one(door: Door, tmp_path: Path) -> None:
    pace = ("--rate", "20", "--duration", "1", "--warmup", "0", "--skus", "2")
    process = await started(door, tmp_path, *pace, token=token(door, "positions:read"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        out, _ = await process.communicate()

    assert process.returncode == 1
    assert b"NOT CLEAN" in out
    assert b"403 forbidden" in out
