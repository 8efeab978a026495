"""Many questions are answered in order, and an answer that comes too late is nobody else's."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hub.faults import Unavailable
from hub.stock import asked_many, keys
from hub.stock.inspecting import Inspection


async def test_each_question_has_its_answer_in_order_and_an_error_is_one(redis_client: Redis) -> None:
    await redis_client.set("text", "some")
    questions = [(b"GET", b"text"), (b"HGETALL", b"text"), (b"GET", b"none")] * 200

    answers = await asked_many.asked_many(redis_client, questions)

    assert len(answers) == 600
    assert answers[0::3] == [b"some"] * 200
    assert {type(answer) for answer in answers[1::3]} == {ResponseError}
    assert answers[2::3] == [None] * 200
    assert await asked_many.asked_many(redis_client, []) == []
    assert await redis_client.get("text") == b"some"


async def test_an_answer_that_is_not_waited_for_is_no_answer_to_the_next_question(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_many, "ANSWER_SECONDS", 0.05)

    with pytest.raises(Unavailable):
        await asked_many.asked_many(redis_client, [(b"BLPOP", b"nothing", b"1")])

    assert await redis_client.get("text") is None
    assert await redis_client.ping()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_what_is_stored_of_a_sku_has_one_hash_however_it_is_read(redis_url: str, protocol: int) -> None:
    async with Redis.from_url(redis_url, protocol=protocol) as client:
        await client.hset(keys.META, mapping={"epoch": 1, "next": 0, "rules": 1, "hub": "a", "house": "b"})  # type: ignore[misc]
        await client.hset(keys.sku("BAG"), mapping={"r": 1, "l:LON": "x" * 100, "p:vip": "y"})  # type: ignore[misc]
        await client.hset(keys.sku("HAT"), mapping={"r": 1, "l:LON": "x" * 100})  # type: ignore[misc]
        await client.set(keys.sku("SHOE"), "no hash")
        inspection = Inspection(client)

        names = ["BAG", "HAT", "NONE", "SHOE"]
        found = await inspection.fingerprints(names)

        assert found == [raw.fingerprint for raw in (await inspection.skus(names)).skus]
        assert len(set(found)) == 4
        assert found[3] == 0
