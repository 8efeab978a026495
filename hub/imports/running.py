"""All imports of this hub: taken, queued, worked on one after the other, told about, forgotten.

A hub that was stopped or killed takes up where it was: what is running stands in the folder. Processes that share the
folder take imports and tell of them all alike, and one of them works on them: the one that has the folder's lock.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from time import time

import msgspec
import structlog

from hub.access import Claims
from hub.domain.rules import House
from hub.faults import Fault
from hub.imports.receiving import Reception
from hub.imports.spool import Folder
from hub.imports.state import Asked, ImportState
from hub.imports.working import Failed, Worker
from hub.patience import Trouble, news_within
from protocol.codec import Malformed
from protocol.imports import ImportWord
from protocol.limits import IMPORTS_KEPT_MAX

log = structlog.get_logger()

# Beside the one that is worked on; each may fill a spool.
QUEUED_MAX = 10
# Bodies that are read at once, and how long one may take: it keeps others from being read.
RECEIVED_AT_ONCE_MAX = 2
RECEIVING_SECONDS_MAX = 3_600.0
KEPT_MS = 7 * 24 * 60 * 60 * 1000
RETRY_SECONDS = 1.0
# How often a process looks whether another took an import, or works no more.
LOOK_SECONDS = 0.5
# Bytes that are read in one go, about a millisecond's work, and the share of the time that this may take.
_SLICE_BYTES = 8 * 1024
_READING_SHARE = 0.5


class Full(Exception):
    """No further import is taken for now; its text is one sentence."""


class TakenId(Exception):
    """The id was used for another content."""


class Imports:
    """The imports of one hub. Call `open` once; `run` must be running for anything to be booked."""

    def __init__(self, folder: Folder, house: Callable[[], House], worker: Worker) -> None:
        self._folder = folder
        self._house = house
        self._worker = worker
        # As in the folder; the one that this process works on is further than its file.
        self._states: dict[str, ImportState] = {}
        self._worked_on: ImportState | None = None
        self._receiving: set[str] = set()
        self._arrived = asyncio.Event()

    def open(self) -> None:
        """Find what an earlier process of this hub left. Raises Unavailable."""
        self._folder.tidy()
        self._look()

    def _look(self) -> None:
        """Find what other processes took, did and forgot. Raises Unavailable."""
        found = self._folder.states()
        if any(self._lacks_lines(state) for state in found.values()):
            # Perhaps it ended between the two looks at the disk.
            found = self._folder.states()
        if self._worked_on is not None:
            found[self._worked_on.key] = self._worked_on
        self._states = {key: _failed(state) if self._lacks_lines(state) else state for key, state in found.items()}

    def _lacks_lines(self, state: ImportState) -> bool:
        return state.state == "running" and not self._folder.has_spool(state.key)

    def find(self, id: str, may_see: Callable[[str], bool]) -> ImportState | None:
        """The newest import of that id whose source may be seen. Raises Unavailable, as `latest`."""
        return next((state for state in self.latest(may_see) if state.id == id), None)

    def known(self, source: str, digest: str) -> ImportState | None:
        """The newest import of a source whose id begins so."""
        of_source = [state for state in self._states.values() if state.source == source]
        begun = [state for state in of_source if state.id.startswith(digest)]
        return max(begun, key=lambda state: state.started_at_ms, default=None)

    def latest(self, may_see: Callable[[str], bool]) -> list[ImportState]:
        """Those whose source may be seen, newest first, 100 at most. Raises Unavailable: the disk cannot be read."""
        self._look()
        seen = [state for state in self._states.values() if may_see(state.source)]
        return sorted(seen, key=lambda state: state.started_at_ms, reverse=True)[:IMPORTS_KEPT_MAX]

    async def receive(self, asked: Asked, claims: Claims, body: AsyncGenerator[bytes]) -> ImportState:
        """Read an import, check its lines, and take it when nothing speaks against it.

        The state is `aborted` when lines are broken that must not be; nothing is kept of such an import but its state.
        The same import again, under the same id, is told how far it is.

        Raises:
            Full: as many imports as the hub takes are there already.
            TakenId: the id was used for another content.
            Malformed: it cannot be read as a whole.
            Unavailable: the disk is full or cannot be written.
        """
        key, began_ms = asked.key, _now_ms()
        self._check_room(asked)
        self._receiving.add(key)
        try:
            with self._folder.receiving(key) as file:
                reception = Reception(asked, claims, self._house(), file)
                try:
                    async with asyncio.timeout(RECEIVING_SECONDS_MAX):
                        await _feed(reception, body)
                except TimeoutError as error:
                    raise Malformed("It took too long to come; send it in parts.") from error
                state = _state_of(asked, reception, file.tell(), began_ms)
                # In the folder, for another process may have taken it meanwhile.
                kept = await asyncio.to_thread(self._folder.keep, state)
                if kept is not state:
                    if kept.digest != state.digest:
                        raise TakenId
                    self._look()
                    return self._states.get(key, kept)
        finally:
            self._receiving.discard(key)
            # Also after a repetition: what is being received is not worked on.
            self._arrived.set()
        await self._forget()
        return state

    async def run(self) -> None:
        """Work on import after import until cancelled, while no other process does."""
        trouble = Trouble("imports wait", "imports are worked on again")
        try:
            while True:
                try:
                    ready = self._ready() if self._folder.work() else []
                    trouble.note_over()
                except Fault as fault:
                    trouble.note(fault)
                    ready = []
                if ready:
                    self._worked_on = min(ready, key=lambda state: state.started_at_ms)
                    await self._work(self._worked_on)
                else:
                    await news_within(self._arrived, LOOK_SECONDS)
        finally:
            self._worked_on = None
            self._folder.rest()

    def _ready(self) -> list[ImportState]:
        self._look()
        running = [state for state in self._states.values() if state.state == "running"]
        return [state for state in running if state.key not in self._receiving]

    def _check_room(self, asked: Asked) -> None:
        self._look()
        if asked.key in self._receiving:
            raise Full("an import of this id is just being received")
        if len(self._receiving) >= RECEIVED_AT_ONCE_MAX:
            raise Full("as many imports are being received as the hub takes at once")
        waiting = sum(state.state == "running" for state in self._states.values())
        if asked.key not in self._states and waiting + len(self._receiving) > QUEUED_MAX:
            raise Full("as many imports wait as the hub takes")

    async def _work(self, state: ImportState) -> None:
        try:
            await self._worker.work(state)
            await self._end(state, "done")
            return
        except Fault as fault:
            if state.detail is None:
                log.warning("an import waits", id=state.id, reason=str(fault))
            state.detail = f"it waits: {fault}"
        except Failed as failed:
            await self._fail(state, str(failed))
        except Exception:
            # The hub goes on without it.
            log.exception("An import met a defect.", id=state.id)
            await self._fail(state, "the hub has a defect, or the import's lines are damaged")
        await asyncio.sleep(RETRY_SECONDS)

    async def _fail(self, state: ImportState, detail: str) -> None:
        log.warning("an import failed", id=state.id, reason=detail)
        try:
            await self._end(state, "failed", detail)
        except Fault as fault:
            state.detail = f"it failed ({detail}) and waits: {fault}"

    async def _end(self, state: ImportState, word: ImportWord, detail: str | None = None) -> None:
        """Nothing more will be done; it has not ended as long as that is not on the disk."""
        ended = msgspec.structs.replace(state, state=word, ended_at_ms=_now_ms(), detail=detail, pending=None)
        await asyncio.to_thread(self._folder.save, ended)
        self._worked_on = None
        await asyncio.to_thread(self._folder.drop_spool, state.key)
        await self._forget()

    async def _forget(self) -> None:
        """Forget those that ended long ago, and those that are too many."""
        self._look()
        ended = [state for state in self._states.values() if state.ended_at_ms is not None]
        ended.sort(key=lambda state: state.ended_at_ms or 0, reverse=True)
        oldest_ms = _now_ms() - KEPT_MS
        for rank, state in enumerate(ended):
            if rank >= IMPORTS_KEPT_MAX or (state.ended_at_ms or 0) < oldest_ms:
                await asyncio.to_thread(self._folder.forget, state.key)


async def _feed(reception: Reception, body: AsyncGenerator[bytes]) -> None:
    """Read a body in slices, so that sales are answered in between."""
    clock = asyncio.get_running_loop().time
    async with aclosing(body):
        async for more in body:
            for start in range(0, len(more), _SLICE_BYTES):
                began = clock()
                reception.feed(more[start : start + _SLICE_BYTES])
                await asyncio.sleep((clock() - began) * (1 / _READING_SHARE - 1))
    reception.end()


def _state_of(asked: Asked, reception: Reception, size: int, began_ms: int) -> ImportState:
    is_aborted = asked.on_error == "abort" and reception.broken > 0
    return ImportState(
        source=asked.source,
        id=asked.id,
        digest=reception.digest,
        state="aborted" if is_aborted else "running",
        kind=asked.kind,
        # Nobody knows a book of the future.
        at_ms=began_ms if asked.at_ms is None else min(asked.at_ms, began_ms),
        complete=asked.complete,
        lines=reception.lines,
        broken=reception.broken,
        errors=reception.errors,
        locations=reception.locations,
        bytes=size,
        started_at_ms=began_ms,
        ended_at_ms=_now_ms() if is_aborted else None,
        detail="lines are broken; nothing was booked" if is_aborted else None,
    )


def _failed(state: ImportState) -> ImportState:
    detail = "its lines are not there any more"
    return msgspec.structs.replace(state, state="failed", ended_at_ms=state.started_at_ms, detail=detail)


def _now_ms() -> int:
    return int(time() * 1000)
