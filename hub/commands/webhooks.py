"""`hub webhooks`: what third parties delivered and nobody could map, shown, tried again or dismissed."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import TypeVar

import aiohttp
import click
import msgspec

from hub.commands.token import make_token
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.settings import load
from protocol.limits import PAGE_ITEMS_MAX
from protocol.webhooks import InboxAnswer, InboxDelivery, InboxDismissedAnswer, InboxItem, InboxReplayAnswer

# To try a thousand deliveries may take as long.
ANSWER_SECONDS_MAX = 600.0
_TTL = "20m"
_HEAD = ("id", "received", "source", "topic", "why")

T = TypeVar("T")


class _Refusal(msgspec.Struct, frozen=True):
    detail: str = "this is not a hub's answer"


_page = msgspec.json.Decoder(InboxAnswer)
_delivery = msgspec.json.Decoder(InboxDelivery)
_replay = msgspec.json.Decoder(InboxReplayAnswer)
_dismissed = msgspec.json.Decoder(InboxDismissedAnswer)
_refusal = msgspec.json.Decoder(_Refusal)


class _Inbox:
    """The inbox of a running hub, over its HTTP door."""

    def __init__(self, session: aiohttp.ClientSession, door: str) -> None:
        self._session = session
        self._door = door

    async def ask(
        self, decoder: msgspec.json.Decoder[T], method: str, path: str, params: Mapping[str, str] | None = None
    ) -> T:
        url = f"{self._door}/v1/inbox{path}"
        try:
            async with self._session.request(method, url, params=params, allow_redirects=False) as response:
                body = await response.read()
        except TimeoutError as error:
            raise Unavailable(f"{url} takes too long to answer; run the same command again") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise SettingsInvalid(f"{url} is not an address") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"no hub answers at {url}: {str(error) or type(error).__name__}") from error
        try:
            if response.status != 200:
                raise Fault(f"{url} answers {response.status}: {_refusal.decode(body).detail}")
            return decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise Fault(f"{url} answers {response.status} as no hub does") from error


async def run_list(config: Path | None, environ: Mapping[str, str], *, url: str | None, source: str | None) -> int:
    """Print the deliveries that wait for a person; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses; here and below.
    """
    params = {"limit": str(PAGE_ITEMS_MAX)} | ({"source": source} if source else {})
    async with _inbox(config, environ, url) as inbox:
        page = await inbox.ask(_page, "GET", "", params)
    for line in _table(page.items):
        click.echo(line)
    if page.next is not None:
        click.echo(f"… and more; these are the first {len(page.items)}")
    return 0


async def run_show(config: Path | None, environ: Mapping[str, str], number: int, *, url: str | None) -> int:
    """Print one delivery whole; the answer is the exit code."""
    async with _inbox(config, environ, url) as inbox:
        told = await inbox.ask(_delivery, "GET", f"/{number}")
    item = told.item
    click.echo(f"{item.id} · {item.state} · {item.source} · {item.topic} · {item.delivery} · {item.received_at}")
    if item.why:
        click.echo(item.why)
    for name, value in told.headers.items():
        click.echo(f"{name}: {value}")
    click.echo("")
    click.echo(told.body)
    return 0


async def run_replay(config: Path | None, environ: Mapping[str, str], number: int | None, *, url: str | None) -> int:
    """Try one or all again, and print what became of them; the answer is the exit code."""
    async with _inbox(config, environ, url) as inbox:
        told = await inbox.ask(_replay, "POST", "/replay" if number is None else f"/{number}/replay")
    click.echo(f"{told.replayed} booked · {told.under_way} under way · {told.still_parked} still parked")
    return 0


async def run_dismiss(config: Path | None, environ: Mapping[str, str], number: int, *, url: str | None) -> int:
    """Wait for one no more; the answer is the exit code."""
    async with _inbox(config, environ, url) as inbox:
        await inbox.ask(_dismissed, "DELETE", f"/{number}")
    click.echo(f"{number} is not waited for any more")
    return 0


@asynccontextmanager
async def _inbox(config: Path | None, environ: Mapping[str, str], url: str | None) -> AsyncIterator[_Inbox]:
    settings = load(config, environ)
    token = make_token(
        settings, sub="hub-webhooks", source=None, scope=("admin",), pool=(), location=(), ttl=_TTL, now=time()
    )
    door = (url or f"http://{settings.hub.http}").rstrip("/")
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as session:
        yield _Inbox(session, door)


def _table(items: Sequence[InboxItem]) -> Iterator[str]:
    """The lines of a table, its columns as wide as what is in them."""
    if not items:
        yield "nothing is parked"
        return
    rows = [_HEAD]
    rows += [(str(item.id), item.received_at, item.source, item.topic or "-", item.why or "-") for item in items]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
