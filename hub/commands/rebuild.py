"""`hub rebuild`: the stores of a hub, running or not, and Redis made what the ledger says."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import click

from hub.commands.verify import stores_of
from hub.domain.losing import Doubt, Window, named
from hub.journal.reader import reading_client
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.epochs import Epochs, anybody_works_in
from hub.ledger.opening import LedgerState, open_ledger
from hub.recovery.left import Left
from hub.recovery.notes import NOTES
from hub.recovery.rebuilding import Rebuild
from hub.recovery.recovered import Recovered
from hub.settings import NO_KEEPER, load
from hub.stock.requirements import check_redis
from protocol.answers import rfc3339

# Between two words about how far it is.
PROGRESS_SECONDS = 2.0
# Of more sources only how many there are is said.
SOURCES_SAID_MAX = 20

_DONE = {
    "rebuilt": "Redis was made anew from the ledger",
    "topped_up": "Redis got what it lacked from the ledger",
}
_SET = "it has what the ledger's entries set; `hub verify` compares that with the ledger's movements"


async def run_rebuild(config: Path | None, environ: Mapping[str, str], *, whole: bool) -> int:
    """Heal Redis and print what was done; the answer is the exit code.

    Raises:
        Fault: it cannot be healed; the partition takes no events until it is.
    """
    settings = load(config, environ, needed=NO_KEEPER)
    async with AsyncExitStack() as exits:
        redis_url, dsn, _ = await stores_of(exits, settings)
        client = reading_client(redis_url)
        exits.push_async_callback(client.aclose)
        await check_redis(client)
        ledger = await opened_ledger(dsn)
        # Running hubs know what they were answered, and tell what of it is lost; only what Redis has is named here.
        # One that is about to heal works in the next epoch already.
        names_lost = not await anybody_works_in(dsn, ledger.epoch, ledger.epoch + 1)
        epochs = Epochs(Link(dsn, "epochs"))
        exits.push_async_callback(epochs.aclose)
        left = Left(settings.hub.data_dir / NOTES, epochs)
        await left.read(ledger.hub)
        rebuild = Rebuild(client, dsn, on_progress=_Progress())
        recovered = await rebuild.run(
            ledger.hub,
            whole=whole,
            answered=left.answered(ledger.epoch),
            names_lost=names_lost and not await left.is_all(ledger.epoch),
            own_lost=left.lost,
        )
        # The ledger keeps it until it is told.
        await left.settle(recovered.new_epoch, Watermark())
    click.echo(told(recovered, left.told))
    return 0


def told(recovered: Recovered, noted: Sequence[Window] = ()) -> str:
    """What was done, a line for each thing; `noted` is what ended processes had noted of what is lost."""
    if recovered.how == "nothing":
        return (
            "nothing was to be done: Redis has every entry that the ledger has. What was changed past the hub"
            " `hub verify` finds; `--whole` writes all values anew nevertheless."
        )
    lines = [
        f"{_DONE[recovered.how]}, up to {recovered.cursor}: {recovered.fields:,} values written and read back,"
        f" {recovered.remembered:,} ids among them, in {recovered.seconds:.1f} s",
        f"epoch {recovered.old_epoch} → {recovered.new_epoch}",
    ]
    if recovered.drained:
        lines.append(f"{recovered.drained:,} entries that only the journal had were posted to the ledger first")
    if recovered.left_behind is not None:
        lines.append(_left_behind(recovered.left_behind))
    lines += [_lost(each) for each in recovered.lost if each != recovered.left_behind]
    lines += [_noted(window) for window in noted]
    if recovered.unread:
        lines.append(f"{recovered.unread:,} entries cannot be read by this version, so what they set is missing")
    if recovered.how == "rebuilt":
        lines.insert(1, _SET)
    return "\n".join(lines)


def _left_behind(window: Window) -> str:
    count = f"{window.entries:,} entries are" if window.entries != 1 else "1 entry is"
    return (
        f"the journal went on to {window.last} in another way than the ledger: {count} not in the ledger, from"
        f" {window.first} on, booked from {rfc3339(window.since_ms)} to {rfc3339(window.until_ms)}; let their sources"
        f" send again what they sent then: {named(window.sources, SOURCES_SAID_MAX)}"
    )


def _noted(window: Window) -> str:
    return (
        f"answers of 202 from {window.first} to {window.last} were lost with Redis, from {rfc3339(window.since_ms)} to"
        f" {rfc3339(window.until_ms)}; let these sources send again what they sent then:"
        f" {named(window.sources, SOURCES_SAID_MAX)}"
    )


def _lost(lost: Window | Doubt) -> str:
    if isinstance(lost, Window):
        what = f"all answers from {lost.first} to {lost.last} are lost, for the ledger is older than they are"
    else:
        what = f"answers of 202 after {lost.after} may have been lost with Redis"
    return (
        f"{what}, from {rfc3339(lost.since_ms)} to {rfc3339(lost.until_ms)}; let these sources send"
        f" again what they sent then: {named(lost.sources, SOURCES_SAID_MAX)}"
    )


async def opened_ledger(dsn: str) -> LedgerState:
    """What a ledger knows, brought up to date. Raises Fault: it does not answer, or is not fit."""
    link = Link(dsn, "opening")
    try:
        async with link.use("The ledger cannot be opened") as connection:
            return await open_ledger(connection)
    finally:
        await link.aclose()


class _Progress:
    def __init__(self) -> None:
        self._told_at = monotonic()

    def __call__(self, stage: str, count: int) -> None:
        if monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = monotonic()
            click.echo(f"hub: {stage}" + (f": {count:,} so far" if count else ""), err=True)
