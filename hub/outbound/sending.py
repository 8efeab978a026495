"""All channels of one process, each with a task of its own, and what a reload does to them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog

from hub.faults import Fault
from hub.outbound.filing import FileTarget
from hub.outbound.means import Means
from hub.outbound.selling import ShopTarget
from hub.outbound.sender import Sender
from hub.settings.tree import Channel
from hub.tasks import end
from hub.telemetry import Metrics

log = structlog.get_logger()


class _Running(NamedTuple):
    sender: Sender
    task: asyncio.Task[None]


class Channels:
    """Tells the channels of the settings; `run` in a task."""

    def __init__(self, channels: Sequence[Channel], means: Means) -> None:
        self.channels = tuple(channels)
        self._means = means
        self._running: dict[str, _Running] = {}
        self._following: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        # Channels that metrics were told of.
        self._told: set[str] = set()
        self._slow_down()

    def take(self, channels: Sequence[Channel]) -> bool:
        """Tell these from now on; False: they are those already."""
        if tuple(channels) == self.channels:
            return False
        self.channels = tuple(channels)
        self._slow_down()
        self._changed.set()
        return True

    def note_house_changed(self) -> None:
        """What pools show may be another thing."""
        self._means.following.note_house_changed()

    async def run(self) -> None:
        """Tell until cancelled."""
        self._following = asyncio.create_task(self._means.following.run(), name="channels follow")
        try:
            while True:
                self._changed.clear()
                wanted = {channel.id: channel for channel in self.channels}
                await self._end([each for id, each in self._running.items() if each.sender.channel != wanted.get(id)])
                for channel in wanted.values():
                    if channel.id not in self._running:
                        self._start(channel)
                await self._changed.wait()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Tell nobody any more; what they work with may be closed then."""
        following = () if self._following is None else (self._following,)
        await end([*following, *(each.task for each in self._running.values())])
        await self._means.memory.aclose()
        await self._means.caller.aclose()

    def take_readings(self, metrics: Metrics) -> None:
        """Tell how every channel is that this process tells, and nothing of others."""
        found = {id: reading for id, each in self._running.items() if (reading := each.sender.reading()) is not None}
        gauges = metrics.of_channels()
        for id in self._told - found.keys():
            for gauge in gauges:
                gauge.remove(id)
        self._told = set(found)
        for id, (note, dead, lag_seconds) in found.items():
            values = (note.waiting, dead, lag_seconds, note.drifting, note.circuit == "open")
            for gauge, value in zip(gauges, values, strict=True):
                gauge.labels(id).set(value)

    def _slow_down(self) -> None:
        slowed: dict[str, float] = {}
        for channel in self.channels:
            if channel.source and channel.requests_per_second is not None:
                # Of several channels of one account the slowest says it.
                slowed[channel.source] = min(channel.requests_per_second, slowed.get(channel.source, 1e9))
        self._means.allowances.slowed = slowed

    def _start(self, channel: Channel) -> None:
        means = self._means
        target = ShopTarget(channel, means) if channel.file is None else FileTarget(channel, means)
        sender = Sender(channel, target, means)
        self._running[channel.id] = _Running(sender, asyncio.create_task(sender.run(), name="channel"))
        log.info("channel", channel=channel.id, pool=channel.pool, to=channel.source or str(channel.file))

    async def _end(self, ended: list[_Running]) -> None:
        await end(each.task for each in ended)
        for each in ended:
            del self._running[each.sender.channel.id]
            # What ended in the middle of a question has lost its connection, and the locks with it.
            with suppress(Fault):
                await self._means.memory.release(each.sender.channel.id)
