"""`GET /metrics` on the admin door, in the Prometheus text format."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def add_metrics(app: web.Application, registry: CollectorRegistry, take_readings: Callable[[], None]) -> None:
    """Add the route; `take_readings` is called at each request, for what is measured only when asked."""

    async def metrics(request: web.Request) -> web.Response:
        take_readings()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/metrics", metrics)
