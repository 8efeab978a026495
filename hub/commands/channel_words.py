"""The words of `hub channels`; what they do is loaded when asked for."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from hub.commands.running import CONFIG, given_before, run

_DOOR = click.option("--url", callback=given_before, help="The hub's HTTP door; default: as configured.")
_CHANNEL = click.argument("channel", metavar="ID")


@click.group(invoke_without_command=True)
@CONFIG
@_DOOR
@click.pass_context
def channels(context: click.Context, config: Path | None, url: str | None) -> None:
    """List the shops and files that hear what a pool has."""
    if context.invoked_subcommand is not None:
        return
    from hub.commands.channels import run_list  # noqa: PLC0415

    sys.exit(run(run_list(config, context.obj, url=url)))


@channels.command()
@_CHANNEL
@CONFIG
@_DOOR
@click.pass_obj
def show(environ: Mapping[str, str], channel: str, config: Path | None, url: str | None) -> None:
    """Print how one of them is, and what of it was given up."""
    from hub.commands.channels import run_show  # noqa: PLC0415

    sys.exit(run(run_show(config, environ, channel, url=url)))


@channels.command()
@_CHANNEL
@click.option("--sku", help="Only this one.")
@CONFIG
@_DOOR
@click.pass_obj
def retry(environ: Mapping[str, str], channel: str, sku: str | None, config: Path | None, url: str | None) -> None:
    """Try again what was given up, or what the vendor did not sell."""
    from hub.commands.channels import run_retry  # noqa: PLC0415

    sys.exit(run(run_retry(config, environ, channel, sku, url=url)))
