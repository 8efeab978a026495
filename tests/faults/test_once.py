"""One id takes effect once, whoever repeats it how often, and nobody is given another's answer."""

import asyncio
from datetime import UTC, datetime
from random import Random

import aiohttp
import msgspec

from tests.faults.judge import Judge
from tests.faults.log import Answer, Json
from tests.faults.town import Town

AT_ONCE = 100
SEED = 15


def now() -> str:
    return datetime.now(UTC).isoformat()


def line(sku: str, quantity: int = 1) -> Json:
    return {"sku": sku, "quantity": quantity}


async def test_one_id_a_hundred_times_at_once_at_two_hubs_is_booked_once_and_told_alike(two_hubs: Town) -> None:
    """B1."""
    town = two_hubs
    fields = {"location": "LON-KNB", "time": now(), "lines": [line("ONCE", 3)]}
    await town.send(town.fact("once", "receipt", "in", **fields), town.hub())
    sale = town.fact("once", "sale", "a-hundred-times", pool="store", **{**fields, "lines": [line("ONCE", 2)]})

    answers = await asyncio.gather(*(town.send(sale, town.hubs[number % 2]) for number in range(AT_ONCE)))

    told = [answer for answer in answers if answer is not None and answer.is_certain]
    assert sum(answer.body["status"] in ("applied", "accepted") for answer in told) == 1
    assert {(answer.body["seq"], str(answer.body["lines"]), str(answer.body.get("alerts"))) for answer in told} == {
        (told[0].body["seq"], str([line("ONCE", 2)]), str(told[0].body.get("alerts")))
    }
    verdict = await Judge(town).judge()
    assert verdict.is_clean, verdict


async def test_one_id_with_another_content_is_a_conflict_wherever_it_comes_first(two_hubs: Town) -> None:
    """B2: one of the contents stands, and only that."""
    town = two_hubs
    bodies = [
        {
            "id": "same",
            "type": "sale",
            "location": "LON-KNB",
            "pool": "store",
            "time": now(),
            "lines": [line("SAME", n)],
        }
        for n in (1, 2, 3)
    ]

    async def tell(body: Json, number: int) -> Answer | None:
        return await town._post(town.hubs[number % 2], "/v1/events", "same", body)

    answers = await asyncio.gather(*(tell(body, number) for number in range(10) for body in bodies))

    told = {answer.body["lines"][0]["quantity"] for answer in answers if answer and answer.status < 300}
    assert len(told) == 1
    stands = next(body for body in bodies if body["lines"][0]["quantity"] in told)
    town.log.add("same", "/v1/events", stands).note(next(each for each in answers if each and each.status < 300))
    problems = {answer.body["problem"]["type"] for answer in answers if answer and answer.status == 409}
    assert problems == {"urn:hub:problem:conflict"}
    [item] = (await town.ask("/v1/positions", "judge", sku="SAME"))["items"]
    assert item["deficit"] == told.pop()


async def test_callers_that_hang_up_in_the_middle_get_nobody_elses_answer_and_leave_nothing_half_done(
    two_hubs: Town,
) -> None:
    """G12: every answer carries its request's id, over connections whose other calls were cut off."""
    town, random = two_hubs, Random(SEED)
    facts = [
        town.fact(
            "cross", "receipt", f"cross-{n}", location="LON-KNB", time=now(), lines=[line(f"CROSS-{n % 7}", n + 1)]
        )
        for n in range(200)
    ]
    wrong: list[str] = []
    headers = {"Authorization": f"Bearer {town.token('cross')}"}

    async def post(session: aiohttp.ClientSession, number: int) -> None:
        sent = facts[number]
        url = f"{town.hubs[number % 2].url}/v1/events"
        async with session.post(url, json=sent.body) as response:
            told = msgspec.json.decode(await response.read())
            if response.status == 503:
                sent.note(None)
                return
            sent.note(Answer(response.status, told))
            if told["id"] != sent.id or told["lines"] != sent.body["lines"]:
                wrong.append(f"{sent.id} was told {told}")

    async def caller(session: aiohttp.ClientSession, numbers: range) -> None:
        for number in numbers:
            doing = asyncio.create_task(post(session, number))
            if random.random() < 0.3:
                await asyncio.wait([doing], timeout=random.uniform(0, 0.02))
                doing.cancel()
            [outcome] = await asyncio.gather(doing, return_exceptions=True)
            if isinstance(outcome, asyncio.CancelledError):
                facts[number].note(None)

    connector = aiohttp.TCPConnector(limit=8)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await asyncio.gather(*(caller(session, range(first, len(facts), 16)) for first in range(16)))

    assert not wrong
    assert any(sent.unknown for sent in facts)
    assert all(hub.deaths == 0 for hub in town.hubs)
    verdict = await Judge(town).judge()
    assert verdict.is_clean, verdict
