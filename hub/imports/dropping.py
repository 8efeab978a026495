"""Books that another system drops into a folder: each file is an import, once it is not written to any more.

An import's id begins with a digest of what the file holds, so the same books again are known, also after a restart.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from secrets import token_hex
from time import time
from typing import BinaryIO, Literal

import structlog

from hub.claims import ALL, Claims
from hub.faults import Fault, Unavailable
from hub.imports.drop_folder import DONE, REFUSED, Changed, DropFolder, Seen
from hub.imports.running import Full, Imports
from hub.imports.state import Asked, ImportState
from hub.imports.told import broken_lines, summary
from hub.party_metrics import PartyMetrics
from hub.patience import Trouble
from hub.settings import DropSettings
from protocol.answers import rfc3339
from protocol.codec import Malformed
from protocol.limits import IMPORT_BYTES_MAX

log = structlog.get_logger()

# A file that is the same after so long is whole: whoever stops longer in the middle must rename it at the end.
LOOK_SECONDS = 3.0
_PIECE_BYTES = 64 * 1024


class Drops:
    """The folders of the settings."""

    def __init__(self, drops: Sequence[DropSettings], imports: Imports, metrics: PartyMetrics) -> None:
        self._drops = [_Drop(drop, imports, metrics) for drop in drops]

    async def run(self) -> None:
        """Look into them until cancelled."""
        async with asyncio.TaskGroup() as together:
            for drop in self._drops:
                together.create_task(drop.run())


class _Drop:
    """One folder."""

    def __init__(self, settings: DropSettings, imports: Imports, metrics: PartyMetrics) -> None:
        self._settings = settings
        self._imports = imports
        self._metrics = metrics
        self._folder = DropFolder(settings.folder)
        self._before: frozenset[Seen] = frozenset()
        # What is imported now, and the import's id.
        self._under_way: tuple[Seen, str] | None = None
        self._trouble = Trouble("a folder of books cannot be used", "a folder of books can be used again")

    async def run(self) -> None:
        try:
            while True:
                await self._look_once()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._folder.close()

    async def _look_once(self) -> None:
        source = self._settings.source
        try:
            seen = await asyncio.to_thread(self._folder.look)
            self._metrics.drop_seen(source, len(seen or ()))
            await self._take_those_at_rest(seen or [])
        except Fault as fault:
            self._metrics.drop_unusable(source)
            self._trouble.note(fault, source=source)
            return
        except Exception:
            # The hub goes on without it.
            log.exception("a folder of books met a defect", source=source)
            self._metrics.drop_unusable(source)
            return
        self._trouble.note_over()

    async def _take_those_at_rest(self, seen: list[Seen]) -> None:
        """One after the other, so that of two files of one place the newer one is booked last."""
        before, self._before = self._before, frozenset(seen)
        if self._under_way is not None and self._under_way[0] not in seen:
            # It goes on by itself; its file is gone.
            self._under_way = None
        fault: Unavailable | None = None
        for file in [each for each in seen if each in before]:
            try:
                if not await self._is_over(file):
                    break
            except Changed:
                # Looked at again, twice.
                self._before -= {file}
            except Full:
                break
            except Unavailable as error:
                # One that may not be read does not keep others from being taken.
                fault = fault or error
        if fault is not None:
            raise fault

    async def _is_over(self, file: Seen) -> bool:
        """Whether a file was put away; False while it is imported."""
        if self._under_way is None or self._under_way[0] != file:
            state = await self._state_of(file)
            if state is None:
                return True
            self._under_way = (file, state.id)
        state = self._imports.known(self._settings.source, self._under_way[1])
        if state is not None and state.state == "running":
            return False
        if state is not None:
            await self._put_away(file, state)
        self._under_way = None
        return True

    async def _state_of(self, file: Seen) -> ImportState | None:
        """The file's import, begun now if it was not before; None: it was put away without."""
        if file.size > IMPORT_BYTES_MAX:
            await self._refuse(file, f"It has more than {IMPORT_BYTES_MAX} bytes; drop it in parts.")
            return None
        digest = await asyncio.to_thread(self._folder.digest, file)
        known = self._imports.known(self._settings.source, digest)
        is_own = known is not None and known.at_ms == file.changed_ms
        if known is not None and (is_own or known.state in {"running", "done"}):
            return known
        try:
            return await self._begin(file, f"{digest}-{token_hex(4)}")
        except Malformed as error:
            await self._refuse(file, error.detail)
            return None

    async def _begin(self, file: Seen, id: str) -> ImportState:
        settings = self._settings
        asked = Asked(
            source=settings.source,
            id=id,
            format=_format_of(file.name),
            # It is not true of what happened since it was written.
            at_ms=file.changed_ms,
            on_error="abort" if settings.complete else "skip",
            location=settings.location,
            complete=settings.complete,
        )
        claims = Claims(sub="drop", source=settings.source, locations=frozenset({ALL}))
        return await self._imports.receive(asked, claims, self._body(file))

    async def _body(self, file: Seen) -> AsyncGenerator[bytes]:
        """What the file holds, unpacked. Raises Changed, Malformed, Unavailable."""
        with ExitStack() as exits:
            stream = await asyncio.to_thread(exits.enter_context, self._folder.reading(file))
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if file.name.lower().endswith(".gz") else None
            while piece := await asyncio.to_thread(_read, stream):
                if unpacker is None:
                    yield piece
                    continue
                while piece:
                    yield _unpacked(unpacker, piece)
                    piece = unpacker.unconsumed_tail
            if unpacker is not None and not unpacker.eof:
                raise Malformed("The gzip is cut short.")
            # Nothing is taken of a file that somebody wrote to meanwhile.
            await asyncio.to_thread(self._folder.check, file, stream)

    async def _put_away(self, file: Seen, state: ImportState) -> None:
        told = state.status()
        lines = [summary(told), *broken_lines(told.errors or (), told.broken)]
        if told.detail:
            lines.insert(0, told.detail)
        if file.changed_ms > time() * 1000:
            lines.insert(
                0, f"It says that it was written at a time to come; it was taken as of {rfc3339(state.at_ms)}."
            )
        elif state.state == "done" and state.at_ms != file.changed_ms:
            said = (
                f"The same books were taken as of {rfc3339(state.at_ms)}; this file changed nothing. It was told then:"
            )
            lines.insert(0, said)
        is_good = state.state == "done" and (state.broken < state.lines or not state.lines)
        await self._away(file, DONE if is_good else REFUSED, [f"import {state.id}", *lines])

    async def _refuse(self, file: Seen, detail: str) -> None:
        await self._away(file, REFUSED, [detail])

    async def _away(self, file: Seen, end: Literal["done", "refused"], lines: list[str]) -> None:
        said = f"{file.name} of source {self._settings.source}, true as of {rfc3339(file.changed_ms)}: {end}"
        report = "\n".join([said, *lines, ""])
        await asyncio.to_thread(self._folder.put_away, file, end, report)
        self._metrics.drop_ended(self._settings.source, end)
        log.info("a file of books was put away", source=self._settings.source, file=file.name, end=end)


def _format_of(name: str) -> Literal["csv", "jsonl"]:
    return "jsonl" if name.lower().removesuffix(".gz").endswith(".jsonl") else "csv"


def _read(stream: BinaryIO) -> bytes:
    try:
        return stream.read(_PIECE_BYTES)
    except OSError as error:
        raise Unavailable(f"a dropped file cannot be read: {error.strerror}", 30) from error


def _unpacked(unpacker: "zlib._Decompress", packed: bytes) -> bytes:
    try:
        piece = unpacker.decompress(packed, _PIECE_BYTES)
    except zlib.error as error:
        raise Malformed("The file is not gzip.") from error
    if unpacker.unused_data:
        raise Malformed("Something follows the gzip; pack one member only.")
    return piece
