"""The words of `hub hooks`."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from hub.commands.running import CONFIG, run


def hook_words(environ: Mapping[str, str]) -> click.Group:
    """The group, for a process with this environment."""

    @click.group("hooks", invoke_without_command=True)
    @CONFIG
    @click.pass_context
    def hooks(context: click.Context, config: Path | None) -> None:
        """List the hooks: how far each was told of the feed, and what of it was not taken.

        The hub may run, or be stopped.
        """
        if context.invoked_subcommand is None:
            from hub.commands.hooks import run_list  # noqa: PLC0415

            sys.exit(run(run_list(config, environ)))

    @hooks.command()
    @click.argument("hook", metavar="ID")
    @CONFIG
    def dead(hook: str, config: Path | None) -> None:
        """List the messages of a hook that are tried no more."""
        from hub.commands.hooks import run_dead  # noqa: PLC0415

        sys.exit(run(run_dead(config, environ, hook)))

    @hooks.command()
    @click.argument("hook", metavar="ID")
    @CONFIG
    def resume(hook: str, config: Path | None) -> None:
        """Send again to a hook whose receiver answered 410."""
        from hub.commands.hooks import run_resume  # noqa: PLC0415

        sys.exit(run(run_resume(config, environ, hook)))

    @hooks.command()
    @click.argument("hook", metavar="ID")
    @CONFIG
    @click.option("--after", help="Tell again what stands behind this cursor of the feed.")
    @click.option("--until", help="Up to this one; default: up to what the hook was told.")
    @click.option("--dead", "is_dead", is_flag=True, help="Send again what is tried no more.")
    def replay(hook: str, config: Path | None, after: str | None, until: str | None, is_dead: bool) -> None:
        """Send to a hook again, under the same ids."""
        from hub.commands.hooks import run_replay  # noqa: PLC0415

        if (after is None) != is_dead or (until is not None and after is None):
            raise click.UsageError("give --dead, or --after and perhaps --until")
        sys.exit(run(run_replay(config, environ, hook, after=after, until=until)))

    return hooks
