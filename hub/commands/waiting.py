"""The words of `hub parked`, `hub webhooks` and `hub alerts`; what they do is in modules of these names."""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from hub.commands.running import CONFIG, given_before, run
from protocol.limits import PAGE_ITEMS_MAX

_DOOR = click.option("--url", callback=given_before, help="The hub's HTTP door; default: as configured.")
_NUMBER = click.argument("number", metavar="ID", type=int)


@click.group(invoke_without_command=True)
@CONFIG
@_DOOR
@click.option("--replay", "is_replay", is_flag=True, help="Book first what names only what the house knows now.")
@click.pass_context
def parked(context: click.Context, config: Path | None, url: str | None, *, is_replay: bool) -> None:
    """List the events that wait because nobody knows what they name."""
    if context.invoked_subcommand is not None:
        return
    from hub.commands.parked import run_parked  # noqa: PLC0415

    sys.exit(run(run_parked(config, context.obj, url=url, replay=is_replay)))


@parked.command()
@click.argument("source")
@click.argument("event_id", metavar="ID")
@CONFIG
@_DOOR
@click.pass_obj
def drop(environ: Mapping[str, str], source: str, event_id: str, config: Path | None, url: str | None) -> None:
    """Wait no more for one of them, for example because it was a typing error."""
    from hub.commands.parked import run_drop  # noqa: PLC0415

    sys.exit(run(run_drop(config, environ, source, event_id, url=url)))


@click.group(invoke_without_command=True)
@CONFIG
@_DOOR
@click.option("--source", help="Only those of this source.")
@click.pass_context
def webhooks(context: click.Context, config: Path | None, url: str | None, source: str | None) -> None:
    """List what third parties delivered and nobody could map."""
    if context.invoked_subcommand is not None:
        return
    from hub.commands.webhooks import run_list  # noqa: PLC0415

    sys.exit(run(run_list(config, context.obj, url=url, source=source)))


@webhooks.command()
@_NUMBER
@CONFIG
@_DOOR
@click.pass_obj
def show(environ: Mapping[str, str], number: int, config: Path | None, url: str | None) -> None:
    """Print one delivery whole, as it came."""
    from hub.commands.webhooks import run_show  # noqa: PLC0415

    sys.exit(run(run_show(config, environ, number, url=url)))


@webhooks.command()
@click.argument("number", metavar="ID", type=int, required=False)
@click.option("--all", "is_all", is_flag=True, help="All that are parked.")
@CONFIG
@_DOOR
@click.pass_obj
def replay(
    environ: Mapping[str, str], number: int | None, config: Path | None, url: str | None, *, is_all: bool
) -> None:
    """Try one parked delivery again, or all; a reload does so by itself."""
    if (number is None) != is_all:
        raise click.UsageError("name one ID, or --all")
    from hub.commands.webhooks import run_replay  # noqa: PLC0415

    sys.exit(run(run_replay(config, environ, number, url=url)))


@webhooks.command()
@_NUMBER
@CONFIG
@_DOOR
@click.pass_obj
def dismiss(environ: Mapping[str, str], number: int, config: Path | None, url: str | None) -> None:
    """Wait for a parked delivery no more, and forget what it said."""
    from hub.commands.webhooks import run_dismiss  # noqa: PLC0415

    sys.exit(run(run_dismiss(config, environ, number, url=url)))


@webhooks.command()
@click.argument("source")
@click.option("--since", type=str, help="From this time on, like 2026-11-01T00:00:00Z; default: from where it is.")
@CONFIG
@_DOOR
@click.pass_obj
def reconcile(environ: Mapping[str, str], source: str, since: str | None, config: Path | None, url: str | None) -> None:
    """Ask a third party for what its deliveries missed, and wait until that is done."""
    begins = _time_in(since)
    from hub.commands.reconciling import run_reconcile  # noqa: PLC0415

    sys.exit(run(run_reconcile(config, environ, source, begins, url=url)))


def _time_in(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise click.UsageError("--since is a time with its offset, like 2026-11-01T00:00:00Z")
    return time


@click.group(invoke_without_command=True)
@CONFIG
@_DOOR
@click.option("--open", "is_open", is_flag=True, help="Only those that nobody settled.")
@click.option("--kind", help="Only those of this type, such as applied_twice.")
@click.option(
    "--limit", type=click.IntRange(1, PAGE_ITEMS_MAX), default=100, show_default=True, help="At most so many."
)
@click.pass_context
def alerts(
    context: click.Context, config: Path | None, url: str | None, kind: str | None, limit: int, *, is_open: bool
) -> None:
    """List what the hub noticed by itself, newest first."""
    if context.invoked_subcommand is not None:
        return
    from hub.commands.alerts import run_list  # noqa: PLC0415

    sys.exit(run(run_list(config, context.obj, url=url, type=kind, limit=limit, is_open=is_open)))


@alerts.command()
@click.argument("alert_id", metavar="ID")
@click.option("--why", required=True, help="What was found, and done about it.")
@CONFIG
@_DOOR
@click.pass_obj
def settle(environ: Mapping[str, str], alert_id: str, why: str, config: Path | None, url: str | None) -> None:
    """Say that you looked at an alert and are done with it; it stays in the ledger."""
    from hub.commands.alerts import run_settle  # noqa: PLC0415

    sys.exit(run(run_settle(config, environ, alert_id, url=url, why=why)))
