"""Paths, methods, browsers and probes."""

from typing import Any

import asyncpg
import pytest

from tests.intake.door import ORIGIN, Door, line

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/events", "/v1/events/", "/v1/positions/x", "/favicon.ico", "//"])
async def test_an_unknown_path_is_not_found(door: Door, path: str) -> None:
    reply = await door.get(path)

    assert (reply.status, reply.problem) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/events", "POST"),
        ("POST", "/v1/availability", "GET"),
        ("GET", "/v1/availability/query", "POST"),
        ("PUT", "/v1/positions", "GET"),
        ("PATCH", "/v1/tokens", "POST"),
        ("POST", "/healthz", "GET"),
    ],
)
async def test_a_path_that_takes_another_method_names_it(door: Door, method: str, path: str, allowed: str) -> None:
    reply = await door.ask(method, path)

    assert (reply.status, reply.problem) == (405, "method_not_allowed")
    assert allowed in reply.headers["Allow"].split(", ")
    assert method not in reply.headers["Allow"].split(", ")


async def test_the_probes_say_that_the_hub_lives_and_takes_events(door: Door) -> None:
    alive = await door.get("/healthz")
    ready = await door.get("/readyz")

    assert (alive.status, alive.json()) == (200, {"status": "alive"})
    assert (ready.status, ready.json()["status"]) == (200, "ready")
    assert ready.json()["ledger"]


async def test_metrics_are_on_the_admin_door_alone(door: Door) -> None:
    text = (await door.get(door.admin + "/metrics")).body.decode()

    assert (await door.get("/metrics")).status == 404
    for name in ("hub_events_total", "hub_kernel_call_seconds_count", "hub_ledger_lag_entries", "hub_ready 1.0"):
        assert name in text


@pytest.mark.parametrize("path", ["/v1/events", "/v1/availability", "/v1/availability/query", "/v1/tokens"])
async def test_a_configured_origin_may_ask(door: Door, path: str) -> None:
    reply = await door.ask("OPTIONS", path, headers={"Origin": ORIGIN, **PREFLIGHT})

    assert reply.status == 204
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    for name in ("Authorization", "Content-Type", "Hub-Sent-At"):
        assert name in reply.headers["Access-Control-Allow-Headers"]
    assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", ORIGIN + ".evil.example", "http://shop.example"]
)
async def test_another_origin_may_not(door: Door, origin: str) -> None:
    preflight = await door.ask("OPTIONS", "/v1/events", headers={"Origin": origin, **PREFLIGHT})
    read = await door.get("/v1/availability", headers={"Origin": origin}, pool="online", sku="A")

    for reply in (preflight, read):
        assert [name for name in reply.headers if name.startswith("Access-Control-Allow")] == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/availability", {"pool": "online", "sku": "A"}),
        ("/v1/availability", {"pool": "vip", "sku": "A"}),
        ("/v1/positions", {"sku": "A"}),
        ("/nowhere", {}),
        ("/healthz", {}),
    ],
)
async def test_a_configured_origin_may_read_answers_and_problems(door: Door, path: str, params: dict[str, Any]) -> None:
    reply = await door.get(path, headers={"Origin": ORIGIN}, **params)

    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    for name in ("ETag", "Retry-After", "WWW-Authenticate"):
        assert name in reply.headers["Access-Control-Expose-Headers"]


async def test_the_page_of_the_admin_door_may_ask_the_http_door(door: Door) -> None:
    for origin in (door.admin, door.admin.replace("127.0.0.1", "localhost")):
        reply = await door.get("/v1/availability", headers={"Origin": origin}, pool="online", sku="A")
        assert reply.headers["Access-Control-Allow-Origin"] == origin


async def test_a_head_is_answered_without_a_body(door: Door) -> None:
    reply = await door.ask("HEAD", "/v1/availability", pool="online", sku="A")

    assert (reply.status, reply.body) == (200, b"")


async def test_a_ledger_that_refuses_makes_an_old_event_unavailable_and_todays_are_taken(
    door: Door, database: str
) -> None:
    old = door.receipt(line("REFUSED-OLD", 1), time="2020-01-01T10:00:00Z")
    connection = await asyncpg.connect(database)
    await connection.execute("ALTER SCHEMA hub RENAME TO elsewhere")
    try:
        reply = await door.send(old)
        today = await door.send(door.receipt(line("REFUSED-TODAY", 1)))
    finally:
        await connection.execute("ALTER SCHEMA elsewhere RENAME TO hub")
        await connection.close()

    assert (reply.status, reply.problem) == (503, "unavailable")
    assert reply.json()["detail"].endswith(". Send the same id again.")
    assert int(reply.headers["Retry-After"]) >= 1
    assert today.status in (200, 202)
    assert (await door.positions(sku="REFUSED-OLD"), len(await door.positions(sku="REFUSED-TODAY"))) == ([], 1)
    assert (await door.send(old)).status in (200, 202)
