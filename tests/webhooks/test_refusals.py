"""What is refused stands in the log soon and seldom, and no secret with it."""

import pytest
from structlog.testing import capture_logs

from adapters.contract import Account
from adapters.standard_webhooks import StandardWebhooks
from hub.domain.catalogue import SourceSettings
from hub.webhooks.accounts import Party
from hub.webhooks.refusals import QUIET_SECONDS, Refusals
from tests.webhooks.town import Town


def party(source: str = "shop", *secrets: str) -> Party:
    settings = SourceSettings(id=source, adapter="standard_webhooks")
    return Party(settings, StandardWebhooks(), Account(source, secrets=secrets), None)


def test_one_line_a_minute_for_each_source_says_how_many_there_were() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])

    with capture_logs() as logged:
        for at in (0.0, 1.0, QUIET_SECONDS - 1, QUIET_SECONDS, QUIET_SECONDS + 1):
            now[0] = at
            refusals.note(party(), "no signature is right")
        refusals.note(party("till"), "too old")

    assert [(line["source"], line["reason"], line["unlogged"]) for line in logged] == [
        ("shop", "no signature is right", 0),
        ("shop", "no signature is right", 2),
        ("till", "too old", 0),
    ]


@pytest.mark.parametrize("secret", ["the-secret", "another"])
def test_no_secret_and_no_long_text_of_an_adapter_is_logged(secret: str) -> None:
    with capture_logs() as logged:
        Refusals().note(party("shop", "the-secret", "another"), f"expected one by {secret} " + "x" * 1_000)

    [line] = logged
    assert secret not in line["reason"]
    assert len(line["reason"]) <= 300


async def test_a_refused_delivery_is_logged_with_its_source_adapter_and_reason(own_town: Town) -> None:
    with capture_logs() as logged:
        for _ in range(3):
            await own_town.webhook({"type": "sale"}, webhook_signature="v1,none")

    lines = [line for line in logged if line["event"] == "a delivery was refused"]
    assert [(line["source"], line["adapter"], line["reason"]) for line in lines] == [
        ("shop", "standard_webhooks", "no signature is right")
    ]
