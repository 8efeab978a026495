"""The promises of an outbound adapter, one function each; what fails is an AssertionError with a sentence.

for check in OUTBOUND_CHECKS:
    check(Outbound(ADAPTER, conversations))
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

import msgspec

from adapters.contract import NEEDS_MAX, Answer, Need
from adapters.hearing import WAIT_SECONDS_MAX
from adapters.kit.conversations import KEY, NOW_MS, Conversation, Outbound, as_found, as_heard
from adapters.kit.mutilation import mutilated
from adapters.offering import Heard, Listing, Offer, Request, Shelf
from protocol.limits import DETAIL_CHARS_MAX, QUANTITY_MAX, SKU_CHARS_MAX

Check = Callable[[Outbound], None]
# Names that lead elsewhere, or that end a text, a query, a path or a list, where they are not kept apart from it.
HOSTILE = (
    *("../../admin", "a/b?c=d&e#f", "%2e%2e%2f", '" OR sku:*', "'; DROP TABLE x", '"}}) { shop { id } } #', "$query"),
    *("\\", "{{7*7}}", "a,b", ",", "<b>bold</b>", "\u202egab", "𝔅𝔄𝔊 🧳", "  space  ", "null", "0"),
)
_PATH = re.compile(r"/[A-Za-z0-9/._-]*")
# Of a path with its query; servers and proxies refuse more.
_ADDRESS_BYTES_MAX = 8_000
_OUTCOMES = {"taken", "stale", "absent", "refused", "again"}
# What no vendor means by yes.
_NOTHING = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'"ok"',
    b"true",
    b"<html>",
    b"\xff",
    b'{"data":null}',
    b'{"errors":[{}]}',
)


def its_limits_can_be_kept(case: Outbound) -> None:
    """The hub saves up what the vendor allows: no single request may need more."""
    adapter = case.adapter
    assert adapter.offers_max > 0, "`offers_max` is none"
    assert adapter.allowance.per_second > 0, "`allowance` gives nothing back"
    assert 0 < adapter.find_cost <= adapter.allowance.burst, "a look-up costs more than can be saved up"
    for request in _made(case, _plain(adapter.offers_max)):
        assert 0 < request.cost <= adapter.allowance.burst, f"a request costs {request.cost:g}"


def every_recorded_look_up_finds_what_is_expected(case: Outbound) -> None:
    """What is sold there is known by its exact SKU and never by one that only looks like it."""
    assert case.look_ups, "no look-up was recorded"
    for each in case.look_ups:
        found = case.adapter.found(each.skus, each.shelf, each.fetches)
        assert isinstance(found, Mapping), f"{each.name} still needs {found}"
        assert as_found(found) == each.expected, f"{each.name} finds {as_found(found)}"


def what_is_needed_is_asked_for_step_by_step(case: Outbound) -> None:
    """A look-up asks for just what was recorded of it, and for nothing again that was fetched."""
    for each in case.look_ups:
        fetched: dict[str, bytes] = {}
        needs: object = case.adapter.find(each.skus, each.shelf)
        while isinstance(needs, tuple) and needs:
            _within_the_address(needs)
            names = [need.name for need in needs]
            assert not set(names) & set(fetched), f"{each.name} needs {names} again"
            assert set(names) <= set(each.fetches), f"{each.name} needs {names}, which was not recorded"
            fetched.update({name: each.fetches[name] for name in names})
            needs = case.adapter.found(each.skus, each.shelf, fetched)
        assert fetched == each.fetches, f"{each.name} never asks for {set(each.fetches) - set(fetched)}"


def every_recorded_answer_means_what_is_expected(case: Outbound) -> None:
    """The dialect itself; and whoever looks after the channel is told why it was not taken."""
    assert case.answers, "no answer was recorded"
    for each in case.answers:
        heard = case.adapter.heard(case.request(each), each.answered)
        assert as_heard(heard) == each.expected, f"{each.name} says {as_heard(heard)}"
        assert all(told.why for told in heard.told if told.outcome != "taken"), f"{each.name} does not say why"


def every_outcome_was_tried(case: Outbound) -> None:
    """An outcome without a recording is a guess; only a vendor that compares knows what is stale."""
    tried = {outcome for each in case.answers for outcome in each.expected["told"]}
    assert {"taken", "absent", "refused", "again"} <= tried, f"only {', '.join(sorted(tried))} were tried"


def each_offer_is_in_just_one_request(case: Outbound) -> None:
    """A number that is told twice overwrites a sale in between; one that is told never is wrong for ever."""
    for offers in _many(case):
        requests = _made(case, offers)
        told = Counter(offer for request in requests for offer in request.offers)
        assert told == Counter(offers), f"of {len(offers)} offers, {sum(told.values())} are told"
        for request in requests:
            listings = [offer.listing for offer in request.offers]
            assert listings, "a request tells nothing"
            assert len(set(listings)) == len(listings), "a request tells one listing two numbers"


def a_second_try_is_the_same_request(case: Outbound) -> None:
    """What the vendor took without our knowing is not done again; another number is another request."""
    for offers in _many(case):
        first, again = _made(case, offers), _made(case, offers)
        assert first == again, "the same offers under the same key make another request"
        more = [msgspec.structs.replace(offer, quantity=offer.quantity + 1) for offer in offers]
        assert [each.body for each in _made(case, more)] != [each.body for each in first], "other numbers look the same"


def no_name_leads_elsewhere(case: Outbound) -> None:
    """Whatever a SKU, a listing or a location is called, it is asked for and told at the same few addresses."""
    adapter = case.adapter
    for name in HOSTILE:
        for shelf in (_shelf("1"), _shelf(name)):
            _within_the_address(adapter.find([name, "BAG"], shelf))
            found = adapter.found([name], shelf, {})
            _within_the_address(found if isinstance(found, tuple) else ())
            for request in adapter.requests([Offer("BAG", name, 1), Offer("BAG-2", "1", 2)], shelf, KEY, NOW_MS):
                _is_a_request(request)


def all_can_be_asked_for_at_once(case: Outbound) -> None:
    """As many SKUs as one call is given, however long, are looked up in no more steps than the hub takes."""
    adapter, skus = case.adapter, [f"{place:04}".ljust(SKU_CHARS_MAX, "𝔅") for place in range(case.adapter.offers_max)]
    needs = adapter.find(skus, _shelf("1"))
    assert needs, "nothing is asked for"
    _within_the_address(needs)


def whatever_is_answered_nothing_is_raised(case: Outbound) -> None:
    """Each offer hears of itself once, whatever comes back, longer or shorter than what was sent."""
    for each in case.answers:
        request, answer = case.request(each), each.answered
        for body in mutilated(answer.body):
            _is_heard(case.adapter.heard(request, msgspec.structs.replace(answer, body=body)), request)
        for status in (0, 99, 100, 204, 301, 304, 400, 404, 408, 409, 410, 413, 418, 422, 423, 500, 999):
            _is_heard(case.adapter.heard(request, msgspec.structs.replace(answer, status=status)), request)
        for value in ("", "-1", "1e999", "9" * 400, "nan", "\udcff\x00", "Mon, 99 Foo 2026 99:99:99 GMT", "²"):
            headers = dict.fromkeys([*answer.headers, "retry-after", "date"], value)
            for status in (answer.status, 429):
                _is_heard(case.adapter.heard(request, Answer(answer.body, headers, status)), request)


def whatever_was_fetched_nothing_is_raised(case: Outbound) -> None:
    """What cannot be read is none: it is not taken for a shop that sells nothing."""
    for each in case.look_ups:
        for name in each.fetches:
            for body in mutilated(each.fetches[name]):
                found = case.adapter.found(each.skus, each.shelf, {**each.fetches, name: body})
                _is_found(found, each)
            for body in (b"", b"null", b"0", b'"text"', b"<html>", b"\xff\xfe", b"[" * 5_000):
                found = case.adapter.found(each.skus, each.shelf, {**each.fetches, name: body})
                assert found is None, f"{each.name} finds {found} in {body[:20]!r}"


def silence_is_not_consent(case: Outbound) -> None:
    """An empty page of a proxy with status 200 is no yes: what was not taken would never be told again."""
    for each in case.answers:
        request = case.request(each)
        for body in _NOTHING:
            heard = case.adapter.heard(request, Answer(body))
            assert all(told.outcome == "again" for told in heard.told), f"{body!r} is {heard.told[0].outcome}"


def a_token_without_rights_is_no_fault_of_an_offer(case: Outbound) -> None:
    """All of them are told again once somebody gave the token its rights, and a sentence says that it lacks them."""
    _passes(case, (401, 403), "rights")


def what_passes_by_itself_is_told_again(case: Outbound) -> None:
    """A vendor that is down or asked too often takes it later."""
    _passes(case, (408, 409, 429, 500, 502, 503, 504), "")


def it_waits_as_long_as_the_vendor_asks(case: Outbound) -> None:
    """In seconds, or until a date by the vendor's own clock; but not for ever."""
    date = {"date": "Mon, 04 May 2026 12:00:00 GMT", "retry-after": "Mon, 04 May 2026 12:00:07 GMT"}
    for request in _made(case, _plain(1)):
        for headers in ({"retry-after": "7"}, {"retry-after": "7.0"}, date):
            wait = case.adapter.heard(request, Answer(b"", headers, 429)).wait_seconds
            assert wait == 7, f"{headers} makes it wait {wait:g} seconds"
        wait = case.adapter.heard(request, Answer(b"", {"retry-after": "99999999"}, 503)).wait_seconds
        assert wait <= WAIT_SECONDS_MAX, f"it waits {wait:g} seconds"


