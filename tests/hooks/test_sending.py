"""Messages to hooks, one by one: what fails is tried again, and one hook's trouble is no other's."""

from collections import Counter

import asyncpg
import pytest
import structlog
from aiohttp import web

from hub.hooks import sender
from hub.tasks import end
from hub.telemetry import Metrics
from tests.hooks.receiving import OTHER_SECRET, SECRET, Got, Receiver, never, ok, status
from tests.hooks.station import Station

HOURS = 3_600


async def test_a_receiver_that_was_down_gets_the_same_message_at_another_time(
    station: Station, receiver: Receiver
) -> None:
    hook = station.hook(receiver, "movement.*")
    receiver.answer = status(500)
    await station.send_to(hook)
    [sku] = await station.receive(1)
    await station.until(hook, lambda state: state.pending == 1)
    receiver.answer = ok
    assert not receiver.taken

    station.later_seconds = 100
    await receiver.has(lambda seen: seen.skus() == [sku])

    first, *_, last = receiver.got
    assert (last.id, last.item) == (first.id, first.item)
    assert last.timestamp >= first.timestamp + 99
    state = await station.is_caught_up(hook)
    assert state.dead == 0


async def test_a_receiver_that_was_away_gets_what_is_late_soon_after_it_is_back_also_when_nothing_is_new(
    station: Station, receiver: Receiver
) -> None:
    hook = station.hook(receiver, "movement.*")
    receiver.answer = status(503)
    await station.send_to(hook)
    skus = await station.receive(1)
    await station.until(hook, lambda state: state.pending == 1)
    station.later_seconds = 10
    state = await station.until(hook, lambda state: state.due_at > receiver.got[0].timestamp + 250)
    # It is asked now and then meanwhile, with the same message, and that takes nothing from its 48 hours.
    for seconds in (60, 100, 140):
        asked = len(receiver.got)
        station.later_seconds = seconds
        await receiver.has(lambda seen, asked=asked: len(seen.got) > asked)  # type: ignore[misc]
    [attempts, next_at] = await station.ledger.fetchrow(
        "SELECT attempts, next_at FROM hub.hook_delivery WHERE hook = $1", hook.id
    )
    assert (attempts, next_at.timestamp()) == (2, pytest.approx(state.due_at, abs=0.01))
    receiver.answer = ok
    station.later_seconds = 180

    await receiver.has(lambda seen: seen.skus() == skus)

    assert await station.is_caught_up(hook)
    assert len({got.id for got in receiver.got}) == 1


async def test_when_a_receiver_takes_something_again_everything_that_is_late_is_sent(
    station: Station, receiver: Receiver
) -> None:
    hook = station.hook(receiver, "movement.*")
    receiver.answer = status(500)
    await station.send_to(hook)
    skus = await station.receive(4)
    await station.until(hook, lambda state: state.pending == 4)
    station.later_seconds = 10
    # Each was tried twice, and is due in five minutes.
    await station.until(hook, lambda state: state.due_at > receiver.got[0].timestamp + 250)
    receiver.answer = ok
    station.later_seconds = 60
    skus += await station.receive(1)

    await receiver.has(lambda seen: sorted(seen.skus()) == sorted(skus))

    assert receiver.skus()[0] == skus[-1]
    assert await station.is_caught_up(hook)


async def test_a_message_that_is_refused_is_not_sent_before_it_is_due(station: Station, receiver: Receiver) -> None:
    hook = station.hook(receiver, "movement.*")
    receiver.answer = status(500)
    await station.send_to(hook)
    await station.receive(1)
    await station.until(hook, lambda state: state.pending == 1)
    station.later_seconds = 10
    await station.until(hook, lambda state: state.due_at > receiver.got[0].timestamp + 250)
    # Long after the pause.
    station.later_seconds = 200

    await station.look_on()

    assert len(receiver.got) == 2


async def test_who_begins_anew_asks_with_one_message_whether_its_receiver_is_back(
    station: Station, receiver: Receiver
) -> None:
    hook = station.hook(receiver, "movement.*")
    receiver.answer = status(503)
    await station.send_to(hook)
    skus = await station.receive(3)
    await station.until(hook, lambda state: state.pending == 3)
    station.later_seconds = 10
    await station.until(hook, lambda state: state.due_at > receiver.got[0].timestamp + 250)
    await station.stop()
    receiver.answer = ok

    await station.send_to(hook)

    await receiver.has(lambda seen: sorted(seen.skus()) == sorted(skus))


async def test_a_receiver_that_never_answers_delays_no_other(
    station: Station, receiver: Receiver, other: Receiver
) -> None:
    receiver.answer = never
    dead, alive = station.hook(receiver, "movement.*"), station.hook(other, "movement.*")
    await station.send_to(dead, alive)
    skus = await station.receive(40)

    await other.has(lambda seen: len(seen.taken) == 40)

    assert sorted(other.skus()) == sorted(skus)
    assert not receiver.taken
    assert (dead.id, "failed") not in station.outcomes


