"""A watch without a socket: what it says, what it keeps, and when it comes back."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.answers import AvailabilityItem
from protocol.clients.conversation import SKUS_PER_MESSAGE, Conversation, Ending
from protocol.clients.state import Newest
from protocol.frames import CLOSE_CODES, Subscribe, decode_message, encode_item, update_frame
from protocol.limits import MESSAGE_BYTES_MAX, SKUS_PER_CONNECTION_MAX


def item(sku: str, rev: int, available: int = 1) -> AvailabilityItem:
    return AvailabilityItem(sku=sku, pool="online", available=available, status="in_stock", rev=rev, at="")


def update(*items: AvailabilityItem) -> bytes:
    return update_frame(encode_item(item) for item in items)


def subscribes(conversation: Conversation) -> list[Subscribe]:
    messages = conversation.opened(None)
    assert max(map(len, messages)) <= MESSAGE_BYTES_MAX
    decoded = [decode_message(message) for message in messages]
    assert all(isinstance(message, Subscribe) for message in decoded)
    return [message for message in decoded if isinstance(message, Subscribe)]


told = st.lists(st.builds(item, st.sampled_from("ABC"), st.integers(0, 12)), max_size=40)


@given(told)
def test_whatever_the_order_the_highest_rev_is_held(items: list[AvailabilityItem]) -> None:
    newest = Newest()
    for told in items:
        newest.learn(told)
    assert {sku: held.rev for sku, held in newest.items.items()} == highest(items)


@given(told, st.lists(st.booleans(), min_size=40, max_size=40))
def test_whoever_takes_slowly_gets_the_newest_of_each_and_never_an_older_one(
    items: list[AvailabilityItem], takes: list[bool]
) -> None:
    newest, taken = Newest(), dict.fromkeys("ABC", -1)
    for told, is_taken in zip(items, takes, strict=False):
        newest.learn(told)
        if is_taken and (got := newest.take()):
            assert got.rev > taken[got.sku]
            taken[got.sku] = got.rev
    waiting = list(iter(newest.take, None))
    assert len(waiting) == len({got.sku for got in waiting})
    taken.update({got.sku: got.rev for got in waiting})
    assert {sku: rev for sku, rev in taken.items() if rev >= 0} == highest(items)


def highest(items: Iterable[AvailabilityItem]) -> dict[str, int]:
    revs: dict[str, int] = {}
    for told in items:
        revs[told.sku] = max(told.rev, revs.get(told.sku, 0))
    return revs


def test_many_skus_are_asked_for_in_messages_that_the_hub_reads() -> None:
    skus = [f"SKU-{number}" for number in range(SKUS_PER_CONNECTION_MAX)]
    conversation = Conversation("online", skus)
    conversation.heard(update(*(item(sku, 2**53 - 1) for sku in skus)))

    said = subscribes(conversation)

    assert [sku for message in said for sku in message.skus or ()] == skus
    assert {sku for message in said for sku in message.known} == set(skus)
    assert max(len(message.skus or ()) for message in said) <= SKUS_PER_MESSAGE
    assert len({message.ref for message in said}) == len(said)


def test_long_names_are_asked_for_in_messages_that_the_hub_reads() -> None:
    skus = [f'{number:04}{"€" * 100}\\"' for number in range(900)]
    conversation = Conversation("online", skus)
    conversation.heard(update(*(item(sku, 2**53 - 1) for sku in skus)))

    assert [sku for message in subscribes(conversation) for sku in message.skus or ()] == skus


def test_a_sku_that_is_named_twice_is_asked_for_once() -> None:
    [said] = subscribes(Conversation("online", ["A", "B", "A"]))
    assert said.skus == ("A", "B")


@pytest.mark.parametrize("count", [0, SKUS_PER_CONNECTION_MAX + 1])
def test_no_connection_watches_nothing_or_too_much(count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        Conversation("online", map(str, range(count)))


def test_every_close_code_of_the_contract_says_whether_to_come_back() -> None:
    conversation = Conversation("online", ["A"])
    for code, ending in CLOSE_CODES.items():
        assert conversation.closed(code).next == ending.reconnect
    assert conversation.closed(None).next == "with jitter"


@pytest.mark.parametrize(
    ("status", "next"),
    [
        (503, "with jitter"),
        (429, "with jitter"),
        (500, "with jitter"),
        (401, "with a new token"),
        (403, "no"),
        (404, "no"),
    ],
)
def test_a_handshake_that_is_turned_away_says_whether_to_come_back(status: int, next: str) -> None:
    assert Conversation("online", ["A"]).turned_away(status).next == next


def test_an_error_keeps_its_code_and_its_reason() -> None:
    frame = msgspec.json.encode({"op": "error", "ref": 1, "code": "too_many", "detail": "Open another."})
    assert Conversation("online", ["A"]).heard(frame) == Ending("no", "too_many", "Open another.")
