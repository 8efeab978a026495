"""How each vendor signs, written from its documents with nothing of the adapters."""

import hmac
import json
from base64 import b64decode, b64encode
from hashlib import sha256

import msgspec

from adapters.contract import Delivery
from adapters.kit.recordings import Sign

# As the recordings' account has it: Square signs it.
SQUARE_URL = "https://hub.example/v1/webhooks/square-knb"


def with_headers(delivery: Delivery, **headers: str) -> Delivery:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(delivery, headers={**delivery.headers, **named})


def digest(secret: bytes, text: bytes) -> bytes:
    return hmac.new(secret, text, sha256).digest()


def standard_webhooks(delivery: Delivery, secret: str) -> Delivery:
    stated = str(delivery.received_at_ms // 1000)
    text = ".".join([delivery.headers["webhook-id"], stated, delivery.body.decode()])
    signature = b64encode(digest(b64decode(secret), text.encode())).decode()
    return with_headers(delivery, webhook_timestamp=stated, webhook_signature=f"v1,{signature}")


def shopify(delivery: Delivery, secret: str) -> Delivery:
    signature = b64encode(digest(secret.encode(), delivery.body)).decode()
    return with_headers(delivery, x_shopify_hmac_sha256=signature)


def woocommerce(delivery: Delivery, secret: str) -> Delivery:
    signature = b64encode(digest(secret.encode(), delivery.body)).decode()
    return with_headers(delivery, x_wc_webhook_signature=signature)


def zettle(delivery: Delivery, secret: str) -> Delivery:
    message = json.loads(delivery.body)
    signed = "{}.{}".format(message["timestamp"], message["payload"])
    return with_headers(delivery, x_izettle_signature=digest(secret.encode(), signed.encode()).hex())


def square(delivery: Delivery, secret: str) -> Delivery:
    signature = b64encode(digest(secret.encode(), SQUARE_URL.encode() + delivery.body)).decode()
    return with_headers(delivery, x_square_hmacsha256_signature=signature)


def bigcommerce(delivery: Delivery, secret: str) -> Delivery:
    # The library takes a key in base64, and the documents hand it the secret so encoded.
    return standard_webhooks(delivery, b64encode(secret.encode()).decode())


SIGNS: dict[str, Sign] = {
    "standard_webhooks": standard_webhooks,
    "shopify": shopify,
    "woocommerce": woocommerce,
    "zettle": zettle,
    "square": square,
    "bigcommerce": bigcommerce,
}
SIGN_A_TIME = {"standard_webhooks", "bigcommerce"}
