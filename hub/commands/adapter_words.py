"""The words of `hub adapters`; what they do is in modules of their own, loaded when asked for."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from hub.commands.running import CONFIG, run

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group(invoke_without_command=True)
@CONFIG
@click.pass_context
def adapters(context: click.Context, /, **_of_send: Path | None) -> None:
    """List the dialects of third parties that the hub reads."""
    if context.invoked_subcommand is None:
        from hub.commands.adapters import run_list  # noqa: PLC0415

        sys.exit(run_list())


@adapters.command()
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="The folder; default: NAME-hub.")
def new(name: str, into: Path | None) -> None:
    """Begin an adapter: a module to fill in and an example of a recording.

    In a folder that holds the hub's own source they go among its own; anywhere else into a package of their own.
    """
    from hub.commands.scaffolding import run_new  # noqa: PLC0415

    sys.exit(run_new(name, into))


@adapters.command()
@click.argument("name")
@click.option("--in", "folder", type=_FOLDER, help="The folder of its package, where that is not installed.")
@click.option("--recordings", type=_FOLDER, help="Where they are; default: beside the adapter.")
def check(name: str, folder: Path | None, recordings: Path | None) -> None:
    """Look whether an adapter keeps its promises, and say what to do next where it does not.

    Exit code 0: it keeps all; 1: it does not, or nothing is there yet to look at.
    """
    from hub.commands.checking import run_check  # noqa: PLC0415

    sys.exit(run_check(name, folder, recordings))


@adapters.command()
@click.argument("name")
@click.argument("topic", required=False)
@click.option("--in", "folder", type=_FOLDER, help="The folder of its package, where that is not installed.")
@click.option("--to", help="The door; default: that of --source at the hub of --config.")
@click.option("--secret-env", help="The variable that holds the secret to sign with.")
@CONFIG
@click.option("--source", help="The source of the file whose secret and address it is.")
@click.option("--body", type=click.Path(path_type=Path, dir_okay=False), help="Send this in place of the sample's.")
@click.pass_obj
def send(environ: Mapping[str, str], /, name: str, topic: str | None, **options: str | Path | None) -> None:
    """Send a hub a sample of a topic, signed as the vendor does."""
    from hub.commands.sending import run_send  # noqa: PLC0415

    sys.exit(run(run_send(name, topic, environ, **options)))  # type: ignore[arg-type]
