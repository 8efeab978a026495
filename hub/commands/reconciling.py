"""`hub webhooks reconcile`: have a third party asked for what its deliveries missed, and wait until that is done."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic

import click
import msgspec

from hub.commands.asking import door_of
from hub.commands.tables import table
from protocol.webhooks import AskedStream, ReconcileAnswer

# How long it waits, and between two looks.
WAIT_SECONDS = 600.0
LOOK_SECONDS = 0.5
_HEAD = ("stream", "asked to the end", "new deliveries", "problem")

_asked = msgspec.json.Decoder(ReconcileAnswer)


async def run_reconcile(
    config: Path | None, environ: Mapping[str, str], source: str, since: datetime | None, *, url: str | None
) -> int:
    """Ask, wait, and print how far it is; the exit code is 1 where something could not be asked to the end.

    Raises:
        Fault: the hub does not answer, or refuses.
    """
    path, ends = f"/v1/webhooks/{source}/reconcile", monotonic() + WAIT_SECONDS
    params = {} if since is None else {"since": since.isoformat()}
    async with door_of(config, environ, url, sub="hub-webhooks") as door:
        before = {each.stream: each.done_at for each in (await door.ask(_asked, "GET", path)).streams}
        told = await door.ask(_asked, "POST", path, params)
        while any(_is_open(each, before) for each in told.streams) and monotonic() < ends:
            await asyncio.sleep(LOOK_SECONDS)
            told = await door.ask(_asked, "GET", path)
    for line in table(_HEAD, list(map(_row, told.streams))):
        click.echo(line)
    is_done = not any(each.problem or _is_open(each, before) for each in told.streams)
    return 0 if is_done else 1


def _is_open(each: AskedStream, before: Mapping[str, str | None]) -> bool:
    """Whether there is something to wait for: neither done since it was asked, nor failed."""
    return not each.problem and (each.is_under_way or each.done_at in (None, before.get(each.stream)))


def _row(each: AskedStream) -> tuple[str, ...]:
    return each.stream, each.done_at or "never", str(each.found), each.problem or "-"