async def test_who_answers_410_gets_nothing_until_somebody_resumes_it(station: Station, receiver: Receiver) -> None:
    receiver.answer = status(410)
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    skus = await station.receive(1)
    await station.until(hook, lambda state: state.is_gone)
    receiver.answer = ok
    station.later_seconds = 72 * HOURS
    skus += await station.receive(30)
    # It looks again and again, and sends nothing.
    looked = len(receiver.got)
    await station.until(hook, lambda state: state.is_gone and state.behind_since > 0)
    assert len(receiver.got) == looked == 1
    assert station.outcomes[hook.id, "gone"] == 1

    await station.memory.resume(hook.id)

    await receiver.has(lambda seen: sorted(seen.skus()) == sorted(skus))


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(station: Station, receiver: Receiver) -> None:
    receiver.answer = status(429, Retry_After="600")
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    skus = await station.receive(5)
    state = await station.until(hook, lambda state: state.pending > 0)
    assert state.due_at == pytest.approx(receiver.got[0].timestamp + 600, abs=5)
    receiver.answer = ok
    before = len(receiver.got)

    # Not what comes meanwhile either.
    skus += await station.receive(5)
    station.later_seconds = 590
    await station.until(hook, lambda state: state.behind_since > 0)
    assert len(receiver.got) == before
    station.later_seconds = 1_300

    await receiver.has(lambda seen: sorted(seen.skus()) == sorted(skus))


async def test_after_48_hours_a_message_is_dead_and_listed_and_can_be_sent_again(
    station: Station, receiver: Receiver
) -> None:
    receiver.answer = status(500)
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    [sku] = await station.receive(1)
    await station.until(hook, lambda state: state.pending == 1)
    station.later_seconds = 47 * HOURS
    last_at = receiver.got[0].timestamp + 48 * HOURS
    await station.until(hook, lambda state: 0 < last_at - state.due_at < HOURS)
    attempts = len(receiver.got)
    station.later_seconds = 49 * HOURS
    await receiver.has(lambda seen: len(seen.got) == attempts + 1)
    state = await station.until(hook, lambda state: state.dead == 1)
    assert state.pending == 0
    [late] = await station.memory.dead(hook.id, 100)
    assert (late.attempts, late.status, late.problem) == (len(receiver.got), 500, "it answers 500")
    assert station.outcomes[hook.id, "dead"] == 1
    receiver.answer = ok

    station.later_seconds = 1_000 * HOURS
    assert await station.memory.revive(hook.id, station.later_seconds) == 1

    await receiver.has(lambda seen: seen.skus() == [sku])
    assert len({got.id for got in receiver.got}) == 1
    assert (await station.is_caught_up(hook)).dead == 0


async def test_redirects_are_not_followed(station: Station, receiver: Receiver, other: Receiver) -> None:
    receiver.answer = status(307, Location=other.url)
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    await station.receive(1)

    state = await station.until(hook, lambda state: state.pending == 1)

    assert state.problem == "it answers 307; redirects are not followed"
    assert not other.got


async def test_only_the_types_that_are_wanted_are_sent(station: Station, receiver: Receiver) -> None:
    hook = station.hook(receiver, "movement.receipt", "alert.*")
    await station.send_to(hook)
    [sku] = await station.receive(1)
    await station.door.send(station.door.sale({"sku": sku, "quantity": 2}))
    await station.catch_up()

    await receiver.has(lambda seen: len(seen.taken) >= 2)
    await station.is_caught_up(hook)

    kinds = Counter(got.item["type"] for got in receiver.taken)
    assert kinds.keys() == {"movement.receipt"} | {kind for kind in kinds if kind.startswith("alert.")}
    assert kinds["alert.discrepancy"] == 1


async def test_while_secrets_are_exchanged_receivers_of_either_verify(
    station: Station, receiver: Receiver, other: Receiver
) -> None:
    other.secrets = (OTHER_SECRET,)
    both = f"{OTHER_SECRET} {SECRET}"
    await station.send_to(
        station.hook(receiver, "movement.*", secrets=both), station.hook(other, "movement.*", secrets=both)
    )
    skus = await station.receive(1)

    await receiver.has(lambda seen: seen.skus() == skus)
    await other.has(lambda seen: seen.skus() == skus)


async def test_when_too_much_is_late_the_feed_waits_and_nothing_is_lost(
    station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "MESSAGES_MAX", 2)
    monkeypatch.setattr(sender, "PENDING_MAX", 4)
    receiver.answer = status(500)
    hook = station.hook(receiver, "movement.*")
    sending = await station.send_to(hook)
    skus = await station.receive(20)
    while (await station.state(hook)).pending < 3:
        before = len(receiver.got)
        station.later_seconds += 31
        await receiver.has(lambda seen, before=before: len(seen.got) > before)  # type: ignore[misc]
        await station.until(hook, lambda state: state.pending > 0)
    state = await station.until(hook, lambda state: state.behind_since > 0)
    assert state.pending <= 4
    metrics = Metrics()
    sending.take_readings(metrics)
    assert metrics.registry.get_sample_value("hub_hook_stopped", {"hook": hook.id}) == 1
    assert metrics.registry.get_sample_value("hub_hook_pending", {"hook": hook.id}) == state.pending
    assert metrics.registry.get_sample_value("hub_hook_lag_seconds", {"hook": hook.id}) > 0  # type: ignore[operator]

    receiver.answer = ok
    station.later_seconds += 49 * HOURS

    await receiver.has(lambda seen: len(seen.ids) == 20)
    assert sorted(receiver.skus()) == sorted(skus)


