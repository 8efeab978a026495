"""Where a watch leads nowhere: what is no hub is raised, what may come is waited for and told, and nothing stays."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from websockets.asyncio.server import ServerConnection, serve

from protocol.clients import HubClient, NotAHub, Patience, TokenRefused
from protocol.frames import SUBPROTOCOL

SOON = Patience(try_seconds=5, pause_seconds=0.001, pause_seconds_max=0.002)
PATIENCE_SECONDS = 20
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SIGN_IN = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nSign in"
OTHER_UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
MAIL = b"220 mail.example ESMTP\r\n"


def client(live: str) -> HubClient:
    return HubClient("http://127.0.0.1:1", live_url=live, patience=SOON)


async def watched(hub: HubClient) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for _ in hub.watch("online", ["BAG"]):
            pass


@asynccontextmanager
async def answering(said: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    finally:
        server.close()


@pytest.mark.parametrize("said", [ELSEWHERE, SIGN_IN, OTHER_UPGRADE, MAIL])
async def test_what_is_no_live_door_is_said_to_be_none(said: bytes) -> None:
    async with answering(said) as address, client(f"ws://{address}") as hub:
        with pytest.raises(NotAHub, match=address):
            await watched(hub)


async def test_a_door_that_does_not_speak_tls_is_said_to_be_none() -> None:
    async with answering(SIGN_IN) as address, client(f"wss://{address}") as hub:
        with pytest.raises(NotAHub):
            await watched(hub)


async def test_a_certificate_that_nobody_trusts_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    async with answering(SIGN_IN, _untrusted(tmp_path)) as address, client(f"wss://{address}") as hub:
        with pytest.raises(NotAHub, match="certificate"):
            await watched(hub)


def _untrusted(folder: Path) -> ssl.SSLContext:
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    both = folder / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(private + made.sign(key, None).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


@pytest.mark.parametrize("said", [None, b""])
async def test_a_hub_that_may_be_starting_is_waited_for_with_warnings_at_growing_intervals(
    said: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "protocol.clients.watching")
    async with answering(said or b"") as address:
        live = "ws://127.0.0.1:1" if said is None else f"ws://{address}"
        async with client(live) as hub:
            waiting = asyncio.create_task(watched(hub))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(caplog.records) < 9:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.005)
        await waiting

    levels = [record.levelname for record in caplog.records[:9]]
    assert [number for number, level in enumerate(levels, 1) if level == "WARNING"] == [1, 2, 4, 8]
    assert live in caplog.records[0].getMessage()


async def test_whoever_leaves_a_client_leaves_its_watches_too() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        item = '{"sku":"BAG","pool":"online","available":1,"status":"in_stock","rev":1,"at":"2026-11-22T10:00:00Z"}'
        await socket.send(f'{{"op":"subscribed","ref":1,"items":[{item}]}}')
        await socket.wait_closed()

    async with serve(talk, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with client(f"ws://127.0.0.1:{port}") as hub:
            items = hub.watch("online", ["BAG"])
            assert (await anext(items)).available == 1
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "hub watch"]
        with pytest.raises(StopAsyncIteration):
            await anext(items)


@pytest.mark.parametrize("token", ["a\nb", "a\x00", "", "ключ", "a\n"])
async def test_what_can_be_no_token_is_refused_before_anybody_is_asked(token: str) -> None:
    async with HubClient("http://127.0.0.1:1", token, patience=SOON) as hub:
        with pytest.raises(TokenRefused):
            await hub.availability("online", ["BAG"])
        with pytest.raises(TokenRefused):
            await watched(hub)
