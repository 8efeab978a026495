"""Guard one server: start it, and stop it as soon as the hub is gone.

Run by path with the standard library alone (`python -I -S guard.py STEPS PROGRAM ARGUMENT...`), so it starts in
milliseconds. Standard input is a pipe whose other end only the hub holds: its end means "stop the server", whether
the hub asked for it or was killed. STEPS are `SIGNAL:seconds,...`, each signal followed by that much patience; SIGKILL
comes last. The guard ends when its server has ended, with the server's exit code (128 + the signal's number).
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

_PARENT_PIPE = 0
_PR_SET_PDEATHSIG = 1
_CANNOT_EXECUTE = 127


def main(arguments: Sequence[str]) -> int:
    """Guard the program of `arguments` to its end and return its exit code."""
    steps = _steps(arguments[0])
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    server = _Server(arguments[1:], first_signal=steps[0][0])
    if server.ends_before_hub():
        return server.exit_code
    for number, patience_seconds in [*steps, (signal.SIGKILL, float("inf"))]:
        server.send(number)
        if server.ends_within(patience_seconds):
            break
    return server.exit_code


def _steps(text: str) -> list[tuple[int, float]]:
    pairs = [step.partition(":") for step in text.split(",")]
    return [(signal.Signals[name].value, float(seconds)) for name, _, seconds in pairs]


class _Server:
    """The guarded child process."""

    def __init__(self, program: Sequence[str], first_signal: int) -> None:
        self.exit_code = 0
        self._has_ended = False
        # A signal that a child has ended writes here, so that one `select` waits for both child and hub.
        self._wake, write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        guard = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _become(program, first_signal, guard)

    def ends_before_hub(self) -> bool:
        """Wait for the server to end by itself (True) or for the hub's end of the pipe to close (False)."""
        while True:
            ready, _, _ = select.select([_PARENT_PIPE, self._wake], [], [])
            if self._wake in ready and self._look():
                return True
            if _PARENT_PIPE in ready and not os.read(_PARENT_PIPE, 64):
                return self._look()

    def ends_within(self, patience_seconds: float) -> bool:
        """Wait for the server to end, at most so long."""
        deadline = time.monotonic() + patience_seconds
        while not self._look():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            select.select([self._wake], [], [], min(left, 60))
        return True

    def send(self, number: int) -> None:
        """Send a signal to the server; it has not been waited for yet, so its number cannot be another's."""
        os.kill(self._pid, number)

    def _look(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 64)
        if not self._has_ended:
            waited, status = os.waitpid(self._pid, os.WNOHANG)
            if waited:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code, self._has_ended = (code if code >= 0 else 128 - code), True
        return self._has_ended


def _become(program: Sequence[str], first_signal: int, guard: int) -> NoReturn:
    """Turn this forked child into the server: own session, usual signals, stopped if the guard itself is killed."""
    try:
        os.setsid()
        for usual in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(usual, signal.SIG_DFL)
        _die_with_parent(first_signal)
        if os.getppid() == guard:
            os.dup2(os.open(os.devnull, os.O_RDWR), _PARENT_PIPE)
            os.execv(program[0], list(program))
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        sys.stderr.flush()
    os._exit(_CANNOT_EXECUTE)


def _die_with_parent(number: int) -> None:
    """Have the kernel signal this process when its parent ends. Only Linux can; elsewhere the guard is trusted."""
    if sys.platform == "linux":
        with contextlib.suppress(ImportError):
            import ctypes  # noqa: PLC0415 - some Pythons are built without it

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
