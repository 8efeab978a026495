"""Whole loads against a hub: the counts are exact, and each fault that is planted is found."""

import asyncio
from collections import Counter
from itertools import count
from typing import Any

import msgspec
import pytest

from hub.commands.load import SCOPES
from hub.faults import Fault, Unavailable
from hub.load.load import run_load
from hub.load.options import LoadOptions, Target
from hub.load.result import Result
from hub.load.telling import Second
from tests.intake.door import Door, line
from tests.load.proxy import BROKEN, Answer, Ask, http_proxy, live_proxy

PLACE, POOL = "LON-KNB", "store"
# Each load has SKUs of its own, so that no test meets another's.
_NAMES = (f"LOAD{number}" for number in count())


class Run:
    """One load of a test."""

    def __init__(self, door: Door, **options: Any) -> None:
        usual = {"rate": 120.0, "arrivals": "constant", "connections": 4, "duration_seconds": 1, "warmup_seconds": 0}
        usual |= {"skus": 5, "watch": 3, "seed_units": 1_000, "name": next(_NAMES)}
        self.options = LoadOptions(**(usual | options))
        self.told = asyncio.Event()
        self.seconds: list[Second] = []
        self.heard = asyncio.Event()
        self._door = door

    def target(self, **other: str) -> Target:
        token = self._door.token(SCOPES, sub="load", pools=[POOL], locations=[PLACE])
        usual = {"url": self._door.url, "live": self._door.live, "token": token, "location": PLACE, "pool": POOL}
        return Target(**(usual | other))

    async def result(self, **other: str) -> Result:
        def hear(second: Second) -> None:
            self.seconds.append(second)
            self.heard.set()

        target = self.target(**other)
        return await run_load(target, self.options, version="0", told=self.told, say=lambda _: None, second=hear)

    def sku(self, number: int) -> str:
        return f"{self.options.name}-{number:05d}"


async def units(door: Door, sku: str) -> dict[str, int]:
    """What the hub says of it, asked without any code of the load."""
    [item] = await door.positions(sku=sku)
    return {name: item[name] for name in ("on_hand", "deficit", "reserved")}


def kinds(result: Result) -> Counter[str]:
    return Counter(finding.kind for finding in result.judgement.findings)


async def test_what_is_in_the_result_is_what_the_hub_has_to_the_unit(door: Door) -> None:
    run = Run(door, array=3, sockets=4, skew="zipf")

    result = await run.result()

    assert result.judgement.is_clean, result.judgement.findings
    # 120 requests in that second, three events in each.
    assert (result.events_sent, sum(result.answers.values())) == (360, 360)
    assert set(result.answers) <= {"applied", "accepted"}
    found = [await units(door, run.sku(number)) for number in range(5)]
    assert sum(1_000 - item["on_hand"] for item in found) == 360
    assert result.latency_ms["sale"].count == result.latency_ms["all"].count == 120
    assert sum(second.asked for second in run.seconds) == sum(second.answered for second in run.seconds) == 120
    assert sum(second.booked for second in run.seconds) == 360
    assert (result.sockets.asked, result.sockets.current, result.sockets.went_back) == (4, 4, 0)
    assert result.sockets.values > 4 * 3
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


async def test_in_a_closed_loop_nothing_is_asked_before_the_answer(door: Door) -> None:
    result = await Run(door, rate=None).result()

    assert result.judgement.is_clean, result.judgement.findings
    assert result.events_sent == sum(result.answers.values()) == result.latency_ms["sale"].count > 4
    assert result.requests_unsent == 0


async def test_reservations_are_made_confirmed_and_given_back_beside_sales(door: Door) -> None:
    run = Run(door, reserve=0.6, processes=2)

    result = await run.result()

    assert result.judgement.is_clean, result.judgement.findings
    assert {"reserve", "confirm", "release"} <= result.answers.keys()
    assert result.judgement.granted == result.answers["reserve"]
    assert result.generator.processes == 2
    # After the judgement nothing of the load is held.
    assert {(await units(door, run.sku(number)))["reserved"] for number in range(5)} == {0}


