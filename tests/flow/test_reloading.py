"""A running hub takes a changed file: by a signal, by `hub reload`, or only tries it; a subscriber hears of it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.flow.process import ForkedHub, HubProcess, said
from tests.flow.screen import Screen, screen
from tests.intake.door import line

TIME = "2026-11-22T10:00:00Z"


@pytest.fixture
async def hub(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub in a process of its own, with eight bags, on the run's servers."""
    made = ForkedHub(tmp_path)
    await made.start(env={**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn})
    event = {"id": "eight", "type": "receipt", "time": TIME, "location": "LON-KNB", "lines": [line("BAG-NOIR", 8)]}
    async with aiohttp.ClientSession() as session:
        assert await made.send(session, [event])
    # So that the commands find it under the address in its file, as at an operator's.
    text = made.config.read_text().replace('admin = "127.0.0.1:0"', f'admin = "{made.admin.removeprefix("http://")}"')
    made.config.write_text(text)
    yield made
    made.signal(signal.SIGTERM)
    assert await made.ended() == 0


def change(hub: HubProcess, before: str, after: str) -> None:
    text = hub.config.read_text()
    assert before in text
    hub.config.write_text(text.replace(before, after))


async def watch(shop: Screen) -> int:
    [item] = await shop.subscribe("online", "BAG-NOIR")
    available: int = item["available"]
    return available


async def test_a_signal_takes_the_changed_file_while_sales_go_on_and_a_subscriber_hears(hub: HubProcess) -> None:
    heard = asyncio.Event()

    async def sell() -> int:
        async with aiohttp.ClientSession() as session:
            number = 0
            while not heard.is_set():
                sale = {
                    "id": f"s-{number}",
                    "type": "sale",
                    "time": TIME,
                    "location": "LON-KNB",
                    "pool": "store",
                    "lines": [line("BAG-ROUGE")],
                }
                assert await hub.send(session, [sale])
                number += 1
            return number

    async with screen(hub.live) as shop:
        assert await watch(shop) == 8
        till = asyncio.create_task(sell())
        change(hub, "cap = 10", "cap = 3")
        hub.signal(signal.SIGHUP)

        item = await shop.sees("BAG-NOIR")

    heard.set()
    assert (item["available"], item["capped"]) == (3, True)
    # The last sale may still be on its way.
    sold = await till
    assert (await hub.position("BAG-ROUGE"))["deficit"] == sold > 0
    assert "Traceback" not in hub.log()


async def test_a_signal_with_a_bad_file_changes_nothing_and_says_why(hub: HubProcess) -> None:
    change(hub, "cap = 10", "cap = 3\ncolour = 7")
    async with screen(hub.live) as shop:
        assert await watch(shop) == 8
        hub.signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "refused" not in hub.log():  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.02)
        assert await watch(shop) == 8

    assert "colour" in hub.log()
    # What is refused is refused whole, and the next good file is taken.
    change(hub, "colour = 7", "")
    assert (await said("reload", "--config", str(hub.config)))[0] == 0


async def test_the_commands_try_a_change_and_make_it(hub: HubProcess) -> None:
    change(hub, "cap = 10", "cap = 3")
    config = str(hub.config)

    code, checked, _ = await said("check", config)
    assert code == 0
    assert "good" in checked.splitlines()[0]
    assert "its house would change, 1 SKU would be shown otherwise" in checked
    assert "BAG-NOIR in online: 8 (in_stock) → 3 (in_stock)" in checked

    code, tried, _ = await said("reload", "--config", config, "--dry-run")
    assert (code, tried.splitlines()[0]) == (0, checked.splitlines()[1])

    code, reloaded, _ = await said("reload", "--config", config)
    # The admin door's address was written down after the start, so it differs.
    assert (code, reloaded) == (0, "reloaded · rules version 2\nneeds a restart: hub.admin\n")
    code, reloaded, _ = await said("reload", "--config", config, "--url", hub.admin)
    assert reloaded.startswith("nothing to change · rules version 2\n")
    _, checked, _ = await said("check", config)
    assert "nothing would change" in checked


async def test_a_file_of_another_house_is_checked_without_a_word_about_this_hub(
    hub: HubProcess, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = hub.config.read_text().replace('data_dir = "data"', 'data_dir = "elsewhere"')
    (other / "hub.toml").write_text(text)
    # A key of its own: the running hub does not know it.
    assert (await said("token", "--config", str(other / "hub.toml"), "--sub", "x"))[0] == 0

    code, out, err = await said("check", str(other / "hub.toml"))

    assert (code, len(out.splitlines()), err) == (0, 1, "")


async def test_two_hubs_on_the_same_stores_follow_each_other(
    hub: HubProcess, redis_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    second = ForkedHub(folder)
    await second.start(env={**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn})
    try:
        async with screen(second.live) as shop:
            assert await watch(shop) == 8
            change(hub, "cap = 10", "cap = 3")
            hub.signal(signal.SIGHUP)

            assert (await shop.sees("BAG-NOIR"))["available"] == 3
            async with aiohttp.ClientSession() as session:
                sale = {"id": "last", "type": "sale", "time": TIME, "location": "LON-KNB", "pool": "online"}
                [answer] = await second.send(session, [{**sale, "lines": [line("BAG-NOIR", 6)]}]) or []
            [shown] = [each for each in answer["availability"] if each["pool"] == "online"]
            assert shown["available"] == 2
    finally:
        second.signal(signal.SIGTERM)
        assert await second.ended() == 0


def is_caught(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


async def test_a_signal_during_the_start_ends_nothing_and_is_remembered(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Any
) -> None:
    made = ForkedHub(tmp_path)
    await made.spawn(env={**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn})

    async def has_read_its_file() -> bool:
        return is_caught(made.process.pid, signal.SIGTERM)

    await until(has_read_its_file)
    change(made, "cap = 10", "cap = 3")
    made.signal(signal.SIGHUP)
    await made.ready()

    async def has_reloaded() -> bool:
        return "reloaded" in made.log()

    await until(has_reloaded)
    made.signal(signal.SIGTERM)
    assert await made.ended() == 0
