"""`PUT /v1/skus`: describe SKUs; `GET /v1/skus?sku=`: what is described of them."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from hub.domain.catalogue import SkuSettings
from hub.domain.sku_table import TableUnreadable, read_sku_table
from hub.intake.exchange import Stopped, caller_with, json_response, read_body
from hub.intake.parts import Parts
from hub.intake.questions import sku_in
from protocol.codec import Malformed, decode_body
from protocol.identifiers import nfc
from protocol.limits import SKU_CHARS_MAX, SKUS_PER_GET_MAX, SKUS_PER_QUERY_MAX
from protocol.problems import problem
from protocol.skus import SkuBody, SkuItem, SkusAnswer, SkuTold

_CSV = "text/csv"


_decode_item = msgspec.json.Decoder(SkuBody)
_decode_array = msgspec.json.Decoder(list[msgspec.Raw])


async def put_skus(request: web.Request) -> web.Response:
    """Describe up to 1,000 SKUs, scope admin: a JSON array, JSON lines, or CSV; a bad one spoils only itself."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, "admin")
    body = await read_body(request, parts.limits.body_bytes_max)
    read = _of_csv(body) if request.content_type == _CSV else [_read(raw) for raw in _split(body)]
    if len(read) > SKUS_PER_QUERY_MAX:
        raise Stopped(problem("too_many", f"At most {SKUS_PER_QUERY_MAX} SKUs are described at once; send several."))
    told = iter(await parts.describing.describe([each for each in read if isinstance(each, SkuSettings)]))
    answers = []
    for each in read:
        if isinstance(each, SkuTold):
            answers.append(each)
            continue
        outcome = next(told)
        # Only a name that is taken is refused here.
        why = problem("conflict", f"Nothing changed: {outcome.why}.") if outcome.why else None
        answers.append(SkuTold(outcome.sku, outcome.status, why))
    return json_response(answers)


async def get_skus(request: web.Request) -> web.Response:
    """What is described of each SKU, by any of its names, scope positions:read."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, "positions:read")
    asked = request.query.getall("sku", [])
    if not 1 <= len(asked) <= SKUS_PER_GET_MAX:
        raise Stopped(problem("malformed", f"Name 1 to {SKUS_PER_GET_MAX} SKUs with `sku`."))
    names = [parts.house.sku(sku_in(name)) for name in asked]
    found = await parts.described.catch_up(names)
    # Another process may have described what a name means, just now.
    names = [parts.house.sku(name) for name in names]
    items = []
    for name in names:
        article = found.get(name)
        if article is None:
            items.append(SkuItem(name, 0, None, None, (), {}))
        else:
            known = (article.category or None, article.brand or None, article.aliases, dict(article.attributes))
            items.append(SkuItem(name, article.revision, *known))
    return json_response(SkusAnswer(tuple(items)))


def _split(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    if body.lstrip()[:1] == b"[":
        try:
            return _decode_array.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Stopped(problem("malformed", "The body is no JSON array that can be read.")) from error
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not lines:
        raise Stopped(problem("malformed", "The body is empty: send a JSON array, JSON lines or CSV."))
    return lines


def _read(raw: bytes | msgspec.Raw) -> SkuSettings | SkuTold:
    try:
        said = decode_body(_decode_item, bytes(raw))
    except Malformed as error:
        return SkuTold(_name_in(bytes(raw)), "refused", error.as_problem())
    table: dict[str, object] = {"id": said.sku, "aliases": said.aliases, "attributes": said.attributes}
    table |= {"category": said.category or None, "brand": said.brand or None}
    try:
        sku = msgspec.convert(table, SkuSettings)
    except msgspec.ValidationError as error:
        return _refused(said.sku, str(error))
    return _checked(sku)


def _checked(sku: SkuSettings) -> SkuSettings | SkuTold:
    """A SKU whose names are no longer in their normal form than a SKU may be."""
    if any(len(nfc(name)) > SKU_CHARS_MAX for name in (sku.id, *sku.aliases)):
        return _refused(sku.id, f"a name has more than {SKU_CHARS_MAX} characters in Unicode's normal form C")
    return sku


def _of_csv(body: bytes) -> list[SkuSettings | SkuTold]:
    try:
        rows = []
        for row in read_sku_table(body.decode("utf-8").replace("\r\n", "\n")):
            rows.append(_refused(row.name or None, row.problem, row.line) if row.sku is None else _checked(row.sku))
            if len(rows) > SKUS_PER_QUERY_MAX:
                break
    except UnicodeDecodeError as error:
        raise Stopped(problem("malformed", "The text is not valid UTF-8.")) from error
    except TableUnreadable as error:
        raise Stopped(problem("malformed", f"The CSV cannot be read: {error}.")) from error
    return rows


def _refused(name: str | None, why: str, line: int | None = None) -> SkuTold:
    place = f"line {line}: " if line else ""
    return SkuTold(name, "refused", problem("malformed", f"{place}{why}."))


class _Named(msgspec.Struct):
    sku: str


_decode_named = msgspec.json.Decoder(_Named).decode


def _name_in(raw: bytes) -> str | None:
    try:
        return _decode_named(raw).sku[:SKU_CHARS_MAX]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