async def test_a_stretch_of_the_feed_is_told_again_under_the_same_ids(station: Station, receiver: Receiver) -> None:
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    begin = (await station.is_caught_up(hook)).place
    await station.receive(70)
    middle = (await station.is_caught_up(hook)).place
    await station.receive(3)
    await station.is_caught_up(hook)

    assert await station.memory.replay(hook.id, begin, middle)
    assert not await station.memory.replay(hook.id, begin, middle)

    await receiver.has(lambda seen: len(seen.taken) == 143)
    await station.until(hook, lambda state: state.replay is None)
    assert sorted(Counter(got.id for got in receiver.taken).values()) == [1] * 3 + [2] * 70


async def test_an_answer_without_an_end_is_cut(station: Station, receiver: Receiver) -> None:
    async def endless(got: Got) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(got.request)
        while True:
            await response.write(b"x" * 65_536)

    receiver.answer = endless
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    await station.receive(10)

    await station.is_caught_up(hook)

    assert station.outcomes == {(hook.id, "delivered"): 10}


async def test_a_hook_that_goes_and_comes_back_goes_on_where_it_was(station: Station, receiver: Receiver) -> None:
    hook, second = station.hook(receiver, "movement.*"), station.hook(receiver, "rule.*")
    sending = await station.send_to(hook)
    skus = await station.receive(3)
    await receiver.has(lambda seen: len(seen.ids) == 3)
    await station.is_caught_up(hook)

    assert sending.take([second])
    await station.until(second, lambda state: True)
    skus += await station.receive(3)
    await station.is_caught_up(second)
    assert len(receiver.got) == 3
    assert sending.take([second, hook])
    assert not sending.take([second, hook])

    await receiver.has(lambda seen: len(seen.ids) == 6)
    assert sorted(receiver.skus()) == sorted(skus)


async def test_one_process_sends_and_another_goes_on_when_it_ends(station: Station, receiver: Receiver) -> None:
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    await station.receive(5)
    await receiver.has(lambda seen: len(seen.ids) == 5)
    await station.is_caught_up(hook)
    await station.start(hook)
    await station.receive(5)
    await receiver.has(lambda seen: len(seen.ids) == 10)
    await station.is_caught_up(hook)
    assert len(receiver.got) == 10

    await end([station.tasks.pop(0)])
    skus = await station.receive(5)

    await receiver.has(lambda seen: len(seen.ids) == 15)
    assert set(receiver.skus()) > set(skus)


async def test_what_was_sent_and_not_written_is_sent_again(station: Station, receiver: Receiver) -> None:
    hook = station.hook(receiver, "movement.*")
    await station.send_to(hook)
    await station.receive(1)
    await station.is_caught_up(hook)

    async def ends(got: Got) -> web.StreamResponse:
        # The first of many: they are on their way, and nothing of that is written.
        receiver.answer = ok
        # Over a connection of its own: the station may be looking at the ledger.
        ledger = await asyncpg.connect(station.dsn)
        await ledger.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub hooks'"
            " AND datname = current_database()"
        )
        await ledger.close()
        return web.Response()

    receiver.answer = ends
    skus = await station.receive(30)

    await receiver.has(lambda seen: set(seen.skus()) >= set(skus))
    await station.is_caught_up(hook)
    assert len(receiver.taken) > len(receiver.ids) == 31


async def test_nothing_that_is_secret_is_said(station: Station, receiver: Receiver) -> None:
    url = receiver.url.replace("/hook?", "/hidden-path?")
    hooks = [
        station.hook(receiver, "movement.*", url=url),
        station.hook(receiver, "movement.*", url="http://127.0.0.1:1/hidden-path"),
    ]
    with structlog.testing.capture_logs() as logs:
        await station.send_to(*hooks)
        for number, answer in enumerate((status(500), status(410)), 1):
            receiver.answer = answer
            await station.receive(1)
            state = await station.until(hooks[1], lambda state, number=number: state.pending == number)  # type: ignore[misc]
            await station.until(hooks[0], lambda state: state.pending > 0)
            station.later_seconds += 400
        await station.until(hooks[0], lambda state: state.is_gone)
        await station.stop()

    said = f"{logs} {hooks} {await station.memory.states()}"
    assert state.problem == "nobody listens there"
    assert "takes nothing" in said
    assert "wants nothing more" in said
    assert "hidden" not in said
    assert SECRET.removeprefix("whsec_") not in said
