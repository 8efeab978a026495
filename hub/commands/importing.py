"""`hub import`: a file of absolute books goes to a running hub, and a bar shows until all of it is booked."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hub.commands.books import Books, open_books
from hub.commands.token import make_token
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.imports.told import broken_lines, summary
from hub.settings import KEYS_ONLY, NO_KEEPER, Settings, load
from protocol.imports import ImportStatus, LineError

_CONNECT_SECONDS_MAX = 10.0
# The hub reads and checks all lines before it answers.
_ANSWER_SECONDS_MAX = 300.0
_ASK_SECONDS = 0.25
_PATIENCE_SECONDS = 60.0


class _Answer(msgspec.Struct):
    """What comes back from the door, as much of it as is read here; a problem or an import that was taken."""

    id: str = ""
    state: str = ""
    detail: str = ""
    lines: int = 0
    broken: int = 0
    errors: tuple[LineError, ...] = ()


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_status = msgspec.json.Decoder(ImportStatus).decode


async def run_import(
    file: str,
    config: Path | None,
    environ: Mapping[str, str],
    *,
    url: str | None,
    bearer: str | None,
    source: str,
    **params: str | None,
) -> int:
    """Import a file, or standard input for `-`; the answer is the exit code. `params` are those of the door.

    Raises:
        Fault: the file, the token or the address is wrong, the hub gives no answer, or the import failed.
    """
    settings = load(config, environ, needed=NO_KEEPER if bearer else KEYS_ONLY)
    headers = {"Authorization": f"Bearer {bearer or _token(settings, source)}"}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS_MAX, sock_read=_ANSWER_SECONDS_MAX)
    started_at = time()
    with open_books(file) as books:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            sending = _Sending(session, (url or f"http://{settings.hub.http}").rstrip("/") + "/v1/imports")
            with _bar() as progress:
                answer = await sending.send(books, {name: value for name, value in params.items() if value}, progress)
                if answer.state == "aborted":
                    click.echo(answer.detail)
                    _list(answer.errors, answer.broken)
                    return 1
                told = await sending.wait(answer.id, progress)
    if told.state != "done":
        raise Fault(f"the import {told.id} {told.state}: {told.detail}")
    _tell(books.name, told, time() - started_at)
    return 1 if told.broken else 0


class _Sending:
    """One import's way through the door."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, books: Books, params: Mapping[str, str], progress: Progress) -> _Answer:
        """Stream the file. Raises as `run_import`."""
        task = progress.add_task("sending", total=books.size, note="")
        headers = {"Content-Type": books.content_type}
        if books.is_packed:
            headers["Content-Encoding"] = "gzip"
        body = books.stream(lambda count: progress.update(task, advance=count))
        try:
            async with self._session.post(self._url, params=params, headers=headers, data=body) as response:
                status, content = response.status, await response.read()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise SettingsInvalid(f"{self._url} is not an address") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"{self._url} gave no answer ({reason}); send the file again") from error
        progress.remove_task(task)
        answer = _read_answer(content)
        if status not in (200, 202) and answer.state != "aborted":
            raise SettingsInvalid(f"the hub does not take the import ({status}: {answer.detail or 'no reason given'})")
        return answer

    async def wait(self, id: str, progress: Progress) -> ImportStatus:
        """Ask until the import has ended. Raises as `run_import`."""
        task = progress.add_task("booking", total=None, note="")
        clock = asyncio.get_running_loop().time
        answered_at = clock()
        while True:
            told = await self._ask(id)
            if told is not None:
                answered_at = clock()
                total = told.lines - told.broken + told.unlisted
                progress.update(task, total=total, completed=told.done, note=told.detail or "")
                if told.state != "running":
                    return told
            elif clock() - answered_at > _PATIENCE_SECONDS:
                raise Unavailable(
                    f"{self._url} gave no answer for {_PATIENCE_SECONDS:.0f} s; the import goes on by itself"
                )
            else:
                progress.update(task, note="waiting for the hub")
            await asyncio.sleep(_ASK_SECONDS)

    async def _ask(self, id: str) -> ImportStatus | None:
        try:
            async with self._session.get(f"{self._url}/{id}") as response:
                status, content = response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        if status >= 500:
            return None
        if status != 200:
            raise Fault(f"the hub does not tell how far the import {id} is ({status})")
        try:
            return _decode_status(content)
        except msgspec.DecodeError as error:
            raise Fault(f"{self._url} answers what no hub answers") from error


def _read_answer(content: bytes) -> _Answer:
    try:
        return _decode_answer(content)
    except msgspec.DecodeError:
        return _Answer()


def _bar() -> Progress:
    """A bar on a terminal; nothing but its last line elsewhere."""
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[yellow]{task.fields[note]}"),
    )
    return Progress(*columns, console=Console(stderr=True))


def _tell(name: str, told: ImportStatus, seconds: float) -> None:
    rate = told.done / seconds if seconds else 0.0
    click.echo(f"Imported {name} in {seconds:,.1f} s ({rate:,.0f} lines/s)")
    click.echo(f"  {summary(told)}")
    _list(told.errors or (), told.broken)


def _list(errors: tuple[LineError, ...], broken: int) -> None:
    for line in broken_lines(errors, broken):
        click.echo(f"    {line}")


def _token(settings: Settings, source: str) -> str:
    """A token of this hub's own, for as long as the longest import takes."""
    return make_token(
        settings,
        sub="import",
        source=source,
        scope=("events:write",),
        pool=(),
        location=(),
        ttl="1d",
        now=time(),
    )
