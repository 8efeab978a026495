"""The peers of a fan-out: servers that carry one message to many, and what their clients say to get it.

`websockets.broadcast()` in a process of its own, and Mosquitto and NATS where they are installed (Debian: `apt-get
install mosquitto nats-server`); each with QoS 0, which promises no more than the hub's newest value does.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bare_servers import bare_server
from raw_websocket import handshake, masked_text

TOPIC = b"online/SKU-000000"
_READY_SECONDS = 10.0
# Debian puts servers where not every shell looks.
_PATHS = "/usr/sbin:/usr/local/sbin:/sbin"


@dataclass(frozen=True)
class Broker:
    """A peer that runs."""

    name: str
    pid: int
    port: int
    # What a client says, and the answer to each of it; it is subscribed after the last.
    hello: tuple[tuple[bytes, bytes], ...]
    # The message that carries a payload to everybody.
    publish: Callable[[bytes], bytes]
    # A client that only publishes says so much less.
    publisher_hello: tuple[tuple[bytes, bytes], ...]


@contextmanager
def broadcasting(_: Path) -> Iterator[Broker | None]:
    """`websockets.broadcast()` to all of its connections, of whatever one of them sends."""
    hello = ((handshake(), b"\r\n\r\n"),)
    with bare_server("broadcast") as server:
        yield Broker("websockets.broadcast()", server.pid, server.port, hello, masked_text, hello)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker | None]:
    """Mosquitto, MQTT 3.1.1; None where it is not installed."""
    port, config = _free_port(), folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\npersistence false\n")
    with _running("mosquitto", ["-c", str(config)], port) as pid:
        if pid is None:
            yield None
            return
        # Clean session, an hour between pings, and the server makes a name.
        connect = (_mqtt(0x10, _text(b"MQTT") + b"\x04\x02\x0e\x10" + _text(b"")), b"\x20\x02\x00\x00")
        subscribe = (_mqtt(0x82, b"\x00\x01" + _text(TOPIC) + b"\x00"), b"\x90\x03\x00\x01\x00")

        def publish(payload: bytes) -> bytes:
            return _mqtt(0x30, _text(TOPIC) + payload)

        yield Broker("Mosquitto", pid, port, (connect, subscribe), publish, (connect,))


@contextmanager
def nats(folder: Path) -> Iterator[Broker | None]:
    """NATS without JetStream; None where it is not installed."""
    port = _free_port()
    log = ["-l", str(folder / "nats.log")]
    with _running("nats-server", ["-a", "127.0.0.1", "-p", str(port), *log], port) as pid:
        if pid is None:
            yield None
            return
        subject = TOPIC.replace(b"/", b".")
        connect = (b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n', b"PONG\r\n")
        subscribe = (b"SUB %b 1\r\nPING\r\n" % subject, b"PONG\r\n")

        def publish(payload: bytes) -> bytes:
            return b"PUB %b %d\r\n%b\r\n" % (subject, len(payload), payload)

        yield Broker("NATS", pid, port, (connect, subscribe), publish, (connect,))


@contextmanager
def _running(program: str, arguments: list[str], port: int) -> Iterator[int | None]:
    found = shutil.which(program) or shutil.which(program, path=_PATHS)
    if found is None:
        yield None
        return
    process = subprocess.Popen([found, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, program)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, program: str) -> None:
    until = time.perf_counter() + _READY_SECONDS
    while time.perf_counter() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{program} does not begin to listen.")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2) + text


def _mqtt(kind: int, body: bytes) -> bytes:
    size, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        size += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + size + body
