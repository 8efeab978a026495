"""How far a source was asked for what happened at it, and what each answer makes of that. Pure; times are UTC ms."""

import msgspec

# A vendor's index may be late with what happened: so far back the next walk begins before the last one began.
OVERLAP_SECONDS = 600
# After so many refusals the walk begins anew: a vendor may have forgotten where it was.
REFUSALS_MAX = 3
PROBLEM_CHARS_MAX = 500


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one stream of one source was asked for."""

    # What happened since then is asked for.
    since_ms: int
    # When the present walk over pages began; 0: none is under way.
    began_ms: int = 0
    # Where it is; empty: at its first page.
    cursor: str = ""
    due_ms: int = 0
    # Failures since the last page, and the last one's reason.
    attempts: int = 0
    problem: str = ""
    # When the last walk came to its end; 0: none did.
    done_ms: int = 0
    # Deliveries of the present walk, or else of the last one, that were not in the inbox.
    found: int = 0
    # Another one each time that an operator changes something.
    version: int = 0


def first_since_ms(now_ms: int) -> int:
    """From when on a source is asked for that never was: from now on, but for what is late."""
    return now_ms - OVERLAP_SECONDS * 1000


def is_due(progress: Progress | None, now_ms: int, every_seconds: int) -> bool:
    """Whether a stream is to be asked now: nobody asked it yet, it is time, or the file says a shorter time by now."""
    if progress is None or progress.due_ms <= now_ms:
        return True
    return bool(progress.done_ms) and not progress.attempts and progress.done_ms + every_seconds * 1000 <= now_ms


def begun(progress: Progress, now_ms: int) -> Progress:
    """A walk that is under way, or one that begins."""
    if progress.began_ms:
        return progress
    return msgspec.structs.replace(progress, began_ms=now_ms, cursor="", found=0)


def went_on(progress: Progress, cursor: str, now_ms: int, every_seconds: int) -> Progress:
    """Behind a page that is safe; an empty cursor ends the walk."""
    quiet = msgspec.structs.replace(progress, cursor=cursor, attempts=0, problem="")
    if cursor:
        return quiet
    since_ms = max(progress.since_ms, first_since_ms(progress.began_ms))
    due_ms = now_ms + every_seconds * 1000
    return msgspec.structs.replace(quiet, since_ms=since_ms, began_ms=0, due_ms=due_ms, done_ms=now_ms)


def failed(progress: Progress, why: str, now_ms: int, wait_seconds: float, *, passes: bool) -> Progress:
    """After an answer that was none; what does not pass by itself begins the walk anew in the end."""
    attempts = progress.attempts + 1
    again = msgspec.structs.replace(progress, attempts=attempts, problem=why, due_ms=now_ms + int(wait_seconds * 1000))
    if passes or attempts % REFUSALS_MAX:
        return again
    return msgspec.structs.replace(again, began_ms=0, cursor="")
