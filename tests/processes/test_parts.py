"""A hub in parts: one `hub serve` for each role works like one that has all."""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import time

import aiohttp
import pytest

from hub.commands.token import make_token
from hub.settings import load
from tests.flow.process import HubProcess
from tests.flow.screen import screen
from tests.intake.reserving import CLERK_SCOPES
from tests.processes.several import ask, book, served


@pytest.fixture(scope="module")
async def parts(
    tmp_path_factory: pytest.TempPathFactory, stores: dict[str, str]
) -> AsyncIterator[dict[str, HubProcess]]:
    """A hub in three parts, each a `hub serve` with one role."""
    folder = tmp_path_factory.mktemp("hub")
    made = {role: HubProcess(folder, "--role", role, log=f"{role}.txt") for role in ("worker", "intake", "live")}
    config = made["worker"].config
    config.write_text(config.read_text() + "\n[limits]\nledger_wait_ms = 5000\n")
    async with AsyncExitStack() as running:
        for part in made.values():
            await running.enter_async_context(served(part, stores))
        yield made


async def test_a_hub_in_parts_works_as_one(parts: dict[str, HubProcess], stores: dict[str, str]) -> None:
    worker, intake, live = parts["worker"], parts["intake"], parts["live"]
    assert [bool(part.url) for part in (worker, intake, live)] == [False, True, False]
    assert [bool(part.live) for part in (worker, intake, live)] == [False, False, True]
    assert [await part.metric("hub_on_duty") for part in (worker, intake, live)] == [1, 0, 0]
    async with screen(live.live) as shop:
        await shop.subscribe("online", "BAG-NOIR")
        assert (await book(intake, "in", "receipt", "BAG-NOIR", 4))[0] == 200
        assert (await shop.sees("BAG-NOIR"))["available"] == 4
        hold = {"id": "cart", "pool": "online", "ttl_seconds": 1, "lines": [{"sku": "BAG-NOIR", "quantity": 1}]}
        assert (await ask(intake, "/v1/reservations", clerk(intake), json=hold))[0] == 201
        assert (await shop.sees("BAG-NOIR"))["available"] == 3
        # The worker gives it back.
        assert (await shop.sees("BAG-NOIR"))["available"] == 4

    worker.signal(signal.SIGKILL)
    await worker.ended()
    async with aiohttp.ClientSession() as session:
        text = {"id": "alone", "type": "receipt", "time": "2026-11-22T10:00:00Z", "location": "LON-KNB"}
        lines = [{"sku": "BAG-NOIR", "quantity": 1}]
        headers = {"Authorization": f"Bearer {intake.token()}"}
        url = f"{intake.url}/v1/events"
        async with session.post(url, json={**text, "lines": lines}, headers=headers) as response:
            # Nobody writes the ledger.
            assert (response.status, (await response.json())["status"]) == (202, "accepted")

    async with served(worker, stores):
        assert (await book(intake, "again", "receipt", "BAG-NOIR"))[0] == 200
        assert (await book(intake, "alone", "receipt", "BAG-NOIR"))[0] == 200


def clerk(part: HubProcess) -> str:
    settings = load(part.config, part.environ)
    claims = {"source": None, "scope": CLERK_SCOPES, "pool": (), "location": (), "ttl": "1h"}
    return make_token(settings, sub="clerk", now=time(), **claims)  # type: ignore[arg-type]