OUTBOUND_CHECKS: tuple[Check, ...] = (
    its_limits_can_be_kept,
    every_recorded_look_up_finds_what_is_expected,
    what_is_needed_is_asked_for_step_by_step,
    every_recorded_answer_means_what_is_expected,
    every_outcome_was_tried,
    each_offer_is_in_just_one_request,
    a_second_try_is_the_same_request,
    no_name_leads_elsewhere,
    all_can_be_asked_for_at_once,
    whatever_is_answered_nothing_is_raised,
    whatever_was_fetched_nothing_is_raised,
    silence_is_not_consent,
    a_token_without_rights_is_no_fault_of_an_offer,
    what_passes_by_itself_is_told_again,
    it_waits_as_long_as_the_vendor_asks,
)


def _shelf(location: str) -> Shelf:
    return Conversation(about="", expected={}, location=location).shelf


def _plain(number: int) -> list[Offer]:
    return [Offer(f"BAG-{place}", str(1_000 + place), place) for place in range(number)]


def _many(case: Outbound) -> Iterable[list[Offer]]:
    """Offers as they come: a few, all, with strange listings, and with one listing for several SKUs."""
    yield _plain(1)
    yield _plain(case.adapter.offers_max)
    yield [Offer(f"BAG-{place}", name, place, place) for place, name in enumerate([*HOSTILE, *HOSTILE])]
    yield [offer for each in case.answers for offer in each.offers][: case.adapter.offers_max]
    beyond = (
        "9007199254740993",
        "99999999999999999999",
        "9007199254740993/18014398509481985",
        "variant:9007199254740993",
    )
    yield [Offer(f"BAG-{place}", name, QUANTITY_MAX) for place, name in enumerate(beyond)]