async def test_of_three_units_no_more_are_granted_at_once_and_the_rest_is_refused(door: Door) -> None:
    result = await Run(door, reserve=1.0, skus=1, watch=1, seed_units=3).result()

    assert result.judgement.is_clean, result.judgement.findings
    assert result.answers["reserve"] >= 3
    assert result.answers["reserve"] - result.answers["release"] <= 3
    assert result.refusals["reserve: 409 insufficient"] == result.answers["reserve refused"] > 0


async def test_a_sale_of_somebody_else_on_its_goods_is_found(door: Door) -> None:
    run = Run(door)
    load = asyncio.create_task(run.result())
    await run.heard.wait()
    assert (await door.send(door.sale(line(run.sku(3))))).status in (200, 202)

    result = await load

    assert not result.judgement.is_clean
    [finding] = result.judgement.findings
    assert (finding.kind, finding.text.partition(":")[0]) == ("stock", run.sku(3))


async def test_an_answer_that_is_taken_out_of_an_array_is_found(door: Door) -> None:
    tried = count()

    async def without_one(path: str, body: bytes, ask: Ask) -> Answer:
        status, said = await ask()
        if body.startswith(b"[") and next(tried) == 10:
            return status, msgspec.json.encode(msgspec.json.decode(said)[1:])
        return status, said

    async with http_proxy(door.url, without_one) as url:
        result = await Run(door, array=3).result(url=url)

    assert kinds(result) == {"answers": 1}
    # Asked again they were all answered, so the units are not in doubt.
    assert (result.settled, result.unsettled, result.answers["duplicate"]) == (3, 0, 3)


async def test_what_was_turned_away_after_it_was_booked_is_settled_and_no_fault(door: Door) -> None:
    tried = count()

    async def now_and_then(path: str, body: bytes, ask: Ask) -> Answer:
        answer = await ask()
        is_turned_away = b'"sale"' in body and (number := next(tried)) < 120 and number % 5 == 0
        return (503, b"{}") if is_turned_away else answer

    run = Run(door)
    async with http_proxy(door.url, now_and_then) as url:
        result = await run.result(url=url)

    assert result.judgement.is_clean, result.judgement.findings
    assert result.unknown == {"503": 24}
    assert result.settled == result.answers["duplicate"] == 24
    assert sum(second.errors.get("503", 0) for second in run.seconds) == 24
    assert result.latency_ms["unknown"].count == 24
    assert result.latency_ms["all"].count == 96


async def test_what_became_of_a_reservation_is_settled_too(door: Door) -> None:
    tried = count()

    async def now_and_then(path: str, body: bytes, ask: Ask) -> Answer:
        answer = await ask()
        return (503, b"{}") if path.startswith("/v1/reservations") and next(tried) in range(5, 95, 6) else answer

    run = Run(door, reserve=1.0)
    async with http_proxy(door.url, now_and_then) as url:
        result = await run.result(url=url)

    assert result.judgement.is_clean, result.judgement.findings
    assert (result.unknown, result.settled) == ({"503": 15}, 15)
    assert {(await units(door, run.sku(number)))["reserved"] for number in range(5)} == {0}


async def test_sales_that_take_what_is_held_make_no_false_finding(door: Door) -> None:
    result = await Run(door, reserve=0.4, skus=1, watch=1, seed_units=30).result()

    assert result.judgement.is_clean, result.judgement.findings
    # Everything was sold, the held units too.
    assert result.answers["applied"] + result.answers.get("accepted", 0) > 30
    assert result.refusals["reserve: 409 insufficient"] > 0


async def test_a_connection_that_breaks_leaves_nothing_in_doubt(door: Door) -> None:
    tried = count()

    async def breaks(path: str, body: bytes, ask: Ask) -> Answer:
        answer = await ask()
        if b'"sale"' in body and next(tried) in (20, 50):
            return BROKEN, b""
        return answer

    async with http_proxy(door.url, breaks) as url:
        result = await Run(door).result(url=url)

    assert result.judgement.is_clean, result.judgement.findings
    assert result.unknown == {"dropped": 2}
    assert result.settled == 2


