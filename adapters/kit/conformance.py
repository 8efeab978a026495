"""The promises of an adapter, one function each; what fails is an AssertionError with a sentence, for any test runner.

for check in CHECKS:
    check(Case(ADAPTER, recordings))
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from adapters.contract import (
    EVENTS_PER_DELIVERY_MAX,
    LEVELS_PER_DELIVERY_MAX,
    NEEDS_MAX,
    Account,
    Delivery,
    Maturity,
    Reading,
)
from adapters.kit.first_steps import still_to_record
from adapters.kit.mutilation import mutilated
from adapters.kit.recordings import SECRETS, Case, Recording, as_told
from protocol.codec import decode_event, encode_canonical
from protocol.identifiers import OpaqueId

Check = Callable[[Case], None]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OTHER_DIGITS = bytes.maketrans(b"0123456789", b"1234567890")
_HOUR_MS = 3_600_000


def its_name_can_stand_in_a_file(case: Case) -> None:
    """`[[source]] adapter` names it, and people look for its documents and how far it was tried."""
    adapter = case.adapter
    assert _NAME.fullmatch(adapter.name), f"{adapter.name!r} is not of a-z, 0-9 and `_`"
    assert adapter.documentation.startswith("https://"), "`documentation` is no address of the vendor's documents"
    assert adapter.maturity in Maturity.__args__, f"{adapter.maturity!r} is no maturity"  # type: ignore[attr-defined]


def something_was_tried(case: Case) -> None:
    """An adapter that reads nothing keeps every other promise."""
    steps = still_to_record(case.adapter, case.recordings)
    assert not steps, " ".join(steps)
    says = any(each.expected for each in case.recordings)
    assert says, "in no recording is anything `expected`: add a delivery that says something about stock"


def what_the_vendor_sent_is_believed(case: Case) -> None:
    """Whatever is refused is lost: no vendor sends for ever."""
    for recording in case.recordings:
        why = case.adapter.verify(case.signed(recording), recording.of_account)
        assert why is None, f"{recording.name} is refused: {why}"


def a_signature_that_the_vendor_made_is_believed(case: Case) -> None:
    """What an adapter signs itself proves only that it agrees with itself; a recording with a `secret` proves more."""
    for recording in [each for each in case.recordings if each.secret]:
        account = msgspec.structs.replace(recording.of_account, secrets=(recording.secret,))
        why = case.adapter.verify(recording.delivery, account)
        assert why is None, f"{recording.name} is refused as the vendor signed it: {why}"


def what_anybody_else_sent_is_refused(case: Case) -> None:
    """Another body, signature or secret, or none: whoever can send an event can empty a shop."""
    for recording in case.recordings:
        account, good = recording.of_account, case.signed(recording)
        for spoilt, how in _forged(case, recording, good):
            why = case.adapter.verify(spoilt, account)
            assert why, f"{recording.name} is believed {how}"
            assert not any(secret in why for secret in SECRETS), f"the refusal tells a secret: {why}"
        nobody = msgspec.structs.replace(account, secrets=())
        assert case.adapter.verify(good, nobody), f"{recording.name} is believed by an account without a secret"


def secrets_can_be_changed_without_losing_a_delivery(case: Case) -> None:
    """While a secret is rotated, both are good."""
    for recording in case.recordings:
        for secret in SECRETS:
            why = case.adapter.verify(case.signed(recording, secret), recording.of_account)
            assert why is None, f"{recording.name}, signed with one of two secrets, is refused: {why}"


def what_is_old_is_refused_where_the_vendor_signs_the_time(case: Case) -> None:
    """Who once saw a delivery must not send it a year later; where no time is signed, a late one may be a retry."""
    for recording in case.recordings:
        good = case.signed(recording)
        for hours in (-1, 1):
            late = msgspec.structs.replace(good, received_at_ms=good.received_at_ms + hours * _HOUR_MS)
            refused = case.adapter.verify(late, recording.of_account) is not None
            assert refused == case.is_time_signed, f"{recording.name}, {hours} hours late, is refused: {refused}"


def every_recording_means_exactly_what_is_expected(case: Case) -> None:
    """The dialect itself."""
    others: list[str] = []
    for recording in case.recordings:
        told = as_told(case.reading(recording))
        if told != recording.expected:
            others.append(f"{recording.name} says something else than `expected`; if it is right:\n{_shown(told)}")
    assert not others, "\n".join(others)


def told_again_it_is_the_same(case: Case) -> None:
    """A retry has the same delivery id, events and event ids, so it counts once; another delivery has another id."""
    ids: dict[str, bytes] = {}
    for recording in case.recordings:
        delivery = case.signed(recording)
        again = case.signed(msgspec.structs.replace(recording))
        assert case.adapter.translate(again, recording.of_account, recording.answers) == case.reading(recording)
        id = case.adapter.delivery_id(delivery)
        assert id == case.adapter.delivery_id(again), f"{recording.name} has another id when it is sent again"
        assert ids.setdefault(id, delivery.body) == delivery.body, f"{recording.name} has another delivery's id"
        events = [event.id for event in case.reading(recording).events]
        assert len(events) == len(set(events)), f"{recording.name} says two things under one id"


def what_does_not_concern_stock_says_nothing(case: Case) -> None:
    """A shop subscribes to more than stock; a recording of such a topic shows that it is passed over."""
    if "*" in case.adapter.topics:
        return
    foreign = [each for each in case.recordings if _topic(case, each) not in case.adapter.topics]
    assert foreign, "no recording is of a topic that the adapter does not read: add one of something else than stock"
    for recording in foreign:
        assert as_told(case.reading(recording)) == {}, f"{recording.name} says something"


def every_topic_was_tried(case: Case) -> None:
    """A topic without a recording is a guess."""
    tried = {_topic(case, recording) for recording in case.recordings}
    missing = set(case.adapter.topics) - tried - {"*"}
    assert not missing, f"no recording is of {', '.join(sorted(missing))}"


def whatever_arrives_nothing_is_raised(case: Case) -> None:
    """A vendor counts errors and stops sending; what cannot be read is set aside with a sentence."""
    for recording in case.recordings:
        signed, account = case.signed(recording), recording.of_account
        for body in mutilated(signed.body):
            spoilt = msgspec.structs.replace(signed, body=body)
            _within_limits(_ask_everything(case, spoilt, account, recording.answers), recording)
        for headers in ({}, dict.fromkeys(signed.headers, ""), dict.fromkeys(signed.headers, "\udcff\x00" * 500)):
            _ask_everything(case, msgspec.structs.replace(signed, headers=headers), account, {})
        for name, answer in recording.answers.items():
            for body in mutilated(answer):
                _within_limits(case.adapter.translate(signed, account, {**recording.answers, name: body}), recording)


def its_events_are_events(case: Case) -> None:
    """They survive the wire unchanged, and ids and numbers keep to its limits."""
    for recording in case.recordings:
        reading = case.reading(recording)
        for event in reading.events:
            assert decode_event(encode_canonical(event)).event == event, f"{recording.name}: {event.id}"
        msgspec.convert(case.adapter.delivery_id(case.signed(recording)), OpaqueId)
        _within_limits(reading, recording)


def a_place_that_is_not_mapped_is_said_and_never_guessed(case: Case) -> None:
    """A sale at an unknown place is set aside, not booked elsewhere and not dropped."""
    for recording in case.recordings:
        account = msgspec.structs.replace(recording.of_account, locations={}, pool="")
        reading = case.adapter.translate(case.signed(recording), account, recording.answers)
        places = {getattr(event, "location", None) for event in reading.events} - {None}
        named = {level.location for level in reading.levels}
        if "*" in case.adapter.topics:
            continue  # its events name our places themselves
        assert not places | named, f"{recording.name} is at {places | named}, which nobody mapped"


def its_ids_are_the_vendors_and_not_the_houses(case: Case) -> None:
    """A delivery is told again after the file was mended; what was booked before must still be the same."""
    for recording in case.recordings:
        account = recording.of_account
        mended = msgspec.structs.replace(
            account, pool="another", locations=dict.fromkeys(account.locations, "ANOTHER"), returns_to="free"
        )
        ids = [event.id for event in case.reading(recording).events]
        told = case.adapter.translate(case.signed(recording), mended, recording.answers)
        assert not ids or [event.id for event in told.events] == ids, f"{recording.name} has other ids in another house"


def what_is_needed_is_asked_for_by_name(case: Case) -> None:
    """The hub fetches it, so that the adapter stays pure; and it is not asked for again once it is there."""
    for recording in case.recordings:
        first = case.adapter.translate(case.signed(recording), recording.of_account, {})
        for need in first.needs:
            assert need.path.startswith("/"), f"{recording.name} needs {need.path!r}, which is no path"
            assert need.name in recording.fetched or recording.expected.get("needs"), f"{need.name} was not recorded"
        left = {need.name for need in case.reading(recording).needs}
        assert not left & set(recording.fetched), f"{recording.name} needs again what was fetched"


CHECKS: tuple[Check, ...] = (
    its_name_can_stand_in_a_file,
    something_was_tried,
    what_the_vendor_sent_is_believed,
    a_signature_that_the_vendor_made_is_believed,
    what_anybody_else_sent_is_refused,
    secrets_can_be_changed_without_losing_a_delivery,
    what_is_old_is_refused_where_the_vendor_signs_the_time,
    every_recording_means_exactly_what_is_expected,
    told_again_it_is_the_same,
    what_does_not_concern_stock_says_nothing,
    every_topic_was_tried,
    whatever_arrives_nothing_is_raised,
    its_events_are_events,
    a_place_that_is_not_mapped_is_said_and_never_guessed,
    its_ids_are_the_vendors_and_not_the_houses,
    what_is_needed_is_asked_for_by_name,
)


def _shown(told: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def _topic(case: Case, recording: Recording) -> str:
    return case.adapter.topic(case.signed(recording))


def _forged(case: Case, recording: Recording, good: Delivery) -> list[tuple[Delivery, str]]:
    """The delivery as somebody else would send it, and how."""
    replace = msgspec.structs.replace
    unsigned = recording.delivery
    forged = [
        # Other digits, wherever they stand: of some bodies only a part is signed.
        (replace(good, body=good.body.translate(_OTHER_DIGITS) + b" "), "with another body"),
        (replace(good, body=b""), "without a body"),
        (case.signed(recording, "c29tZWJvZHktZWxzZXMtc2VjcmV0LWtleQ=="), "with another's secret"),
    ]
    if unsigned != good:
        forged.append((unsigned, "without a signature"))
    for name, value in good.headers.items():
        if unsigned.headers.get(name) == value or not value:
            continue
        rest = {other: kept for other, kept in good.headers.items() if other != name}
        other = value[:-6] + ("A" if value[-6] != "A" else "B") + value[-5:]
        forged.append((replace(good, headers=rest), f"without `{name}`"))
        forged.append((replace(good, headers={**rest, name: other}), f"with another `{name}`"))
        forged.append((replace(good, headers={**rest, name: "\udcff" + value}), f"with rubbish in `{name}`"))
    return forged


def _ask_everything(case: Case, delivery: Delivery, account: Account, answers: dict[str, bytes]) -> Reading:
    case.adapter.greet(delivery, account)
    case.adapter.verify(delivery, account)
    case.adapter.delivery_id(delivery)
    case.adapter.topic(delivery)
    return case.adapter.translate(delivery, account, answers)


def _within_limits(reading: Reading, recording: Recording) -> None:
    assert len(reading.events) <= EVENTS_PER_DELIVERY_MAX, f"{recording.name} says {len(reading.events)} events"
    assert len(reading.levels) <= LEVELS_PER_DELIVERY_MAX, f"{recording.name} says {len(reading.levels)} levels"
    assert len(reading.needs) <= NEEDS_MAX, f"{recording.name} needs {len(reading.needs)} things"
    says = bool(reading.events or reading.levels or reading.descriptions or reading.needs)
    assert not (reading.unmapped and says), f"{recording.name} is not mapped and says something all the same"
