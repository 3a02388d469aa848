"""What `send-test` sends, and to whom."""

from dataclasses import dataclass

from gateway.webpush import ApplicationServerKey, Origin
from storage.subscriptions import Subscription

TTL = 60  # seconds: a test that arrives tomorrow tests nothing


@dataclass(frozen=True, slots=True)
class Target:
    subscription: Subscription
    origin: Origin
    key: ApplicationServerKey
    contact: str
    plaintext: bytes
