"""Channels of the settings: whether each can be told, and whether that would do harm."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from adapters.discovery import UnusableAdapter, adapter_named
from adapters.offering import Offering
from hub.domain.catalogue import HouseSettings, SourceSettings
from hub.settings.house_checks import check_known, check_once
from hub.settings.problems import Problems
from hub.settings.tree import Channel, ChannelSettings

# Between two files, where nothing is said.
EVERY_SECONDS = 300
# What only one of the two forms has.
_FOR_FILES = ("every_seconds", "sku_column", "quantity_column")
_FOR_VENDORS = ("requests_per_second",)


def settled_channels(
    tables: Sequence[ChannelSettings], house: HouseSettings, folder: Path, problems: Problems
) -> tuple[Channel, ...]:
    """Every channel as it is told; one that is not fit for use is a problem, and left out."""
    check_once("channel", "id", [table.id for table in tables], problems)
    found: list[Channel] = []
    targets: dict[object, str] = {}
    for place, table in enumerate(tables):
        path, known = f"channel[{place}]", len(problems)
        if problems.inside(path):
            continue
        _check_pool(table, house, path, problems)
        _check_target(table, house, path, problems)
        channel = _settled(table, house, folder)
        # Two that tell the same place would undo each other's numbers for ever.
        target = channel.file or (channel.source, channel.location)
        if targets.setdefault(target, table.id) != table.id:
            problems.add(path, f"the channel {targets[target]} tells the same place; one number can be right there")
        elif channel.source and (other := _all_of(channel, found)):
            problems.add(path, f"the channel {other} tells the same account; name a location in each of them")
        if len(problems) == known:
            found.append(channel)
    return tuple(found)


def _all_of(channel: Channel, others: Sequence[Channel]) -> str | None:
    """Another channel of the account, where one of the two tells a number for all of it."""
    return next(
        (other.id for other in others if other.source == channel.source and not (other.location and channel.location)),
        None,
    )


def _settled(table: ChannelSettings, house: HouseSettings, folder: Path) -> Channel:
    addresses = {source.id: source.api_url for source in house.sources}
    return Channel(
        id=table.id,
        pool=table.pool,
        source=table.source or "",
        api_url=addresses.get(table.source or "") or "",
        location=table.location,
        keep_back=table.keep_back,
        requests_per_second=table.requests_per_second,
        file=None if table.file is None else Path(os.path.normpath(folder / table.file)),
        every_seconds=table.every_seconds or EVERY_SECONDS,
        columns=(table.sku_column or "sku", table.quantity_column or "quantity"),
    )


def _check_pool(table: ChannelSettings, house: HouseSettings, path: str, problems: Problems) -> None:
    pools = {pool.id: pool for pool in house.pools}
    check_known("pool of the house", table.pool, list(pools), f"{path}.pool", problems)
    pool = pools.get(table.pool)
    if pool is not None and pool.show == "status":
        problems.add(f"{path}.pool", f'the pool {pool.id} has show = "status", so it has no number to tell')


def _check_target(table: ChannelSettings, house: HouseSettings, path: str, problems: Problems) -> None:
    if (table.source is None) == (table.file is None):
        problems.add(path, "give it a source, whose shop is told, or a file, one of them")
        return
    without_effect = _FOR_FILES if table.file is None else (*_FOR_VENDORS, "location")
    for key in without_effect:
        if getattr(table, key):
            problems.add(
                f"{path}.{key}", f"is without effect in a channel with a {'source' if table.source else 'file'}"
            )
    if table.source is None:
        return
    sources = {source.id: source for source in house.sources}
    check_known("source of the house", table.source, list(sources), f"{path}.source", problems)
    if source := sources.get(table.source):
        _check_source(table, source, path, problems)


def _check_source(table: ChannelSettings, source: SourceSettings, path: str, problems: Problems) -> None:
    """Whether the account can be told, and may be."""
    if source.levels == "count":
        problems.add(
            f"{path}.source",
            f'the source {source.id} has levels = "count": it masters its stock, and would be told its own numbers',
        )
    try:
        adapter = adapter_named(source.adapter) if source.adapter else None
    except UnusableAdapter:
        # The source says it.
        return
    if not isinstance(adapter, Offering):
        what = f"its adapter {source.adapter} cannot tell a shop what is available" if adapter else "it has no adapter"
        problems.add(f"{path}.source", f"the source {source.id} cannot be told: {what}")
        return
    if source.api_url is None or (source.token_env is None and source.token_file is None):
        problems.add(f"{path}.source", f"the source {source.id} needs an api_url and a token to be told anything")
    location = table.location or ""
    if re.fullmatch(adapter.location_pattern, location) is None:
        if not location:
            what = f"is missing: {source.adapter} counts by place, so say which by its own id of it"
        elif adapter.location_pattern:
            what = f'"{location}" is no id of a place at {source.adapter}; those match {adapter.location_pattern}'
        else:
            what = f"is without effect: {source.adapter} counts one number for all places"
        problems.add(f"{path}.location", what)
    most = adapter.allowance.per_second
    if table.requests_per_second is not None and table.requests_per_second > most:
        problems.add(f"{path}.requests_per_second", f"is more than the adapter {source.adapter} allows, {most:g}")
