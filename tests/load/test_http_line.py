"""A connection to a door that answers as a test says, in pieces of any size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from hub.load.http_line import HttpLine, connect

ANSWER = b"HTTP/1.1 202 Accepted\r\nDate: x\r\ncontent-LENGTH: 5\r\n\r\nhello"
NO_LENGTH = "no HTTP/1.1 answer with a length"
PATIENCE_SECONDS = 10


class Heard:
    """What a line told, and the line."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        self.line = HttpLine(self._answered, self.lost.set_result)

    def _answered(self, status: int, body: bytes) -> None:
        self.answers.append((status, body))
        self.changed.set()

    async def ask(self) -> tuple[int, bytes]:
        self.changed.clear()
        self.line.send(b"GET")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.changed.wait()
        return self.answers[-1]


@asynccontextmanager
async def line_to(answers: list[list[bytes]]) -> AsyncIterator[Heard]:
    """A line to a server that writes the pieces of the next answer for each request, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pieces in answers:
            await reader.readexactly(3)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                # Each piece in a packet of its own: the other side reads before the next is written.
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        heard = Heard()
        await connect(urlsplit(f"http://{host}:{port}"), lambda: heard.line)
        yield heard
        heard.line.abort("over")


@pytest.mark.parametrize("cut", [1, 9, 20, len(ANSWER) - 5, len(ANSWER) - 1])
async def test_an_answer_is_read_however_it_comes(cut: int) -> None:
    async with line_to([[ANSWER[:cut], ANSWER[cut:]], [ANSWER]]) as heard:
        assert await heard.ask() == (202, b"hello")
        assert await heard.ask() == (202, b"hello")
        assert await heard.lost == "dropped"


async def test_an_empty_answer_is_one() -> None:
    async with line_to([[b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]]) as heard:
        assert await heard.ask() == (503, b"")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NO_LENGTH),
        (b"SSH-2.0-x\r\n\r\n", NO_LENGTH),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + b"x" * 100, NO_LENGTH),
        (b"x" * 17_000_000, "an answer too long"),
    ],
    ids=["chunked", "ssh", "a negative length", "no end"],
)
async def test_what_is_no_answer_with_a_length_ends_the_line(answer: bytes, reason: str) -> None:
    async with line_to([[answer]]) as heard:
        heard.line.send(b"GET")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await heard.lost == reason
        assert heard.answers == []


async def test_whoever_gives_up_is_told_why() -> None:
    async with line_to([[b""]]) as heard:
        heard.line.abort("timeout")
        assert await heard.lost == "timeout"
