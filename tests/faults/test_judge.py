"""The judge finds what was planted: a loss, a doubling, an oversell, a screen that went back, a wrong window."""

import asyncio
import shutil

import asyncpg
import msgspec

from hub.stock import keys
from hub.tasks import end
from tests.databases import closed_database
from tests.faults.clients import ASKED, Client
from tests.faults.judge import Judge, Verdict
from tests.faults.log import Answer, Sent
from tests.faults.patience import until
from tests.faults.town import Town
from tests.faults.watchers import POOL, Watcher

STEPS = 20
TIME = "2026-11-22T10:00:00Z"


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


async def lose_what_was_promised(town: Town) -> list[Sent]:
    """Two tills are answered 202 while the ledger is away, and Redis is lost; answers what they sent."""
    fields = {"location": "LON-KNB", "time": TIME, "lines": [{"sku": "SOLD-0", "quantity": 1}]}
    kept = town.fact("till-0", "receipt", "kept", **fields)
    await town.send(kept, town.hub())
    promised = [town.fact(f"till-{number % 2}", "receipt", f"promised-{number}", **fields) for number in range(6)]
    await Judge(town).ledger_follows()
    async with closed_database(town.dsn):
        await asyncio.gather(*(town.send(sent, town.hub()) for sent in promised))
        await town.redis.kill()
        await town.redis.empty()
    await town.redis.start()
    return promised


async def judged_with(town: Town, window: dict[str, object]) -> list[str]:
    """What the judge says of windows if the hub had named this one."""
    ledger = await asyncpg.connect(town.dsn)
    payload = msgspec.json.encode(window).decode()
    await ledger.execute("UPDATE hub.event SET payload = $1 WHERE type = 'answers_lost'", payload)
    await ledger.close()
    verdict = Verdict()
    await Judge(town)._compare_windows(verdict, seconds=0.2)
    return verdict.windows


async def test_the_judge_finds_a_window_of_lost_answers_that_is_not_what_was_lost(town: Town) -> None:
    await town.open_hub()
    promised = await lose_what_was_promised(town)
    assert {sent.answers[0].status for sent in promised} == {202}
    judge = Judge(town)

    async def is_named() -> bool:
        return bool(await alerts(town))

    await until(is_named)
    await judge.resend_what_only_redis_had()
    verdict = await judge.judge()
    assert verdict.is_clean, verdict

    [window] = await alerts(town)
    *_, last = sorted(promised, key=lambda sent: int(sent.withdrawn[0].body["seq"].rpartition("-")[2]))
    assert window["last"] == last.withdrawn[0].body["seq"]
    [wrong] = await judged_with(town, {**window, "last": "0-1-" + str(int(window["last"].rpartition("-")[2]) - 1)})
    assert last.id in wrong
    named = await judged_with(town, {**window, "sources": ["till-1"]})
    assert [sentence.split()[3] for sentence in named] == [sent.id for sent in promised if sent.source == "till-0"]
    [wrong] = await judged_with(town, {**window, "first": "0-1-" + str(int(window["first"].rpartition("-")[2]) - 1)})
    assert "the ledger has" in wrong


async def lose_all_hubs_with_what_was_promised(town: Town, *, keeps_notes: bool) -> list[Sent]:
    """The same, and the only hub dies before Redis is there again; answers what was sent once one has started anew."""
    hub = town.hub()
    fields = {"location": "LON-KNB", "time": TIME, "lines": [{"sku": "SOLD-0", "quantity": 1}]}
    for number in range(2):
        await town.send(town.fact(f"till-{number}", "receipt", f"kept-{number}", **fields), hub)
    promised = [town.fact(f"till-{number % 2}", "receipt", f"promised-{number}", **fields) for number in range(4)]
    await Judge(town).ledger_follows()
    async with closed_database(town.dsn):
        await asyncio.gather(*(town.send(sent, hub) for sent in promised))
        hub.process.kill()
        await town.redis.kill()
        await town.redis.empty()
        if not keeps_notes:
            shutil.rmtree(town.notes)
    await town.redis.start()
    return promised


async def test_the_judge_reads_a_doubt_and_finds_one_that_does_not_name_what_was_lost(town: Town) -> None:
    await town.open_hub()
    promised = await lose_all_hubs_with_what_was_promised(town, keeps_notes=False)
    assert {sent.answers[0].status for sent in promised} == {202}
    judge = Judge(town)

    async def is_named() -> bool:
        return bool(await alerts(town))

    await until(is_named, 60)
    await judge.resend_what_only_redis_had()
    verdict = await judge.judge()
    assert verdict.is_clean, verdict

    [doubt] = await alerts(town)
    assert "first" not in doubt
    lost = await judged_with(town, {**doubt, "sources": ["till-1"]})
    assert [sentence.split()[3] for sentence in lost] == [sent.id for sent in promised if sent.source == "till-0"]
    assert len(await judged_with(town, {**doubt, "until": TIME})) == len(promised)
    behind = max(int(sent.withdrawn[0].body["seq"].rpartition("-")[2]) for sent in promised)
    assert len(await judged_with(town, {**doubt, "after": f"0-1-{behind}"})) == len(promised)
    wrong = await judged_with(town, {**doubt, "after": "0-1-0"})
    assert wrong
    assert all("the ledger has" in sentence for sentence in wrong)


async def test_where_a_hub_that_died_noted_what_it_answered_exactly_that_is_named(town: Town) -> None:
    await town.open_hub()
    promised = await lose_all_hubs_with_what_was_promised(town, keeps_notes=True)
    judge = Judge(town)

    async def is_named() -> bool:
        return bool(await alerts(town))

    await until(is_named, 60)
    await judge.resend_what_only_redis_had()
    verdict = await judge.judge()
    assert verdict.is_clean, verdict
    [window] = await alerts(town)
    assert (window["last"], window["certain"]) == (max(seqs(promised)), True)
    assert window["sources"] == ["till-0", "till-1"]


def seqs(promised: list[Sent]) -> list[str]:
    """Where they were booked; the numbers are as long as each other."""
    return [sent.withdrawn[0].body["seq"] for sent in promised]


async def test_the_judge_finds_a_loss_that_the_only_hub_did_not_live_to_tell(town: Town) -> None:
    hub = await town.open_hub()
    promised = await lose_what_was_promised(town)

    async def is_named() -> bool:
        return bool(await alerts(town))

    await until(is_named)
    starts = hub.starts
    hub.process.kill()

    async def is_up_again() -> bool:
        return hub.starts > starts and hub.is_up

    await until(is_up_again, 60)
    judge = Judge(town)
    await judge.resend_what_only_redis_had()
    await judge.settle()
    [window] = await alerts(town)
    assert await judged_with(town, window) == []
    # As if it had died between healing and its alert.
    ledger = await asyncpg.connect(town.dsn)
    await ledger.execute("UPDATE hub.event SET type = 'unheard' WHERE type = 'answers_lost'")
    await ledger.close()
    assert len(await judged_with(town, window)) == len(promised)


async def alerts(town: Town) -> list[dict[str, str]]:
    ledger = await asyncpg.connect(town.dsn)
    rows = await ledger.fetch("SELECT payload FROM hub.event WHERE type = 'answers_lost'")
    await ledger.close()
    return [msgspec.json.decode(row["payload"]) for row in rows]
