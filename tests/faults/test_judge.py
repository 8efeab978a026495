"""The judge finds what was planted: a loss, a doubling, an oversell, and a screen that went back."""

import asyncio

import asyncpg

from hub.stock import keys
from hub.tasks import end
from tests.faults.clients import ASKED, Client
from tests.faults.judge import Judge
from tests.faults.log import Answer, Sent
from tests.faults.town import Town
from tests.faults.watchers import POOL, Watcher

STEPS = 20


async def work(client: Client) -> None:
    for _ in range(STEPS):
        await client.step()


async def forget(town: Town, sent: Sent) -> None:
    """Let Redis forget that it had this id."""
    async with town.redis.client() as redis:
        for key in await redis.keys(keys.seen(0)[:-1] + "*"):
            await redis.hdel(key, f"{sent.source}:{sent.id}")


async def test_the_judge_finds_nothing_where_nothing_is_and_then_names_what_was_planted(town: Town) -> None:
    await town.open_hub()
    await asyncio.gather(*(work(Client(town, f"till-{number}", 1)) for number in range(3)))
    screen = Watcher(town, "screen", 1)
    judge = Judge(town, [screen])
    watching = asyncio.create_task(screen.watch())

    verdict = await judge.judge()
    assert verdict.is_clean, verdict

    lost, doubled, *_ = [sent for sent in town.log.facts if sent.body["type"] == "receipt"]
    ledger = await asyncpg.connect(town.dsn)
    for table, id in (("event", "id"), ("movement", "event_id")):
        await ledger.execute(f"DELETE FROM hub.{table} WHERE source = $1 AND {id} = $2", lost.source, lost.id)
    await ledger.close()
    await forget(town, doubled)
    granted = town.log.add("till-0", "/v1/reservations", {"id": "r-0", "pool": POOL, "lines": []})
    granted.body["lines"] = [{"sku": ASKED[0], "quantity": 1_000}]
    granted.note(Answer(201, {}))
    screen._take({**next(iter(screen.view.values())), "rev": 1}, dict.fromkeys(screen.view, 2))

    verdict = await judge.judge()
    assert lost.id in verdict.lost
    assert verdict.doubled == [doubled.id]
    assert any(ASKED[0] in sentence for sentence in verdict.oversold)
    assert any("r-0" in sentence for sentence in verdict.retold)
    assert any("go back" in sentence for sentence in verdict.screens)
    assert verdict.verify
    await end([watching])
