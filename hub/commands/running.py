"""What every word of the command line shares: the option that names the house's file, and running to the end."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click


def given_before(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """The option's value, or else what the word before was given: `hub channels --config F show X`."""
    before = context.parent
    while value is None and before is not None:
        value, before = before.params.get(option.name or ""), before.parent
    return value


CONFIG = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=given_before,
    help="The house's hub.toml; without one, a small sample house.",
)


def run(main_job: Coroutine[Any, Any, int | None]) -> int:
    """Run to the end; the answer is the exit code."""
    try:
        return asyncio.run(main_job) or 0
    except KeyboardInterrupt:
        return 130
