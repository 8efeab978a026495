"""The kit finds what is wrong with an outbound adapter: each broken promise is noticed by the check named for it."""

from collections.abc import Mapping, Sequence
from itertools import count

import msgspec
import pytest

from adapters.batches import batches
from adapters.contract import Need
from adapters.hearing import everything
from adapters.kit import outbound
from adapters.kit.conversations import Outbound
from adapters.kit.outbound import Check
from adapters.offering import Allowance, Answer, Heard, Listing, Offer, Request, Shelf, Told
from adapters.woocommerce import WooCommerce
from protocol.identifiers import Sku
from tests.adapters.conversing import outbound_case_of

CALLS = count()


class Greedy(WooCommerce):
    find_cost = 100.0


class Thrifty(WooCommerce):
    allowance = Allowance(per_second=0.0, burst=1.0)


class Fuzzy(WooCommerce):
    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        found = super().found(skus, shelf, fetched)
        return {sku: Listing("1") for sku in skus} if isinstance(found, Mapping) else found


class Insatiable(WooCommerce):
    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        return self.find(skus, shelf)


class Forgetful(WooCommerce):
    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        return super().requests(offers[:99], shelf, key, now_ms)


class Twofold(WooCommerce):
    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        return super().requests([*offers, offers[0]], shelf, key, now_ms)


class Moody(WooCommerce):
    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        made = super().requests(offers, shelf, key, now_ms)
        return tuple(msgspec.structs.replace(each, headers={"x-try": str(next(CALLS))}) for each in made)


class Blind(WooCommerce):
    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        made = super().requests(offers, shelf, key, now_ms)
        return tuple(msgspec.structs.replace(each, body=b'{"update":[{"id":1}]}') for each in made)


class Trusting(WooCommerce):
    def requests(self, offers: Sequence[Offer], shelf: Shelf, key: str, now_ms: int) -> tuple[Request, ...]:
        return tuple(
            Request(method="POST", path=f"/products/{each[0].listing}", body=b'{"a":1}', offers=each)
            for each in batches(offers, 1)
        )


class Boundless(WooCommerce):
    def find(self, skus: Sequence[Sku], shelf: Shelf) -> tuple[Need, ...]:
        return tuple(Need(name=sku, path="/products", query={"sku": sku}) for sku in skus)


class Fragile(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        msgspec.json.decode(answer.body or b"{}")
        return super().heard(request, answer)


class Short(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        heard = super().heard(request, answer)
        return msgspec.structs.replace(heard, told=heard.told[:1])


class Gullible(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        heard = super().heard(request, answer)
        unread = answer.status == 200 and all(told.outcome == "again" for told in heard.told)
        return msgspec.structs.replace(heard, told=(Told("taken"),) * len(heard.told)) if unread else heard


class Unforgiving(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        return everything(request, "refused", "No.") if answer.status >= 400 else super().heard(request, answer)


class Silent(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        heard = super().heard(request, answer)
        return msgspec.structs.replace(heard, told=tuple(Told(told.outcome) for told in heard.told))


class Hasty(WooCommerce):
    def heard(self, request: Request, answer: Answer) -> Heard:
        return msgspec.structs.replace(super().heard(request, answer), wait_seconds=0.0)


class Deaf(WooCommerce):
    def found(
        self, skus: Sequence[Sku], shelf: Shelf, fetched: Mapping[str, bytes]
    ) -> Mapping[Sku, Listing] | tuple[Need, ...] | None:
        found = super().found(skus, shelf, fetched)
        return {} if found is None else found


def judged(adapter: WooCommerce, check: Check) -> None:
    check(Outbound(adapter, outbound_case_of("woocommerce").conversations))


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Greedy, outbound.its_limits_can_be_kept),
        (Thrifty, outbound.its_limits_can_be_kept),
        (Fuzzy, outbound.every_recorded_look_up_finds_what_is_expected),
        (Insatiable, outbound.what_is_needed_is_asked_for_step_by_step),
        (Boundless, outbound.what_is_needed_is_asked_for_step_by_step),
        (Boundless, outbound.all_can_be_asked_for_at_once),
        (Short, outbound.every_recorded_answer_means_what_is_expected),
        (Silent, outbound.every_recorded_answer_means_what_is_expected),
        (Forgetful, outbound.each_offer_is_in_just_one_request),
        (Twofold, outbound.each_offer_is_in_just_one_request),
        (Moody, outbound.a_second_try_is_the_same_request),
        (Blind, outbound.a_second_try_is_the_same_request),
        (Trusting, outbound.no_name_leads_elsewhere),
        (Fragile, outbound.whatever_is_answered_nothing_is_raised),
        (Short, outbound.whatever_is_answered_nothing_is_raised),
        (Silent, outbound.whatever_is_answered_nothing_is_raised),
        (Deaf, outbound.whatever_was_fetched_nothing_is_raised),
        (Gullible, outbound.silence_is_not_consent),
        (Unforgiving, outbound.a_token_without_rights_is_no_fault_of_an_offer),
        (Unforgiving, outbound.what_passes_by_itself_is_told_again),
        (Hasty, outbound.it_waits_as_long_as_the_vendor_asks),
    ],
)
def test_a_broken_promise_is_noticed(broken: type[WooCommerce], check: Check) -> None:
    judged(WooCommerce(), check)
    with pytest.raises((AssertionError, msgspec.DecodeError)):
        judged(broken(), check)


def test_an_outcome_that_was_never_recorded_is_noticed() -> None:
    case = outbound_case_of("woocommerce")
    taken = tuple(each for each in case.conversations if "refused" not in each.expected.get("told", ()))
    outbound.every_outcome_was_tried(case)
    with pytest.raises(AssertionError, match="were tried"):
        outbound.every_outcome_was_tried(Outbound(case.adapter, taken))
