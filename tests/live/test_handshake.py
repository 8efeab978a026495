"""Who may connect, and how a connection ends."""

import asyncio
import socket
import struct
import time
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from hub.live.server import TAKEN_AT_ONCE
from protocol.frames import CloseCode

PATIENCE_SECONDS = 20


async def _refused(stage, **options):
    with pytest.raises(InvalidStatus) as refusal:
        async with stage.screen(**options):
            pass
    return refusal.value.response.status_code


async def test_the_subprotocol_is_agreed_and_nothing_is_compressed(stage):
    async with stage.screen() as screen:
        assert screen.client.subprotocol == "hub.v1.json"
        assert screen.client.protocol.extensions == []


@pytest.mark.parametrize("subprotocols", [None, ["hub.v9.json"]])
async def test_another_or_no_subprotocol_is_refused(stage, subprotocols):
    assert await _refused(stage, subprotocols=subprotocols) == 400


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://shop.example.evil",
        "https://a.shop.example",
        "https://SHOP.example",
        "http://shop.example",
        "https://shop.example:8443",
    ],
)
async def test_another_origin_is_refused(stage, origin):
    assert await _refused(stage, origin=origin) == 403


async def test_an_allowed_origin_may_connect(stage):
    async with stage.screen(origin="https://shop.example") as screen:
        assert (await screen.subscribe("online", "A"))["op"] == "subscribed"


async def test_another_path_is_not_found(stage):
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://127.0.0.1:{stage.door.port}/", subprotocols=["hub.v1.json"])

    assert refusal.value.response.status_code == 404


async def test_more_connections_than_allowed_are_told_when_to_come_back(open_door):
    async with open_door(connections_max=1) as stage, stage.screen() as screen:
        await screen.subscribe("online", "A")
        with pytest.raises(InvalidStatus) as refusal:
            async with stage.screen():
                pass

    assert refusal.value.response.status_code == 503
    assert refusal.value.response.headers["Retry-After"] == "5"


async def test_silence_after_the_handshake_is_closed_with_4408(open_door):
    async with open_door(first_message_seconds=0.05) as stage, stage.screen() as screen:
        assert await screen.ended() == 4408


async def test_who_has_spoken_may_be_silent(open_door):
    async with open_door(first_message_seconds=0.05, heartbeat_seconds=0.2) as stage, stage.screen() as screen:
        await screen.subscribe("online", "A")
        heartbeat = await asyncio.wait_for(screen.client.recv(), 5)

        assert heartbeat == '{"op":"heartbeat"}'


async def test_a_token_that_ends_closes_with_4401(stage):
    async with stage.screen() as screen:
        exp = time.time() + 0.1
        authorized = await screen.ask(op="auth", token=f"short:{exp}")

        assert authorized["exp"] == pytest.approx(exp)
        assert await screen.ended() == 4401


async def test_a_token_renewed_in_time_goes_on(stage):
    async with stage.screen() as screen:
        await screen.ask(op="auth", token=f"short:{time.time() + 0.1}")
        await screen.ask(op="auth", token="vip")
        ended = asyncio.create_task(screen.client.wait_closed())
        done, _ = await asyncio.wait([ended], timeout=0.3)
        ended.cancel()

        assert not done
        assert (await screen.subscribe("vip", "A"))["op"] == "subscribed"


async def test_a_token_nobody_knows_is_named_and_closed_with_4401(stage):
    async with stage.screen() as screen:
        error = await screen.ask(op="auth", token="forged")

        assert error["code"] == "unauthenticated"
        assert await screen.ended() == 4401


async def test_a_message_over_64_kib_is_closed_with_1009(stage):
    async with stage.screen() as screen:
        await screen.client.send("x" * (64 * 1024 + 1))

        assert await screen.ended() == 1009


async def test_a_long_message_in_many_fragments_is_closed_with_1009(stage):
    async with stage.screen() as screen:
        await screen.client.send("x" * 1024 for _ in range(65))

        assert await screen.ended() == 1009


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '{"op": "dance"}', '{"op": "subscribe", "ref": 7}', "[" * 10_000, '{"op":"auth"}'],
)
async def test_a_message_that_cannot_be_read_is_answered_and_the_connection_goes_on(stage, message):
    async with stage.screen() as screen:
        await screen.client.send(message)
        error = await screen.hear()

        assert error["code"] == "malformed"
        assert (await screen.subscribe("online", "A"))["op"] == "subscribed"


async def test_a_flood_of_messages_that_cannot_be_read_is_closed_with_1008(open_door):
    async with open_door(malformed_max=2) as stage, stage.screen() as screen:
        for _ in range(3):
            await screen.client.send("?")

        assert await screen.ended() == 1008


async def test_stopping_says_1001_and_leaves_nothing_behind(open_door):
    async with open_door() as stage, stage.screen() as screen:
        await screen.subscribe("online", "A")
        await stage.door.stop()

        assert await screen.ended() == 1001
        assert stage.door.counters.connections == 0
        assert not stage.door._conversations._subscriptions.topics


async def test_a_closed_screen_is_forgotten(stage, until):
    async with stage.screen() as screen:
        await screen.subscribe("online", "A")
        assert stage.door.counters.connections == 1
    await until(lambda: stage.door.counters.connections == 0)

    assert not stage.door._conversations._subscriptions.topics


def knocking(stage, count):
    """Clients that have asked to come in, before the door has looked."""
    knocks = []
    for _ in range(count):
        knock = socket.create_connection(("127.0.0.1", stage.door.port))
        knock.sendall(b"GET /v1/live HTTP/1.1\r\nHost: hub\r\n")
        knocks.append(knock)
    return knocks


async def test_in_a_rush_a_few_are_taken_at_a_time_and_the_others_wait(stage):
    taken = stage.door._server.handler_tasks
    knocks = knocking(stage, 4 * TAKEN_AT_ONCE)
    seen = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(taken) < len(knocks):
            seen.append(len(taken))
            await asyncio.sleep(0)

    assert max(after - before for before, after in pairwise([*seen, len(taken)])) == TAKEN_AT_ONCE
    for knock in knocks:
        knock.close()


async def test_nothing_is_begun_for_whoever_left_while_waiting(stage, monkeypatch):
    begun, server = [], stage.door._server
    begin = server.handler
    monkeypatch.setattr(server, "handler", lambda connection: begun.append(connection) or begin(connection))
    for number, knock in enumerate(knocking(stage, 6)):
        if number % 2:
            # A line that was cut, not closed.
            knock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        knock.close()
    async with stage.screen() as screen:
        assert (await screen.subscribe("online", "A"))["op"] == "subscribed"
        assert (len(begun), stage.door.counters.connections) == (1, 1)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /v1/live HTTP/1.1", 426), ("POST /v1/live HTTP/1.1", 405)],
)
async def test_what_is_no_handshake_is_refused_with_a_status_of_the_table(stage, request_line, status):
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.door.port)
    writer.write(f"{request_line}\r\nHost: x\r\n\r\n".encode())
    answered = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert int(answered.split()[1]) == status


async def test_what_is_no_frame_is_closed_with_a_code_of_the_table(stage):
    async with stage.screen() as screen:
        # A client's frame has to be masked.
        screen.client.transport.write(b"\x81\x02{}")

        assert await screen.ended() == CloseCode.PROTOCOL_VIOLATED
