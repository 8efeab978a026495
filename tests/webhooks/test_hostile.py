"""Whatever is sent, to whomever: an answer, never a defect, and nothing is kept of whom nobody vouches for."""

import hmac
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.webhooks.town import SECRETS, Town

# What a client library lets through, and what a header may hold.
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=80)
NAMES = st.sampled_from(
    ["webhook-id", "webhook-timestamp", "webhook-signature", "x-town-hmac", "content-type", "accept", "x-any"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
SAID = st.dictionaries(
    st.sampled_from(["id", "topic", "sold", "levels", "names", "fetch", "at", "sale", "type", "lines", "data", "time"]),
    JSON,
    max_size=5,
)
BODIES = st.binary(max_size=200) | JSON.map(msgspec.json.encode) | SAID.map(msgspec.json.encode)
DRAWN = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@DRAWN
@given(headers=st.dictionaries(NAMES, VALUES, max_size=5), body=BODIES, source=st.sampled_from(["shop", "town"]))
async def test_what_nobody_signed_is_refused_and_leaves_nothing(
    town: Town, inbox: asyncpg.Connection, headers: dict[str, str], body: bytes, source: str
) -> None:
    kept = await inbox.fetchval("SELECT count(*) FROM hub.inbox")
    async with town.session.post(
        f"{town.url}/v1/webhooks/{source}", data=body, headers={name: value.strip() for name, value in headers.items()}
    ) as reply:
        assert reply.status == 401, await reply.text()

    assert await inbox.fetchval("SELECT count(*) FROM hub.inbox") == kept


@DRAWN
@given(headers=st.dictionaries(st.just("x-any"), VALUES), body=BODIES)
async def test_whatever_a_vendor_signs_is_kept_and_answered(town: Town, headers: dict[str, str], body: bytes) -> None:
    signed: dict[str, Any] = {
        "x-town-hmac": hmac.new(SECRETS.split()[0].encode(), body, sha256).hexdigest(),
        **{name: value.strip() for name, value in headers.items()},
    }
    async with town.session.post(f"{town.url}/v1/webhooks/town", data=body, headers=signed) as reply:
        told = await reply.json()

    assert reply.status in (200, 202), told
    assert told["status"] in ("applied", "accepted", "duplicate", "ignored", "parked")


@DRAWN
@given(body=BODIES)
async def test_whatever_the_shop_signs_is_kept_and_answered(town: Town, body: bytes) -> None:
    reply = await town.webhook(body, f"msg_{sha256(body).hexdigest()[:20]}")

    assert reply.status in (200, 202), reply.body
