"""A running hub takes a changed file, or says beforehand what that would change.

A file with a mistake changes nothing. The keys of one without are taken first, whatever Redis says or whether it
answers: who is shut out shall be. The house is taken whole or not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import structlog

from hub.access import Access
from hub.credentials import AccessSettings, with_a_key
from hub.domain.pools import Shown, Status
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.settings import Channel, Hook, Reading, Settings, needs_restart
from hub.stock.preview import Preview
from hub.stores import Stores
from protocol.answers import rfc3339

log = structlog.get_logger()

# Reads the settings anew, from the hub's own file or from this text in its place; may raise SettingsInvalid.
Reread = Callable[[str | None], Reading]

# Problems that are told at once; a file with more is another file.
PROBLEMS_MAX = 1_000
PROBLEMS_LOGGED_MAX = 20


class ShownValue(msgspec.Struct, frozen=True):
    """What a pool shows; no number where it shows only a status."""

    available: int | None
    status: str
    # When more is expected, RFC 3339; left out where that is not said.
    eta: str | msgspec.UnsetType = msgspec.UNSET


class SkuChange(msgspec.Struct, frozen=True):
    """One SKU in one pool, before and after; null where there is no such pool."""

    sku: str
    pool: str
    before: ShownValue | None = msgspec.field(name="from")
    after: ShownValue | None = msgspec.field(name="to")


class ReloadAnswer(msgspec.Struct, frozen=True):
    """What a reload did, or would do."""

    # A dry run: whether it would.
    changed: bool
    # Of the house that holds now.
    rules_version: int
    # Changed settings that are not taken by a running hub, like `hub.http`.
    needs_restart: tuple[str, ...] = ()
    # Not empty: the house was not taken; `changed` says whether keys were, which a mistake in the file prevents.
    problems: tuple[str, ...] = ()
    # Only of a dry run.
    skus: tuple[SkuChange, ...] = ()
    skus_total: int = 0
    # More would change than `skus` lists.
    truncated: bool = False
    # Processes that took it: this one, and those that the same `hub serve` started.
    processes: int = 1
    # What those of them say that did not take it.
    others: tuple[str, ...] = ()


class Others(NamedTuple):
    """The other processes that the same `hub serve` started."""

    # So many took the changed file.
    taken: int
    # What those say that did not.
    refused: tuple[str, ...]


async def _no_others() -> Others:
    return Others(0, ())


class Reloading:
    """The reloads of one hub, one after the other."""

    def __init__(self, started_with: Settings, reread: Reread | None, stores: Stores, access: Access) -> None:
        self._started_with = started_with
        self._reread = reread
        self._stores = stores
        self._access = access
        # Called when the keys have changed; for whoever goes on by claims of an earlier request.
        self.on_keys: list[Callable[[], None]] = []
        # Has other hooks or channels sent to; answers whether they are others than before.
        self.take_hooks: Callable[[Sequence[Hook]], bool] = lambda hooks: False
        self.take_channels: Callable[[Sequence[Channel]], bool] = lambda channels: False
        self._hooks, self._channels = started_with.hooks, started_with.channels
        # Has the other processes take the changed file too.
        self.have_others_reload: Callable[[], Awaitable[Others]] = _no_others
        self._turn = asyncio.Lock()
        self._is_trying = False

    async def reload(self) -> ReloadAnswer:
        """Take the hub's file as it is now, and log it: nothing where it is wrong, else its keys, and its house whole.

        Unless it is wrong the other processes take it too, whatever Redis says here: keys are each process's own.

        Raises:
            Unavailable: the keys are taken; the house is not, or whether it is is unknown.
        """
        try:
            answer = await self.reload_alone()
        except Fault:
            _log_others(await self.have_others_reload())
            raise
        if answer.problems and not answer.changed:
            return answer
        others = await self.have_others_reload()
        _log_others(others)
        return msgspec.structs.replace(answer, processes=1 + others.taken, others=others.refused[:PROBLEMS_MAX])

    async def reload_alone(self) -> ReloadAnswer:
        """The same in this process only.

        Raises:
            Unavailable: as `reload`.
        """
        try:
            async with self._turn:
                answer = await self._reload()
        except Fault as fault:
            log.error("the reload failed", reason=str(fault))
            raise
        _log(answer)
        return answer

    async def dry_run(self, text: str | None) -> ReloadAnswer:
        """Say what a reload would change, with the hub's own file or this text in its place; nothing changes.

        Raises:
            Unavailable: another dry run is under way, or Redis did not answer.
        """
        if self._is_trying:
            raise Unavailable("another dry run is under way", 5)
        self._is_trying = True
        try:
            reading = await self._checked(text)
            if reading.problems:
                return self._refused(reading)
            changed, found = await self._stores.adopting.try_out(reading.settings.house)
            is_other = self._other_keys(reading) is not None or reading.settings.hooks != self._hooks
            is_other |= reading.settings.channels != self._channels
            return self._answer(reading, changed or is_other, found)
        finally:
            self._is_trying = False

    async def log_reload(self) -> None:
        """Reload for a signal, which gets no answer: how it went is in the log."""
        with suppress(Fault):
            await self.reload()

    async def _reload(self) -> ReloadAnswer:
        reading = await self._read(None)
        if reading.problems:
            return self._refused(reading)
        # Before Redis is asked for anything: who is shut out shall be, whether it answers or not.
        keys_changed = self._take_keys(reading)
        try:
            conflicts = await self._stores.adopting.conflicts(reading.settings.house)
        except Fault as fault:
            raise _keys_only(fault, "the house is not") from fault
        if conflicts:
            return self._refused(Reading(reading.settings, conflicts), changed=keys_changed)
        try:
            changed = await self._stores.adopting.adopt(reading.settings.house)
        except Fault as fault:
            raise _keys_only(fault, "whether the house is is unknown") from fault
        hooks_changed = self.take_hooks(reading.settings.hooks)
        channels_changed = self.take_channels(reading.settings.channels)
        self._hooks, self._channels = reading.settings.hooks, reading.settings.channels
        return self._answer(reading, changed or keys_changed or hooks_changed or channels_changed)

    def _take_keys(self, reading: Reading) -> bool:
        other_secrets = self._stores.webhooks.taking.accounts.take(reading.settings.secrets)
        keys = self._other_keys(reading)
        if keys is None:
            return other_secrets
        self._access.take(keys)
        for recheck in self.on_keys:
            recheck()
        return True

    def _other_keys(self, reading: Reading) -> AccessSettings | None:
        """The keys of the settings; None where the hub accepts just these."""
        keys = with_a_key(reading.settings.access, self._started_with.hub.data_dir)
        return None if keys == self._access.keys else keys

    async def _checked(self, text: str | None) -> Reading:
        """The settings, with what is wrong in the file or against what the partition holds."""
        reading = await self._read(text)
        if reading.problems:
            return reading
        return Reading(reading.settings, await self._stores.adopting.conflicts(reading.settings.house))

    async def _read(self, text: str | None) -> Reading:
        if self._reread is None:
            return Reading(Settings(), ["this hub was started without a file that could be read again"])
        try:
            # A large file takes a while, and sales go on meanwhile.
            return await asyncio.to_thread(self._reread, text)
        except SettingsInvalid as error:
            return Reading(Settings(), [str(error)])

    def _refused(self, reading: Reading, *, changed: bool = False) -> ReloadAnswer:
        problems = tuple(reading.problems[:PROBLEMS_MAX])
        return ReloadAnswer(changed, self._stores.kernel.rules_version, problems=problems)

    def _answer(self, reading: Reading, changed: bool, found: Preview | None = None) -> ReloadAnswer:
        found = found or Preview()
        return ReloadAnswer(
            changed=changed,
            rules_version=self._stores.kernel.rules_version,
            needs_restart=tuple(needs_restart(self._started_with, reading.settings)),
            skus=tuple(
                SkuChange(sku, each.pool, _value(each.before), _value(each.after)) for sku, each in found.listed
            ),
            skus_total=found.skus_total,
            truncated=found.is_truncated,
        )


def _log_others(others: Others) -> None:
    for why in others.refused[:PROBLEMS_LOGGED_MAX]:
        log.error("another process did not take the file", reason=why)


def _log(answer: ReloadAnswer) -> None:
    for problem in answer.problems[:PROBLEMS_LOGGED_MAX]:
        what = "only keys were changed" if answer.changed else "nothing was changed"
        log.error(f"the file is refused; {what}", problem=problem)
    if not answer.problems:
        log.info("reloaded", changed=answer.changed, rules_version=answer.rules_version)
    if answer.needs_restart:
        log.warning("some changes need a restart", settings=list(answer.needs_restart))


def _keys_only(fault: Fault, house: str) -> Unavailable:
    return Unavailable(f"the keys are taken, {house}: {fault}", getattr(fault, "retry_after_seconds", 5))


def _value(shown: Shown | None) -> ShownValue | None:
    if shown is None:
        return None
    eta = rfc3339(shown.eta_ms) if shown.eta_ms else msgspec.UNSET
    return ShownValue(None if shown.available < 0 else shown.available, Status(shown.status).word, eta)
