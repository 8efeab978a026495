"""What Shopify answers when it is told what is available: errors of HTTP, of GraphQL and of its users, and points."""

from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import Answer
from adapters.hearing import (
    NO_RIGHTS,
    TAKEN,
    WAIT_SECONDS_MAX,
    by_status,
    coded,
    everything,
    one_at_fault,
    singled_out,
    unreadable,
    wait_seconds,
    words,
)
from adapters.offering import Heard, Outcome, Request, Told
from adapters.one_delivery import readable

_STALE = ("CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE")
_ABSENT = ("INVALID_INVENTORY_ITEM", "ITEM_NOT_STOCKED_AT_LOCATION")
# These say nothing against an offer: of the moment, of the key, and of what the file says.
_PASSING = {
    "IDEMPOTENCY_CONCURRENT_REQUEST",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
    "SERVICE_UNAVAILABLE",
    "INVALID_LOCATION",
    "INVALID_NAME",
    "INVALID_REASON",
    "INVALID_REFERENCE_DOCUMENT",
}
_UNDER_WAY = "IDEMPOTENCY_CONCURRENT_REQUEST"
_TOO_FAST, _NO_RIGHTS = "THROTTLED", "ACCESS_DENIED"
# Errors of GraphQL that one quantity can be the cause of; of all others it is the version, the shop or the moment.
_OF_ONE = ("INVALID_VARIABLE", "MAX_COST_EXCEEDED", "MAX_INPUT_SIZE_EXCEEDED")
_TOO_LARGE = 413


class _UserError(Struct):
    message: str = ""
    code: str | None = None
    field: tuple[str, ...] | None = None


class _Payload(Struct):
    errors: tuple[_UserError, ...] = msgspec.field(name="userErrors")


class _SetData(Struct):
    payload: _Payload | None = msgspec.field(default=None, name="inventorySetQuantities")


class _Throttle(Struct):
    left: float = msgspec.field(name="currentlyAvailable")
    per_second: float = msgspec.field(name="restoreRate")


class _Cost(Struct):
    requested: float | None = msgspec.field(default=None, name="requestedQueryCost")
    throttle: _Throttle | None = msgspec.field(default=None, name="throttleStatus")


class _Extensions(Struct):
    cost: _Cost = msgspec.field(default_factory=_Cost)


class _Set(Struct):
    data: _SetData | None = None
    # A text where it is not GraphQL that refuses.
    errors: Any = None
    extensions: _Extensions = msgspec.field(default_factory=_Extensions)


_set = msgspec.json.Decoder(_Set).decode


def heard(request: Request, answer: Answer) -> Heard:
    """By its status, errors of GraphQL, then user errors; with the points that are left."""
    read = readable(_set, answer.body)
    heard = by_status(request, answer)
    if heard is None and answer.status == _TOO_LARGE:
        heard = one_at_fault(request, "Shopify says it is too large.")
    heard = heard or (unreadable(request, answer) if read is None else _told(request, read))
    return heard if read is None else _with_points(heard, read.extensions.cost, answer)


def _told(request: Request, read: _Set) -> Heard:
    payload = read.data.payload if read.data else None
    if read.errors or payload is None:
        return _refused(request, read.errors)
    if not payload.errors:
        return Heard(told=(TAKEN,) * len(request.offers))
    at: dict[int, Told] = {}
    for error in payload.errors:
        told = Told(_outcome(error.code), coded("Shopify", error.code, error.message))
        place = _place(error, len(request.offers))
        if place is not None:
            at.setdefault(place, told)
        elif told.outcome in ("stale", "again"):
            at = {**dict.fromkeys(range(len(request.offers)), told), **at}
    why = words(payload.errors[0].message)
    heard = singled_out(request, at, why) if at else one_at_fault(request, f"Shopify says {why}")
    is_under_way = any(error.code == _UNDER_WAY for error in payload.errors)
    return msgspec.structs.replace(heard, is_key_spent=not is_under_way)


def _refused(request: Request, errors: Any) -> Heard:
    """Not the quantities are at fault, but the request: how often, by whom, and how it is written."""
    listed = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    codes = {code for each in listed if isinstance(code := _code(each), str)}
    why = words(errors if isinstance(errors, str) else next((each.get("message") for each in listed), ""))
    if _NO_RIGHTS in codes:
        return everything(request, "again", f"{NO_RIGHTS}: {why}")
    if _TOO_FAST in codes or why == "Throttled":
        return everything(request, "again", "They were asked too often.")
    if codes & set(_OF_ONE):
        return one_at_fault(request, f"Shopify says {why}")
    return everything(request, "again", f"Shopify answers without a result. {why}".strip())


def _code(error: dict[str, Any]) -> object:
    extensions = error.get("extensions")
    return extensions.get("code") if isinstance(extensions, dict) else None


def _outcome(code: str | None) -> Outcome:
    if code in _STALE:
        return "stale"
    if code in _ABSENT:
        return "absent"
    return "again" if code in _PASSING else "refused"


def _place(error: _UserError, offers: int) -> int | None:
    """Which quantity is at fault, by the path to it: `input`, `quantities`, `3`, `quantity`."""
    if offers == 1:
        return 0
    for step in error.field or ():
        if step.isascii() and step.isdigit() and len(step) < 6 and int(step) < offers:
            return int(step)
    return None


def _with_points(heard: Heard, cost: _Cost, answer: Answer) -> Heard:
    """With what is left, and how long it takes until there is enough for the same again."""
    if cost.throttle is None or cost.throttle.per_second <= 0:
        return heard
    left, per_second = max(cost.throttle.left, 0.0), cost.throttle.per_second
    lacks = max((cost.requested or 0.0) - left, 0.0) / per_second
    wait = min(max(heard.wait_seconds, wait_seconds(answer), lacks), WAIT_SECONDS_MAX)
    return msgspec.structs.replace(heard, left=left, per_second=per_second, wait_seconds=wait)
