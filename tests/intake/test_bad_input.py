"""Bad input gets the answer the wire names, with the place at fault, and changes nothing at all."""

import asyncio
import gzip
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.intake.door import Door, line
from tests.stock.partition import everything

GOOD = b'{"id":"bad","type":"sale","time":"2026-11-22T10:00:00Z","location":"LON-KNB","pool":"store","lines":[%s]}'
LINE = b'{"sku":"BAG-NOIR","quantity":1}'


def with_line(text: bytes) -> bytes:
    return GOOD % text


def with_quantity(text: bytes) -> bytes:
    return GOOD % (b'{"sku":"BAG-NOIR","quantity":%s}' % text)


def with_part(name: bytes, text: bytes) -> bytes:
    """The good event with another value for one of its parts."""
    parts = {
        b"id": b'"bad"',
        b"type": b'"sale"',
        b"time": b'"2026-11-22T10:00:00Z"',
        b"location": b'"LON-KNB"',
        b"pool": b'"store"',
        b"lines": b"[%s]" % LINE,
    }
    parts[name] = text
    return b"{%s}" % b",".join(b'"%s":%s' % pair for pair in parts.items())


async def refused(door: Door, store: Redis, body: bytes, status: int, problem: str, path: str | None) -> None:
    before = await everything(store)

    reply = await door.send(body)

    assert reply.status == status, reply.body
    assert reply.problem == problem
    told = reply.json()
    assert told.get("path") == path
    assert told["problem"].get("path") == path
    assert told["status"] == "refused"
    assert await everything(store) == before


