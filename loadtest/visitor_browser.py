"""A made-up browser: subscription keys, endpoints at the fake push service, decryption of what arrives."""

import base64
import json
import secrets
from collections.abc import Mapping
from random import choices
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.webpush.endpoint import Provider
from gateway.webpush.keys import encode_base64url
from loadtest.push_rules import ENDPOINTS
from loadtest.push_server import KEPT

# About what sites have.
SHARES: Mapping[Provider, int] = {Provider.FCM: 80, Provider.MOZILLA: 12, Provider.APPLE: 5, Provider.WNS: 3}


def new_endpoint(token: str) -> str:
    """At one of the four providers, by their shares."""
    return ENDPOINTS[choices(list(SHARES), list(SHARES.values()))[0]].replace("*", token)


class Browser:
    """`token` names its mailbox at the fake push service (`GET /kept/{token}`); `renew` changes both."""

    def __init__(self) -> None:
        self._private_key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.renew()

    def renew(self) -> None:
        """The push service gives it another endpoint (pushsubscriptionchange)."""
        self.token = KEPT + secrets.token_urlsafe(96)
        self._endpoint = new_endpoint(self.token)

    def to_json(self) -> dict[str, object]:
        """As `PushSubscription.toJSON()`."""
        point = self._private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": encode_base64url(point), "auth": encode_base64url(self._auth)}
        return {"endpoint": self._endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: str) -> dict[str, Any]:
        """The payload of a kept push (base64), as the worker reads it: `m` message, `t` event token."""
        plaintext = http_ece.decrypt(
            base64.b64decode(body),
            private_key=self._private_key,
            auth_secret=self._auth,
            version="aes128gcm",
        )
        payload: dict[str, Any] = json.loads(plaintext)
        return payload
