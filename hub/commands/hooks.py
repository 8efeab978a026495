"""`hub hooks`: how far each hook was told, what it did not take, and sending that again; straight at the ledger."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import time

import click

from hub.commands.rebuild import opened_ledger
from hub.commands.tables import table
from hub.domain.feed import Place
from hub.domain.hook_addresses import host_in
from hub.domain.hooks import HookState, Late
from hub.embedded.servers import join_or_start
from hub.faults import SettingsInvalid
from hub.hooks.sender import has_room
from hub.intake.sealing import Sealing
from hub.ledger.connection import Link
from hub.ledger.hooks import Hooks
from hub.settings import NO_KEEPER, Settings, load
from protocol.answers import rfc3339

# Dead messages that are listed; the others follow when these are gone.
LISTED_MAX = 100
_HEAD = ("hook", "to", "state", "behind", "pending", "tried again at", "dead", "not taken because")
_DEAD_HEAD = ("id", "first tried", "attempts", "because", "cursor")


async def run_list(config: Path | None, environ: Mapping[str, str]) -> int:
    """Print every hook of the file and of the ledger; the answer is the exit code.

    Raises:
        Fault: the ledger does not answer, here and below.
    """
    settings = load(config, environ, needed=NO_KEEPER)
    async with _hooks_of(settings) as (memory, _):
        known = {state.id: state for state in await memory.states()}
    hosts = {hook.id: host_in(hook.url.reveal()) for hook in settings.hooks}
    rows = [_row(id, hosts.get(id), known.get(id)) for id in dict.fromkeys((*hosts, *known))]
    for line in table(_HEAD, rows) if rows else ["there is no hook"]:
        click.echo(line)
    return 0


async def run_dead(config: Path | None, environ: Mapping[str, str], hook: str) -> int:
    """Print the messages of a hook that are tried no more; the answer is the exit code."""
    async with _hooks_of(load(config, environ, needed=NO_KEEPER)) as (memory, sealing):
        state = await _known(memory, hook)
        late = await memory.dead(hook, LISTED_MAX)
    for line in table(_DEAD_HEAD, [_dead_row(each, sealing) for each in late]) if late else ["none is dead"]:
        click.echo(line)
    if state.dead > len(late):
        click.echo(f"… and {state.dead - len(late):,} more")
    return 0


async def run_resume(config: Path | None, environ: Mapping[str, str], hook: str) -> int:
    """Send again to a hook whose receiver wanted nothing more; the answer is the exit code."""
    async with _hooks_of(load(config, environ, needed=NO_KEEPER)) as (memory, _):
        state = await _known(memory, hook)
        await memory.resume(hook)
    click.echo(f"{hook} is sent to again" if state.is_gone else f"{hook} was not stopped")
    return 0


async def run_replay(
    config: Path | None, environ: Mapping[str, str], hook: str, *, after: str | None, until: str | None
) -> int:
    """Send a stretch of the feed again, or without `after` what is tried no more; the answer is the exit code.

    Raises:
        SettingsInvalid: there is no such hook or cursor, or the hook is told a stretch again already.
    """
    async with _hooks_of(load(config, environ, needed=NO_KEEPER)) as (memory, sealing):
        state = await _known(memory, hook)
        if after is None:
            count = await memory.revive(hook, time())
            click.echo(f"{count:,} dead messages are tried again")
            return 0
        begin = _place_in(after, sealing)
        # What is behind that comes anyway.
        end = state.place if until is None else min(_place_in(until, sealing), state.place)
        if begin >= end:
            raise SettingsInvalid(f"{hook} was told nothing of that stretch yet; what is new it gets anyway")
        if not await memory.replay(hook, begin, end):
            raise SettingsInvalid(f"{hook} is told a stretch of the feed again already; wait until that is done")
    click.echo(f"{hook} is told that stretch again")
    return 0


@asynccontextmanager
async def _hooks_of(settings: Settings) -> AsyncIterator[tuple[Hooks, Sealing]]:
    async with AsyncExitStack() as exits:
        dsn = settings.ledger.dsn
        if not dsn:
            servers = await join_or_start(settings.hub.data_dir, redis=False, postgres=True)
            exits.push_async_callback(servers.stop)
            dsn = servers.postgres_dsn or ""
        ledger = await opened_ledger(dsn)
        memory = Hooks(Link(dsn, "hooks of an operator"))
        exits.push_async_callback(memory.aclose)
        yield memory, Sealing(ledger.hub)


async def _known(memory: Hooks, hook: str) -> HookState:
    state = await memory.state(hook)
    if state is None:
        raise SettingsInvalid(f"there is no hook {hook}, or it was never sent to; see `hub hooks`")
    return state


def _place_in(text: str, sealing: Sealing) -> Place:
    place = sealing.opened(text)
    if place is None:
        raise SettingsInvalid("this is no cursor of this hub's feed")
    return place


def _row(id: str, host: str | None, state: HookState | None) -> tuple[str, ...]:
    if state is None:
        return id, host or "", "not begun", "", "", "", "", ""
    behind = f"{max(0.0, time() - state.behind_since):.0f} s" if state.behind_since else "0 s"
    again_at = rfc3339(int(state.due_at * 1000)) if state.due_at and not state.is_gone else ""
    numbers = (f"{state.pending:,}", again_at, f"{state.dead:,}")
    return id, host or "", _word(state, is_in_file=host is not None), behind, *numbers, state.problem


def _word(state: HookState, *, is_in_file: bool) -> str:
    if not is_in_file:
        return "not in the file"
    if state.is_gone:
        return "stopped by 410"
    if not has_room(state):
        return "waits: too much is late"
    return "told again" if state.replay else "sent to"


def _dead_row(late: Late, sealing: Sealing) -> tuple[str, ...]:
    cursor = sealing.sealed(late.place)
    return cursor.partition(".")[2], rfc3339(int(late.first_at * 1000)), str(late.attempts), late.problem, cursor
