"""Operations about what third parties deliver: their own payloads in, and what waits for a person."""

from typing import Annotated, Any, Final

from msgspec import Meta

from protocol.identifiers import Name, Time
from protocol.specs.operation import BODY, JSON, PARAMETERS, Answer, Body, Operation, Parameter
from protocol.specs.parameters import PAGES
from protocol.webhooks import (
    InboxAnswer,
    InboxDelivery,
    InboxDismissedAnswer,
    InboxReplayAnswer,
    InboxState,
    ReconcileAnswer,
    WebhookAnswer,
)

_SOURCE: Final = Parameter(
    name="source",
    type=Name,
    description="The `[[source]]` with an adapter.",
    place="path",
    is_required=True,
    example="shopify-eu",
)
_Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_ID: Final = Parameter(
    name="id", type=_Number, description="Of the delivery.", place="path", is_required=True, example=1
)
_WEBHOOKS: Final = (
    Operation(
        method="post",
        path="/v1/webhooks/{source}",
        id="deliverWebhook",
        tag="webhooks",
        summary="Deliver what happened at a third party, in its own words",
        description=(
            "Signed as the third party signs; no token is looked at. It is kept before it is answered, and booked once,"
            " however often it is sent. After 503, or without any answer, the third party sends it again. A check of"
            " the address is answered as the third party wants it."
        ),
        scopes=None,
        parameters=(_SOURCE,),
        body=Body(content={JSON: Any}, is_required=False),
        answers=(
            Answer(description="Booked and in the ledger, or nothing about stock.", type=WebhookAnswer),
            Answer(status=202, description="Kept; it is booked soon, or parked for a person.", type=WebhookAnswer),
        ),
        problems=(*BODY, "unauthenticated", "not_found", "internal", "unavailable"),
    ),
    Operation(
        method="get",
        path="/v1/webhooks/{source}",
        id="checkWebhook",
        tag="webhooks",
        summary="Answer a third party that looks whether the address is there",
        scopes=None,
        parameters=(_SOURCE,),
        answers=(Answer(description="As the third party wants it."),),
        problems=(*BODY, "unauthenticated", "not_found", "method_not_allowed", "internal", "unavailable"),
    ),
)
_INBOX: Final = (
    Operation(
        method="get",
        path="/v1/inbox",
        id="listDeliveries",
        tag="webhooks",
        summary="Deliveries of third parties in one state",
        scopes=("admin",),
        parameters=(
            Parameter(name="source", type=Name, description="Only those of this source."),
            Parameter(name="state", type=InboxState, description="Default: `parked`, which wait for a person."),
            *PAGES,
        ),
        answers=(Answer(description="In the order they came.", type=InboxAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="post",
        path="/v1/inbox/replay",
        id="replayDeliveries",
        tag="webhooks",
        summary="Try now what is parked, up to 1,000 deliveries",
        scopes=("admin",),
        answers=(Answer(description="What became of them.", type=InboxReplayAnswer),),
    ),
    Operation(
        method="get",
        path="/v1/inbox/{id}",
        id="getDelivery",
        tag="webhooks",
        summary="A delivery whole, but for what vouched for it",
        scopes=("admin",),
        parameters=(_ID,),
        answers=(Answer(description="As it came.", type=InboxDelivery),),
        problems=("not_found",),
    ),
    Operation(
        method="post",
        path="/v1/inbox/{id}/replay",
        id="replayDelivery",
        tag="webhooks",
        summary="Try a parked delivery now",
        scopes=("admin",),
        parameters=(_ID,),
        answers=(Answer(description="What became of it.", type=InboxReplayAnswer),),
        problems=("not_found",),
    ),
    Operation(
        method="delete",
        path="/v1/inbox/{id}",
        id="dismissDelivery",
        tag="webhooks",
        summary="Wait for a parked delivery no more, and forget what it said",
        scopes=("admin",),
        parameters=(_ID,),
        answers=(Answer(description="Nobody waits for it any more.", type=InboxDismissedAnswer),),
        problems=("not_found",),
    ),
)
_RECONCILING: Final = (
    Operation(
        method="get",
        path="/v1/webhooks/{source}/reconcile",
        id="getReconciliation",
        tag="webhooks",
        summary="How far a third party was asked for what its deliveries missed",
        scopes=("admin",),
        parameters=(_SOURCE,),
        answers=(Answer(description="What was asked so far.", type=ReconcileAnswer),),
        problems=("not_found", *PARAMETERS),
    ),
    Operation(
        method="post",
        path="/v1/webhooks/{source}/reconcile",
        id="reconcile",
        tag="webhooks",
        summary="Ask a third party soon for what its deliveries missed",
        scopes=("admin",),
        parameters=(
            _SOURCE,
            Parameter(
                name="since",
                type=Time,
                description="What happened since, a time since the year 2000; default: from where it is.",
                example="2026-11-22T10:00:00+00:00",
            ),
        ),
        answers=(Answer(description="How far it is; it is asked by whichever hub asks it.", type=ReconcileAnswer),),
        problems=("not_found", *PARAMETERS),
    ),
)
DELIVERING: Final = (*_WEBHOOKS, *_RECONCILING, *_INBOX)
