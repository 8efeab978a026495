"""`POST /v1/reload`: take the changed file, or say what it would change (`?dry_run=true`)."""

from aiohttp import web

from hub.access import Access
from hub.intake.exchange import Stopped, caller_with, json_response, read_body
from hub.intake.server import guarded
from hub.reloading import Reloading
from hub.settings.document import FILE_BYTES_MAX
from protocol.problems import problem

SCOPE = "admin"
_YES_OR_NO = {"true": True, "false": False}


def add_reload(app: web.Application, access: Access, reloading: Reloading) -> None:
    """Add the route to the admin door's application. Call it before the application starts."""

    async def post_reload(request: web.Request) -> web.Response:
        """Reload, or try it; a dry run takes the text of a file as its body."""
        caller_with(request, access, SCOPE)
        dry_run = _YES_OR_NO.get(request.query.get("dry_run", "false"))
        if dry_run is None:
            raise Stopped(problem("malformed", "`dry_run` is true or false."))
        body = await read_body(request, FILE_BYTES_MAX)
        if not dry_run:
            if body:
                raise Stopped(problem("malformed", "A reload takes the hub's own file: send a body to a dry run only."))
            return json_response(await reloading.reload())
        return json_response(await reloading.dry_run(_text(body) if body else None))

    app.router.add_post("/v1/reload", guarded(post_reload))


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Stopped(problem("malformed", "The body is not UTF-8.")) from error
