"""Whatever headers and bodies arrive: no adapter raises, and nobody is believed without the secret."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract import EVENTS_PER_DELIVERY_MAX, Delivery
from adapters.discovery import adapter_named, names
from adapters.kit.recordings import Recording
from tests.adapters.cases import case_of

CASES = {name: case_of(name) for name in names()}
# All that a server may hand on, with bytes that are no text as it escapes them.
TEXTS = st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
SIGNATURE = ("webhook-signature", "x-shopify-hmac-sha256", "x-wc-webhook-signature", "x-izettle-signature")
SIGNATURE += ("x-square-hmacsha256-signature", "webhook-id", "webhook-timestamp")
HEADERS = st.dictionaries(st.sampled_from([*SIGNATURE, "x-shopify-topic", "x-wc-webhook-topic"]) | TEXTS, TEXTS)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.from_regex(r"-?\d{1,9}(\.\d{1,6})?")
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS.filter(lambda text: text.isprintable())


@st.composite
def spoilt(draw: st.DrawFn, recording: Recording) -> bytes:
    """A recorded body with some values drawn anew."""

    def redraw(value: object) -> object:
        if draw(st.integers(0, 12)) == 0:
            return draw(LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.sampled_from("ab"), LEAVES))
        if isinstance(value, dict):
            return {key: redraw(member) for key, member in value.items()}
        return [redraw(member) for member in value] if isinstance(value, list) else value

    return msgspec.json.encode(redraw(msgspec.json.decode(recording.delivery.body)))


@pytest.mark.parametrize("name", names())
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_headers_and_bodies_of_any_kind_are_refused(name: str, data: st.DataObject) -> None:
    adapter = adapter_named(name)
    assert adapter is not None
    account = CASES[name].recordings[0].of_account
    delivery = Delivery(
        body=data.draw(st.binary(max_size=300)),
        headers=data.draw(HEADERS),
        received_at_ms=data.draw(st.integers(0, 2**45)),
    )

    assert adapter.verify(delivery, account)
    adapter.greet(delivery, account)
    assert isinstance(adapter.topic(delivery), str)
    assert isinstance(adapter.delivery_id(delivery), str)


@pytest.mark.parametrize("name", names())
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_signed_bodies_with_values_of_any_kind_are_read_or_set_aside(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    recording = data.draw(st.sampled_from([each for each in case.recordings if each.name != "no-json"]))
    delivery = msgspec.structs.replace(case.signed(recording), body=data.draw(spoilt(recording)))

    reading = case.adapter.translate(delivery, recording.of_account, recording.answers)

    assert len(reading.events) <= EVENTS_PER_DELIVERY_MAX
    assert not (reading.unmapped and reading.events)
