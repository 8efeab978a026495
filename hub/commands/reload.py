"""`hub reload`, and what `hub check` learns from a hub that runs: one request to the admin door."""

from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import click
import msgspec

from hub.admin.reload import SCOPE
from hub.commands.token import make_token
from hub.credentials import LOCAL_KEY_FILE
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.reloading import ReloadAnswer, ShownValue
from hub.settings import KEYS_ONLY, Settings, read
from hub.settings.document import read_text

# A dry run goes through all SKUs in a fifth of the time: for a million of them that is some minutes.
ANSWER_SECONDS_MAX = 1_800.0
# Whoever does not take a connection on this machine by then is not there.
CONNECT_SECONDS_MAX = 3.0
# Changes that are printed; the admin door lists more.
PRINTED_MAX = 50

_decode = msgspec.json.Decoder(ReloadAnswer).decode


async def run_reload(config: Path | None, environ: Mapping[str, str], *, dry_run: bool, url: str | None) -> int:
    """Ask the running hub; the answer is the exit code: 0 taken, 1 refused.

    Raises:
        SettingsInvalid: there are no settings to read, or the address or the token is wrong.
        Unavailable: no hub answers, or it cannot do it now.
    """
    settings, problems, _ = read(config, environ, needed=KEYS_ONLY)
    if problems:
        # The hub would say the same of its file, and nothing can be signed with settings that are wrong.
        for line in problems:
            click.echo(line, err=True)
        click.echo(
            "the running hub was not asked: this is what the file says with this command's environment", err=True
        )
        return 1
    answer = await _ask(url or f"http://{settings.hub.admin}", _token(settings), dry_run=dry_run)
    for line in _told(answer, dry_run=dry_run):
        click.echo(line, err=bool(answer.problems))
    for why in answer.others:
        click.echo(f"not taken by {why}", err=True)
    return 1 if answer.problems or answer.others else 0


async def try_at_running_hub(file: Path, settings: Settings) -> int:
    """Print what the file would change at the hub that runs at its admin address; nothing where none does."""
    has_key = bool(settings.access.jwt_keys) or (settings.hub.data_dir / LOCAL_KEY_FILE).exists()
    if not has_key:
        # A check leaves no key behind, and without one no hub of this file has ever run.
        return 0
    try:
        text = read_text(file).encode()
        answer = await _ask(f"http://{settings.hub.admin}", _token(settings), dry_run=True, text=text)
    except Fault:
        return 0
    for line in _told(answer, dry_run=True):
        click.echo(line)
    return 0


def _token(settings: Settings) -> str:
    return make_token(
        settings, sub="hub-reload", source=None, scope=(SCOPE,), pool=(), location=(), ttl="5m", now=time()
    )


async def _ask(url: str, token: str, *, dry_run: bool, text: bytes | None = None) -> ReloadAnswer:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {token}"}
    params = {"dry_run": "true"} if dry_run else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(f"{url.rstrip('/')}/v1/reload", params=params, data=text) as response,
        ):
            body = await response.read()
    except aiohttp.InvalidURL as error:
        raise SettingsInvalid(f"{url} is no address of an admin door, like http://127.0.0.1:8082") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"no hub answers at {url}: {str(error) or 'it took too long'}") from error
    if response.status != 200:
        raise SettingsInvalid(f"the hub at {url} answered {response.status}: {_detail(body)}")
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(f"what answers at {url} is no admin door of a hub") from error


def _detail(body: bytes) -> str:
    try:
        problem: Any = msgspec.json.decode(body)
        return str(problem["detail"])[:300]
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        return "it does not say why"


def _told(answer: ReloadAnswer, *, dry_run: bool) -> list[str]:
    """The answer as lines for people."""
    if answer.problems:
        what = "only keys were changed" if answer.changed else "nothing was changed"
        return [*answer.problems, f"refused: {what}; rules version {answer.rules_version}"]
    lines = [_headline(answer, dry_run=dry_run)]
    lines += [f"  {each.sku} in {each.pool}: {_value(each.before)} → {_value(each.after)}" for each in answer.skus][
        :PRINTED_MAX
    ]
    if answer.truncated or len(answer.skus) > PRINTED_MAX:
        lines.append("  …")
    if answer.needs_restart:
        lines.append(f"needs a restart: {', '.join(answer.needs_restart)}")
    return lines


def _headline(answer: ReloadAnswer, *, dry_run: bool) -> str:
    if not dry_run:
        where = f" · {answer.processes} processes" if answer.processes > 1 else ""
        return f"{'reloaded' if answer.changed else 'nothing to change'} · rules version {answer.rules_version}{where}"
    skus = f"{answer.skus_total} SKU" + ("" if answer.skus_total == 1 else "s")
    if not answer.changed:
        return "the running hub: nothing would change"
    return f"the running hub: its house would change, {skus} would be shown otherwise"


def _value(shown: ShownValue | None) -> str:
    if shown is None:
        return "no such pool"
    status = shown.status if shown.eta is msgspec.UNSET else f"{shown.status} {shown.eta}"
    return status if shown.available is None else f"{shown.available} ({status})"
