"""At most once, and never lost: many at once, a hub that dies in between, stores that are away."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from hub.crashpoints import VARIABLE
from hub.embedded.servers import EmbeddedServers
from tests.databases import closed_database
from tests.flow.process import HubProcess
from tests.webhooks.town import OFFERED, SECRETS, SHOP_SECRET, TOKEN, Town, open_town, write_town

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def test_a_delivery_that_two_hubs_get_a_hundred_times_at_once_is_booked_once(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with (
        open_town(tmp_path / "one", redis_url, postgres_dsn) as one,
        open_town(tmp_path / "two", redis_url, postgres_dsn) as two,
    ):
        said = one.sale_at_till("BAG-NOIR", 1)
        replies = await asyncio.gather(*((one, two)[number % 2].deliver(said) for number in range(100)))

        assert {reply.status for reply in replies} <= {200, 202, 503}
        assert {reply.json().get("status") for reply in replies if reply.status < 300} <= {
            "applied",
            "accepted",
            "duplicate",
        }

        async def is_booked() -> bool:
            return [row["state"] for row in await one.rows()] == ["booked"]

        await until(is_booked)
        assert await two.free("BAG-NOIR") == -1
        assert len(await one.rows("SELECT id FROM hub.event WHERE source = 'town'")) == 1


async def test_a_hub_that_dies_between_keeping_and_booking_books_it_after_its_start(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until, servers: EmbeddedServers
) -> None:
    plan = tmp_path / "plan.json"
    steps = [{"point": "delivery kept", "action": "kill", "passing": 1}]
    plan.write_text(json.dumps({"journal": str(tmp_path / "fired"), "steps": steps}))
    dying = HubProcess(tmp_path)
    write_town(tmp_path, redis_url, postgres_dsn)
    environ = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn, VARIABLE: str(plan)}
    environ["PYTHONPATH"] = str(OFFERED)
    await dying.start(env=environ)

    async with open_town(tmp_path, redis_url, postgres_dsn) as living:
        said = living.sale_at_till("BAG-NOIR", 1)
        here, living.url = living.url, dying.url
        with pytest.raises(aiohttp.ClientError):
            await living.deliver(said)
        living.url = here
        await dying.ended()
        [row] = await living.rows()
        assert (row["state"], await living.free("BAG-NOIR")) == ("kept", 0)
        # As if the time were over in which the dead one had it.
        await living.rows("UPDATE hub.inbox SET next_at = now() RETURNING number")

        async def is_booked() -> bool:
            return [row["state"] for row in await living.rows()] == ["booked"]

        await until(is_booked)
        again = await living.deliver(said)
        assert again.json() == {"status": "duplicate"}
        assert await living.free("BAG-NOIR") == -1


async def test_without_the_ledger_nothing_is_kept_and_the_vendor_sends_it_again(own_town: Town, until: Until) -> None:
    said = own_town.sale_at_till("BAG-NOIR", 1)
    async with closed_database(own_town.dsn):
        away = await own_town.deliver(said)

    async def is_taken() -> bool:
        return (await own_town.deliver(said)).status in (200, 202)

    await until(is_taken)

    async def is_booked() -> bool:
        return [row["state"] for row in await own_town.rows()] == ["booked"]

    await until(is_booked)
    assert (away.status, away.problem) == (503, "unavailable")
    assert int(away.headers["Retry-After"]) >= 1
    assert await own_town.free("BAG-NOIR") == -1


async def test_a_hub_that_takes_no_events_keeps_what_is_delivered_and_books_it_later(
    own_town: Town, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(own_town.hub._stores.backlog, "full_because", "the journal is full")
        reply = await own_town.deliver(own_town.sale_at_till("BAG-NOIR", 1))
    assert (reply.status, reply.json()) == (202, {"status": "accepted"})
    await own_town.rows("UPDATE hub.inbox SET next_at = now() RETURNING number")

    async def is_booked() -> bool:
        return await own_town.free("BAG-NOIR") == -1

    await until(is_booked)


async def test_no_secret_stands_in_a_log_a_repr_or_the_inbox(
    redis_url: str, postgres_dsn: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with capture_logs() as logged:
        async with open_town(tmp_path, redis_url, postgres_dsn) as town:
            await town.deliver(town.sale_at_till(**{"raise": ["translate"]}))
            await town.deliver(town.sale_at_till(), secret="wrong")
            await town.deliver(town.sale_at_till(), headers={"X-Echo": SECRETS.split()[0]})
            await town.webhook({"type": "sale"})
            await town.reload()
            kept = str([dict(row) for row in await town.rows()])
            said = f"{town.settings!r} {town.hub._stores.webhooks.taking.accounts.of('town')!r}"
    out, err = capfd.readouterr()

    assert logged
    for secret in (*SECRETS.split(), SHOP_SECRET, TOKEN):
        assert secret not in f"{logged}{kept}{said}{out}{err}"
