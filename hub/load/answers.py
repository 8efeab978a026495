"""What an answer says of each event or reservation, as much of it as a load needs. Pure."""

from typing import Literal

import msgspec

# Booked by this request or by one before it; the ledger may lack it yet.
BOOKED = frozenset({"applied", "accepted", "duplicate"})
_AGAIN = frozenset({408, 425, 429})

# `unknown`: the same must be asked again. `wrong`: this is not what a hub answers to it.
Outcome = Literal["booked", "refused", "unknown", "wrong"]


class _Problem(msgspec.Struct, frozen=True):
    type: str = ""
    status: int = 0
    detail: str = ""


class _Alert(msgspec.Struct, frozen=True):
    type: str
    quantity: int
    sku: str = ""


class _Shown(msgspec.Struct, frozen=True):
    sku: str
    rev: int


class EventSaid(msgspec.Struct, frozen=True):
    """The answer to one event."""

    status: str
    id: str | None = None
    problem: _Problem | None = None
    alerts: tuple[_Alert, ...] = ()
    availability: tuple[_Shown, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether it may be booked or not."""
        return self.problem is not None and is_unknown(self.problem.status)

    @property
    def broken(self) -> int:
        """Units that somebody held and that this sale took."""
        return sum(alert.quantity for alert in self.alerts if alert.type == "reservation_broken")


class _HoldSaid(msgspec.Struct, frozen=True):
    id: str = ""
    state: str = ""


_one = msgspec.json.Decoder(EventSaid).decode
_many = msgspec.json.Decoder(list[EventSaid]).decode
_hold = msgspec.json.Decoder(_HoldSaid).decode
_problem = msgspec.json.Decoder(_Problem).decode


def is_unknown(status: int) -> bool:
    """Whether an HTTP status leaves open what became of the request."""
    return status >= 500 or status in _AGAIN


def events_said(body: bytes, ids: list[str]) -> list[EventSaid] | None:
    """Read the answers to the events with these ids; None: there is not one for each, in order."""
    try:
        said = [_one(body)] if len(ids) == 1 else _many(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return said if [each.id for each in said] == ids else None


def hold_said(verb: str, status: int, body: bytes, hold: str) -> tuple[Outcome, bool]:
    """What became of a request about a reservation, and whether its unit was given back by that or before."""
    try:
        said = _hold(body)
    except (msgspec.MsgspecError, RecursionError):
        return "wrong", False
    if status == (201 if verb == "reserve" else 200):
        # One whose unit a sale has taken is `broken`, and is answered so.
        return ("booked", said.state == "released") if said.id == hold else ("wrong", False)
    return ("refused" if 400 <= status < 500 else "wrong"), False


def reason(status: int, body: bytes) -> str:
    """Why something was refused: a number and the ending of the problem's type."""
    try:
        kind = _problem(body).type.rpartition(":")[2]
    except (msgspec.MsgspecError, RecursionError):
        kind = ""
    return f"{status} {kind}".strip()
