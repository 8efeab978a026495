"""Operations that ask: what pools show, what lies where, why, since when, and what is on its way."""

from typing import Annotated, Final

from msgspec import Meta

from protocol.answers import AvailabilityAnswer, PositionsAnswer
from protocol.identifiers import Name, OpaqueId, Sku
from protocol.limits import QUANTITY_MAX, SKUS_PER_GET_MAX, SKUS_PER_QUERY_MAX
from protocol.questions import AvailabilityQuery
from protocol.reports import AccuracyAnswer, Explanation, LocationsAnswer, PastValue
from protocol.specs.operation import BODY, JSON, PARAMETERS, Answer, Body, Operation, Parameter
from protocol.specs.parameters import (
    IF_NONE_MATCH,
    KEPT,
    LOCATION_EXAMPLE,
    NOT_CHANGED,
    PAGES,
    POOL,
    POOL_EXAMPLE,
    SKU,
    SKU_EXAMPLE,
    SKUS,
    location,
    time,
)
from protocol.supply import ExpectedAnswer, PromiseAnswer, SerialAnswer
from protocol.transfers import TransfersAnswer

_Tolerance = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]

_OF_A_POOL: Final = (*PARAMETERS, "not_found")
_SCOPES: Final = ("positions:read",)
_UNSEEN: Final = "A pool that the caller may not see is a pool that does not exist."

_SHOWN: Final = (
    Operation(
        method="get",
        path="/v1/availability",
        id="getAvailability",
        tag="availability",
        summary=f"What a pool shows of up to {SKUS_PER_GET_MAX} SKUs",
        description=f"{_UNSEEN} An unknown SKU is out of stock. A public pool's answer may be kept for a moment.",
        scopes=(),
        parameters=(POOL, SKUS, IF_NONE_MATCH),
        answers=(
            Answer(description="In the order of the question.", type=AvailabilityAnswer, headers=KEPT),
            NOT_CHANGED,
        ),
        problems=_OF_A_POOL,
    ),
    Operation(
        method="post",
        path="/v1/availability/query",
        id="queryAvailability",
        tag="availability",
        summary=f"What a pool shows of up to {SKUS_PER_QUERY_MAX} SKUs",
        description=_UNSEEN,
        scopes=(),
        body=Body(
            content={JSON: AvailabilityQuery},
            examples={JSON: {"two": {"pool": POOL_EXAMPLE, "skus": [SKU_EXAMPLE, "WATCH-OR"]}}},
        ),
        answers=(Answer(description="In the order of the question.", type=AvailabilityAnswer, headers=KEPT),),
        problems=(*BODY, "not_found", "too_many"),
    ),
    Operation(
        method="get",
        path="/v1/availability/locations",
        id="getLocations",
        tag="availability",
        summary="In which locations a pool has units of a SKU",
        description="Only of pools with `per_location`.",
        scopes=(),
        parameters=(POOL, SKU, IF_NONE_MATCH),
        answers=(Answer(description="By location.", type=LocationsAnswer, headers=KEPT), NOT_CHANGED),
        problems=_OF_A_POOL,
    ),
)
_WHY: Final = (
    Operation(
        method="get",
        path="/v1/availability/explain",
        id="explainAvailability",
        tag="availability",
        summary="Why a pool shows what it shows: the formula with its parts filled in",
        scopes=_SCOPES,
        parameters=(POOL, SKU),
        answers=(Answer(description="The formula.", type=Explanation),),
        problems=_OF_A_POOL,
    ),
    Operation(
        method="get",
        path="/v1/availability/promise",
        id="getPromise",
        tag="availability",
        summary="What a pool may promise of a SKU before it arrives, and what it has promised",
        scopes=_SCOPES,
        parameters=(POOL, SKU),
        answers=(Answer(description="ATP, by date too.", type=PromiseAnswer),),
        problems=_OF_A_POOL,
    ),
    Operation(
        method="get",
        path="/v1/availability/history",
        id="getHistory",
        tag="availability",
        summary="What a pool showed of a SKU at any time, and by which event",
        scopes=_SCOPES,
        parameters=(POOL, SKU, time("at", "That time, not ahead of now; default: now.")),
        answers=(Answer(description="What was shown.", type=PastValue),),
        problems=_OF_A_POOL,
    ),
)
_BOOKS: Final = (
    Operation(
        method="get",
        path="/v1/positions",
        id="listPositions",
        tag="positions",
        summary="What lies where: all positions of a SKU, or of a location",
        description="Name either `sku` or `location`. Only locations of the token.",
        scopes=_SCOPES,
        parameters=(
            Parameter(name="sku", type=Sku, description="Its positions.", example=SKU_EXAMPLE),
            location("Its positions."),
            *PAGES,
        ),
        answers=(Answer(description="One page.", type=PositionsAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="get",
        path="/v1/accuracy",
        id="getAccuracy",
        tag="positions",
        summary="Inventory record accuracy by physical counts, and the causes of variances",
        scopes=_SCOPES,
        parameters=(
            Parameter(name="location", type=Name, description="Only this one.", example=LOCATION_EXAMPLE),
            Parameter(name="category", type=str, description="Only SKUs of it."),
            Parameter(name="from", type=time("from", "").type, description="Counts since then; default: 30 days."),
            Parameter(name="to", type=time("to", "").type, description="Counts before then; default: now."),
            Parameter(
                name="tolerance",
                type=_Tolerance,
                description="Units that a count may differ from the book and still be right; default: 0.",
            ),
        ),
        answers=(Answer(description="What counts found.", type=AccuracyAnswer),),
        problems=(*PARAMETERS, "too_many"),
    ),
    Operation(
        method="get",
        path="/v1/serials",
        id="getSerial",
        tag="positions",
        summary="Where a piece was last, by its serial number",
        scopes=_SCOPES,
        parameters=(
            SKU,
            Parameter(name="serial", type=OpaqueId, description="Its number.", is_required=True, example="W-1"),
        ),
        answers=(Answer(description="The piece.", type=SerialAnswer),),
        problems=(*PARAMETERS, "not_found"),
    ),
)
_COMING: Final = (
    Operation(
        method="get",
        path="/v1/expected",
        id="listExpected",
        tag="supply",
        summary="The lines of purchase orders that are remembered of a SKU",
        scopes=_SCOPES,
        parameters=(SKU, *PAGES),
        answers=(Answer(description="One page.", type=ExpectedAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="get",
        path="/v1/transfers",
        id="listTransfers",
        tag="supply",
        summary="Transfers without their final arrival",
        scopes=_SCOPES,
        parameters=PAGES,
        answers=(Answer(description="One page; it may be short and still have a `next`.", type=TransfersAnswer),),
        problems=PARAMETERS,
    ),
)
READING: Final = (*_SHOWN, *_WHY, *_BOOKS, *_COMING)
