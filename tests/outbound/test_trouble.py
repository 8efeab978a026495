"""A vendor that is slow, away, asked too often or of another mind: nothing is lost, and nobody else is disturbed."""

from collections.abc import Awaitable, Callable
from time import time
from typing import Any

import msgspec
import pytest
from aiohttp import web
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.domain import circuit, offers
from hub.outbound import calling
from hub.outbound import round as rounds
from hub.stock.allowances import Allowances
from tests.conftest import until_holds
from tests.intake.door import line
from tests.outbound.conftest import SECRET, OpenTown, Town, Until
from tests.outbound.vendor import Gate, Vendor, selling, status, tables


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits, short: what is promised hangs on their order alone."""
    monkeypatch.setattr(offers, "AGAIN_SECONDS", (0.1,))
    monkeypatch.setattr(offers, "CONFLICT_SECONDS", (0.1,))
    monkeypatch.setattr(circuit, "PROBE_SECONDS", (0.2,))
    monkeypatch.setattr(rounds, "REPEAT_SECONDS", 0.1)


async def is_calm(town: Town) -> bool:
    told: dict[str, Any] = (await town.channel())["channel"]
    return bool(told["noted_at"]) and told["waiting"] == 0


async def waits(allowances: Allowances) -> bool:
    return await allowances.take("bazaar", 0.001) > 0


def calm(town: Town) -> Callable[[], Awaitable[bool]]:
    return lambda: is_calm(town)


async def test_a_conflict_has_the_vendor_asked_and_told_the_newest_from_what_it_has(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        # It sells one itself, and the hub has not heard of it.
        vendor.stock["BAG-NOIR"] = 4

        await town.send(town.sale(line("BAG-NOIR", 2)))

        await vendor.shows(BAG_NOIR=3)
        await until(calm(town))
        assert await town.metric('hub_channel_offers_total{channel="bazaar",outcome="stale"}') == 1
        assert vendor.told == [("BAG-NOIR", 5), ("BAG-NOIR", 3)]


async def test_what_sold_out_waits_for_nobodys_delivery_after_a_conflict(
    open_town: OpenTown, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "CONFLICT_SECONDS", (1_000.0,))
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        vendor.stock["BAG-NOIR"] = 4

        await town.send(town.sale(line("BAG-NOIR", 5)))

        await vendor.shows(BAG_NOIR=0)


async def test_its_own_sale_is_told_to_nobody_where_the_vendor_has_that_number(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        vendor.stock["BAG-NOIR"] = 4

        await town.send(town.sale(line("BAG-NOIR", 1)))
        await until(calm(town))

        assert (vendor.stock["BAG-NOIR"], vendor.told) == (4, [("BAG-NOIR", 5)])


async def test_somebody_who_sets_the_number_again_and_again_is_told_of_once(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    async def meddling(request: web.Request) -> None:
        if request.method == "POST":
            vendor.stock["BAG-NOIR"] = (vendor.stock["BAG-NOIR"] or 0) + 100

    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        vendor.always = meddling
        with capture_logs() as logs:
            await town.send(town.sale(line("BAG-NOIR", 1)))

            async def drifts() -> bool:
                return bool(await town.metric('hub_channel_drifting{channel="bazaar"}'))

            await until(drifts)
            vendor.always = None
            await vendor.shows(BAG_NOIR=4)
            await until(calm(town))
            assert not await drifts()

    said = [entry["event"] for entry in logs if "somebody else" in entry["event"] or "nobody else" in entry["event"]]
    assert said == [
        "somebody else sets what a vendor has, again and again",
        "nobody else sets what a vendor has any more",
    ]


async def test_an_account_that_wants_patience_is_left_alone_by_all(
    open_town: OpenTown, vendor: Vendor, redis_client: Redis
) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        vendor.whims = [status(429, Retry_After="2")]
        await town.send(town.sale(line("BAG-NOIR", 1)))
        await vendor.has(lambda seen: not seen.whims)
        refused_at = vendor.times[-1]
        # Whoever asks it for whatever reason, in whichever process.
        elsewhere = Allowances(redis_client)
        await until_holds(lambda: waits(elsewhere))
        await town.send([town.sale(line("BAG-NOIR", 1)), town.receipt(line("BAG-ROUGE", 1))])

        await vendor.shows(BAG_NOIR=3, BAG_ROUGE=1)

    later = [at for at in vendor.times if at > refused_at]
    assert min(later) - refused_at > 1.8
    assert [told for told in vendor.told if told[0] == "BAG-NOIR"] == [("BAG-NOIR", 5), ("BAG-NOIR", 3)]


async def test_a_number_that_was_perhaps_heard_is_sent_once_more_under_its_key(
    open_town: OpenTown, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)

        async def takes_it_and_says_nothing(request: web.Request) -> web.StreamResponse:
            await vendor.take(request)
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        vendor.whims = [takes_it_and_says_nothing]
        await town.send(town.sale(line("BAG-NOIR", 1)))
        await vendor.shows(BAG_NOIR=4)
        await until(calm(town))

    assert vendor.told == [("BAG-NOIR", 5), ("BAG-NOIR", 4)]
    assert sorted(vendor.keys.values()) == [1, 2]


async def test_a_vendor_that_is_silent_is_given_up_for_a_moment_and_told_the_newest(
    open_town: OpenTown, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "CALL_SECONDS", 0.3)
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
        gate = Gate()
        vendor.whims = [gate]
        await town.send(town.sale(line("BAG-NOIR", 1)))
        await gate.is_reached()
        await town.send(town.sale(line("BAG-NOIR", 1)))

        await vendor.shows(BAG_NOIR=3)

    # The one of which nothing was heard is not told any more: there is a newer number.
    assert ("BAG-NOIR", 4) not in vendor.told


async def test_a_vendor_that_is_away_is_only_probed_and_then_told_the_newest_only(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    async with selling(WATCH_OR=0) as other:
        second = tables(other).partition("[limits]")[0].replace('"bazaar"\n', '"souk"\n')
        second = second.replace('adapter = "souk"', 'adapter = "bazaar"')
        async with open_town(second + tables(vendor)) as town:
            await town.send([town.receipt(line("BAG-NOIR", 5)), town.receipt(line("BAG-ROUGE", 1))])
            await vendor.shows(BAG_NOIR=5, BAG_ROUGE=1)
            vendor.always = status(500)
            with capture_logs() as logs:
                await town.send(town.sale(line("BAG-NOIR", 1)))

                async def is_open() -> bool:
                    return await town.metric('hub_channel_circuit_open{channel="bazaar"}') == 1

                await until(is_open)
                asked = len(vendor.times)
                await town.send([town.sale(line("BAG-NOIR", 1)), town.receipt(line("BAG-ROUGE", 1))])
                await vendor.has(lambda seen: len(seen.times) > asked)
                # Nobody else is disturbed.
                await town.send(town.receipt(line("WATCH-OR", 2)))
                await other.shows(WATCH_OR=2)
                assert (await town.channel())["channel"]["circuit"] == "open"
                assert (await town.channel())["channel"]["dead"] == 0
                vendor.always = None
                await vendor.shows(BAG_NOIR=3, BAG_ROUGE=2)
                await until(calm(town))

            assert not await is_open()
    assert ("BAG-NOIR", 4) not in vendor.told
    told = [entry["event"] for entry in logs if "vendor" in entry["event"]]
    assert told == ["a vendor is only probed for now", "a vendor is told again"]


async def test_a_token_that_is_not_accepted_kills_no_offer(open_town: OpenTown, vendor: Vendor, until: Until) -> None:
    async with open_town(tables(vendor)) as town:
        vendor.always = status(401)
        await town.send(town.receipt(line("BAG-NOIR", 5)))

        async def says_why() -> bool:
            told = (await town.channel())["channel"]
            return told["circuit"] == "open" and "401" in (told.get("why") or "")

        await until(says_why)
        assert (await town.channel())["channel"]["dead"] == 0
        vendor.always = None
        await vendor.shows(BAG_NOIR=5)


async def test_what_is_refused_is_dead_until_it_is_retried_or_another_number(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    vendor.refuses = {"BAG-NOIR", "BAG-ROUGE"}
    async with open_town(tables(vendor)) as town:
        await town.send([town.receipt(line("BAG-NOIR", 5)), town.receipt(line("BAG-ROUGE", 4))])

        async def dead() -> list[str]:
            return [each["sku"] for each in (await town.channel())["dead"]]

        async def are_dead() -> bool:
            return await dead() == ["BAG-NOIR", "BAG-ROUGE"]

        await until(are_dead)
        [first, _] = (await town.channel())["dead"]
        assert (first["tried"], first["outcome"], first["why"]) == (5, "refused", "it is not ours to sell")
        vendor.refuses.clear()
        # Another number is another thing.
        await town.send(town.sale(line("BAG-ROUGE", 1)))
        await vendor.shows(BAG_NOIR=0, BAG_ROUGE=3)
        admin = town.token(["admin"])
        retried = await town.post("/v1/channels/bazaar/retry", None, token=admin, sku="BAG-NOIR")
        assert retried.json() == {"retried": 1}
        await vendor.shows(BAG_NOIR=5, BAG_ROUGE=3)
        assert (await town.post("/v1/channels/none/retry", None, token=admin)).status == 404


async def test_of_a_batch_that_is_refused_whole_each_is_told_by_itself(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    poison = b'"BAG-NOIR!"'

    async def refuses_all(request: web.Request) -> web.StreamResponse | None:
        body = await request.read()
        if request.method == "POST" and poison in body and body.count(b"!") > 1:
            return web.Response(body=b"one of them")
        return None

    vendor.refuses, vendor.always = {"BAG-NOIR"}, refuses_all
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5), line("BAG-ROUGE", 4)))
        await vendor.shows(BAG_ROUGE=4)

        async def is_dead() -> bool:
            return [each["sku"] for each in (await town.channel())["dead"]] == ["BAG-NOIR"]

        await until(is_dead)


async def test_what_changes_while_others_are_told_is_not_told_as_it_was(
    open_town: OpenTown, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 60.0)
    gate = Gate()

    async def refuses_all_and_holds_the_first(request: web.Request) -> web.StreamResponse | None:
        body = await request.read()
        if request.method == "POST" and body.count(b"!") > 1:
            return web.Response(body=b"one of them")
        if request.method == "POST":
            vendor.always = None
            await gate(request)
        return None

    vendor.always = refuses_all_and_holds_the_first
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5), line("BAG-ROUGE", 4)))
        await gate.is_reached()
        # Both are on their way, one after the other; meanwhile both sell out.
        await town.send(town.sale(line("BAG-NOIR", 5), line("BAG-ROUGE", 4)))

        async def is_heard() -> bool:
            sender = town.hub._channels._running["bazaar"].sender
            return {each.wanted for each in sender._offers or ()} == {0}

        await until_holds(is_heard)
        gate.open()
        await vendor.shows(BAG_NOIR=0, BAG_ROUGE=0)

    assert len(vendor.told) == 3


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=503, headers={"Retry-After": "inf"}),
        web.Response(status=503, headers={"Retry-After": "nan"}),
        web.Response(body=b'[["taken", ""]]', headers={"X-Left": "nan"}),
        web.Response(body=b'[["fine", ""]]'),
        web.Response(body=b'[["refused", 7]]'),
        web.Response(body=b'[["again", "\\u0000"], ["taken", ""]]'),
        web.Response(body=b"\x00\xff" * 1000),
    ],
    ids=["for ever", "no time", "no rest", "no outcome", "no words", "too many", "rubbish"],
)
async def test_an_answer_beside_the_contract_is_one_that_failed(
    open_town: OpenTown, vendor: Vendor, answer: web.Response
) -> None:
    async def rubbish(request: web.Request) -> web.StreamResponse | None:
        if request.method == "GET" or len(vendor.times) > 3:
            return None
        await request.read()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    vendor.always = rubbish
    async with open_town(tables(vendor)) as town:
        with capture_logs() as logs:
            await town.send(town.receipt(line("BAG-NOIR", 5)))
            await vendor.shows(BAG_NOIR=5)

    assert "a channel met a defect" not in [each["event"] for each in logs]


@pytest.mark.parametrize("number", [2**31, 10**30, -(2**40), 1.5, "7"])
async def test_a_number_that_no_stock_is_says_nothing_and_stops_no_channel(
    open_town: OpenTown, vendor: Vendor, number: Any
) -> None:
    vendor.stock["BAG-NOIR"] = number
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5), line("BAG-ROUGE", 4)))

        await vendor.shows(BAG_NOIR=5, BAG_ROUGE=4)


async def test_what_is_put_off_too_often_is_dead_and_others_are_not(
    open_town: OpenTown, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "TRIES_MAX", 3)
    vendor.again = {"BAG-NOIR"}
    async with open_town(tables(vendor)) as town:
        await town.send([town.receipt(line("BAG-NOIR", 5)), town.receipt(line("BAG-ROUGE", 4))])

        async def is_dead() -> bool:
            return [(each["sku"], each["attempts"]) for each in (await town.channel())["dead"]] == [("BAG-NOIR", 3)]

        await until(is_dead)
    assert vendor.stock == {"BAG-NOIR": 0, "BAG-ROUGE": 4}


async def test_what_was_told_is_no_drift_when_it_comes_back(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor, keep_back=2)) as town:

        async def tell(id: str, units: int) -> float | None:
            body = {"id": id, "levels": [["BAG-NOIR", units]]}
            reply = await town.post("/v1/webhooks/bazaar", msgspec.json.encode(body), headers={"X-Bazaar": SECRET})
            assert (reply.status, reply.json()) == (200, {"status": "applied"})
            return await town.metric('hub_source_drift_units{source="bazaar"}')

        await town.send(town.receipt(line("BAG-NOIR", 10)))
        await vendor.shows(BAG_NOIR=8)

        assert [await tell("1", 8), await tell("2", 9), await tell("3", 8)] == [0, 1, 0]
        [position] = await town.positions(sku="BAG-NOIR")
        assert position["free"] == 10


async def test_what_comes_back_late_is_compared_with_nothing_newer(
    open_town: OpenTown, vendor: Vendor, until: Until
) -> None:
    async with open_town(tables(vendor)) as town:

        async def tell(id: str, units: int, late_ms: int) -> None:
            body = {"id": id, "levels": [["BAG-NOIR", units]], "late_ms": late_ms}
            await town.post("/v1/webhooks/bazaar", msgspec.json.encode(body), headers={"X-Bazaar": SECRET})

        async def drift() -> float | None:
            return await town.metric('hub_source_drift_units{source="bazaar"}')

        async def lasting() -> list[int]:
            return [each.units for each in await town.hub._stores.memories.drifts.all()]

        await town.send(town.receipt(line("BAG-NOIR", 10)))
        await vendor.shows(BAG_NOIR=10)
        await town.send(town.sale(line("BAG-NOIR", 1)))
        await vendor.shows(BAG_NOIR=9)

        # Its own echo of the first number, delivered after all; then what somebody set there by hand.
        await tell("1", 10, late_ms=60_000)
        assert (await drift(), await lasting()) == (0, [])
        await tell("2", 12, late_ms=0)
        assert (await drift(), await lasting()) == (3, [3])

        # What was told since takes the place of that.
        await town.send(town.sale(line("BAG-NOIR", 1)))
        await vendor.shows(BAG_NOIR=8)

        async def is_over() -> bool:
            await town.hub._stores.webhooks.watch.look(int(time() * 1000))
            return await lasting() == []

        await until(is_over)


async def test_a_question_that_the_vendor_cannot_bear_is_given_up_alone(
    open_town: OpenTown, vendor: Vendor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "TRIES_MAX", 3)

    async def chokes(request: web.Request) -> web.StreamResponse | None:
        is_poison = request.method == "GET" and "POISON" in request.query["skus"]
        return web.Response(status=400) if is_poison else None

    vendor.always = chokes
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("POISON", 5), line("BAG-NOIR", 5), line("BAG-ROUGE", 4)))
        await vendor.shows(BAG_NOIR=5, BAG_ROUGE=4)

        async def is_dead() -> bool:
            return [each["sku"] for each in (await town.channel())["dead"]] == ["POISON"]

        await until(is_dead)
