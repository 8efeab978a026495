"""`hub adapters send`: a delivery made of what was recorded, signed as the vendor does, to a hub that runs."""

from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from time import time

import aiohttp
import click
import msgspec

from adapters.contract import Account, Adapter, Delivery, Signing
from adapters.kit.recordings import Recording
from hub.commands.recorded import adapter_in, adapter_of, recorded_in
from hub.faults import SettingsInvalid, Unavailable
from hub.settings import Settings, load

ANSWER_SECONDS_MAX = 30.0
_ANSWER_BYTES_MAX = 64 * 1024


async def run_send(  # noqa: PLR0913 - one keyword for each option of the command
    name: str,
    topic: str | None,
    environ: Mapping[str, str],
    *,
    to: str | None,
    folder: Path | None,
    secret_env: str | None,
    config: Path | None,
    source: str | None,
    body: Path | None,
) -> int:
    """Send one delivery and print what is answered; the answer is the exit code: 0 taken, 1 not.

    Raises:
        SettingsInvalid: there is no such adapter, topic, source or secret, or no address.
        Unavailable: no hub answers.
    """
    adapter, place = adapter_of(name) if folder is None else adapter_in(folder, name)
    if not isinstance(adapter, Signing):
        raise SettingsInvalid(f"{name} does not say how its vendor signs: it has no `sign`")
    recording = _sample(adapter, topic, recorded_in(place))
    if source is not None:
        account, usual = _configured(load(config, environ), name, source)
    elif secret_env is not None:
        account, usual = Account("trial", secrets=(_secret(environ, secret_env),), url=to or ""), None
    else:
        raise SettingsInvalid("say whose secret signs it: --config FILE --source ID, or --secret-env NAME")
    url = to or usual
    if url is None:
        raise SettingsInvalid("say where to: --to http://127.0.0.1:8080/v1/webhooks/SOURCE")
    unsigned = msgspec.structs.replace(recording.delivery, received_at_ms=int(time() * 1000))
    if body is not None:
        unsigned = _with_body(adapter, unsigned, _read(body))
    signed = adapter.sign(unsigned, account)
    status, said = await _post(url, signed)
    click.echo(f"sent {recording.name} to {url}: {recording.about}")
    click.echo(f"answered {status}")
    click.echo(said)
    return 0 if status in (200, 202) else 1


def _sample(adapter: Adapter, topic: str | None, recordings: tuple[Recording, ...]) -> Recording:
    """A recording of the topic, rather one that says something."""
    of_topic: dict[str, list[Recording]] = {}
    for recording in recordings:
        of_topic.setdefault(adapter.topic(recording.delivery), []).append(recording)
    found = of_topic.get(topic or "")
    if not found or topic is None:
        known = ", ".join(sorted(each for each in of_topic if each)) or "none"
        asked = "name a topic" if topic is None else f"nothing of {adapter.name} was recorded of the topic {topic}"
        raise SettingsInvalid(f"{asked}; there are {known}")
    telling = [each for each in found if "events" in each.expected or "levels" in each.expected] or found
    # A house that has just begun knows no alias.
    telling = [each for each in telling if "aliases" not in each.expected] or telling
    # The plainest one is named most like its topic.
    nearest, *_ = get_close_matches(topic.lower(), [each.name for each in telling], n=1, cutoff=0)
    return next(each for each in telling if each.name == nearest)


def _configured(settings: Settings, name: str, id: str) -> tuple[Account, str]:
    """The account of a source of the file, and the address of its door."""
    source = next((each for each in settings.house.sources if each.id == id), None)
    if source is None or source.adapter != name:
        ids = ", ".join(each.id for each in settings.house.sources if each.adapter == name) or "none"
        raise SettingsInvalid(f"the file has no source {id} with adapter {name}; with it there are {ids}")
    secrets = [shared.secrets for shared in settings.secrets if shared.source == id]
    account = Account(id, secrets=tuple(secret.reveal() for secret in secrets[0]), url=source.url or "")
    return account, f"http://{settings.hub.http}/v1/webhooks/{id}"


def _secret(environ: Mapping[str, str], name: str) -> str:
    secrets = environ.get(name, "").split()
    if not secrets:
        raise SettingsInvalid(f"the environment variable {name} is not set")
    return secrets[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from error


def _with_body(adapter: Adapter, delivery: Delivery, body: bytes) -> Delivery:
    """The delivery with another body, and another id where a header has it: under the old one it would be a retry."""
    digest = sha256(adapter.topic(delivery).encode() + b"\0" + body).hexdigest()
    id, other = adapter.delivery_id(delivery), f"trial_{digest[:16]}"
    headers = {name: other if value == id else value for name, value in delivery.headers.items()}
    return msgspec.structs.replace(delivery, body=body, headers=headers)


async def _post(url: str, delivery: Delivery) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    headers = {"content-type": "application/json", **delivery.headers}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                url, params=delivery.query, data=delivery.body, headers=headers, allow_redirects=False
            ) as response,
        ):
            said = await response.content.read(_ANSWER_BYTES_MAX)
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise SettingsInvalid(f"{url} is no address, like http://127.0.0.1:8080/v1/webhooks/SOURCE") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"no hub answers at {url}: {str(error) or type(error).__name__}") from error
    return response.status, said.decode(errors="replace")
