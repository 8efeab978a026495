"""The words of `hub load` on the command line, and their limits."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hub.commands.running import CONFIG, run
from hub.load.options import (
    CONNECTIONS_MAX,
    DURATION_SECONDS_MAX,
    PROCESSES_MAX,
    RATE_MAX,
    SKUS_MAX,
    SOCKETS_MAX,
    WATCH_MAX,
    LoadOptions,
)
from protocol.limits import EVENTS_PER_ARRAY_MAX, QUANTITY_MAX

# What a load does that is told neither --rate nor --connections.
RATE_USUAL = 100.0
# Nothing that is sold by a load of a day runs out.
UNITS_USUAL = 100_000

_FILE = click.Path(path_type=Path, dir_okay=False)
_PACE = [
    click.option("--rate", type=click.FloatRange(0.01, RATE_MAX), help="Requests a second, by a schedule (open loop)."),
    click.option(
        "--arrivals",
        type=click.Choice(["poisson", "constant"]),
        default="poisson",
        show_default=True,
        help="How the schedule of --rate is drawn.",
    ),
    click.option(
        "--connections",
        type=click.IntRange(1, CONNECTIONS_MAX),
        help="Without --rate: each sends once it is answered (closed loop). With it: at most so many; default: 64.",
    ),
    click.option(
        "--duration", type=click.IntRange(1, DURATION_SECONDS_MAX), default=10, show_default=True, help="Seconds."
    ),
    click.option(
        "--warmup",
        type=click.IntRange(0, DURATION_SECONDS_MAX),
        default=2,
        show_default=True,
        help="Seconds of these that are judged but not measured.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(1, PROCESSES_MAX),
        default=1,
        show_default=True,
        help="Generators side by side, to use more cores.",
    ),
]
_CONTENT = [
    click.option(
        "--array",
        type=click.IntRange(1, EVENTS_PER_ARRAY_MAX),
        default=1,
        show_default=True,
        help="Events in one request.",
    ),
    click.option("--skus", type=click.IntRange(1, SKUS_MAX), default=100, show_default=True, help="SKUs of its own."),
    click.option(
        "--skew",
        type=click.Choice(["uniform", "hot", "zipf"]),
        default="uniform",
        show_default=True,
        help="How they are chosen; hot: half of all is one SKU.",
    ),
    click.option(
        "--reserve",
        type=click.FloatRange(0.0, 1.0),
        default=0.0,
        show_default=True,
        help="The part of all requests that reserves, confirms or releases.",
    ),
    click.option(
        "--sockets", type=click.IntRange(0, SOCKETS_MAX), default=0, show_default=True, help="WebSockets that watch."
    ),
    click.option(
        "--watch",
        type=click.IntRange(1, WATCH_MAX),
        default=10,
        show_default=True,
        help="SKUs that each of them watches.",
    ),
    click.option("--random-seed", type=int, help="To draw the same again; default: another each time."),
]
_WHERE = [
    CONFIG,
    click.option("--url", help="The hub's HTTP door; default: a private hub in a temporary folder."),
    click.option("--live", help="Its live door, like ws://127.0.0.1:8081; default: as configured."),
    click.option("--token", "bearer", help="What to act as; default: made from the configuration."),
    click.option("--location", help="Where it sells; default: the house's first that --pool sees."),
    click.option("--pool", help="For which pool; default: the house's first that shows numbers without a cap."),
    click.option("--name", default="LOAD", show_default=True, help="What the names of its SKUs and ids begin with."),
    click.option(
        "--seed", "is_seeding", is_flag=True, help="Let units of its SKUs arrive first; a private hub always."
    ),
    click.option(
        "--units",
        type=click.IntRange(1, QUANTITY_MAX),
        default=UNITS_USUAL,
        show_default=True,
        help="How many of each SKU are there then.",
    ),
    click.option("--yes-really-load", "consent", metavar="URL", help="Repeat --url, where it is not on this machine."),
    click.option("--json", "json_file", type=_FILE, help="Write all that was found to this file."),
    click.option("--report", type=_FILE, help="Write a page with charts to this file."),
]


def load_words(
    environ: Mapping[str, str], stop_signal: Callable[[], asyncio.Event], set_up_logs: Callable[[str], None]
) -> click.Command:
    """The command `load`."""

    def load(config: Path | None, **given: Any) -> None:
        """Load a hub, measure it, and judge whether what it answered is what it then has.

        Exit code 0: all that was judged is right; 1: something is not; 2: the load could not be run.
        """
        from hub.commands.load import Asked, run_load_command  # noqa: PLC0415

        set_up_logs("warning")
        names = ("url", "live", "bearer", "location", "pool", "consent", "json_file", "report")
        asked = Asked(config=config, **{name: given[name] for name in names})
        sys.exit(run(run_load_command(asked, _options(given), environ, stop_signal)))

    for option in reversed([*_PACE, *_CONTENT, *_WHERE]):
        load = option(load)
    return click.command("load")(load)


def _options(given: Mapping[str, Any]) -> LoadOptions:
    is_usual = given["rate"] is None and given["connections"] is None
    is_seeded = given["is_seeding"] or given["url"] is None
    drawn = given["random_seed"]
    same = ("arrivals", "array", "skus", "skew", "reserve", "sockets", "watch", "processes", "name")
    return LoadOptions(
        rate=RATE_USUAL if is_usual else given["rate"],
        connections=given["connections"] or 64,
        duration_seconds=given["duration"],
        warmup_seconds=given["warmup"],
        seed_units=given["units"] if is_seeded else 0,
        random_seed=secrets.randbelow(2**31) if drawn is None else drawn,
        **{name: given[name] for name in same},
    )
