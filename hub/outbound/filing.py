"""A file as the target of a channel, for marketplaces that take files: whole, and never half a file.

Laws:
- It is written to a file beside it, onto the disk, and then takes the place of the one before, in one step.
- It is written only when a number is another than in the file that is there: the file itself is what is remembered.
- What sold out is written at once, a second after the file before at the earliest; everything else when its time comes.
"""

import asyncio
import csv
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

import structlog

from hub.domain.offers import SKUS_MAX, Offers, Remembered, taken
from hub.faults import Fault
from hub.outbound.means import Means
from hub.patience import Trouble
from hub.settings.tree import Channel

log = structlog.get_logger()

# Between two files, when something sold out; after one that could not be written.
SOLD_OUT_SECONDS = 1.0
FAILED_SECONDS = 5.0
# A file of so many SKUs with long names is no larger.
FILE_BYTES_MAX = 64 * 1024 * 1024


class NotWritten(Fault):
    """The file cannot be written."""


class FileTarget:
    """Writes a file; each process that does has its own."""

    circuit = "file"

    def __init__(self, channel: Channel, means: Means) -> None:
        assert channel.file is not None
        self._channel = channel
        self._file: Path = channel.file
        self._means = means
        self._trouble = Trouble("an offer file cannot be written", "an offer file is written again")
        # By the clock; 0: not since this process began.
        self._written_at = 0.0
        self._failed_at = 0.0
        self.why = ""

    async def begin(self) -> Iterable[Remembered]:
        """Begin with what the file says; one that cannot be read says nothing."""
        return await asyncio.to_thread(_read, self._file, self._channel.columns)

    def quiet_until(self, offers: Offers) -> float:
        """Until the next file may be written."""
        seconds = SOLD_OUT_SECONDS if offers.sold_out else self._channel.every_seconds
        failed_until = self._failed_at + FAILED_SECONDS if self._failed_at else 0.0
        return max(self._written_at + seconds if self._written_at else 0.0, failed_until)

    def next_at(self, offers: Offers) -> float:
        """Nothing is put off: what waits is written when the time comes."""
        return 0.0

    def look_again(self) -> None:
        """Write at once where anything waits."""
        self._written_at = self._failed_at = 0.0

    async def tell(self, offers: Offers) -> bool:
        """Write the file, if anything in it is outdated."""
        if not offers.waiting:
            return False
        rows = [(each.sku, each.wanted) for each in offers if each.wanted is not None]
        try:
            await asyncio.to_thread(_write, self._file, self._channel.columns, rows)
        except OSError as error:
            self.why, self._failed_at = f"{self._file} cannot be written: {error.strerror}", self._means.clock()
            self._trouble.note(NotWritten(self.why), channel=self._channel.id)
            return False
        self._trouble.note_over()
        now = self._means.clock()
        self.why, self._written_at, self._failed_at = "", now, 0.0
        for sku, quantity in rows:
            each = offers.get(sku)
            assert each is not None
            if each.waits:
                offers.note(each, taken(each.known, quantity, now), now)
                self._means.on_outcome(self._channel.id, "taken")
        return False


def _read(file: Path, columns: tuple[str, str]) -> list[Remembered]:
    """What a file of these columns says; nothing where it is missing or another file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
        lines = csv.reader(StringIO(content.decode("utf-8"), newline=""))
        if len(content) > FILE_BYTES_MAX or next(lines, None) != list(columns):
            return []
        return [Remembered(sku=sku, has=int(quantity), outcome="taken") for sku, quantity in lines][:SKUS_MAX]
    except (OSError, UnicodeDecodeError, ValueError, csv.Error):
        return []


def _write(file: Path, columns: tuple[str, str], rows: Sequence[tuple[str, int]]) -> None:
    """Put a whole file in the place of the one before.

    Raises:
        OSError: it cannot be written; the one before is as it was.
    """
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(sorted(rows))
    beside = file.with_name(f".{file.name}.new")
    try:
        with beside.open("wb") as stream:
            stream.write(text.getvalue().encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
