"""`hub parked`: what waits because nobody knows what it names, or for room, and booking it once that is mended."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import time
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import click
import msgspec

from hub.commands.token import make_token
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.settings import Settings, load
from protocol.limits import PAGE_ITEMS_MAX
from protocol.reports import DismissedAnswer, ReplayAnswer

# To replay is to book all that waits.
ANSWER_SECONDS_MAX = 600.0
# The command's own token: for as long as it may take.
_TTL = "20m"
_HEAD = ("booked", "source", "id", "type", "unknown")


class _Item(msgspec.Struct, frozen=True):
    source: str
    id: str
    type: str
    booked_at: str
    unknown: tuple[str, ...]
    reason: str | None = None


class _Page(msgspec.Struct, frozen=True):
    items: tuple[_Item, ...]
    next: str | None


class _Refusal(msgspec.Struct, frozen=True):
    detail: str = ""


T = TypeVar("T")

_page = msgspec.json.Decoder(_Page)
_replay = msgspec.json.Decoder(ReplayAnswer)
_dropped = msgspec.json.Decoder(DismissedAnswer)
_decode_refusal = msgspec.json.Decoder(_Refusal).decode


async def run_parked(config: Path | None, environ: Mapping[str, str], *, url: str | None, replay: bool) -> int:
    """Print what is parked, after booking what can be when asked to; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses.
    """
    settings = load(config, environ)
    door = (url or f"http://{settings.hub.http}").rstrip("/")
    headers = {"Authorization": f"Bearer {_token(settings)}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        if replay:
            answer = await _ask(session, _replay, "POST", f"{door}/v1/parked/replay")
            click.echo(f"{answer.replayed} booked · {answer.still_parked} still parked")
        items, is_whole = await _parked(session, door)
    for line in _table(items):
        click.echo(line)
    if not is_whole:
        click.echo(f"… and more; these are the first {len(items)}")
    return 0


async def run_drop(config: Path | None, environ: Mapping[str, str], source: str, id: str, *, url: str | None) -> int:
    """Wait no more for one parked event; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or no such event is parked.
    """
    settings = load(config, environ)
    door = (url or f"http://{settings.hub.http}").rstrip("/")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {_token(settings)}"}) as session:
        place = f"{quote(source, safe='')}/{quote(id, safe='')}"
        await _ask(session, _dropped, "DELETE", f"{door}/v1/parked/{place}")
    click.echo(f"{id} of {source} is not waited for any more")
    return 0


async def _parked(session: aiohttp.ClientSession, door: str) -> tuple[list[_Item], bool]:
    """The first thousand, or all there are, and whether these are all."""
    items: list[_Item] = []
    cursor: str | None = None
    while True:
        params = {"limit": str(PAGE_ITEMS_MAX - len(items))} | ({"cursor": cursor} if cursor else {})
        page = await _ask(session, _page, "GET", f"{door}/v1/parked", params)
        items += page.items
        cursor = page.next
        if cursor is None or len(items) >= PAGE_ITEMS_MAX:
            return items, cursor is None


async def _ask(
    session: aiohttp.ClientSession,
    decoder: msgspec.json.Decoder[T],
    method: str,
    url: str,
    params: Mapping[str, str] | None = None,
) -> T:
    try:
        async with session.request(method, url, params=params, allow_redirects=False) as response:
            body = await response.read()
    except TimeoutError as error:
        raise Unavailable(f"{url} takes too long to answer; run the same command again") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise SettingsInvalid(f"{url} is not an address") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"no hub answers at {url}: {str(error) or type(error).__name__}") from error
    if response.status != 200:
        raise Fault(f"{url} answers {response.status}: {_detail(body)}")
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Fault(f"{url} answers what no hub does") from error


def _detail(body: bytes) -> str:
    try:
        return _decode_refusal(body).detail
    except msgspec.MsgspecError:
        return "this is not a hub's answer"


def _table(items: Sequence[_Item]) -> Iterator[str]:
    """The lines of a table, its columns as wide as what is in them."""
    if not items:
        yield "nothing is parked"
        return
    rows = [_HEAD, *(_row(item) for item in items)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(item: _Item) -> tuple[str, ...]:
    return (
        item.booked_at,
        item.source,
        item.id,
        item.type,
        ", ".join(item.unknown) or item.reason or "nothing any more",
    )


def _token(settings: Settings) -> str:
    return make_token(
        settings, sub="hub-parked", source=None, scope=("admin",), pool=(), location=(), ttl=_TTL, now=time()
    )
