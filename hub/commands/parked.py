"""`hub parked`: what waits because nobody knows what it names, or for room, and booking it once that is mended."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from hub.commands.asking import Door, door_of
from hub.commands.tables import table
from protocol.limits import PAGE_ITEMS_MAX
from protocol.reports import DismissedAnswer, ReplayAnswer

PATH = "/v1/parked"
_SUB = "hub-parked"
_DROP_SECONDS_MAX = 300.0
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


_page = msgspec.json.Decoder(_Page)
_replay = msgspec.json.Decoder(ReplayAnswer)
_dropped = msgspec.json.Decoder(DismissedAnswer)


async def run_parked(config: Path | None, environ: Mapping[str, str], *, url: str | None, replay: bool) -> int:
    """Print what is parked, after booking what can be when asked to; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses.
    """
    async with door_of(config, environ, url, sub=_SUB) as door:
        if replay:
            answer = await door.ask(_replay, "POST", f"{PATH}/replay")
            click.echo(f"{answer.replayed} booked · {answer.still_parked} still parked")
        items, is_whole = await _parked(door)
    for line in table(_HEAD, list(map(_row, items))) if items else ["nothing is parked"]:
        click.echo(line)
    if not is_whole:
        click.echo(f"… and more; these are the first {len(items)}")
    return 0


async def run_drop(config: Path | None, environ: Mapping[str, str], source: str, id: str, *, url: str | None) -> int:
    """Wait no more for one parked event; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or no such event is parked.
    """
    place = f"{quote(source, safe='')}/{quote(id, safe='')}"
    async with door_of(config, environ, url, sub=_SUB, answer_seconds_max=_DROP_SECONDS_MAX) as door:
        await door.ask(_dropped, "DELETE", f"{PATH}/{place}")
    click.echo(f"{id} of {source} is not waited for any more")
    return 0


async def _parked(door: Door) -> tuple[list[_Item], bool]:
    """The first thousand, or all there are, and whether these are all."""
    items: list[_Item] = []
    cursor: str | None = None
    while True:
        params = {"limit": str(PAGE_ITEMS_MAX - len(items))} | ({"cursor": cursor} if cursor else {})
        page = await door.ask(_page, "GET", PATH, params)
        items += page.items
        cursor = page.next
        if cursor is None or len(items) >= PAGE_ITEMS_MAX:
            return items, cursor is None


def _row(item: _Item) -> tuple[str, ...]:
    return (
        item.booked_at,
        item.source,
        item.id,
        item.type,
        ", ".join(item.unknown) or item.reason or "nothing any more",
    )
