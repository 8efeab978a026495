"""Standard Webhooks: the neutral dialect, for any till or shop that can sign. The adapter to copy.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
Signature: `webhook-signature` holds `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`, one or several of them;
the key is what follows `whsec_`, in base64. Retries carry the same `webhook-id`.
Body: an event as `POST /v1/events` takes it, or an array of them, or one in an envelope
`{"type", "timestamp", "data"}`, whose `data` are the event's other fields. An event without `id` has the delivery's,
in an array with its place behind it.

| topic | says |
|---|---|
| any type of the hub's own events | itself |

Known gaps: `v1a` signatures (Ed25519) are not taken.
"""

from collections.abc import Mapping

import msgspec

from adapters.contract import Account, Adapter, Delivery, Maturity, Reading, Reply
from adapters.signatures import from_base64, refusal, signed
from adapters.telling import told, word
from protocol.codec import Malformed, decode_event, refuse_duplicate_keys, split_array
from protocol.events import Event
from protocol.signing import SECRET_PREFIX

# Types that may leave out their pool.
_OF_A_POOL = (b'"sale"', b'"order.placed"')

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class StandardWebhooks:
    """The adapter."""

    name = "standard_webhooks"
    documentation = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
    maturity: Maturity = "recorded"
    topics: tuple[str, ...] = ("*",)
    signs_time = True

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """Nobody looks before."""
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By id, time and body."""
        keys = [from_base64(secret.removeprefix(SECRET_PREFIX)) for secret in account.secrets]
        return refusal(delivery, [key for key in keys if key])

    def sign(self, delivery: Delivery, account: Account) -> Delivery:
        """By id, time and body; a secret that is no base64 signs as an empty key, which is never right."""
        return signed(delivery, from_base64(account.secrets[0].removeprefix(SECRET_PREFIX)) or b"")

    def delivery_id(self, delivery: Delivery) -> str:
        """The same over retries."""
        return delivery.headers.get("webhook-id", "")

    def topic(self, delivery: Delivery) -> str:
        """The type of the event, of an array the first's."""
        try:
            first = (split_array(delivery.body) or [msgspec.Raw(delivery.body)])[0]
            return word(msgspec.json.decode(_decode(first).get("type", b'""')))
        except (Malformed, msgspec.MsgspecError, ValueError, RecursionError):
            return ""

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """As it is: these are the hub's own events."""
        return told(lambda: self._reading(delivery, account))

    def credentials(self, token: str) -> Mapping[str, str]:
        """Nothing is fetched."""
        return {}

    def _reading(self, delivery: Delivery, account: Account) -> Reading:
        items = split_array(delivery.body)
        if items is None:
            event = self._event(msgspec.Raw(delivery.body), self.delivery_id(delivery), account)
            return Reading(events=(event,), is_verbatim=True)
        # In an array the delivery's id would be that of several events.
        events = [self._item(raw, place, delivery, account) for place, raw in enumerate(items)]
        return Reading(events=tuple(events), is_verbatim=True)

    def _item(self, raw: msgspec.Raw, place: int, delivery: Delivery, account: Account) -> Event:
        try:
            return self._event(raw, f"{self.delivery_id(delivery)}:{place + 1}", account)
        except Malformed as error:
            raise Malformed(error.detail, (error.path or "$").replace("$", f"$[{place}]", 1)) from error

    def _event(self, raw: msgspec.Raw, id: str, account: Account) -> Event:
        """One event, with what the envelope, the delivery and the account say where it says nothing."""
        refuse_duplicate_keys(bytes(raw), b"")
        fields = _decode(raw)
        if "data" in fields:
            envelope, fields = fields, _decode(fields["data"])
            time = {"time": envelope["timestamp"]} if "timestamp" in envelope else {}
            fields = {**time, **fields, "type": envelope.get("type", msgspec.Raw(b'""'))}
        fields = {"id": msgspec.Raw(msgspec.json.encode(id)), **fields}
        if account.pool and bytes(fields.get("type", b"")) in _OF_A_POOL:
            fields = {"pool": msgspec.Raw(msgspec.json.encode(account.pool)), **fields}
        return decode_event(msgspec.json.encode(fields)).event


ADAPTER: Adapter = StandardWebhooks()
