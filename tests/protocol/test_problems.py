"""Errors over HTTP: a stable table, and what stands in a body."""

import json
import re

import pytest

from protocol.problems import PROBLEM_TYPES, Shortage, encode_problem, problem, problem_rows

STATUSES = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_reservation": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "insufficient": 409,
    "not_held": 409,
    "expired": 409,
    "ended": 409,
    "too_large": 413,
    "unsupported_media": 415,
    "too_many": 422,
    "out_of_range": 422,
    "unsupported": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_a_type_keeps_its_name_and_status(name: str, status: int) -> None:
    made = problem(name, "Do this.")

    assert made.status == status
    assert made.name == name
    assert made.type == f"urn:hub:problem:{name}"


def test_every_type_can_be_listed_for_the_documentation() -> None:
    rows = problem_rows()

    assert {row[0].removeprefix("urn:hub:problem:") for row in rows} == set(PROBLEM_TYPES)
    assert all(re.fullmatch(r"urn:hub:problem:[a-z_]+", row[0]) and row[2] and row[3] for row in rows)


def test_a_body_has_the_members_of_rfc_9457_and_the_path() -> None:
    body = encode_problem(problem("malformed", "Expected `int` >= 1.", path="$.lines[0].quantity"))

    assert json.loads(body) == {
        "type": "urn:hub:problem:malformed",
        "title": "The message cannot be read",
        "status": 400,
        "detail": "Expected `int` >= 1.",
        "path": "$.lines[0].quantity",
    }


def test_shortages_stand_beside_the_other_members() -> None:
    shown, hidden = Shortage(sku="BAG", requested=2, available=0), Shortage(sku="BOX", requested=3)

    body = json.loads(encode_problem(problem("insufficient", "Ask for less.", shortages=(shown, hidden))))

    # A pool that shows no number tells none here either.
    assert body["shortages"] == [{"sku": "BAG", "requested": 2, "available": 0}, {"sku": "BOX", "requested": 3}]
    assert "path" not in body


def test_a_long_detail_is_cut() -> None:
    detail = problem("malformed", "x" * 100_000).detail

    assert len(detail) == 300
    assert detail.endswith("…")


def test_a_type_that_is_not_in_the_table_is_a_defect() -> None:
    with pytest.raises(KeyError):
        problem("oops", "…")
