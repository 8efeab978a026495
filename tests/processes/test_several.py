"""Several processes of one hub: one set of doors, one ledger, and work that goes on when one of them dies."""

import os
import signal
from contextlib import AsyncExitStack

import aiohttp

from tests.faults.patience import until, until_so
from tests.flow.process import said
from tests.flow.screen import Screen, screen
from tests.processes.several import PATIENCE_SECONDS, Several, ask, book

# A lease is over after three seconds; more is for a machine that is busy.
SOON_SECONDS = 15


async def everyone_was_asked(hub: Several) -> bool:
    return all(await hub.metrics('hub_events_total{status="applied"}'))


async def test_every_process_answers_what_is_in_the_ledger_and_every_screen_sees_it(hub: Several) -> None:
    assert sum(value or 0 for value in await hub.metrics("hub_on_duty")) == 1
    async with AsyncExitStack() as screens:
        shops: list[Screen] = []
        while not all(await hub.metrics("hub_live_connections")):
            shops.append(await screens.enter_async_context(screen(hub.live)))
            assert len(shops) < 100
        for shop in shops:
            await shop.subscribe("online", "BAG-NOIR")
        booked = 0
        while not await everyone_was_asked(hub):
            status, answer = await book(hub, f"in-{booked}", "receipt", "BAG-NOIR")
            # The process that answers is not the one that writes the ledger, but for one of three.
            assert (status, answer["status"]) == (200, "applied")
            booked += 1
            assert booked < 100

        for shop in shops:
            # The pool shows ten at most.
            while (await shop.sees("BAG-NOIR"))["available"] != min(booked, 10):
                pass
    assert await hub.metrics("hub_ledger_following") == [1, 1, 1]


async def test_another_writes_the_ledger_when_the_one_that_did_is_killed_and_it_comes_back(hub: Several) -> None:
    first = await hub.holder()
    pid = hub.pids()[first]
    await book(hub, "before", "receipt", "KILLED")

    async def is_answered() -> bool:
        try:
            return (await book(hub, "after", "receipt", "KILLED"))[0] == 200
        except aiohttp.ClientError:
            # The process it was sent to was the one that died.
            return False

    hub.kill(first)
    await until(is_answered, SOON_SECONDS)

    # It may be the one that was started in its place.
    await until_so(lambda: hub.pids()[first] != pid, PATIENCE_SECONDS)
    assert hub.pids()[await hub.holder()] != pid

    async def all_answer() -> bool:
        return None not in await hub.metrics("hub_on_duty")

    await until(all_answer, PATIENCE_SECONDS)
    assert sum(value or 0 for value in await hub.metrics("hub_on_duty")) == 1
    assert (await hub.position("KILLED"))["on_hand"] == 2


async def test_one_that_stood_still_does_no_more_what_another_took_over(hub: Several) -> None:
    first = await hub.holder()
    os.kill(hub.pids()[first], signal.SIGSTOP)
    try:
        await hub.holder(other_than=first)
    finally:
        os.kill(hub.pids()[first], signal.SIGCONT)

    async def is_one() -> bool:
        return sorted(value or 0 for value in await hub.metrics("hub_on_duty")) == [0, 0, 1]

    await until(is_one, SOON_SECONDS)


async def test_a_reload_at_one_door_or_by_a_signal_reaches_every_process(hub: Several) -> None:
    code, made, table = await said("token", "--key", "--sub", "old-till", "--scope", "positions:read")
    assert code == 0
    key = made.split()[-1]
    text = hub.config.read_text()
    hub.config.write_text(f"{text}\n{table}")

    code, told, errors = await said("reload", "--config", str(hub.config))

    assert (code, told, errors) == (0, "reloaded · rules version 1 · 3 processes\n", "")
    # So many connections that each process has some.
    assert {(await ask(hub, "/v1/positions?sku=BAG-NOIR", key))[0] for _ in range(40)} == {200}

    hub.config.write_text(text)
    before = hub.log().count('"event": "reloaded"')
    hub.signal(signal.SIGHUP)
    await until_so(lambda: hub.log().count('"event": "reloaded"') >= before + 3, PATIENCE_SECONDS)

    assert {(await ask(hub, "/v1/positions?sku=BAG-NOIR", key))[0] for _ in range(40)} == {401}


async def test_an_import_that_one_takes_another_works_on_and_each_tells_of(hub: Several) -> None:
    rows = "".join(f"IMP-{number:03},LON-KNB,5\n" for number in range(120))
    headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {hub.token()}"}
    ids = []
    for number in range(12):
        url = f"{hub.url}/v1/imports?id=books-{number}"
        body = "sku,location,quantity\n" + rows.replace("IMP", f"IMP-{number}")
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
            if response.status == 202:
                ids.append((await response.json())["id"])
    assert len(ids) > 8

    async def all_are_done() -> bool:
        told = [(await ask(hub, f"/v1/imports/{id}"))[1] for id in ids]
        return all(each["state"] == "done" and each["changed"] == 120 for each in told)

    await until(all_are_done, PATIENCE_SECONDS)
