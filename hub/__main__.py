"""The command line. Errors of use are one clear sentence and exit code 2."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from time import time
from typing import Any

import click

from hub.commands.adapter_words import adapters
from hub.commands.channel_words import channels
from hub.commands.hook_words import hook_words
from hub.commands.load_words import load_words
from hub.commands.running import CONFIG as _CONFIG
from hub.commands.running import run as _run
from hub.commands.waiting import alerts, parked, webhooks
from hub.crashpoints import crash
from hub.faults import Fault
from hub.roles import ROLES, Role
from hub.settings import KEYS_ONLY, NO_KEEPER, check, load, read

# Signals this close together are one request to stop.
SAME_SIGNAL_SECONDS = 1.0
# Of one `hub serve`; more than a machine has cores help nobody.
WORKERS_MAX = 64


class _Commands(click.Group):
    """Faults and errors of use end in one sentence on standard error, not in a page of usage or a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        extra["standalone_mode"] = False
        # For groups that stand in a module of their own.
        extra.setdefault("obj", os.environ)
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.Abort:
            sys.exit(130)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.ClickException as error:
            _fail(error.format_message())
        except Fault as fault:
            _fail(str(fault))


def _fail(sentence: str) -> None:
    click.echo(f"hub: {sentence}", err=True)
    sys.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="inventory-sync-hub", message="hub %(version)s")
def main() -> None:
    """Real-time inventory hub: one script takes the last bag, every screen knows within milliseconds."""


@main.command()
@_CONFIG
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.option("--workers", type=click.IntRange(1, WORKERS_MAX), help="So many processes that share the doors.")
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    help="What to do of a hub: the HTTP door, the live door, what one does for all; repeat; none given: all.",
)
@click.option("--given", is_flag=True, hidden=True, help="One of several, which standard input says more of.")
def serve(config: Path | None, log_level: str, workers: int | None, roles: tuple[Role, ...], given: bool) -> None:
    """Run the hub until it is told to stop."""
    # Before anything else: without a handler it would end the process. Who asks before there is a hub is heard then.
    asked_early = _reloads_asked()
    # `hub token` need not load the servers.
    from hub.commands.serving import serve_alone, serve_given, serve_several  # noqa: PLC0415

    _set_up_logs(log_level)
    crash.arm(os.environ)
    share = (config, os.environ, frozenset(roles or ROLES), _stop_signal, asked_early)
    if workers is not None and not given:
        _run(serve_several(*share, workers=workers, log_level=log_level))
    else:
        _run(serve_given(*share) if given else serve_alone(*share))


@main.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="hub.toml")
def check_file(file: Path) -> None:
    """Say what is wrong with a hub.toml, with line and key, and what it would change at its running hub."""
    found = check(file, os.environ)
    for sentence in found:
        click.echo(sentence, err=True)
    if found:
        sys.exit(2)
    settings, _, warnings = read(file, os.environ)
    for sentence in warnings:
        click.echo(f"warning: {sentence}", err=True)
    house = settings.house
    counts = (f"{len(house.locations)} location", f"{len(house.pools)} pool", f"{len(house.skus)} SKU")
    click.echo(" · ".join([f"{file}: good", *(text + "s" * (not text.startswith("1 ")) for text in counts)]))
    from hub.commands.reload import try_at_running_hub  # noqa: PLC0415

    _run(try_at_running_hub(file, settings))


@main.command()
@_CONFIG
@click.option("--dry-run", is_flag=True, help="Change nothing; say which SKUs would be shown otherwise.")
@click.option("--url", help="The hub's admin door; default: as configured.")
def reload(config: Path | None, dry_run: bool, url: str | None) -> None:
    """Let the running hub take its changed file: its keys first, the rest whole or not at all."""
    from hub.commands.reload import run_reload  # noqa: PLC0415

    sys.exit(_run(run_reload(config, os.environ, dry_run=dry_run, url=url)))


@main.command()
@_CONFIG
@click.option("--sub", required=True, help="Who acts.")
@click.option("--source", help="Which system sends: the space of event ids; default: as --sub.")
@click.option("--scope", multiple=True, help="What it may do, for example events:write; repeat.")
@click.option("--pool", multiple=True, help="Which pools it may touch and see; repeat; none given: all.")
@click.option("--location", multiple=True, help="Which locations it may touch and see; repeat; none given: all.")
@click.option("--ttl", default="8h", help="How long it lasts: 90s, 30m, 8h, 7d.")
@click.option("--key", "as_key", is_flag=True, help="Make an opaque key without an end, and print its [[key]].")
def token(config: Path | None, as_key: bool, ttl: str, **claims: Any) -> None:
    """Print a token, alone on the last line."""
    from hub.commands.token import make_key, make_token  # noqa: PLC0415

    settings = load(config, os.environ, needed=NO_KEEPER if as_key else KEYS_ONLY)
    if as_key:
        text, table = make_key(**claims)
        click.echo(table, err=True)
        click.echo(text)
    else:
        click.echo(make_token(settings, ttl=ttl, now=time(), **claims))


