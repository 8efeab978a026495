"""`hub replay`: what the options mean, and the token when none was given."""

from collections.abc import Mapping
from pathlib import Path
from time import time

import click

from hub.commands.token import make_token
from hub.replay.file import open_history
from hub.replay.house import house_toml
from hub.replay.options import ReplayOptions, parse_columns, parse_speed
from hub.replay.progress import ProgressBar
from hub.replay.replay import replay
from hub.settings import KEYS_ONLY, NO_KEEPER, Settings, load


async def run_replay(  # noqa: PLR0913 - one keyword for each option of the command
    file: Path,
    config: Path | None,
    environ: Mapping[str, str],
    *,
    url: str | None,
    bearer: str | None,
    source: str,
    location: str | None,
    pool: str | None,
    columns: str | None,
    timezone: str,
    speed: str,
    house: bool,
) -> int:
    """Replay a file, or print its house; the answer is the exit code.

    Raises:
        Fault: see hub.replay.
    """
    mapped = parse_columns(columns) if columns else None
    if house:
        click.echo(house_toml(ReplayOptions(file=file, columns=mapped, location=location, pool=pool)), nl=False)
        return 0
    settings = load(config, environ, needed=NO_KEEPER if bearer else KEYS_ONLY)
    options = ReplayOptions(
        file=file,
        url=url or f"http://{settings.hub.http}",
        token=bearer or _token(settings, source),
        columns=mapped,
        timezone=timezone,
        location=location,
        pool=pool,
        speed=parse_speed(speed),
    )
    with open_history(file):
        pass  # No bar for a file that is not there.
    with ProgressBar() as bar:
        summary = await replay(options, bar)
    click.echo(summary.text())
    return summary.exit_code


def _token(settings: Settings, source: str) -> str:
    """A token of this hub's own, for as long as the longest history takes."""
    return make_token(
        settings,
        sub="replay",
        source=source,
        scope=("events:write",),
        pool=(),
        location=(),
        ttl="7d",
        now=time(),
    )
