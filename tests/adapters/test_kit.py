"""The kit finds what is wrong with an adapter: each broken promise is noticed by the check that is named for it."""

from collections.abc import Mapping

import msgspec
import pytest

from adapters.contract import Account, Adapter, Delivery, Reading, Signing
from adapters.discovery import names
from adapters.kit import conformance
from adapters.kit.conformance import Check
from adapters.kit.first_steps import still_to_do
from adapters.kit.recordings import Case
from adapters.shopify import Shopify
from tests.adapters.cases import case_of


class Named(Shopify):
    name = "Shopify EU"


class Deaf(Shopify):
    def verify(self, delivery: Delivery, account: Account) -> str | None:
        return "no"


class Credulous(Shopify):
    def verify(self, delivery: Delivery, account: Account) -> str | None:
        return None


class Forgetful(Shopify):
    def verify(self, delivery: Delivery, account: Account) -> str | None:
        return super().verify(delivery, Account(account.source, secrets=account.secrets[:1]))


class Talkative(Shopify):
    def verify(self, delivery: Delivery, account: Account) -> str | None:
        return super().verify(delivery, account) and f"expected one made with {account.secrets}"


class Alike(Shopify):
    def delivery_id(self, delivery: Delivery) -> str:
        return "delivery"


class Fragile(Shopify):
    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        assert delivery.body.endswith(b"}")
        return super().translate(delivery, account, fetched)


class Everywhere(dict[str, str]):
    def get(self, theirs: object, default: object = None) -> str:  # type: ignore[override]
        return "DC-LYON"


class Guessing(Shopify):
    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        guessed = Account(account.source, pool="online", locations=Everywhere())
        return super().translate(delivery, guessed, fetched)


class Insatiable(Shopify):
    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        return super().translate(delivery, account, {})


class Boastful(Shopify):
    topics = (*Shopify.topics, "carts/create")


class Empty(Shopify):
    topics = ()


def judged(adapter: Adapter, check: Check) -> None:
    case = case_of("shopify")
    check(Case(adapter, case.recordings, case.sign))


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Named, conformance.its_name_can_stand_in_a_file),
        (Empty, conformance.something_was_tried),
        (Deaf, conformance.what_the_vendor_sent_is_believed),
        (Credulous, conformance.what_anybody_else_sent_is_refused),
        (Talkative, conformance.what_anybody_else_sent_is_refused),
        (Forgetful, conformance.secrets_can_be_changed_without_losing_a_delivery),
        (Alike, conformance.told_again_it_is_the_same),
        (Fragile, conformance.whatever_arrives_nothing_is_raised),
        (Guessing, conformance.a_place_that_is_not_mapped_is_said_and_never_guessed),
        (Insatiable, conformance.what_is_needed_is_asked_for_by_name),
        (Insatiable, conformance.every_recording_means_exactly_what_is_expected),
        (Boastful, conformance.every_topic_was_tried),
    ],
)
def test_a_broken_promise_is_noticed(broken: type[Shopify], check: Check) -> None:
    judged(Shopify(), check)
    with pytest.raises(AssertionError):
        judged(broken(), check)


def test_a_vendor_that_signs_no_time_must_be_believed_late() -> None:
    case = case_of("standard_webhooks")
    timeless = Case(case.adapter, case.recordings, case.sign, signs_time=False)
    with pytest.raises(AssertionError, match="hours late"):
        conformance.what_is_old_is_refused_where_the_vendor_signs_the_time(timeless)


def test_an_adapter_signs_for_itself_where_nobody_else_does() -> None:
    case = case_of("square")
    for check in (conformance.what_the_vendor_sent_is_believed, conformance.what_anybody_else_sent_is_refused):
        check(Case(case.adapter, case.recordings))
    timed = case_of("standard_webhooks")
    conformance.what_is_old_is_refused_where_the_vendor_signs_the_time(Case(timed.adapter, timed.recordings))


def test_a_signature_that_the_vendor_made_must_be_right() -> None:
    case = case_of("shopify")
    signed = case.signed(case.recordings[0], "made-by-the-vendor")
    genuine = msgspec.structs.replace(case.recordings[0], headers=signed.headers, secret="made-by-the-vendor")
    conformance.a_signature_that_the_vendor_made_is_believed(Case(case.adapter, (genuine,)))

    other = msgspec.structs.replace(genuine, secret="another")
    with pytest.raises(AssertionError, match="as the vendor signed it"):
        conformance.a_signature_that_the_vendor_made_is_believed(Case(case.adapter, (other,)))


def test_a_recording_that_is_an_example_is_none() -> None:
    case = case_of("shopify")
    example = msgspec.structs.replace(case.recordings[0], about="TODO: an example.", name="first")

    [step] = still_to_do(case.adapter, (example, *case.recordings))

    assert "first" in step
    assert still_to_do(case.adapter, case.recordings) == []
    assert len(still_to_do(case.adapter, ())) == 1
    silent = tuple(msgspec.structs.replace(each, expected={}) for each in case.recordings)
    with pytest.raises(AssertionError, match="in no recording is anything `expected`"):
        conformance.something_was_tried(Case(case.adapter, silent))


@pytest.mark.parametrize("name", names())
def test_an_adapter_signs_as_the_vendors_documents_say(name: str) -> None:
    case = case_of(name)
    assert isinstance(case.adapter, Signing)
    assert case.adapter.signs_time == case.signs_time
    for recording in case.recordings:
        assert case.adapter.sign(recording.delivery, recording.of_account) == case.signed(recording), recording.name