@main.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the demo's stock here.")
def demo(data_dir: Path | None) -> None:
    """Start the sample house with some stock and gentle traffic, and print the address of its page."""
    from hub.commands.demo import run_demo  # noqa: PLC0415

    _set_up_logs("warning")
    _run(run_demo(data_dir, os.environ, _stop_signal))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_CONFIG
@click.option("--url", help="The hub's HTTP door; default: as configured.")
@click.option("--token", "bearer", help="What to send as; default: made from the configuration.")
@click.option("--source", default="replay", show_default=True, help="The space of event ids, with a token made here.")
@click.option("--location", help="Where it happened, for rows that name no location.")
@click.option("--pool", help="Which pool sold.")
@click.option("--columns", help="Which column is what: id=Invoice,sku=Article,quantity=Qty,time=Date,location=Shop.")
@click.option("--timezone", default="UTC", show_default=True, help="Of times without an offset.")
@click.option("--speed", default="max", show_default=True, help="1000x: a thousand times as fast as it was; or max.")
@click.option("--house", is_flag=True, help="Print a hub.toml with the file's locations, and stop.")
def replay(file: Path, config: Path | None, **options: Any) -> None:
    """Feed a sales history through the HTTP door; safe to repeat."""
    from hub.commands.replay import run_replay  # noqa: PLC0415

    sys.exit(_run(run_replay(file, config, os.environ, **options)))


@main.command("import")
@click.argument("file")
@_CONFIG
@click.option("--url", help="The hub's HTTP door; default: as configured.")
@click.option("--token", "bearer", help="What to send as; default: made from the configuration.")
@click.option("--source", default="import", show_default=True, help="The space of event ids, with a token made here.")
@click.option("--kind", type=click.Choice(["system", "physical"]), help="An ERP's book, or a count; default: system.")
@click.option("--at", help="As of when the file is true, RFC 3339; default: now.")
@click.option("--on-error", type=click.Choice(["skip", "abort"]), help="What broken lines do; default: skip.")
@click.option("--location", help="Of lines that name none.")
@click.option("--complete", is_flag=True, help="What is not listed at the listed locations is zero.")
@click.option("--id", help="Of the import; the same again is not booked again.")
def import_books(file: str, config: Path | None, complete: bool, **options: Any) -> None:
    """Make the hub's books what FILE says (CSV or JSON lines, - is standard input); safe to repeat."""
    from hub.commands.importing import run_import  # noqa: PLC0415

    options["complete"] = "true" if complete else None
    sys.exit(_run(run_import(file, config, os.environ, **options)))


main.add_command(parked)
main.add_command(webhooks)
main.add_command(adapters)
main.add_command(alerts)
main.add_command(channels)


@main.command()
@_CONFIG
@click.option("--sku", "skus", multiple=True, help="Of positions check only this SKU's; repeat; none given: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--repair", is_flag=True, help="Set Redis to what the ledger says, where that can be done, and say so.")
def verify(config: Path | None, skus: tuple[str, ...], as_json: bool, repair: bool) -> None:
    """Check that Redis, the ledger and what pools show agree, and name what does not.

    The hub may run, or be stopped. Nothing is changed without --repair. Exit code 0: nothing is wrong, or nothing is
    any more; 1: something is; 2: not everything could be checked.
    """
    from hub.commands.verify import run_verify  # noqa: PLC0415

    _set_up_logs("warning")
    sys.exit(_run(run_verify(config, os.environ, skus, as_json=as_json, repair=repair)))


@main.command()
@_CONFIG
@click.option("--whole", is_flag=True, help="Make all of Redis anew, also where nothing seems wrong.")
def rebuild(config: Path | None, whole: bool) -> None:
    """Make Redis what the ledger says, where it lost something, and say what was done.

    The hub may run, or be stopped; it takes no event meanwhile. What Redis has beyond the ledger is posted first.
    """
    from hub.commands.rebuild import run_rebuild  # noqa: PLC0415

    _set_up_logs("warning")
    sys.exit(_run(run_rebuild(config, os.environ, whole=whole)))


main.add_command(hook_words(os.environ))


@main.command()
@click.argument("name", type=click.Choice(["openapi", "asyncapi"]))
def spec(name: str) -> None:
    """Print what describes a door: `openapi` the HTTP door, `asyncapi` the live one."""
    from protocol.specs.documents import printed  # noqa: PLC0415

    click.echo(printed(name), nl=False)


def _set_up_logs(level: str) -> None:
    from hub.telemetry import set_up_logs  # noqa: PLC0415

    set_up_logs(level)


def _reloads_asked() -> list[int]:
    """The signals to reload that come from now on, until another handler is set; one is remembered."""
    asked: list[int] = []
    # Unlike an ignored signal this is not handed on to the servers that are started.
    signal.signal(signal.SIGHUP, lambda number, frame: asked.append(number) if not asked else None)
    return asked


def _stop_signal() -> asyncio.Event:
    """Set when the process is told to stop; told again after a second, it ends at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def listen_no_more() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def stop() -> None:
        if not told.is_set():
            told.set()
            # A terminal and the program that started us may both pass the same Ctrl-C on.
            loop.call_later(SAME_SIGNAL_SECONDS, listen_no_more)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    return told


main.add_command(load_words(os.environ, _stop_signal, _set_up_logs))

if __name__ == "__main__":
    main()