@pytest.mark.parametrize(
    ("quantity", "path"),
    [
        (b"0", "$.lines[0].quantity"),
        (b"-5", "$.lines[0].quantity"),
        (b"1.5", "$.lines[0].quantity"),
        (b"1e3", "$.lines[0].quantity"),
        (b"9007199254740993", "$.lines[0].quantity"),
        (b"1000001", "$.lines[0].quantity"),
        (b"18446744073709551616", "$.lines[0].quantity"),
        (b"true", "$.lines[0].quantity"),
        (b'"1"', "$.lines[0].quantity"),
        (b"null", "$.lines[0].quantity"),
        (b"[1]", "$.lines[0].quantity"),
        (b"NaN", None),
        (b"Infinity", None),
        (b"0x10", "$.lines[0].quantity"),
        (b"01", None),
        (b"+1", None),
        (b"1,,", None),
    ],
)
async def test_a_quantity_that_is_no_number_of_units_is_refused(
    door: Door, store: Redis, quantity: bytes, path: str | None
) -> None:
    await refused(door, store, with_quantity(quantity), 400, "malformed", path)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", None),
        (b"nope", None),
        (b"{", None),
        (b'"text"', "$"),
        (b"7", "$"),
        (b"null", "$"),
        (b"{}", "$"),
        (GOOD % LINE + b"x", None),
        (b"\xff\xfe{}", None),
        (with_part(b"id", b'"\xff"'), None),
        (with_part(b"id", b'"\\ud800"'), None),
        (with_part(b"id", b'""'), "$.id"),
        (with_part(b"id", b"7"), "$.id"),
        (with_part(b"id", b'"a\\u0000b"'), "$.id"),
        (with_part(b"id", b'"%s"' % (b"x" * 201)), "$.id"),
        (with_part(b"type", b'"theft"'), "$.type"),
        (with_part(b"time", b'"2026-11-22T10:00:00"'), "$.time"),
        (with_part(b"time", b'"yesterday"'), "$.time"),
        (with_part(b"time", b"1795341600"), "$.time"),
        (with_part(b"location", b'"London Knightsbridge"'), "$.location"),
        (with_part(b"pool", b'"a/b"'), "$.pool"),
        (with_part(b"lines", b"[]"), "$.lines"),
        (with_part(b"lines", b"{}"), "$.lines"),
        (with_part(b"lines", b"[%s]" % b",".join([LINE] * 101)), "$.lines"),
        (with_part(b"colour", b'"noir"'), "$"),
        (with_part(b"Location", b'"LON-KNB"'), "$"),
        (with_line(b'{"sku":"BAG-NOIR","quantity":1,"qty":1}'), "$.lines[0]"),
        (with_line(b'{"quantity":1}'), "$.lines[0]"),
        (with_line(b'{"sku":"","quantity":1}'), "$.lines[0].sku"),
        (with_line(b'{"sku":"%s","quantity":1}' % (b"x" * 129)), "$.lines[0].sku"),
        (with_line(LINE + b"," + b'{"sku":"A\\nB","quantity":1}'), "$.lines[1].sku"),
        (with_line(b'{"sku":"BAG-NOIR","quantity":1,"serials":["a","b"]}'), "$.lines[0]"),
        # Twice the same key: the decoder alone would keep the last.
        (with_line(b'{"sku":"BAG-NOIR","quantity":1,"quantity":2}'), "$.lines[0]"),
        (with_line(LINE)[:-1] + b',"location":"DC-LYON"}', "$"),
        (with_line(LINE)[:-1] + b',"meta":{"a":"1","a":"2"}}', "$.meta"),
        (with_part(b"meta", b'{%s}' % b",".join(b'"k%d":"v"' % n for n in range(9))), "$.meta"),
        (with_part(b"tags", b'[%s]' % b",".join(b'"t%d"' % n for n in range(17))), "$.tags"),
    ],
)  # fmt: skip
async def test_an_event_that_cannot_be_read_is_refused_with_the_place_at_fault(
    door: Door, store: Redis, body: bytes, path: str | None
) -> None:
    await refused(door, store, body, 400, "malformed", path)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"lines":[', b'[{"a":'])
async def test_a_nesting_of_200_000_is_refused(door: Door, store: Redis, opening: bytes) -> None:
    before = await everything(store)

    reply = await door.send(opening * 200_000)

    assert reply.status in (400, 413)
    assert reply.problem in ("malformed", "too_large")
    assert await everything(store) == before


async def test_two_megabytes_are_too_large_however_they_are_sent(door: Door, store: Redis) -> None:
    large = with_part(b"meta", b'{"a":"%s"}' % (b"x" * 2 * 1024 * 1024))

    await refused(door, store, large, 413, "too_large", None)

    async def in_pieces() -> Any:
        for start in range(0, len(large), 64 * 1024):
            yield large[start : start + 64 * 1024]

    headers = {"Authorization": f"Bearer {door.till}"}
    async with door.session.post(door.url + "/v1/events", data=in_pieces(), headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (gzip.compress(b"x" * 50 * 1024 * 1024), 413, "too_large"),
        (gzip.compress(gzip.compress(b"x" * 1024)), 400, "malformed"),
        (gzip.compress(GOOD % LINE)[:-9], 400, "malformed"),
        (gzip.compress(GOOD % LINE)[:20], 400, "malformed"),
        (b"\x1f\x8bnot gzip", 400, "malformed"),
        (GOOD % LINE, 400, "malformed"),
        (b"", 400, "malformed"),
    ],
    ids=["bomb", "twice", "cut", "cut early", "broken", "plain", "empty"],
)
async def test_bad_gzip_is_refused(door: Door, store: Redis, body: bytes, status: int, problem: str) -> None:
    before = await everything(store)

    reply = await door.send(body, headers={"Content-Encoding": "gzip"})

    assert (reply.status, reply.problem) == (status, problem)
    assert await everything(store) == before


async def test_good_gzip_is_taken(door: Door) -> None:
    event = door.receipt(line("GZIPPED", 3))

    reply = await door.send(gzip.compress(msgspec.json.encode(event)), headers={"Content-Encoding": "gzip"})

    assert reply.status == 200
    assert [item["on_hand"] for item in await door.positions(sku="GZIPPED")] == [3]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "\u00ff"])
async def test_another_encoding_is_refused(door: Door, store: Redis, encoding: str) -> None:
    before = await everything(store)

    reply = await door.send(GOOD % LINE, headers={"Content-Encoding": encoding})

    assert (reply.status, reply.problem) == (415, "unsupported_media")
    assert await everything(store) == before


@pytest.mark.parametrize("sent_at", ["now", "", "2026-11-22T10:00:00", "1795341600", '"', "\\", "\u00ff"])
async def test_a_sending_time_that_is_none_is_refused(door: Door, store: Redis, sent_at: str) -> None:
    before = await everything(store)

    reply = await door.send(GOOD % LINE, headers={"Hub-Sent-At": sent_at})

    assert (reply.status, reply.problem) == (400, "malformed")
    assert "Hub-Sent-At" in reply.json()["detail"]
    assert await everything(store) == before


