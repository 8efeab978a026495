"""Every adapter that tells what is available, with its recorded conversations; a new one needs a folder of them."""

from pathlib import Path

from adapters.discovery import adapter_named, names
from adapters.kit.conversations import Outbound, conversation_from
from adapters.offering import Offering

CONVERSATIONS = Path(__file__).parent / "conversations"


def outbound_names() -> tuple[str, ...]:
    return tuple(name for name in names() if isinstance(adapter_named(name), Offering))


def outbound_case_of(name: str) -> Outbound:
    adapter = adapter_named(name)
    assert isinstance(adapter, Offering)
    files = sorted((CONVERSATIONS / name).glob("*.json"))
    conversations = tuple(conversation_from(path.read_bytes(), path.stem) for path in files)
    assert conversations, f"no conversation with {name} was recorded"
    return Outbound(adapter, conversations)