def _made(case: Outbound, offers: list[Offer]) -> tuple[Request, ...]:
    requests = case.adapter.requests(offers, _shelf("7"), KEY, NOW_MS)
    for request in requests:
        _is_a_request(request)
    return requests


def _is_a_request(request: Request) -> None:
    assert _PATH.fullmatch(request.path), f"{request.path!r} is no path"
    assert ".." not in request.path, f"{request.path!r} leads elsewhere"
    assert msgspec.json.decode(request.body), "a request has no body"
    assert all(name == name.lower() for name in request.headers), "names of headers are in lower case"


def _within_the_address(needs: tuple[Need, ...]) -> None:
    assert len(needs) <= NEEDS_MAX, f"{len(needs)} things are asked for at once"
    assert len({need.name for need in needs}) == len(needs), "two things have one name"
    for need in needs:
        assert _PATH.fullmatch(need.path), f"{need.path!r} is no path"
        assert ".." not in need.path, f"{need.path!r} leads elsewhere"
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in need.query.items())
        assert len(need.path) + len(query) < _ADDRESS_BYTES_MAX, f"{need.name} has an address of {len(query)} bytes"
        assert need.body is None or msgspec.json.decode(need.body), f"{need.name} is asked for without a body"


def _is_heard(heard: Heard, request: Request) -> None:
    assert len(heard.told) == len(request.offers), f"{len(request.offers)} offers hear {len(heard.told)} things"
    for told in heard.told:
        assert told.outcome in _OUTCOMES, f"{told.outcome!r} is no outcome"
        assert bool(told.why) == (told.outcome != "taken"), f"{told.outcome} says {told.why!r}"
        assert len(told.why) <= DETAIL_CHARS_MAX, f"{told.outcome} says {len(told.why)} characters"
        assert told.why.isprintable(), f"{told.why!r} is no sentence"
    assert 0 <= heard.wait_seconds <= WAIT_SECONDS_MAX, f"it waits {heard.wait_seconds} seconds"
    assert heard.left is None or heard.left >= 0, f"{heard.left} are left"
    assert heard.per_second is None or 0 < heard.per_second < float("inf"), f"{heard.per_second} come back a second"


def _is_found(found: object, of: Conversation) -> None:
    if isinstance(found, tuple):
        _within_the_address(found)
    elif found is not None:
        assert isinstance(found, Mapping), f"{of.name} finds {found}"
        assert set(found) <= set(of.skus), f"{of.name} finds what nobody asked for: {set(found) - set(of.skus)}"
        assert all(isinstance(each, Listing) and each.id for each in found.values()), f"{of.name} finds no listing"


def _passes(case: Outbound, statuses: Iterable[int], saying: str) -> None:
    for each in case.answers:
        request = case.request(each)
        for status in statuses:
            for body in (b"", each.answered.body):
                heard = case.adapter.heard(request, Answer(body, {}, status))
                assert all(told.outcome == "again" for told in heard.told), f"{status} is {heard.told[0].outcome}"
                assert all(saying in told.why for told in heard.told), f"{status} says {heard.told[0].why}"