async def test_an_event_that_is_answered_and_never_booked_is_found(door: Door) -> None:
    tried = count()

    async def swallows(path: str, body: bytes, ask: Ask) -> Answer:
        if b'"sale"' in body and next(tried) == 40:
            return 200, msgspec.json.encode({"id": msgspec.json.decode(body)["id"], "status": "applied"})
        return await ask()

    run = Run(door, skus=1, watch=1)
    async with http_proxy(door.url, swallows) as url:
        result = await run.result(url=url)

    [finding] = result.judgement.findings
    assert (finding.kind, finding.text) == ("stock", f"{run.sku(0)}: 1,000 − 120 sold = 880, but 881 are there")


async def test_a_reservation_of_what_is_not_there_is_found(door: Door) -> None:
    async def grants_all(path: str, body: bytes, ask: Ask) -> Answer:
        status, said = await ask()
        if path == "/v1/reservations" and status == 409:
            return 201, msgspec.json.encode({"id": msgspec.json.decode(body)["id"]})
        return status, said

    async with http_proxy(door.url, grants_all) as url:
        result = await Run(door, reserve=1.0, skus=1, watch=1, seed_units=3).result(url=url)

    assert kinds(result)["oversold"] == 1


async def test_what_was_measured_is_told_though_the_hub_does_not_say_what_it_has(door: Door) -> None:
    sold = 0

    async def says_nothing_later(path: str, body: bytes, ask: Ask) -> Answer:
        nonlocal sold
        sold += b'"sale"' in body
        is_asked = path in ("/v1/positions", "/v1/availability/query")
        return (403, b"{}") if is_asked and sold == 120 else await ask()

    async with http_proxy(door.url, says_nothing_later) as url:
        result = await Run(door, sockets=2).result(url=url)

    assert kinds(result) == {"unjudged": 1, "sockets": 2}
    assert result.latency_ms["sale"].count == 120


async def test_a_socket_that_missed_its_last_frames_is_found(door: Door) -> None:
    frames = count()

    def some(frame: str) -> list[str]:
        return [frame] if '"update"' not in frame or next(frames) < 5 else []

    async with live_proxy(door.live, some) as live:
        result = await Run(door, sockets=1, skus=3).result(live=live)

    assert kinds(result) == {"sockets": 1}
    assert (result.sockets.asked, result.sockets.current) == (1, 0)


async def test_a_socket_that_is_sent_an_older_value_is_found(door: Door) -> None:
    updates: list[str] = []

    def twice(frame: str) -> list[str]:
        updates.extend([frame] if '"update"' in frame else [])
        return [frame, updates[0], frame] if len(updates) == 5 else [frame]

    async with live_proxy(door.live, twice) as live:
        result = await Run(door, sockets=1, skus=1, watch=1).result(live=live)

    assert kinds(result)["went_back"] == 1
    assert result.sockets.current == 1


async def test_told_to_stop_it_judges_what_it_did(door: Door) -> None:
    run = Run(door, duration_seconds=3_600)
    load = asyncio.create_task(run.result())
    await run.heard.wait()

    run.told.set()
    result = await load

    assert result.ended_early == "it was told to stop"
    assert result.judgement.is_clean, result.judgement.findings
    assert 0 < result.measured_seconds < 3_600
    assert result.events_sent == sum(result.answers.values())


async def test_what_an_earlier_load_left_held_is_given_back_first(door: Door) -> None:
    name = next(_NAMES)
    await Run(door, name=name).result()
    held = {"id": f"left-{name}", "pool": POOL, "lines": [{"sku": f"{name}-00000", "quantity": 2}]}
    token = Run(door).target().token
    reply = await door.post("/v1/reservations", held, token=token)
    assert reply.status == 201

    result = await Run(door, name=name).result()

    assert result.judgement.is_clean
    assert (await units(door, f"{name}-00000"))["reserved"] == 0


async def test_a_token_that_may_not_read_stock_is_one_sentence(door: Door) -> None:
    with pytest.raises(Fault, match="403"):
        await Run(door).result(token=door.token(["events:write"], sub="load"))


async def test_a_live_door_that_is_not_there_is_one_sentence(door: Door) -> None:
    with pytest.raises(Unavailable, match="sockets at"):
        await Run(door, sockets=1).result(live="ws://127.0.0.1:9")
