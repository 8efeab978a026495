"""Operations about channels: the shops and files that hear what a pool has."""

from typing import Final

from protocol.channels import ChannelAnswer, ChannelRetryAnswer, ChannelsAnswer
from protocol.identifiers import Name, Sku
from protocol.specs.operation import PARAMETERS, Answer, Operation, Parameter
from protocol.specs.parameters import PAGES

_ID: Final = Parameter(
    name="id",
    type=Name,
    description="The `[[channel]]`.",
    place="path",
    is_required=True,
    example="shopify-eu",
)
CHANNELS: Final = (
    Operation(
        method="get",
        path="/v1/channels",
        id="listChannels",
        tag="channels",
        summary="How every channel is",
        scopes=("admin",),
        answers=(Answer(description="Those of the file and those of earlier files, by id.", type=ChannelsAnswer),),
        problems=PARAMETERS,
    ),
    Operation(
        method="get",
        path="/v1/channels/{id}",
        id="getChannel",
        tag="channels",
        summary="How a channel is, and what of it was given up",
        scopes=("admin",),
        parameters=(_ID, *PAGES),
        answers=(Answer(description="What was given up is listed by SKU.", type=ChannelAnswer),),
        problems=(*PARAMETERS, "not_found"),
    ),
    Operation(
        method="post",
        path="/v1/channels/{id}/retry",
        id="retryChannel",
        tag="channels",
        summary="Try again what was given up, or what the vendor did not sell",
        scopes=("admin",),
        parameters=(_ID, Parameter(name="sku", type=Sku, description="Only this SKU.", example="BAG-NOIR")),
        answers=(Answer(description="It is tried within seconds.", type=ChannelRetryAnswer),),
        problems=(*PARAMETERS, "not_found"),
    ),
)
