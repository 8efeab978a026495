"""Whatever SKUs, listings, places, keys and answers there are: no offer is lost, and nothing is raised."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract import NEEDS_MAX, Account, Answer
from adapters.hearing import WAIT_SECONDS_MAX
from adapters.offering import Listing, Offer, Shelf
from protocol.limits import QUANTITY_MAX, SKU_CHARS_MAX
from tests.adapters.conversing import outbound_case_of, outbound_names

CASES = {name: outbound_case_of(name) for name in outbound_names()}
SKUS = st.text(min_size=1, max_size=SKU_CHARS_MAX)
LISTINGS = SKUS | st.from_regex(r"(variant:|product:|[0-9]{1,20}/)?[0-9]{1,22}(:[0-9]{1,9})?", fullmatch=True)
QUANTITIES = st.integers(0, QUANTITY_MAX)
OFFERS = st.builds(Offer, SKUS, LISTINGS, QUANTITIES, st.none() | QUANTITIES)
SHELVES = st.text(max_size=64).map(lambda place: Shelf(Account("web"), place))
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "x-rate-limit-requests-left", "x-rate-limit-requests-quota"])
    | st.sampled_from(["x-rate-limit-time-window-ms", "x-rate-limit-time-reset-ms"]),
    st.text(max_size=30) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@st.composite
def spoilt(draw: st.DrawFn, body: bytes) -> bytes:
    """A recorded body with some values drawn anew."""

    def redraw(value: object) -> object:
        if draw(st.integers(0, 12)) == 0:
            return draw(LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.sampled_from("ab"), LEAVES))
        if isinstance(value, dict):
            return {key: redraw(member) for key, member in value.items()}
        return [redraw(member) for member in value] if isinstance(value, list) else value

    try:
        return msgspec.json.encode(redraw(msgspec.json.decode(body)))
    except msgspec.DecodeError:
        return draw(st.binary(max_size=100))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_offers_of_any_kind_are_told_once_each_and_heard_of_once_each(name: str, data: st.DataObject) -> None:
    adapter = CASES[name].adapter
    offers = data.draw(st.lists(OFFERS, min_size=1, max_size=8))
    shelf, key = data.draw(SHELVES), data.draw(st.text(max_size=50))
    now_ms = data.draw(st.integers(0, 2**42))

    requests = adapter.requests(offers, shelf, key, now_ms)

    assert requests == adapter.requests(offers, shelf, key, now_ms)
    assert Counter(offer for each in requests for offer in each.offers) == Counter(offers)
    answer = Answer(data.draw(st.binary(max_size=100)), data.draw(HEADERS), data.draw(st.integers(0, 999)))
    for each in requests:
        assert msgspec.json.decode(each.body)
        assert not set(each.path) & set("?#%\\ ")
        heard = adapter.heard(each, answer)
        assert len(heard.told) == len(each.offers)
        assert "taken" not in {told.outcome for told in heard.told}
        assert 0 <= heard.wait_seconds <= WAIT_SECONDS_MAX


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_answers_with_values_of_any_kind_are_heard_of_every_offer(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    conversation = data.draw(st.sampled_from(case.answers))
    request, answered = case.request(conversation), conversation.answered
    body = data.draw(spoilt(answered.body))

    heard = case.adapter.heard(request, Answer(body, {**answered.headers, **data.draw(HEADERS)}, answered.status))

    assert len(heard.told) == len(request.offers)
    assert 0 <= heard.wait_seconds <= WAIT_SECONDS_MAX
    assert heard.left is None or heard.left >= 0
    assert heard.per_second is None or heard.per_second > 0


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_look_ups_with_values_of_any_kind_find_only_what_was_asked_for(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    conversation = data.draw(st.sampled_from(case.look_ups))
    fetched = {each: data.draw(spoilt(body)) for each, body in conversation.fetches.items()}

    found = case.adapter.found(conversation.skus, conversation.shelf, fetched)

    if isinstance(found, tuple):
        assert 0 < len(found) <= NEEDS_MAX
    elif found is not None:
        assert set(found) <= set(conversation.skus)
        assert all(isinstance(each, Listing) and each.id for each in found.values())


@pytest.mark.parametrize("name", CASES)
@given(skus=st.lists(SKUS, min_size=1, max_size=30, unique=True), shelf=SHELVES)
@settings(max_examples=100, deadline=None)
def test_skus_of_any_kind_are_asked_for_at_the_same_addresses(name: str, skus: list[str], shelf: Shelf) -> None:
    adapter = CASES[name].adapter

    needs = adapter.find(skus, shelf)
    rest = adapter.found(skus, shelf, {})

    tame = {need.path for need in adapter.find(["BAG"], Shelf(Account("web"), "1"))}
    assert {need.path for need in needs} == tame
    assert 0 < len(needs) <= NEEDS_MAX
    assert rest == needs
