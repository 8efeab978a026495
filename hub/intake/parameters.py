"""What a request may be asked by: the parameters of its description, each once where it is no list.

A typo would tell something else, or everything, and of two values one would be left out; so both are refused,
for every read and whatever else has parameters. What answers anyone the same, such as a document, is no question, and
whatever its address carries is nobody's.
"""

from typing import Final

from aiohttp import web

from hub.intake.questions import malformed
from protocol.specs.openapi import OPERATIONS

# (Method, path) -> parameter -> whether it may be repeated.
_MAY_REPEAT: Final[dict[tuple[str, str], dict[str, bool]]] = {
    (operation.method, operation.path): {
        each.name: each.is_list for each in operation.parameters if each.place == "query"
    }
    for operation in OPERATIONS
    if operation.is_question
}
_SHOWN_CHARS: Final = 100


def check_parameters(request: web.Request) -> None:
    """Check that a request has no other parameters than its own, and none of them twice.

    Raises:
        Stopped: 400, it is.
    """
    if not request.query_string:
        return
    resource = request.match_info.route.resource
    method = "get" if request.method == "HEAD" else request.method.lower()
    may_repeat = _MAY_REPEAT.get((method, "" if resource is None else resource.canonical))
    if may_repeat is None:
        return
    for name in request.query:
        if name not in may_repeat:
            there = f"there are {', '.join(may_repeat)}" if may_repeat else "there is none"
            raise malformed(f"There is no parameter `{name[:_SHOWN_CHARS]}` here; {there}.")
        if not may_repeat[name] and len(request.query.getall(name)) > 1:
            raise malformed(f"The parameter `{name}` stands there twice; say it once.")
