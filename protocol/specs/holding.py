"""Operations about units that are kept for somebody: reservations and orders."""

from typing import Any, Final, Literal

from protocol.identifiers import Name, OpaqueId, Sku
from protocol.orders import ToldOrder
from protocol.reservations import Change, Extend, Reservation, ReservationsAnswer, Reserve
from protocol.specs.operation import BODY, JSON, PARAMETERS, Answer, Body, Operation, Parameter
from protocol.specs.parameters import PAGES, POOL_EXAMPLE, SKU_EXAMPLE, id_in_path, location

_OWN: Final = "reservations:write"
_ANY: Final = "reservations:any"
_ID: Final = id_in_path("id", "Of the reservation.", "cart-7")
_STATES = Literal["held", "confirmed", "fulfilled", "released", "expired", "broken"]
_RESERVE: Final = {
    "id": "cart-7",
    "pool": POOL_EXAMPLE,
    "kind": "cart",
    "ttl_seconds": 900,
    "lines": [{"sku": SKU_EXAMPLE, "quantity": 1}],
}
# Verb -> summary, and which problems it can have besides those of all.
_VERBS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "extend": ("Hold the units longer, from now", ("out_of_range",)),
    "confirm": ("Sell the units: they are not given back by themselves any more", ()),
    "release": ("Give the units back", ()),
    "fulfil": ("Say that the units left the house", ()),
    "reallocate": ("Find units anew, wherever the reservation allows", ()),
}


def _changing(verb: str, summary: str, problems: tuple[str, ...]) -> Operation:
    of: Any = Extend if verb == "extend" else Change
    return Operation(
        method="post",
        path=f"/v1/reservations/{{id}}/{verb}",
        id=f"{verb}Reservation",
        tag="reservations",
        summary=summary,
        description="Safe to repeat. Without `lines` all units that it can be about.",
        scopes=(_OWN,),
        parameters=(_ID,),
        body=Body(content={JSON: of}, examples={JSON: {"all": {}}}, is_required=False),
        answers=(Answer(description="The reservation as it is now.", type=Reservation),),
        problems=(
            *(*BODY, "not_found", "unknown_reservation", "conflict", "insufficient"),
            *("not_held", "expired", "not_arrived", "ended", *problems),
        ),
    )


HOLDING: Final = (
    Operation(
        method="post",
        path="/v1/reservations",
        id="reserve",
        tag="reservations",
        summary="Hold units for somebody, all of them or none",
        description="A refused id stays refused; a new try is a new id. The same again answers the present state.",
        scopes=(_OWN,),
        body=Body(content={JSON: Reserve}, examples={JSON: {"cart": _RESERVE}}),
        answers=(Answer(status=201, description="Held.", type=Reservation),),
        problems=(
            *(*BODY, "not_found", "unknown_reservation", "conflict", "insufficient"),
            *("expired", "ended", "too_many", "out_of_range"),
        ),
    ),
    Operation(
        method="get",
        path="/v1/reservations",
        id="listReservations",
        tag="reservations",
        summary="The reservations that units are kept for",
        description="Another's only with `reservations:any`. Other parameters than these are refused.",
        scopes=(_OWN, _ANY),
        parameters=(
            Parameter(name="owner", type=OpaqueId, description="Whose."),
            Parameter(name="sku", type=Sku, description="Of this SKU.", example=SKU_EXAMPLE),
            location("With units kept there."),
            Parameter(name="kind", type=Name, description="Of this kind."),
            Parameter(name="state", type=_STATES, description="In this state."),
            Parameter(name="purchase_order", type=OpaqueId, description="Promised out of what it brings."),
            *PAGES,
        ),
        answers=(Answer(description="One page.", type=ReservationsAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="get",
        path="/v1/reservations/{id}",
        id="getReservation",
        tag="reservations",
        summary="A reservation as it is now",
        scopes=(_OWN, _ANY),
        parameters=(_ID,),
        answers=(Answer(description="The reservation.", type=Reservation),),
        problems=("unknown_reservation", "not_found"),
    ),
    *(_changing(verb, *of) for verb, of in _VERBS.items()),
    Operation(
        method="get",
        path="/v1/orders/{order}",
        id="getOrder",
        tag="orders",
        summary="What was told of an order, and where units are kept for it",
        scopes=(_OWN, _ANY, "feed:read"),
        parameters=(id_in_path("order", "The order.", "SO-1"),),
        answers=(Answer(description="The order.", type=ToldOrder),),
        problems=("not_found",),
    ),
)
