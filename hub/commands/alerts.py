"""`hub alerts`: what the hub noticed by itself, listed, and settled once a person is done with it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
import msgspec

from hub.commands.asking import Door, door_of
from hub.commands.tables import table
from protocol.alerts import OwnAlertItem, OwnAlertsAnswer, SettleAlert, SettledAnswer

PATH = "/v1/alerts"
# Of an alert in a list; the door tells all.
DETAIL_CHARS_MAX = 100
_HEAD = ("id", "booked", "type", "about", "state", "detail")

_page = msgspec.json.Decoder(OwnAlertsAnswer)
_settled = msgspec.json.Decoder(SettledAnswer)


async def run_list(
    config: Path | None, environ: Mapping[str, str], *, url: str | None, type: str | None, limit: int, is_open: bool
) -> int:
    """Print the newest alerts; the answer is the exit code.

    Raises:
        Fault: the hub does not answer, or refuses; here and below.
    """
    params = {"limit": str(limit), "state": "open" if is_open else "all"} | ({"type": type} if type else {})
    async with _door(config, environ, url) as door:
        page = await door.ask(_page, "GET", PATH, params)
    nothing = "no alert is open" if is_open else "there are no alerts"
    for line in table(_HEAD, list(map(_row, page.items))) if page.items else [nothing]:
        click.echo(line)
    if page.next is not None:
        click.echo(f"… and older ones; these are the newest {len(page.items)}")
    return 0


async def run_settle(config: Path | None, environ: Mapping[str, str], id: str, *, url: str | None, why: str) -> int:
    """Say that a person is done with one alert; the answer is the exit code."""
    async with _door(config, environ, url) as door:
        told = await door.ask(_settled, "POST", f"{PATH}/{id}/settle", body=SettleAlert(why))
    click.echo(f"{told.id} is settled since {told.settled.at}, by {told.settled.by}: {told.settled.why}")
    return 0


def _door(config: Path | None, environ: Mapping[str, str], url: str | None) -> AbstractAsyncContextManager[Door]:
    return door_of(config, environ, url, sub="hub-alerts")


def _row(item: OwnAlertItem) -> tuple[str, ...]:
    detail = bytes(item.detail).decode()
    cut = detail if len(detail) <= DETAIL_CHARS_MAX else detail[:DETAIL_CHARS_MAX] + "…"
    state = "settled" if item.settled else "open"
    return item.id, item.booked_at, item.type, item.about or "-", state, "-" if cut == "null" else cut
