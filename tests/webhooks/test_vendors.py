"""Everything that was recorded of vendors, through the door: kept without loss of meaning, and never a defect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Account, Delivery
from adapters.kit.recordings import SECRETS, Recording
from hub.domain.catalogue import SourceSettings
from hub.webhooks.accounts import Party
from hub.webhooks.deliveries import arrived_of, delivery_of
from hub.webhooks.understanding import reading
from tests.adapters.cases import RECORDINGS, case_of
from tests.webhooks.town import Town, open_town

ADAPTERS = sorted(path.name for path in RECORDINGS.iterdir())
# Their ids of places, as the recordings have them.
SOURCE = """
[[source]]
id = "{adapter}"
adapter = "{adapter}"
secret_file = "vendor.secret"
"""


def recorded() -> Iterator[tuple[str, Recording]]:
    for name in ADAPTERS:
        for recording in case_of(name).recordings:
            yield name, recording


@pytest.mark.parametrize(("name", "recording"), list(recorded()), ids=lambda each: getattr(each, "name", each))
def test_what_is_kept_says_the_same_as_what_came(name: str, recording: Recording) -> None:
    case, account = case_of(name), recording.of_account
    party = Party(SourceSettings(id=account.source, adapter=name), case.adapter, account, None)
    came: Delivery = case.signed(recording)

    kept = arrived_of(party, came)

    assert reading(party, delivery_of(kept), recording.answers) == case.reading(recording)
    assert not [secret for secret in SECRETS if secret in str(kept.headers)]


async def test_every_recording_is_answered_by_what_it_says(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "vendor.secret").write_text(" ".join(SECRETS))
    sources = "".join(SOURCE.format(adapter=name) + _account(name) for name in ADAPTERS)
    limits = "\n[limits]\nledger_wait_ms = 10000\nwebhook_wait_ms = 10000\n"
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=_escaped(sources) + limits) as town:
        for name, recording in recorded():
            if case_of(name).signs_time:
                continue
            status, told = await _deliver(town, name, recording)
            assert (status, told["status"]) in _answers(recording), (name, recording.name, told)


async def test_a_sale_at_a_vendors_till_that_is_told_twice_is_booked_once(
    redis_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "vendor.secret").write_text(" ".join(SECRETS))
    sources = SOURCE.format(adapter="shopify") + _account("shopify")
    by_name = {recording.name: recording for _, recording in recorded() if _ == "shopify"}
    limits = "\n[limits]\nledger_wait_ms = 10000\nwebhook_wait_ms = 10000\n"
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=_escaped(sources) + limits) as town:
        sold = by_name["till-sale"]
        first, again = [await _deliver(town, "shopify", sold) for _ in range(2)]

    assert (first[0], first[1]["status"]) == (200, "applied"), first
    assert again[1] == {"status": "duplicate"}


async def _deliver(town: Town, name: str, recording: Recording) -> tuple[int, dict[str, Any]]:
    signed = case_of(name).signed(recording)
    reply = await town.post(f"/v1/webhooks/{name}", signed.body, headers=dict(signed.headers), **signed.query)
    return reply.status, reply.json()


def _account(name: str) -> str:
    """The keys of the account that most recordings of an adapter are delivered to."""
    accounts = [recording.of_account for recording in case_of(name).recordings]
    account: Account = max(accounts, key=lambda each: (len(each.locations), bool(each.pool)))
    places = ", ".join(f'"{theirs}" = "{ours}"' for theirs, ours in account.locations.items())
    url = f'url = "{account.url}"\n' if account.url else ""
    return f'pool = "{account.pool or "online"}"\n{url}locations = {{ {places} }}\n'


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _answers(recording: Recording) -> set[tuple[int, str]]:
    """By the account of the recording, or by one that knows more places."""
    said = recording.expected
    answers = {(202, "parked"), (200, "applied"), (200, "duplicate")}
    if "needs" in said or recording.fetched:
        answers.add((202, "accepted"))
    if not set(said) - {"unmapped"}:
        answers.add((200, "ignored"))
    return answers
