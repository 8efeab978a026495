"""Never behind, never back: at every quiet moment what a client held and what came since is what a fresh read says."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.live.retelling import Client, Town, settle, town_of

SKUS = ("A", "B")
POOLS = ("online", "vip")
# Two with a socket, one with a stream of events.
CLIENTS = 3
Step = tuple[Any, ...]

clients = st.integers(0, CLIENTS - 1)
doors = st.integers(0, 1)
skus = st.sampled_from(SKUS)
steps = st.one_of(
    st.tuples(st.just("sell"), st.sampled_from(POOLS), skus, st.integers(0, 3)),
    st.tuples(st.just("sell"), st.just("online"), skus, st.integers(0, 3)),
    st.tuples(st.just("come"), clients, doors, st.booleans()),
    st.tuples(st.just("ask"), clients, st.sampled_from(POOLS), st.lists(skus, min_size=1, unique=True), st.booleans()),
    st.tuples(st.just("leave"), clients, st.sampled_from(POOLS), skus),
    st.tuples(st.just("drop"), clients),
    st.tuples(st.just("token"), clients, st.sampled_from(("vip", None))),
    st.tuples(st.just("hold"), doors, st.sampled_from(("journal", "reads"))),
    st.tuples(st.just("let go"), doors),
    st.tuples(st.just("new epoch"), st.integers(0, 2)),
    st.just(("cut journal",)),
    st.tuples(st.just("lose redis"), doors),
    st.tuples(st.just("find redis"), doors),
    st.tuples(st.just("wait"), st.sampled_from((1, 5, 30))),
    st.just(("quiet",)),
)


async def carry_out(town: Town, made: list[Client], step: Step) -> None:
    """Do one thing; what a client cannot do as it is now is passed over."""
    match step:
        case "sell" | "new epoch" | "cut journal" | "lose redis" | "find redis" | "hold" | "let go" | "wait", *_:
            await happen(town, step)
        case "come", number, door, knows:
            await made[number].come(town.doors[door], knows=knows)
        case "drop", number:
            await made[number].drop()
        case ("quiet",):
            await settle(town, made)
        case verb, number, *details if not made[number].by_events:
            await speak(made[number], verb, *details)


async def happen(town: Town, step: Step) -> None:
    match step:
        case "sell", pool, sku, available:
            await town.sell(pool, sku, available)
        case "new epoch", lost:
            await town.begin_epoch(lost)
        case ("cut journal",):
            await town.cut_journal()
        case "lose redis", door:
            town.doors[door].lose_redis()
        case "find redis", door:
            town.doors[door].find_redis()
        case "hold", door, what:
            (town.doors[door].gate if what == "journal" else town.doors[door].stock.gate).clear()
        case "let go", door:
            town.doors[door].gate.set()
            town.doors[door].stock.gate.set()
        case "wait", turns:
            for _ in range(turns):
                await asyncio.sleep(0)


async def speak(client: Client, verb: str, *details: Any) -> None:
    match verb, *details:
        case "ask", pool, names, knows if pool != "vip" or client.token:
            await client.ask(pool, names, knows=knows)
        case "leave", pool, sku:
            await client.leave(pool, sku)
        case "token", token:
            await client.show(token)


LOST_WHILE_WATCHED = [("sell", "online", "A", 2), ("quiet",), ("new epoch", 1), ("quiet",), ("sell", "online", "A", 1)]
AWAY = [("sell", "online", "A", 2), ("quiet",), ("drop", 0), ("drop", 1), ("sell", "online", "A", 1)]
ONE_AT_EACH = [("come", 1, 1, False), ("quiet",), ("hold", 1, "journal"), ("sell", "online", "A", 1), ("wait", 30)]
BEHIND_ANOTHER_DOOR = [*ONE_AT_EACH, ("sell", "online", "A", 3), ("wait", 300), ("come", 0, 1, True), ("wait", 300)]
NARROWED = [("come", 0, 0, True), ("token", 0, "vip"), ("ask", 0, "vip", ["A"], True), ("quiet",), ("token", 0, None)]
HEARD_NO_MORE = [*NARROWED, ("wait", 300), ("sell", "vip", "A", 2), ("wait", 300)]
SOLD_OUT = [("sell", "online", "B", 1), ("sell", "online", "A", 0), ("sell", "online", "B", 2)]
BEHIND = [("sell", "online", "A", 2), ("quiet",), ("hold", 0, "journal"), ("sell", "online", "B", 3), ("wait", 300)]
GAP = [*BEHIND, *SOLD_OUT, ("cut journal",), ("let go", 0), ("quiet",)]
ABSENT = [("sell", "online", "A", 2), ("quiet",), ("lose redis", 0), ("wait", 300), *SOLD_OUT, ("find redis", 0)]
ASKED_MEANWHILE = [("lose redis", 0), ("wait", 300), ("come", 0, 0, True), ("wait", 300), ("sell", "online", "A", 1)]
RACED = [("hold", 0, "reads"), ("come", 0, 0, False), ("wait", 30), ("sell", "online", "A", 1), ("wait", 30)]


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(story=st.lists(steps, max_size=25))
@example(story=LOST_WHILE_WATCHED)
@example(story=AWAY)
@example(story=BEHIND_ANOTHER_DOOR)
@example(story=RACED)
@example(story=GAP)
@example(story=ABSENT)
@example(story=ASKED_MEANWHILE)
@example(story=HEARD_NO_MORE)
async def test_at_every_quiet_moment_a_client_holds_what_a_fresh_read_says(
    redis_client: Redis, redis_url: str, until: Callable[[Callable[[], bool]], Any], story: list[Step]
) -> None:
    async with town_of(redis_client, redis_url, until) as town, AsyncExitStack() as exits:
        made = [Client(town, by_events=number == CLIENTS - 1) for number in range(CLIENTS)]
        for client in made:
            exits.push_async_callback(client.drop)
            await client.ask("online", SKUS, knows=False)
        for step in [*story, ("quiet",)]:
            await carry_out(town, made, step)