@pytest.mark.parametrize("header", ["Authorization", "Content-Encoding", "Hub-Sent-At", "Content-Type", "Origin"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"Bearer \xff", b"\xed\xa0\x80"])
async def test_a_header_that_is_no_text_is_no_defect(door: Door, store: Redis, header: str, value: bytes) -> None:
    before = await everything(store)
    sent = {b"Host": b"hub", b"Content-Length": b"4", b"Authorization": f"Bearer {door.till}".encode()}
    sent[header.encode()] = value
    head = b"".join(b"%s: %s\r\n" % pair for pair in sent.items())

    status, body = await raw_request(door, b"POST /v1/events HTTP/1.1\r\n" + head + b"\r\nnope")

    assert 400 <= status < 500, body
    assert await everything(store) == before


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/availability?pool=%FF&sku=A",
        b"/v1/availability?pool=online&sku=%FF",
        b"/v1/availability?pool=online&sku=%ED%A0%80",
        b"/v1/availability?pool=online&sku=%00",
        b"/v1/availability?pool=%ED%A0%80&sku=A",
        b"/v1/\xff\xfe?pool=online",
        b"/v1/availability?pool=\xff&sku=\xff",
        b"/%ED%A0%80",
        b"/v1/positions?location=%ED%A0%80",
        b"/v1/positions?location=LON-KNB&cursor=%FF",
        b"/v1/positions?location=LON-KNB&limit=%D9%A1",
    ],
)
async def test_an_address_that_is_no_text_is_no_defect(door: Door, target: bytes) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n\r\n" % (target, door.till.encode())

    status, body = await raw_request(door, head)

    assert status < 500, body


async def test_a_client_that_goes_away_in_the_middle_of_a_body_is_no_defect(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    _, writer = await asyncio.open_connection(*door.address)
    token = door.till.encode()
    writer.write(b"POST /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n" % token)
    writer.write(b"Content-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    # An answer on another connection shows that the half was read before its end came.
    assert (await door.get("/healthz")).status == 200
    writer.close()
    await writer.wait_closed()

    assert (await door.send(door.receipt())).status == 200
    assert "defect" not in capsys.readouterr().out


@pytest.mark.parametrize("chunks", [b"zz\r\nnope\r\n0\r\n\r\n", b"4\r\nnopeXX0\r\n\r\n", b"-4\r\nnope\r\n0\r\n\r\n"])
async def test_chunks_that_cannot_be_read_are_refused(door: Door, store: Redis, chunks: bytes) -> None:
    before = await everything(store)
    head = b"POST /v1/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n" % door.till.encode()

    status, body = await raw_request(door, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)

    assert 400 <= status < 500, body
    assert await everything(store) == before


async def raw_request(door: Door, request: bytes) -> tuple[int, bytes]:
    """Send bytes as they are; the status and the rest of what came back."""
    reader, writer = await asyncio.open_connection(*door.address)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split()[1]), head
    finally:
        writer.close()
        await writer.wait_closed()


async def test_an_event_for_an_unknown_location_pool_or_status_is_parked(door: Door, store: Redis) -> None:
    before = await everything(store)
    parked = [
        door.sale(location="NEW-YORK"),
        door.sale(pool="outlet"),
        door.event("return", line(to="repair")),
        door.event("adjustment", line(quantity=-1, bucket="display"), reason="found"),
        door.event("moved", line(**{"from": "free", "to": "mislaid"})),
    ]

    for event in parked:
        reply = await door.send(event)
        assert (reply.status, reply.json()["status"]) == (202, "parked")
        again = await door.send(event)
        assert again.json() == reply.json()

    after = await everything(store)
    stock = [key for key in before if b":sku" in key]
    assert [after[key] for key in stock] == [before[key] for key in stock]
    assert [key for key in after if b":sku" in key] == stock


async def test_a_refusal_by_itself_names_the_event_where_it_can(door: Door) -> None:
    reply = await door.send(with_quantity(b"0"))

    told = reply.json()
    assert told["id"] == "bad"
    assert told["problem"]["status"] == 400
    assert told["type"] == told["problem"]["type"] == "urn:hub:problem:malformed"
    assert "id" not in (await door.send(b"nope")).json()


@pytest.mark.parametrize("behind", [b"x", b"\0", gzip.compress(b" ")], ids=["text", "zero", "another member"])
async def test_a_gzip_with_something_behind_it_is_refused(door: Door, store: Redis, behind: bytes) -> None:
    body = gzip.compress(msgspec.json.encode(door.receipt(line("BEHIND", 1))))
    before = await everything(store)

    reply = await door.send(body + behind, headers={"Content-Encoding": "gzip"})

    assert (reply.status, reply.problem) == (400, "malformed")
    assert await everything(store) == before


# A musical note that is three characters in normal form C.
LONG_IN_NFC = "\U0001d160" * 100


async def test_a_sku_whose_normal_form_is_too_long_is_refused(door: Door, store: Redis) -> None:
    body = with_line(b'{"sku":"%s","quantity":1}' % LONG_IN_NFC.encode())

    await refused(door, store, body, 400, "malformed", "$.lines[0].sku")

    for path in ("/v1/availability?pool=online", "/v1/positions"):
        reply = await door.get(path, token=door.till, sku=LONG_IN_NFC)
        assert (reply.status, reply.problem) == (400, "malformed")
