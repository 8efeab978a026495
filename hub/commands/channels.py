"""`hub channels`: the shops and files that hear what a pool has, what was given up of them, and trying that again."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from hub.commands.asking import Door, door_of
from hub.commands.tables import table
from protocol.channels import ChannelAnswer, ChannelItem, ChannelRetryAnswer, ChannelsAnswer, DeadOffer
from protocol.limits import PAGE_ITEMS_MAX

PATH = "/v1/channels"
_HEAD = ("channel", "pool", "to", "waiting", "lag", "dead", "drifting", "circuit", "why")
_DEAD_HEAD = ("sku", "number", "tries", "because")

_channels = msgspec.json.Decoder(ChannelsAnswer)
_channel = msgspec.json.Decoder(ChannelAnswer)
_retry = msgspec.json.Decoder(ChannelRetryAnswer)


async def run_list(config: Path | None, environ: Mapping[str, str], *, url: str | None) -> int:
    """Print every channel; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses; here and below.
    """
    async with _door(config, environ, url) as door:
        told = await door.ask(_channels, "GET", PATH)
    for line in table(_HEAD, list(map(_row, told.items))) if told.items else ["there is no channel"]:
        click.echo(line)
    return 0


async def run_show(config: Path | None, environ: Mapping[str, str], channel: str, *, url: str | None) -> int:
    """Print one channel, and what of it was given up; the answer is the exit code."""
    async with _door(config, environ, url) as door:
        told = await door.ask(_channel, "GET", _path(channel), {"limit": str(PAGE_ITEMS_MAX)})
    item = told.channel
    for line in table(_HEAD, [_row(item)]):
        click.echo(line)
    click.echo(f"{item.told:,} SKUs told · {item.absent:,} not sold there · {item.dead:,} given up")
    for line in table(_DEAD_HEAD, list(map(_dead_row, told.dead))) if told.dead else []:
        click.echo(line)
    if told.next is not None:
        click.echo(f"… and more; these are the first {len(told.dead)}")
    return 0


async def run_retry(
    config: Path | None, environ: Mapping[str, str], channel: str, sku: str | None, *, url: str | None
) -> int:
    """Try again what was given up or not sold, one SKU or all; the answer is the exit code."""
    params = {} if sku is None else {"sku": sku}
    async with _door(config, environ, url) as door:
        told = await door.ask(_retry, "POST", f"{_path(channel)}/retry", params)
    click.echo(f"{told.retried:,} {'SKU is' if told.retried == 1 else 'SKUs are'} tried again")
    return 0


def _door(config: Path | None, environ: Mapping[str, str], url: str | None) -> AbstractAsyncContextManager[Door]:
    return door_of(config, environ, url, sub="hub-channels")


def _path(channel: str) -> str:
    return f"{PATH}/{quote(channel, safe='')}"


def _row(item: ChannelItem) -> tuple[str, ...]:
    lag = f"{item.lag_seconds:g} s" if item.waiting else "-"
    numbers = (f"{item.waiting:,}", lag, f"{item.dead:,}", f"{item.drifting:,}")
    return item.id, item.pool or "not in the file", item.to or "-", *numbers, item.circuit or "-", item.why or "-"


def _dead_row(row: DeadOffer) -> tuple[str, ...]:
    return row.sku, "-" if row.tried is None else str(row.tried), str(row.attempts), row.why or "-"
