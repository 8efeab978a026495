"""Operations that tell the hub something: events, imports, SKUs, what waits, and who is done with an alert."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from protocol.alerts import OwnAlertsAnswer, SettleAlert, SettledAnswer
from protocol.answers import EventAnswer, RefusedAlone
from protocol.events import Event
from protocol.identifiers import Name, OpaqueId, Time
from protocol.imports import ImportAborted, ImportAccepted, ImportKind, ImportsAnswer, ImportStatus
from protocol.limits import EVENTS_PER_ARRAY_MAX, IMPORTS_KEPT_MAX, SKUS_PER_QUERY_MAX
from protocol.reports import DismissedAnswer, ParkedAnswer, ReplayAnswer
from protocol.skus import SkuBody, SkusAnswer, SkuTold
from protocol.specs.operation import BODY, CSV, JSON, JSON_LINES, PARAMETERS, Answer, Body, Operation, Parameter
from protocol.specs.parameters import LOCATION_EXAMPLE, PAGES, SKU_EXAMPLE, SKUS, Some, location, time

_Events = Annotated[list[Event], Meta(max_length=EVENTS_PER_ARRAY_MAX)]
_Skus = Annotated[list[SkuBody], Meta(max_length=SKUS_PER_QUERY_MAX)]

_RECEIPT: Final = {
    "id": "delivery-1",
    "type": "receipt",
    "time": "2026-11-22T09:00:00+00:00",
    "location": LOCATION_EXAMPLE,
    "lines": [{"sku": SKU_EXAMPLE, "quantity": 5}],
}
_SALE: Final = {
    "id": "till-7-000123",
    "type": "sale",
    "time": "2026-11-22T10:00:00+00:00",
    "location": LOCATION_EXAMPLE,
    "pool": "store",
    "lines": [{"sku": SKU_EXAMPLE, "quantity": 1}],
}
_LINE: Final = f'{{"sku": "{SKU_EXAMPLE}", "quantity": 3}}\n'

_EVENTS: Final = (
    Operation(
        method="post",
        path="/v1/events",
        id="sendEvents",
        tag="events",
        summary=f"Tell what happened: one event, or an array of up to {EVENTS_PER_ARRAY_MAX}",
        description=(
            "A fact is never refused for lack of stock. An array that can be read is answered 200, item for item in its"
            " order; a bad item spoils only itself. After 503, or without any answer, send the same ids again."
        ),
        scopes=("events:write",),
        parameters=(
            Parameter(
                name="Hub-Sent-At",
                type=Time,
                description="The sender's clock when it sent; it corrects a wrong clock.",
                place="header",
            ),
        ),
        body=Body(content={JSON: Event | _Events}, examples={JSON: {"one": _RECEIPT, "several": [_SALE]}}),
        answers=(
            Answer(
                description="Booked and in the ledger; or an array's answers, whatever they say.",
                type=EventAnswer | list[EventAnswer],
            ),
            Answer(
                status=202,
                description="Booked, and the ledger is late; or parked. Send the same id again to hear more.",
                type=EventAnswer,
            ),
        ),
        problems=(*BODY, "conflict", "too_many"),
        refusals=dict.fromkeys((*BODY, "conflict", "too_many", "forbidden"), RefusedAlone),
    ),
)
_IMPORT_QUERY: Final = (
    Parameter(name="kind", type=ImportKind, description="Another system's book (default), or what was counted."),
    time("at", "As of when the lines are true; default: when the import comes."),
    Parameter(
        name="on_error",
        type=Literal["skip", "abort"],
        description="What broken lines do; `abort` books nothing when there is one. Default: `skip`.",
    ),
    location("The location of lines that name none."),
    Parameter(
        name="complete",
        type=Literal["true", "false"],
        description="SKUs that are not listed at the listed locations are zero; implies `on_error=abort`.",
    ),
    Parameter(name="id", type=Name, description="Names the import within its source; default: a new one."),
    Parameter(name="Idempotency-Key", type=Name, description="The same as `id`.", place="header"),
)
_IMPORTS: Final = (
    Operation(
        method="post",
        path="/v1/imports",
        id="importBooks",
        tag="imports",
        summary="Make the book what a file says, as of one time",
        description="Lines of `sku`, `quantity` and `location`: CSV with a header, or JSON Lines.",
        scopes=("events:write",),
        parameters=_IMPORT_QUERY,
        body=Body(
            content={CSV: Some, JSON_LINES: Some, "application/jsonl": Some},
            examples={
                CSV: {"two columns": f"sku,location,quantity\n{SKU_EXAMPLE},{LOCATION_EXAMPLE},3\n"},
                JSON_LINES: {"one line": _LINE},
                "application/jsonl": {"one line": _LINE},
            },
        ),
        answers=(
            Answer(description="The same import was here before and has ended.", type=ImportAccepted),
            Answer(status=202, description="All lines are read and kept on disk.", type=ImportAccepted),
        ),
        problems=(*BODY, "conflict", "too_many", "rate_limited"),
        refusals={"malformed": ImportAborted},
    ),
    Operation(
        method="get",
        path="/v1/imports",
        id="listImports",
        tag="imports",
        summary=f"The latest {IMPORTS_KEPT_MAX} imports of the caller's source, or of all with `admin`",
        scopes=("events:write", "admin"),
        answers=(Answer(description="Newest first, without their `errors`.", type=ImportsAnswer),),
    ),
    Operation(
        method="get",
        path="/v1/imports/{id}",
        id="getImport",
        tag="imports",
        summary="How far an import is",
        scopes=("events:write", "admin"),
        parameters=(
            Parameter(
                name="id", type=Name, description="Of the import.", place="path", is_required=True, example="books-1"
            ),
        ),
        answers=(Answer(description="How far it is.", type=ImportStatus),),
        problems=("not_found",),
    ),
)
_SKUS: Final = (
    Operation(
        method="put",
        path="/v1/skus",
        id="describeSkus",
        tag="skus",
        summary=f"Describe up to {SKUS_PER_QUERY_MAX} SKUs; each item says all that is known of its SKU",
        description="A SKU has at most 32 aliases and 32 attributes. A bad item spoils only itself.",
        scopes=("admin",),
        body=Body(
            content={JSON: _Skus, JSON_LINES: Some, CSV: Some},
            examples={
                JSON: {"one": [{"sku": SKU_EXAMPLE, "category": "bags", "aliases": ["3607340000001"]}]},
                JSON_LINES: {"one": f'{{"sku": "{SKU_EXAMPLE}", "category": "bags"}}\n'},
                CSV: {"one": f"sku,category,aliases\n{SKU_EXAMPLE},bags,3607340000001\n"},
            },
        ),
        answers=(Answer(description="One for one, in their order.", type=list[SkuTold]),),
        problems=(*BODY, "too_many"),
    ),
    Operation(
        method="get",
        path="/v1/skus",
        id="getSkus",
        tag="skus",
        summary="What is described of SKUs",
        scopes=("positions:read",),
        parameters=(SKUS,),
        answers=(Answer(description="In the order of the question.", type=SkusAnswer),),
        problems=PARAMETERS,
    ),
)
_PARKED: Final = (
    Operation(
        method="get",
        path="/v1/parked",
        id="listParked",
        tag="parked",
        summary="Events that wait because nobody knows what they name, or for room",
        description="`admin` sees all of them, `events:write` those of its own source.",
        scopes=("admin", "events:write"),
        parameters=(Parameter(name="source", type=Name, description="Only those of this source."), *PAGES),
        answers=(Answer(description="In the order they came.", type=ParkedAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="post",
        path="/v1/parked/replay",
        id="replayParked",
        tag="parked",
        summary="Book now what names only what the house knows by now",
        scopes=("admin",),
        answers=(Answer(description="What became of them.", type=ReplayAnswer),),
    ),
    Operation(
        method="delete",
        path="/v1/parked/{source}/{id}",
        id="dismissParked",
        tag="parked",
        summary="Wait for an event no more",
        scopes=("admin",),
        parameters=(
            Parameter(name="source", type=Name, description="Who sent it.", place="path", is_required=True),
            Parameter(
                name="id",
                type=OpaqueId,
                description="Of the event; a slash in it may stand as it is.",
                place="path",
                is_required=True,
            ),
        ),
        answers=(Answer(description="Nobody waits for it any more.", type=DismissedAnswer),),
        problems=("not_found",),
    ),
)
_ALERTS: Final = (
    Operation(
        method="get",
        path="/v1/alerts",
        id="listAlerts",
        tag="alerts",
        summary="What the hub noticed by itself",
        scopes=("admin",),
        parameters=(
            Parameter(name="type", type=str, description="Only those of this type, such as `applied_twice`."),
            Parameter(
                name="state",
                type=Literal["open", "all"],
                description="`open`: those that nobody settled. Default: `all`.",
            ),
            *PAGES,
        ),
        answers=(Answer(description="Newest first.", type=OwnAlertsAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="post",
        path="/v1/alerts/{id}/settle",
        id="settleAlert",
        tag="alerts",
        summary="Say that a person looked at an alert and is done with it",
        description="The alert stays. Who settled it first stands; again it is answered alike.",
        scopes=("admin",),
        parameters=(
            Parameter(
                name="id", type=str, description="Of the alert, as it is listed.", place="path", is_required=True
            ),
        ),
        body=Body(content={JSON: SettleAlert}),
        answers=(Answer(description="It is settled.", type=SettledAnswer),),
        problems=(*BODY, "not_found"),
    ),
)
WRITING: Final = (*_EVENTS, *_IMPORTS, *_SKUS, *_PARKED, *_ALERTS)
