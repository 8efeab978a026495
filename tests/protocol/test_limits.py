"""The numbers that the wire contract names; other people's programs count on them."""

from protocol import limits


def test_the_numbers_of_the_contract_stand() -> None:
    assert limits.BODY_BYTES_MAX == 1_048_576
    assert limits.EVENTS_PER_ARRAY_MAX == 1_000
    assert limits.LINES_PER_EVENT_MAX == 100
    assert limits.QUANTITY_MAX == 1_000_000
    assert limits.SKUS_PER_GET_MAX == 50
    assert limits.SKUS_PER_QUERY_MAX == limits.PAGE_ITEMS_MAX == 1_000
    assert limits.MESSAGE_BYTES_MAX == 65_536
    assert limits.SKUS_PER_CONNECTION_MAX == 10_000
    assert (limits.FIRST_MESSAGE_SECONDS, limits.HEARTBEAT_SECONDS, limits.STALLED_SECONDS) == (10, 20, 30)
    assert limits.TOKEN_LEEWAY_SECONDS == 60


def test_a_hundred_lines_of_the_largest_quantity_stay_exact_in_a_double() -> None:
    assert limits.QUANTITY_MAX * limits.LINES_PER_EVENT_MAX < limits.SAFE_INTEGER_MAX == 2**53 - 1
