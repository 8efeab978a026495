"""`hub webhooks`: what third parties delivered and nobody could map, shown, tried again or dismissed."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
import msgspec

from hub.commands.asking import Door, door_of
from hub.commands.tables import table
from protocol.limits import PAGE_ITEMS_MAX
from protocol.webhooks import InboxAnswer, InboxDelivery, InboxDismissedAnswer, InboxItem, InboxReplayAnswer

PATH = "/v1/inbox"
_HEAD = ("id", "received", "source", "topic", "why")

_page = msgspec.json.Decoder(InboxAnswer)
_delivery = msgspec.json.Decoder(InboxDelivery)
_replay = msgspec.json.Decoder(InboxReplayAnswer)
_dismissed = msgspec.json.Decoder(InboxDismissedAnswer)


async def run_list(config: Path | None, environ: Mapping[str, str], *, url: str | None, source: str | None) -> int:
    """Print the deliveries that wait for a person; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses; here and below.
    """
    params = {"limit": str(PAGE_ITEMS_MAX)} | ({"source": source} if source else {})
    async with _inbox(config, environ, url) as inbox:
        page = await inbox.ask(_page, "GET", PATH, params)
    for line in table(_HEAD, list(map(_row, page.items))) if page.items else ["nothing is parked"]:
        click.echo(line)
    if page.next is not None:
        click.echo(f"… and more; these are the first {len(page.items)}")
    return 0


async def run_show(config: Path | None, environ: Mapping[str, str], number: int, *, url: str | None) -> int:
    """Print one delivery whole; the answer is the exit code."""
    async with _inbox(config, environ, url) as inbox:
        told = await inbox.ask(_delivery, "GET", f"{PATH}/{number}")
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
        told = await inbox.ask(_replay, "POST", f"{PATH}/replay" if number is None else f"{PATH}/{number}/replay")
    click.echo(f"{told.replayed} booked · {told.under_way} under way · {told.still_parked} still parked")
    return 0


async def run_dismiss(config: Path | None, environ: Mapping[str, str], number: int, *, url: str | None) -> int:
    """Wait for one no more; the answer is the exit code."""
    async with _inbox(config, environ, url) as inbox:
        await inbox.ask(_dismissed, "DELETE", f"{PATH}/{number}")
    click.echo(f"{number} is not waited for any more")
    return 0


def _inbox(config: Path | None, environ: Mapping[str, str], url: str | None) -> AbstractAsyncContextManager[Door]:
    return door_of(config, environ, url, sub="hub-webhooks")


def _row(item: InboxItem) -> tuple[str, ...]:
    return str(item.id), item.received_at, item.source, item.topic or "-", item.why or "-"
