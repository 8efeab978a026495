"""The documents: valid, committed as the types make them, and of every route that the door has."""

import shutil
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import make_mocked_request
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.intake.parts import Parts
from hub.intake.server import http_app
from protocol.problems import PROBLEM_TYPES
from protocol.specs.documents import DOCUMENTS, printed
from protocol.specs.openapi import OPERATIONS, TAGS, openapi

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(__file__).parent / "linter"
# What aiohttp adds to a GET, what answers a preflight, and what answers whatever has no route.
UNDESCRIBED = {hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_ANY}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_document_is_what_the_types_make(name: str) -> None:
    committed = (ROOT / "docs" / f"{name}.json").read_text("utf-8")

    assert committed == printed(name), f"write it anew: uv run hub spec {name} > docs/{name}.json"


def test_the_openapi_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(openapi()).iter_errors()] == []


@pytest.mark.skipif(not shutil.which("node"), reason="the AsyncAPI parser runs on node")
@pytest.mark.skipif(
    not (LINTER / "node_modules").exists(), reason="npm ci --ignore-scripts --prefix tests/specs/linter brings it"
)
async def test_the_asyncapi_document_is_valid() -> None:
    linter = await create_subprocess_exec(
        *("node", str(LINTER / "lint.mjs"), str(ROOT / "docs" / "asyncapi.json")), stdout=subprocess.PIPE
    )
    said, _ = await linter.communicate()

    assert said.decode() == "AsyncAPI 3.0.0\n"
    assert linter.returncode == 0


async def test_every_route_is_described_and_every_description_is_a_route() -> None:
    app = http_app(cast(Parts, None))
    routes = {route for route in app.router.routes() if route.method not in UNDESCRIBED}

    described = {await route_of(app, operation.method, operation.path) for operation in OPERATIONS}

    assert described == routes


async def route_of(app: web.Application, method: str, path: str) -> web.AbstractRoute:
    asked = make_mocked_request(method.upper(), path.replace("{", "").replace("}", ""))
    match = await app.router.resolve(asked)
    return cast(web.AbstractRoute, match.route)


def test_every_operation_has_a_name_of_its_own_a_tag_and_known_problems() -> None:
    ids = [operation.id for operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert {operation.tag for operation in OPERATIONS} == set(TAGS)
    assert not {name for operation in OPERATIONS for name in operation.problems} - set(PROBLEM_TYPES)


def test_every_struct_that_is_described_says_what_it_is() -> None:
    schemas: dict[str, Any] = openapi()["components"]["schemas"]

    assert not [name for name, schema in schemas.items() if not schema.get("description")]
