"""Operations about the door itself: live streams, tokens, whether it is there, and what describes it."""

from typing import Any, Final

from protocol.health import Alive, Ready
from protocol.limits import SKUS_PER_CONNECTION_MAX, SKUS_PER_GET_MAX
from protocol.questions import StreamQuery
from protocol.specs.operation import BODY, EVENT_STREAM, JSON, PARAMETERS, Answer, Body, Operation
from protocol.specs.parameters import IF_NONE_MATCH, KEPT, NOT_CHANGED, POOL, POOL_EXAMPLE, SKU_EXAMPLE, SKUS
from protocol.tokens import TokenAnswer, TokenRequest

_STREAM: Final = Answer(
    description="`data:` is one message of `/v1/live`: first `subscribed`, then `update` and `heartbeat`.",
    type=str,
    media=EVENT_STREAM,
)
_STREAMS: Final = (
    Operation(
        method="get",
        path="/v1/live/sse",
        id="streamAvailability",
        tag="live",
        summary=f"Watch up to {SKUS_PER_GET_MAX} SKUs of a pool, as Server-Sent Events",
        scopes=(),
        parameters=(POOL, SKUS),
        answers=(_STREAM,),
        problems=(*PARAMETERS, "not_found"),
    ),
    Operation(
        method="post",
        path="/v1/live/sse",
        id="streamAvailabilityByQuery",
        tag="live",
        summary=f"Watch up to {SKUS_PER_CONNECTION_MAX} SKUs of a pool, as Server-Sent Events",
        scopes=(),
        body=Body(content={JSON: StreamQuery}, examples={JSON: {"one": {"pool": POOL_EXAMPLE, "skus": [SKU_EXAMPLE]}}}),
        answers=(_STREAM,),
        problems=(*BODY, "not_found", "too_many"),
    ),
)
_TOKENS: Final = (
    Operation(
        method="post",
        path="/v1/tokens",
        id="makeToken",
        tag="tokens",
        summary="Make a token for a page, never wider than the caller's",
        scopes=("tokens:write",),
        body=Body(
            content={JSON: TokenRequest},
            examples={JSON: {"page": {"sub": "page-19", "pools": [POOL_EXAMPLE], "ttl_seconds": 600}}},
        ),
        answers=(Answer(status=201, description="The token.", type=TokenAnswer),),
        problems=(*BODY, "unsupported"),
    ),
)
_HEALTH: Final = (
    Operation(
        method="get",
        path="/healthz",
        id="getHealth",
        tag="hub",
        summary="Alive: the process answers, whatever its stores do",
        scopes=None,
        answers=(Answer(description="Alive.", type=Alive),),
    ),
    Operation(
        method="get",
        path="/readyz",
        id="getReadiness",
        tag="hub",
        summary="Ready: events would be taken now",
        scopes=None,
        answers=(Answer(description="Ready.", type=Ready),),
        problems=("unavailable",),
    ),
)


def _file(path: str, id: str, tag: str, summary: str, answer: Answer) -> Operation:
    """What is the same for everyone and may be asked about by its tag."""
    return Operation(
        method="get",
        path=path,
        id=id,
        tag=tag,
        summary=summary,
        scopes=None,
        parameters=(IF_NONE_MATCH,),
        answers=(answer, NOT_CHANGED),
    )


def _described(path: str, id: str, what: str) -> Operation:
    document = Answer(description="The document.", type=dict[str, Any], headers=KEPT)
    return _file(path, id, "hub", f"What describes {what}", document)


def _client(name: str, id: str, what: str, media: str) -> Operation:
    file = Answer(description="The file.", type=str, media=media, headers=KEPT)
    return _file(f"/v1/{name}", id, "live", what, file)


LIVING: Final = (
    *_STREAMS,
    _client("stock.js", "getPageClient", "The client for pages, an ES module", "text/javascript"),
    _client("stock.d.ts", "getPageClientTypes", "Its types", "text/plain"),
    *_TOKENS,
    *_HEALTH,
    _described("/openapi.json", "getOpenapi", "the HTTP door, in OpenAPI 3.1"),
    _described("/v1/openapi.json", "getOpenapiOfVersion", "the HTTP door, in OpenAPI 3.1"),
    _described("/asyncapi.json", "getAsyncapi", "the live door, in AsyncAPI 3.0"),
    _described("/v1/asyncapi.json", "getAsyncapiOfVersion", "the live door, in AsyncAPI 3.0"),
)
